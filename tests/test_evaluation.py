"""Show stimuli to an observer: what its trials say, so that they can be compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from builders import picture, save_pictures
from synthesight.errors import SynthesightError, SynthesightWarning
from synthesight.evaluation import answerable, evaluate
from synthesight.observers.observer import Observer
from synthesight.observers.response import Response
from synthesight.stimuli.find import find_stimuli
from synthesight.stimuli.images import UnreadableImage
from synthesight.stimuli.stimulus import Stimulus
from synthesight.trials.store import Run
from tiny_models import pixel_flow


class First(Observer):
    """Calls everything by the first class."""

    name, kind, classes = "first", "generative", None

    def __init__(self) -> None:
        self.shown: list[str] = []

    def respond(
        self, stimuli: Iterable[Stimulus], classes: Sequence[str] | None = None
    ) -> Iterator[Response]:
        chosen = self.choose(classes)
        zeros = np.zeros(len(chosen))
        for stimulus in stimuli:
            self.shown.append(stimulus.id)
            error = None
            try:
                stimulus.open()
            except UnreadableImage as unreadable:
                error = str(unreadable)
            answer = None if error else chosen[0]
            draws = np.ones(len(chosen), dtype=np.int64)
            yield Response(stimulus, answer, zeros, zeros, zeros, draws, 1, "decided", error)

    def describe(self) -> dict[str, Any]:
        return {"model": self.name}


@pytest.fixture
def folder(tmp_path):
    names = ("car/car1-cat2.png", "car/video3-frame12.png", "cat/cat1-car1.png")
    save_pictures(tmp_path / "edge", *names)
    return tmp_path / "edge"


def test_synonyms_among_the_classes_leave_the_stimuli_their_names(folder, tmp_path):
    stimuli = find_stimuli(folder)
    trials = evaluate(First(), stimuli, tmp_path / "run", classes=["automobile", "ship", "cat"])
    table = trials.trials().sort("image")
    assert table["image"].to_list() == ["car1-cat2.png", "cat1-car1.png", "video3-frame12.png"]
    assert table["category"].to_list() == ["car", "cat", "car"]
    assert table["texture"].to_list() == ["cat", "car", None]
    assert table["response"].to_list() == ["car", "car", "car"]
    # No boat is shown, and yet a published dataset has but one name for it.
    other = evaluate(First(), stimuli, tmp_path / "ship", classes=["ship", "car", "cat"])
    assert set(other.trials()["response"]) == {"boat"}


def test_a_name_that_only_looks_like_two_cues_is_shown(folder):
    shown = answerable(find_stimuli(folder), ["automobile", "cat"])
    assert len(shown) == 3


def test_categories_that_differ_in_case_are_kept_apart(tmp_path):
    save_pictures(tmp_path / "letters", "A/1.png", "a/2.png")
    trials = evaluate(First(), find_stimuli(tmp_path / "letters"), tmp_path / "run").trials()
    assert trials["category"].to_list() == ["A", "a"]
    assert trials["response"].to_list() == ["A", "A"]


def test_an_image_that_was_mended_is_shown_again(folder, tmp_path):
    good = (folder / "cat/cat1-car1.png").read_bytes()
    (folder / "cat/cat1-car1.png").write_bytes(good[:20])
    for _ in range(2):
        run = evaluate(First(), find_stimuli(folder), tmp_path / "run")
        assert run.trials()["error"].null_count() == 2
    (folder / "cat/cat1-car1.png").write_bytes(good)
    observer = First()
    run = evaluate(observer, folder, tmp_path / "run")
    assert observer.shown == ["edge/cat/cat1-car1.png"]
    assert run.trials()["error"].null_count() == len(run.trials()) == 3


def test_a_run_says_what_computed_it_and_goes_on_elsewhere(folder, tmp_path, monkeypatch):
    stimuli = find_stimuli(folder)
    observer = First()
    assert evaluate(observer, stimuli, tmp_path / "plain").manifest["device"] is None
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"card {device.index}")
    observer.device = torch.device("cuda", 1)
    run = evaluate(observer, stimuli, tmp_path / "run", shard="1/2")
    assert run.manifest["device"] == "card 1"
    observer.device = torch.device("cpu")
    assert len(evaluate(observer, stimuli, tmp_path / "run").trials()) == 3


def test_a_run_of_another_dataset_is_refused_by_the_datasets_name(folder, tmp_path):
    evaluate(First(), find_stimuli(folder), tmp_path / "run")
    folder.rename(tmp_path / "drawn")
    with pytest.raises(
        SynthesightError, match=r"a run of other stimuli: 3 of its 3 \(such as edge/car"
    ):
        evaluate(First(), find_stimuli(tmp_path / "drawn"), tmp_path / "run")


def test_a_run_records_its_pipeline_and_goes_on_with_it_elsewhere(tmp_path):
    model = pixel_flow(tmp_path / "here" / "tiny")
    images = tmp_path / "photos"
    save_pictures(images, "cat/1.png", "dog/1.png")
    quick = {"max_draws": 2, "device": "cpu", "batch_size": 4}
    run = evaluate(model, images, tmp_path / "run", resolution="8x16", **quick)
    observer = run.manifest["observer"]
    assert observer["resolution"] == [8, 16]
    assert observer["pipeline"]["pipeline"] == "PixArtSigmaPipeline"
    assert observer["pipeline"]["source"]["model"] == str(model)
    moved = model.rename(tmp_path / "tiny")
    again = evaluate(moved, images, tmp_path / "run", resolution=(8, 16), **quick)
    assert again.manifest == run.manifest
    with pytest.raises(SynthesightError, match=r"observer\.resolution = \[8, 16\], not 8"):
        evaluate(moved, images, tmp_path / "run", **quick)


def test_trials_keep_the_factors_of_their_stimuli(tmp_path, monkeypatch):
    rows: list[dict[str, Any]] = []
    monkeypatch.setattr(Run, "append", lambda run, more: rows.extend(more))
    factors = [{"viewpoint": 30, "light": "dim"}, {"viewpoint": np.float32(0.5)}, {"seed": 3}]
    shown = [
        Stimulus(f"{n}.png", picture(), category=["cat", "dog"][n % 2], factors=one)
        for n, one in enumerate(factors)
    ]
    with pytest.warns(SynthesightWarning, match="factors seed are left out"):
        evaluate(First(), shown, tmp_path / "run", progress=False)
    assert [row["viewpoint"] for row in rows] == [30.0, 0.5, None]
    assert [row["light"] for row in rows] == ["dim", None, None]
    assert [row["seed"] for row in rows] == [0, 0, 0]
    odd = replace(shown[0], factors={"light": ["dim"]})
    with pytest.raises(SynthesightError, match=r"'light' of 0\.png is \['dim'\]: give text"):
        evaluate(First(), [odd, shown[1]], tmp_path / "odd", progress=False)


def test_a_run_grows_by_stimuli_and_by_a_higher_limit(folder, tmp_path):
    stimuli = find_stimuli(folder)
    out, classes = tmp_path / "run", ["car", "cat"]
    assert len(evaluate(First(), stimuli, out, limit=1, classes=classes)) == 1
    assert len(evaluate(First(), stimuli, out, limit=2, classes=classes)) == 2
    grown = evaluate(First(), stimuli, out, classes=classes)
    assert len(grown) == 3
    assert sorted(grown.stimuli()["stimulus"]) == sorted(s.id for s in stimuli)
    # Some of them: they have their trials.
    fewer = First()
    assert len(evaluate(fewer, stimuli[:1], out, classes=classes)) == 3
    assert fewer.shown == []
    save_pictures(tmp_path / "more", "cat/9.png")
    both = evaluate(First(), [folder, tmp_path / "more"], out, classes=classes)
    assert both.datasets() == ["edge", "more"]
    assert len(both.trials()) == 4
    save_pictures(tmp_path / "other", "cat/9.png")
    with pytest.raises(SynthesightError, match=r"4 of its 4 \(such as edge/.*so that it grows"):
        evaluate(First(), tmp_path / "other", out, classes=classes)


def test_a_run_that_grows_keeps_its_choice(tmp_path):
    save_pictures(tmp_path / "pets", "cat/1.png", "dog/1.png")
    run = evaluate(First(), tmp_path / "pets", tmp_path / "run")
    assert run.manifest["classes"] == ["cat", "dog"]
    # The same classes in another order of appearance are the same choice.
    save_pictures(tmp_path / "cars", "dog/0.png", "cat/9.png")
    grown = evaluate(First(), [tmp_path / "cars", tmp_path / "pets"], tmp_path / "run")
    assert set(grown.trials()["response"]) == {"cat"}
    save_pictures(tmp_path / "pets", "bird/1.png")
    with pytest.raises(SynthesightError, match="that chose among cat, dog, not bird, cat, dog"):
        evaluate(First(), [tmp_path / "pets", tmp_path / "cars"], tmp_path / "run")


def test_images_that_were_replaced_under_their_names_do_not_mix(folder, tmp_path):
    run = evaluate(First(), folder, tmp_path / "run")
    assert run.trials()["digest"].str.len_chars().to_list() == [32] * 3
    evaluate(First(), folder, tmp_path / "run")
    picture(colour="red").save(folder / "cat/cat1-car1.png")
    with pytest.raises(SynthesightError, match=r"edge/cat/cat1-car1.png is another image than"):
        evaluate(First(), folder, tmp_path / "run")
    (folder / "cat/cat1-car1.png").unlink()
    assert len(evaluate(First(), folder, tmp_path / "run", classes=["car", "cat"])) == 3
