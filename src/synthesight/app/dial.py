"""Dial: turn contrast, blur or a hybrid's cut-off, and see the answer change."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from markupsafe import Markup
from PIL import Image

from synthesight.app.models import Models
from synthesight.app.pictures import SIDE, stimulus_of
from synthesight.app.watch import watched
from synthesight.errors import SynthesightError
from synthesight.probes.pictures import png_url
from synthesight.stimuli.images import to_array
from synthesight.stimuli.make.blends import hybrid
from synthesight.stimuli.make.manipulations import manipulate

# What a slider turns: its label, first, last and step values, and where it stands at first.
DIALS = {
    "contrast": {"label": "Contrast, in per cent",
                 "minimum": 1, "maximum": 100, "step": 1, "value": 30},
    "blur": {"label": "Blur: standard deviation, in pixels of 224",
             "minimum": 0, "maximum": 40, "step": 1, "value": 8},
    "hybrid": {"label": "Cut-off, in cycles: the first image below it, the second above",
               "minimum": 0.5, "maximum": 32, "step": 0.5, "value": 4},
}  # fmt: skip
SHOWN = Markup(
    '<div class="pictures"><figure><img src="{url}" alt="The image at {kind} {level:g}">'
    "<figcaption>{kind} {level:g}</figcaption></figure></div>"
)


def turned(kind: str, level: float, image: np.ndarray, other: np.ndarray | None) -> np.ndarray:
    """Return an image at a level of a dial: uint8, shape (H, W, 3).

    Parameters
    ----------
    kind
        A name among ``DIALS``.
    level
        Contrast in per cent, the Gaussian's standard deviation, or the cut-off in cycles.
    image, other
        uint8, shape (H, W, 3): the image; and of a hybrid, the one of high frequencies.

    Raises
    ------
    SynthesightError
        If there is no second image for a hybrid.
    """
    if kind == "contrast":
        return manipulate(image, "contrast", f"c{level:g}")
    if kind == "blur":
        return manipulate(image, "low-pass", f"{level:g}")
    if other is None:
        raise SynthesightError("A hybrid needs a second image: drop one, or choose another dial.")
    return hybrid(image, other, level)


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

    ``second`` is the file of a hybrid's other image. For the rest see :func:`turned` and
    :func:`~synthesight.app.watch.watched`, also for the errors raised.
    """
    stimulus = stimulus_of(path)
    other = to_array(stimulus_of(second).open(), SIDE) if second and kind == "hybrid" else None
    image = turned(kind, level, to_array(stimulus.open(), SIDE), other)
    shown = SHOWN.format(url=png_url(image), kind=kind, level=level)
    made = replace(stimulus, source=Image.fromarray(image), digest=None)
    for state in watched(models, made, model, classes, stop or threading.Event()):
        yield shown + Markup(state)
