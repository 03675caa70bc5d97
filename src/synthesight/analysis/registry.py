"""The registry of metrics: what a metric declares, and which metrics there are.

To add a metric:

1. Write a function that takes trials and returns one row a group, with the columns ``estimate``,
   ``low``, ``high`` and ``n``. Give it a file of its own in this folder.
2. Declare it with :func:`metric`. The report, ``compare`` and ``cite`` then know it.
3. If its paper is new, add the BibTeX entry to ``references.bib``.

Another package offers a metric by an entry point of the group ``synthesight.metrics``:

.. code-block:: toml

    [project.entry-points."synthesight.metrics"]
    no_response = "my_package.no_response"
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Any, Concatenate, Literal, ParamSpec

import numpy as np
import polars as pl
from narwhals.typing import IntoFrame

from synthesight.analysis._stats.frames import any_frame
from synthesight.analysis._stats.pairs import Agreement
from synthesight.analysis._stats.ratios import Ratio
from synthesight.errors import SynthesightError, suggestion
from synthesight.plugins import offered
from synthesight.references import Reference, reference

GROUP = "synthesight.metrics"

Direction = Literal["higher", "lower"]
Statistic = Ratio | Callable[[Agreement], np.ndarray]
P = ParamSpec("P")

REGISTERED: dict[str, Metric] = {}


@dataclass(frozen=True, eq=False)
class Metric:
    """What a metric declares.

    Attributes
    ----------
    name
        Name in Python, in tables and of ``compare``'s ``measure``.
    title
        Name on the report's page.
    unit
        ``"share"``, which is drawn from 0 to 100 %, or any other, such as ``"bits"``.
    direction
        Which values are better; None where neither is.
    text
        Sentences of the report: what is measured, and how to read it.
    papers
        What to cite.
    by
        Groupings of the report's tables, beside the observer. The table of the first is called as
        the metric is; others add ``-by-`` and their last column. None where the metric has one
        value an observer.
    statistic
        What ``compare`` resamples. None: ``compare`` calls the metric itself, which takes longer.
    chance
        Whether guessing among K categories gives 1/K, where figures draw a line.
    function
        The metric itself.
    """

    name: str
    title: str
    unit: str
    direction: Direction | None
    text: str
    papers: tuple[Reference, ...]
    by: tuple[tuple[str, ...], ...]
    statistic: Statistic | None
    chance: bool
    function: Callable[..., pl.DataFrame]

    @property
    def groups(self) -> bool:
        """Whether the metric can be taken of any group of trials, observers among them."""
        return _has_groups(self.function)


def metric(
    *,
    title: str,
    unit: str,
    direction: Direction | None,
    text: str,
    paper: str | Sequence[str] = (),
    by: Sequence[Sequence[str]] = (("dataset",), ("dataset", "condition")),
    statistic: Statistic | None = None,
    chance: bool = False,
) -> Callable[
    [Callable[Concatenate[pl.DataFrame, P], pl.DataFrame]],
    Callable[Concatenate[IntoFrame, P], pl.DataFrame],
]:
    """Declare a function to be a metric, and let it take tables of any library.

    Parameters
    ----------
    title, unit, direction, text, by, statistic, chance
        See :class:`Metric`. A function without the parameter ``by``, or where its default is empty,
        has one value an observer.
    paper
        Key of ``references.bib``, or a whole BibTeX entry; or several.

    Raises
    ------
    SynthesightError
        If another function is a metric of that name already, or a paper is not known.

    Examples
    --------
    >>> import polars as pl
    >>> from synthesight.analysis import Ratio, judged, metric
    >>> MISSED = Ratio(pl.col("response").is_null())
    >>> @metric(
    ...     title="Missed", unit="share", direction="lower", text="Share without a response.",
    ...     statistic=MISSED,
    ... )
    ... def missed(trials, by=("observer", "dataset"), **options):
    ...     return MISSED.table(judged(trials, by), by, **options)
    """  # fmt: skip

    def declare(
        function: Callable[Concatenate[pl.DataFrame, P], pl.DataFrame],
    ) -> Callable[Concatenate[IntoFrame, P], pl.DataFrame]:
        name = function.__name__
        open_to_all = any_frame(function)
        known = REGISTERED.get(name)
        # A module may be imported anew: its metric replaces itself.
        if known is not None and known.function.__module__ != function.__module__:
            raise SynthesightError(
                f"{function.__module__} declares the metric {name!r}, which "
                f"{known.function.__module__} has already: give it another name."
            )
        groupings = by if _has_groups(function) else ()
        REGISTERED[name] = Metric(
            name=name,
            title=title,
            unit=unit,
            direction=direction,
            text=text,
            papers=tuple(map(reference, (paper,) if isinstance(paper, str) else paper)),
            by=tuple(tuple(grouping) for grouping in groupings),
            statistic=statistic,
            chance=chance,
            function=open_to_all,
        )
        return open_to_all

    return declare


def _has_groups(function: Callable[..., pl.DataFrame]) -> bool:
    by = inspect.signature(function).parameters.get("by")
    return by is not None and by.default != ()


def metrics() -> Mapping[str, Metric]:
    """Return all metrics by name: Synthesight's own and those of installed packages.

    A package whose metric cannot be imported only warns.

    Examples
    --------
    >>> metrics()["shape_bias"].direction
    'higher'
    """
    _import_all()
    return MappingProxyType(REGISTERED)


def get_metric(name: str) -> Metric:
    """Return the metric of a name.

    Raises
    ------
    SynthesightError
        If there is none; near names are suggested.

    Examples
    --------
    >>> get_metric("response_entropy").unit
    'bits'
    """
    known = metrics()
    if name in known:
        return known[name]
    raise SynthesightError(f"There is no metric {name!r}: {suggestion(name, known)}.")


@cache
def _import_all() -> None:
    """Import every module of this package, and every entry point: each declares its metrics."""
    package: Any = import_module(__package__ or "")
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if not module.name.rpartition(".")[2].startswith("_"):
            import_module(module.name)
    for _ in offered(GROUP, "metric"):
        pass  # its import has declared it
