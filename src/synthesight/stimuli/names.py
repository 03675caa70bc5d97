"""Write and read the published file names (Geirhos et al. 2018, 2021): the one place for it.

* An image that was shown:
  ``<trial>_<experiment>_<observer>_<condition>_<category>_<number>_<image>``.
* The image itself, which pairs observers: ``cat1.png``, or of ImageNet ``n02503517_7728.JPEG``.
* In cue conflict it names both cues: ``<shape><i>-<texture><j>.png``.
* The trials of one observer: ``<dataset>_<observer>_session_<n>.csv``.

Many a name only looks so: ``video3-frame12.png`` is no cue conflict. :class:`Spelling` knows.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from synthesight.encoding import short
from synthesight.stimuli.categories import SIXTEEN, Vocabulary, canonical
from synthesight.stimuli.datasets import datasets

# Both are Python's and polars' regular expressions.
_SHOWN = r"(\d+)_([^_/]+)_([^_/]+)_([^_/]+)_([^_/]+)_(\d+)_([^/]+)$"

_UNSAFE = re.compile(r'[\x00-\x1f<>:"/\\|?*]+')
_CUES = r"(?i)(?:^|_)(([a-z]+)\d+)-(([a-z]+)\d+)\.\w+$"
_SESSION = re.compile(r"session[-_](\d+)")
_TRIALS = re.compile(r"(?P<dataset>.+?)_(?P<observer>.+)_session[-_]\d+")


@dataclass(frozen=True)
class Shown:
    """The name of an image that was shown in a published experiment.

    Examples
    --------
    >>> Shown.read("0001_cop_dnn_c10_bear_10_n02132136_5083.png").condition
    'c10'
    >>> str(Shown(7, "made", "dnn", "c10", "bear", 0, "me.png"))
    '0007_made_dnn_c10_bear_00_me.png'
    """

    trial: int
    experiment: str
    observer: str
    condition: str
    category: str
    number: int
    image: str

    @classmethod
    def read(cls, name: str) -> Shown | None:
        """Return the parts of a file's name; None if it is another kind of name."""
        found = re.match(_SHOWN, name)
        if found is None:
            return None
        trial, experiment, observer, condition, category, number, image = found.groups()
        return cls(int(trial), experiment, observer, condition, category, int(number), image)

    def __str__(self) -> str:
        return (
            f"{self.trial:04}_{self.experiment}_{self.observer}_{self.condition}_{self.category}_"
            f"{self.number:02}_{self.image}"
        )


def is_shown(stimulus: pl.Expr) -> pl.Expr:
    """Return whether ids of stimuli end in names of images that were shown, as an expression."""
    return stimulus.str.contains("(?:^|/)" + _SHOWN)


def image_of(name: str) -> str:
    """Return the part of a file's name that pairs one image across observers.

    Of the name of an image that was shown in a published experiment, that is the image's own; any
    other name is the image's own already. Letters with accents are composed, as not every file
    system keeps them.

    Examples
    --------
    >>> image_of("0001_s5n_s01_0_bird_00_bird3-bird2.png")
    'bird3-bird2.png'
    >>> image_of("0001_cop_s01_c10_bear_10_n02132136_5083.JPEG")
    'n02132136_5083.JPEG'
    >>> image_of("tabby_A_1.jpg")
    'tabby_A_1.jpg'
    """
    found = re.match(_SHOWN, name)
    return unicodedata.normalize("NFC", found[7] if found else name)


def image_column(name: pl.Expr) -> pl.Expr:
    """Return :func:`image_of` of a column of file names."""
    return pl.coalesce(name.str.extract("^" + _SHOWN, 7), name).str.normalize("NFC")


def cues_of(name: str) -> tuple[str, str] | None:
    """Return shape and texture as a file's name has them, else None.

    Examples
    --------
    >>> cues_of("cat7-clock3.png")
    ('cat', 'clock')
    """
    found = re.search(_CUES, image_of(name))
    return (found[2], found[4]) if found else None


