"""Stimuli: images to show, found in folders, tables and named datasets, or made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.stimuli.arrays import as_stimuli as as_stimuli
    from synthesight.stimuli.categories import CIFAR10 as CIFAR10
    from synthesight.stimuli.categories import SHARED_SEVEN as SHARED_SEVEN
    from synthesight.stimuli.categories import SIXTEEN as SIXTEEN
    from synthesight.stimuli.categories import Vocabulary as Vocabulary
    from synthesight.stimuli.categories import canonical as canonical
    from synthesight.stimuli.categories import imagenet_to_16 as imagenet_to_16
    from synthesight.stimuli.categories import in_order as in_order
    from synthesight.stimuli.categories import words as words
    from synthesight.stimuli.checking import check_images as check_images
    from synthesight.stimuli.datasets import Dataset as Dataset
    from synthesight.stimuli.datasets import dataset as dataset
    from synthesight.stimuli.datasets.local import data_root as data_root
    from synthesight.stimuli.datasets.local import dataset_folder as dataset_folder
    from synthesight.stimuli.datasets.local import download_root as download_root
    from synthesight.stimuli.datasets.local import local_folder as local_folder
    from synthesight.stimuli.depth import Range as Range
    from synthesight.stimuli.find import find_stimuli as find_stimuli
    from synthesight.stimuli.find import sample as sample
    from synthesight.stimuli.images import Picture as Picture
    from synthesight.stimuli.images import UnreadableImage as UnreadableImage
    from synthesight.stimuli.images import read_image as read_image
    from synthesight.stimuli.images import read_picture as read_picture
    from synthesight.stimuli.images import to_array as to_array
    from synthesight.stimuli.names import Shown as Shown
    from synthesight.stimuli.names import Spelling as Spelling
    from synthesight.stimuli.names import cues_of as cues_of
    from synthesight.stimuli.names import image_of as image_of
    from synthesight.stimuli.prefetch import read_ahead as read_ahead
    from synthesight.stimuli.stimulus import Source as Source
    from synthesight.stimuli.stimulus import Stimulus as Stimulus

__getattr__, __dir__, __all__ = lazy.attach(__name__)
