"""Stimuli: images to show, found in folders, tables and named datasets, or made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.stimuli.arrays import as_stimuli
    from synthesight.stimuli.categories import (
        CIFAR10,
        SHARED_SEVEN,
        SIXTEEN,
        Vocabulary,
        canonical,
        imagenet_to_16,
        in_order,
        words,
    )
    from synthesight.stimuli.checking import check_images
    from synthesight.stimuli.datasets import Dataset, dataset
    from synthesight.stimuli.datasets.local import (
        data_root,
        dataset_folder,
        download_root,
        local_folder,
    )
    from synthesight.stimuli.depth import Range
    from synthesight.stimuli.find import find_stimuli, sample
    from synthesight.stimuli.images import (
        Picture,
        UnreadableImage,
        read_image,
        read_picture,
        to_array,
    )
    from synthesight.stimuli.names import Shown, Spelling, cues_of, image_of
    from synthesight.stimuli.prefetch import read_ahead
    from synthesight.stimuli.stimulus import Source, Stimulus

__all__ = [
    "CIFAR10",
    "SHARED_SEVEN",
    "SIXTEEN",
    "Dataset",
    "Picture",
    "Range",
    "Shown",
    "Source",
    "Spelling",
    "Stimulus",
    "UnreadableImage",
    "Vocabulary",
    "as_stimuli",
    "canonical",
    "check_images",
    "cues_of",
    "data_root",
    "dataset",
    "dataset_folder",
    "download_root",
    "find_stimuli",
    "image_of",
    "imagenet_to_16",
    "in_order",
    "local_folder",
    "read_ahead",
    "read_image",
    "read_picture",
    "sample",
    "to_array",
    "words",
]

__getattr__, __dir__ = lazy.attach(
    __name__,
    {
        "arrays": ["as_stimuli"],
        "categories": [
            "CIFAR10",
            "SHARED_SEVEN",
            "SIXTEEN",
            "Vocabulary",
            "canonical",
            "imagenet_to_16",
            "in_order",
            "words",
        ],
        "checking": ["check_images"],
        "datasets": ["Dataset", "dataset"],
        "datasets.local": ["data_root", "dataset_folder", "download_root", "local_folder"],
        "depth": ["Range"],
        "find": ["find_stimuli", "sample"],
        "images": ["Picture", "UnreadableImage", "read_image", "read_picture", "to_array"],
        "names": ["Shown", "Spelling", "cues_of", "image_of"],
        "prefetch": ["read_ahead"],
        "stimulus": ["Source", "Stimulus"],
    },
)
