"""Named datasets: one file of data each, ``<name>.toml`` in this folder.

To add one, add its file:

=============== ====================================================================
``about``       one sentence on the images
``url``         where its archive is, if it can be downloaded
``sha256``      hash of the archive, where it is known
``layout``      ``"sessions"`` (``dnn/session-<n>/<image>``) or ``"categories"``
                (``<category>/<image>``)
``images``      how many there are
``conditions``  in the order of tables and figures; default ``["0"]``
``trivial``     conditions that the benchmark leaves out
``axis``        what conditions are a scale of, with its unit: the title of figures' axes
``labels``      conditions as axes show them; default ``conditions``
``categories``  a list, or ``"sixteen"``; without it, any
``licence``     of the images
``papers``      keys of ``references.bib``, or whole BibTeX entries; the first
                describes the images
``order``       rank in tables and figures
=============== ====================================================================

Another package adds datasets by an entry point of the group ``synthesight.datasets``, whose value
is the name of its package that holds such files.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Any

from synthesight.errors import SynthesightError, suggestion
from synthesight.references import Reference, reference
from synthesight.stimuli.categories import SIXTEEN

GROUP = "synthesight.datasets"


@dataclass(frozen=True)
class Dataset:
    """What is known about a named dataset.

    Attributes
    ----------
    name
        Name of its folder, archive and file of data.
    conditions, trivial
        All its conditions in published order, and those that the benchmark leaves out: images as
        they were, or so distorted that people are near chance.
    axis, labels
        Title of the axis of conditions, and what stands at it, in their order.
    categories
        All its categories; empty where it may have any.
    papers
        Whom to cite, the paper that describes the images first.
    images
        Number of images; None if not known.
    about, url, layout, sha256, licence, order
        As in the table above.
    """

    name: str
    about: str = ""
    url: str | None = None
    sha256: str | None = None
    layout: str = "categories"
    images: int | None = None
    conditions: tuple[str, ...] = ("0",)
    trivial: tuple[str, ...] = ()
    axis: str = ""
    labels: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    licence: str = "not stated"
    papers: tuple[Reference, ...] = ()
    order: int = 1000

    @property
    def paper(self) -> Reference | None:
        """The paper that describes the images."""
        return self.papers[0] if self.papers else None


@cache
def datasets() -> Mapping[str, Dataset]:
    """Return all named datasets by name, in the order of tables and figures.

    Examples
    --------
    >>> datasets()["contrast"].trivial
    ('c100', 'c03', 'c01')
    """
    found: dict[str, Dataset] = {}
    for folder in _folders():
        for file in sorted(folder.iterdir(), key=lambda file: file.name):
            if not file.name.endswith(".toml"):
                continue
            one = _read(file)
            if one.name in found:
                raise SynthesightError(
                    f"Two packages have a dataset {one.name!r}: uninstall one, or rename {file}."
                )
            found[one.name] = one
    return MappingProxyType(dict(sorted(found.items(), key=lambda each: (each[1].order, each[0]))))


def dataset(name: str) -> Dataset:
    """Return a named dataset.

    Raises
    ------
    SynthesightError
        If there is no such dataset; the message suggests near names.

    Examples
    --------
    >>> dataset("edge").papers[0].key
    'geirhos2019imagenet'
    """
    known = datasets()
    if name in known:
        return known[name]
    raise SynthesightError(f"There is no dataset {name!r}: {suggestion(name, known)}.")


def _folders() -> Iterator[Traversable]:
    """Return the folders of files of data, ours first."""
    yield files(__name__)
    for point in entry_points(group=GROUP):
        try:
            yield files(point.value)
        except (ImportError, TypeError) as error:
            raise SynthesightError(
                f"The datasets of {point.value} cannot be found ({error}): reinstall that package."
            ) from None


def _read(file: Traversable) -> Dataset:
    name = file.name.removesuffix(".toml")
    try:
        facts: dict[str, Any] = tomllib.loads(file.read_text("utf-8"))
        cited = tuple(reference(text) for text in facts.pop("papers", ()))
        if facts.get("categories") == "sixteen":
            facts["categories"] = SIXTEEN
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in facts.items()
        }
        one = Dataset(name, papers=cited, **values)
        if strange := set(one.trivial) - set(one.conditions):
            raise ValueError(f"the trivial {min(strange)!r} is none of its conditions")
        if one.labels and len(one.labels) != len(one.conditions):
            raise ValueError("`labels` are not as many as its conditions")
    except (SynthesightError, ValueError, TypeError) as error:
        raise SynthesightError(
            f"{file} does not describe a dataset ({error}): correct it."
        ) from None
    return one
