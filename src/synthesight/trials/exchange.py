"""Read and write the published CSV layout of trials (Geirhos et al. 2021).

Columns ``subj, session, trial, rt, object_response, category, condition, imagename``; some files
capitalise a column, and ``na`` stands for no response.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from synthesight import files
from synthesight.encoding import csv, from_csv_text
from synthesight.errors import SynthesightError
from synthesight.stimuli.categories import Vocabulary
from synthesight.stimuli.datasets import datasets
from synthesight.stimuli.names import Spelling, dataset_of_file, image_column, trials_file
from synthesight.trials.conditions import published_condition
from synthesight.trials.schema import KEY, conform

COLUMNS = (
    "subj", "session", "trial", "rt", "object_response", "category", "condition", "imagename",
)  # fmt: skip
PERSON = "subject-"  # how the names of people begin

_NOTHING = ("na", "nan", "")


def read_csv(
    source: str | Path,
    dataset: str | None = None,
    *,
    kind: str | None = None,
    categories: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Return the trials of a CSV file, or of all CSV files in a folder and its subfolders.

    Parameters
    ----------
    source
        File or folder.
    dataset
        Name of the dataset, which the files do not hold. None: the folder's name, if it is a named
        dataset or begins the file's name, else what the file's name begins with.
    kind
        Kind of the observers. None: human if the name begins with ``subject-``, else not known.
    categories
        What categories and responses there may be, as they are to be spelled. None: those of a
        named dataset (the 16 in the published ones), any in others.

    Returns
    -------
    The trial table. ``stimulus`` is the image's name, ``image`` the part of it that pairs one
    image across observers. Conditions have their published spelling (0.90 is 0.9), categories
    and responses that of their dataset (Cat is cat, automobile is car).

    Raises
    ------
    SynthesightError
        If there is no file, or one cannot be read, lacks a column or a value, or has a category
        or a condition that is not known; the sentence names file and line.
    """
    source = Path(source)
    files = sorted(source.rglob("*.csv")) if source.is_dir() else [source]
    if not files or not files[0].is_file():
        raise SynthesightError(f"There are no CSV files of trials in {source}: check the path.")
    frame = _scan(files).with_columns(line=pl.int_range(2, pl.len() + 2).over("file"))
    if frame.is_empty():
        raise SynthesightError(f"{files[0]} has no trials, only the names of columns: get it anew.")
    names = {str(file): dataset or _dataset_of(file) for file in files}
    frame = frame.with_columns(dataset=pl.col("file").replace_strict(names))
    _check(frame, categories)
    return conform(_spelled(_tidy(frame, kind), categories), str(source))


def write_csv(trials: pl.DataFrame, folder: str | Path) -> list[Path]:
    """Write trials as ``<dataset>/<dataset>_<observer>_session_<n>.csv`` below a folder.

    The folder can be copied into ``raw-data/`` of the model-vs-human toolbox (Geirhos et al.
    2021). Stimuli that could not be read are left out: nobody was shown them. Trials without a
    number are numbered in the order of their stimuli. Evidence, cost and kinds of observers have
    no column in this layout; people are those whose names begin with ``subject-``. A text that a
    spreadsheet would take for a formula has an apostrophe before it, which :func:`read_csv` takes
    off.

    Parameters
    ----------
    trials
        The trial table.
    folder
        Where to write; made if need be. Files of the same names are replaced.

    Returns
    -------
    The files written.

    Raises
    ------
    SynthesightError
        If there are no trials, one has no category or is there twice, the names of two observers
        give one file name, or the folder cannot be written to.

    Examples
    --------
    >>> trial = {"observer": "me", "dataset": "edge", "stimulus": "cat1.png", "category": "cat"}
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     (path,) = write_csv(pl.DataFrame([trial | {"response": "dog"}]), folder)
    ...     read_csv(path)["response"].to_list()
    ['dog']
    """
    folder = Path(folder)
    written: dict[Path, str] = {}
    shown = conform(trials).filter(pl.col("error").is_null()).sort("trial", "stimulus")
    if shown.is_empty():
        raise SynthesightError("There are no trials to write: name a run that has some.")
    nameless = shown.filter(pl.col("category").is_null())
    if not nameless.is_empty():
        raise SynthesightError(
            f"The stimulus {nameless['stimulus'][0]} has no category, which the published layout "
            "needs: leave it out, or put images into <category>/ folders and evaluate them anew."
        )
    twice = shown.filter(shown.select(*KEY, "trial").is_duplicated())
    if not twice.is_empty():
        raise SynthesightError(
            f"The observer {twice['observer'][0]!r} answered {twice['stimulus'][0]} twice: write "
            "each of several runs of one observer to a folder of its own."
        )
    groups = shown.partition_by("dataset", "observer", "session", as_dict=True)
    for (dataset, observer, session), group in sorted(groups.items()):
        path = folder / trials_file(str(dataset), str(observer), int(str(session)))
        if path in written:
            raise SynthesightError(
                f"The observers {written[path]!r} and {observer!r} would both be written to "
                f"{path}: rename one."
            )
        table = group.select(
            subj="observer",
            session="session",
            trial=pl.coalesce("trial", pl.int_range(1, pl.len() + 1)),
            rt=pl.col("rt").fill_null(float("nan")),  # as the published files of models
            object_response=pl.col("response").fill_null("na"),
            category="category",
            condition="condition",
            imagename=pl.col("stimulus").str.split("/").list.last(),
        )
        with files.writing(path, "folder"):
            path.parent.mkdir(parents=True, exist_ok=True)
            with files.whole(path) as unfinished:
                unfinished.write_text(csv(table), encoding="utf-8")
        written[path] = str(observer)
    return list(written)


