"""Training networks of any library: recipes, images read as they are needed, and resuming."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import synthesight
from builders import day_and_night, done, noise, picture, refused, save_pictures
from synthesight.errors import SynthesightError
from synthesight.experiments import discriminative
from synthesight.experiments.discriminative import DiscriminativeOptions
from synthesight.experiments.images import LabelledImages
from synthesight.experiments.labelled import open_images
from synthesight.experiments.recipes import read_recipe, recipes
from synthesight.experiments.streamed import StreamedImages, random_crop
from synthesight.observers import ImageNetNetwork
from synthesight.observers.discriminative import trained
from synthesight.stimuli.synsets import synsets

CPU = torch.device("cpu")
TINY = {"hidden_sizes": [4, 8], "depths": [1, 1], "embedding_size": 4, "model_type": "resnet"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """ImageNet's layout: train/ with two synsets, of images of several sizes."""
    place = tmp_path_factory.mktemp("imagenet")
    rng = np.random.default_rng(0)
    for synset, level in (("n01440764", 60), ("n02123045", 160)):
        for number in range(6):
            path = place / "train" / synset / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            noise(rng, 20 + 4 * number, level, level + 60).save(path)
    return place


def shrink(monkeypatch):
    """Let ResNet-50 be as small as a test wants it, and its crops too."""
    monkeypatch.setattr(
        trained, "ResNet50", lambda classes: torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 3, stride=2), torch.nn.BatchNorm2d(4), torch.nn.ReLU(),
            torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(4, classes),
        )
    )  # fmt: skip


@pytest.mark.parametrize("name", recipes())
def test_the_imagenet_recipes_start_as_they_stand(name, folder, tmp_path, monkeypatch):
    """The command of a recipe's first lines, on a tiny folder, to its end."""
    shrink(monkeypatch)
    monkeypatch.chdir(tmp_path)
    said = done(
        "train", "discriminative", "--config", name, "--data", folder, "--device", "cpu",
        "--epochs", 1, "--batch-size", 4, "--workers", 0, "--resolution", 16,
        "--test", folder / "train",
    )  # fmt: skip
    model = tmp_path / "trained" / name / "model"
    assert f"The model is in {model.relative_to(tmp_path)}" in said
    assert re.search(r"as they are: \d+\.\d % of 12 images right", said)
    settings = json.loads((model / "config.json").read_text())
    assert settings["labels"] == ["n01440764", "n02123045"]
    noisy = "diffusion" in name
    assert (settings.get("augmentation") == "diffusion-noise") == noisy
    assert ("with diffusion-noise: " in said) == noisy
    recipe = DiscriminativeOptions.read(read_recipe(name))
    assert (recipe.epochs, recipe.augmentation) == (
        (300, "diffusion-noise") if noisy else (90, "none")
    )
    assert recipe.mean == ((0.0, 0.0, 0.0) if noisy else (0.485, 0.456, 0.406))
    assert recipe.crop
    assert recipe.resolution == 224


