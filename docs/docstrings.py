"""Read docstrings as they are written here: prose under Returns, and Sphinx' references."""

from __future__ import annotations

import re
from textwrap import indent

import griffe

ROLE = re.compile(r":\w+:`~?([^`]+)`")
RETURNS = re.compile(r"^(Returns|Yields)\n-+\n(.*?)(?=\n\n\S[^\n]*\n-{3,}\n|\Z)", re.DOTALL | re.M)


class Docstrings(griffe.Extension):
    """Rewrite each docstring before it is parsed."""

    def on_instance(self, *, obj: griffe.Object, **_: object) -> None:
        """Give prose under Returns the type of the signature; show references as code."""
        if obj.docstring is None:
            return
        obj.docstring.value = RETURNS.sub(
            lambda found: _typed(found, getattr(obj, "returns", None)),
            ROLE.sub(r"`\1`", obj.docstring.value),
        )


def _typed(section: re.Match[str], annotation: object) -> str:
    """Return a section with a type above its prose; one that lists named values as it is."""
    title, text = section[1], section[2].rstrip()
    first, *rest = text.splitlines()
    named = re.fullmatch(r"[\w.]+( : .+)?", first) and any(line.startswith(" ") for line in rest)
    if named:
        return section[0]
    return f"{title}\n{'-' * len(title)}\n{annotation or 'object'}\n{indent(text, '    ')}"
