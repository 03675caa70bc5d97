"""Clean what cells of lab exports hold: names of images in HTML, keys in lists, missing values."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import unquote, urlsplit

import polars as pl

from synthesight.stimuli.categories import Vocabulary, canonical
from synthesight.stimuli.names import Shown

# How programs write that there was no response.
NOTHING = frozenset(
    (
        "", "na", "n/a", "#n/a", "nan", "none", "null", "nil", "undefined", "-", "--", "[]",
        "timeout", "time out", "timed out", "no response", "noresponse", "missing", "missed",
    )
)  # fmt: skip

_SOURCE = re.compile(r"""(?:src\s*=\s*|url\()["']?([^"'>)\s]+)""", re.IGNORECASE)
_PICTURE = r"(?i)\.(png|jpe?g|jfif|gif|bmp|tiff?|webp|avif|heic|heif|jxl|jp2|svg|ppm|pgm)$"
_LISTED = re.compile(r"""\[\s*(?:(["'])([^\[\]"',]*)\1)?\s*\]""")  # of one text, or of none
_QUOTED = re.compile(r"""^(["'])([^"']*)\1$""")
_WORD = re.compile(r"[^\W\d_]+")


def mapped(
    values: pl.Series, function: Callable[[str], str | None], name: str | None = None
) -> pl.Series:
    """Return a function of every value; distinct ones are few."""
    distinct = values.unique().drop_nulls()
    results = pl.Series([function(value) for value in distinct], dtype=pl.String)
    if distinct.is_empty():
        return values.cast(pl.String).alias(name or values.name)
    out = values.replace_strict(distinct, results, default=None, return_dtype=pl.String)
    return out.alias(name or values.name)


def image_path(cell: str) -> str | None:
    """Return the path of the image that a cell names, with slashes; None for other text in HTML.

    Examples
    --------
    >>> image_path('<img src="img/big%20cat.png?v=2" width="224">'), image_path("<p>+</p>")
    ('img/big cat.png', None)
    >>> image_path("stim\\\\cat0.png"), image_path("['cat0.png']")
    ('stim/cat0.png', 'cat0.png')
    """
    text = cell.strip()
    if listed := _LISTED.fullmatch(text):
        text = listed[2] or ""
    if text.startswith("<") or re.search(r"<\w+[^<>]*(src\s*=|url\()", text):
        source = _SOURCE.search(text)
        if source is None:
            return None
        text = unquote(urlsplit(source[1]).path)
    elif re.match(r"(?i)https?://", text):
        text = unquote(urlsplit(text).path)
    elif text.startswith("data:"):
        return None
    return re.sub(r"^[A-Za-z]:/", "/", text.replace("\\", "/")) or None


def image_paths(values: pl.Series) -> pl.Series:
    """Return :func:`image_path` of a column."""
    odd = values.filter(values.str.contains(r"[<\[\\:]").fill_null(False)).unique()
    if odd.is_empty():
        return values
    paths = mapped(odd, image_path)
    return values.replace_strict(odd, paths, default=values, return_dtype=pl.String)


def is_picture(path: pl.Series) -> pl.Series:
    """Return whether names end as those of images do, as Boolean values."""
    return path.str.contains(_PICTURE).fill_null(False)


def answer(cell: str) -> str:
    """Return a response without what programs put around it: a list, an object, quotation marks.

    Examples
    --------
    >>> answer("['f']"), answer('{"Q0": "cat "}'), answer(" 'Cat'"), answer("1.0")
    ('f', 'cat', 'Cat', '1')
    """
    text = cell.strip()
    if listed := _LISTED.fullmatch(text):
        text = listed[2] or ""
    elif text.startswith("{"):
        try:
            values = list(json.loads(text).values())
        except (ValueError, RecursionError):
            values = []
        if len(values) == 1 and isinstance(values[0], str | int | float):
            text = str(values[0])
    text = _QUOTED.sub(r"\2", text.strip()).strip()
    return re.sub(r"^(\d+)\.0+$", r"\1", text)


class Answers:
    """Tell what a response means: a category, none, or nothing that is known.

    ``keys`` has the category of each key or button; ``categories`` are all that may be meant, as
    they are spelled.

    Examples
    --------
    >>> answers = Answers({"f": "face"}, ["face", "house"])
    >>> [answers(cell) for cell in ("F", "House", "None", "q")]
    ['face', 'House', None, 'q']
    >>> answers.known("House"), answers.known("q")
    (True, False)
    """

    def __init__(self, keys: Mapping[str, str], categories: Iterable[str]) -> None:
        self._keys = dict(keys)
        self._meant = {_plain(answer(key)): category for key, category in keys.items()}
        self.categories = list(dict.fromkeys([*keys.values(), *categories]))
        self._vocabulary = Vocabulary(self.categories)

    def __call__(self, cell: str) -> str | None:
        """Return the category of a response; None for no response; else the response itself."""
        text = answer(cell)
        if (key := _plain(text)) in self._meant:
            return self._meant[key]
        return None if key in NOTHING and not self.known(text) else text

    def including(self, categories: Iterable[str]) -> Answers:
        """Return these answers with further categories."""
        return Answers(self._keys, [*self.categories, *categories])

    def known(self, response: str) -> bool:
        """Return whether a response is a category."""
        return response in self._vocabulary


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().strip()


def category_of(path: str, vocabulary: Vocabulary) -> str | None:
    """Return the category that an image's folder or name tells, if it is one of a vocabulary.

    Examples
    --------
    >>> vocabulary = Vocabulary(["cat", "alarm clock"])
    >>> [category_of(name, vocabulary) for name in ("stim/cat0.png", "alarm_clock-3.png", "x.png")]
    ['cat', 'alarm clock', None]
    >>> category_of("cat/tabby_A_1.jpg", vocabulary)
    'cat'
    """
    *folders, name = path.split("/")
    if shown := Shown.read(name):
        return vocabulary.spelled(shown.category)
    words = _WORD.findall(re.sub(_PICTURE, "", name)) if name[:1].isalpha() else []
    begins = [" ".join(words[:count]) for count in range(len(words), 0, -1)]
    found = next((each for each in [*folders[::-1], *begins] if each in vocabulary), None)
    return None if found is None else vocabulary.spelled(canonical(found))
