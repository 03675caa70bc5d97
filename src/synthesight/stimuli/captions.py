"""Tell the captions of a table of images and sentences, as the field's benchmarks write them.

- Winoground (Thrush et al. 2022): ``image_0``, ``image_1``, ``caption_0``, ``caption_1``, a pair a
  row;
- SugarCrepe (Hsieh et al. 2023): ``caption`` and ``negative_caption``;
- ARO (Yuksekgonul et al. 2023): ``true_caption`` and ``false_caption``;
- VALSE (Parcalabescu et al. 2022): ``caption`` and ``foil``;
- any number of captions: a list ``captions``, and ``caption`` or ``label``, which tells the right
  one or its place in the list.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import polars as pl

from synthesight.errors import SynthesightError
from synthesight.sheets import plain

# As `plain` has them.
LISTS = ("captions", "candidates", "choices", "sentences", "texts")
RIGHT = ("caption", "truecaption", "positivecaption", "poscaption", "correctcaption")
WRONG = ("negativecaption", "falsecaption", "negcaption", "wrongcaption", "hardnegative", "foil")
INDEX = ("label", "answer", "correct", "target")
PAIR = "pair"


@dataclass(frozen=True)
class Captions:
    """The captions of a table's images.

    ``table`` has not the columns that were read. Of each row, ``choices`` are its captions, and
    ``right`` the one that describes its image; None where that is not known.
    """

    table: pl.DataFrame
    choices: list[tuple[str, ...]]
    right: list[str | None]


def one_image_a_row(table: pl.DataFrame) -> pl.DataFrame:
    """Return a table of pairs, with ``image_0``, ``image_1``, … in a row, as one image a row.

    Each image keeps the number of its row as ``pair``, and its right caption as ``caption``.
    """
    images, captions = _numbered(table, "image"), _numbered(table, "caption")
    if len(images) < 2 or len(images) != len(captions) or PAIR in table.columns:
        return table
    others = table.drop(images).with_row_index(PAIR).with_columns(pl.col(PAIR).cast(pl.Int64))
    parts = [
        others.with_columns(table[image].alias("image"), table[caption].alias("caption"))
        for image, caption in zip(images, captions, strict=True)
    ]
    together = pl.concat(parts).sort(PAIR, maintain_order=True)
    return together.with_columns(pl.concat_list(captions).alias("captions")).drop(captions)


def captions_of(table: pl.DataFrame, path: object) -> Captions | None:
    """Return the captions of a table; None if it has none."""
    by_name = {plain(column): column for column in reversed(table.columns)}

    def first(names: tuple[str, ...]) -> str | None:
        return next((by_name[name] for name in names if name in by_name), None)

    listed, right, numbered = first(LISTS), first(RIGHT), _numbered(table, "caption")
    wrong = [by_name[name] for name in WRONG if name in by_name]
    if listed is not None and (lists := _lists(table[listed])) is not None:
        used, choices = [listed], lists
    elif right is not None and wrong:
        used, choices = wrong, [list(row) for row in table.select(right, *wrong).rows()]
    elif len(numbered) > 1:
        used, choices = numbered, [list(row) for row in table.select(numbered).rows()]
    else:
        return None
    index = first(INDEX)
    if right is not None:
        used, answers = [*used, right], table[right].cast(pl.String).to_list()
    elif index is not None:
        used, answers = [*used, index], table[index].cast(pl.String).to_list()
    else:
        answers = [None] * len(table)
    found: list[tuple[str, ...]] = []
    known: list[str | None] = []
    for number, (row, answer) in enumerate(zip(choices, answers, strict=True), 1):
        texts = [str(text).strip() for text in row if text is not None]
        if answer is not None and answer not in texts:
            if right is None and answer.isdecimal() and int(answer) < len(texts):
                answer = texts[int(answer)]
            elif right is not None:
                texts.insert(0, answer.strip())
                answer = answer.strip()
            else:
                raise SynthesightError(
                    f"{path}, row {number}: {answer!r} is none of its captions, nor the number of "
                    "one, from 0: correct it."
                )
        texts = list(dict.fromkeys(texts))
        if len(texts) < 2:
            raise SynthesightError(
                f"{path}, row {number}, has no choice of captions: give it two or more."
            )
        found.append(tuple(texts))
        known.append(answer)
    return Captions(table.drop(dict.fromkeys(used)), found, known)


def _numbered(table: pl.DataFrame, name: str) -> list[str]:
    """Return the columns ``name_0``, ``name_1``, … in order, whether they begin with 0 or 1."""
    by_name = {plain(column): column for column in table.columns}
    start = 0 if f"{name}0" in by_name else 1
    found: list[str] = []
    while (key := f"{name}{start + len(found)}") in by_name:
        found.append(by_name[key])
    return found


def _lists(values: pl.Series) -> list[list[str | None]] | None:
    """Return a column of lists, which text has as JSON; None if it is another."""
    if isinstance(values.dtype, pl.List | pl.Array):
        return [list(row) if row is not None else [] for row in values.to_list()]
    if values.dtype != pl.String:
        return None
    try:
        rows = [json.loads(text) for text in values]
    except (TypeError, ValueError, RecursionError):
        return None
    return rows if all(isinstance(row, list) for row in rows) else None
