"""The report's figures as Altair charts, for notebooks and papers.

>>> from synthesight import figures
>>> figures.show_offline()  # doctest: +SKIP
>>> charts = figures.draw(trials, "accuracy")  # doctest: +SKIP
>>> charts["accuracy-by-condition"]  # doctest: +SKIP
>>> figures.save(charts["accuracy-by-condition"], "accuracy.pdf", style="single")  # doctest: +SKIP
"""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any
from uuid import uuid4

import altair as alt
import polars as pl
from altair.utils.schemapi import debug_mode

from synthesight import files
from synthesight.analysis import POPULATION, RESAMPLES, Population, with_people
from synthesight.encoding import short_columns
from synthesight.errors import SynthesightError, suggestion
from synthesight.report.page import libraries
from synthesight.report.saving import save_figure
from synthesight.report.section import named
from synthesight.report.sections import sections
from synthesight.report.style import Style
from synthesight.trials.schema import conform

__all__ = ["Style", "draw", "save", "show_offline"]


def draw(
    trials: pl.DataFrame,
    section: str,
    *,
    style: Style | None = None,
    population: Population = POPULATION,
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """Return the figures of one section of the report, by the names of their files.

    Parameters
    ----------
    trials
        Trials of models, of people, or of both, such as :func:`~synthesight.report.gather` reads.
    section
        ``"accuracy"``, ``"shape bias"``, ``"benchmark"``, ``"error consistency"``, ``"confusion"``,
        ``"calibration"``, ``"reaction time"``, ``"dial"``, or another metric by its title.
    style
        Its ``names`` rename and order the observers; the rest matters to :func:`save`.
    population
        Of which the intervals speak: see :func:`synthesight.analysis.accuracy`.
    resamples
        Resamples of the bootstrap behind some of the intervals.

    Returns
    -------
    Altair charts in the report's order.

    Raises
    ------
    SynthesightError
        If there is no such section, or the trials do not allow its figures.

    Examples
    --------
    >>> import polars as pl
    >>> shown = {"observer": ["a", "b"], "dataset": "edge", "stimulus": "cat1.png"}
    >>> trials = pl.DataFrame(shown | {"category": "cat", "response": ["cat", "dog"]})
    >>> list(draw(trials, "accuracy", resamples=10))
    ['accuracy-bars']
    """
    known = sections(population)
    if section not in known:
        raise SynthesightError(f"There is no section {section!r}: {suggestion(section, known)}.")
    answered = conform(trials).filter(pl.col("error").is_null())
    told = named(with_people(answered), (style or Style()).names)
    everyone = short_columns(told)
    with debug_mode(False):  # which would check every record
        made = known[section](everyone, resamples) if len(everyone) else None
    if made is None or not made.figures:
        raise SynthesightError(f"These trials allow no figure of {section}.")
    return dict(made.figures)


def save(
    chart: alt.TopLevelMixin | dict[str, Any],
    *paths: str | PathLike[str],
    style: Style | str | float = "double",
) -> None:
    """Write a chart as SVG, PDF or PNG (300 dots an inch), by each file's suffix.

    Parameters
    ----------
    chart
        From :func:`draw`, or any other Altair chart.
    paths
        Files to write.
    style
        Its width, font size and ground; or its width alone: ``"single"`` (85 mm), ``"double"``
        (180 mm), ``"slide"`` (280 mm), or millimetres.

    Raises
    ------
    SynthesightError
        If there is no such width or format, or a file cannot be written.
    """
    chosen = style if isinstance(style, Style) else Style(style)
    for path in map(Path, paths):
        with files.writing(path, "`paths`"):
            save_figure(chart, path, style=chosen)


def show_offline() -> None:
    """Let notebooks, and pages made of them, show charts without a network.

    Each chart then holds the libraries that draw it, a megabyte, which Altair fetches otherwise.
    Altair's own inline template fails on the second chart of a notebook.
    """
    alt.renderers.register("offline", _with_libraries)
    alt.renderers.enable("offline")


def _with_libraries(spec: dict[str, Any], **_: Any) -> dict[str, str]:
    place = f"chart-{uuid4().hex}"
    drawn = json.dumps(spec).replace("</script", "<\\/script")
    script = (
        f"if (!window.vegaEmbed) (() => {{{libraries()}}})();"
        f"window.vegaEmbed('#{place}', {drawn}, {{mode: 'vega-lite'}});"
    )
    return {"text/html": f'<div id="{place}"></div><script>{script}</script>'}