def cue_columns(image: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Return which picture gave an image its shape and which its texture; null if not told.

    Examples
    --------
    >>> frame = pl.DataFrame({"image": ["cat7-clock3.png", "cat7.png"]})
    >>> shape, texture = cue_columns(pl.col("image"))
    >>> frame.select(shape.alias("shape"), texture.alias("texture")).rows()
    [('cat7', 'clock3'), (None, None)]
    """
    return image.str.extract(_CUES, 1), image.str.extract(_CUES, 3)


def session_of(folder: str) -> int | None:
    """Return the number of a folder such as ``session-2``, else None."""
    found = _SESSION.fullmatch(folder)
    return int(found[1]) if found else None


def trials_file(dataset: str, observer: str, session: int) -> str:
    """Return the place of an observer's trials below a folder.

    Examples
    --------
    >>> trials_file("edge", "a/b", 1)
    'edge/edge_a-b_session_1.csv'
    """
    # Only the folder tells the dataset, so it keeps what file systems can take.
    place = _UNSAFE.sub("-", short(dataset) or "trials").strip(". ") or "-"
    return f"{place}/{place}_{plain(observer)}_session_{session}.csv"


def dataset_of_file(folder: str, stem: str) -> str | None:
    """Return the dataset of a file of trials, by its folder's name and its own; None: not told."""
    if folder in datasets() or stem.startswith(f"{folder}_"):
        return folder
    found = _TRIALS.fullmatch(stem)
    return found["dataset"] if found else None


def plain(name: str) -> str:
    """Return a name as every file system takes it, which stays in its folder.

    Examples
    --------
    >>> plain("owner/model v1")
    'owner-model-v1'
    """
    return re.sub(r"[^\w.+-]+", "-", short(name)).lstrip(".") or "-"


class Spelling:
    """Spell categories as each dataset does, and tell the textures of cue-conflict images.

    Parameters
    ----------
    images
        Of all images: dataset, file name and category.
    classes
        Further names of categories, such as an observer's classes and responses.
    categories
        Spellings that go before a dataset's own; None for those of its file of data.

    Examples
    --------
    >>> images = [("edge", "car1-cat2.png", "car"), ("edge", "video3-frame12.png", "car")]
    >>> spelling = Spelling(images, classes=["automobile", "cat"])
    >>> [spelling.texture(*image) for image in images]
    ['cat', None]
    >>> spelling("Automobile", "edge")
    'car'
    """

    def __init__(
        self,
        images: Iterable[tuple[str, str, str | None]],
        classes: Iterable[str] = (),
        categories: Iterable[str] | None = None,
    ) -> None:
        listed = [(dataset, name, label) for dataset, name, label in images if label is not None]
        self._preferred = None if categories is None else tuple(categories)
        shown: dict[str, dict[str, None]] = {}
        for dataset, _, label in listed:
            shown.setdefault(dataset, {})[label] = None
        every = [label for labels in shown.values() for label in labels]
        # Names that no image has are spelled alike as well, whoever responds by them.
        self._others = (SIXTEEN, tuple(classes))
        self._known = Vocabulary(SIXTEEN, self._preferred or (), self._others[1], every)
        textures: dict[str, dict[str, None]] = {}
        for dataset, name, label in listed:
            if texture := self._texture(name, label):
                textures.setdefault(dataset, {})[texture] = None
        self._of = {
            dataset: Vocabulary(
                self._declared(dataset), labels, textures.get(dataset, ()), *self._others
            )
            for dataset, labels in shown.items()
        }

    def __call__(self, name: str | None, dataset: str) -> str | None:
        """Return a category's name as a dataset has it; one that is not known stays as it is."""
        if name is None:
            return None
        if dataset not in self._of:
            self._of[dataset] = Vocabulary(self._declared(dataset), *self._others)
        return self._of[dataset].spelled(name)

    def texture(self, dataset: str, name: str, category: str | None) -> str | None:
        """Return the texture of a cue-conflict image, as its dataset spells it, else None.

        The file's name must begin with the image's category, and both cues be categories.
        """
        return None if category is None else self(self._texture(name, category), dataset)

    def _texture(self, name: str, category: str) -> str | None:
        cues = cues_of(name)
        if cues is None or canonical(cues[0]) != canonical(category):
            return None
        return cues[1] if cues[1] in self._known else None

    def _declared(self, dataset: str) -> tuple[str, ...]:
        if self._preferred is not None:
            return self._preferred
        return datasets()[dataset].categories if dataset in datasets() else ()
