"""``synthesight analyse``: what a finished run's draws tell, without a new run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthesight.cli.commands import Commands
from synthesight.cli.options import written_to
from synthesight.cli.tables import FIGURES, check_kind, write_table

if TYPE_CHECKING:
    import polars as pl

analyse = typer.Typer(
    name="analyse",
    cls=Commands,
    help="Analyse the draws of a run that keeps them (`evaluate --keep-draws`).",
    no_args_is_help=True,
)

Run = Annotated[Path, typer.Argument(help="Run of `evaluate --keep-draws`.")]
Out = Annotated[Path | None, written_to("Table to write: a .csv, .parquet, .json or .jsonl.")]
Figure = Annotated[Path | None, typer.Option(help="Figure to write: an .svg, .png or .pdf file.")]
Resamples = Annotated[int, typer.Option(min=0, help="Bootstrap resamples behind the intervals.")]
Weighting = Annotated[
    str | None,
    typer.Option(
        help="jaini, epsilon, elbo, uniform, or a JSON file with one. Default: the run's own."
    ),
]


@analyse.command("weighting")
def weighting_(
    run: Run,
    table: Annotated[
        list[Path] | None,
        typer.Option(help="JSON file of a further weighting, of `fit-weighting`; repeatable."),
    ] = None,
    out: Out = None,
    figure: Figure = None,
    resamples: Resamples = 2000,
) -> None:
    """Tell what other weightings would have answered: accuracy, shape bias, calibration."""
    from synthesight.draws import weighting
    from synthesight.draws.figures import weighting_figure
    from synthesight.observers.given import read_weighting

    _check(out, figure)
    others = {path.stem: read_weighting(path)[0] for path in table or []}
    found = weighting(run, others, resamples=resamples)
    _write(found, out, figure, weighting_figure)
    _print(_wide(found), f"{run}: weightings")


@analyse.command("time")
def time_(
    run: Run,
    weighting: Weighting = None,
    bins: Annotated[int, typer.Option(min=1, help="Bins of time.")] = 10,
    out: Out = None,
    figure: Figure = None,
    resamples: Resamples = 2000,
) -> None:
    """Tell where in time the evidence is: accuracy and margin of the right class."""
    from synthesight.draws import time
    from synthesight.draws.figures import time_figure

    _check(out, figure)
    found = time(run, _weighting(weighting), bins=bins, resamples=resamples)
    _write(found, out, figure, time_figure)
    _print(_wide(found), f"{run}: evidence by time")


@analyse.command("rules")
def rules_(
    run: Run,
    weighting: Weighting = None,
    max_draws: Annotated[int | None, typer.Option(help="Draws of a class at most.")] = None,
    out: Out = None,
    figure: Figure = None,
) -> None:
    """Tell what every decision rule would have decided and cost, and whether promises held."""
    from synthesight.draws import rules
    from synthesight.draws.figures import rules_figure

    _check(out, figure)
    found = rules(run, _weighting(weighting), max_draws=max_draws)
    _write(found, out, figure, rules_figure)
    _print(found, f"{run}: rules, and how often they lose the choice of exhaustive")


@analyse.command("seeds")
def seeds_(run: Run, weighting: Weighting = None, out: Out = None, figure: Figure = None) -> None:
    """Tell how much accuracy and responses vary with the draws that a run happened to get."""
    from synthesight.draws import seeds
    from synthesight.draws.figures import seeds_figure

    _check(out, figure)
    found = seeds(run, _weighting(weighting))
    _write(found, out, figure, seeds_figure)
    _print(found, f"{run}: accuracy over disjoint sets of draws")


def _weighting(given: str | None) -> Any:
    from synthesight.observers.given import read_weighting

    return None if given is None else read_weighting(given)[0]


def _check(out: Path | None, figure: Path | None) -> None:
    check_kind("out", out)
    check_kind("figure", figure, FIGURES)


def _write(found: pl.DataFrame, out: Path | None, figure: Path | None, draw: Any) -> None:
    if out is not None:
        write_table(found, out)
    if figure is not None:
        from synthesight import files
        from synthesight.report.saving import save_figure

        with files.writing(figure, "`figure`"):
            save_figure(draw(found).to_dict(), figure)


def _wide(found: pl.DataFrame) -> pl.DataFrame:
    """Return a row for each group, and a column for each measure, with its interval."""
    import polars as pl

    group = [name for name in found.columns if name not in ("measure", *_FIGURES, "n")]
    shown = pl.format(
        "{} ({} to {})",
        *(pl.col(name).round(3).cast(pl.String).fill_null("-") for name in _FIGURES),
    )
    return found.with_columns(shown=shown).pivot("measure", index=group, values="shown")


_FIGURES = ("estimate", "low", "high")


def _print(found: pl.DataFrame, title: str) -> None:
    from synthesight.cli.output import print_table

    rows = [[f"{v:.3g}" if isinstance(v, float) else v for v in row] for row in found.iter_rows()]
    columns = [name.replace("_", " ") for name in found.columns]
    texts = [
        name for name, kind in zip(columns, found.dtypes, strict=True) if not kind.is_numeric()
    ]
    print_table(columns, rows, texts, title)
