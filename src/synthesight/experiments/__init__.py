"""Experiments: train models, with noise and without, and compare how human-like the results see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.experiments.augmentation import AugmentationOptions as AugmentationOptions
    from synthesight.experiments.augmentation import run_augmentation as run_augmentation
    from synthesight.experiments.cues import CuesOptions as CuesOptions
    from synthesight.experiments.cues import run_cues as run_cues
    from synthesight.experiments.discriminative import (
        DiscriminativeOptions as DiscriminativeOptions,
    )
    from synthesight.experiments.generative import GenerativeOptions as GenerativeOptions
    from synthesight.experiments.labelled import open_images as open_images
    from synthesight.experiments.recipes import read_recipe as read_recipe
    from synthesight.experiments.results import over_seeds as over_seeds

__getattr__, __dir__, __all__ = lazy.attach(__name__)
