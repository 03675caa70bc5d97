"""The app's pictures: what is drawn for it, and what is dropped on it."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from synthesight.errors import SynthesightError
from synthesight.stimuli.make.blends import morphed_outline
from synthesight.stimuli.make.classics import CLASSICS, ILLUSION, draw_classic
from synthesight.stimuli.make.drawn import drawn_cue_conflict, drawn_objects
from synthesight.stimuli.stimulus import Stimulus

OBJECTS = ("airplane", "cat", "truck", "car", "bird")
CONFLICTS = (("cat", "car"),)  # the shape of one, the texture of the other
# Figures half way between two outlines: pictures of two readings for models that know few words.
BETWEEN = (("bird", "airplane"), ("cat", "dog"), ("truck", "boat"))
CALLED = {"boat": "ship", "car": "automobile"}  # as the bundled models call them
SIDE = 224


def write_examples(folder: Path) -> dict[str, Path]:
    """Draw example images as PNG files in a folder, and return their paths by what they show."""
    drawn = drawn_objects(shapes=OBJECTS, size=SIDE)
    names = [*OBJECTS, *(f"{shape}, {texture} texture" for shape, texture in CONFLICTS)]
    for shape, texture in CONFLICTS:
        drawn += drawn_cue_conflict(shapes=[shape], textures=[texture], size=SIDE)
    paths = {}
    for name, stimulus in zip(names, drawn, strict=True):
        path = folder / stimulus.id.rsplit("/", 1)[-1]
        stimulus.open().save(path, "PNG")
        paths[name] = path
    return paths


def stimulus_of(path: str | Path | None) -> Stimulus:
    """Return the stimulus of a file that was dropped; its name is the id, and so gives the draws.

    Raises
    ------
    SynthesightError
        If there is none.
    """
    if not path:
        raise SynthesightError("There is no image yet: drop one, or choose an example.")
    try:
        return Stimulus(Path(path).name, Path(path).read_bytes())
    except OSError as error:
        raise SynthesightError(f"{Path(path).name} is not here any more: drop it again.") from error


def ambiguous() -> dict[str, str]:
    """Return the drawn pictures of two readings: title by name."""
    titles = {name: classic.title for name, classic in CLASSICS.items()}
    for one, other in BETWEEN:
        titles[f"{one}-{other}"] = f"{one.capitalize()} or {other}"
    return titles


def draw_ambiguous(name: str) -> Image.Image:
    """Draw one of :func:`ambiguous`."""
    if name in CLASSICS:
        return draw_classic(name, ILLUSION)
    one, other = next(pair for pair in BETWEEN if "-".join(pair) == name)
    return morphed_outline(one, other, 0.5, SIDE)
