"""The page: one HTML file with everything in it, which needs no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import polars as pl
import vl_convert

from synthesight import __version__, files
from synthesight.report.saving import FORMATS
from synthesight.report.section import Section
from synthesight.report.tables import shown_table, sides

LONG = 15  # rows; a longer table is folded
WRAPPED = 44  # characters; a longer cell is wrapped
PRINTED = 40  # rows; a longer table stays folded on paper
HUGE = 500  # rows; a longer table is only linked to
TABLES = (".csv", ".md", ".tex")


def write_page(
    sections: Sequence[Section],
    specs: Mapping[str, dict[str, Any]],
    observers: Sequence[str],
    path: Path,
    *,
    notes: Sequence[str] = (),
    full: Mapping[str, str] | None = None,
) -> Path:
    """Write the page from its template, ``page.html``, with ``page.css`` and ``page.js`` in it.

    Parameters
    ----------
    sections
        In the order shown.
    specs
        Their figures as Vega-Lite has them, by file name.
    observers
        Observers to pick from.
    path
        Path of the page; it links to ``figures/`` and ``tables/`` beside it.
    notes
        Sentences for its head.
    full
        Names that are shortened on the page, with what they are in full.

    Returns
    -------
    The path.
    """
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("synthesight.report", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    html = templates.get_template("page.html").render(
        version=__version__,
        observers=observers,
        notes=notes,
        sections=[
            vars(section) | {"shown": [_cells(*each) for each in section.tables.items()]}
            for section in sections
        ],
        specs={
            name: {"description": f"{section.title}: {name.replace('-', ' ')}"} | specs[name]
            for section in sections
            for name in section.figures
        },
        full=full or {},
        long=WRAPPED,
        figure_files=FORMATS,
        table_files=TABLES,
        libraries=libraries(),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, html)
    return path


@cache
def libraries() -> str:
    """Return what draws figures, as a page's script can hold it."""
    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return bundle.replace("</script", "<\\/script")


def _cells(name: str, table: pl.DataFrame) -> dict[str, Any]:
    """Return a table as the template needs it."""
    left_out = len(table) > HUGE
    shown = shown_table(table.head(0) if left_out else table)
    # Published rows, at the end, fold no table of few measured ones.
    measured = table["source"].null_count() if "source" in table.columns else len(table)
    return {
        "name": name,
        "count": len(table),
        "left_out": left_out,
        "measured": measured,
        "folded": measured > LONG,
        "printed": len(table) <= PRINTED,
        "header": shown.columns,
        "sides": sides(table),
        "rows": shown.rows(),
    }
