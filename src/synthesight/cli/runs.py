"""``synthesight status``, ``check`` and ``merge``: what becomes of runs."""

from __future__ import annotations

import json as encoding
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthesight.cli.commands import say
from synthesight.cli.options import written_to
from synthesight.encoding import printable
from synthesight.errors import SynthesightError

if TYPE_CHECKING:
    from synthesight.trials.state import State

Runs = Annotated[list[Path], typer.Argument(help="Runs of `evaluate`, or folders of runs.")]
Unfinished = Annotated[
    bool, typer.Option("--unfinished", help="Take runs also before all stimuli have a trial.")
]


def expanded(places: Sequence[Path]) -> list[Path]:
    """Return runs and other places, with the runs that a folder of runs holds in its stead.

    Raises
    ------
    SynthesightError
        If a place is the name of a model.
    """
    from synthesight import files
    from synthesight.observers.registry import entries
    from synthesight.trials.record import RECORD

    found: list[Path] = []
    for place in places:
        if not place.exists() and str(place) in entries():
            raise SynthesightError(
                f"{place} is a model and no run: type `synthesight evaluate {place} --stimuli "
                "photos/` first, and name the run."
            )
        if not files.as_path(place).exists():
            raise SynthesightError(f"There is no run {printable(str(place))}: check the path.")
        below = []
        if not (place / RECORD).exists():
            below = [*place.glob(f"*/{RECORD}"), *place.glob(f"*/*/{RECORD}")]
        found += sorted(record.parent for record in below) or [place]
    return found


def status(
    runs: Runs,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Tell how far runs are."""
    from synthesight.trials.state import state_of

    damaged = False
    for run in expanded(runs):
        state = state_of(run)
        damaged |= bool(state.damaged)
        if json:
            print(encoding.dumps(state.as_json()), flush=True)
        else:
            _print(state)
    if damaged:
        raise typer.Exit(2)


def check(
    runs: Runs,
    stimuli: Annotated[
        list[str] | None,
        typer.Option(help="What the runs have shown, to compare every image; repeatable."),
    ] = None,
) -> None:
    """Check runs byte by byte, and set aside what is damaged; nothing is deleted."""
    from synthesight import files
    from synthesight.stimuli.find import find_stimuli
    from synthesight.trials.record import RECORD
    from synthesight.trials.repair import check as check_run
    from synthesight.trials.state import state_of

    shown = find_stimuli(stimuli) if stimuli else None
    wrong = False
    for run in expanded(runs):
        found = check_run(run, shown)
        for sentence in found:
            say(sentence)
        wrong |= bool(found)
        if not (files.as_path(run) / RECORD).exists():
            continue  # it had no trials, and begins anew
        state = state_of(run)
        print(f"{printable(str(files.as_path(run)))}: {'' if found else 'sound, '}{state.sentence}")
        if found and not state.finished:
            print("The command that began the run makes the others anew.")
    if wrong:
        raise typer.Exit(2)


def merge(
    runs: Runs, out: Annotated[Path, written_to("Folder of the merged run; these stay.")]
) -> None:
    """Make one run of several that were made alike, such as shards."""
    from synthesight.trials.merging import merge as merge_runs
    from synthesight.trials.state import state_of

    runs = expanded(runs)
    merged, remarks = merge_runs(runs, out)
    state = state_of(merged.folder)
    print(f"{printable(str(merged.folder))}, of {len(runs)} runs: {state.sentence}")
    for remark in remarks:
        say(remark)
    if remarks:
        raise typer.Exit(2)


def _print(state: State) -> None:
    """Print how far a run is."""
    from synthesight.cli.output import print_table
    from synthesight.progress import duration
    from synthesight.trials.record import FORMAT

    run = state.run
    model = (run.manifest.get("observer") or {}).get("model") or "an observer"
    rows = [
        (row["dataset"] or "-", row["condition"], row["done"],
         "?" if row["total"] is None else row["total"], row["errors"])
        for row in state.table.iter_rows(named=True)
    ]  # fmt: skip
    texts = ("dataset", "condition")
    print_table((*texts, "done", "of", "unreadable"), rows, texts, f"{run.folder}: {model}")
    print(f"{state.sentence} {state.errors} images could not be read.")
    if state.rate is not None and not state.finished:
        left = state.seconds_left
        end = "" if left is None else f"; {duration(left)} left"
        print(f"{state.rate:.2g} trials a second{end}.")
    if state.draws is not None:
        print(f"{state.draws[0]} draws are kept, in {state.draws[1] / 1e6:.1f} MB.")
    if state.writers:
        print(f"Processes at work: {', '.join(map(printable, state.writers))}.")
    for part in state.damaged:
        say(str(part))
    if run.format < FORMAT:
        print(f"Its format is {run.format}, whose parts have no digest; new parts have one.")
