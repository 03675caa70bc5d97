"""Which observers saw the same images and conditions, so that they can be compared."""

from __future__ import annotations

import polars as pl

from synthesight.analysis import PEOPLE, judged
from synthesight.report.looks import listed


def strangers(everyone: pl.DataFrame) -> list[str]:
    """Return a sentence for each dataset in which observers share no image with anybody else.

    It shows images of both sides, what keeps them apart, and the way out. Observers meet on an
    image of one name, in one dataset, condition and category.

    Parameters
    ----------
    everyone
        The trial table, with ``who``: the observer, or people.
    """
    key = ["dataset", "condition", "category", "unit"]
    seen = judged(everyone).select(*key, "who", "image").unique()
    crowded = seen.filter(pl.col("who").n_unique().over("dataset") > 1)
    alone = (
        crowded.with_columns(shared=pl.col("who").n_unique().over(key) > 1)
        .group_by("dataset", "who")
        .agg(pl.col("shared").any())
        .filter(~pl.col("shared"))
        .sort("dataset", "who")
    )
    sentences = []
    for dataset in alone["dataset"].unique(maintain_order=True):
        rows = alone.filter(pl.col("dataset") == dataset)
        here = crowded.filter(pl.col("dataset") == dataset)
        sides = [
            f"{who} (such as {', '.join(_images(here.filter(pl.col('who') == who)))})"
            for who in rows["who"]
        ]
        others = here.filter(~pl.col("who").is_in(rows["who"].to_list()))
        other = others["who"].unique().sort().to_list()
        against = f" ({other[0]} saw {', '.join(_images(others))})" if other else ""
        sentences.append(
            f"In {dataset}, no image of {', of '.join(sides)} was shown to another observer"
            f"{against}: {_apart(here)}."
        )
    return sentences + _other_datasets(seen)


def _images(seen: pl.DataFrame) -> list[str]:
    return seen["image"].unique().sort().head(2).to_list()


def _apart(seen: pl.DataFrame) -> str:
    """Return what keeps the images of observers apart, and what to do about it."""
    whose = pl.col("who").n_unique() > 1
    for column, what in (("category", "categories"), ("condition", "conditions")):
        same = seen.group_by("image").agg(whose.alias("both"), pl.col("who", column)).filter("both")
        for image, names, values in same.sort("image").select("image", "who", column).iter_rows():
            if len(set(values)) > 1:
                pairs = sorted(dict(zip(names, values, strict=True)).items())[:2]
                said = " and ".join(f"{value!r} for {name}" for name, value in pairs)
                return f"their {what} differ, as {image} is {said}; give both the same"
    bare = seen.with_columns(_bare=pl.col("image").str.to_lowercase().str.replace(r"\.\w+$", ""))
    near = bare.group_by("_bare").agg(whose.alias("both"), pl.col("image").unique().sort())
    near = near.filter(pl.col("both") & (pl.col("image").list.len() > 1)).sort("_bare")
    if len(near):
        names = " and ".join(near["image"][0].to_list()[:2])
        return (
            f"their names differ in suffix or case alone, as {names}; `synthesight data import "
            "TRIALS --stimuli IMAGES` pairs them"
        )
    return (
        "show all the same images, by the same names, to compare them; `synthesight data import "
        "TRIALS --stimuli IMAGES` pairs trials with images, and `--columns imagename=…` names "
        "their column"
    )


def _other_datasets(seen: pl.DataFrame) -> list[str]:
    """Return a sentence where people and models saw the same images under two datasets' names."""
    seen = seen.select("dataset", "who", "image").unique()
    counts = seen.group_by("dataset").agg(pl.col("who").unique())
    people = pl.col("who").list.contains(PEOPLE)
    of_people = counts.filter(people & (pl.col("who").list.len() == 1))["dataset"]
    of_models = counts.filter(~people)["dataset"]
    ours = seen.filter(pl.col("dataset").is_in(of_people.to_list()))
    theirs = seen.filter(pl.col("dataset").is_in(of_models.to_list()))
    both = ours.join(theirs, on="image", suffix="_model").sort("dataset", "image")
    return [
        f"People and {who} saw the same images, such as {image}, but in datasets of other names, "
        f"{dataset} and {other}: import the people with `--dataset {other}`."
        for dataset, other, who, image in both.unique(["dataset", "dataset_model"], keep="first",
                                                      maintain_order=True)
        .select("dataset", "dataset_model", "who_model", "image")
        .iter_rows()
    ]  # fmt: skip


def fewer_conditions(everyone: pl.DataFrame) -> list[str]:
    """Return texts such as "m: 2 of 8 conditions of contrast", for who saw fewer than others."""
    counts = everyone.group_by("dataset", "who").agg(pl.col("condition").n_unique())
    fewer = (
        counts.with_columns(all=pl.col("condition").max().over("dataset"))
        .filter(pl.col("condition") < pl.col("all"))
        .sort("who", "dataset")
    )
    return [
        f"{row['who']}: {row['condition']} of {row['all']} conditions of {row['dataset']}"
        for row in fewer.iter_rows(named=True)
    ]


def fewer_images(everyone: pl.DataFrame) -> list[str]:
    """Return texts such as "m and n: 58 of 1280 images of contrast", for the same conditions."""
    counts = everyone.group_by("dataset", "condition", "who").agg(pl.col("image").n_unique())
    fewer = (
        counts.with_columns(all=pl.col("image").max().over("dataset", "condition"))
        .group_by("dataset", "who")
        .agg(pl.col("image", "all").sum())
        .filter(pl.col("image") < pl.col("all"))
        .sort("who", "dataset")
        .group_by("dataset", "image", "all", maintain_order=True)
        .agg("who")
    )
    return [
        f"{listed(row['who'])}: {row['image']} of {row['all']} images of {row['dataset']}"
        for row in fewer.iter_rows(named=True)
    ]
