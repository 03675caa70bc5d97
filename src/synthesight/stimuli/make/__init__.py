"""Make stimuli: manipulated photographs, drawn objects and cue conflicts, and illusions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.stimuli.make.blends import cross_fade as cross_fade
    from synthesight.stimuli.make.blends import hybrid as hybrid
    from synthesight.stimuli.make.blends import low_pass as low_pass
    from synthesight.stimuli.make.blends import morphed_outline as morphed_outline
    from synthesight.stimuli.make.blends import seen as seen
    from synthesight.stimuli.make.classics import CLASSICS as CLASSICS
    from synthesight.stimuli.make.classics import classic_stimuli as classic_stimuli
    from synthesight.stimuli.make.classics import draw_classic as draw_classic
    from synthesight.stimuli.make.dial import dial_stimuli as dial_stimuli
    from synthesight.stimuli.make.dial import pairs_of as pairs_of
    from synthesight.stimuli.make.drawn import drawn_cue_conflict as drawn_cue_conflict
    from synthesight.stimuli.make.drawn import drawn_mask as drawn_mask
    from synthesight.stimuli.make.drawn import drawn_objects as drawn_objects
    from synthesight.stimuli.make.drawn import save as save
    from synthesight.stimuli.make.eidolon import (
        partially_coherent_disarray as partially_coherent_disarray,
    )
    from synthesight.stimuli.make.manipulations import CORRUPTIONS as CORRUPTIONS
    from synthesight.stimuli.make.manipulations import MANIPULATIONS as MANIPULATIONS
    from synthesight.stimuli.make.manipulations import manipulate as manipulate
    from synthesight.stimuli.make.manipulations import mean_amplitude as mean_amplitude
    from synthesight.stimuli.make.published import make_dataset as make_dataset
    from synthesight.stimuli.make.shapes import SHAPES as SHAPES
    from synthesight.stimuli.make.shapes import silhouette as silhouette
    from synthesight.stimuli.make.textures import TEXTURES as TEXTURES
    from synthesight.stimuli.make.textures import texture as texture

__getattr__, __dir__, __all__ = lazy.attach(__name__)
