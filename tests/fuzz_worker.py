"""A process that does what it is told, line by line, with little memory: see fuzzing.py.

A line is JSON: ``["command", arguments]`` runs the command line, ``["unpack", archive, folder]``
unpacks. The answer is JSON as well: the exit code, what was written on standard error, and the
most memory that the process had.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import traceback
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["POLARS_MAX_THREADS"] = "1"

from builders import command

MOST = 2 * 10**9  # bytes of memory


def memory(name: str) -> int:
    """Return a number of /proc/self/status in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def do(told: list[Any]) -> dict[str, Any]:
    """Do one thing, and say how it went."""
    Path("/proc/self/clear_refs").write_text("5")  # forget the most memory until now
    try:
        if told[0] == "command":
            result = command(*told[1])
            code, said = result.returncode, result.stderr
        else:
            from synthesight.errors import SynthesightError
            from synthesight.files import unpack

            code, said = 0, ""
            try:
                unpack(Path(told[1]), Path(told[2]))
            except SynthesightError as error:
                code, said = 2, f"synthesight: {error}\n"
    except BaseException:  # whatever the rule is broken by, Rust's panics included
        code, said = 1, traceback.format_exc()
    return {"code": code, "said": said, "memory": memory("VmHWM")}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    for line in sys.stdin:
        told = json.loads(line)
        if told[0] == "ready":  # everything is imported, and what follows is limited
            most = memory("VmSize") + MOST
            resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
            answer: dict[str, Any] = {}
        else:
            answer = do(told)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
