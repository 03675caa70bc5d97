"""Galleries: images on which models err, differ from people, or find hard what people find easy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl
from PIL import Image

from synthesight.analysis import IS_HUMAN
from synthesight.encoding import short
from synthesight.errors import SynthesightError
from synthesight.files import is_remote
from synthesight.report.figures import image_url
from synthesight.report.looks import counted, listed
from synthesight.report.provenance import Provenance
from synthesight.report.section import IS_MODEL, Gallery, Picture, Section, datasets_of
from synthesight.stimuli.datasets import datasets
from synthesight.stimuli.datasets.local import local_folder
from synthesight.stimuli.find import find_stimuli
from synthesight.stimuli.images import UnreadableImage
from synthesight.stimuli.names import image_of
from synthesight.stimuli.stimulus import Stimulus

PICTURES = 8  # of a gallery
MODELS = 6  # that have galleries of their own
OPEN = 2  # models; galleries of more are folded
SIDE = 128  # pixels of a thumbnail
QUALITY = 80
ANSWERS = 3  # of people that are told
SEED = 0
NO_ANSWER = "no answer"
HUB = "hf:"

ITEM = ["dataset", "condition", "image", "category"]
PLACE = ITEM[:3]


def galleries_section(
    trials: pl.DataFrame, made: Sequence[Provenance], data: Path | None = None
) -> Section | None:
    """Show images beside what models and people answered; None where no model has an answer.

    Parameters
    ----------
    trials
        The trial table, as it was gathered.
    made
        How the trials of each model were made, which tells where its images were.
    data
        Data folder with the images of named datasets; None for SYNTHESIGHT_DATA, else the cache.
    """
    items = _items(trials)
    if items.is_empty():
        return None
    stimuli = _stimuli(trials, made, data)
    here = _found(items, stimuli)
    missing = sorted({*datasets_of(items)} - {*datasets_of(here)})
    where = listed([short(name) or "no named dataset" for name in missing])
    text = (
        f"The images of {where} are not here to show: put them back to where models saw them, or "
        "named datasets into the data folder. "
        if missing
        else ""
    )
    section = Section("galleries", "Images and answers", "")
    replaced: set[str] = set()
    recorded = [each.name for each in made if each.record]
    names = here["model"].unique().sort().to_list()
    names.sort(key=lambda name: short(name) not in recorded)  # a user's own first
    for number, (gallery, rows) in enumerate(_chosen(here, names[:MODELS])):
        pictures: list[Picture] = []
        for row in rows.iter_rows(named=True):
            if len(pictures) == PICTURES:
                break
            try:
                picture = stimuli[row["place"]].read()
            except UnreadableImage:
                continue
            if row["digest"] and row["digest"] != picture.digest:
                replaced.add(row["stimulus"])
                continue
            pictures.append(Picture(thumbnail(picture.image), _alt(row), tuple(_lines(row))))
        if pictures:
            folded = number >= 2 and len(names) > OPEN
            section.galleries.append(Gallery(*gallery, pictures, folded))
    if section.galleries:
        text = (
            f"Up to {PICTURES} images of a kind, with the category shown in bold, and the "
            f"{ANSWERS} most frequent answers of people. Errors are a random sample; the others "
            "are the most extreme. " + text
        )
    if len(names) > MODELS:
        text += f"Of {len(names)} models, the first {MODELS} have galleries of their own. "
    if replaced:
        text += (
            f"Left out, as they are not what models were shown: {counted(len(replaced), 'image')}. "
        )
    section.text = text.strip()
    return section


def _items(trials: pl.DataFrame) -> pl.DataFrame:
    """Return a row for each image and model, in random order.

    Columns: of an image ``dataset``, ``condition``, ``image``, ``category``, ``texture``,
    ``stimulus`` and ``digest``;
    ``model``, its ``answer``, whether it is ``right``, and the ``share`` of people who gave it;
    people's ``answers`` and ``shares``, the most frequent first, ``people`` who answered, and
    ``human``, the share of them that was right; ``machine``, the share of ``models`` that was.
    """
    judged = trials.filter(pl.col("category").is_not_null(), pl.col("error").is_null()).select(
        *ITEM, "texture", "observer", "kind", "stimulus", "digest",
        answer=pl.col("response").fill_null(NO_ANSWER),
        right=(pl.col("response") == pl.col("category")).fill_null(False),
    )  # fmt: skip
    humans = judged.filter(IS_HUMAN)
    models = judged.filter(IS_MODEL)
    shares = (
        humans.group_by(*ITEM, "answer")
        .len("count")
        .with_columns(share=pl.col("count") / pl.col("count").sum().over(ITEM))
        .sort("count", "answer", descending=[True, False])
    )
    answers = shares.group_by(ITEM, maintain_order=True).agg(
        answers=pl.col("answer"), shares=pl.col("share"), people=pl.col("count").sum()
    )
    human = humans.group_by(ITEM).agg(human=pl.col("right").mean())
    machine = models.group_by(ITEM).agg(
        machine=pl.col("right").mean(), models=pl.col("observer").n_unique()
    )
    return (
        models.unique(["observer", *ITEM], keep="first", maintain_order=True)
        .rename({"observer": "model"})
        .join(shares.select(*ITEM, "answer", "share"), on=[*ITEM, "answer"], how="left")
        .join(answers, on=ITEM, how="left")
        .join(human, on=ITEM, how="left")
        .join(machine, on=ITEM, how="left")
        .sort("model", *ITEM)
        .sample(fraction=1.0, shuffle=True, seed=SEED)
        .sort("model", maintain_order=True)
    )


def _chosen(
    items: pl.DataFrame, models: Sequence[str]
) -> Iterator[tuple[tuple[str, str], pl.DataFrame]]:
    """Yield the title and text of each gallery, and its images, best first."""
    gap = pl.col("human") - pl.col("machine")
    by_image = items.unique(ITEM, keep="first", maintain_order=True).filter(gap.is_not_null())
    several = by_image["models"].max() != 1
    percent = [(100 * pl.col(each)).round().cast(pl.Int64) for each in ("human", "machine")]
    by_image = by_image.with_columns(
        told=pl.format("right: {} % of people, {} % of {} models", *percent, "models")
        if several
        else pl.format("{}: {}", "model", "answer")
    )
    those = "models" if several else "the model"
    yield (
        (
            f"Easy for people, hard for {those}",
            "People were right more often; the widest gaps.",
        ),
        by_image.filter(gap > 0).sort(-gap, maintain_order=True),
    )
    yield (
        (
            f"Easy for {those}, hard for people",
            "Models were right more often; the widest gaps.",
        ),
        by_image.filter(gap < 0).sort(gap, maintain_order=True),
    )
    most = pl.col("shares").list.first()
    for name in models:
        own = items.filter(pl.col("model") == name).with_columns(
            told=pl.format("model: {}", "answer")
        )
        yield (f"Errors of {short(name)}", "The model was wrong."), own.filter(~pl.col("right"))
        yield (
            (f"{short(name)} against people", "Most people gave another answer than the model."),
            own.filter(pl.col("answers").list.first() != pl.col("answer")).sort(
                most - pl.col("share").fill_null(0), descending=True, maintain_order=True
            ),
        )


def _lines(row: Mapping[str, object]) -> Iterable[str]:
    """Return what stands below an image: the category first."""
    texture = row["texture"]
    yield f"{short(str(row['category']))}" + (
        f", texture of {short(str(texture))}" if texture else ""
    )
    yield str(row["told"])
    if row["answers"]:
        shares = zip(row["answers"], row["shares"], strict=True)  # type: ignore[call-overload]
        said = ", ".join(f"{short(answer)} {share:.0%}" for answer, share in [*shares][:ANSWERS])
        yield f"{counted(int(str(row['people'])), 'answer')} of people: {said}"
    yield " ".join(
        short(str(row[key])) for key in ("dataset", "condition") if row[key] not in ("", "0")
    )


def _alt(row: Mapping[str, object]) -> str:
    return f"Image of {short(str(row['category']))}: {short(str(row['image']))}"


def thumbnail(image: Image.Image) -> str:
    """Return an image as a page holds it: WebP, at most 128 pixels a side, a few kilobytes."""
    small = image.convert("RGB")
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return image_url(small, "webp", quality=QUALITY)


def _stimuli(trials: pl.DataFrame, made: Sequence[Provenance], data: Path | None) -> list[Stimulus]:
    """Return the stimuli that are here.

    Nothing is downloaded. Runs tell where their images were; those of named datasets are in the
    data folder.
    """
    sources: dict[str, object] = {}
    for each in made:
        options = each.record.get("options") or {}
        for place in options.get("stimuli") or ():
            if not is_remote(place) and not place.startswith(HUB) and place not in datasets():
                sources[place] = options.get("range")
    for name in trials["dataset"].unique().sort():
        if name and (folder := local_folder(name, data)):
            sources.setdefault(str(folder), None)
    found: list[Stimulus] = []
    for source, depth in sources.items():
        try:
            found += find_stimuli(source, data=data, range=depth)
        except SynthesightError:
            continue  # it is not here any more
    return found


def _found(items: pl.DataFrame, stimuli: Sequence[Stimulus]) -> pl.DataFrame:
    """Return the images that are here, with their ``place`` among the stimuli.

    A run knows an image by its id; published trials by the name that only one image of the dataset
    and condition has.
    """
    known = pl.DataFrame(
        [
            (n, one.id, one.dataset, one.condition, image_of(one.id.rsplit("/", 1)[-1]))
            for n, one in enumerate(stimuli)
        ],
        schema={"place": pl.Int64, **dict.fromkeys(["stimulus", *PLACE], pl.String)},
        orient="row",
    )
    by_id = known.unique("stimulus", keep="first").select("stimulus", "place")
    by_name = known.unique("stimulus", keep="first").unique(PLACE, keep="none")
    return (
        items.join(by_id, on="stimulus", how="left", maintain_order="left")
        .join(by_name.select(*PLACE, named="place"), on=PLACE, how="left", maintain_order="left")
        .with_columns(pl.coalesce("place", "named"))
        .filter(pl.col("place").is_not_null())
    )
