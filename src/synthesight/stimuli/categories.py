"""Lists of categories, and the names that one category goes by."""

from __future__ import annotations

import json
from pathlib import Path

from synthesight.errors import SynthesightError
from synthesight.stimuli.datasets import data_root

# The 16 entry-level categories of Geirhos et al. (2018), in this order everywhere.
SIXTEEN = (
    "airplane", "bear", "bicycle", "bird", "boat", "bottle", "car", "cat",
    "chair", "clock", "dog", "elephant", "keyboard", "knife", "oven", "truck",
)  # fmt: skip

CIFAR10 = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip

# The seven that CIFAR-10 shares with the 16.
SHARED_SEVEN = ("airplane", "bird", "boat", "car", "cat", "dog", "truck")

SYNONYMS = {
    "aeroplane": "airplane",
    "plane": "airplane",
    "automobile": "car",
    "ship": "boat",
    "bike": "bicycle",
    "computer keyboard": "keyboard",
    "puppy": "dog",
    "kitten": "cat",
    "lorry": "truck",
}


def canonical(name: str) -> str:
    """The one name that stands for a category and its synonyms: automobile and Car are car."""
    plain = name.strip().lower().replace("_", " ")
    return SYNONYMS.get(plain, plain)


def imagenet_to_16(path: Path | None = None) -> dict[str, list[int]]:
    """For each of the 16 categories, its ImageNet-1k classes (Geirhos et al. 2018).

    Parameters
    ----------
    path
        JSON file of category → list of class indices, from 0 to 999; None for
        ``imagenet1k-to-16.json`` in the folder that SYNTHESIGHT_DATA names.

    Raises
    ------
    SynthesightError
        If there is no such file, it cannot be read, or it is no such table.
    """
    if path is None:
        root = data_root()
        if root is None:
            raise SynthesightError(
                "The mapping of ImageNet's classes to the 16 categories was not found: set "
                "SYNTHESIGHT_DATA to the folder that has imagenet1k-to-16.json."
            )
        path = root / "imagenet1k-to-16.json"
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        found = {name: [int(index) for index in table[name]] for name in SIXTEEN}
    except FileNotFoundError:
        raise SynthesightError(f"There is no file {path}: check the path.") from None
    except OSError as error:
        reason = (error.strerror or "it cannot be opened").lower()
        raise SynthesightError(f"{path} cannot be read ({reason}): check the path.") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        found = {}
    every = [index for indices in found.values() for index in indices]
    # A class of two categories would count twice, and a category of none has no mean probability.
    whole = found and all(found.values()) and len(set(every)) == len(every)
    if not whole or not all(0 <= index < 1000 for index in every):
        raise SynthesightError(
            f"{path} is not a table of ImageNet classes for the 16 categories: get it anew."
        )
    return found
