"""Make stimuli: manipulated photographs, and drawn objects and cue conflicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.stimuli.make.drawn import drawn_cue_conflict, drawn_objects, save
    from synthesight.stimuli.make.eidolon import partially_coherent_disarray
    from synthesight.stimuli.make.manipulations import MANIPULATIONS, manipulate, mean_amplitude
    from synthesight.stimuli.make.published import make_dataset
    from synthesight.stimuli.make.shapes import SHAPES, silhouette
    from synthesight.stimuli.make.textures import TEXTURES, texture

__all__ = [
    "MANIPULATIONS",
    "SHAPES",
    "TEXTURES",
    "drawn_cue_conflict",
    "drawn_objects",
    "make_dataset",
    "manipulate",
    "mean_amplitude",
    "partially_coherent_disarray",
    "save",
    "silhouette",
    "texture",
]

__getattr__, __dir__ = lazy.attach(
    __name__,
    {
        "drawn": ["drawn_cue_conflict", "drawn_objects", "save"],
        "eidolon": ["partially_coherent_disarray"],
        "manipulations": ["MANIPULATIONS", "manipulate", "mean_amplitude"],
        "published": ["make_dataset"],
        "shapes": ["SHAPES", "silhouette"],
        "textures": ["TEXTURES", "texture"],
    },
)
