"""Lay what was measured here beside what a paper prints, and run what is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from synthesight.analysis import (
    BENCHMARK_METRICS,
    IS_HUMAN,
    PEOPLE,
    POPULATION,
    Population,
    benchmark,
    get_metric,
    with_people,
)
from synthesight.errors import SynthesightError
from synthesight.observers.options import EvaluateOptions
from synthesight.observers.registry import resolve
from synthesight.report.looks import counted
from synthesight.reproduction.plan import Item, Plan, Who

ROUNDING = 0.005  # half of the last digit that papers print
SCHEMA: dict[str, pl.DataType] = {
    "where": pl.String(),
    "figure": pl.String(),
    "observer": pl.String(),
    "published": pl.Float64(),
    "here": pl.String(),
    "estimate": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "population": pl.String(),
    "verdict": pl.String(),
}


def figures_beside(
    plan: Plan,
    trials: pl.DataFrame,
    *,
    population: Population = POPULATION,
    resamples: int = 2000,
) -> pl.DataFrame:
    """Return a paper's figures beside those of trials.

    Parameters
    ----------
    plan
        What the paper shows.
    trials
        The trial table, of models and people.
    population, resamples
        Of which the 95 % confidence intervals speak, and how many resamples are behind some.

    Returns
    -------
    One row a figure and observer. Columns: where, figure, observer (as the paper calls it),
    published, here (who was measured), estimate, low, high, population, and verdict: "agrees"
    where the printed value is in the interval or differs by its rounding, else by how much it
    differs, or why there is nothing to compare.
    """
    everyone = with_people(trials.filter(pl.col("error").is_null()))
    rows: list[dict[str, Any]] = []
    for item in plan.items:
        head = {"where": item.where, "figure": item.what}
        if item.missing:
            rows.append(head | {"verdict": item.missing})
            continue
        measured = _measured(item, everyone, population, resamples)
        for who, printed in item.rows:
            found = _row(who, printed, measured, plan, item)
            rows.append(head | {"observer": who.name, "published": printed} | found)
    return pl.DataFrame(rows, schema=SCHEMA)


def _measured(
    item: Item, everyone: pl.DataFrame, population: Population, resamples: int
) -> dict[str, dict[str, Any]]:
    """Return estimate, low, high and datasets by observer."""
    shown = everyone if item.dataset is None else everyone.filter(dataset=item.dataset)
    table = _table(item.metric, shown, population, resamples)
    seen = dict(shown.group_by("who").agg(pl.col("dataset").n_unique()).iter_rows())
    return {
        row["observer"]: row | {"datasets": seen.get(row["observer"], 0)}
        for row in table.iter_rows(named=True)
        if row["estimate"] is not None
    }


def _table(name: str, shown: pl.DataFrame, population: Population, resamples: int) -> pl.DataFrame:
    how: dict[str, Any] = {"population": population, "resamples": resamples}
    if name not in BENCHMARK_METRICS:
        return get_metric(name).function(shown, by=["who"], **how).rename({"who": "observer"})
    people = shown.filter(IS_HUMAN)
    if people["observer"].n_unique() < 2:  # nobody to be compared with
        return pl.DataFrame(schema={"observer": pl.String, "estimate": pl.Float64})
    # Of what no person saw there is no likeness to people.
    seen = shown.filter(pl.col("dataset").is_in(people["dataset"].unique().implode()))
    return benchmark(seen, **how).select(
        "observer", "population", estimate=name, low=f"{name}_low", high=f"{name}_high"
    )


def _row(
    who: Who, printed: float | None, measured: dict[str, dict[str, Any]], plan: Plan, item: Item
) -> dict[str, Any]:
    for names, same in ((who.here, True), (who.kin, False)):
        if found := _find(names, measured):
            estimate = {key: found[key] for key in ("estimate", "low", "high", "population")}
            verdict = _verdict(printed, found, same, plan, item)
            return {"here": found["observer"], **estimate, "verdict": verdict}
    if who.name == PEOPLE or who.here:
        return {"verdict": "not run here"}
    if who.kin:
        return {"verdict": f"{who.why}; its open kin {who.kin[0]} was not run here"}
    return {"verdict": who.why}


def _find(names: Sequence[str], measured: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    for name in names:
        for observer, row in measured.items():
            # Where several runs share a name, the run stands behind it.
            if observer == name or observer.startswith(f"{name} ("):
                return row
    return None


def _verdict(
    printed: float | None, found: dict[str, Any], same: bool, plan: Plan, item: Item
) -> str:
    if item.dataset is None and found["datasets"] < len(plan.datasets):
        return f"of {found['datasets']} of {len(plan.datasets)} datasets: not the same mean"
    if not same:
        return "an open kin, not the paper's model"
    if printed is None:
        return "measured; no printed value is recorded"
    inside = found["low"] is not None and found["low"] <= printed <= found["high"]
    difference = found["estimate"] - printed
    if inside or abs(difference) <= ROUNDING:
        return "agrees"
    return f"differs by {difference:+.3f}"


def run_models(
    plan: Plan,
    out: Path,
    *,
    models: Sequence[str] = (),
    datasets: Sequence[str] = (),
    options: EvaluateOptions | None = None,
    report: Callable[[str], None] = lambda what: None,
) -> list[Path]:
    """Show models the paper's datasets by its procedure; runs that are begun go on.

    Parameters
    ----------
    plan
        What the paper shows.
    out
        Folder, in which each model's run is ``runs/<model>``.
    models
        Names of models; none for those of the paper that are open.
    datasets
        Names or folders of datasets; none for all of the paper's.
    options
        :class:`~synthesight.observers.options.EvaluateOptions`; None is ``rule="repeated-t"``.
    report
        Called with a sentence before each model.

    Returns
    -------
    The folders of the runs.

    Raises
    ------
    SynthesightError
        If there is no GPU and no device was named: a large model would take months.
    """
    from synthesight.evaluation import run_evaluation
    from synthesight.likelihood.device import best_device

    options = options or EvaluateOptions(rule="repeated-t")
    if options.device is None and best_device() == "cpu":
        raise SynthesightError(
            "This machine has no GPU, on which the paper's models run: use one, or name "
            "`device='cpu'` to run them here all the same."
        )
    folders = []
    for name in models or plan.models:
        folder = out / "runs" / name.replace("/", "--")
        report(f"{name} on {counted(len(datasets or plan.datasets), 'dataset')}, into {folder}")
        shown = list(datasets or plan.datasets)
        run_evaluation(name, shown, folder, _published(name, options, plan), progress=True)
        folders.append(folder)
    return folders


def _published(name: str, options: EvaluateOptions, plan: Plan) -> EvaluateOptions:
    """Return the options for a model: a network has no decision rule, but may have a protocol.

    Nor has an exact model a use for a rule of draws.
    """
    _, entry = resolve(name)
    if name in plan.exact and options.rule == "repeated-t":
        return replace(options, rule=None)
    if entry is None or entry.kind == "generative":
        return options
    protocol = None if entry.toolbox is None else "published"
    return replace(options, rule=None, protocol=protocol)


def write_reproduction(plan: Plan, table: pl.DataFrame, out: Path, notes: Sequence[str]) -> Path:
    """Write the page, and the table as CSV, Markdown and LaTeX.

    Returns
    -------
    The page.
    """
    from synthesight import files
    from synthesight.references import reference
    from synthesight.report.page import write_page
    from synthesight.report.section import Section
    from synthesight.report.tables import write_table

    compared = table.filter(pl.col("verdict").str.contains("^(agrees|differs)"))
    agree = compared.filter(verdict="agrees")
    text = (
        f"{plan.title}: {reference(plan.paper).short}. Its models were asked by the "
        f"{plan.procedure}. {len(agree)} of the {len(compared)} printed figures that could be "
        "compared here agree: they lie in the 95 % confidence interval, or differ by rounding."
    )
    sections = [
        Section(
            name=f"part-{number}",
            title=f"{where}: {figure}",
            text=text if not number else "",
            tables={f"part-{number}": part.drop("where", "figure")},
        )
        for number, ((where, figure), part) in enumerate(
            table.group_by("where", "figure", maintain_order=True)
        )
    ]
    with files.writing(out):
        for section in sections:
            for name, part in section.tables.items():
                write_table(part, out / "tables", name)
        write_table(table, out / "tables", "reproduction")
        return write_page(sections, {}, [], out / "index.html", notes=notes)
