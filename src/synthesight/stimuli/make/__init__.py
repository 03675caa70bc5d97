"""Make stimuli: manipulated photographs, drawn objects and cue conflicts, and illusions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.stimuli.make.classics import CLASSICS, classic_stimuli, draw_classic
    from synthesight.stimuli.make.dial import (
        cross_fade,
        dial_stimuli,
        hybrid,
        low_pass,
        morphed_outline,
        pairs_of,
        seen,
    )
    from synthesight.stimuli.make.drawn import (
        drawn_cue_conflict,
        drawn_mask,
        drawn_objects,
        save,
    )
    from synthesight.stimuli.make.eidolon import partially_coherent_disarray
    from synthesight.stimuli.make.manipulations import (
        CORRUPTIONS,
        MANIPULATIONS,
        manipulate,
        mean_amplitude,
    )
    from synthesight.stimuli.make.published import make_dataset
    from synthesight.stimuli.make.shapes import SHAPES, silhouette
    from synthesight.stimuli.make.textures import TEXTURES, texture

__all__ = [
    "CLASSICS",
    "CORRUPTIONS",
    "MANIPULATIONS",
    "SHAPES",
    "TEXTURES",
    "classic_stimuli",
    "cross_fade",
    "dial_stimuli",
    "draw_classic",
    "drawn_cue_conflict",
    "drawn_mask",
    "drawn_objects",
    "hybrid",
    "low_pass",
    "make_dataset",
    "manipulate",
    "mean_amplitude",
    "morphed_outline",
    "pairs_of",
    "partially_coherent_disarray",
    "save",
    "seen",
    "silhouette",
    "texture",
]

__getattr__, __dir__ = lazy.attach(
    __name__,
    {
        "classics": ["CLASSICS", "classic_stimuli", "draw_classic"],
        "dial": [
            "cross_fade",
            "dial_stimuli",
            "hybrid",
            "low_pass",
            "morphed_outline",
            "pairs_of",
            "seen",
        ],
        "drawn": ["drawn_cue_conflict", "drawn_mask", "drawn_objects", "save"],
        "eidolon": ["partially_coherent_disarray"],
        "manipulations": ["CORRUPTIONS", "MANIPULATIONS", "manipulate", "mean_amplitude"],
        "published": ["make_dataset"],
        "shapes": ["SHAPES", "silhouette"],
        "textures": ["TEXTURES", "texture"],
    },
)
