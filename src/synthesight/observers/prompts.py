"""Prompts: how the classes are put into words.

Jaini, Clark & Geirhos (2024) use the template "A bad photo of a {class}", literally: "a airplane".
With several prompts, or several names for a class, their evidence is averaged: draw n uses the
n-th prompt of each class in turn, which costs no evaluation more than one prompt does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from math import lcm

import numpy as np

from synthesight.errors import SynthesightError
from synthesight.stimuli.categories import words

DEFAULT_PROMPT = "A bad photo of a {class}"
MOST_TURNS = 10_000  # of prompts, where classes have numbers of them that share no small multiple
# Where the name goes: {} in CLIP's templates, {c} or {label} in others.
_PLACE = re.compile(r"\{\w*\}")


def check_classes(classes: Sequence[str]) -> list[str]:
    """Return the classes, stripped of white space."""
    names = [name.strip() for name in _texts(classes, "['cat', 'dog']")]
    if len(names) < 2:
        raise SynthesightError(
            f"A choice needs at least two classes, not {len(names)}: add more, as in "
            "`classes=['cat', 'dog']`."
        )
    if "" in names:
        raise SynthesightError(
            "One of the classes is empty: look for a comma too many in `classes`."
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SynthesightError(f"The class {twice[0]!r} is there twice: name each class once.")
    return names


def check_prompts(
    prompt: str | Sequence[str] | Mapping[str, str | Sequence[str]],
) -> list[str] | dict[str, list[str]]:
    """Return templates, each with ``{class}`` in it, as a list; or whole prompts by class.

    Examples
    --------
    >>> check_prompts("a photo of a {}.")
    ['a photo of a {class}.']
    >>> check_prompts({"cat": "A cat purrs.", "dog": ["A dog barks.", "A dog's wet nose."]})
    {'cat': ['A cat purrs.'], 'dog': ['A dog barks.', "A dog's wet nose."]}
    """
    if isinstance(prompt, Mapping):
        whole = {str(label): _listed(own) for label, own in prompt.items()}
        for label, own in whole.items():
            if not own or not all(text.strip() for text in own):
                raise SynthesightError(
                    f"The class {label!r} has an empty prompt, or none: give it one or several."
                )
        if whole:
            return whole
    texts = [] if isinstance(prompt, Mapping) else _listed(prompt)
    if not texts:
        raise SynthesightError(
            "At least one prompt is needed, such as `prompt='A photo of a {class}'`."
        )
    for text in texts:
        if not _PLACE.search(text):
            raise SynthesightError(
                f"The prompt {text!r} has no place for the class: write {{class}} where its name "
                "goes, as in 'A bad photo of a {class}'."
            )
    return [_PLACE.sub("{class}", text) for text in texts]


def write_prompts(
    classes: Sequence[str],
    prompts: Sequence[str] | Mapping[str, Sequence[str]] = (DEFAULT_PROMPT,),
    names: Mapping[str, Sequence[str]] | None = None,
) -> tuple[list[str], np.ndarray]:
    """Write all the prompts of the classes.

    Parameters
    ----------
    classes
        K class names; alarm_clock enters a prompt as the words alarm clock.
    prompts
        Texts with ``{class}`` where the name goes; or for each class its own texts, with or
        without such a place.
    names
        For some classes, the names to use instead of the class itself (synonyms).

    Returns
    -------
    prompts : list of str
        Each distinct prompt once.
    rows : int64 array, shape (K, P)
        For each class, the index of the prompt that draw n uses, at n mod P. A class with fewer
        prompts than another repeats its own in turn.

    Raises
    ------
    SynthesightError
        If a class has no prompt.
    """
    whole = prompts if isinstance(prompts, Mapping) else {}
    if missing := [label for label in classes if whole and label not in whole]:
        raise SynthesightError(
            f"There is no prompt for the class {missing[0]!r}, only for {', '.join(whole)}: write "
            "some in `prompt`, or choose other classes."
        )
    by_class = []
    for label in classes:
        own = (
            name.join(_PLACE.split(text))
            for name in ((names or {}).get(label) or (words(label),))
            for text in (whole.get(label) or prompts)
        )
        by_class.append(list(dict.fromkeys(own)))
    written = list(dict.fromkeys(prompt for own in by_class for prompt in own))
    index = {prompt: row for row, prompt in enumerate(written)}
    length = min(lcm(*(len(own) for own in by_class)), MOST_TURNS)
    rows = np.empty((len(by_class), length), dtype=np.int64)
    for row, own_prompts in zip(rows, by_class, strict=True):
        row[:] = np.resize([index[prompt] for prompt in own_prompts], length)
    return written, rows


def _listed(texts: str | Sequence[str]) -> list[str]:
    return [texts] if isinstance(texts, str) else _texts(texts, "['A photo of a {class}']")


def _texts(values: Iterable[str], example: str) -> list[str]:
    """Return a list of texts; a single text would be taken for its letters."""
    listed = isinstance(values, Iterable) and not isinstance(values, str)
    texts = list(values) if listed else []
    if not listed or not all(isinstance(text, str) for text in texts):
        raise SynthesightError(f"{values!r} is not a list of texts: give one such as {example}.")
    return texts
