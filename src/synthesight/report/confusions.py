"""The section of confusion matrices: which categories got which responses."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import polars as pl

from synthesight.analysis import PEOPLE, POPULATION, confusion
from synthesight.report.looks import picked, shown
from synthesight.report.section import Section, datasets_of, order
from synthesight.stimuli.categories import in_order
from synthesight.stimuli.names import plain

NOTHING = "no response"
COLUMNS = 4
MATRICES = 40  # the page draws more only when asked for
CROWD = 12  # observers of a dataset; the matrices of more would take minutes


def confusion_section(everyone: pl.DataFrame, resamples: int) -> Section | None:  # noqa: ARG001
    """Show which categories got which responses."""
    cells = confusion(everyone, by=["who", "dataset"]).rename({"who": "observer"})
    if cells.is_empty():
        return None
    names = order(everyone)
    counts = cells.group_by("dataset").agg(pl.col("observer").n_unique())
    crowded = counts.filter(pl.col("observer") > CROWD)["dataset"].to_list()
    people = pl.col("observer") == PEOPLE
    drawn = cells.filter(people | ~pl.col("dataset").is_in(crowded))
    left_out = (
        f" Where more than {CROWD} observers saw a dataset, people's alone is drawn; the table has "
        "all."
    )
    return Section(
        "confusion",
        "Confusion matrices",
        "There is a matrix for each observer and dataset, over all conditions. The stronger a "
        "cell, the larger the response's share of what was shown. The diagonal is what was right; "
        "in cue conflict the shape is. Point at a cell, or see the table, for 95 % intervals. They "
        "allow for people having seen the same images." + (left_out if crowded else ""),
        {"confusion": cells},
        {
            f"confusion-{plain(name)}": confusion_matrices(
                drawn.filter(pl.col("dataset") == name), name, names
            )
            for name in datasets_of(drawn)
        },
        folded=len(drawn.select("observer", "dataset").unique()) > MATRICES,
        population=POPULATION,
    )


def confusion_matrices(
    cells: pl.DataFrame, dataset: str, observers: Sequence[str]
) -> alt.FacetChart:
    """Draw one matrix an observer of one dataset: categories from top, responses from left.

    Parameters
    ----------
    cells
        From :func:`~synthesight.analysis.confusion.confusion`: columns observer, category,
        response (null: none), count, share, low and high.
    observers
        Observers of the report, in order.
    """
    cells = cells.with_columns(pl.col("response").fill_null(NOTHING))
    categories = in_order(cells["category"].to_list())
    responses = [name for name in in_order(cells["response"].to_list()) if name != NOTHING]
    if (cells["response"] == NOTHING).any():
        responses.append(NOTHING)
    # An empty cell is as the ground is: only the others are drawn.
    rows = cells.filter(pl.col("count") > 0).with_columns(pl.col("share", "low", "high").round(4))
    drawn = set(rows["observer"])
    matrix = (
        shown(rows)
        .mark_rect(color="#08254d")
        .encode(
            x=alt.X(
                "response:N",
                scale=alt.Scale(domain=responses),
                title="response",
                axis=alt.Axis(labelAngle=-90, labelFontSize=8, ticks=False),
            ),
            y=alt.Y(
                "category:N",
                scale=alt.Scale(domain=categories),
                title="category shown",
                axis=alt.Axis(labelFontSize=8, ticks=False),
            ),
            # Strength alone, on a root's scale: rare answers are what such a matrix is read for.
            opacity=alt.Opacity(
                "share:Q",
                scale=alt.Scale(range=[0, 1], type="sqrt", domain=[0, 1]),
                legend=alt.Legend(
                    title="share",
                    format=".0%",
                    values=[0.01, 0.1, 0.25, 0.5, 1],
                    symbolType="square",
                    symbolFillColor="#08254d",
                    symbolStrokeWidth=0,
                ),
            ),
            tooltip=[
                "observer:N",
                alt.Tooltip("category:N", title="shown"),
                alt.Tooltip("response:N", title="answered"),
                alt.Tooltip("share:Q", title="share of what was shown", format=".1%"),
                alt.Tooltip("low:Q", title="95 % from", format=".1%"),
                alt.Tooltip("high:Q", title="to", format=".1%"),
                alt.Tooltip("count:Q", title="trials"),
            ],
        )
        .properties(width=10 * len(responses), height=10 * len(categories))
    )
    facets = matrix.facet(
        alt.Facet(
            "observer:N",
            sort=[name for name in observers if name in drawn],
            title=None,
            header=alt.Header(labelFontWeight="bold", labelLimit=200),
        ),
        columns=COLUMNS,
        title=alt.TitleParams(dataset, anchor="start"),
    )
    return facets.add_params(picked(observers))
