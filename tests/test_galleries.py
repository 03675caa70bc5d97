"""Galleries: which images they show, what stands below, and what is said where there are none."""

from __future__ import annotations

import base64
import io

import numpy as np
import polars as pl
import pytest
from PIL import Image

import synthesight
from builders import done, noise, trial_table
from synthesight.report.galleries import PICTURES, SIDE, galleries_section, thumbnail
from synthesight.report.provenance import provenances
from synthesight.report.sources import gather
from synthesight.trials.exchange import write_csv
from synthesight.trials.schema import conform

NAMES = [f"{category}{n}.png" for category in ("cat", "dog") for n in range(6)]


@pytest.fixture
def images(tmp_path, monkeypatch):
    """A named dataset that is here: twelve drawings."""
    monkeypatch.setenv("SYNTHESIGHT_DATA", str(tmp_path))
    rng = np.random.default_rng(0)
    for name in NAMES:
        path = tmp_path / "stimuli" / "edge" / name[:3] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise(rng).save(path)
    return tmp_path


def trials_on(images, *wrong: str) -> pl.DataFrame:
    """Four people, who all err on dog5 alone, and a model that errs on what is named."""
    tables = []
    for who, kind, errors in (
        *((f"subject-0{n}", "human", {"dog5.png"}) for n in range(1, 5)),
        ("model", "generative", set(wrong)),
    ):
        responses = [
            name[:3] if name not in errors else {"cat": "dog", "dog": "cat"}[name[:3]]
            for name in NAMES
        ]
        table = trial_table(
            responses, who, "edge", kind=kind, category=[name[:3] for name in NAMES],
            stimulus=[f"edge/{name[:3]}/{name}" for name in NAMES],
        )  # fmt: skip
        tables.append(conform(table))
    return pl.concat(tables)


def shown(section) -> dict[str, list[str]]:
    return {
        each.title: sorted(picture.alt.rpartition(" ")[2] for picture in each.pictures)
        for each in section.galleries
    }


def test_images_are_those_of_which_the_title_speaks(images):
    trials = trials_on(images, "cat1.png", "dog2.png")
    section = galleries_section(trials, provenances(trials))
    assert shown(section) == {
        "Easy for people, hard for the model": ["cat1.png", "dog2.png"],
        "Easy for the model, hard for people": ["dog5.png"],
        "Errors of model": ["cat1.png", "dog2.png"],
        "model against people": ["cat1.png", "dog2.png", "dog5.png"],
    }
    (picture,) = section.galleries[1].pictures
    assert picture.lines == ("dog", "model: dog", "4 answers of people: cat 100%", "edge")
    assert picture.alt == "Image of dog: dog5.png"
    head, _, content = picture.url.partition(",")
    assert head == "data:image/webp;base64"
    assert Image.open(io.BytesIO(base64.b64decode(content))).size == (32, 32)


def test_pictures_are_few_and_small(images):
    trials = trials_on(images, *NAMES)
    section = galleries_section(trials, provenances(trials))
    assert max(len(each.pictures) for each in section.galleries) == PICTURES
    assert f"Up to {PICTURES} images" in section.text
    large = noise(np.random.default_rng(1), size=1500)
    assert len(thumbnail(large)) < 20_000
    small = Image.open(io.BytesIO(base64.b64decode(thumbnail(large).partition(",")[2])))
    assert small.size == (SIDE, SIDE)


def test_several_models_share_the_first_galleries_and_the_rest_is_folded(images):
    trials = trials_on(images, "cat1.png")
    others = [
        trials.filter(observer="model").with_columns(observer=pl.lit(f"net-{n}"))
        for n in range(7)
    ]  # fmt: skip
    everyone = pl.concat([trials, *others])
    section = galleries_section(everyone, provenances(everyone))
    first = section.galleries[0]
    assert first.title == "Easy for people, hard for models"
    assert first.pictures[0].lines[1] == "right: 100 % of people, 0 % of 8 models"
    assert [each.folded for each in section.galleries] == [False, False, *[True] * 12]
    assert "Of 8 models, the first 6 have galleries of their own." in section.text


def test_an_image_that_was_replaced_or_cannot_be_read_is_not_shown(images):
    trials = trials_on(images, "cat1.png", "cat2.png", "cat3.png").with_columns(
        digest=pl.when(image="cat1.png").then(pl.lit("0" * 32))
    )
    (images / "stimuli/edge/cat/cat2.png").write_bytes(b"\x89PNG\r\n")
    section = galleries_section(trials, provenances(trials))
    assert shown(section)["Errors of model"] == ["cat3.png"]
    assert "Left out, as they are not what models were shown: 1 image." in section.text


def test_where_images_are_missing_one_sentence_says_so(images, tmp_path):
    elsewhere = trials_on(images, "cat1.png").with_columns(dataset=pl.lit("sketch"))
    section = galleries_section(elsewhere, provenances(elsewhere))
    assert section.galleries == []
    assert section.text.startswith("The images of sketch are not here to show: put them")
    people = elsewhere.filter(kind="human")
    assert galleries_section(people, provenances(people)) is None


def test_a_run_tells_where_its_images_were(tmp_path, monkeypatch):
    """From the command line to the page, with images that are in no data folder."""
    monkeypatch.setenv("SYNTHESIGHT_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    rng = np.random.default_rng(0)
    for name in ("truck/a.png", "truck/b.png", "bird/a.png", "bird/c.png"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        noise(rng).save(tmp_path / "photos" / name)
    monkeypatch.chdir(tmp_path)
    done("evaluate", "-m", "natural-32-cnn", "--stimuli", "photos", "--out", "run",
         "--device", "cpu")  # fmt: skip
    monkeypatch.chdir("/")
    record = synthesight.Run.open(tmp_path / "run").manifest
    assert record["options"]["stimuli"] == [str((tmp_path / "photos").resolve())]
    trials = gather([tmp_path / "run"])
    wrong = trials.filter(pl.col("response") != pl.col("category"))
    section = galleries_section(trials, provenances(trials))
    assert len(shown(section)["Errors of natural-32-cnn"]) == len(wrong) > 0
    (tmp_path / "photos").rename(tmp_path / "moved")
    section = galleries_section(trials, provenances(trials))
    assert section.text.startswith("The images of photos are not here to show")
    write_csv(trials, tmp_path / "csv")
    table = gather([tmp_path / "csv"])
    assert galleries_section(table, provenances(table)).galleries == []
