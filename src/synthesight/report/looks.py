"""How observers are drawn and picked, the same in every figure of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import altair as alt
import polars as pl

from synthesight.analysis import PEOPLE

# Told apart by colour-blind readers: six of Okabe & Ito (2008) and, for their yellow, which is
# faint on white, the indigo of Tol (2021).
COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#332288",
)  # fmt: skip
SHAPES = ("square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right",
          "triangle-left", "circle")  # fmt: skip
PICKED = "picked"  # the parameter by which the page shows and hides observers
CROWD = 12  # observers
# An axis of names, with a line along each row.
ROWS = {"title": None, "axis": {"grid": True, "ticks": False, "labelLimit": 240}}
DASHES = ([1, 0], [5, 2], [2, 2], [7, 2, 2, 2])


def observer_looks(
    observers: Sequence[str], drawn: Sequence[str], *, legend: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the encodings ``color``, ``shape`` and ``strokeDash`` of the field ``observer``.

    Seven colours, eight shapes and four dashes: 56 observers before a pair comes back. People are
    black circles.

    Parameters
    ----------
    observers
        All observers of the report, so that one looks the same in each figure.
    drawn
        Observers in this figure.
    legend
        Legend of the colours and shapes; None for none.
    """
    others = [name for name in observers if name != PEOPLE]
    names = [name for name in observers if name in set(drawn)]

    def scale(values: Sequence[Any], people: Any) -> dict[str, Any]:
        look = {name: values[n % len(values)] for n, name in enumerate(others)} | {PEOPLE: people}
        return {"domain": names, "range": [look[name] for name in names]}

    return {
        "color": alt.Color("observer:N", scale=scale(COLOURS, "#000000"), legend=legend),
        "shape": alt.Shape("observer:N", scale=scale(SHAPES, "circle"), legend=legend),
        "strokeDash": alt.StrokeDash("observer:N", scale=scale(DASHES, [1, 0]), legend=legend),
    }


def picked(observers: Sequence[str]) -> alt.Parameter:
    """Return the parameter that holds the observers to show."""
    return alt.param(name=PICKED, value=list(observers))


def records(table: pl.DataFrame) -> alt.Data:
    """Return rows as a chart has them: a tuple, as Altair copies lists again and again."""
    return alt.Data(values=tuple(table.to_dicts()))


def shown(table: pl.DataFrame) -> alt.Chart:
    """Return a chart of those rows whose observer is picked, to which marks are added."""
    return alt.Chart(records(table)).transform_filter(f"indexof({PICKED}, datum.observer) >= 0")


def guide(**places: Any) -> alt.Chart:
    """Return a dashed line, such as that of chance, at a place of one axis."""
    line = alt.Chart(alt.Data(values=[{}])).mark_rule(color="#777777", strokeDash=[4, 3])
    return line.encode(**places)


def interval_and_point(
    base: alt.Chart,
    looks: Mapping[str, Any],
    along: Literal["x", "y"],
    axis: Mapping[str, Any],
    said: Sequence[Any],
    *,
    size: int = 45,
    **rest: Any,
) -> list[alt.Chart]:
    """Return the marks of estimates and their intervals.

    Parameters
    ----------
    base
        Rows with observer, estimate, low and high.
    looks
        From :func:`observer_looks`.
    along, axis
        The axis of the estimate, and its scale and title.
    said
        What a point says when pointed at.
    size
        Of a point, in square pixels.
    rest
        Encodings of both, such as the other axis.
    """
    place = alt.X if along == "x" else alt.Y
    ends: Any = {along: place("low:Q", **axis), f"{along}2": "high:Q"}
    at: Any = {along: place("estimate:Q", **axis)}
    return [
        base.mark_rule(opacity=0.6).encode(**ends, color=looks["color"], **rest),
        base.mark_point(filled=True, size=size, opacity=1).encode(
            **at, color=looks["color"], shape=looks["shape"], tooltip=list(said), **rest
        ),
    ]


def panels_of(
    panels: Sequence[alt.TopLevelMixin], observers: Sequence[str], columns: int = 3
) -> alt.ConcatChart:
    """Return panels side by side, whose observers can be picked."""
    return alt.concat(*panels, columns=columns).add_params(picked(observers))


def legend(names: Sequence[str]) -> dict[str, Any]:
    """Return a legend of observers, above a figure: in fewer columns if names or pages need it.

    It is a dictionary, as scales and axes here are: Altair copies each many times, and its own
    classes have a hundred empty fields to copy.
    """
    long = max(map(len, names), default=0) > 20
    return {
        "title": None,
        "orient": "top",
        "columns": {"expr": f"windowSize()[0] < 600 ? 2 : {4 if long else 6}"},
        "labelLimit": 210,
        "symbolLimit": 0,
        "symbolOpacity": 1,
    }


def crowded(observers: Sequence[str]) -> bool:
    """Return whether figures of these observers need more room."""
    return len(observers) > CROWD


def percent() -> dict[str, Any]:
    """Return an axis from 0 to 100 %."""
    return {"format": ".0%", "values": [0, 0.25, 0.5, 0.75, 1]}


def tooltip(*names: str, title: str, form: str = ".1%", n: str = "trials") -> list[Any]:
    """Return what a mark says when pointed at: names, estimate, interval and n."""
    return [
        *(f"{name}:N" for name in names),
        alt.Tooltip("estimate:Q", title=title, format=form),
        alt.Tooltip("low:Q", title="95 % from", format=form),
        alt.Tooltip("high:Q", title="to", format=form),
        alt.Tooltip("n:Q", title=n),
    ]


def panel_title(title: str, counts: pl.Series, what: str) -> alt.TitleParams:
    """Return a title, with the numbers behind the marks below, as "n = 80 to 160 a point"."""
    return alt.TitleParams(
        title,
        subtitle=f"n = {span(counts)} {what}",
        limit=300,  # px, as a longer one would part the panels
        subtitleColor="#595959",
        subtitleFontSize=10.5,
    )


def span(counts: pl.Series) -> str:
    """Return the least and the largest of numbers, as "4 to 10", or the one that they all are."""
    numbers = sorted(set(counts.to_list()))
    return f"{numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else str(numbers[0])


def counted(number: int, what: str) -> str:
    """Return a number of things, as "1 dataset" or "17 datasets"."""
    return f"{number} {what}{'s' * (number != 1)}"


def listed(names: Sequence[str]) -> str:
    """Return names as a sentence has them: "a", "a and b", or "a, b and c"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
