"""Lists of categories, and the names that one category goes by."""

from __future__ import annotations

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


# Indices of ImageNet-1k classes, first-last, as the model-vs-human toolbox lists them.
_IMAGENET = {
    "airplane": "404",
    "bear": "294-297",
    "bicycle": "444 671",
    "bird": "8 10-16 18-20 22-24 80-83 87-96 98-100 127-133 135-145",
    "boat": "472 554 625 814 914",
    "bottle": "440 720 737 898-899 901 907",
    "car": "436 511 817",
    "cat": "281-286",
    "chair": "423 559 765 857",
    "clock": "409 530 892",
    "dog": "152-191 193-203 205-226 228-241 243-250 252-257 259 261-263 265-268",
    "elephant": "385-386",
    "keyboard": "508 878",
    "knife": "499",
    "oven": "766",
    "truck": "555 569 656 675 717 734 864 867",
}


def canonical(name: str) -> str:
    """The one name that stands for a category and its synonyms: automobile and Car are car."""
    plain = name.strip().lower().replace("_", " ")
    return SYNONYMS.get(plain, plain)


def imagenet_to_16() -> dict[str, list[int]]:
    """For each of the 16 categories, indices of its ImageNet-1k classes (Geirhos et al. 2018)."""
    mapping = {}
    for category, spans in _IMAGENET.items():
        ends = [[int(end) for end in span.split("-")] for span in spans.split()]
        mapping[category] = [index for span in ends for index in range(span[0], span[-1] + 1)]
    return mapping
