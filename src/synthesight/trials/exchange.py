"""The published CSV layout of trials (Geirhos et al. 2021): read it and write it.

Columns ``subj, session, trial, rt, object_response, category, condition, imagename``; some files
capitalise a column, and ``na`` stands for no response.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from synthesight.errors import SynthesightError
from synthesight.stimuli.categories import SIXTEEN
from synthesight.trials.schema import conform

COLUMNS = (
    "subj", "session", "trial", "rt", "object_response", "category", "condition", "imagename",
)  # fmt: skip

# People's files spell some conditions in another way than the toolbox, and so than the stimuli.
SPELLINGS = {
    "false-colour": {"true": "True", "false": "False"},
    "high-pass": {"1": "1.0", "3": "3.0"},
    "uniform-noise": {"0.00": "0.0", "0.10": "0.1", "0.20": "0.2", "0.60": "0.6", "0.90": "0.9"},
}


def read_csv(source: Path, dataset: str, *, kind: str = "human") -> pl.DataFrame:
    """Trials of one dataset from a CSV file, or from all CSV files of a folder.

    Parameters
    ----------
    source
        File or folder.
    dataset
        Name of the dataset, which the files do not hold.
    kind
        Of the observers: human, generative or discriminative.

    Raises
    ------
    SynthesightError
        If there is no file, or one lacks a column or has a category outside the 16; the sentence
        names file and line.
    """
    files = sorted(source.glob("*.csv")) if source.is_dir() else [source]
    if not files or not files[0].is_file():
        raise SynthesightError(f"There are no CSV files of trials in {source}: check the path.")
    return conform(_tidy(pl.concat([_read(file) for file in files]), dataset, kind), str(source))


def write_csv(trials: pl.DataFrame, folder: Path) -> list[Path]:
    """Write trials as ``<dataset>/<dataset>_<observer>_session_<n>.csv`` below a folder.

    Returns
    -------
    The files written.
    """
    written = []
    groups = trials.partition_by("dataset", "observer", "session", as_dict=True)
    for (dataset, observer, session), group in groups.items():
        name = str(observer).replace("/", "-").replace(" ", "-")
        path = folder / str(dataset) / f"{dataset}_{name}_session_{session}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        table = group.sort("trial", "stimulus").select(
            subj="observer",
            session="session",
            trial=pl.coalesce("trial", pl.int_range(1, pl.len() + 1)),
            rt=pl.col("rt").fill_null(float("nan")),
            object_response=pl.col("response").fill_null("na"),
            category="category",
            condition="condition",
            imagename=pl.col("stimulus").str.split("/").list.last(),
        )
        table.write_csv(path)
        written.append(path)
    return written


def _read(file: Path) -> pl.DataFrame:
    try:
        frame = pl.read_csv(file, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SynthesightError(f"{file} cannot be read as CSV: get the file anew.") from error
    frame = frame.rename({column: column.strip().lower() for column in frame.columns})
    if missing := [column for column in COLUMNS if column not in frame.columns]:
        raise SynthesightError(
            f"{file} lacks the column {missing[0]!r}: trials need {', '.join(COLUMNS)}."
        )
    strange = frame.with_row_index("line", offset=2).filter(~pl.col("category").is_in(SIXTEEN))
    if len(strange):
        line, category = strange.select("line", "category").row(0)
        raise SynthesightError(
            f"{file}, line {line}: {category!r} is none of the 16 categories: correct it."
        )
    return frame.select(COLUMNS)


def _tidy(frame: pl.DataFrame, dataset: str, kind: str) -> pl.DataFrame:
    name = pl.col("imagename")
    parts = name.str.split("_")
    paired = parts.list.get(-2, null_on_oob=True).str.starts_with("n0").fill_null(False)
    image = pl.when(paired).then(parts.list.tail(2).list.join("_")).otherwise(parts.list.last())
    response = pl.col("object_response").str.strip_chars()
    return frame.select(
        observer="subj",
        kind=pl.lit(kind),
        dataset=pl.lit(dataset),
        condition=pl.col("condition").replace(SPELLINGS.get(dataset, {})),
        session=pl.col("session").cast(pl.Int64),
        trial=pl.col("trial").cast(pl.Int64),
        stimulus=name,
        image=image,
        category="category",
        texture=image.str.extract(r"^[a-zA-Z]+\d+-([a-zA-Z]+)\d+\."),
        response=pl.when(~response.str.to_lowercase().is_in(["na", "nan", ""])).then(response),
        rt=pl.col("rt").cast(pl.Float64, strict=False).fill_nan(None),
    )
