"""A stimulus: one image to be shown, and what is known about it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from synthesight.errors import SynthesightError, SynthesightWarning
from synthesight.stimuli.depth import Range
from synthesight.stimuli.images import Picture, file_content, printable, read_picture

Factor = str | int | float | bool
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
    factors
        What else is known of it, by name, such as ``{"viewpoint": 30, "lighting": "dim"}``. Trials
        keep them as columns.
    range
        What is black and white, if the image has more than eight bits a channel.
    captions
        Sentences of which one describes the image, where each image has its own; ``category`` is
        the right one.
    digest
        Of the image's content, as :class:`~synthesight.stimuli.images.Picture` has it, when it was
        last read; None before.

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
    factors: Mapping[str, Factor] = field(default_factory=dict, hash=False)
    range: Range | None = None
    captions: tuple[str, ...] = ()
    digest: str | None = field(default=None, compare=False)

    def open(self) -> Image.Image:
        """Return the image as 8-bit RGB, as a viewer would show it.

        Raises
        ------
        UnreadableImage
            As :func:`~synthesight.stimuli.images.read_picture` says.
        """
        return self.read().image

    def read(self, resolution: int | tuple[int, int] | None = None) -> Picture:
        """Return the image, fitted to a resolution if one is given, with a digest of its content.

        Raises
        ------
        UnreadableImage
            As :func:`~synthesight.stimuli.images.read_picture` says.
        """
        picture = read_picture(
            self._content(), printable(self.id), range=self.range, resolution=resolution
        )
        # What is known of the stimulus; it stays the same one.
        object.__setattr__(self, "digest", picture.digest)
        return picture

    def loaded(self) -> Stimulus:
        """Return the stimulus with its file's bytes, for a process that does not see the file.

        Raises
        ------
        UnreadableImage
            If the image's file cannot be read.
        """
        content = self._content()
        return replace(self, source=file_content(content) if isinstance(content, Path) else content)

    def _content(self) -> Path | bytes | Image.Image:
        source = self.source() if callable(self.source) else self.source
        if isinstance(source, Mapping):
            source = encoded_image(source)
        return Path(source) if isinstance(source, str) else source


def factor_types(stimuli: Iterable[Stimulus]) -> dict[str, type]:
    """Return the type of each factor: that of its values, or one that can hold them all.

    Examples
    --------
    >>> sizes = [{"size": 2}, {"size": 2.5, "light": True}, {"light": "dim"}]
    >>> factor_types([Stimulus(f"{n}.png", b"", factors=one) for n, one in enumerate(sizes)])
    {'size': <class 'float'>, 'light': <class 'str'>}
    """
    found: dict[str, type] = {}
    for stimulus in stimuli:
        for name, value in stimulus.factors.items():
            kind = type(value.item() if isinstance(value, np.generic) else value)
            if kind not in (str, int, float, bool):
                raise SynthesightError(
                    f"The factor {name!r} of {stimulus.id} is {value!r}: give text, a number, True "
                    "or False."
                )
            if (before := found.setdefault(name, kind)) is not kind:
                found[name] = float if {before, kind} == {int, float} else str
    return found


def kept_factors(stimuli: Iterable[Stimulus], columns: Collection[str]) -> dict[str, type]:
    """Return the types of the factors that trials keep; warn of those called as a column is."""
    found = factor_types(stimuli)
    if taken := sorted(found.keys() & columns):
        warnings.warn(
            f"The stimuli's factors {', '.join(taken)} are left out: columns of trials have these "
            "names. Rename them to keep them.",
            SynthesightWarning,
            stacklevel=4,
        )
    return {name: kind for name, kind in found.items() if name not in columns}


def encoded_image(image: Mapping[str, Any]) -> Path | bytes:
    """Return the bytes or else the path of Hugging Face's encoded image; no bytes if neither."""
    if image.get("bytes") is not None:
        return bytes(image["bytes"])
    return Path(image["path"]) if image.get("path") else b""
