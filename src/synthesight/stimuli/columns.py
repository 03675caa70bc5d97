"""Tell which column of a table of stimuli is what, however the column is called."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

import polars as pl

from synthesight.errors import SynthesightError
from synthesight.sheets import plain, typed
from synthesight.stimuli.stimulus import Factor

# As `plain` has them: in lower case, letters and digits alone. The first of a list goes first.
PATHS = (
    *("path", "filepath", "imagepath", "imgpath", "impath", "filename", "file", "imagefile"),
    *("imagefilename", "imgfile", "imagename", "imgname", "fname", "relativepath", "relpath"),
    *("src", "image", "img", "picture", "photo", "stimulus", "stimfile", "stimuli", "imageid"),
)
ENCODED = ("image", "img", "picture", "photo", "bytes", "jpg", "jpeg", "png", "webp")
LABELS = (
    *("label", "category", "class", "classname", "labelname", "categoryname", "targetname"),
    *("groundtruth", "truth", "classlabel", "labels", "target", "cls", "y", "synset", "wnid"),
    *("finelabel", "labelid", "categoryid", "classid", "targetid"),
)
NAMES = ("name",)
KNOWN = frozenset((*PATHS, *ENCODED, *LABELS, *NAMES, "condition", "session", "dataset"))

_PLAIN_TYPES = (pl.String, pl.Boolean, pl.Categorical, pl.Enum)


@dataclass(frozen=True)
class Columns:
    """Names of a table's columns by what they are (:func:`~synthesight.stimuli.tables.from_table`).

    What the table has not is None; all others are factors.
    """

    encoded: str | None = None
    path: str | None = None
    label: str | None = None
    name: str | None = None
    condition: str | None = None
    session: str | None = None
    dataset: str | None = None
    factors: tuple[str, ...] = ()

    @classmethod
    def of(cls, table: pl.DataFrame) -> Columns:
        """Tell the columns of a table apart."""
        by_name = {plain(column): column for column in reversed(table.columns)}
        types = table.schema

        def first(names: Sequence[str]) -> Iterator[str]:
            return (by_name[name] for name in names if name in by_name)

        encoded = next((c for c in first(ENCODED) if _is_encoded(types[c])), None)
        path = None
        if encoded is None:
            path = next((c for c in first(PATHS) if types[c] == pl.String), None)
        labels = [c for c in first(LABELS) if c not in (encoded, path)]
        # Numbers of classes are the label only where the names are not there as well.
        label = next((c for c in labels if not _numbers(table[c])), next(iter(labels), None))
        found = cls(
            encoded=encoded,
            path=path,
            label=label,
            name=by_name.get("name") if encoded else None,
            condition=by_name.get("condition"),
            session=by_name.get("session"),
            dataset=by_name.get("dataset"),
        )
        taken = {getattr(found, each.name) for each in fields(found)}
        others = tuple(column for column in table.columns if column not in taken)
        return replace(found, factors=others)


def factors_of(table: pl.DataFrame, columns: Sequence[str]) -> tuple[list[dict[str, Factor]], list]:
    """Return the factors of each row, without those that are missing; and columns that are none.

    Text that is numbers or truth values in all rows becomes them; dates become text.
    """
    kept, left_out = [], []
    for name in columns:
        values = table[name]
        if values.dtype == pl.String:
            values = typed(values.replace("", None))
        elif values.dtype.is_temporal() or isinstance(values.dtype, pl.Categorical | pl.Enum):
            values = values.cast(pl.String)
        elif not (values.dtype.is_numeric() or values.dtype in _PLAIN_TYPES):
            left_out.append(name)
            continue
        kept.append(values)
    if not kept:
        return [{} for _ in range(len(table))], left_out
    rows = pl.DataFrame(kept).to_dicts()
    return [{key: value for key, value in row.items() if value is not None} for row in rows], (
        left_out
    )


def sessions(values: pl.Series | None, count: int, path: object) -> list[int]:
    """Return the numbers of sessions; 1 where there is none."""
    if values is None:
        return [1] * count
    try:
        return values.cast(pl.Int64).fill_null(1).to_list()
    except pl.exceptions.PolarsError:
        raise SynthesightError(
            f"{path}: the column {values.name!r} must hold whole numbers: give it another name, "
            "and it is kept as a factor."
        ) from None


def _is_encoded(dtype: pl.DataType) -> bool:
    return dtype == pl.Binary or (
        isinstance(dtype, pl.Struct) and "bytes" in {field.name for field in dtype.fields}
    )


def _numbers(values: pl.Series) -> bool:
    if values.dtype == pl.String:
        return bool(values.drop_nulls().str.contains(r"^\s*-?\d+(\.0*)?\s*$").all())
    return values.dtype.is_numeric()
