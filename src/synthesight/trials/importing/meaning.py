"""Tell what gathered rows mean: observers, conditions, categories and responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from synthesight.errors import SynthesightError
from synthesight.stimuli.categories import SIXTEEN, Vocabulary, in_order
from synthesight.stimuli.datasets import datasets
from synthesight.stimuli.names import Shown, Spelling, dataset_of_file, image_column
from synthesight.trials.conditions import published_condition
from synthesight.trials.importing.formats import FORMATS
from synthesight.trials.importing.gathering import FILE, Gathered
from synthesight.trials.importing.values import NOTHING, Answers, category_of, image_paths, mapped
from synthesight.trials.schema import KINDS

PERSON = "subject-"  # how the names of people begin in the published trials
_EXAMPLES = 5


def name_stimuli(gathered: Gathered) -> None:
    """Set ``stimulus`` to the path of the image, and ``image`` to what pairs it."""
    gathered.refuse(pl.col("stimulus").is_null(), "there is no imagename: correct it")
    paths = image_paths(gathered.frame["stimulus"])
    gathered.refuse(paths.is_null(), "there is no image in {stimulus!r}: correct it")
    stimulus = paths.alias("stimulus")
    name = image_column(pl.col("stimulus").str.split("/").list.last())
    named = image_paths(gathered.frame["image"]).alias("image")
    gathered.frame = gathered.frame.with_columns(stimulus, named).with_columns(
        image=pl.coalesce(pl.col("image").str.split("/").list.last(), name)
    )


def name_datasets(gathered: Gathered, dataset: str | None) -> str:
    """Set ``dataset``, and return how it was told."""
    how = "as the files say"
    names: dict[int, str] = {}
    for number, sheet in enumerate(gathered.sheets):
        file = sheet.path.resolve()
        experiment = [c for c in sheet.table.columns if c.lower() == "expname"]
        if dataset is not None:
            names[number], how = dataset, "as given"
        elif told := dataset_of_file(file.parent.name, file.stem):
            names[number] = told
        elif experiment and sheet.table[experiment[0]].count():
            names[number] = str(sheet.table[experiment[0]].drop_nulls().first())
            how = f"by the column {experiment[0]}"
        elif file.parent.name:
            names[number], how = file.parent.name, "by the folder's name"
        else:
            raise SynthesightError(f"{sheet.path} does not tell its dataset: give `dataset`.")
    own = pl.lit(None, pl.String) if dataset is not None else pl.col("dataset")
    gathered.frame = gathered.frame.with_columns(
        dataset=pl.coalesce(own, pl.col(FILE).replace_strict(names, return_dtype=pl.String))
    )
    return how


def name_observers(gathered: Gathered) -> bool:
    """Set ``observer``: by its column, else the file's name; return whether it was the latter."""
    nameless = gathered.frame.group_by(FILE).agg(pl.col("observer").is_null().all())
    files = nameless.filter("observer")[FILE].to_list()
    stems = {number: gathered.sheets[number].path.stem for number in files}
    stem = pl.col(FILE).replace_strict(stems, default=None, return_dtype=pl.String)
    gathered.frame = gathered.frame.with_columns(observer=pl.coalesce("observer", stem))
    gathered.refuse(pl.col("observer").is_null(), "there is no subj: correct it")
    return bool(files)


def tell_kinds(
    gathered: Gathered, kind: str | Mapping[str, str] | None, known: Mapping[str, str]
) -> None:
    """Set ``kind``: as given, as its column or the program says, or as the observer's name does."""
    frame = gathered.frame
    given = kind if isinstance(kind, Mapping) else {}
    every = None if isinstance(kind, Mapping) else kind
    for each in [*given.values(), *([every] if every else [])]:
        if each not in KINDS:
            raise SynthesightError(f"`kind={each!r}` is no kind: it is one of {', '.join(KINDS)}.")
    names = frame["observer"].unique(maintain_order=True).to_list()
    if strange := [name for name in given if name not in names]:
        raise SynthesightError(
            f"`kind` names {strange[0]!r}, who is no observer: there are {', '.join(names[:20])}."
        )
    programs = {number: FORMATS[each].kind for number, each in enumerate(gathered.formats)}
    observer = pl.col("observer")
    of_name = {name: known[name.lower()] for name in names if name.lower() in known}
    gathered.frame = frame.with_columns(
        kind=pl.coalesce(
            observer.replace_strict(dict(given), default=None, return_dtype=pl.String)
            if given
            else pl.lit(every, pl.String),
            pl.col("kind").str.to_lowercase(),
            pl.col(FILE).replace_strict(programs, return_dtype=pl.String),
            pl.when(observer.str.starts_with(PERSON)).then(pl.lit("human")),
            observer.replace_strict(of_name, default=None, return_dtype=pl.String)
            if of_name
            else pl.lit(None, pl.String),
        )
    )


