"""Tables for people and for programs: the same numbers as CSV, Markdown and LaTeX."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from synthesight import files
from synthesight.encoding import csv, markdown
from synthesight.report.latex import Column, long_tables

WEAK = "* Weak interval: an observer had fewer than ten errors, or right responses, in a condition."


def shown_table(table: pl.DataFrame) -> pl.DataFrame:
    """Return a table as it is printed: each estimate with its interval in one column of text.

    Columns ``<name>`` with ``<name>_low`` and ``<name>_high`` (or ``estimate`` with ``low`` and
    ``high``) become "0.512 [0.480, 0.544]"; other numbers have three decimals. Where the column
    ``<name>_weak`` (or ``weak``) says so, a star follows: see :func:`footnote`.
    """
    columns = []
    for name, dtype in table.schema.items():
        prefix = "" if name == "estimate" else f"{name}_"
        low, high, weak = (f"{prefix}{each}" for each in ("low", "high", "weak"))
        if low in table.columns and high in table.columns:
            star = pl.when(weak).then(pl.lit("*")).otherwise(pl.lit(""))
            text = pl.format(
                "{} [{}, {}]{}", _number(name), _number(low), _number(high),
                star if weak in table.columns else pl.lit(""),
            )  # fmt: skip
            # Published figures have no interval, and people no rank.
            nothing = pl.lit("" if name.endswith("rank") else "undefined")
            if "source" in table.columns:
                nothing = pl.when(pl.col("source").is_null()).then(nothing).otherwise(pl.lit(""))
            text = pl.coalesce(text, _number(name), nothing)
            columns.append(text.alias(name.replace("_", " ")))
        elif name in ("low", "high", "weak") or name.endswith(("_low", "_high", "_weak")):
            continue
        elif dtype.is_float():
            columns.append(_number(name).fill_null("").alias(name.replace("_", " ")))
        else:
            columns.append(pl.col(name).cast(pl.String).fill_null("").alias(name.replace("_", " ")))
    return table.select(columns)


def footnote(table: pl.DataFrame) -> str:
    """Return what is said below a table of which an interval has a star; else an empty text."""
    stars = [
        pl.col(name) & pl.col(f"{name.removesuffix('weak')}low").is_not_null()
        for name in table.columns
        if name == "weak" or name.endswith("_weak")
    ]
    return WEAK if stars and table.select(pl.any_horizontal(stars).any()).item() else ""


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
    lines = "".join("| " + " | ".join(map(markdown, row)) + " |\n" for row in rows)
    note = footnote(table)
    return f"{lines}\n{markdown(note)}\n" if note else lines


def to_latex(table: pl.DataFrame, caption: str = "", label: str = "") -> str:
    """Return a table as LaTeX's ``longtable``, no wider than a line of an article.

    A population that all rows share is said in the caption. The packages that it needs stand in
    the first line.
    """
    if "population" in table.columns and table["population"].n_unique() == 1 and caption:
        caption += f" Intervals are for {table['population'][0]}."
        table = table.drop("population")
    if caption:
        caption = f"{caption} {footnote(table)}".rstrip()
    shown = shown_table(table)
    columns = [
        Column(name, shown[name].to_list(), side == "number")
        for name, side in zip(shown.columns, sides(table), strict=True)
    ]
    return long_tables(columns, caption, label)


def write_table(table: pl.DataFrame, folder: Path, name: str, caption: str = "") -> None:
    """Write ``name.csv`` (all columns, full precision), ``name.md`` and ``name.tex``.

    The label in LaTeX is ``tab:`` and the name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files.write(folder / f"{name}.csv", csv(table))
    files.write(folder / f"{name}.md", to_markdown(table))
    files.write(folder / f"{name}.tex", to_latex(table, caption, f"tab:{name}"))


def _number(name: str) -> pl.Expr:
    # Adding 0.0 makes a rounded −0 a 0.
    return pl.col(name).map_elements(
        lambda value: f"{round(value, 3) + 0.0:.3f}", return_dtype=pl.String
    )
