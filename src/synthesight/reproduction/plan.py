"""What a paper shows: one TOML file a paper beside this one."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import Any

from synthesight.analysis import published_figures
from synthesight.errors import SynthesightError, suggestion


@dataclass(frozen=True)
class Who:
    """An observer of a paper, and who stands for it here.

    Attributes
    ----------
    name
        What the paper calls it.
    here
        Names of the same model here.
    kin
        Names of open models of the same kind, where the model itself cannot be had.
    why
        Why it cannot be had.
    exact
        Whether its kin give an exact likelihood, for which a rule of draws has no use.
    """

    name: str
    here: tuple[str, ...] = ()
    kin: tuple[str, ...] = ()
    why: str = ""
    exact: bool = False


@dataclass(frozen=True)
class Item:
    """One thing that a paper shows.

    Attributes
    ----------
    where, what
        Its place in the paper, and what it is.
    metric, dataset
        What is measured; no dataset is the mean over the benchmark's 17.
    missing
        Why there is nothing to measure, in one sentence; empty where there is.
    rows
        Each observer with its printed value; None where none is printed, or known to us.
    """

    where: str
    what: str
    metric: str = ""
    dataset: str | None = None
    missing: str = ""
    rows: tuple[tuple[Who, float | None], ...] = ()


@dataclass(frozen=True)
class Plan:
    """What it takes to reproduce a paper.

    Attributes
    ----------
    paper
        Key of ``references.bib``.
    title, procedure
        Its title, and how its models were asked.
    datasets
        What its models were shown.
    models
        Names of the open models to run, those of the paper first, then kin.
    exact
        Those among them whose likelihood is exact.
    items
        What it shows, in its order.
    """

    paper: str
    title: str
    procedure: str
    datasets: tuple[str, ...]
    models: tuple[str, ...]
    exact: frozenset[str]
    items: tuple[Item, ...]


def plans() -> list[str]:
    """Return the names of the papers that can be reproduced."""
    files = resources.files(__package__ or "").iterdir()
    return sorted(path.name.removesuffix(".toml") for path in files if path.name.endswith(".toml"))


def read_plan(name: str) -> Plan:
    """Return the plan of a paper.

    Raises
    ------
    SynthesightError
        If there is none of that name.

    Examples
    --------
    >>> read_plan("jaini2024").items[0].where
    'Figure 1'
    """
    if name not in plans():
        raise SynthesightError(f"There is no paper {name!r}: {suggestion(name, plans())}.")
    text = (resources.files(__package__ or "") / f"{name}.toml").read_text("utf-8")
    facts = tomllib.loads(text)
    observers = {
        called: Who(
            called,
            tuple(known.get("here", ())),
            tuple(known.get("kin", ())),
            known.get("why", ""),
            known.get("exact", False),
        )
        for called, known in facts["observers"].items()
    }
    generative = [who for who in observers.values() if who.here or who.kin]
    return Plan(
        paper=facts["paper"],
        title=facts["title"],
        procedure=facts["procedure"],
        datasets=tuple(facts["datasets"]),
        models=tuple(_runnable(generative)),
        exact=frozenset(name for who in generative if who.exact for name in who.kin),
        items=tuple(_item(entry, observers) for entry in facts["items"]),
    )


def _runnable(observers: list[Who]) -> list[str]:
    from synthesight.observers.registry import entries

    names = [name for who in observers for name in (*who.here, *who.kin)]
    known = entries()
    return [n for n in dict.fromkeys(names) if n in known and known[n].kind == "generative"]


def _item(entry: dict[str, Any], observers: dict[str, Who]) -> Item:
    figures = published_figures().filter(metric=entry.get("metric", ""))
    dataset = entry.get("dataset")
    own = figures["dataset"].is_null() if dataset is None else figures["dataset"] == dataset
    printed: dict[str, float | None] = {
        row["observer"]: row["value"]
        for paper in entry.get("papers", ())
        for row in figures.filter(own, paper=paper).iter_rows(named=True)
    }
    names = list(entry.get("observers", ()))
    if entry.get("table"):
        names += [name for name in printed if name not in names]
    # Figures that we have the trials of are printed by the names in these.
    for name in names:
        ours = next((printed[own] for own in observers[name].here if own in printed), None)
        printed.setdefault(name, ours)
    return Item(
        where=entry["where"],
        what=entry["what"],
        metric=entry.get("metric", ""),
        dataset=dataset,
        missing=entry.get("missing", ""),
        rows=tuple((observers[name], printed.get(name)) for name in names),
    )
