"""The report: every table and figure that trials allow, as files and as one page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import altair as alt
import polars as pl

from synthesight.analysis import accuracy, benchmark, pairwise_consistency, shape_bias
from synthesight.analysis.bootstrap import RESAMPLES
from synthesight.analysis.conditions import without_trivial
from synthesight.analysis.pairs import PEOPLE
from synthesight.analysis.published import SHAPE_BIAS
from synthesight.errors import SynthesightError
from synthesight.report import panels
from synthesight.report.figures import save_figure, shape_bias_figure
from synthesight.report.page import write_page
from synthesight.report.tables import with_people, write_table
from synthesight.trials.conditions import PUBLISHED

FORMATS = (".svg", ".pdf", ".png")


@dataclass
class Section:
    """One part of the report.

    Attributes
    ----------
    name, title, text
        Of its files; heading; what is shown and how it was computed.
    tables, figures
        By file name.
    """

    name: str
    title: str
    text: str
    tables: dict[str, pl.DataFrame] = field(default_factory=dict)
    figures: dict[str, alt.TopLevelMixin] = field(default_factory=dict)


def write_report(
    trials: pl.DataFrame,
    out: Path,
    *,
    resamples: int = RESAMPLES,
    report: Callable[[str], None] = lambda what: None,
) -> Path:
    """Write ``index.html``, ``figures/`` (SVG, PDF, PNG) and ``tables/`` (CSV, Markdown, LaTeX).

    Parameters
    ----------
    trials
        The trial table: of models, of people, or of both.
    out
        Folder of the report; files of an earlier one are replaced.
    resamples
        Of the bootstrap behind the 95 % intervals.
    report
        Called with the name of each part when it is begun.

    Returns
    -------
    The page.

    Raises
    ------
    SynthesightError
        If there are no trials, or the folder cannot be written.
    """
    answered = trials.filter(pl.col("error").is_null())
    if answered.is_empty():
        raise SynthesightError("There are no trials to report: name a run that has some.")
    everyone = with_people(answered)
    sections = []
    for make in (_observers, _shape_bias, _benchmark, _accuracy, _consistency):
        report(make.__name__.strip("_").replace("_", " "))
        section = make(everyone, resamples)
        if section is not None:
            sections.append(section)
    report("writing figures")
    try:
        for section in sections:
            for name, table in section.tables.items():
                write_table(table, out / "tables", name)
            for name, figure in section.figures.items():
                for suffix in FORMATS:
                    save_figure(figure, out / "figures" / f"{name}{suffix}")
        return write_page(sections, order(everyone), out / "index.html")
    except OSError as error:
        raise SynthesightError(
            f"{error.filename or out} cannot be written ({error.strerror}): choose another --out."
        ) from None


def order(everyone: pl.DataFrame) -> list[str]:
    """People, then the models by kind and name."""
    kinds = everyone.select("who", "kind").unique().sort("kind", "who", descending=[True, False])
    names = kinds["who"].unique(maintain_order=True).to_list()
    return sorted(names, key=lambda name: name != PEOPLE)


def _observers(everyone: pl.DataFrame, resamples: int) -> Section:  # noqa: ARG001
    by = ["who", "kind", "dataset"]
    table = (
        everyone.group_by(by)
        .agg(
            pl.col("observer").n_unique().alias("observers"),
            pl.len().alias("trials"),
            pl.col("image").n_unique().alias("images"),
            pl.col("response").is_null().sum().alias("no response"),
            pl.col("evaluations").mean().alias("network evaluations an image"),
        )
        .sort(by)
        .rename({"who": "observer"})
    )
    return Section(
        "trials",
        "What was compared",
        "Each row is an observer, or all people, in one dataset. A trial without a response counts "
        "as an error.",
        {"trials": table},
    )


def _shape_bias(everyone: pl.DataFrame, resamples: int) -> Section | None:
    conflict = everyone.filter(pl.col("texture").is_not_null())
    if conflict.is_empty():
        return None
    shown = conflict.drop("observer").rename({"who": "observer"})
    overall = shape_bias(shown, by=["observer", "kind"], resamples=resamples)
    overall = _ordered(overall, order(everyone)).drop_nulls("estimate")
    each = shape_bias(shown, by_category=True, resamples=resamples)
    each = _ordered(each, order(everyone))
    if overall.is_empty():
        return None
    tables = {"shape-bias": overall, "shape-bias-by-category": each}
    if (conflict["kind"] == "human").any():
        people = shape_bias(
            conflict.filter(pl.col("kind") == "human"), by=["dataset", "observer"],
            resamples=resamples,
        )  # fmt: skip
        tables["shape-bias-of-people"] = people
    return Section(
        "shape-bias",
        "Shape bias",
        "Of the images whose shape and texture belong to different categories, and the responses "
        "that name either: the share that name the shape (Geirhos et al. 2019). n is the number "
        "of such responses. Intervals are 95 %, bootstrap over images. Diamonds are published "
        "figures (Jaini, Clark & Geirhos 2024).",
        tables,
        {
            "shape-bias": shape_bias_figure(
                overall, each, published=SHAPE_BIAS, observers=order(everyone)
            )
        },
    )


def _benchmark(everyone: pl.DataFrame, resamples: int) -> Section | None:
    human = (pl.col("kind") == "human").fill_null(False)
    counted = without_trivial(everyone)
    models = counted.filter(~human)
    people = set(counted.filter(human)["dataset"].unique())
    seen = models.group_by("observer").agg(pl.col("dataset").unique())["dataset"].to_list()
    common = sorted(people.intersection(*seen)) if seen else []
    if not common:
        return None
    table = benchmark(
        counted.filter(pl.col("dataset").is_in(common)).drop("who"), resamples=resamples
    )
    keep = [c for c in table.columns if c.startswith(("observer", "kind", "ood_accuracy"))]
    first = table.select(keep).select(pl.exclude("kind"))
    first = first.filter(pl.col("observer") != PEOPLE).sort("ood_accuracy", descending=True)
    first = pl.concat([first, table.filter(pl.col("observer") == PEOPLE).select(first.columns)])
    second = table.select(pl.exclude(r"^ood_accuracy.*$", "kind"))
    return Section(
        "benchmark",
        "Benchmark",
        f"As Geirhos et al. (2021), over the {len(common)} datasets that all models and people "
        f"saw ({', '.join(common)}), without undistorted and chance-level conditions. Error "
        "consistency is agreement on which images are hard, beyond what accuracy implies; the row "
        "of people is people with each other. Intervals are 95 %, bootstrap over images.",
        {"benchmark-accuracy": first, "benchmark-likeness": second},
        {
            "error-consistency-against-accuracy": panels.consistency_against_accuracy(
                table, order(everyone)
            )
        },
    )


def _accuracy(everyone: pl.DataFrame, resamples: int) -> Section | None:
    published = everyone.filter(pl.col("dataset").is_in(list(PUBLISHED)))
    by = ["who", "dataset", "condition"]
    tables = {"accuracy": accuracy(everyone, by=["who", "dataset"], resamples=resamples)}
    figures: dict[str, alt.TopLevelMixin] = {}
    observers = order(everyone)
    if not published.is_empty():
        detail = accuracy(published, by=by, resamples=resamples).rename({"who": "observer"})
        rank = {name: n for n, name in enumerate(PUBLISHED)}
        place = {(d, c): n for d, names in PUBLISHED.items() for n, c in enumerate(names)}
        detail = (
            detail.with_columns(
                pl.col("dataset").replace_strict(rank).alias("_dataset"),
                pl.struct("dataset", "condition")
                .map_elements(
                    lambda row: place.get((row["dataset"], row["condition"]), 99),
                    return_dtype=pl.Int64,
                )
                .alias("_condition"),
            )
            .sort("_dataset", "_condition", "observer")
            .drop("_dataset", "_condition")
        )
        tables["accuracy-by-condition"] = detail
        there = set(detail["dataset"])
        if there & {name for name, conditions in PUBLISHED.items() if len(conditions) > 1}:
            figures["accuracy-by-condition"] = panels.accuracy_by_condition(detail, observers)
        if there & set(panels.ONE_CONDITION):
            figures["accuracy-bars"] = panels.accuracy_bars(detail, observers)
    tables["accuracy"] = tables["accuracy"].rename({"who": "observer"})
    return Section(
        "accuracy",
        "Accuracy",
        "Share of correct responses; in cue conflict the shape is what is correct. Intervals are "
        "95 %, bootstrap over images; people are pooled.",
        tables,
        figures,
    )


def _consistency(everyone: pl.DataFrame, resamples: int) -> Section | None:  # noqa: ARG001
    try:
        # Means over conditions have no interval here: the benchmark's table has those.
        pairs = pairwise_consistency(everyone.drop("who"), resamples=2)
    except SynthesightError:
        return None  # one observer only
    means = (
        pairs.group_by("dataset", "first", "second", maintain_order=True)
        .agg(pl.col("estimate").mean(), pl.col("n").sum(), pl.len().alias("conditions"))
        .sort("dataset", "first", "second")
    )
    figures = {
        f"error-consistency-{name}": panels.consistency_matrix(
            means.filter(pl.col("dataset") == name).drop("dataset"), name
        )
        for name in means["dataset"].unique(maintain_order=True)
    }
    return Section(
        "error-consistency",
        "Error consistency of every two observers",
        "κ, mean over conditions (Geirhos, Meding & Wichmann 2020): 0 is what independent "
        "observers of the same accuracies would reach, 1 is erring on the same images. Empty "
        "where κ is undefined, because both were always right or always wrong.",
        {"error-consistency": means},
        dict(figures),
    )


def _ordered(table: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    rank = pl.col("observer").replace_strict({name: n for n, name in enumerate(names)})
    return table.sort(rank, maintain_order=True)
