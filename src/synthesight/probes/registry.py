"""The registry of probes: what a probe declares, and which probes there are.

A probe turns an observer and stimuli into a section of a report: tables and figures. To add one:

1. Write a function of an observer, stimuli, and options by keyword that returns a
   :class:`~synthesight.report.section.Section`. Give it a file of its own in this folder, which
   imports nothing heavy at its top, and name the file in :data:`OWN`.
2. Declare it with :func:`probe`. The command line then has it, with those of the function's
   keywords as options whose annotations say what they are
   (:func:`~synthesight.observers.options.about`); ``report`` takes the folder that it writes.
3. If its paper is new, add the BibTeX entry to ``references.bib``.

Another package offers a probe by an entry point of the group ``synthesight.probes``:

.. code-block:: toml

    [project.entry-points."synthesight.probes"]
    brightness = "my_package.brightness"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from synthesight.errors import SynthesightError, suggestion
from synthesight.plugins import offered
from synthesight.references import Reference, reference

if TYPE_CHECKING:
    from synthesight.report.section import Section

GROUP = "synthesight.probes"
OWN = ("reconstruct", "frequency")

Function = TypeVar("Function", bound="Callable[..., Section]")

REGISTERED: dict[str, Probe] = {}


@dataclass(frozen=True, eq=False)
class Probe:
    """What a probe declares.

    Attributes
    ----------
    name
        Name of the function, and of its command.
    title
        Heading of its section in a report.
    papers
        What to cite.
    function
        Takes an observer, stimuli, and options by keyword; returns a section.
    """

    name: str
    title: str
    papers: tuple[Reference, ...]
    function: Callable[..., Section]


def probe(*, title: str, paper: str | Sequence[str] = ()) -> Callable[[Function], Function]:
    """Declare a function to be a probe.

    Parameters
    ----------
    title
        See :class:`Probe`.
    paper
        Key of ``references.bib``, or a whole BibTeX entry; or several.

    Raises
    ------
    SynthesightError
        If another function is a probe of that name already, or a paper is not known.

    Examples
    --------
    >>> import polars as pl
    >>> from synthesight.probes import probe
    >>> from synthesight.report.section import Section
    >>> @probe(title="Brightness")
    ... def brightness(observer, stimuli):
    ...     light = [float(stimulus.open().convert("L").getpixel((0, 0))) for stimulus in stimuli]
    ...     table = pl.DataFrame({"image": [s.id for s in stimuli], "light": light})
    ...     return Section("brightness", "Brightness", "Of the first pixel.", {"light": table})
    """

    def declare(function: Function) -> Function:
        name = function.__name__
        known = REGISTERED.get(name)
        # A module may be imported anew: its probe replaces itself.
        if known is not None and known.function.__module__ != function.__module__:
            raise SynthesightError(
                f"{function.__module__} declares the probe {name!r}, which "
                f"{known.function.__module__} has already: give it another name."
            )
        papers = (paper,) if isinstance(paper, str) else paper
        REGISTERED[name] = Probe(name, title, tuple(map(reference, papers)), function)
        return function

    return declare


def probes() -> Mapping[str, Probe]:
    """Return all probes by name: Synthesight's own and those of installed packages.

    A package whose probe cannot be imported only warns.
    """
    _import_all()
    return MappingProxyType(REGISTERED)


def get_probe(name: str) -> Probe:
    """Return the probe of a name.

    Raises
    ------
    SynthesightError
        If there is none; near names are suggested.
    """
    known = probes()
    if name in known:
        return known[name]
    raise SynthesightError(f"There is no probe {name!r}: {suggestion(name, known)}.")


@cache
def _import_all() -> None:
    """Import the modules that declare probes: our own, and every entry point."""
    for module in OWN:
        import_module(f"{__package__}.{module}")
    for _ in offered(GROUP, "probe"):
        pass  # its import has declared it
