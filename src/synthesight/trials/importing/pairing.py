"""Pair the images of trials with stimuli, and trials with each other."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from synthesight.errors import SynthesightError
from synthesight.stimuli.names import image_of
from synthesight.stimuli.stimulus import Stimulus
from synthesight.trials.importing.gathering import Gathered
from synthesight.trials.importing.values import mapped
from synthesight.trials.schema import KEY, SCHEMA

_EXAMPLES = 3


def pair_with_stimuli(gathered: Gathered, stimuli: Iterable[Stimulus]) -> list[str]:
    """Give trials what their stimuli know, and return what was noticed.

    That is image, category, condition and factors. Images are found by their paths' ends, then by
    their names, then without case and suffix, as long as one stimulus alone is meant.
    """
    stimuli = list(stimuli)
    found = _Finder(stimuli)
    frame = gathered.frame
    frame = frame.with_columns(mapped(frame["stimulus"], found, "_id"))
    unpaired = frame.filter(pl.col("_id").is_null())["image"].unique().sort()
    of_stimuli = ", ".join(image_of(_name(s)) for s in stimuli[:_EXAMPLES])
    if frame["_id"].count() == 0:
        raise SynthesightError(
            f"None of the images of the trials ({', '.join(unpaired[:_EXAMPLES])}) is one of the "
            f"{len(stimuli)} in `stimuli` ({of_stimuli}): name the column of images by "
            "`columns=imagename=…`, or give the images that were shown."
        )
    table = pl.DataFrame(
        [
            {
                **{f"factor {name}": value for name, value in s.factors.items()},
                "_id": s.id,
                "_image": image_of(_name(s)),
                "_category": s.category,
                "_condition": s.condition,
            }
            for s in stimuli
        ],
        infer_schema_length=None,
        schema_overrides=dict.fromkeys(("_id", "_image", "_category", "_condition"), pl.String),
    )
    conditions = {each.condition for each in stimuli}
    alone = conditions.pop() if len(conditions) == 1 else None
    frame = frame.join(table, on="_id", how="left", maintain_order="left").with_columns(
        image=pl.coalesce("_image", "image"),
        category=pl.coalesce("category", "_category"),
        condition=pl.coalesce("condition", "_condition", pl.lit(alone, pl.String)),
    )
    taken = {name for name in table.columns if name.startswith("factor ")}
    new = {name: name.removeprefix("factor ") for name in taken}
    new = {name: bare for name, bare in new.items() if bare not in frame.columns}
    frame = frame.rename(new).drop("_id", "_image", "_category", "_condition", *(taken - set(new)))
    gathered.factors += [bare for bare in new.values() if bare not in SCHEMA]
    gathered.frame = frame
    if unpaired.is_empty():
        return []
    return [
        f"{len(unpaired)} of {frame['image'].n_unique()} images are none of the stimuli: "
        f"{', '.join(unpaired[:_EXAMPLES])}{', …' if len(unpaired) > _EXAMPLES else ''} "
        f"(stimuli are called {of_stimuli}, …)."
    ]


class _Finder:
    """Find the id of the stimulus that a path means; None where none or several may be."""

    def __init__(self, stimuli: Iterable[Stimulus]) -> None:
        self._ids: list[dict[str, str | None]] = [{}, {}, {}]
        for stimulus in stimuli:
            for known, key in zip(self._ids, self._keys(stimulus.id), strict=True):
                known[key] = None if key in known else stimulus.id

    def __call__(self, path: str) -> str | None:
        found = (known.get(key) for known, key in zip(self._ids, self._keys(path), strict=True))
        return next((each for each in found if each is not None), None)

    @staticmethod
    def _keys(path: str) -> list[str]:
        folder, _, name = path.rpartition("/")
        image = image_of(name)
        bare = image.casefold().rpartition(".")[0] or image.casefold()
        return [f"{folder.rpartition('/')[2]}/{image}", image, bare]


def drop_duplicates(gathered: Gathered) -> list[str]:
    """Leave out rows that are there twice, and return what was noticed."""
    frame = gathered.frame
    content = [column for column in frame.columns if not column.startswith("\0")]
    first = frame.select(pl.struct(content).is_first_distinct()).to_series()
    twice = frame.filter(~first)
    notes = []
    if not twice.is_empty():
        places = ", ".join(
            gathered.place(row) for row in twice.head(_EXAMPLES).iter_rows(named=True)
        )
        more = ", …" if len(twice) > _EXAMPLES else ""
        count = "1 row is" if len(twice) == 1 else f"{len(twice)} rows are"
        notes.append(f"{count} there twice and left out: {places}{more}.")
        frame = frame.filter(first)
        gathered.frame = frame
    trial = [column for column in content if column not in ("response", "rt")]
    again = frame.filter(frame.select(trial).is_duplicated() & pl.col("trial").is_not_null())
    if not again.is_empty():
        one = again.row(0, named=True)
        same = again.filter(pl.all_horizontal(pl.col(c).eq_missing(pl.lit(one[c])) for c in trial))
        places = " and ".join(gathered.place(row) for row in same.head(2).iter_rows(named=True))
        raise SynthesightError(
            f"{one['observer']} answered {one['image']} twice in trial {one['trial']} of "
            f"session {one['session']} ({places}): keep one of the rows, or number the trials."
        )
    # One name may stand for models of several sources, which the report tells apart.
    key = [*KEY, *(column for column in ["source"] if column in frame.columns)]
    repeated = frame.select(key).is_duplicated().sum()
    if repeated:
        notes.append(
            f"{repeated} trials show an image that the observer saw more than once in the session: "
            "each counts."
        )
    return notes


def number_trials(gathered: Gathered) -> None:
    """Number the trials of an observer's session in the order of the file, where none has one."""
    session = ["observer", "dataset", "session"]
    gathered.frame = gathered.frame.with_columns(
        trial=pl.when(pl.col("trial").is_null().all().over(session))
        .then(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over(session))
        .otherwise("trial")
    )


def unshared(trials: pl.DataFrame) -> str:
    """Return what to say of images that one observer alone saw, where a dataset has several."""
    image = ["dataset", "condition", "category", "image"]
    crowded = trials.filter(pl.col("observer").n_unique().over("dataset") > 1)
    seen = crowded.group_by(image).agg(pl.col("observer").n_unique())
    alone = seen.filter(pl.col("observer") == 1)["image"].unique().sort()
    if alone.is_empty():
        return ""
    more = ", …" if len(alone) > _EXAMPLES else ""
    return f", {len(alone)} seen by one observer only ({', '.join(alone[:_EXAMPLES])}{more})"


def _name(stimulus: Stimulus) -> str:
    return stimulus.id.rpartition("/")[2]
