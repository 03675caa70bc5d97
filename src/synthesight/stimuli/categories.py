"""One vocabulary of categories, for models and for people."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

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

# Other names of one category, in lower case with blanks.
SYNONYMS = {
    "aeroplane": "airplane",
    "plane": "airplane",
    "aircraft": "airplane",
    "automobile": "car",
    "auto": "car",
    "motorcar": "car",
    "ship": "boat",
    "bike": "bicycle",
    "computer keyboard": "keyboard",
    "puppy": "dog",
    "doggy": "dog",
    "kitten": "cat",
    "kitty": "cat",
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


def words(name: str) -> str:
    """Return a folder's or class's name as words for a prompt.

    Examples
    --------
    >>> words("alarm_clock")
    'alarm clock'
    """
    return " ".join(name.replace("_", " ").split()) or name


def canonical(name: str) -> str:
    """Return the one name that stands for a category, however it is spelled, and its synonyms.

    Case, and blanks, underscores and hyphens between letters, make no difference; nor does the
    way in which letters with accents are encoded.

    Examples
    --------
    >>> canonical("Automobile"), canonical("alarm_clock"), canonical("Alarm-Clock")
    ('car', 'alarm clock', 'alarm clock')
    """
    plain = re.sub(
        r"(?<=[^\W_])[\s_-]+(?=[^\W_])", " ", unicodedata.normalize("NFKC", name).strip().lower()
    )
    return SYNONYMS.get(plain, plain)


def _singulars(name: str) -> Iterator[str]:
    """Yield what a canonical name may be the plural of."""
    if name.endswith("ies"):
        yield name[:-3] + "y"
    if name.endswith("ves"):
        yield from (name[:-3] + "fe", name[:-3] + "f")
    if name.endswith(("xes", "ches", "shes", "zes", "oes", "uses")):
        yield name[:-2]
    if name.endswith("s") and not name.endswith(("ss", "us", "is")):
        yield name[:-1]


def in_order(categories: Sequence[str]) -> list[str]:
    """Return distinct categories: those among the 16 in their order, then the others by name."""
    rank = {name: place for place, name in enumerate(SIXTEEN)}
    return sorted(set(categories), key=lambda c: (rank.get(canonical(c), len(rank)), c))


class Vocabulary:
    """Categories, each with the spelling that it first came with.

    Parameters
    ----------
    lists
        Lists of categories; where two name one category, the earlier list's spelling holds. Names
        that differ in case or number alone within a list stay apart.

    Examples
    --------
    >>> vocabulary = Vocabulary(["car", "Alarm clock"], ["automobile"])
    >>> vocabulary.spelled("Automobile"), vocabulary.spelled("alarm_clock")
    ('car', 'Alarm clock')
    >>> vocabulary.spelled("cars"), Vocabulary(["knives"]).spelled("knife")
    ('car', 'knives')
    >>> "bus" in vocabulary
    False
    """

    def __init__(self, *lists: Iterable[str]) -> None:
        self._exact: set[str] = set()
        self._spelling: dict[str, str] = {}
        self._singular: dict[str, str] = {}
        for names in lists:
            new = [name for name in names if name not in self]
            self._exact.update(new)
            for name in new:
                self._spelling.setdefault(canonical(name), name)
                for singular in _singulars(canonical(name)):
                    self._singular.setdefault(singular, name)

    def __contains__(self, name: str) -> bool:
        return self._find(name) is not None

    def spelled(self, name: str) -> str:
        """Return a name as the vocabulary spells it; one that it lacks stays as it is."""
        if name in self._exact:
            return name
        found = self._find(name)
        return name if found is None else found

    def _find(self, name: str) -> str | None:
        plain = canonical(name)
        if plain in self._spelling:
            return self._spelling[plain]
        for singular in map(canonical, _singulars(plain)):
            if singular in self._spelling:
                return self._spelling[singular]
        return self._singular.get(plain)


def imagenet_to_16() -> dict[str, list[int]]:
    """Return the indices of the ImageNet-1k classes of each of the 16 (Geirhos et al. 2018)."""
    mapping = {}
    for category, spans in _IMAGENET.items():
        ends = [[int(end) for end in span.split("-")] for span in spans.split()]
        mapping[category] = [index for span in ends for index in range(span[0], span[-1] + 1)]
    return mapping
