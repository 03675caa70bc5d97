"""``synthesight compare``: whether two runs differ on the same stimuli, by paired tests."""

from __future__ import annotations

import json as encoding
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthesight.cli.options import Data, say, seeded, translate, written_to
from synthesight.cli.runs import Unfinished, expanded
from synthesight.cli.tables import check_kind, write_table
from synthesight.errors import SynthesightError

if TYPE_CHECKING:
    import polars as pl

comparing = typer.Typer()
MEASURES = ("accuracy", "shape_bias", "error_consistency")


@comparing.command()
def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Two runs of `evaluate`, a folder of two, or folders of CSV trials."),
    ],
    measure: Annotated[
        list[str] | None,
        typer.Option(
            help="Metric, such as accuracy or observed_consistency; repeatable. Default: accuracy, "
            "shape_bias and error_consistency, as far as they are defined."
        ),
    ] = None,
    out: Annotated[
        Path | None, written_to("Table to write: a .csv, .parquet, .json or .jsonl.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    resamples: Annotated[int, typer.Option(min=1, help="Of metrics that resample.")] = 2000,
    seed: Annotated[int, seeded("Of these resamples.")] = 0,
    unfinished: Unfinished = False,
    data: Data = None,
) -> None:
    """Test whether two runs differ: a paired test on the stimuli that both were shown."""
    from synthesight.analysis import compare as test
    from synthesight.cli.output import print_comparison
    from synthesight.trials.state import check_finished

    check_kind("out", out)
    runs = expanded(runs)
    if len(runs) != 2:
        raise SynthesightError(
            f"{len(runs)} {'run is' if len(runs) == 1 else 'runs are'} named: name two to compare."
        )
    notes = check_finished(runs, unfinished=unfinished)
    trials, names = _trials(runs, data, notes)
    rows: list[dict[str, Any]] = []
    undefined: dict[str, str] = {}
    shown = [None, *sorted(set(trials["dataset"].unique()))]
    for name in dict.fromkeys(measure or MEASURES):
        for dataset in shown if len(shown) > 2 else shown[:1]:
            part = trials if dataset is None else trials.filter(dataset=dataset)
            try:
                found = test(part, *names, measure=name, resamples=resamples, seed=seed)
            except SynthesightError as error:
                if measure and dataset is None:
                    raise
                undefined[name] = str(error)
                if dataset is None:
                    break
                continue
            rows.append({"measure": name, "dataset": dataset or "all", **asdict(found)})
    if not rows:
        raise SynthesightError(next(iter(undefined.values())))
    for name in undefined:
        notes.append(f"{name} is not defined for all of these trials: `measure={name!r}` says why.")
    for row in rows:
        if json:
            print(encoding.dumps({"first": names[0], "second": names[1], **row}))
    if out is not None:
        import polars as pl

        write_table(pl.DataFrame(rows).insert_column(0, pl.lit(names[0]).alias("first")), out)
    if not json:
        print_comparison(rows, *names)
    for note in notes:
        say(translate(note))


def _trials(
    runs: Sequence[Path], data: Path | None, notes: list[str]
) -> tuple[pl.DataFrame, list[str]]:
    """Return the trials of two runs and of people beside them, and how the two are called."""
    import polars as pl

    from synthesight.analysis import IS_HUMAN
    from synthesight.report.sources import gather
    from synthesight.trials.reading import read_trials

    tables = [read_trials(run) for run in runs]
    names: list[str] = []
    for run, table in zip(runs, tables, strict=True):
        observers = table["observer"].unique().sort().to_list()
        if len(observers) != 1:
            raise SynthesightError(
                f"{run} holds the trials of {len(observers)} observers: compare runs of one each."
            )
        names += observers
    if names[0] == names[1]:
        names = [f"{name} ({run})" for name, run in zip(names, runs, strict=True)]
    tables = [
        table.with_columns(observer=pl.lit(name)) for table, name in zip(tables, names, strict=True)
    ]
    people = gather(runs, data, fetch=True, note=notes.append).filter(IS_HUMAN)
    people = people.filter(~pl.col("observer").is_in(names))
    return pl.concat([*tables, people], how="diagonal_relaxed"), names
