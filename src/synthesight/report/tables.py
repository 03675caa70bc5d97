"""Tables for people and for programs: the same numbers as CSV, Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from synthesight import files
from synthesight.encoding import csv, latex, markdown


def shown_table(table: pl.DataFrame) -> pl.DataFrame:
    """Return a table as it is printed: each estimate with its interval in one column of text.

    Columns ``<name>`` with ``<name>_low`` and ``<name>_high`` (or ``estimate`` with ``low`` and
    ``high``) become "0.512 [0.480, 0.544]"; other numbers have three decimals.
    """
    columns = []
    for name, dtype in table.schema.items():
        low, high = ("low", "high") if name == "estimate" else (f"{name}_low", f"{name}_high")
        if low in table.columns and high in table.columns:
            text = pl.format("{} [{}, {}]", _number(name), _number(low), _number(high))
            # Published figures have no interval.
            text = pl.coalesce(text, _number(name), pl.lit("undefined"))
            columns.append(text.alias(name.replace("_", " ")))
        elif name in ("low", "high") or name.endswith(("_low", "_high")):
            continue
        elif dtype.is_float():
            columns.append(_number(name).fill_null("").alias(name.replace("_", " ")))
        else:
            columns.append(pl.col(name).cast(pl.String).fill_null("").alias(name.replace("_", " ")))
    return table.select(columns)


def sides(table: pl.DataFrame) -> list[str]:
    """Return how each column of the printed table is aligned: ``"number"`` or ``"text"``."""
    is_number = {name.replace("_", " "): dtype.is_numeric() for name, dtype in table.schema.items()}
    shown = shown_table(table.head(0)).columns
    return ["number" if is_number[name] else "text" for name in shown]


def to_markdown(table: pl.DataFrame) -> str:
    """Return a table as Markdown, with numbers to the right."""
    shown = shown_table(table)
    rule = ["---:" if side == "number" else ":---" for side in sides(table)]
    rows = [shown.columns, rule, *(list(row) for row in shown.iter_rows())]
    return "".join("| " + " | ".join(map(markdown, row)) + " |\n" for row in rows)


def to_latex(table: pl.DataFrame) -> str:
    """Return a table as LaTeX, for the package booktabs."""
    shown = shown_table(table)
    align = "".join("r" if side == "number" else "l" for side in sides(table))
    head, *body = (
        " & ".join(latex(str(cell)) for cell in row) + r" \\" + "\n"
        for row in (shown.columns, *shown.iter_rows())
    )
    return (
        f"\\begin{{tabular}}{{{align}}}\n\\toprule\n{head}\\midrule\n{''.join(body)}"
        "\\bottomrule\n\\end{tabular}\n"
    )


def write_table(table: pl.DataFrame, folder: Path, name: str) -> None:
    """Write ``name.csv`` (all columns, full precision), ``name.md`` and ``name.tex``."""
    folder.mkdir(parents=True, exist_ok=True)
    writers: dict[str, Callable[[pl.DataFrame], str]] = {
        ".csv": csv,
        ".md": to_markdown,
        ".tex": to_latex,
    }
    for suffix, write in writers.items():
        files.write(folder / f"{name}{suffix}", write(table))


def _number(name: str) -> pl.Expr:
    # Adding 0.0 makes a rounded −0 a 0.
    return pl.col(name).map_elements(
        lambda value: f"{round(value, 3) + 0.0:.3f}", return_dtype=pl.String
    )
