"""``synthesight reproduce``: a paper's figures, printed and measured here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from synthesight.cli.options import Data, Device, Population, written_to


def reproduce(
    paper: Annotated[str, typer.Argument(help="The paper: jaini2024.")],
    runs: Annotated[
        list[Path] | None, typer.Argument(help="Runs to compare, beside those of --run.")
    ] = None,
    out: Annotated[Path, written_to("Folder for the page, tables and runs.")] = Path(
        "reproduction"
    ),
    data: Data = None,
    run: Annotated[
        bool, typer.Option("--run", help="Run the paper's open models first; needs a GPU.")
    ] = False,
    model: Annotated[
        list[str] | None,
        typer.Option(help="With --run: models instead of the paper's; repeatable."),
    ] = None,
    stimuli: Annotated[
        list[str] | None,
        typer.Option(help="With --run: datasets instead of the paper's 17; repeatable."),
    ] = None,
    rule: Annotated[
        str, typer.Option(help="With --run: decision rule. repeated-t is the paper's.")
    ] = "repeated-t",
    limit: Annotated[
        int | None, typer.Option(help="With --run: a balanced sample of so many stimuli.")
    ] = None,
    device: Device = None,
    population: Population = "new-stimuli",
    resamples: Annotated[
        int, typer.Option(min=1, help="Bootstrap resamples behind the intervals.")
    ] = 2000,
) -> None:
    """List every figure of a paper: printed, measured here, and whether they agree."""
    from synthesight.analysis import check_population
    from synthesight.cli.output import print_reproduction
    from synthesight.observers.options import EvaluateOptions
    from synthesight.report.sources import gather
    from synthesight.reproduction import (
        figures_beside,
        read_plan,
        run_models,
        write_reproduction,
    )

    plan, chosen = read_plan(paper), check_population(population)
    if run:
        options = EvaluateOptions(rule=rule, limit=limit, device=device)
        run_models(
            plan, out, models=model or (), datasets=stimuli or (), options=options, report=print
        )
    made = [place.parent for place in sorted((out / "runs").glob("*/run.json"))]
    notes: list[str] = []
    trials = gather([*(runs or []), *made], data, fetch=True, note=notes.append)
    table = figures_beside(plan, trials, population=chosen, resamples=resamples)
    page = write_reproduction(plan, table, out, notes)
    print_reproduction(table)
    for note in notes:
        print(f"synthesight: {note}", file=sys.stderr)
    print(f"The page is {page}. What was not run here: `synthesight reproduce {paper} --run`.")
