"""How observers look, the same in every figure of a report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from synthesight.analysis.pairs import PEOPLE

# Okabe & Ito (2008): told apart by colour-blind readers, and in grey by lightness.
OKABE_ITO = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A8A00",
)  # fmt: skip
SHAPES = ("square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "circle",
          "stroke")  # fmt: skip
DASHES = ([1, 0], [5, 2], [2, 2], [7, 2, 2, 2])


def observer_looks(
    observers: Sequence[str], shown: Sequence[str], *, legend: alt.Legend | None = None
) -> dict[str, Any]:
    """Encodings ``color``, ``shape`` and ``strokeDash`` of the field ``observer``.

    Seven colours, eight shapes and four dashes: 56 observers before a pair comes back. People are
    black circles.

    Parameters
    ----------
    observers
        All of the report, so that an observer looks the same in each figure.
    shown
        Those in this figure.
    legend
        Of the colours and shapes; None for no legend.
    """
    others = [name for name in observers if name != PEOPLE]
    there = set(shown)
    names = [name for name in observers if name in there]

    def scale(values: Sequence[Any], people: Any) -> alt.Scale:
        look = {name: values[n % len(values)] for n, name in enumerate(others)} | {PEOPLE: people}
        return alt.Scale(domain=names, range=[look[name] for name in names])

    return {
        "color": alt.Color("observer:N", scale=scale(OKABE_ITO, "#000000"), legend=legend),
        "shape": alt.Shape("observer:N", scale=scale(SHAPES, "circle"), legend=legend),
        "strokeDash": alt.StrokeDash("observer:N", scale=scale(DASHES, [1, 0]), legend=legend),
    }
