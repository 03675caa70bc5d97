"""Test the design of an experiment: settings, classes and their layout."""

from __future__ import annotations

import pytest

from synthesight.errors import SynthesightError
from synthesight.people.study import Study, classes_of, columns_of, read_study, template
from synthesight.stimuli.categories import SIXTEEN
from synthesight.stimuli.stimulus import Stimulus


def labelled(*categories: str | None, dataset: str = "d") -> list[Stimulus]:
    return [
        Stimulus(f"{number}.png", b"", dataset, category=category)
        for number, category in enumerate(categories)
    ]


def test_the_file_to_fill_in_is_the_published_procedure(tmp_path):
    (tmp_path / "study.toml").write_text(template(), encoding="utf-8")
    study = read_study(tmp_path / "study.toml")
    assert (study.timing, study.screen, study.design) == (
        Study().timing,
        Study().screen,
        Study().design,
    )
    assert (study.timing.image, study.timing.response, study.screen.degrees) == (200, 1500, 3)
    assert "{contact}" in study.consent


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[timing]\nimage = 0", "`image` must be more than 0 ms, not 0"),
        ("[timing]\nimage = nan", "`image` must be 0 to 60000 ms"),
        ("[timing]\nresponse = '1500'", "`timing.response` must be a number"),
        ("[timing]\nmaks = 1", "no setting `timing.maks`: did you mean mask"),
        ("[design]\nblock = 0", "`block` must be 1 or more"),
        ("[design]\nblock = 12.5", "`design.block` must be a whole number"),
        ("[design]\npractice = true", "`design.practice` must be a whole number"),
        ("[screen]\nbackground = 300", "`background` must be -1 to 255"),
        ("timing = 3", "`timing` must be a table"),
        ("consnet = ''", "no setting `consnet`: did you mean consent"),
        ("completion_url = 'javascript:alert(1)'", "address that begins with https://"),
        ("title = ", "is no TOML"),
    ],
)
def test_a_setting_that_cannot_be_is_named(tmp_path, text, reason):
    (tmp_path / "study.toml").write_text(text)
    with pytest.raises(SynthesightError) as refused:
        read_study(tmp_path / "study.toml")
    assert reason in str(refused.value)
    assert "study.toml" in str(refused.value)


def test_sixteen_classes_stand_as_published():
    classes = classes_of(labelled("cat", dataset="edge"))
    assert set(classes) == set(SIXTEEN)
    assert classes[:4] == ["knife", "bicycle", "bear", "truck"]
    assert columns_of(classes) == 4


def test_own_classes_are_those_of_the_stimuli_each_once():
    assert classes_of(labelled("zebra", "Car", "automobile", "cat")) == ["Car", "cat", "zebra"]


@pytest.mark.parametrize(
    ("categories", "reason"),
    [
        (["cat", None], "1.png has no category"),
        (["cat", "cat"], "1 categories"),
        ([f"c{number}" for number in range(41)], "41 categories"),
    ],
)
def test_what_gives_no_response_screen_is_refused(categories, reason):
    with pytest.raises(SynthesightError, match=reason):
        classes_of(labelled(*categories))


def test_any_number_of_classes_fits_on_the_keys():
    for count in range(2, 41):
        columns = columns_of(["x"] * count)
        assert columns <= 10
        assert count <= 4 * columns
