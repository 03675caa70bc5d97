"""What to cite: BibTeX entries by key, from ``references.bib`` beside this file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from synthesight import __version__
from synthesight.errors import SynthesightError


@dataclass(frozen=True)
class Reference:
    """A work to cite: its BibTeX key and its whole entry."""

    key: str
    bibtex: str

    @property
    def short(self) -> str:
        """Authors and year, as a text cites them.

        Examples
        --------
        >>> reference("jaini2024intriguing").short, reference("clark2023text").short
        ('Jaini et al. (2024)', 'Clark & Jaini (2023)')
        """
        fields = dict(re.findall(r"^  (\w+) = \{(.*)\},?$", self.bibtex, re.MULTILINE))
        names = [name.split(",")[0].strip("{}") for name in fields["author"].split(" and ")]
        authors = " & ".join(names) if len(names) < 3 else f"{names[0]} et al."
        return f"{authors} ({fields['year']})" if "year" in fields else authors

    @property
    def in_brackets(self) -> str:
        """Authors and year, as they stand in brackets.

        Examples
        --------
        >>> reference("clark2023text").in_brackets
        'Clark & Jaini, 2023'
        """
        return re.sub(r" \((\w+)\)$", r", \1", self.short)


@cache
def references() -> Mapping[str, Reference]:
    """Return all entries of ``references.bib`` by key."""
    text = (files(__package__ or "synthesight") / "references.bib").read_text("utf-8")
    entries = [entry.strip() for entry in re.split(r"^(?=@)", text, flags=re.MULTILINE)]
    return MappingProxyType(
        {key: Reference(key, entry) for entry in entries if (key := _key(entry))}
    )


def reference(text: str) -> Reference:
    """Return the work of a key of ``references.bib``, or of a whole BibTeX entry.

    Raises
    ------
    SynthesightError
        If it is neither.

    Examples
    --------
    >>> reference("geirhos2019imagenet").bibtex.splitlines()[0]
    '@inproceedings{geirhos2019imagenet,'
    >>> reference("@misc{mine, title = {Mine}}").key
    'mine'
    """
    if key := _key(text):
        return Reference(key, text.strip())
    known = references()
    if text not in known:
        raise SynthesightError(
            f"There is no reference {text!r}: give a key of references.bib, or a BibTeX entry."
        )
    return known[text]


def bibtex(parts: Mapping[str, Iterable[Reference]]) -> str:
    """Return BibTeX of works in parts, each once, where it comes first.

    Synthesight's own entry has the version at hand.
    """
    cited: set[str] = set()
    texts = []
    for title, works in parts.items():
        new = {each.key: each for each in works if each.key not in cited}
        cited.update(new)
        if new:
            entries = "\n\n".join(_with_version(each) for each in new.values())
            texts.append(f"% {title}\n{entries}\n")
    return "\n".join(texts)


def _with_version(work: Reference) -> str:
    if work.key != "synthesight":
        return work.bibtex
    return work.bibtex.removesuffix("}") + f"  version = {{{__version__}}},\n}}"


def _key(entry: str) -> str | None:
    """Return the key of a BibTeX entry; None if a text is not one."""
    match = re.match(r"\s*@\w+\{\s*([^\s,]+)\s*,", entry)
    return match[1] if match else None
