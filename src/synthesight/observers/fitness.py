"""Tell what a model has no use for before it is opened: what is planned should not fail later."""

from __future__ import annotations

from dataclasses import fields
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

from synthesight.errors import SynthesightError
from synthesight.likelihood.rules import RULES, find_rule
from synthesight.observers.loading import OPENERS, Place
from synthesight.observers.options import ModelOptions
from synthesight.observers.registry import resolve

# Libraries some of whose classifiers read text; those of the others read none.
READERS = ("transformers:", "open_clip:")
ANY = ("seed", "device", "calibration", "protocol", "test_noise", "classes")
OF_MODEL = {each.name for each in fields(ModelOptions)}


def increments_of(model: str) -> str:
    """Return what a model's evidence comes in, as far as its name tells.

    That is ``"none"`` of a discriminative network, else ``increments`` of
    :class:`~synthesight.observers.registry.Entry`; ``"times"`` where nothing is known.

    Examples
    --------
    >>> increments_of("natural-32"), increments_of("natural-32-ar"), increments_of("natural-32-cnn")
    ('times', 'parts', 'none')
    """
    place, kind, _ = _opener(model)
    if "network" in kind:
        return "none"
    if place.entry is not None:
        return place.entry.increments if place.entry.kind == "generative" else "none"
    return "parts" if "small_tokens" in _opener(model)[2].__name__ else "times"


def refusal(model: str, option: str, value: Any) -> str | None:
    """Return why a model has no use for an option's value, or None as far as its name tells.

    Examples
    --------
    >>> refusal("natural-32-cnn", "weighting", "elbo")
    'is a discriminative network'
    >>> refusal("natural-32-ar", "rule", "sequential")
    'gives a sequence of parts, for which the rule sequential does not hold'
    """
    place, kind, opener = _opener(model)
    taken = signature(opener).parameters
    everything = any(each.kind is Parameter.VAR_KEYWORD for each in taken.values())
    if option in OF_MODEL.difference(taken, ANY) and not everything:
        return f"is {kind}"
    if option == "keep_draws" and value and "network" in kind:
        return f"is {kind}"
    if option == "test_noise" and kind == "a generative model":
        return f"is {kind}"
    if option == "prompt" and kind == "a discriminative network":
        # Its classes may have words of their own, but there is no sentence to put them in.
        return None if str(place.location).startswith(READERS) else f"is {kind}"
    increments = increments_of(model)
    if option == "weighting" and increments != "times":
        own = "small_tokens" in opener.__name__
        if not (own and (value == "elbo" or Path(str(value)).suffix == ".json")):
            return "has no times to weight"
    if option == "rule" and isinstance(value, str) and increments in ("parts", "draws", "times"):
        found = find_rule(value)
        sort = "parts" if increments == "parts" else "draws"
        if sort not in found.holds_for:
            given = "a sequence of parts" if sort == "parts" else "draws without end"
            return f"gives {given}, for which the rule {found.name} does not hold"
    return None


def default_rule(model: str) -> str:
    """Return the rule that a model is asked by where none is named."""
    return "exhaustive" if increments_of(model) == "parts" else next(iter(RULES))


def _opener(model: str) -> tuple[Place, str, Any]:
    place = Place(model, *resolve(model))
    for fits, kind, opener in OPENERS:
        if fits(place):
            return place, kind, opener
    raise SynthesightError(f"There is no way to open {model}.")  # pragma: no cover: the last fits
