"""Read tables of text as laboratories and spreadsheets write them: separated values, or JSON.

Separator, encoding and the place of the header are found out, and a table is never read in a way
that loses a field.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs

from synthesight.errors import SynthesightError
from synthesight.panics import no_panic
from synthesight.sheets.cells import plain
from synthesight.sheets.encodings import CHUNK, HEAD, encoding_of, no_text, open_text

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
PARQUET = ".parquet"
SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".json", ".jsonl", ".ndjson")

_SAMPLE = 50  # rows that tell the separator
_ROW = "\0row"  # no name of a column in any file: a file with this character is no text
_ENCODINGS = {"utf-8-sig": "UTF-8 with BOM", "cp1252": "Windows-1252", "latin-1": "Latin-1"}
_UNNAMED = r"column \d+|Unnamed: \d+"  # by us, and by pandas


@dataclass(frozen=True, eq=False)
class Sheet:
    """A table of text.

    All values of ``table`` are text, without blanks at their ends; null where there is nothing.
    Columns that have no name, and names that are there twice, are numbered. ``separator`` is None
    in JSON and Parquet; ``rows``, Int64, has the number of each row's record in the file.
    ``left_out`` is what was no row or column, and how often: blank lines, repeated headers, row
    numbers.
    """

    path: Path
    table: pl.DataFrame
    separator: str | None
    encoding: str
    rows: pl.Series
    left_out: dict[str, int] = field(default_factory=dict)

    def place(self, row: int) -> str:
        """Return where a row of the table is, for messages: file and line."""
        record = self.rows[row]
        if self.separator is None:
            return f"{self.path}, row {record + 1}"
        with open_text(self.path, self.encoding) as lines:
            reader = csv.reader(lines, delimiter=self.separator)
            next((each for each in reader if _is_header(each)), None)
            try:
                next(islice(reader, record, None), None)
            except csv.Error:
                return f"{self.path}, row {record + 1}"
            return f"{self.path}, line {reader.line_num}"

    def __str__(self) -> str:
        if self.path.suffix.lower() == PARQUET:
            return "Parquet"
        encoding = _ENCODINGS.get(self.encoding, self.encoding.upper())
        kind = "JSON" if self.separator is None else f"{SEPARATORS[self.separator]}-separated"
        return f"{kind}, {encoding}"


def read_sheet(path: Path, known: Collection[str] = ()) -> Sheet:
    """Return the table of a file of separated values, of JSON or of Parquet.

    Values may be separated by commas, semicolons, tabs or bars; the encoding may be UTF-8, UTF-16
    or Windows-1252 (Latin-1). Blank lines, Excel's ``sep=`` line, headers that are repeated and a
    column of row numbers without a name are left out and counted. The separator that finds most of
    the ``known`` names, as :func:`plain` has them, is the right one.

    Raises PermissionError if the file may not be read.
    """
    if path.suffix.lower() == PARQUET:
        return _from_parquet(path)
    try:
        encoding = encoding_of(path)
        with open_text(path, encoding) as lines:
            head = lines.read(HEAD)
    except PermissionError:
        raise
    except OSError as error:
        reason = (error.strerror or "the system refuses").lower()
        raise SynthesightError(f"{path} cannot be read ({reason}): check the file.") from error
    except UnicodeError:
        raise no_text(path, "a damaged text") from None
    if not head.strip():
        raise SynthesightError(f"{path} cannot be read as CSV: it is empty.")
    if head.lstrip()[0] in "[{":
        return _from_json(path, encoding)
    separator, header, skipped = _sniff(head, known)
    names = _distinct(header)
    table = _parse(path, encoding, separator, names, skipped)
    return _tidy(path, table, separator, encoding)


def _from_parquet(path: Path) -> Sheet:
    """Return a Parquet file's table as text; columns of lists and bytes are left out."""
    try:
        with no_panic():
            table = pl.read_parquet(path, glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SynthesightError(f"{path} cannot be read as Parquet: get the file anew.") from error
    kinds = cs.string() | cs.categorical() | cs.enum() | cs.numeric() | cs.boolean()
    kept = table.select(kinds | cs.by_dtype(pl.Null))
    text = kept.with_columns(pl.all().cast(pl.String).str.strip_chars())
    text = text.with_columns(pl.when(pl.all() != "").then(pl.all()))
    left_out = {"columns of lists or bytes": table.width - kept.width}
    return Sheet(path, text, None, "", pl.int_range(len(text), eager=True), left_out)


def _sniff(head: str, known: Collection[str]) -> tuple[str, list[str], int]:
    """Return the separator, the header, and the lines before the first row."""
    best: tuple[tuple[float, ...], str, list[str], int] | None = None
    for separator in SEPARATORS:
        rows, line = _records(head, separator)
        if not rows:
            continue
        header, width = rows[0], len(rows[0])
        # Rows of R begin with their number, which the header leaves out.
        longer = [row for row in rows[1:] if len(row) == width + 1 and row[0].isdecimal()]
        if len(rows) > 1 and len(longer) == len(rows) - 1 and all(row[-1] for row in longer):
            header = ["", *header]
        fit = sum(len(row) == len(header) for row in rows[1:]) / max(1, len(rows) - 1)
        found = sum(plain(name) in known for name in header)
        score = (found, width > 1, fit, width)
        if best is None or score > best[0]:
            best = (score, separator, header, line)
    if best is None:
        best = ((), ",", [head.strip().splitlines()[0]], 1)
    return best[1:]


def _records(head: str, separator: str) -> tuple[list[list[str]], int]:
    """Return the header and some rows, and the number of the header's last line."""
    rows: list[list[str]] = []
    line = 0
    reader = csv.reader(io.StringIO(head), delimiter=separator)
    try:
        for row in reader:
            if rows and any(field.strip() for field in row):
                rows.append(row)
            elif not rows and _is_header(row):
                rows, line = [row], reader.line_num
            if len(rows) > _SAMPLE:
                return rows, line
    except csv.Error:
        pass
    # The head may end within a row.
    return (rows[:-1] if len(head) >= HEAD and len(rows) > 1 else rows), line


def _is_header(row: list[str]) -> bool:
    """Return whether a record can be the header: it is not blank, nor Excel's ``sep=;``."""
    joined = "".join(row).strip()
    return bool(joined) and not re.fullmatch(r"sep=.?", joined, re.IGNORECASE)


def _distinct(header: list[str]) -> list[str]:
    names: list[str] = []
    for place, name in enumerate(header, 1):
        # In polars, names between ^ and $ and the name * stand for several columns.
        name = name.strip().lstrip("^*") or f"column {place}"
        while name in names:
            name = f"{name} ({place})"
        names.append(name)
    return names


def _parse(
    path: Path, encoding: str, separator: str, names: list[str], skipped: int
) -> pl.DataFrame:
    """Return the rows as text; by Python's slower reader where polars cannot tell what is wrong."""
    source: Any = path
    with path.open("rb") as file:
        head = file.read(HEAD)
    if encoding not in ("utf-8", "utf-8-sig") or b"\r" in head.replace(b"\r\n", b""):
        source = io.BytesIO()
        with open_text(path, encoding) as text:
            while chunk := text.read(CHUNK):
                source.write(chunk.encode())
        source.seek(0)
    try:
        table = pl.read_csv(
            source,
            has_header=False,
            skip_lines=skipped,
            separator=separator,
            schema=dict.fromkeys(names, pl.String),
            row_index_name=_ROW,
            glob=False,
        )
        return table.cast({_ROW: pl.Int64})
    except pl.exceptions.NoDataError:
        return pl.DataFrame(schema={_ROW: pl.Int64, **dict.fromkeys(names, pl.String)})
    except pl.exceptions.PolarsError:
        return _parse_slowly(path, encoding, separator, names, skipped)


def _parse_slowly(
    path: Path, encoding: str, separator: str, names: list[str], skipped: int
) -> pl.DataFrame:
    rows: list[list[str | None]] = []
    width = len(names)
    with open_text(path, encoding) as lines:
        for _ in islice(lines, skipped):
            pass
        reader = csv.reader(lines, delimiter=separator, strict=True)
        try:
            for row in reader:
                if any(row[width:]):
                    raise SynthesightError(
                        f"{path}, line {skipped + reader.line_num}: there are {len(row)} fields "
                        f"for {width} columns: put what holds the separator in quotation marks."
                    )
                rows.append([*(each or None for each in row[:width]), *[None] * (width - len(row))])
        except csv.Error as error:
            raise SynthesightError(
                f"{path} cannot be read as CSV: {error} (line {skipped + reader.line_num})."
            ) from None
    table = pl.DataFrame(rows, dict.fromkeys(names, pl.String), orient="row")
    return table.with_row_index(_ROW).cast({_ROW: pl.Int64})


def _tidy(path: Path, table: pl.DataFrame, separator: str | None, encoding: str) -> Sheet:
    """Return the sheet, without what is no row or column of it."""
    names = [name for name in table.columns if name != _ROW]
    values = pl.col(names).str.strip_chars()
    table = table.with_columns(pl.when(values != "").then(values).name.keep())
    blank = pl.all_horizontal(pl.col(names).is_null())
    header = pl.all_horizontal(
        pl.col(name).is_null() if re.fullmatch(_UNNAMED, name) else pl.col(name) == name
        for name in names
    ).fill_null(False)
    counts = table.select(blank.sum().alias("blank lines"), header.sum().alias("repeated headers"))
    left_out = counts.row(0, named=True)
    table = table.filter(~blank & ~header)
    for name in names:
        if not re.fullmatch(_UNNAMED, name):
            continue
        if table[name].null_count() == len(table):
            table = table.drop(name)  # a separator at the end of every row
        elif name == names[0] and _counts(table[name]):
            table = table.drop(name)
            left_out["column of row numbers"] = 1
    return Sheet(
        path,
        table.drop(_ROW),
        separator,
        encoding,
        table[_ROW],
        {what: count for what, count in left_out.items() if count},
    )


def _counts(values: pl.Series) -> bool:
    """Return whether values number the rows."""
    count = values.cast(pl.Int64, strict=False)
    return count.null_count() == 0 and bool((count.diff().drop_nulls() > 0).all())


def _from_json(path: Path, encoding: str) -> Sheet:
    with open_text(path, encoding) as file:
        text = file.read()
    try:
        try:
            values = json.loads(text)
        except json.JSONDecodeError:
            values = [json.loads(line) for line in text.splitlines() if line.strip()]
        rows = list(_objects(values))
    except (ValueError, RecursionError) as error:
        raise SynthesightError(f"{path} cannot be read as JSON: {error}.") from None
    if not rows:
        raise SynthesightError(f"{path} has no rows: give a JSON list of trials.")
    keys = list(dict.fromkeys(key for row in rows for key in row))
    table = pl.DataFrame(
        [
            pl.Series(name, [_as_text(row.get(key)) for row in rows], pl.String)
            for name, key in zip(_distinct(keys), keys, strict=True)
        ]
    )
    return _tidy(path, table.with_row_index(_ROW).cast({_ROW: pl.Int64}), None, encoding)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the rows: objects in a list, in lists of lists, or in an object's one list."""
    if isinstance(value, list):
        for each in value:
            yield from _objects(each)
    elif isinstance(value, dict):
        lists = [each for each in value.values() if isinstance(each, list)]
        inner = [each for each in lists if each and all(isinstance(row, dict) for row in each)]
        if len(inner) == 1:
            outer = {key: each for key, each in value.items() if each is not inner[0]}
            for row in inner[0]:
                yield outer | row
        else:
            yield value


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
