"""A stimulus: one image to be shown, and what is known about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from synthesight.stimuli.images import read_image

Source = str | Path | bytes | Image.Image | Mapping[str, Any] | Callable[[], Path | bytes]


@dataclass(frozen=True, slots=True)
class Stimulus:
    """Describe one image, with its place in a dataset.

    Attributes
    ----------
    id
        Stable name of the image, unique within a run, such as ``"edge/cat/cat1.png"``. The draws
        of a generative classifier depend on it, so it must not depend on the machine (no absolute
        paths) nor on the order of the images.
    source
        The image: a file, the bytes of one, a Pillow image, Hugging Face's mapping of ``bytes``
        and ``path``, or a function that returns a file or bytes when the image is opened.
    dataset, condition
        For instance ``"contrast"`` and ``"c10"``; a dataset of one condition has ``"0"``.
    category
        The ground truth (in cue conflict: the *shape*), or None where it is not known.
    session
        Session of the published experiment that showed the image; 1 where there is but one.

    Examples
    --------
    >>> stimulus = Stimulus("mine/cat/1.png", Image.new("L", (8, 8)), "mine", category="cat")
    >>> stimulus.open().mode
    'RGB'
    """

    id: str
    source: Source
    dataset: str = ""
    condition: str = "0"
    category: str | None = None
    session: int = 1

    def open(self) -> Image.Image:
        """Return the image as 8-bit RGB, as a viewer would show it.

        Raises
        ------
        UnreadableImage
            As :func:`~synthesight.stimuli.images.read_image` says.
        """
        source = self.source() if callable(self.source) else self.source
        if isinstance(source, Mapping):
            source = encoded_image(source)
        return read_image(Path(source) if isinstance(source, str) else source, name=self.id)


def encoded_image(image: Mapping[str, Any]) -> Path | bytes:
    """Return the bytes or else the path of Hugging Face's encoded image; no bytes if neither."""
    if image.get("bytes") is not None:
        return bytes(image["bytes"])
    return Path(image["path"]) if image.get("path") else b""
