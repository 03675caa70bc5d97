"""The tour: two small models of equal training look at drawn images, offline."""

from __future__ import annotations

import time
from pathlib import Path

import altair as alt
import polars as pl
from rich.console import Console
from rich.table import Table

import synthesight
from synthesight.analysis import accuracy, shape_bias
from synthesight.observers.options import EvaluateKeywords
from synthesight.report.figures import answers_chart, save_figure, shape_bias_means
from synthesight.report.looks import picked
from synthesight.report.references import references_of
from synthesight.stimuli.categories import SHARED_SEVEN
from synthesight.stimuli.make.drawn import drawn_cue_conflict, drawn_objects, save
from synthesight.stimuli.stimulus import Stimulus

MODELS = ("natural-32", "natural-32-cnn")
EXAMPLES = 6
PUBLISHED = references_of("shape_bias", "cue-conflict")
DRAWS = 64  # a class at most: a third of the default, for a tour of minutes


def run_demo(out: Path) -> None:
    """Draw images, show them to both bundled models, print what they make of them, and plot it.

    Parameters
    ----------
    out
        Folder for the images, the runs and the figure ``shape-bias.png`` (and ``.svg``).
    """
    started = time.monotonic()
    console = Console()
    objects = drawn_objects(shapes=SHARED_SEVEN, per_category=3)
    conflict = drawn_cue_conflict(shapes=SHARED_SEVEN, textures=SHARED_SEVEN, per_pair=2)
    stimuli = [*objects, *conflict]
    save(conflict, out / "cue-conflict-drawn")
    console.print(
        f"{len(objects)} drawn objects and {len(conflict)} drawn cue-conflict images (a shape "
        f"filled with another category's texture), in {out / 'cue-conflict-drawn'}; "
        f"{len(SHARED_SEVEN)} classes: {', '.join(SHARED_SEVEN)}."
    )
    tables = []
    for name in MODELS:
        options: EvaluateKeywords = {"classes": SHARED_SEVEN}
        if name == "natural-32":
            options["max_draws"] = DRAWS
        run = synthesight.evaluate(name, stimuli, out / "runs" / name, progress=True, **options)
        tables.append(run.trials())
    trials = pl.concat(tables)
    right = accuracy(trials.filter(pl.col("dataset") == "objects-drawn"), by=["observer", "kind"])
    bias = shape_bias(trials, by=["observer", "kind"])
    cost = trials.group_by("observer").agg(pl.col("evaluations").mean())
    console.print(result_table(right, bias, dict(cost.iter_rows())))
    figure = alt.vconcat(
        _examples(conflict, trials), shape_bias_means(bias, PUBLISHED, MODELS), spacing=14
    ).add_params(picked(MODELS))
    path = out / "shape-bias.png"
    save_figure(figure.to_dict(), path.with_suffix(".svg"), path)
    console.print(
        "Published figures are for the photographs of Geirhos et al. (2019), not for these "
        "drawings: they give the scale, not a comparison."
    )
    console.print(f"Figure: {path}. Took {time.monotonic() - started:.0f} s.")


def result_table(right: pl.DataFrame, bias: pl.DataFrame, cost: dict[str, float]) -> Table:
    """Accuracy and shape bias of the models, beside what was published, in 80 columns."""
    table = Table()
    for column in (
        "observer",
        "objects\nright",
        "shape\nbias",
        "95 %\ninterval",
        "n",
        "evaluations",
    ):
        table.add_column(column, justify="left" if column == "observer" else "right")
    correct = dict(right.select("observer", "estimate").iter_rows())
    for row in bias.iter_rows(named=True):
        table.add_row(
            row["observer"],
            f"{100 * correct[row['observer']]:.0f} %",
            f"{100 * row['estimate']:.0f} %",
            f"{100 * row['low']:.0f}-{100 * row['high']:.0f} %",
            str(row["n"]),
            f"{cost[row['observer']]:.0f}",
        )
    for name, value in PUBLISHED.select("observer", "value").iter_rows():
        table.add_row(f"{name} (published)", "", f"{100 * value:.0f} %", "", "", "")
    return table


def _examples(conflict: list[Stimulus], trials: pl.DataFrame) -> alt.Chart:
    """A few images with each model's answer."""
    chosen = conflict[:: max(1, len(conflict) // EXAMPLES)][:EXAMPLES]
    answers = {
        (observer, stimulus): response
        for observer, stimulus, response in trials.select(
            "observer", "stimulus", "response"
        ).iter_rows()
    }
    captions = [
        ["generative:", answers[MODELS[0], s.id], "discriminative:", answers[MODELS[1], s.id]]
        for s in chosen
    ]
    return answers_chart([stimulus.open() for stimulus in chosen], captions)
