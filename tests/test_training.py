"""The training recipes: they learn, they resume exactly, and what they write can be opened."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file

import synthesight
from builders import day_and_night, encoded, picture
from synthesight.errors import SynthesightError
from synthesight.experiments import discriminative, generative, side_by_side, stage
from synthesight.experiments.checkpoint import Checkpoint
from synthesight.experiments.images import LabelledImages, on_plain_ground
from synthesight.experiments.text import PROMPT_TOKENS, prompts_of, train_tokenizer
from synthesight.experiments.weighting import Recording, fit_weighting, measure, proposal_of
from synthesight.likelihood.rules import Exhaustive

CPU = torch.device("cpu")
SMALL = generative.GenerativeOptions(
    steps=6, batch_size=8, width=32, depth=1, heads=1, warmup=2, save_every=3
)


@pytest.fixture(scope="module")
def parquet(tmp_path_factory):
    return day_and_night(tmp_path_factory.mktemp("data") / "train.parquet")


@pytest.fixture(scope="module")
def images(parquet) -> LabelledImages:
    return LabelledImages.from_parquet(parquet)


def test_batches_are_epochs_of_permutations(images):
    seen = torch.cat([images.batch(0, step, 8)[1] for step in range(5)])
    assert len(seen) == 40
    assert int(seen.sum()) == 20
    first, again = images.batch(0, 3, 8), images.batch(0, 3, 8)
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[0], images.batch(1, 3, 8)[0])
    assert first[0].min() >= -1
    assert first[0].max() <= 1


def test_a_generative_training_resumes_exactly(images, tmp_path):
    steps = []
    whole = generative.train(
        images, tmp_path / "whole", SMALL, device=CPU, report=lambda step, loss: steps.append(step)
    )
    assert steps == list(range(1, 7))

    def stop(step: int, loss: float) -> None:
        if step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generative.train(images, tmp_path / "parts", SMALL, device=CPU, report=stop)
    steps.clear()
    parts = generative.train(
        images, tmp_path / "parts", SMALL, device=CPU, report=lambda step, loss: steps.append(step)
    )
    assert steps == [4, 5, 6]  # from the checkpoint of step 3
    name = "transformer/diffusion_pytorch_model.safetensors"
    expected, found = load_file(whole / name), load_file(parts / name)
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value)
    with pytest.raises(SynthesightError, match="width"):
        generative.train(images, tmp_path / "parts", replace(SMALL, width=64), device=CPU)
    others = LabelledImages(255 - images.pixels, images.labels, images.names)
    with pytest.raises(SynthesightError, match=r"data = .* another `out`"):
        generative.train(others, tmp_path / "parts", SMALL, device=CPU)


def test_a_training_whose_loss_is_no_number_stops_and_keeps_its_checkpoint(
    images, tmp_path, monkeypatch
):
    folder = generative.train(images, tmp_path, replace(SMALL, steps=3), device=CPU)
    name = "transformer/diffusion_pytorch_model.safetensors"
    before = load_file(folder / name)
    saved = (tmp_path / "checkpoint.safetensors").read_bytes()
    forward = generative.TextToImage.forward
    monkeypatch.setattr(
        generative.TextToImage, "forward", lambda *given: forward(*given) * float("nan")
    )
    with pytest.raises(SynthesightError, match="step 6 is no finite number"):
        generative.train(images, tmp_path, SMALL, device=CPU)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == saved
    for key, value in load_file(folder / name).items():
        torch.testing.assert_close(before[key], value)


def test_a_trained_folder_opens_by_the_ordinary_path_and_has_learnt(images, tmp_path):
    options = replace(SMALL, steps=60, batch_size=16, ema=0.9, save_every=60)
    folder = generative.train(images, tmp_path, options, device=CPU)
    observer = synthesight.load(
        folder, classes=["day", "night"], device="cpu", rule=Exhaustive(16), weighting="uniform"
    )
    shown = [image.permute(1, 2, 0).numpy() for image in images.pixels[:10]]
    truth = [images.names[int(label)] for label in images.labels[:10]]
    assert np.mean(observer.predict(shown) == np.array(truth)) >= 0.9
    done = []
    right = measure(images, folder, device=CPU, count=12, report=done.append)
    assert right["own"] >= 0.8
    assert done[-1] == 12 * 21 * 2
    again = synthesight.load(folder, classes=["day", "night"], device="cpu")
    table = again.describe()["weighting"]
    assert len(table) == 21
    assert table[0] == 0
    assert min(table[1:]) > 0
    assert len(again.describe()["proposal"]) == 21
    assert np.mean(again.predict(shown) == np.array(truth)) >= 0.9
    other = synthesight.load(folder, classes=["day", "night"], device="cpu", weighting="elbo")
    assert other.describe()["proposal"] is None


def test_the_fitted_weighting_counts_the_times_that_tell_classes_apart():
    """Errors tell nothing but at two times, and twice as clearly, in nats, at the second."""
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=2000)
    errors = rng.normal(size=(2000, 8, 1, 3))
    right = np.eye(3)[labels]
    errors[:, 3, 0] -= 1.0 * right
    errors[:, 5, 0] -= 2.0 * right
    recording = Recording(np.arange(8), errors, labels)
    weight = fit_weighting(recording)
    assert weight[0] == 0
    # Normal errors of variance 1 that differ by m: log-likelihood ratio m a unit of error.
    assert weight[5] / 7 == pytest.approx(2.0, rel=0.15)
    assert weight[3] / 7 == pytest.approx(1.0, rel=0.2)
    assert np.delete(weight, [0, 3, 5]).max() / 7 < 0.35  # smooth, and so not 0 beside a peak
    assert recording.accuracy(weight) > recording.accuracy(np.ones(8))
    density = proposal_of(recording, weight)
    assert density.max() == 1
    assert density.argmax() == 5


def test_a_discriminative_training_resumes_exactly_and_learns(images, tmp_path):
    options = discriminative.DiscriminativeOptions(
        epochs=6, batch_size=10, widths=(8, 16), save_every=5, learning_rate=0.05
    )
    whole = discriminative.train(images, tmp_path / "whole", options, device=CPU)

    def stop(step: int, loss: float) -> None:
        if step == 13:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        discriminative.train(images, tmp_path / "parts", options, device=CPU, report=stop)
    parts = discriminative.train(images, tmp_path / "parts", options, device=CPU)
    expected, found = (load_file(folder / "model.safetensors") for folder in (whole, parts))
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value)
    observer = synthesight.load(whole, device="cpu")
    shown = [image.permute(1, 2, 0).numpy() for image in images.pixels]
    truth = np.array(images.names)[images.labels.numpy()]
    assert np.mean(observer.predict(shown) == truth) > 0.9


def test_shifts_move_and_do_not_mix(images):
    x = images.batch(0, 0, 8)[0]
    moved = discriminative.shifted(x, 2, np.random.default_rng(0))
    assert moved.shape == x.shape
    assert not torch.equal(moved, x)
    assert torch.equal(discriminative.shifted(x, 0, np.random.default_rng(0)), x)
    for image, source in zip(moved, x, strict=True):
        assert torch.isin(image, source).all()


def test_the_tokenizer_reads_any_text():
    prompts = prompts_of("automobile") + prompts_of("cat")
    assert "A bad photo of a car" in prompts
    tokenizer = train_tokenizer(prompts)
    ids = tokenizer("a photo of an Ωunheard-of thing")["input_ids"]
    assert len(ids) > 5
    assert (
        tokenizer.decode(
            tokenizer("a bad photo of a cat")["input_ids"], skip_special_tokens=True
        ).strip()
        == "a bad photo of a cat"
    )
    assert max(len(tokenizer(prompt)["input_ids"]) for prompt in prompts) <= PROMPT_TOKENS
    assert tokenizer("A CAT")["input_ids"] == tokenizer("a cat")["input_ids"]


def test_bad_training_data(tmp_path, parquet):
    with pytest.raises(SynthesightError, match="no such file"):
        LabelledImages.from_parquet(tmp_path / "no.parquet")
    pl.read_parquet(parquet).drop("label").write_parquet(tmp_path / "x.parquet")
    with pytest.raises(SynthesightError, match="'image' and 'label'"):
        LabelledImages.from_parquet(tmp_path / "x.parquet")


def broken(tmp_path, row):
    path = tmp_path / "train.parquet"
    pl.DataFrame(row).write_parquet(path)
    return path


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"image": b"hello", "label": "day"}, "image 1 .*is not an image"),
        ({"image": b"", "label": "day"}, "image 1 .*is empty"),
        ({"image": "a.png", "label": "day"}, "encoded bytes"),
        ({"image": b"hello", "label": 3}, "names"),
        ({"image": [b"hello", None], "label": ["day", "day"]}, "some rows lack"),
    ],
)
def test_training_images_that_cannot_be_used_are_named(tmp_path, row, words):
    path = broken(tmp_path, row)
    with pytest.raises(SynthesightError, match=words):
        LabelledImages.from_parquet(path)


def test_a_file_that_is_no_parquet_is_named(tmp_path):
    path = tmp_path / "train.parquet"
    path.write_text("hello")
    with pytest.raises(SynthesightError, match=r"train\.parquet cannot be read as Parquet"):
        LabelledImages.from_parquet(path)


@pytest.mark.parametrize(
    ("shape", "labels", "words"),
    [
        ((16, 12), ("a", "b"), "must be square, and these have 12 × 16 pixels"),
        ((16, 16), ("a", "a"), "all images have the label 'a'"),
    ],
)
def test_training_images_that_nothing_can_be_learnt_from(tmp_path, shape, labels, words):
    table = pl.DataFrame({"image": [encoded(picture(shape[::-1]))] * 2, "label": labels})
    table.write_parquet(tmp_path / "t.parquet")
    with pytest.raises(SynthesightError, match=words):
        LabelledImages.from_parquet(tmp_path / "t.parquet")


def test_images_that_cannot_be_cut_into_patches(images, tmp_path):
    cut = replace(images, pixels=images.pixels[:, :, :14, :14])
    with pytest.raises(SynthesightError, match="14 × 14 pixels cannot be cut into patches of 4"):
        generative.train(cut, tmp_path, SMALL, device=CPU)


def test_some_images_are_shown_smaller_on_a_plain_ground():
    images = torch.full((400, 3, 32, 32), 9.0)  # brighter than any ground
    shown = on_plain_ground(images, 0.5, np.random.default_rng(0))
    again = on_plain_ground(images, 0.5, np.random.default_rng(0))
    assert torch.equal(shown, again)
    inside = (shown > 2).all(dim=1)
    assert 150 < (~inside).flatten(1).any(dim=1).sum() < 250
    height, width = inside.any(dim=2).sum(dim=1), inside.any(dim=1).sum(dim=1)
    assert ((height >= 14) & (width >= 14)).all()
    assert ((height - width).abs() <= 1).all()
    assert torch.equal(inside.sum(dim=(1, 2)), height * width)  # one square, whole
    for one, within in zip(shown, inside, strict=True):
        assert len(one[:, ~within].unique(dim=1).T) <= 1  # one colour
        assert (one[:, ~within].abs() <= 1).all()
    assert torch.equal(on_plain_ground(images, 0.0, np.random.default_rng(0)), images)


def test_a_long_training_needs_no_compiler_and_no_whole_log(images, tmp_path, monkeypatch):
    def no_compiler(*_, **__):
        raise RuntimeError("no compiler")

    monkeypatch.setattr(torch, "compile", no_compiler)
    monkeypatch.setattr(generative, "COMPILE_STEPS", 1)
    (tmp_path / "log.jsonl").write_text('{"step": 3')
    assert (generative.train(images, tmp_path, SMALL, device=CPU) / "model_index.json").is_file()


def test_a_model_that_was_not_written_after_the_last_step_is_written(images, tmp_path):
    """A process may be killed between the last checkpoint and the model."""
    folder = generative.train(images, tmp_path, SMALL, device=CPU)
    name = folder / "transformer/diffusion_pytorch_model.safetensors"
    expected = load_file(name)
    shutil.rmtree(folder)
    again = generative.train(images, tmp_path, SMALL, device=CPU)
    assert again == folder
    found = load_file(name)
    assert all(torch.equal(found[key], value) for key, value in expected.items())


def test_fewer_images_than_a_batch_are_refused(images, tmp_path):
    options = discriminative.DiscriminativeOptions(epochs=1, batch_size=64)
    with pytest.raises(SynthesightError, match="40 training images"):
        discriminative.train(images, tmp_path, options, device=CPU)


def test_a_damaged_checkpoint_is_named(images, tmp_path):
    (tmp_path / "checkpoint.safetensors").write_bytes(b"half")
    with pytest.raises(SynthesightError, match=r"checkpoint.safetensors is damaged: delete it"):
        generative.train(images, tmp_path, SMALL, device=CPU)


@pytest.fixture
def kept(tmp_path) -> Callable[[], Checkpoint]:
    """The checkpoint of a training of a thousand seconds, opened anew."""

    def opened() -> Checkpoint:
        checkpoint = Checkpoint(
            tmp_path / "a.safetensors", tmp_path / "a.jsonl", {}, model=torch.nn.Linear(1, 1)
        )
        checkpoint.load()
        return checkpoint

    first = opened()
    first.seconds = 1000.0
    first.save(1, 0.5)
    return opened


def test_a_training_that_begins_anew_has_all_its_time(kept):
    """A damaged checkpoint is to be deleted; its log stays."""
    kept().path.unlink()
    assert kept().spent() < 1000


@pytest.mark.parametrize("left", ["", '{"step": 1, "lo', None])
def test_the_time_that_is_spent_is_known_whatever_became_of_the_log(kept, left):
    log = kept().log.path
    log.unlink()
    if left is not None:
        log.write_text(left)
    assert 1000 <= kept().spent() < 2000


def test_a_checkpoint_from_before_its_clock_goes_on(kept):
    path = kept().path
    tensors = load_file(path)
    del tensors["clock/seconds"]
    save_file(tensors, path, {"step": "7", "options": "{}"})
    again = kept()
    assert again.load() == 7
    assert again.spent() < 1000


def test_a_training_by_the_clock_ends_in_time_for_good(tmp_path):
    model, steps = torch.nn.Linear(4, 4), []

    def train() -> None:
        stage.run(
            tmp_path / "a.safetensors", tmp_path / "a.jsonl", model, [model.weight],
            lambda step: model(torch.ones(2, 4)).square().mean(), {},
            steps=10**9, rate=1e-3, device=CPU, seconds=0.1,
            report=lambda step, loss: steps.append(step),
        )  # fmt: skip

    train()
    last = steps[-1]
    train()
    assert steps[-1] == last


def test_what_runs_beside_a_training_that_fails_is_finished_first(tmp_path, monkeypatch):
    def share(number: int, images: object, shares: object, out: Path, device: object) -> None:
        if number == 0:
            (out / "failed").touch()
            raise SynthesightError("first: it has no images.")
        while not (out / "failed").exists():
            time.sleep(0.01)
        time.sleep(0.3)
        (out / "finished").touch()

    start = partial(torch.multiprocessing.start_processes, start_method="fork")  # in no time
    monkeypatch.setattr(torch.multiprocessing, "start_processes", start)
    monkeypatch.setattr(side_by_side, "_train_share", share)
    told = r"^A training has ended with an error, first: it has no images\. Those beside it"
    with (
        pytest.raises(SynthesightError, match=told),
        side_by_side.trained(None, {"first": None, "second": None}, tmp_path, CPU, 2),
    ):
        pass
    assert (tmp_path / "finished").exists()


@pytest.mark.stress
def test_trainings_beside_one_that_fails_are_finished_first(images, tmp_path):
    options = discriminative.DiscriminativeOptions(epochs=1, batch_size=20, widths=(4, 8))
    damaged = tmp_path / "second" / "checkpoint.safetensors"
    damaged.parent.mkdir()
    damaged.write_bytes(b"half")
    trainings = {"first": options, "second": options}
    with (
        pytest.raises(SynthesightError, match=r"second: .*second.checkpoint.* is damaged: delete"),
        side_by_side.trained(images, trainings, tmp_path, CPU, 2),
    ):
        pass
    assert (tmp_path / "first" / "model").is_dir()
    damaged.unlink()
    with side_by_side.trained(images, trainings, tmp_path, CPU):
        pass
    assert (tmp_path / "second" / "model").is_dir()
