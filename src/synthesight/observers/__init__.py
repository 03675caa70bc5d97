"""Observers: programs that answer a stimulus with one of K categories."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.observers.calibration import Calibration as Calibration
    from synthesight.observers.calibration import read_calibration as read_calibration
    from synthesight.observers.class_files import Classes as Classes
    from synthesight.observers.class_files import read_classes as read_classes
    from synthesight.observers.class_files import read_prompts as read_prompts
    from synthesight.observers.discriminative.image_text import ImageTextModel as ImageTextModel
    from synthesight.observers.discriminative.image_text import ImageTextNetwork as ImageTextNetwork
    from synthesight.observers.discriminative.imagenet import ImageNetNetwork as ImageNetNetwork
    from synthesight.observers.discriminative.network import (
        DiscriminativeNetwork as DiscriminativeNetwork,
    )
    from synthesight.observers.discriminative.network import Network as Network
    from synthesight.observers.discriminative.noise import Blur as Blur
    from synthesight.observers.discriminative.noise import DiffusionNoise as DiffusionNoise
    from synthesight.observers.discriminative.noise import GaussianNoise as GaussianNoise
    from synthesight.observers.discriminative.noise import WithNoise as WithNoise
    from synthesight.observers.discriminative.noise import read_augmentation as read_augmentation
    from synthesight.observers.evidence_map import EvidenceMap as EvidenceMap
    from synthesight.observers.generated import generate as generate
    from synthesight.observers.generative import GenerativeClassifier as GenerativeClassifier
    from synthesight.observers.loading import load as load
    from synthesight.observers.observer import Observer as Observer
    from synthesight.observers.options import EvaluateOptions as EvaluateOptions
    from synthesight.observers.options import ModelOptions as ModelOptions
    from synthesight.observers.prompts import write_prompts as write_prompts
    from synthesight.observers.registry import Entry as Entry
    from synthesight.observers.registry import entries as entries
    from synthesight.observers.registry import find as find
    from synthesight.observers.response import Classification as Classification
    from synthesight.observers.response import Response as Response

__getattr__, __dir__, __all__ = lazy.attach(__name__)
