"""Units: what a study samples, and the populations that its numbers may speak of.

A trial is one observer's response to one image. Images, the shapes and the textures of cue
conflict, and people are what other studies would have others of. Which of them an interval lets
vary is its target population.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from synthesight.errors import SynthesightError, suggestion
from synthesight.stimuli.datasets import datasets
from synthesight.stimuli.names import cue_columns

Population = Literal["these", "new-stimuli", "new-people", "new-people-and-stimuli"]
POPULATION: Population = "new-stimuli"
# What an interval of each is for, in words.
POPULATIONS: dict[Population, str] = {
    "these": "these images and these people, were they asked again",
    "new-stimuli": "new stimuli like these (in cue conflict, new shapes and new textures) and "
    "these people",
    "new-people": "these images and new people like these",
    "new-people-and-stimuli": "new stimuli like these (in cue conflict, new shapes and new "
    "textures) and new people like these",
}
POOL = "_pool"  # column of the dataset that people's names belong to
IS_HUMAN = (pl.col("kind") == "human").fill_null(False)

IDENTITY = ("shape_image", "texture_image")  # factors that tell the shape and the texture


@dataclass(frozen=True, eq=False)
class Units:
    """The units of the rows of a matrix, by number.

    Attributes
    ----------
    shape, texture
        int64, shape (S,): the shape and the texture in cue conflict, elsewhere the image.
    image
        int64, shape (S,): the image, which is one combination of these.
    told
        bool, shape (S,): whether the units of a row are known: false in cue conflict whose shapes
        and textures have neither the published names nor the columns of :data:`IDENTITY`.
    """

    shape: np.ndarray
    texture: np.ndarray
    image: np.ndarray
    told: np.ndarray

    def __getitem__(self, rows: slice) -> Units:
        return Units(self.shape[rows], self.texture[rows], self.image[rows], self.told[rows])

    def with_others(self, count: int, number: int) -> Units:
        """Return these, and so many images more that no other number's have."""
        others = -1 - number * 2**32 - np.arange(count)
        shape, texture, image = (
            np.concatenate([each, others]) for each in (self.shape, self.texture, self.image)
        )
        told = np.concatenate([self.told, np.ones(count, dtype=bool)])
        return Units(shape, texture, image, told)

    @property
    def crossed(self) -> bool:
        """Whether some of the rows are combinations of a shape and a texture."""
        return bool((self.shape != self.texture).any())


def population_in_words(population: str) -> str:
    """Return a population as short as it stands beside numbers.

    Examples
    --------
    >>> population_in_words("new-people-and-stimuli"), population_in_words("these")
    ('new people and stimuli', 'these images and people')
    """
    return "these images and people" if population == "these" else population.replace("-", " ")


def check_population(population: str) -> Population:
    """Return the population of a name.

    Raises
    ------
    SynthesightError
        If there is none.
    """
    if population not in POPULATIONS:
        near = suggestion(population, POPULATIONS)
        raise SynthesightError(f"There is no `population={population!r}`: {near}.")
    return population


def units_of(rows: pl.DataFrame) -> Units:
    """Return the units of stimuli.

    Published datasets share images, and edge, silhouette and cue conflict share shapes; so do
    other datasets where images have ImageNet's names. Elsewhere, each dataset has its own.

    Parameters
    ----------
    rows
        Frame of S rows: dataset, category, texture, unit (what names the image), and, where
        trials have them, the columns of :data:`IDENTITY`.

    Examples
    --------
    >>> rows = pl.DataFrame({
    ...     "dataset": ["edge", "cue-conflict", "cue-conflict"], "category": "cat",
    ...     "texture": [None, "dog", "dog"], "unit": ["cat1.png", "cat1-dog2.png", "cat2-dog2.png"],
    ... })
    >>> units = units_of(rows)
    >>> bool(units.shape[0] == units.shape[1]), bool(units.texture[1] == units.texture[2])
    (True, True)
    """  # fmt: skip
    name = pl.col("unit")
    published = pl.col("dataset").is_in(list(datasets()))
    shared = published | name.str.contains(r"^n\d{8}_\d+")
    pool = pl.when(shared).then(pl.lit("")).otherwise("dataset")
    name = pl.when(published).then(name.str.replace(r"\.\w+$", "")).otherwise(name)
    image = pl.concat_str(pool, "category", name, separator="\t")
    conflict = pl.col("texture").is_not_null()
    known = [
        pl.coalesce(
            *([pl.col(column).cast(pl.String)] if column in rows.columns else []),
            cue,
        )
        for column, cue in zip(IDENTITY, cue_columns(pl.col("unit")), strict=True)
    ]
    both = conflict & known[0].is_not_null() & known[1].is_not_null()
    shape = pl.concat_str(pool, "category", known[0], separator="\t")
    texture = pl.concat_str(pl.lit("\t"), pool, "texture", known[1], separator="\t")
    keys = rows.select(
        shape=pl.when(both).then(shape).otherwise(image),
        texture=pl.when(both).then(texture).otherwise(image),
        image=image,
        told=both | ~conflict,
    )
    distinct = pl.Series(pl.concat([keys["shape"], keys["texture"], keys["image"]])).unique()
    code = pl.Enum(distinct.sort())
    numbers = keys.select(
        pl.col("shape", "texture", "image").cast(code).to_physical().cast(pl.Int64), "told"
    )
    return Units(*(column.to_numpy() for column in numbers))


def person_pool(trials: pl.DataFrame, *, pooled: bool) -> pl.Expr:
    """Return the column :data:`POOL` of trials.

    In each published dataset, people are numbered anew; elsewhere a name is one person.

    Parameters
    ----------
    pooled
        Whether no two datasets meet in one matrix, so that nothing need be told apart.
    """
    if pooled or trials.is_empty():
        return pl.lit("").alias(POOL)
    published = pl.col("dataset").is_in(list(datasets())) & IS_HUMAN
    return pl.when(published).then("dataset").otherwise(pl.lit("")).alias(POOL)


def persons(observers: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers of people and of their pools that are the same in every matrix: int64, (J,).

    Parameters
    ----------
    observers
        Frame of J rows: observer and :data:`POOL`.
    """
    names, pools = pl.struct("observer", POOL), pl.struct(POOL)
    numbers = observers.select(
        each.hash(0).reinterpret(signed=True).alias(name)
        for name, each in (("person", names), ("pool", pools))
    )
    return numbers["person"].to_numpy(), numbers["pool"].to_numpy()


def populations_of(
    population: Population, has_people: np.ndarray, untold: np.ndarray
) -> np.ndarray:
    """Return of which population each number can speak.

    Parameters
    ----------
    has_people
        bool, shape (G,): whether people are a sample in it.
    untold
        bool, shape (G,): whether shapes and textures of some of its images are not known.

    Examples
    --------
    >>> populations_of("new-people-and-stimuli", np.array([True, False]), np.array([True, False]))
    array(['new-people-and-combinations', 'new-stimuli'], dtype='<U27')
    """
    stimuli = np.where(untold, "combinations", "stimuli") if "stimuli" in population else ""
    new = np.char.add("new-", stimuli) if "stimuli" in population else "these"
    if "people" not in population:
        return np.broadcast_to(new, has_people.shape)
    both = np.char.add("new-people-and-", stimuli) if "stimuli" in population else "new-people"
    return np.where(has_people, both, new)
