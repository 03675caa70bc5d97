"""Observers: programs that answer a stimulus with one of K categories."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.observers.calibration import Calibration, read_calibration
    from synthesight.observers.class_files import Classes, read_classes, read_prompts
    from synthesight.observers.discriminative.image_text import ImageTextModel, ImageTextNetwork
    from synthesight.observers.discriminative.imagenet import ImageNetNetwork
    from synthesight.observers.discriminative.network import DiscriminativeNetwork, Network
    from synthesight.observers.discriminative.noise import (
        Blur,
        DiffusionNoise,
        GaussianNoise,
        WithNoise,
        read_augmentation,
    )
    from synthesight.observers.evidence_map import EvidenceMap
    from synthesight.observers.generated import generate
    from synthesight.observers.generative import GenerativeClassifier
    from synthesight.observers.loading import load
    from synthesight.observers.observer import Classification, Observer, Response
    from synthesight.observers.options import EvaluateOptions, ModelOptions
    from synthesight.observers.prompts import write_prompts
    from synthesight.observers.registry import Entry, entries, find

__all__ = [
    "Blur",
    "Calibration",
    "Classes",
    "Classification",
    "DiffusionNoise",
    "DiscriminativeNetwork",
    "Entry",
    "EvaluateOptions",
    "EvidenceMap",
    "GaussianNoise",
    "GenerativeClassifier",
    "ImageNetNetwork",
    "ImageTextModel",
    "ImageTextNetwork",
    "ModelOptions",
    "Network",
    "Observer",
    "Response",
    "WithNoise",
    "entries",
    "find",
    "generate",
    "load",
    "read_augmentation",
    "read_calibration",
    "read_classes",
    "read_prompts",
    "write_prompts",
]

__getattr__, __dir__ = lazy.attach(
    __name__,
    {
        "calibration": ["Calibration", "read_calibration"],
        "class_files": ["Classes", "read_classes", "read_prompts"],
        "discriminative.image_text": ["ImageTextModel", "ImageTextNetwork"],
        "discriminative.imagenet": ["ImageNetNetwork"],
        "discriminative.network": ["DiscriminativeNetwork", "Network"],
        "discriminative.noise": [
            "Blur", "DiffusionNoise", "GaussianNoise", "WithNoise", "read_augmentation",
        ],
        "evidence_map": ["EvidenceMap"],
        "generated": ["generate"],
        "generative": ["GenerativeClassifier"],
        "loading": ["load"],
        "observer": ["Classification", "Observer", "Response"],
        "options": ["EvaluateOptions", "ModelOptions"],
        "prompts": ["write_prompts"],
        "registry": ["Entry", "entries", "find"],
    },
)  # fmt: skip
