"""Gather the rows of many files, whatever their columns are called, into one table of text."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from synthesight.encoding import from_csv_text
from synthesight.errors import SynthesightError
from synthesight.sheets import SUFFIXES, Sheet, numbers, plain, read_sheet, typed
from synthesight.trials.importing.columns import ALIASES, KNOWN, Columns, factor_name, find_columns
from synthesight.trials.importing.formats import FORMATS, PUBLISHED, detect, practice
from synthesight.trials.importing.values import Answers, image_paths, is_picture

FILE, ROW = "\0file", "\0row"  # which sheet a row is of, and which row of it
_NUMERIC = ("session", "trial", "condition", "rt")


@dataclass(eq=False)
class Gathered:
    """The rows of files that may be trials.

    All in ``frame`` is text but factors: the roles of columns (see ``ALIASES``), factors, and where
    each row is. ``sheets`` and ``formats`` are of each file. ``columns`` describes those that were
    found, where they are not the published ones; ``left_out`` counts rows and columns that are no
    trials', by why; ``commas`` says whether numbers had decimal commas.
    """

    frame: pl.DataFrame
    sheets: list[Sheet]
    formats: list[str]
    columns: dict[str, str] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    unused: list[str] = field(default_factory=list)
    factors: list[str] = field(default_factory=list)
    commas: bool = False

    def place(self, row: Mapping[str, object]) -> str:
        """Return the file and line of a row of the frame."""
        return self.sheets[int(str(row[FILE]))].place(int(str(row[ROW])))

    def refuse(self, wrong: pl.Expr | pl.Series, text: str) -> None:
        """Raise for the first row where something is wrong; the text may name its columns."""
        rows = self.frame.filter(wrong).head(1)
        if not rows.is_empty():
            row = rows.row(0, named=True)
            raise SynthesightError(f"{self.place(row)}: {text.format(**row)}.")


def table_files(source: Path) -> tuple[list[Path], list[Path]]:
    """Return the tables in a folder and below it, or the one file; and what is passed over."""
    if source.is_file():
        return [source], []
    inside = sorted(each for each in source.rglob("*") if each.is_file()) if source.is_dir() else []
    tables = [
        each
        for each in inside
        if each.suffix.lower() in SUFFIXES
        and each.suffix.lower() != ".txt"  # a note, unless it is named itself
        and each.name != "run.json"
        and not each.name.startswith(".")
    ]
    if not tables:
        raise SynthesightError(f"There are no CSV files of trials in {source}: check the path.")
    return tables, [each for each in inside if each not in tables]


def gather(
    files: Sequence[Path],
    name: str | None,
    given: Mapping[str, str],
    answers: Answers,
) -> Gathered:
    """Return the rows of files.

    Parameters
    ----------
    name
        Format of all files; None to find out that of each.
    given
        Columns that the user names, by role.
    answers
        What is known of responses.

    Raises
    ------
    SynthesightError
        If a file cannot be read, lacks a column, or none has a row.
    """
    sheets = [read_sheet(file, KNOWN) for file in files]
    formats = [name or detect(sheet.table.columns) for sheet in sheets]
    gathered = Gathered(pl.DataFrame(), sheets, formats)
    groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for number, sheet in enumerate(sheets):
        gathered.left_out.update(sheet.left_out)
        if sheet.table.is_empty():
            gathered.left_out["files without rows"] += 1
        else:
            key = (formats[number], sheet.separator, *map(str.lower, sheet.table.columns))
            groups[key].append(number)
    if not groups:
        raise SynthesightError(f"{files[0]} has no trials, only the names of columns: get it anew.")
    frames = [_group(gathered, numbers, given, answers) for numbers in groups.values()]
    gathered.frame = pl.concat(frames, how="diagonal_relaxed").sort(FILE, ROW, maintain_order=True)
    gathered.factors = [c for c in gathered.frame.columns if c not in (*ALIASES, FILE, ROW)]
    return gathered


def _group(
    gathered: Gathered, members: list[int], given: Mapping[str, str], answers: Answers
) -> pl.DataFrame:
    """Return the rows of files that have the same format and columns, under the roles' names."""
    first = gathered.sheets[members[0]]
    name = gathered.formats[members[0]]
    table = pl.concat(
        gathered.sheets[number]
        .table.rename(
            dict(zip(gathered.sheets[number].table.columns, first.table.columns, strict=True))
        )
        .with_columns(pl.lit(number).alias(FILE), pl.int_range(pl.len(), dtype=pl.Int64).alias(ROW))
        for number in members
    )
    # Spreadsheets are kept from formulas by an apostrophe.
    table = table.with_columns(from_csv_text(pl.col(column)) for column in first.table.columns)
    content = table.drop(FILE, ROW)
    place = str(first.path)
    if name == "toolbox":
        lower = {column.lower() for column in content.columns}
        if missing := [column for column in PUBLISHED if column not in lower]:
            raise SynthesightError(
                f"{place} lacks the column {missing[0]!r}: the toolbox's files have "
                f"{', '.join(PUBLISHED)}."
            )
    content, table = _only_trials(gathered, name, content, table, given, answers, place)
    found = find_columns(content, name, given, answers, place)
    _describe(gathered, name, found)
    frame = table.select(FILE, ROW).with_columns(
        content[column].alias(role) for role, column in found.roles.items()
    )
    frame = frame.with_columns(
        pl.lit(None, pl.String).alias(role) for role in ALIASES if role not in found.roles
    )
    separator = first.separator
    for role in _NUMERIC:
        plainly = numbers(frame[role], separator)
        gathered.commas |= role == "rt" and not plainly.equals(frame[role], null_equal=True)
        frame = frame.with_columns(plainly)
    if "rt" in found.roles:
        frame = frame.with_columns(_seconds(frame["rt"], name, found.roles["rt"], gathered))
    return frame.with_columns(
        typed(numbers(_without_na(content[column]), separator)).alias(factor_name(column))
        for column in found.factors
    )


