"""Read and write the published CSV layout of trials (Geirhos et al. 2021).

Columns ``subj, session, trial, rt, object_response, category, condition, imagename``; ``na`` stands
for no response. Further columns are factors, which the toolbox leaves alone, except that ``kind``
tells the kind of observers whose names do not, and ``image`` what pairs an image of another name.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from synthesight import files
from synthesight.encoding import csv
from synthesight.errors import SynthesightError, SynthesightWarning, first_line
from synthesight.stimuli.names import image_column, trials_file
from synthesight.trials.importing import import_trials
from synthesight.trials.importing.formats import PUBLISHED as COLUMNS
from synthesight.trials.importing.meaning import PERSON
from synthesight.trials.schema import KEY, conform, factors


def read_csv(
    source: str | Path,
    dataset: str | None = None,
    *,
    kind: str | None = None,
    categories: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Return the trials of a CSV file, or of all tables in a folder and its subfolders.

    Files in the published layout and exports of lab software are read alike, as
    :func:`~synthesight.trials.import_trials` explains, which takes more options. A warning says
    what was left out, or understood of files in another layout.

    Parameters
    ----------
    source
        File or folder.
    dataset
        Name of the dataset, which the files do not hold. None: the folder's name, if it is a named
        dataset or begins the file's name, else what the file's name begins with, else the folder's.
    kind
        Kind of the observers. None: what their names tell, or the program that wrote the files.
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
    imported = import_trials(source, dataset, kind=kind, categories=categories)
    for note in imported.notes if imported.published else [imported.summary, *imported.notes]:
        warnings.warn(note, SynthesightWarning, stacklevel=2)
    return imported.trials


def write_csv(trials: pl.DataFrame, folder: str | Path) -> list[Path]:
    """Write trials as ``<dataset>/<dataset>_<observer>_session_<n>.csv`` below a folder.

    The folder can be copied into ``raw-data/`` of the model-vs-human toolbox (Geirhos et al.
    2021). Stimuli that could not be read are left out: nobody was shown them. Trials without a
    number are numbered in the order of their stimuli. Evidence and cost have no column in this
    layout. Factors follow the published columns, and so do ``kind``, where names do not tell it
    (people are those that begin with ``subject-``), and ``image``, where the name does not. A text
    that a spreadsheet would take for a formula has an apostrophe before it, which :func:`read_csv`
    takes off.

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
    free = factors(shown)
    twice = shown.filter(shown.select(*KEY, "trial", *free).is_duplicated())
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
            imagename=_name(),
            **{f"{name}_" if name in COLUMNS else name: name for name in [*_further(group), *free]},
        )
        with files.writing(path, "folder"):
            path.parent.mkdir(parents=True, exist_ok=True)
            with files.whole(path) as unfinished:
                _write(table, unfinished)
        written[path] = str(observer)
    return list(written)


def _name() -> pl.Expr:
    return pl.col("stimulus").str.split("/").list.last()


def _further(trials: pl.DataFrame) -> list[str]:
    """Return the columns that reading needs because names do not tell them."""
    told = pl.when(pl.col("observer").str.starts_with(PERSON)).then(pl.lit("human"))
    kind = pl.col("kind").is_not_null() & told.ne_missing(pl.col("kind"))
    pairs = {"kind": kind, "image": image_column(_name()) != pl.col("image")}
    needed = trials.select(wrong.any().alias(column) for column, wrong in pairs.items())
    return [column for column in pairs if needed[column].item()]


def _write(table: pl.DataFrame, path: Path) -> None:
    try:
        path.write_text(csv(table), encoding="utf-8")
    except pl.exceptions.ComputeError as error:
        raise SynthesightError(
            f"A factor cannot be written as CSV ({first_line(error)}): give text, numbers or truth "
            "values."
        ) from error
