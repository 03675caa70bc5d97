"""Tables for notebooks; everything that is shown is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

MOST = 20  # rows that a notebook shows


def html_table(header: Sequence[str], rows: Iterable[Sequence[str]], note: str = "") -> str:
    """Return a table with a header, and a note below it."""
    top = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows
    )
    caption = f"<p>{escape(note)}</p>" if note else ""
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>{caption}"


def html_facts(facts: Mapping[str, object]) -> str:
    """Return a table of a name and its value in each row; what has no value is left out."""
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(_shown(value))}</td></tr>"
        for name, value in facts.items()
        if value not in (None, "", [], {}, ())
    )
    return f"<table>{rows}</table>"


def count(number: float, what: str) -> str:
    """Return a number of things in words, such as ``"1 image"``."""
    return f"{number:.10g} {what}{'' if number == 1 else 's'}"


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_shown(each)}" for key, each in value.items())
    if isinstance(value, list | tuple):
        some = ", ".join(map(str, value[:MOST]))
        return some if len(value) <= MOST else f"{some}, … ({len(value)} in all)"
    return str(value)
