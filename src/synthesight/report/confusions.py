"""Figures of confusion matrices: which categories got which responses."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import polars as pl

from synthesight.report.looks import is_picked, picked
from synthesight.stimuli.categories import in_order

NOTHING = "no response"
COLUMNS = 4


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
    # An empty cell is white, as the ground is: only the others are drawn.
    rows = cells.filter(pl.col("count") > 0).with_columns(pl.col("share", "low", "high").round(4))
    drawn = set(rows["observer"])
    matrix = (
        alt.Chart(alt.Data(values=rows.to_dicts()))
        .transform_filter(is_picked())
        .mark_rect()
        .encode(
            x=alt.X(
                "response:N",
                scale=alt.Scale(domain=responses),
                title=None,
                axis=alt.Axis(labelAngle=-90, labelFontSize=8, ticks=False),
            ),
            y=alt.Y(
                "category:N",
                scale=alt.Scale(domain=categories),
                title=None,
                axis=alt.Axis(labelFontSize=8, ticks=False),
            ),
            # Lightness alone, on a root's scale: rare answers are what such a matrix is read for.
            color=alt.Color(
                "share:Q",
                scale=alt.Scale(range=["#ffffff", "#08254d"], type="sqrt", domain=[0, 1]),
                legend=alt.Legend(title="share", format=".0%", values=[0.01, 0.1, 0.25, 0.5, 1]),
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
            header=alt.Header(labelFontWeight="bold"),
        ),
        columns=COLUMNS,
        title=alt.TitleParams(dataset, anchor="start"),
    )
    return facets.add_params(picked(observers))
