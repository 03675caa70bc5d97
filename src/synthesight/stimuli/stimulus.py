"""A stimulus: one image to be shown, with what is known about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from synthesight.stimuli.images import read_image

Source = Path | bytes | Image.Image | Callable[[], Path | bytes]


@dataclass(frozen=True, slots=True)
class Stimulus:
    """One image, with its place in a dataset.

    Attributes
    ----------
    id
        Stable name of the image, unique within a run, such as ``"edge/cat/cat1.png"``. The draws
        of a generative classifier depend on it, so it must not depend on the machine (no absolute
        paths) nor on the order of the images.
    source
        Where the pixels are: a file, the bytes of an encoded image, an image, or a function that
        gives a file or bytes when the image is opened.
    dataset, condition
        For instance ``"contrast"`` and ``"c10"``; a dataset of one condition has ``"0"``.
    category
        The ground truth (in cue conflict: the *shape*), or None where it is not known.
    session
        The session of the published experiment that showed the image; 1 where there is but one.
    """

    id: str
    source: Source
    dataset: str = ""
    condition: str = "0"
    category: str | None = None
    session: int = 1

    def open(self) -> Image.Image:
        """The image as 8-bit RGB, as a viewer would show it (see :func:`read_image`)."""
        source = self.source() if callable(self.source) else self.source
        return read_image(source, name=self.id)