def _scan(files: list[Path]) -> pl.DataFrame:
    """Return the text of all files in order; one scan for each way of naming the columns."""
    by_header: dict[tuple[str, ...], list[Path]] = defaultdict(list)
    for file in files:
        by_header[_header(file)].append(file)
    tables = []
    for header, group in by_header.items():
        rename = {column: column.strip().lower() for column in header}
        # A bracket in a path is no wildcard.
        scan = pl.scan_csv(group, infer_schema=False, include_file_paths="file", glob=False)
        try:
            tables.append(scan.rename(rename).select(*COLUMNS, "file").collect())
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _unreadable(_culprit(group)) from error
    rows = pl.concat(tables).sort("file", maintain_order=True)
    return rows.with_columns(from_csv_text(pl.col(column)) for column in COLUMNS)


def _header(file: Path) -> tuple[str, ...]:
    try:
        header = tuple(pl.read_csv(file, n_rows=0, infer_schema=False, glob=False).columns)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(file) from error
    lower = [column.strip().lower() for column in header]
    if missing := [column for column in COLUMNS if column not in lower]:
        raise SynthesightError(
            f"{file} lacks the column {missing[0]!r}: trials need {', '.join(COLUMNS)}."
        )
    return header


def _culprit(files: list[Path]) -> Path:
    for file in files:
        try:
            pl.read_csv(file, infer_schema=False, glob=False)
        except (pl.exceptions.PolarsError, OSError):
            return file
    return files[0].parent


def _unreadable(file: Path) -> SynthesightError:
    return SynthesightError(f"{file} cannot be read as CSV: get the file anew.")


def _dataset_of(file: Path) -> str:
    if found := dataset_of_file(file.resolve().parent.name, file.stem):
        return found
    raise SynthesightError(
        f"{file} does not tell its dataset: name it <dataset>_<observer>_session_<n>.csv, or give "
        "`dataset`."
    )


def _check(frame: pl.DataFrame, categories: Sequence[str] | None) -> None:
    """Raise for the first row with a value that no trial can have."""
    for column in ("subj", "session", "category", "condition", "imagename"):
        _refuse(frame, pl.col(column).is_null(), column, "there is no {column}: correct it")
    for column in ("session", "trial"):
        number = _number(column)
        _refuse(frame, number.is_null(), column, "{column} {value!r} is no number: correct it")
    time = pl.col("rt").str.strip_chars()
    timed = time.cast(pl.Float64, strict=False).is_not_null()
    missing = time.is_null() | time.str.to_lowercase().is_in(_NOTHING)
    _refuse(frame, ~timed & ~missing, "rt", "{column} {value!r} is no number: correct it")
    for column, value in (("category", pl.col("category")), ("object_response", _response())):
        _check_categories(frame, column, value, categories)
    _refuse(
        frame,
        pl.col("dataset").is_in(list(datasets()))
        & published_condition(pl.col("dataset"), pl.col("condition")).is_null(),
        "condition",
        "{dataset} has no condition {value!r}, only {conditions}: correct it, or name the file's "
        "folder after another dataset",
    )


