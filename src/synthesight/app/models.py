"""The app's models: one in memory at a time, opened by name."""

from __future__ import annotations

import gc
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from synthesight.errors import SynthesightError
from synthesight.observers.generative import GenerativeClassifier
from synthesight.observers.loading import load
from synthesight.observers.observer import Observer
from synthesight.observers.registry import entries

FIRST = "natural-32"
BATCH = 16  # network evaluations between two looks at the evidence


class Models:
    """Open models by name, and keep the last one.

    Parameters
    ----------
    device
        Where they run; None for the GPU if there is one.
    given
        Opened before, by name, such as an observer of one's own.
    """

    def __init__(self, device: str | None = None, given: dict[str, Observer] | None = None) -> None:
        self.device = device
        self.given = given or {}
        self._lock = threading.Lock()
        self._name = ""
        self._observer: Observer | None = None

    @property
    def names(self) -> list[str]:
        """The names to choose among: those given, and the bundled models."""
        bundled = [entry.name for entry in entries().values() if entry.source == "bundled"]
        return [*self.given, *bundled]

    def warm(self) -> None:
        """Open the first model before anybody asks, so that the first answer does not wait."""
        with suppress(SynthesightError), self.opened(self.first):
            pass

    @property
    def first(self) -> str:
        """The name that is chosen at first."""
        return next(iter(self.given), FIRST)

    @contextmanager
    def opened(self, name: str) -> Iterator[Observer]:
        """Give a model to one caller at a time; another model gives way to it.

        Raises
        ------
        SynthesightError
            If there is no such model, or it cannot be opened.
        """
        name = (name or "").strip()
        with self._lock:
            if name in self.given:
                yield self.given[name]
                return
            if name != self._name or self._observer is None:
                self._observer, self._name = None, ""
                gc.collect()  # its memory, before another takes as much
                self._observer = _open(name, self.device)
                self._name = name
            yield self._observer


def _open(name: str, device: str | None) -> Observer:
    how: dict[str, Any] = {} if device is None else {"device": device}
    kind = entries()[name].kind if name in entries() else None
    observer = load(name, **how)
    if kind != "discriminative" and isinstance(observer, GenerativeClassifier):
        return again(observer)
    return observer


def again(observer: Observer, **otherwise: Any) -> GenerativeClassifier:
    """Return a classifier by the same weights, which answers in small batches, or otherwise.

    Raises
    ------
    SynthesightError
        If the observer is a discriminative network.
    """
    if not isinstance(observer, GenerativeClassifier):
        raise SynthesightError(
            f"{observer.name} is a discriminative network, which has no evidence in an image: "
            "choose a generative model, such as natural-32."
        )
    given = {
        "classes": observer.classes,
        "prompt": observer.prompts,
        "names": observer.names,
        "labels": observer.labels,
        "combine": observer.combine,
        "rule": observer.rule,
        "weighting": observer.weighting,
        "proposal": observer.proposal,
        "seed": observer.seed,
        "batch_size": BATCH,
    }
    return GenerativeClassifier(observer.model, **given | otherwise)


def classes_of(text: str | None, observer: Observer) -> Sequence[str]:
    """Return the classes that a text names, between commas or lines; else the observer's own.

    Raises
    ------
    SynthesightError
        If it names one alone, or none and the observer has none of its own.

    Examples
    --------
    >>> class Two:
    ...     name, classes = "two", None
    >>> classes_of("cat, dog,\\n frog ", Two())
    ['cat', 'dog', 'frog']
    """
    named = [each.strip() for each in re.split(r"[,\n]", text or "") if each.strip()]
    named = list(dict.fromkeys(named))
    if len(named) > 1:
        return named
    if named or observer.classes is None:
        raise SynthesightError("Name two or more classes, with commas between: cat, dog, car.")
    return observer.classes