def _only_trials(
    gathered: Gathered,
    name: str,
    content: pl.DataFrame,
    table: pl.DataFrame,
    given: Mapping[str, str],
    answers: Answers,
    place: str,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Leave out the rows of lab software that are no trials: practice, instructions, fixation."""
    if FORMATS[name].kind is None:
        return content, table
    is_practice, column = practice(content, name)
    if column:
        gathered.left_out[f"practice rows ({column})"] += int(is_practice.sum())
        content, table = content.filter(~is_practice), table.filter(~is_practice)
    stimulus = find_columns(content, name, given, answers, place).roles["stimulus"]
    paths = image_paths(content[stimulus])
    pictures = is_picture(paths)
    shown = pictures if pictures.any() else paths.is_not_null()
    if not shown.any():
        raise SynthesightError(
            f"{place}: no row shows an image, by the column {stimulus!r}: name the column that has "
            "images by `columns=imagename=…`."
        )
    if not shown.all():
        gathered.left_out["rows that show no image"] += int((~shown).sum())
    return content.filter(shown), table.filter(shown)


def _describe(gathered: Gathered, name: str, found: Columns) -> None:
    """Note the columns that were taken, where they are not called as published."""
    for role, column in found.roles.items():
        if name != "toolbox" and plain(column) != plain(role):
            gathered.columns.setdefault(role, column)
    gathered.unused += [column for column in found.left_out if column not in gathered.unused]


def _seconds(values: pl.Series, name: str, column: str, gathered: Gathered) -> pl.Series:
    """Return response times in seconds, as text, where they are in milliseconds."""
    times = values.str.strip_chars("[]'\" ")
    number = times.cast(pl.Float64, strict=False).fill_nan(None)
    median = number.median()
    # Nobody takes a minute for an image, and no response time is below a thousandth of one.
    long = isinstance(median, float) and median > 60
    if not (FORMATS[name].milliseconds or plain(column).endswith("ms") or long):
        return times
    if number.null_count() < len(number):
        gathered.columns["rt"] = f"{column}, in milliseconds"
    thousandth = (number / 1000).round(6)
    return pl.select(
        pl.when(number.is_null()).then(times).otherwise(thousandth.cast(pl.String))
    ).to_series().alias("rt")  # fmt: skip


def _without_na(values: pl.Series) -> pl.Series:
    """Return a factor with nulls for what spreadsheets and R write where there is no value."""
    return values.replace(["NA", "NaN", "nan"], None)
