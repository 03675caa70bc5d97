"""The log of a training: a line of JSON a checkpoint, with the seconds that it has taken so far."""

from __future__ import annotations

import json
import time
from pathlib import Path

from synthesight.tracking import JsonLines


class Log:
    """Append to ``log.jsonl`` of a training, which may have been begun by another process.

    Parameters
    ----------
    folder
        Of the training.
    """

    def __init__(self, folder: Path) -> None:
        self.lines = JsonLines(folder / "log.jsonl")
        self.seconds, self.since = seconds_so_far(folder), time.perf_counter()

    def write(self, step: int, loss: float) -> None:
        """Append the step, its loss and the seconds of all processes so far."""
        now = time.perf_counter()
        self.seconds, self.since = self.seconds + now - self.since, now
        self.lines.log({"loss": round(loss, 5), "seconds": round(self.seconds, 1)}, step=step)


def seconds_so_far(folder: Path) -> float:
    """Return how long a training has taken, as the last line of its log says; 0 if none does."""
    try:
        return float(json.loads((folder / "log.jsonl").read_text().splitlines()[-1])["seconds"])
    except (FileNotFoundError, IndexError, ValueError):  # none yet, or cut short by a full disk
        return 0.0