def count_trials(gathered: Gathered) -> None:
    """Set ``session``, ``trial`` and ``rt`` to numbers."""
    frame = gathered.frame
    software = [number for number, each in enumerate(gathered.formats) if FORMATS[each].kind]
    there = frame.group_by(FILE).agg(pl.col("session").is_null().all())
    sessionless = {*there.filter("session")[FILE], *software}
    gathered.refuse(
        pl.col("session").is_null() & ~pl.col(FILE).is_in(list(sessionless)),
        "there is no session: correct it",
    )
    for column in ("session", "trial"):
        wrong = _number(column).is_null() & pl.col(column).is_not_null()
        advice = f"correct it, or leave the column out by `columns={column}=`"
        gathered.refuse(wrong, f"{column} {{{column}!r}} is no number: {advice}")
    time = pl.col("rt").cast(pl.Float64, strict=False)
    missing = pl.col("rt").str.to_lowercase().is_in(list(NOTHING))
    gathered.refuse(
        time.is_null() & ~missing,
        "rt {rt!r} is no number: correct it, or leave the column out by `columns=rt=`",
    )
    gathered.frame = frame.with_columns(
        session=_number("session").fill_null(1), trial=_number("trial"), rt=time.fill_nan(None)
    )


def _number(column: str) -> pl.Expr:
    """Return the number at the end: sessions are written ``1``, ``1.0`` or ``session-1``."""
    number = pl.col(column).cast(pl.Float64, strict=False)
    whole = pl.when(number == number.floor()).then(number.cast(pl.Int64, strict=False))
    last = pl.col(column).str.extract(r"(\d+)$").cast(pl.Int64, strict=False)
    return pl.when(number.is_null()).then(last).otherwise(whole)


def spell_conditions(gathered: Gathered) -> None:
    """Set ``condition``: published datasets have their own; without any, there is one."""
    missing = pl.col("condition").str.to_lowercase().is_in(list(NOTHING))
    frame = gathered.frame.with_columns(
        condition=pl.when(~missing).then(pl.col("condition")), _written="condition"
    )
    several = [name for name, one in datasets().items() if len(one.conditions) > 1]
    if not frame.filter(
        pl.col("condition").is_null() & pl.col("dataset").is_in(several)
    ).is_empty():
        shown = mapped(frame["stimulus"], _condition_of)
        frame = frame.with_columns(condition=pl.coalesce("condition", shown))
    alone = {
        name: one.conditions[0] for name, one in datasets().items() if len(one.conditions) == 1
    }
    frame = frame.with_columns(
        condition=pl.coalesce(
            "condition",
            pl.col("dataset").replace_strict(alone, default=None, return_dtype=pl.String),
            pl.when(pl.col("condition").is_null().all().over("dataset")).then(
                pl.when(~pl.col("dataset").is_in(several)).then(pl.lit("0"))
            ),
        )
    )
    gathered.frame = frame
    gathered.refuse(pl.col("condition").is_null(), "there is no condition of {image}: correct it")
    named = published_condition(pl.col("dataset"), pl.col("condition"))
    wrong = frame.filter(pl.col("dataset").is_in(list(datasets())) & named.is_null())
    if not wrong.is_empty():
        row = wrong.row(0, named=True)
        raise SynthesightError(
            f"{gathered.place(row)}: {row['dataset']} has no condition {row['condition']!r}, only "
            f"{', '.join(datasets()[row['dataset']].conditions)}: correct it, or name another "
            "`dataset`."
        )
    gathered.frame = frame.drop("_written")


def _condition_of(path: str) -> str | None:
    shown = Shown.read(path.rpartition("/")[2])
    return shown.condition if shown else None


