"""Prompts: how the classes are put into words.

Jaini, Clark & Geirhos (2024) use the template "A bad photo of a {class}", literally: "a airplane".
With several prompts, or several names for a class, their evidence is averaged: draw n uses the
n-th prompt of each class in turn, which costs no evaluation more than one prompt does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import lcm

import numpy as np

from synthesight.errors import SynthesightError
from synthesight.stimuli.categories import words

DEFAULT_PROMPT = "A bad photo of a {class}"


def check_classes(classes: Sequence[str]) -> list[str]:
    """Return the classes, stripped of white space.

    Raises
    ------
    SynthesightError
        If they are no list of names, there are fewer than two, or one is empty or there twice.
    """
    names = [name.strip() for name in _texts(classes, "['cat', 'dog']")]
    if len(names) < 2:
        raise SynthesightError(
            f"A choice needs at least two classes, and {len(names)} came: give more, as in "
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


def check_prompts(prompt: str | Sequence[str]) -> list[str]:
    """Return the prompts, each with its place for the class, as a list.

    Raises
    ------
    SynthesightError
        If they are no texts, there is none, or one lacks ``{class}``.
    """
    texts = [prompt] if isinstance(prompt, str) else _texts(prompt, "['A photo of a {class}']")
    if not texts:
        raise SynthesightError(
            "At least one prompt is needed, such as `prompt='A photo of a {class}'`."
        )
    for text in texts:
        if "{class}" not in text:
            raise SynthesightError(
                f"The prompt {text!r} has no place for the class: write {{class}} where its name "
                "goes, as in 'A bad photo of a {class}'."
            )
    return texts


def write_prompts(
    classes: Sequence[str],
    prompts: Sequence[str] = (DEFAULT_PROMPT,),
    names: Mapping[str, Sequence[str]] | None = None,
) -> tuple[list[str], np.ndarray]:
    """Write all the prompts of the classes.

    Parameters
    ----------
    classes
        K class names; alarm_clock enters a prompt as the words alarm clock.
    prompts
        Texts with ``{class}`` where the name goes.
    names
        For some classes, the names to use instead of the class itself (synonyms).

    Returns
    -------
    prompts : list of str
        Each distinct prompt once.
    rows : int64 array, shape (K, P)
        For each class, the index of the prompt that draw n uses, at n mod P. A class with fewer
        prompts than another repeats its own in turn.
    """
    by_class = [
        [
            text.replace("{class}", name)
            for name in ((names or {}).get(label) or (words(label),))
            for text in prompts
        ]
        for label in classes
    ]
    written = list(dict.fromkeys(prompt for own in by_class for prompt in own))
    index = {prompt: row for row, prompt in enumerate(written)}
    length = lcm(*(len(own) for own in by_class))
    rows = [[index[own[n % len(own)]] for n in range(length)] for own in by_class]
    return written, np.array(rows, dtype=np.int64)


def _texts(values: Iterable[str], example: str) -> list[str]:
    """Return a list of texts; a single text would be taken for its letters."""
    listed = isinstance(values, Iterable) and not isinstance(values, str)
    texts = list(values) if listed else []
    if not listed or not all(isinstance(text, str) for text in texts):
        raise SynthesightError(f"{values!r} is not a list of texts: give one such as {example}.")
    return texts
