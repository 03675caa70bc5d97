"""What a study is: models, stimuli and ways of asking, all of them with each other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import product
from pathlib import Path
from typing import Any

from synthesight.errors import suggestion
from synthesight.likelihood.rules import find_rule
from synthesight.observers.fitness import default_rule, increments_of, refusal
from synthesight.observers.options import EvaluateOptions
from synthesight.observers.registry import entries, resolve
from synthesight.studies.cells import AXES, NAMES_FILE, NAMES_FILES, PLACE, Cell, with_varied
from synthesight.studies.checking import (
    OF_RULE,
    OPTIONS,
    at,
    check_option,
    check_values,
)
from synthesight.studies.reading import Keys, Origin, read_file

MOST = 10_000  # runs


@dataclass(frozen=True)
class Study:
    """Every model on every set of stimuli, asked in every way.

    A study is written in a file (:meth:`read`) or made here; :func:`plan_study` says what it
    takes, and :func:`run_study` runs it.

    Attributes
    ----------
    models
        What ``evaluate`` takes as a model: a name, file or folder. Or a mapping with ``model``
        and what is otherwise for it: options of ``evaluate``, and axes.
    stimuli
        What ``evaluate`` takes as stimuli; a list of them is shown in one run. Or a mapping with
        ``stimuli`` and options, such as ``classes``.
    prompts, weightings, rules, seeds
        Values of the options ``prompt``, ``weighting``, ``rule`` and ``seed``, each with all
        others; None among them is the model's own. An axis that a model has no use for does not
        multiply its runs.
    options
        Further options of ``evaluate``, for all runs that have a use for them; those of an entry
        of ``stimuli`` come before them, and those of an entry of ``models`` before both.
    track
        Where results are logged; see :func:`synthesight.tracking.open_tracker`.
    origin
        Where it is written.

    Raises
    ------
    SynthesightError
        Of a file, with its name and line: if a key, model, weighting, rule or option is unknown, a
        model has no use for an option of its own, or a value cannot be.

    Examples
    --------
    >>> study = Study(models=["natural-32", "natural-32-cnn"], stimuli=["photos"],
    ...               weightings=["jaini", "elbo"], seeds=[0, 1])
    >>> [cell.observer for cell in study.cells]
    ['natural-32 (jaini, seed 0)', 'natural-32 (jaini, seed 1)', 'natural-32 (elbo, seed 0)', \
'natural-32 (elbo, seed 1)', 'natural-32-cnn']
    >>> study.remarks
    ['natural-32-cnn is a discriminative network: no `weightings` apply.', \
'natural-32-cnn leaves nothing to chance: one of the `seeds` is enough.']
    """

    models: Any
    stimuli: Any
    prompts: Any = ()
    weightings: Any = ()
    rules: Any = ()
    seeds: Any = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    track: str | None = None
    origin: Origin = field(default=Origin(), repr=False)
    cells: list[Cell] = field(init=False, repr=False)
    remarks: list[str] = field(init=False, repr=False)

    @classmethod
    def read(cls, path: str | Path, **place: Any) -> Study:
        """Read a study's file: YAML, TOML or JSON. docs/how-to/studies.md has one with comments.

        Parameters
        ----------
        path
            The file. Paths in it may be relative to its folder.
        place
            Options that say where models run, such as ``device`` and ``backend``; those that are
            None were not given.
        """
        content, origin = read_file(Path(path))
        known = [each.name for each in fields(cls) if each.init and each.name != "origin"]
        for key in content:
            if key not in known:
                hint = suggestion(key, known)
                if key in OPTIONS and key not in AXES.values():
                    hint = "write it below `options`"
                raise origin.error((key,), f"There is no key {key!r}: {hint}.")
        for key in ("models", "stimuli"):
            if content.get(key) in (None, [], {}):
                raise origin.error((key,), f"The study names no {key}: list them under `{key}:`.")
        given = {name: value for name, value in place.items() if value is not None}
        content["options"] = _mapping(content.get("options") or {}, ("options",), origin) | given
        content = {key: value for key, value in content.items() if value is not None}
        return cls(**content, origin=origin)

    def __post_init__(self) -> None:
        remarks: dict[str, None] = {}
        cells = list(self._cells(remarks))
        seen: dict[str, Cell] = {}
        for cell in cells:
            if cell.digest in seen:
                raise self.origin.error(
                    ("models",), f"{cell.model} on {cell.shows} is there twice: keep one."
                )
            seen[cell.digest] = cell
        object.__setattr__(self, "cells", with_varied(cells))
        object.__setattr__(self, "remarks", list(remarks))

    def _cells(self, remarks: dict[str, None]) -> Iterator[Cell]:
        origin = self.origin
        shared = _mapping(self.options, ("options",), origin)
        for option, value in shared.items():
            check_option(option, value, origin, ("options", option))
        for axis, option in AXES.items():
            if getattr(self, axis) and option in shared:
                raise origin.error(
                    ("options", option), f"`{option}` is given, and `{axis}` list others: keep one."
                )
        count = 0
        models = list(_entries(self.models, "model", "models", origin))
        for shows, of_stimuli, keys in _entries(self.stimuli, "stimuli", "stimuli", origin):
            sources = shows if isinstance(shows, list) else [shows]
            for n, source in enumerate(sources):
                if not isinstance(source, str | Path):
                    raise origin.error(
                        (*keys, n),
                        f"{source!r} is no source of stimuli: give a path or a dataset's name.",
                    )
            for model, own, place in models:
                given = self._ways(str(model), own, place, shared | of_stimuli, remarks)
                for options in given:
                    count += 1
                    if count > MOST:
                        raise origin.error((), f"It has more than {MOST} runs: make two of it.")
                    yield self._cell(str(model), sources, options, place)

    def _ways(
        self,
        model: str,
        own: Mapping[str, Any],
        place: Keys,
        shared: Mapping[str, Any],
        remarks: dict[str, None],
    ) -> Iterator[dict[str, Any]]:
        """Yield the options of each way in which a model is asked."""
        with at(self.origin, place):
            resolve(self._located_model(model))
        name = self._located_model(model)
        fixed = {option: value for option, value in own.items() if option not in AXES}
        axes: dict[str, list[Any]] = {}
        for axis, option in AXES.items():
            keys: Keys = (*place, axis) if axis in own else (axis,)
            values = _listed(own.get(axis, getattr(self, axis)), axis, keys, self.origin)
            if option in fixed or option in shared or not values:
                continue
            for n, value in enumerate(values):
                check_option(option, value, self.origin, (*keys, n))
            kept = []
            for n, value in enumerate(values):
                with at(self.origin, (*keys, n)):
                    why = value is not None and refusal(name, option, value)
                if why and axis in own:
                    raise self.origin.error((*keys, n), f"{model} {why}: leave out `{axis}`.")
                if not why:
                    kept.append(value)
            if not kept:
                remarks[f"{model} {why}: no `{axis}` apply."] = None
            elif len(kept) < len(values):
                left = ", ".join(str(value) for value in values if value not in kept)
                remarks[f"{model} has no use for `{option}` {left}, which is left out."] = None
            everything = {**shared, **fixed}
            chance = everything.get("limit") or everything.get("smoothing")
            chance = chance or increments_of(name) not in ("none", "parts")
            if axis == "seeds" and len(kept) > 1 and not chance:
                kept = kept[:1]
                remarks[f"{model} leaves nothing to chance: one of the `seeds` is enough."] = None
            axes[option] = kept or [None]
        for option, value in fixed.items():
            check_option(option, value, self.origin, (*place, option))
            with at(self.origin, (*place, option)):
                why = refusal(name, option, value)
            if why:
                raise self.origin.error((*place, option), f"{model} {why}: leave out `{option}`.")
        usable = {}
        for option, value in shared.items():
            if option in fixed:
                continue
            with at(self.origin, ("options", option)):
                why = refusal(name, option, value)
            if why:
                remarks[f"{model} {why}: `{option}` of the study does not apply."] = None
            else:
                usable[option] = value
        for way in product(*axes.values()):
            chosen = usable | fixed | dict(zip(axes, way, strict=True))
            chosen = {option: value for option, value in chosen.items() if value is not None}
            yield self._fit_rule(name, chosen, own, place, remarks)

    def _fit_rule(
        self,
        model: str,
        options: dict[str, Any],
        own: Mapping[str, Any],
        place: Keys,
        remarks: dict[str, None],
    ) -> dict[str, Any]:
        """Leave out what is for other rules than the one chosen; refuse what cannot be for it."""
        if increments_of(model) == "none":
            return options
        name = options.get("rule") or default_rule(model)
        with at(self.origin, ("rules",)):
            rule = find_rule(name)
        known = [each.name for each in fields(rule)]
        for option in OF_RULE:
            if option in options and option not in known:
                if option in own:
                    raise self.origin.error(
                        (*place, option), f"The rule {name} has no `{option}`: leave it out."
                    )
                remarks[f"The rule {name} has no `{option}`, which is left out for it."] = None
                del options[option]
        return options

    def _cell(self, model: str, stimuli: list[Any], options: dict[str, Any], place: Keys) -> Cell:
        written = {
            "model": model,
            "stimuli": list(map(str, stimuli)),
            "options": {name: value for name, value in options.items() if name not in PLACE},
        }
        located = {name: self._located(name, value) for name, value in options.items()}
        name = self._located_model(model)
        made = EvaluateOptions(**located)
        with at(self.origin, place):
            check_values(name, made)
        if files := _files(located):
            written["files"] = files
        sources = tuple(str(self.origin.beside(str(source))) for source in stimuli)
        return Cell(name, sources, made, written)

    def _located_model(self, model: str) -> str:
        return model if model in entries() else self.origin.beside(model)

    def _located(self, option: str, value: Any) -> Any:
        if option not in NAMES_FILE:
            return value
        if isinstance(value, list):
            several = option in NAMES_FILES
            return [self.origin.beside(each) for each in value] if several else value
        found = self.origin.beside(value)
        return Path(found) if found is not value and option in ("labels", "classes") else found


def _entries(
    given: Any, key: str, under: str, origin: Origin
) -> Iterator[tuple[Any, dict[str, Any], Keys]]:
    """Yield what each entry names, its own options, and where it is written."""
    for n, entry in enumerate(_listed(given, under, (under,), origin)):
        place: Keys = (under, n) if isinstance(given, list) else (under,)
        if not isinstance(entry, Mapping):
            if not isinstance(entry, str | Path | list) or not entry:
                raise origin.error(place, f"{entry!r} is no entry of `{under}`: give a text.")
            yield entry, {}, place
            continue
        own = dict(entry)
        if key not in own:
            raise origin.error(place, f"An entry of `{under}` has options but no `{key}`: add it.")
        named = own.pop(key)
        if not isinstance(named, str | Path | list) or not named:
            raise origin.error((*place, key), f"`{key}={named!r}` cannot be: give a text.")
        for option in own:
            if key == "model" and option in AXES:
                if AXES[option] in own:
                    raise origin.error((*place, option), f"`{AXES[option]}` is given beside "
                                       f"`{option}`: keep one.")  # fmt: skip
                continue
            check_option(option, own[option], origin, (*place, option))
        yield named, own, place


def _listed(given: Any, key: str, keys: Keys, origin: Origin) -> list[Any]:
    """Return a list, of which one value alone need not be one; nothing in it is there twice."""
    several = isinstance(given, Sequence) and not isinstance(given, str)
    listed = list(given) if several else [given]
    for n, value in enumerate(listed):
        if value in listed[:n]:
            raise origin.error((*keys, n), f"{value!r} is in `{key}` twice: keep one.")
    return listed


def _mapping(value: Any, keys: Keys, origin: Origin) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise origin.error(keys, f"`{keys[-1]}` holds no keys: write them as `name: value` lines.")
    return dict(value)


def _files(options: Mapping[str, Any]) -> dict[str, str]:
    """Return the hash of each file that options name: with other content, it is another run."""
    found = {}
    for option in NAMES_FILE:
        value = options.get(option)
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, str | Path) and Path(each).is_file():
                found[str(Path(each).name)] = hashlib.sha256(Path(each).read_bytes()).hexdigest()
    return found
