"""Refuse what a study cannot be, with the place where it is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from synthesight.errors import SynthesightError, suggestion
from synthesight.likelihood.device import DTYPES
from synthesight.likelihood.rules import find_rule
from synthesight.likelihood.weighting import WEIGHTINGS
from synthesight.observers.fitness import default_rule, increments_of
from synthesight.observers.given import read_given
from synthesight.observers.loading import Place, check_protocol
from synthesight.observers.options import MOST_SEED, EvaluateOptions
from synthesight.observers.registry import resolve
from synthesight.studies.cells import AXES
from synthesight.studies.reading import Keys, Origin

OPTIONS = {each.name: each for each in fields(EvaluateOptions) if each.name != "shard"}
OF_RULE = ("delta", "eta", "stages", "max_draws")


@contextmanager
def at(origin: Origin, keys: Keys) -> Iterator[None]:
    """Put the place in a study's file before what is wrong there."""
    try:
        yield
    except SynthesightError as error:
        if origin.path is None or str(error).startswith(str(origin.path)):
            raise
        raise origin.error(keys, str(error)) from None


def check_option(option: str, value: Any, origin: Origin, keys: Keys) -> None:
    """Refuse an option that there is not, or a value of the wrong kind."""
    if option not in OPTIONS:
        hint = suggestion(option, [*OPTIONS, *AXES])
        if option == "shard":
            hint = "give it to the command"
        raise origin.error(keys, f"There is no option {option!r}: {hint}.")
    if value is None:
        return
    facts = OPTIONS[option].metadata
    kinds: Any = {
        int: (int,), float: (int, float), bool: (bool,), str: (str, list, Mapping, Path),
        list: (str, list, Mapping, Path), Path: (str, Mapping, Path),
    }[facts["text"]]  # fmt: skip
    if option == "resolution":
        kinds = (int, str, list)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        words = {int: "a whole number", float: "a number", bool: "true or false"}
        raise origin.error(
            keys, f"`{option}={value!r}` cannot be: give {words.get(facts['text'], 'a text')}."
        )
    if option == "seed" and not 0 <= value <= MOST_SEED:
        raise origin.error(keys, f"`seed={value}` cannot be: give 0 to {MOST_SEED}.")
    if (least := facts["least"]) is not None and value < least:
        raise origin.error(keys, f"`{option}={value}` cannot be: give {least} or more.")
    named = isinstance(value, str) and not value.endswith(".json")
    if option == "weighting" and named and value not in WEIGHTINGS:
        raise origin.error(
            keys, f"There is no `weighting={value!r}`: {suggestion(value, WEIGHTINGS)}."
        )
    if option in ("classes", "prompt") and isinstance(value, list):
        for n, each in enumerate(value):
            if not isinstance(each, str):
                raise origin.error((*keys, n), f"{each!r} is no text: write it in quotes.")


def check_values(model: str, options: EvaluateOptions) -> None:
    """Refuse what an evaluation would refuse, as far as that is known without the model.

    Raises
    ------
    SynthesightError
        With what to do.
    """
    given = read_given(options)
    if increments_of(model) != "none":
        rule = find_rule(options.rule or default_rule(model))  # type: ignore[arg-type]
        rule(**{name: given[name] for name in OF_RULE if name in given})
    if options.protocol is not None:
        check_protocol(options.protocol, Place(model, *resolve(model)))
    if options.dtype is not None and str(options.dtype) not in DTYPES:
        raise SynthesightError(
            f"There is no `dtype={options.dtype!r}`: {suggestion(str(options.dtype), DTYPES)}."
        )
