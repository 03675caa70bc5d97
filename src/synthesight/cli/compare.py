"""``synthesight compare``: whether two runs differ on the same stimuli, by paired tests."""

from __future__ import annotations

import json as encoding
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthesight.cli.commands import say, translate
from synthesight.cli.options import Data, Population, seeded, written_to
from synthesight.cli.runs import Unfinished, expanded
from synthesight.cli.tables import check_kind, write_table
from synthesight.errors import SynthesightError

if TYPE_CHECKING:
    import polars as pl

MEASURES = ("accuracy", "shape_bias", "error_consistency")


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
    population: Population = "new-stimuli",
    resamples: Annotated[int, typer.Option(min=1, help="Of metrics that resample.")] = 2000,
    seed: Annotated[int, seeded("Of these resamples.")] = 0,
    unfinished: Unfinished = False,
    data: Data = None,
) -> None:
    """Test whether two runs differ: a paired test on the stimuli that both were shown."""
    import polars as pl

    from synthesight.analysis import check_population, comparisons
    from synthesight.cli.output import print_comparison
    from synthesight.trials.state import check_finished

    check_kind("out", out)
    chosen = check_population(population)
    runs = expanded(runs)
    if len(runs) != 2:
        raise SynthesightError(
            f"{len(runs)} {'run is' if len(runs) == 1 else 'runs are'} named: name two to compare."
        )
    notes = check_finished(runs, unfinished=unfinished)
    trials, names = _trials(runs, data, notes)
    table = comparisons(
        trials, names, measures=measure or MEASURES, each_dataset=True, population=chosen,
        resamples=resamples, seed=seed,
    )  # fmt: skip
    undefined = table.filter(pl.col("estimate").is_null())["measure"].unique(maintain_order=True)
    for name in undefined:
        if measure:  # which was asked for: say why it is undefined for all of them
            comparisons(trials, names, measures=name, resamples=resamples, seed=seed)
        notes.append(f"{name} is not defined for all of these trials: `measure={name!r}` says why.")
    table = table.drop_nulls("estimate")
    if out is not None:
        write_table(table, out)
    if json:
        for row in table.iter_rows(named=True):
            print(encoding.dumps(row))
    else:
        print_comparison(table)
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
