"""A drawn cue-conflict set, offline: shapes of our own filled with textures of our own.

The design is that of Geirhos et al. (2019), whose images are photographs in the style of others;
ours are silhouettes, so the shape cue is the outline alone. Names are like the published ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from synthesight import files
from synthesight.errors import SynthesightError
from synthesight.stimuli.categories import SIXTEEN
from synthesight.stimuli.make.shapes import SHAPES, silhouette
from synthesight.stimuli.make.textures import TEXTURES, texture
from synthesight.stimuli.stimulus import Stimulus

DATASET = "cue-conflict-drawn"
BACKGROUND = (176, 176, 176)  # none of the textures, so that each outline shows


def drawn_cue_conflict(
    *,
    shapes: Sequence[str] = SIXTEEN,
    textures: Sequence[str] = SIXTEEN,
    per_pair: int = 1,
    size: int = 224,
    seed: int = 0,
) -> list[Stimulus]:
    """Draw every shape in every other texture, on uniform grey.

    Parameters
    ----------
    shapes, textures
        Categories of each cue. What a pair looks like does not depend on the others.
    per_pair
        Number of images of each pair, which differ in size, turn and direction, and in the
        texture's grain.
    size
        Side, in pixels.
    seed
        Seed of the variation.

    Returns
    -------
    Stimuli whose category is the shape and whose names are like ``cat3-car3.png``.

    Raises
    ------
    SynthesightError
        If a category is none of the 16.
    """
    return [
        _drawn(shape, surface, number, size, seed, DATASET)
        for shape in shapes
        for surface in textures
        if shape != surface
        for number in range(1, per_pair + 1)
    ]


def drawn_objects(
    *, shapes: Sequence[str] = SIXTEEN, per_category: int = 1, size: int = 224, seed: int = 0
) -> list[Stimulus]:
    """Draw every shape in its own texture: the same pictures without a conflict."""
    return [
        _drawn(shape, shape, number, size, seed, "objects-drawn")
        for shape in shapes
        for number in range(1, per_category + 1)
    ]


def drawn_mask(shape: str, number: int, *, size: int = 224, seed: int = 0) -> Image.Image:
    """Return where the object is in a drawn image, whatever texture fills it: white on black.

    Parameters
    ----------
    shape, number
        As in the image's name: ``cat3-car3.png`` is the third cat.
    size, seed
        Of the drawn set.

    Raises
    ------
    SynthesightError
        If the category is none of the 16.
    """
    if shape not in SHAPES:
        raise SynthesightError(f"There is no drawn {shape!r}: choose among {', '.join(SHAPES)}.")
    pose = np.random.default_rng([seed, SHAPES.index(shape), number])
    return silhouette(
        shape,
        size,
        scale=pose.uniform(0.82, 0.96),
        angle=pose.uniform(-8, 8),
        mirrored=bool(pose.random() < 0.5),
    )


def save(stimuli: Iterable[Stimulus], folder: Path) -> None:
    """Write stimuli as PNG files, ``<category>/<name>``, below a folder.

    Raises
    ------
    SynthesightError
        If the folder cannot be written to.
    """
    with files.writing(folder, "folder"):
        for stimulus in stimuli:
            path = folder / str(stimulus.category) / stimulus.id.rsplit("/", 1)[-1]
            path.parent.mkdir(parents=True, exist_ok=True)
            with files.whole(path) as unfinished:
                stimulus.open().save(unfinished, "PNG")


def _drawn(shape: str, surface: str, number: int, size: int, seed: int, dataset: str) -> Stimulus:
    for cue, known in ((shape, SHAPES), (surface, TEXTURES)):
        if cue not in known:
            raise SynthesightError(f"There is no drawn {cue!r}: choose among {', '.join(known)}.")
    mask = drawn_mask(shape, number, size=size, seed=seed)
    grain = np.random.default_rng([seed, TEXTURES.index(surface), number, 1])
    image = Image.new("RGB", (size, size), BACKGROUND)
    image.paste(Image.fromarray(texture(surface, size, grain)), mask=mask)
    name = f"{shape}{number}-{surface}{number}.png"
    return Stimulus(id=f"{dataset}/{shape}/{name}", source=image, dataset=dataset, category=shape)
