"""Tell how far runs are."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from synthesight import files
from synthesight.errors import SynthesightError
from synthesight.trials.claims import CLAIM, Claim, place_of_claims
from synthesight.trials.draws import Draws
from synthesight.trials.parts import DamagedPart
from synthesight.trials.planned import plan_of
from synthesight.trials.record import RECORD
from synthesight.trials.schema import KEY
from synthesight.trials.store import Run, once, trial_parts

RECENT = 900.0  # seconds of which the rate is that
ACTIVE = 120.0  # seconds since the last part after which nobody is thought to write


@dataclass(frozen=True)
class State:
    """Tell how far a run is.

    Attributes
    ----------
    run
        The run.
    table
        For each dataset and condition: ``total`` stimuli, of which ``done`` have a trial, and in
        ``errors`` of these the image could not be read. Null where a run of format 1 tells no
        total.
    total, done, errors
        The same of all.
    damaged
        Parts that are damaged, and left out here.
    rate
        Trials a second over the last quarter of an hour; None if nothing is being written.
    written
        When a part was last written, in seconds since 1970; None if there is none.
    writers
        Processes that work on it now, as machine and number.
    draws
        Network evaluations whose errors are kept, and the bytes that they take; None in a run that
        keeps none.
    """

    run: Run
    table: pl.DataFrame
    total: int | None
    done: int
    errors: int
    damaged: tuple[DamagedPart, ...]
    rate: float | None
    written: float | None
    writers: tuple[str, ...]
    draws: tuple[int, int] | None = None

    @property
    def finished(self) -> bool:
        """Whether every stimulus has a trial, as far as is known."""
        return self.total is None or self.done >= self.total

    @property
    def sentence(self) -> str:
        """How far it is, in a sentence."""
        total = "" if self.total is None else f" of {self.total}"
        return f"{self.done}{total} stimuli have a trial."

    @property
    def seconds_left(self) -> float | None:
        """How long it will take yet, at its present rate; None where nothing is being written."""
        if self.total is None or not self.rate:
            return None
        return max(self.total - self.done, 0) / self.rate

    def as_json(self) -> dict[str, Any]:
        """Return all of it as JSON can hold it."""
        return {
            "run": str(self.run.folder),
            "format": self.run.format,
            "observer": (self.run.manifest.get("observer") or {}).get("model"),
            "total": self.total,
            "done": self.done,
            "errors": self.errors,
            "finished": self.finished,
            "rate": self.rate,
            "seconds_left": self.seconds_left,
            "written": self.written,
            "writers": list(self.writers),
            "draws": self.draws and dict(zip(("evaluations", "bytes"), self.draws, strict=True)),
            "damaged": [str(part.path) for part in self.damaged],
            "conditions": self.table.to_dicts(),
        }


def state_of(folder: str | Path) -> State:
    """Tell how far a run is.

    Raises
    ------
    SynthesightError
        If the folder is no run.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = Run.create(f"{folder}/run", {"classes": ["cat", "dog"]})
    ...     run.append([{"observer": "me", "stimulus": "a.png", "response": "cat"}])
    ...     state_of(run.folder).done
    1
    """
    run = Run.open(folder)
    bad_trials: list[DamagedPart] = []
    bad_plan: list[DamagedPart] = []
    shown = trial_parts(run.folder).read(_shown, bad_trials)
    plan = plan_of(run.folder).read(lambda table: table.collect(), bad_plan)
    plan = plan.unique("stimulus", maintain_order=True)
    if run.keeps_draws:
        try:
            drawn = Draws(run.folder).stimuli()
        except DamagedPart as part:
            bad_plan.append(part)
        else:  # without its draws, a stimulus is shown again
            shown = shown.filter(pl.col("stimulus").is_in(drawn) | (pl.col("errors") > 0))
    place = ["dataset", "condition"]
    table = plan.join(shown, on="stimulus", how="full", coalesce=True, suffix="_shown").select(
        *(pl.coalesce(name, f"{name}_shown") for name in place), "done", "errors"
    )
    total = pl.len().cast(pl.Int64) if len(plan) else pl.lit(None, pl.Int64)
    by = table.group_by(place).agg(total=total, done=pl.sum("done"), errors=pl.sum("errors"))
    # Format 1 tells only how many there are.
    counted = run.manifest.get("stimuli")
    owners = _owners(run.folder)
    begun = min((each["begun"] for each in owners), default=0.0)
    rate, written = _pace(run.folder, begun)
    return State(
        run,
        by.sort(place),
        len(table) if len(plan) else counted if isinstance(counted, int) else None,
        len(shown),
        int(shown["errors"].sum()),
        (*bad_trials, *bad_plan),
        rate,
        written,
        tuple(sorted({f"{each['host'].split()[0]}:{each['pid']}" for each in owners})),
        Draws(run.folder).size() if run.keeps_draws else None,
    )


def _shown(trials: pl.LazyFrame) -> pl.DataFrame:
    """Return the stimuli that have a trial, and whether their images could not be read."""
    found = once(trials.select(*KEY, "error")).collect()
    return found.unique("stimulus", keep="first", maintain_order=True).select(
        "stimulus",
        "dataset",
        "condition",
        done=pl.lit(1, pl.Int64),
        errors=pl.col("error").is_not_null().cast(pl.Int64),
    )


def _pace(folder: Path, since: float) -> tuple[float | None, float | None]:
    """Return how many trials a second there were of late, and when the last part was written."""
    ends = []
    parts = trial_parts(folder)
    for path in parts.paths():
        try:
            ends.append((path.stat().st_mtime, path))
        except FileNotFoundError:  # joined with others meanwhile
            continue
    if not ends:
        return None, None
    ends.sort()
    last = ends[-1][0]
    # The time between two sittings is none of work.
    recent = [(end, path) for end, path in ends if end > max(since, last - RECENT)]
    if time.time() - last > ACTIVE or len(recent) < 2:
        return None, last
    took = last - recent[0][0]
    rows = 0
    for _, path in recent[1:]:
        with suppress(pl.exceptions.PolarsError, OSError):
            rows += parts.rows(path)
    return rows / took if took else None, last


def _owners(folder: Path) -> list[Mapping[str, Any]]:
    """Return the processes that have claimed stimuli of a run, and live."""
    place = place_of_claims(folder)
    paths = place.iterdir() if place.is_dir() else ()
    claims = [Claim.read(path) for path in paths if path.suffix == CLAIM]
    return [claim.owner for claim in claims if claim and claim.lives(time.time())]


def check_finished(runs: Sequence[Path], *, unfinished: bool = False) -> list[str]:
    """Return a sentence for each run whose stimuli do not all have a trial; folders may be no runs.

    Without ``unfinished``, such runs are refused.
    """
    places = map(files.as_path, runs)
    states = [state_of(place) for place in places if (place / RECORD).exists()]
    for state in states:
        if state.damaged:
            raise state.damaged[0]
    found = [
        f"{state.run.folder} holds {state.done} of {state.total} stimuli"
        for state in states
        if not state.finished
    ]
    if found and not unfinished:
        raise SynthesightError(
            f"{'; '.join(found)}: finish with the command that began it, or give `unfinished` to "
            "go on without the others."
        )
    return [f"{each}." for each in found]
