"""How long `synthesight --help` takes, beside an empty Python process.

python benchmarks/startup.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

RUNS = 10


def seconds(*command: str) -> float:
    """Median wall time of a command, after one warm-up."""
    times = []
    for _ in range(RUNS + 1):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


if __name__ == "__main__":
    empty = seconds(sys.executable, "-c", "")
    imported = seconds(sys.executable, "-c", "import synthesight")
    helped = seconds(sys.executable, "-m", "synthesight", "--help")
    print(
        f"empty process {empty:.3f} s, import synthesight {imported:.3f} s, --help {helped:.3f} s"
    )
    print(f"--help / empty process: {helped / empty:.1f}")
