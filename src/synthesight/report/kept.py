"""Sections in folders: what a probe found, for people to look at and for a report to take in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from synthesight import files
from synthesight.errors import SynthesightError
from synthesight.report.saving import save_figure
from synthesight.report.section import Section, spec_of
from synthesight.report.tables import write_table

KEPT = "section.json"
FORMATS = (".svg", ".png")
ADVICE = "run the probe again"


def keep_section(section: Section, folder: Path, facts: Mapping[str, Any] | None = None) -> Path:
    """Write a section to a folder.

    ``section.json`` has its text, its tables row by row, and the facts; ``figures/`` its figures as
    Vega-Lite's JSON, SVG and PNG; ``tables/`` its tables as CSV, Markdown and LaTeX.

    Parameters
    ----------
    section
        What a probe found.
    folder
        Where to write it; files of an earlier one are replaced.
    facts
        What it was found with, as JSON can hold it.

    Returns
    -------
    The file ``section.json``.

    Raises
    ------
    SynthesightError
        If the folder cannot be written.
    """
    with files.writing(folder, "folder"):
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        for name, figure in section.figures.items():
            spec = spec_of(figure)
            files.write(folder / "figures" / f"{name}.json", json.dumps(spec))
            save_figure(spec, *(folder / "figures" / f"{name}{each}" for each in FORMATS))
        for name, table in section.tables.items():
            write_table(table, folder / "tables", name, f"{section.title}: {name}.")
        content = {
            "name": section.name,
            "title": section.title,
            "text": section.text,
            "folded": section.folded,
            "tables": {name: rows_of(table) for name, table in section.tables.items()},
            "figures": list(section.figures),
            "made with": dict(facts or {}),
        }
        path = folder / KEPT
        files.write(path, json.dumps(content, indent=1, ensure_ascii=False))
    return path


def is_section(folder: Path) -> bool:
    """Return whether a folder is what :func:`keep_section` wrote."""
    return (folder / KEPT).is_file()


def read_section(folder: Path) -> Section:
    """Return the section that a folder holds.

    Raises
    ------
    SynthesightError
        If a file of it is missing or damaged.
    """
    content = files.read_json(folder / KEPT, advice=ADVICE)
    try:
        figures = {
            name: files.read_json(folder / "figures" / f"{name}.json", advice=ADVICE)
            for name in content["figures"]
        }
        tables = {
            name: pl.DataFrame(rows, infer_schema_length=None)
            for name, rows in content["tables"].items()
        }
        return Section(
            content["name"], content["title"], content["text"], tables, figures, content["folded"]
        )
    except (KeyError, TypeError, AttributeError, pl.exceptions.PolarsError, OSError) as error:
        raise SynthesightError(
            f"{folder / KEPT} is no whole section of a report: {ADVICE}."
        ) from error


def rows_of(table: pl.DataFrame) -> list[dict[str, Any]]:
    """Return a table as JSON can hold it: numbers that are not finite are null."""
    number = pl.selectors.float()
    return table.with_columns(pl.when(number.is_finite()).then(number)).to_dicts()
