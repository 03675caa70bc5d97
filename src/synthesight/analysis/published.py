"""Figures printed in papers, from ``published.toml`` beside this file: references and checks."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources

import polars as pl

from synthesight.references import reference


@cache
def published_figures() -> pl.DataFrame:
    """Return the figures of papers that the report shows, or that tests check ours against.

    Returns
    -------
    One row a figure. Columns: metric; dataset (null: the mean over the 17 of model-vs-human);
    observer; value; paper (a key of ``references.bib``); source (authors, year, and where it
    stands); check (whether it is of published trials, and only checked).

    Examples
    --------
    >>> shape_bias = published_figures().filter(metric="shape_bias", observer="Imagen")
    >>> shape_bias.select("value", "source").row(0)
    (0.99, 'Jaini et al. (2024), Figure 1')
    """
    text = (resources.files(__package__ or "") / "published.toml").read_text("utf-8")
    rows = []
    for entry in tomllib.loads(text)["figures"]:
        paper = reference(entry["paper"])
        source = ", ".join(filter(None, [paper.short, entry.get("where")]))
        rows += [
            {
                "metric": entry["metric"],
                "dataset": entry.get("dataset"),
                "observer": observer,
                "value": float(value),
                "paper": paper.key,
                "source": source,
                "check": entry.get("check", False),
            }
            for observer, value in entry["values"].items()
        ]
    return pl.DataFrame(rows)
