"""Dial: turn contrast, blur or a hybrid's cut-off, and see the answer change."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from markupsafe import Markup
from PIL import Image

from synthesight.app.html import render
from synthesight.app.models import Models
from synthesight.app.pictures import SIDE, stimulus_of
from synthesight.app.watch import watched
from synthesight.errors import SynthesightError
from synthesight.probes.pictures import png_url
from synthesight.stimuli.images import to_array
from synthesight.stimuli.make.blends import hybrid
from synthesight.stimuli.make.manipulations import manipulate
from synthesight.stimuli.stimulus import Stimulus


@dataclass(frozen=True)
class Dial:
    """What a slider turns: its name, first, last and step values, and where it stands at first."""

    label: str
    least: float
    most: float
    step: float
    at: float


DIALS = {
    "contrast": Dial("Contrast, in per cent", 1, 100, 1, 30),
    "blur": Dial("Blur: standard deviation, in pixels of 224", 0, 40, 1, 8),
    "hybrid": Dial("Cut-off, in cycles an image: below it is the first image", 0.5, 32, 0.5, 4),
}


def turned(kind: str, level: float, image: np.ndarray, other: np.ndarray | None) -> np.ndarray:
    """Return an image at a level of a dial.

    Parameters
    ----------
    kind
        A name among ``DIALS``.
    level
        Contrast in per cent, the Gaussian's standard deviation, or the cut-off in cycles.
    image, other
        uint8, shape (H, W, 3): the image; and of a hybrid, the one of high frequencies.

    Returns
    -------
    uint8, shape (H, W, 3).

    Raises
    ------
    SynthesightError
        If there is no second image for a hybrid.
    """
    if kind == "hybrid":
        if other is None:
            raise SynthesightError(
                "A hybrid needs a second image: drop one, or choose another dial."
            )
        return hybrid(image, other, level)
    name, condition = (
        ("contrast", f"c{level:g}") if kind == "contrast" else ("low-pass", f"{level:g}")
    )
    return manipulate(image, name, condition)


def dialled(
    models: Models,
    path: str | None,
    model: str,
    classes: str,
    kind: str,
    level: float,
    second: str | None = None,
    stop: threading.Event | None = None,
) -> Iterator[str]:
    """Show an image at a level of a dial, and yield the state of its race as HTML.

    Parameters
    ----------
    models, path, model, classes
        Where models are; the image; the names of a model and of classes.
    kind, level, second
        See :func:`turned`; ``second`` is the file of the other image.
    stop
        See :func:`~synthesight.app.watch.watched`.
    """
    made: list[str] = []

    def make() -> Stimulus:
        stimulus = stimulus_of(path)
        other = to_array(stimulus_of(second).open(), SIDE) if second and kind == "hybrid" else None
        image = turned(kind, level, to_array(stimulus.open(), SIDE), other)
        made.append(png_url(image))
        return replace(stimulus, source=Image.fromarray(image), digest=None)

    for state in watched(models, make, model, classes, stop or threading.Event()):
        yield render("dial.html", urls=made, kind=kind, level=f"{level:g}", answer=Markup(state))
