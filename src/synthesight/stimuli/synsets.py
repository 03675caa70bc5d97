"""Name the synsets of WordNet that ImageNet's folders are called by (n02084071 is dog).

The names of the 1000 classes of ImageNet-1k, in their order, and of the 16 categories, are the
first words of WordNet (Princeton University 2010; Deng et al. 2009), told apart where two are the
same.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from importlib.resources import files

from synthesight.errors import SynthesightWarning
from synthesight.stimuli.categories import Vocabulary, imagenet_to_16
from synthesight.stimuli.stimulus import Stimulus

CLASSES = 1000  # of ImageNet-1k; those after are wider synsets
FACTOR = "synset"  # in which stimuli keep the number

_SYNSET = re.compile(r"n\d{8}")


@lru_cache(maxsize=1)
def synsets() -> dict[str, str]:
    """Return the word for each synset; the first 1000 are ImageNet-1k's classes, in order.

    Examples
    --------
    >>> synsets()["n02084071"], list(synsets()).index("n02099601")
    ('dog', 207)
    """
    text = (files("synthesight.stimuli") / "synsets.txt").read_text(encoding="utf-8")
    return dict(line.split(" ", 1) for line in text.splitlines())


@lru_cache(maxsize=1)
def sixteen_of() -> dict[str, str]:
    """Return the one of 16 categories of each synset that has one (Geirhos et al. 2018).

    Examples
    --------
    >>> sixteen_of()["n02099601"]
    'dog'
    """
    numbers = list(synsets())
    mapping = imagenet_to_16()
    found = {numbers[index]: category for category, at in mapping.items() for index in at}
    return {number: synsets()[number] for number in numbers[CLASSES:]} | found


def named(stimuli: list[Stimulus]) -> list[Stimulus]:
    """Return stimuli whose categories are words, where they were synsets.

    The synset is kept as a factor. A synset that is not known stays the category, and is said.
    """
    if not any(s.category and _SYNSET.fullmatch(s.category) for s in stimuli):
        return stimuli
    words, unknown, found = synsets(), set(), []
    for stimulus in stimuli:
        number = stimulus.category or ""
        if number in words:
            factors = {FACTOR: number, **stimulus.factors}
            stimulus = replace(stimulus, category=words[number], factors=factors)
        elif _SYNSET.fullmatch(number):
            unknown.add(number)
        found.append(stimulus)
    if unknown:
        some = ", ".join(sorted(unknown)[:5])
        warnings.warn(
            f"{len(unknown)} categories are synsets without a known name ({some}): they stay as "
            "they are, so rename them to what a prompt should say.",
            SynthesightWarning,
            stacklevel=4,
        )
    return found


def coarse(stimuli: Iterable[Stimulus], classes: Sequence[str]) -> list[Stimulus]:
    """Return stimuli of ImageNet's classes by the one of 16 categories, where that is a class.

    A golden retriever is shown as a dog where dog is among the classes and golden retriever is not.
    """
    known = Vocabulary(classes)
    found = []
    for stimulus in stimuli:
        wider = sixteen_of().get(str(stimulus.factors.get(FACTOR)))
        if wider and wider in known and (stimulus.category or "") not in known:
            stimulus = replace(stimulus, category=wider)
        found.append(stimulus)
    return found