@pytest.mark.stress
def test_the_recipe_trains_a_resnet_50_in_two_processes(folder, tmp_path):
    """The true network and size: its first steps, on processors as on GPUs."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    recipe = ["--config", "resnet50-imagenet-diffusion-noise", "--epochs", "1", "--workers", "1"]
    command = ["-m", "synthesight", "train", "discriminative", "--data", str(folder), *recipe]
    command += ["--batch-size", "4", "--device", "cpu", "--out", str(tmp_path)]
    ended = subprocess.run(
        [*launcher, *command],
        env=os.environ | {"ACCELERATE_USE_CPU": "true"},
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("The model is in") == 1
    observer = synthesight.load(tmp_path / "model", device="cpu")
    assert sum(value.numel() for value in observer.network.parameters()) > 23e6


def test_a_network_of_imagenets_classes_answers_with_16_categories(tmp_path, monkeypatch):
    shrink(monkeypatch)
    labels = list(synsets())[:1000]
    settings = {"architecture": "ResNet50", "labels": labels, "resolution": 16}
    settings |= {"mean": [0.0] * 3, "std": [1.0] * 3}
    trained.write(trained.build(settings), settings, tmp_path / "net")
    observer = synthesight.load(tmp_path / "net", device="cpu")
    assert isinstance(observer, ImageNetNetwork)
    assert len(observer.predict([picture(16)])) == 1
    assert observer.pixels["std"] == [1.0] * 3


def test_a_network_of_transformers_is_written_and_opened(tmp_path):
    images = LabelledImages.from_parquet(day_and_night(tmp_path / "t.parquet"))
    options = DiscriminativeOptions(
        epochs=4, batch_size=20, architecture="transformers:resnet", learning_rate=0.05
    )
    settings = discriminative.settings_of(images, options) | {"config": TINY}
    network = trained.build(settings)
    trained.write(network, settings, tmp_path / "net")
    observer = synthesight.load(tmp_path / "net", device="cpu")
    shown = images.pixels[:4].permute(0, 2, 3, 1).numpy()
    with torch.no_grad():
        logits = network.eval()(torch.from_numpy(shown).permute(0, 3, 1, 2) / 127.5 - 1).logits
    expected = torch.softmax(logits.double(), dim=1)
    np.testing.assert_allclose(observer.predict_proba(list(shown)), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("architecture", "words"),
    [
        ("resnet", "choose SmallCNN, ResNet50, timm:NAME"),
        ("transformers:bert", "cannot be built"),
        ("timm:hf_hub:someone/net", "There is no"),
    ],
)
def test_architectures_that_there_are_not(architecture, words):
    settings = {"architecture": architecture, "labels": ["a", "b"], "resolution": 16}
    with pytest.raises(SynthesightError, match=words):
        trained.build(settings)


def test_networks_without_published_weights_have_none_to_start_from():
    settings = {"architecture": "ResNet50", "labels": ["a", "b"], "resolution": 16}
    with pytest.raises(SynthesightError, match="leave out `pretrained`"):
        trained.build(settings, pretrained=True)


def test_streamed_images_are_epochs_whoever_reads_them(folder):
    images = open_images(folder, resolution=16, crop=True)
    assert isinstance(images, StreamedImages)
    assert images.names == ["n01440764", "n02123045"]
    whole = list(images.batches(0, range(3), 4))
    assert sum(len(labels) for _, labels in whole) == 12
    assert sum(int(labels.sum()) for _, labels in whole) == 6
    assert all(x.shape == (4, 3, 16, 16) and -1 <= x.min() < x.max() <= 1 for x, _ in whole)
    later = next(images.batches(0, range(2, 3), 4))
    assert torch.equal(later[0], whole[2][0])
    shares = [next(images.batches(0, range(3), 4, rank, 2)) for rank in range(2)]
    assert torch.equal(torch.stack([x for x, _ in shares], 1).flatten(0, 1), whole[0][0])


def test_an_image_that_cannot_be_read_is_named(folder, tmp_path):
    save_pictures(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "a/2.png").write_bytes(b"\x89PNG\r\n\x1a\nhalf")
    images = open_images(tmp_path, resolution=16, crop=True)
    with pytest.raises(SynthesightError, match=r"2\.png.* Take it out"):
        list(images.batches(0, range(1), 3))
    with pytest.raises(SynthesightError, match=r"2\.png.* Take it out"):
        open_images(tmp_path, resolution=16, progress=False)


def test_random_crops_cover_their_areas():
    """The sides of a crop are told by an image whose colours are its places."""
    y, x = np.mgrid[0:256, 0:256].astype(np.uint8)
    image = Image.fromarray(np.stack([x, y, x], axis=-1))
    areas = []
    for seed in range(300):
        seen = np.asarray(random_crop(image, 32, np.random.default_rng(seed))).astype(float)
        width = (seen[:, -1, 0] - seen[:, 0, 0]).mean() * 32 / 31
        height = (seen[-1, :, 1] - seen[0, :, 1]).mean() * 32 / 31
        areas.append(width * height / 256**2)
        assert 0.65 < width / height < 1.55
    assert 0.06 < min(areas) < 0.12
    assert max(areas) > 0.85
    narrow = random_crop(Image.new("RGB", (4, 400)), 8, np.random.default_rng(0))
    assert narrow.size == (8, 8)


def test_a_training_that_is_interrupted_goes_on_from_its_very_step(tmp_path):
    images = LabelledImages.from_parquet(day_and_night(tmp_path / "t.parquet"))
    options = DiscriminativeOptions(
        epochs=2, batch_size=10, widths=(4,), augmentation="diffusion-noise", schedule="cosine"
    )
    whole = discriminative.train(images, tmp_path / "whole", options, device=CPU)

    def stop(step: int, loss: float) -> None:
        if step == 5:
            raise KeyboardInterrupt

    steps: list[int] = []

    def note(step: int, loss: float) -> None:
        steps.append(step)

    with pytest.raises(KeyboardInterrupt):
        discriminative.train(images, tmp_path / "parts", options, device=CPU, report=stop)
    parts = discriminative.train(images, tmp_path / "parts", options, device=CPU, report=note)
    assert steps == [6, 7, 8]
    expected, found = (load_file(folder / "model.safetensors") for folder in (whole, parts))
    assert all(torch.equal(found[key], value) for key, value in expected.items())
    plain = replace(options, augmentation="none")
    with pytest.raises(SynthesightError, match="augmentation = 'diffusion-noise', not 'none'"):
        discriminative.train(images, tmp_path / "parts", plain, device=CPU)


def test_rates_of_the_schedules():
    cosine = DiscriminativeOptions(schedule="cosine", warmup=0.2)
    assert cosine.rate(0.1) == pytest.approx(0.5)
    assert cosine.rate(0.6) == pytest.approx(0.5)
    assert cosine.rate(1.0) == pytest.approx(0)
    step = DiscriminativeOptions(schedule="step", warmup=0.05, epochs=90)
    assert [step.rate(done) for done in (0.3, 0.5, 0.9)] == pytest.approx([1, 0.1, 0.01])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--epochs", 0], "--epochs and --batch-size must be 1 or more"),
        (["--schedule", "exponential"], "choose linear or cosine or step"),
        (["--augmentation", "noise"], "There is no augmentation"),
        (["--config", "resnet"], "There is no recipe 'resnet'"),
        (["--crop"], "--resolution"),
    ],
)
def test_trainings_that_cannot_be(given, words, folder, tmp_path):
    command = ["train", "discriminative", "--data", folder, "--out", tmp_path, "--device", "cpu"]
    assert words in refused(*command, *given)


def test_recipes_of_the_users(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('epochs = 3\nmean = [0, 0, 0]\naugmentation = "blur:2"\n')
    options = DiscriminativeOptions.read(read_recipe(str(path)))
    assert (options.epochs, options.augmentation, options.mean) == (3, "blur:2", (0, 0, 0))
    for text, words in (("epoch = 3", "no option 'epoch'"), ('epochs = "3"', "type int")):
        path.write_text(text)
        with pytest.raises(SynthesightError, match=words):
            DiscriminativeOptions.read(read_recipe(str(path)))


def test_labels_are_needed(tmp_path):
    save_pictures(tmp_path, "1.png", "2.png")
    with pytest.raises(SynthesightError, match="have no label"):
        open_images(tmp_path, resolution=8)
