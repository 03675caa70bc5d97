"""The page: one HTML file with everything in it, which needs no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
import polars as pl
import vl_convert

from synthesight import __version__, files
from synthesight.analysis import population_in_words
from synthesight.report.layout import on_either, recoloured
from synthesight.report.saving import FORMATS
from synthesight.report.section import Section, caption_of
from synthesight.report.tables import footnote, shown_table, sides

LONG = 15  # rows; a longer table is folded
WRAPPED = 44  # characters; a longer cell is wrapped
PRINTED = 40  # rows; a longer table stays folded on paper
HUGE = 500  # rows; a longer table is only linked to
TABLES = (".csv", ".md", ".tex")
END = "\n// end of the libraries\n"


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
            vars(section)
            | {"shown": [_cells(*each) for each in section.tables.items()]}
            | {"population": population_in_words(section.population)}
            for section in sections
        ],
        specs={
            name: {"description": caption_of(section, name)}
            | recoloured(specs[name], on_either)
            | {"background": None}
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
    """Return what draws figures, as a page's script can hold it.

    It takes seconds to be put together, and is kept in the user's cache.
    """
    kept = files.cache_folder() / f"vega-{version('vl-convert-python')}.js"
    with suppress(OSError, UnicodeError):
        if (bundle := kept.read_text("utf-8")).endswith(END):
            return bundle
    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    bundle = bundle.replace("</script", "<\\/script") + END
    with suppress(OSError):  # of a cache that cannot be written
        kept.parent.mkdir(parents=True, exist_ok=True)
        files.write(kept, bundle)
    return bundle


def _cells(name: str, table: pl.DataFrame) -> dict[str, Any]:
    """Return a table as the template needs it."""
    left_out, population = len(table) > HUGE, ""
    if "population" in table.columns and table["population"].drop_nulls().n_unique() == 1:
        # Said once, as it takes the room of numbers.
        population = population_in_words(table["population"].drop_nulls()[0])
        table = table.drop("population")
    shown = shown_table(table.head(0) if left_out else table)
    # Published rows, at the end, fold no table of few measured ones.
    measured = table["source"].null_count() if "source" in table.columns else len(table)
    return {
        "name": name,
        "count": len(table),
        "population": population,
        "left_out": left_out,
        "measured": measured,
        "folded": measured > LONG,
        "printed": len(table) <= PRINTED,
        "header": shown.columns,
        "sides": sides(table),
        "rows": shown.rows(),
        "note": footnote(table),
    }
