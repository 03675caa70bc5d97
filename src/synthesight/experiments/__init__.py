"""Experiments: train models, with noise and without, and compare how human-like the results see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.experiments.augmentation import AugmentationOptions, run_augmentation
    from synthesight.experiments.cues import CuesOptions, run_cues
    from synthesight.experiments.discriminative import DiscriminativeOptions
    from synthesight.experiments.generative import GenerativeOptions
    from synthesight.experiments.labelled import open_images
    from synthesight.experiments.recipes import read_recipe
    from synthesight.experiments.seeds import over_seeds

__all__ = [
    "AugmentationOptions",
    "CuesOptions",
    "DiscriminativeOptions",
    "GenerativeOptions",
    "open_images",
    "over_seeds",
    "read_recipe",
    "run_augmentation",
    "run_cues",
]

__getattr__, __dir__ = lazy.attach(
    __name__,
    {
        "augmentation": ["AugmentationOptions", "run_augmentation"],
        "cues": ["CuesOptions", "run_cues"],
        "discriminative": ["DiscriminativeOptions"],
        "generative": ["GenerativeOptions"],
        "labelled": ["open_images"],
        "recipes": ["read_recipe"],
        "seeds": ["over_seeds"],
    },
)
