"""Published file names, and how datasets spell categories: a run and its export agree."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthesight.analysis import accuracy, shape_bias
from synthesight.evaluation import evaluate
from synthesight.observers.observer import Observer
from synthesight.observers.response import Response
from synthesight.stimuli.names import Shown, Spelling, cues_of, image_of, is_shown, trials_file
from synthesight.stimuli.stimulus import Stimulus
from synthesight.trials.exchange import read_csv, write_csv

WORD = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=8)
COMPARED = ["dataset", "condition", "session", "image", "category", "texture", "response"]


class Says(Observer):
    """Answers each image as it is told to, without opening it."""

    name, kind, classes = "says", "generative", None

    def __init__(self, answers):
        self.answers = answers

    def respond(self, stimuli, classes=None):
        import numpy as np

        zeros = np.zeros(len(classes))
        draws = np.ones(len(classes), dtype=np.int64)
        for stimulus in stimuli:
            answer = self.answers[stimulus.id]
            yield Response(stimulus, answer, zeros, zeros, zeros, draws, 1, "decided", None)

    def describe(self):
        return {"model": self.name}


@pytest.mark.parametrize(
    ("dataset", "shown", "classes", "textures"),
    [
        # Only looks like two cues.
        ("clips", {"cat/video3-frame12.png": "dog", "dog/video4-frame1.png": "cat"}, "cat dog",
         [None, None]),
        ("clips", {"cat/cat3-frame12.png": "dog", "dog/dog4-frame1.png": "cat"}, "cat dog",
         [None, None]),
        ("clips", {"video/video3-frame12.png": "dog", "dog/video4-dog1.png": "video"}, "video dog",
         [None, None]),
        # Cue conflict, of the 16 and of other categories, under synonyms and in capitals.
        ("conflict", {"cat/cat3-dog12.png": "dog", "dog/dog4-cat1.png": "dog"}, "cat dog",
         ["dog", "cat"]),
        ("conflict", {"yak/yak3-gnu12.png": "gnu", "yak/yak4-gnu1.png": "yak"}, "yak gnu",
         ["gnu", "gnu"]),
        ("conflict", {"car/car1-ship2.png": "boat", "boat/boat1-car2.png": "automobile"},
         "boat automobile", ["boat", "car"]),
        ("Conflict", {"Cat/Cat1-dog2.png": "dog", "Dog/dog1-cat2.png": "cat"}, "cat dog",
         ["Dog", "Cat"]),
        ("my data (2)", {"cat/1.png": "dog", "dog/2.png": "dog"}, "cat dog", [None, None]),
        ("edge", {"automobile/car1-cat2.png": "automobile", "cat/cat1-ship2.png": "ship"},
         "automobile ship cat", ["cat", "boat"]),
    ],
)  # fmt: skip
def test_a_run_and_its_export_agree(tmp_path, dataset, shown, classes, textures):
    stimuli = [
        Stimulus(f"{dataset}/{place}", b"", dataset, category=place.split("/")[0])
        for place in shown
    ]
    observer = Says({s.id: answer for s, answer in zip(stimuli, shown.values(), strict=True)})
    run = evaluate(observer, stimuli, tmp_path / "run", classes=classes.split())
    trials = run.trials().sort("image")
    write_csv(trials, tmp_path / "out")
    again = read_csv(tmp_path / "out").sort("image")
    assert again.select(COMPARED).equals(trials.select(COMPARED))
    order = sorted(place.split("/")[1] for place in shown)
    assert trials["image"].to_list() == order
    expected = dict(zip((place.split("/")[1] for place in shown), textures, strict=True))
    assert trials["texture"].to_list() == [expected[image] for image in order]
    for measure in (accuracy, shape_bias):
        by = ["observer"]
        assert measure(again, by=by, resamples=0).equals(measure(trials, by=by, resamples=0))


@pytest.mark.parametrize("response", ["Cat", " cat", "CAT", "kitten"])
@pytest.mark.parametrize("dataset", ["edge", "mine"])
def test_a_capital_letter_is_no_error(tmp_path, response, dataset):
    path = tmp_path / f"{dataset}_m_session_1.csv"
    path.write_text(
        "subj,session,trial,rt,object_response,category,condition,imagename\n"
        f"m,1,1,,{response},cat,0,cat1.png\nm,1,2,,dog,dog,0,dog1.png\n"
    )
    trials = read_csv(path)
    assert trials["response"].to_list() == ["cat", "dog"]
    assert accuracy(trials, resamples=0)["estimate"].to_list() == [1.0]


def test_categories_of_a_named_dataset_have_its_spelling(tmp_path):
    path = tmp_path / "edge_m_session_1.csv"
    path.write_text(
        "subj,session,trial,rt,object_response,category,condition,imagename\n"
        "m,1,1,,airplane,Aeroplane,0,airplane1.png\n"
    )
    assert read_csv(path)["category"].to_list() == ["airplane"]
    assert read_csv(path, categories=["Aeroplane"])["response"].to_list() == ["Aeroplane"]


@given(st.lists(WORD, min_size=1, max_size=5), WORD)
def test_an_image_is_paired_by_its_name_without_what_an_experiment_put_before_it(before, last):
    for image in ("_".join([*before, f"{last}.png"]), f"n01234567_{last}.png"):
        assert image_of(image) == image
        published = Shown(7, "cop", "s01", "c10", "cat", 0, f"n01234567_{last}.png")
        assert image_of(str(published)) == f"n01234567_{last}.png"


def test_names_of_two_photographs_that_end_alike_stay_apart():
    assert image_of("tabby_A_1.jpg") != image_of("siamese_A_1.jpg")
    assert image_of("ka\u0308tzchen.png") == image_of("k\u00e4tzchen.png")


@given(WORD, WORD, st.integers(0, 99), st.integers(0, 99))
def test_a_name_tells_both_cues(shape, texture, i, j):
    assert cues_of(f"{shape}{i}-{texture}{j}.png") == (shape, texture)
    assert cues_of(f"0001_s5n_dnn_0_{shape}_00_{shape}{i}-{texture}{j}.png") == (shape, texture)
    assert cues_of(f"{shape}{i}.png") is None


def test_a_name_of_another_shape_tells_no_texture():
    images = [("d", "cat7-clock3.png", "cat"), ("d", "automobile7-clock3.png", "car")]
    other = [("d", "video3-frame12.png", "cat"), ("d", "cat7-clock3.png", None)]
    spelling = Spelling([*images, *other])
    assert [spelling.texture(*image) for image in images] == ["clock", "clock"]
    assert [spelling.texture(*image) for image in other] == [None, None]


PART = st.text("ab-c1.", min_size=1)


@given(st.builds(Shown, st.integers(0, 99999), PART, PART, PART, PART, st.integers(0, 99), PART))
def test_names_of_shown_images_are_read_as_they_are_written(name):
    assert Shown.read(str(name)) == name
    assert pl.select(is_shown(pl.lit(f"set/cat/{name}"))).item()


def test_other_names_are_not_of_shown_images():
    for name in ("cat1.png", "0001_s5n_x.png", "x_cop_dnn_c10_bear_10_n02132136_5083.png"):
        assert Shown.read(name) is None
        assert not pl.select(is_shown(pl.lit(name))).item()


def test_a_file_of_trials_stays_below_its_folder():
    assert trials_file("..", "../a", 1) == "-/-_-a_session_1.csv"