def _check_categories(
    frame: pl.DataFrame, column: str, value: pl.Expr, categories: Sequence[str] | None
) -> None:
    """Refuse what is none of the categories given, else none of the dataset's."""
    for dataset in frame["dataset"].unique(maintain_order=True):
        declared = datasets()[dataset].categories if dataset in datasets() else ()
        allowed = declared if categories is None else categories
        if categories is None and not declared:
            continue
        vocabulary = Vocabulary(allowed)
        there = frame.filter(dataset=dataset).select(value).to_series().unique().drop_nulls()
        strange = [name for name in there if name not in vocabulary]
        listed = ", ".join(allowed) if len(allowed) <= 16 else f"the {len(allowed)} given"
        _refuse(
            frame,
            (pl.col("dataset") == dataset) & value.is_in(strange),
            column,
            "{column} {value!r} is none of the categories (" + listed + "): correct it",
        )


def _refuse(frame: pl.DataFrame, wrong: pl.Expr, column: str, text: str) -> None:
    rows = frame.filter(wrong).head(1)
    if rows.is_empty():
        return
    row = rows.row(0, named=True)
    published = datasets().get(row["dataset"])
    reason = text.format(
        column=column,
        value=row[column],
        dataset=row["dataset"],
        conditions=", ".join(published.conditions if published else ()),
    )
    raise SynthesightError(f"{row['file']}, line {row['line']}: {reason}.")


def _response() -> pl.Expr:
    response = pl.col("object_response").str.strip_chars()
    return pl.when(~response.str.to_lowercase().is_in(_NOTHING)).then(response)


def _number(column: str) -> pl.Expr:
    """Return the number at the end: sessions are written ``1``, ``1.0`` or ``session-1``."""
    number = pl.col(column).str.strip_chars().cast(pl.Float64, strict=False)
    whole = pl.when(number == number.floor()).then(number.cast(pl.Int64, strict=False))
    last = pl.col(column).str.extract(r"(\d+)\s*$").cast(pl.Int64, strict=False)
    return pl.when(number.is_null()).then(last).otherwise(whole)


def _tidy(frame: pl.DataFrame, kind: str | None) -> pl.DataFrame:
    person = pl.when(pl.col("subj").str.starts_with(PERSON)).then(pl.lit("human"))
    return frame.select(
        observer="subj",
        kind=pl.lit(kind) if kind else person,
        dataset="dataset",
        condition="condition",
        session=_number("session"),
        trial=_number("trial"),
        stimulus="imagename",
        image=image_column(pl.col("imagename")),
        category="category",
        response=_response(),
        rt=pl.col("rt").str.strip_chars().cast(pl.Float64, strict=False).fill_nan(None),
    )


def _spelled(frame: pl.DataFrame, categories: Sequence[str] | None) -> pl.DataFrame:
    """Spell categories as their dataset does, and add textures; distinct ones are few."""
    images = frame.select("dataset", "image", "category").unique()
    responses = frame.select("dataset", "response").unique()
    spelling = Spelling(images.rows(), responses["response"].drop_nulls().unique(), categories)
    images = images.with_columns(
        texture=pl.Series([spelling.texture(*row) for row in images.rows()], dtype=pl.String),
        _category=pl.Series([spelling(row[2], row[0]) for row in images.rows()], dtype=pl.String),
    )
    responses = responses.with_columns(
        _response=pl.Series([spelling(row[1], row[0]) for row in responses.rows()], dtype=pl.String)
    )
    for table in (images, responses):
        key = [column for column in table.columns if column in frame.columns]
        frame = frame.join(table, on=key, how="left", nulls_equal=True, maintain_order="left")
    return frame.with_columns(category="_category", response="_response").drop(
        "_category", "_response"
    )
