"""Rival prompts: whole descriptions of one image, each of them a class of its own."""

from __future__ import annotations

from dataclasses import replace

from synthesight.errors import SynthesightError
from synthesight.observers.options import ModelOptions


def rivals(options: ModelOptions) -> ModelOptions:
    """Return options in which whole prompts, given without classes, are the classes.

    Examples
    --------
    >>> found = rivals(ModelOptions(prompt=["a duck", "a rabbit"]))
    >>> found.classes, found.prompt
    (['a duck', 'a rabbit'], {'a duck': 'a duck', 'a rabbit': 'a rabbit'})

    A template, with a place for the class, stays one:

    >>> rivals(ModelOptions(prompt=["a photo of a {class}"])).classes
    """
    given = [options.prompt] if isinstance(options.prompt, str) else options.prompt
    if options.classes is not None or not isinstance(given, list | tuple):
        return options
    texts = [text for text in given if isinstance(text, str) and "{" not in text]
    if len(texts) != len(given):
        return options
    if len(texts) == 1:
        raise SynthesightError(
            f"`prompt={texts[0]!r}` has no rival: give a second `prompt` that describes the image "
            "otherwise."
        )
    return replace(options, classes=texts, prompt={text: text for text in texts})