def spell_categories(
    gathered: Gathered, answers: Answers, categories: Sequence[str] | None
) -> list[str]:
    """Set ``category``, ``texture`` and ``response`` in one spelling; return what was noticed."""
    frame = gathered.frame
    allowed = {
        name: tuple(categories if categories is not None else _declared(name))
        for name in frame["dataset"].unique(maintain_order=True)
    }
    every = [*SIXTEEN, *(name for names in allowed.values() for name in names)]
    answers = answers.including(every)
    category = mapped(frame["category"], answers, "category")
    answers = answers.including(category.unique(maintain_order=True).drop_nulls())
    response = mapped(frame["response"], answers, "response")
    frame = frame.with_columns(category, response)
    notes = []
    if category.null_count():
        words = [
            r
            for r in response.unique(maintain_order=True).drop_nulls()
            if r.isalpha() and len(r) > 1
        ]
        vocabulary = Vocabulary(every, answers.categories, words)
        told = mapped(frame["stimulus"], lambda path: category_of(path, vocabulary))
        frame = frame.with_columns(category=pl.coalesce("category", told))
        if frame["category"].null_count() < category.null_count():
            notes.append("Categories are told by the names of images or folders.")
    software = [number for number, each in enumerate(gathered.formats) if FORMATS[each].kind]
    nothing = pl.col("category").is_null() & pl.col("response").is_null()
    nothing &= pl.col(FILE).is_in(software)
    if count := frame.select(nothing.sum()).item():
        gathered.left_out["rows without category and response"] += count
        frame = frame.filter(~nothing)
    gathered.frame = frame
    gathered.refuse(
        pl.col("category").is_null(),
        "there is no category of {image}: name the column that has it by `columns=category=…`, or "
        "give the images by `stimuli`",
    )
    gathered.frame = _spelled(frame, categories)
    for dataset, names in allowed.items():
        notes += _check_dataset(gathered, dataset, names, answers)
    return notes


def _declared(dataset: str) -> tuple[str, ...]:
    return datasets()[dataset].categories if dataset in datasets() else ()


def _check_dataset(
    gathered: Gathered, dataset: str, allowed: Sequence[str], answers: Answers
) -> list[str]:
    """Refuse strange categories and a majority of strange responses; return what is strange."""
    here = pl.col("dataset") == dataset
    frame = gathered.frame.filter(here)
    shown = in_order(frame["category"].unique().to_list())
    if allowed:
        vocabulary = Vocabulary(allowed)
        strange = [name for name in shown if name not in vocabulary]
        listed = ", ".join(allowed) if len(allowed) <= 16 else f"the {len(allowed)} given"
        gathered.refuse(
            here & pl.col("category").is_in(strange),
            f"category {{category!r}} is none of the categories ({listed}): correct it",
        )
    else:
        vocabulary = Vocabulary(answers.categories, shown)
    counts = frame["response"].drop_nulls().value_counts(sort=True, name="n")
    counts = counts.sort("n", "response", descending=[True, False])
    strange = [name for name in counts["response"] if name not in vocabulary]
    counts = counts.filter(pl.col("response").is_in(strange))
    if counts.is_empty():
        return []
    examples = ", ".join(f"{name!r} {n}×" for name, n in counts.head(_EXAMPLES).rows())
    more = ", …" if len(counts) > _EXAMPLES else ""
    unknown, answered = counts["n"].sum(), frame["response"].count()
    if unknown > answered / 2:
        first = frame.filter(pl.col("response") == counts["response"][0]).row(0, named=True)
        pairs = ",".join(f"{name}=…" for name in counts["response"].head(2))
        listed = ", ".join(shown[:16]) + (", …" if len(shown) > 16 else "")
        raise SynthesightError(
            f"{gathered.place(first)}: {unknown} of {answered} responses in {dataset} are no "
            f"category ({examples}{more}; shown were {listed}): say what each means, such as "
            f"`keys={pairs}`, or name their column by `columns=object_response=…`."
        )
    return [
        f"{unknown} of {answered} responses in {dataset} are no category and count as errors: "
        f"{examples}{more}."
    ]


def _spelled(frame: pl.DataFrame, categories: Sequence[str] | None) -> pl.DataFrame:
    """Spell categories as their dataset does, and add textures; distinct ones are few."""
    images = frame.select("dataset", "image", "category").unique(maintain_order=True)
    responses = frame.select("dataset", "response").unique(maintain_order=True)
    spelling = Spelling(images.rows(), responses["response"].drop_nulls().unique(), categories)
    images = images.with_columns(
        _texture=pl.Series([spelling.texture(*row) for row in images.rows()], dtype=pl.String),
        _category=pl.Series([spelling(row[2], row[0]) for row in images.rows()], dtype=pl.String),
    )
    responses = responses.with_columns(
        _response=pl.Series([spelling(row[1], row[0]) for row in responses.rows()], dtype=pl.String)
    )
    for table in (images, responses):
        key = [column for column in table.columns if column in frame.columns]
        frame = frame.join(table, on=key, how="left", nulls_equal=True, maintain_order="left")
    return frame.with_columns(
        category="_category", response="_response", texture=pl.coalesce("texture", "_texture")
    ).drop("_category", "_response", "_texture")
