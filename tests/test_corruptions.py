"""ImageNet-C's corruptions, by a package that is kept."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from PIL import Image

from builders import done, refused, save_pictures
from synthesight.errors import SynthesightError
from synthesight.stimuli.find import find_stimuli
from synthesight.stimuli.make import CORRUPTIONS, MANIPULATIONS, manipulate

QUICK = ["imagenet-c:gaussian-noise", "imagenet-c:contrast", "imagenet-c:jpeg-compression",
         "imagenet-c:impulse-noise", "imagenet-c:pixelate", "imagenet-c:frost"]  # fmt: skip


@pytest.fixture(scope="module")
def corrupt():
    return pytest.importorskip(
        "imagecorruptions", reason="needs the extra corruptions: pip install -e '.[corruptions]'"
    ).corrupt


@pytest.fixture
def image():
    grid = np.linspace(0, 255, 224)
    channels = [grid[:, None] + 0 * grid, 0 * grid[:, None] + grid, np.full((224, 224), 90.0)]
    return np.stack(channels, axis=2).astype(np.uint8)


def test_there_are_nineteen_beside_the_published_twelve(corrupt):
    from imagecorruptions import get_corruption_names

    theirs = {f"imagenet-c:{name.replace('_', '-')}" for name in get_corruption_names("all")}
    assert set(CORRUPTIONS) == theirs
    assert len(CORRUPTIONS) == 19
    assert len(MANIPULATIONS) == 12


def test_fixed_ones_are_the_formulas_of_the_paper(corrupt, image):
    """Contrast scales about the mean of each channel, by 0.4, .3, .2, .1 and .05."""
    pixels = image / 255
    mean = pixels.mean(axis=(0, 1), keepdims=True)
    for severity, c in zip("12345", (0.4, 0.3, 0.2, 0.1, 0.05), strict=True):
        ours = manipulate(image, "imagenet-c:contrast", severity)
        expected = np.clip((pixels - mean) * c + mean, 0, 1) * 255
        assert np.abs(ours - expected).max() <= 1
    noise = manipulate(image, "imagenet-c:gaussian-noise", "3", rng=np.random.default_rng(0))
    middle = (slice(90, 130), slice(90, 130))
    spread = (noise[middle].astype(float) - image[middle])[..., 2].std() / 255
    assert spread == pytest.approx(0.18, rel=0.1)


@pytest.mark.parametrize("name", QUICK)
def test_randomness_is_that_of_the_generator_alone(corrupt, name, image):
    np.random.seed(7)  # noqa: NPY002
    state = hashlib.sha256(np.random.get_state()[1].tobytes()).hexdigest()  # noqa: NPY002
    first = manipulate(image, name, "2", rng=np.random.default_rng(1))
    after = hashlib.sha256(np.random.get_state()[1].tobytes()).hexdigest()  # noqa: NPY002
    again = manipulate(image, name, "2", rng=np.random.default_rng(1))
    assert state == after
    assert first.shape == image.shape
    assert (first == again).all()
    assert (first != image).any()
    harder = manipulate(image, name, "5", rng=np.random.default_rng(1))
    error = [np.square(x.astype(float) - image).mean() for x in (first, harder)]
    assert error[0] < error[1]


def test_a_dataset_of_all_severities(corrupt, tmp_path):
    save_pictures(tmp_path, "photos/cat/1.png", "photos/dog/2.png", size=64, colour="olive")
    done("data", "make", "--from", tmp_path / "photos", "--manipulation", "imagenet-c:pixelate",
         "--out", tmp_path / "pixelate")  # fmt: skip
    found = find_stimuli(tmp_path / "pixelate")
    assert sorted({stimulus.condition for stimulus in found}) == list("12345")
    assert len(found) == 10


def test_mistakes(image, tmp_path, monkeypatch):
    save_pictures(tmp_path, "photos/cat/1.png", "photos/dog/2.png")
    made = ("data", "make", "--from", tmp_path / "photos", "--out", tmp_path / "out")
    assert "or, of ImageNet-C, imagenet-c:gaussian-noise" in refused(
        *made, "--manipulation", "imagenet-c:fg"
    )
    message = refused(*made, "--manipulation", "imagenet-c:fog", "--level", "6")
    assert "6" in message
    monkeypatch.setitem(__import__("sys").modules, "imagecorruptions", None)
    with pytest.raises(SynthesightError, match=r"pip install 'synthesight\[corruptions\]'"):
        manipulate(image, "imagenet-c:fog", "1")


def test_small_images_are_told(corrupt):
    with pytest.raises(SynthesightError, match="32 pixels a side"):
        manipulate(np.asarray(Image.new("RGB", (16, 16))), "imagenet-c:fog", "1")


@pytest.mark.stress
@pytest.mark.parametrize("name", sorted(CORRUPTIONS))
def test_every_corruption_works(corrupt, name, image):
    made = [manipulate(image, name, severity) for severity in "12345"]
    assert all(each.shape == image.shape and (each != image).any() for each in made)
