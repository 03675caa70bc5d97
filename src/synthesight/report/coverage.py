"""Which observers saw the same images and conditions, so that they can be compared."""

from __future__ import annotations

import polars as pl

from synthesight.analysis import judged


def strangers(everyone: pl.DataFrame) -> list[str]:
    """Return a sentence for each dataset in which observers share no image with anybody else.

    Parameters
    ----------
    everyone
        The trial table, with ``who``: the observer, or people.
    """
    seen = judged(everyone).select("dataset", "who", "unit", "image").unique(["who", "unit"])
    seen = seen.filter(pl.col("who").n_unique().over("dataset") > 1)
    alone = (
        seen.with_columns(shared=pl.col("who").n_unique().over("unit") > 1)
        .group_by("dataset", "who")
        .agg(pl.col("shared").any(), pl.col("image").min())
        .filter(~pl.col("shared"))
        .sort("dataset", "who")
    )
    return [
        f"In {dataset}, no image of "
        + ", of ".join(
            f"{who} (such as {image})" for who, image in rows.select("who", "image").rows()
        )
        + " was shown to another observer: show all the same images, by the same names, to compare "
        "them."
        for (dataset,), rows in alone.partition_by(
            "dataset", as_dict=True, maintain_order=True
        ).items()
    ]


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
    """Return texts such as "m: 58 of 1280 images of contrast", for the same conditions."""
    counts = everyone.group_by("dataset", "condition", "who").agg(pl.col("image").n_unique())
    fewer = (
        counts.with_columns(all=pl.col("image").max().over("dataset", "condition"))
        .group_by("dataset", "who")
        .agg(pl.col("image", "all").sum())
        .filter(pl.col("image") < pl.col("all"))
        .sort("who", "dataset")
    )
    return [
        f"{row['who']}: {row['image']} of {row['all']} images of {row['dataset']}"
        for row in fewer.iter_rows(named=True)
    ]
