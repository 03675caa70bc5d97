"""Keep the error of every draw of a run beside its trials: analyses of it need no new run.

The folder ``draws`` of a run holds one row for each network evaluation, in parts like those of the
trials (:mod:`~synthesight.trials.parts`), each of whole images. The noise schedule of a diffusion
or flow model lies beside them, in a file whose name tells its SHA-256: it says what the times mean,
and how often each was drawn.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl

from synthesight import files
from synthesight.errors import SynthesightError
from synthesight.trials.parts import Parts

FOLDER = "draws"
# What `synthesight.score` writes has the same columns, but for "prompt" in place of the classes.
ERRORS: dict[str, pl.DataType] = {
    "stimulus": pl.String(),
    "draw": pl.Int32(),
    "time": pl.Float32(),  # in (0, 1]; null where the model knows no times
    "error": pl.Float32(),  # ‖x − x̂‖², not weighted; −nats of models that know no times
}
SCHEMA: dict[str, pl.DataType] = ERRORS | {
    "class": pl.String(),
    "label": pl.String(),  # of a class that is made of several labels or prompts
}
SCHEDULE = "schedule-{}.json"


class Draws:
    """Hold the draws of a run.

    Parameters
    ----------
    run
        Folder of the run.
    """

    def __init__(self, run: Path) -> None:
        self.folder = run / FOLDER
        self.parts = Parts(run, SCHEMA, ("stimulus", "draw", "error", "class"), FOLDER)
        self._stimuli: dict[str, frozenset[str]] = {}  # of each part, which never changes

    def append(self, frame: pl.DataFrame, note: str, schedule: Mapping[str, Any] | None) -> None:
        """Add all draws of some stimuli, as one part.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        files.make_folder(self.folder)
        if schedule is not None:
            add_schedule(self.folder, schedule)
        self.parts.append(
            frame.select(pl.col(name).cast(kind) for name, kind in SCHEMA.items()), note
        )

    def stimuli(self) -> set[str]:
        """Return the stimuli whose draws are kept.

        Raises
        ------
        DamagedPart
            If a part is damaged.
        """
        return set().union(*self._by_part().values())

    def scan(self) -> pl.LazyFrame:
        """Return the draws, each once, to be read when collected.

        Raises
        ------
        DamagedPart
            If a part is damaged.
        """
        known = self._by_part().values()
        table = self.parts.scan()
        if sum(map(len, known)) > len(set().union(*known)):
            # A process that was killed after its draws were written shows their images again.
            key = ["stimulus", "draw", "class", "label"]
            table = table.unique(key, keep="first", maintain_order=True)
        return table.select("stimulus", "draw", "time", "class", "label", "error")

    def _by_part(self) -> dict[str, frozenset[str]]:
        for path in self.parts.paths():
            if path.name not in self._stimuli:
                self.parts.check(path)
                part = pl.scan_parquet(files.scannable(path), glob=False)
                found = part.select(pl.col("stimulus").unique()).collect()["stimulus"]
                self._stimuli[path.name] = frozenset(found)
        there = {path.name for path in self.parts.paths()}
        return {name: stimuli for name, stimuli in self._stimuli.items() if name in there}

    def size(self) -> tuple[int, int]:
        """Return how many network evaluations are kept, and in how many bytes."""
        rows = count = 0
        for path in self.parts.paths():
            with suppress(pl.exceptions.PolarsError, OSError):  # `synthesight check` tells which
                rows += self.parts.rows(path)
                count += path.stat().st_size
        return rows, count

    def schedule(self) -> dict[str, Any] | None:
        """Return the schedule of the model; None for one that knows no times."""
        for path in sorted(self.folder.glob(SCHEDULE.format("*"))):
            content = path.read_bytes()
            if path.name == _name(content):
                return json.loads(content)
            raise SynthesightError(
                f"{path} is damaged (its content is not what was written): delete it, and run the "
                "command that began the run again."
            )
        return None


def add_schedule(folder: Path, schedule: Mapping[str, Any]) -> None:
    """Write a schedule, once however many processes do so."""
    content = (json.dumps(schedule) + "\n").encode()
    with suppress(FileExistsError):
        files.write(folder / _name(content), content, replace=False)


def _name(content: bytes) -> str:
    return SCHEDULE.format(hashlib.sha256(content).hexdigest()[:16])
