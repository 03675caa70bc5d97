"""Test the site of an experiment: what is written, and what participants can learn from it."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image

from builders import encoded, noise, picture, save_pictures
from synthesight.errors import SynthesightError, SynthesightWarning
from synthesight.people.site import build_site
from synthesight.stimuli.find import find_stimuli
from synthesight.stimuli.names import image_of
from synthesight.stimuli.stimulus import Stimulus


@pytest.fixture(autouse=True)
def quick(tmp_path, monkeypatch):
    """Make few masks, and practise with nothing: both take most of the time."""
    monkeypatch.setattr("synthesight.people.pictures.MASKS", 2)
    plan(tmp_path)


def plan(folder, **settings) -> None:
    """Write a study.toml with some settings of its own."""
    folder.mkdir(exist_ok=True)
    lines = [f"{name} = {value}" for name, value in ({"practice": 0} | settings).items()]
    (folder / "study.toml").write_text("\n".join(["[design]", *lines]))


def pictures(count: int = 4, *categories: str, size: int = 8, **facts) -> list[Stimulus]:
    categories = categories or ("cat", "dog")
    return [
        Stimulus(
            f"mine/{category}/{category}{number}.png",
            picture(size, (number, 0, 0)),
            "mine",
            category=category,
            **facts,
        )
        for category in categories
        for number in range(count)
    ]


def design_of(folder) -> dict:
    return json.loads((folder / "study.json").read_text())


def test_images_are_shown_as_models_see_them(tmp_path):
    rng = np.random.default_rng(0)
    wide = noise(rng, 40).crop((0, 0, 40, 24))
    stimuli = [
        Stimulus("d/cat/wide.png", wide, "d", category="cat"),
        Stimulus("d/dog/grey.png", encoded(Image.new("L", (9, 9), 100)), "d", category="dog"),
    ]
    assert build_site(stimuli, tmp_path) == []
    shown = {
        each["name"]: Image.open(tmp_path / each["image"])
        for each in design_of(tmp_path)["stimuli"]
    }
    assert np.array_equal(np.asarray(shown["wide.png"]), np.asarray(wide)[:, 8:32])
    assert shown["grey.png"].size == (9, 9)
    assert shown["grey.png"].mode == "RGB"


def test_names_of_images_tell_nothing_and_pair_with_models(tmp_path):
    build_site(pictures(3, "cat", "zebra"), tmp_path)
    design = design_of(tmp_path)
    for each in design["stimuli"]:
        assert re.fullmatch(r"images/[0-9a-f]{20}\.png", each["image"])
    assert len({each["image"] for each in design["stimuli"]}) == len(design["stimuli"])
    # Names of files in trials, as evaluate's trials have them.
    assert {each["name"] for each in design["stimuli"]} <= {
        f"{category}{number}.png" for category in ("cat", "zebra") for number in range(3)
    }


def test_two_images_of_one_name_stay_apart_and_pair_by_it(tmp_path):
    plan(tmp_path / "site")
    save_pictures(tmp_path / "in", "cat/1.png", "dog/1.png", "dog/2.png")
    build_site(find_stimuli(tmp_path / "in"), tmp_path / "site")
    names = [each["name"] for each in design_of(tmp_path / "site")["stimuli"]]
    assert len(set(names)) == 3
    assert sorted(image_of(name) for name in names) == ["1.png", "1.png", "2.png"]


def test_practice_shows_drawings_of_ours_and_no_image_of_the_study(tmp_path):
    plan(tmp_path, practice=3)
    build_site(pictures(4), tmp_path)
    design = design_of(tmp_path)
    assert len(design["practice"]) == 3
    assert len(design["stimuli"]) == 8
    studied = {each["image"] for each in design["stimuli"]}
    assert not studied & {each["image"] for each in design["practice"]}


def test_practice_with_other_classes_holds_images_out(tmp_path):
    plan(tmp_path, practice=10)
    build_site(pictures(4, "zebra", "yak"), tmp_path)
    design = design_of(tmp_path)
    names = [each["name"] for part in ("stimuli", "practice") for each in design[part]]
    assert len(design["practice"]) == 4
    assert len(set(names)) == len(names) == 8


def test_texts_are_kept_and_shown_but_never_as_html(tmp_path):
    (tmp_path / "study.toml").unlink()
    build_site(pictures(1), tmp_path)
    settings = (tmp_path / "study.toml").read_text()
    edited = settings.replace("NAME, INSTITUTION, EMAIL", "<b>Ann</b>").replace(
        'title = "What do you see?"', 'title = "</title><script>alert(1)</script>"'
    )
    (tmp_path / "study.toml").write_text(edited)
    build_site(pictures(1), tmp_path)
    page = (tmp_path / "index.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;b&gt;Ann&lt;/b&gt;" in design_of(tmp_path)["texts"]["consent"]
    assert (tmp_path / "study.toml").read_text() == edited


def test_hostile_categories_do_not_leave_their_place(tmp_path):
    hostile = '<!--<script>alert("1")</script>'
    build_site(pictures(2, hostile, "]]>'"), tmp_path)
    page = (tmp_path / "index.html").read_text()
    assert "<!--" not in page
    assert "alert(" not in page.replace('alert(\\"1\\")', "")
    embedded = re.search(r'id="design">(.*?)</script>', page, re.DOTALL)[1]
    assert hostile in [each["name"] for each in json.loads(embedded)["classes"]]


def test_factors_of_stimuli_are_kept_and_those_of_a_taken_name_said(tmp_path):
    stimuli = pictures(2, factors={"view": 30, "upright": True, "trial": 7})
    with pytest.warns(SynthesightWarning, match="factors trial are left out"):
        build_site(stimuli, tmp_path)
    design = design_of(tmp_path)
    assert design["factors"] == ["upright", "view"]
    assert design["stimuli"][0]["factors"] == {"view": "30", "upright": "True", "trial": "7"}


def test_images_that_cannot_be_read_are_left_out_and_named(tmp_path):
    broken = Stimulus("mine/cat/bad.png", b"nothing", "mine", category="cat")
    failures = build_site([*pictures(2), broken], tmp_path)
    assert len(failures) == 1
    assert "bad.png" in failures[0]
    assert len(design_of(tmp_path)["stimuli"]) == 4


def test_a_design_is_not_changed_under_trials(tmp_path):
    build_site(pictures(4), tmp_path, seed=1)
    (tmp_path / "data" / "mine").mkdir(parents=True)
    (tmp_path / "data" / "mine" / "mine_subject-a_session_1.csv").write_text("subj\n")
    build_site(pictures(4), tmp_path, seed=1)  # the same again is no change
    with pytest.raises(SynthesightError, match="other stimuli, times or classes"):
        build_site(pictures(4), tmp_path, seed=2)


def test_images_of_an_earlier_design_go(tmp_path):
    build_site(pictures(4), tmp_path)
    build_site(pictures(3), tmp_path)
    design = design_of(tmp_path)
    assert len(design["stimuli"]) == 6
    shown = {each["image"] for part in ("stimuli", "practice") for each in design[part]}
    assert {f"images/{path.name}" for path in (tmp_path / "images").iterdir()} == shown


@pytest.mark.parametrize("trials", [0, 9])
def test_more_trials_than_images_are_refused(tmp_path, trials):
    with pytest.raises(SynthesightError, match="give 1 to 8"):
        build_site(pictures(4), tmp_path, trials=trials)
