"""What trainings do to images: moments in closed form, seeds, and noise at test."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

import synthesight
from builders import done, noise, noise_stimuli, refused
from synthesight.errors import SynthesightError
from synthesight.observers.discriminative.noise import (
    Blur,
    DiffusionNoise,
    GaussianNoise,
    WithNoise,
    name_of,
    read_augmentation,
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(st.floats(0, 1), st.integers(0, 2**31))
def test_diffusion_noise_has_the_moments_of_its_definition(value, seed):
    """E x' = x E√α = 2x/3; E x'² = x² E α + E(1 − α) = (x² + 1)/2 for α ~ U(0, 1)."""
    images = torch.full((4000, 1, 2, 2), value)
    noisy = DiffusionNoise()(images, seeded(seed)).double()
    # α is one for each image, so images and not values are independent.
    first, second = noisy.mean(dim=(1, 2, 3)), noisy.square().mean(dim=(1, 2, 3))
    for found, expected in ((first, 2 * value / 3), (second, (value**2 + 1) / 2)):
        assert abs(found.mean() - expected) < 6 * found.std() / 4000**0.5


def test_diffusion_noise_mixes_each_image_by_one_share():
    """At x = 1000 the noise is nothing beside √α x: all values of an image say the same α."""
    alpha = (DiffusionNoise()(torch.full((2000, 3, 4, 4), 1e6), seeded()) / 1e6).square()
    assert (alpha.flatten(1).std(dim=1) < 1e-4).all()
    share = alpha.mean(dim=(1, 2, 3)).sort().values
    uniform = torch.arange(2000) / 2000
    assert (share - uniform).abs().max() < 1.95 / 2000**0.5  # Kolmogorov and Smirnov's, p = .001


def test_gaussian_noise_has_one_standard_deviation():
    change = GaussianNoise(0.3)(torch.full((100, 3, 32, 32), 0.5), seeded()) - 0.5
    assert change.mean().abs() < 0.003
    assert change.std() == pytest.approx(0.3, rel=0.01)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.5])
def test_blur_is_that_of_scipy(sigma):
    image = torch.rand(2, 3, 16, 16, generator=seeded())
    expected = gaussian_filter(image, (0, 0, sigma, sigma), mode="mirror")
    np.testing.assert_allclose(Blur(sigma)(image), expected, atol=2e-6)


def test_blur_of_small_images():
    assert Blur(5)(torch.ones(1, 3, 4, 4)).allclose(torch.ones(1, 3, 4, 4))


@pytest.mark.parametrize("text", ["diffusion-noise", "gaussian-noise:0.25", "blur:2", "none"])
def test_augmentations_have_names(text):
    assert name_of(read_augmentation(text)) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("difusion-noise", "did you mean diffusion-noise"),
        ("blur:0", "standard deviation above 0"),
        ("blur:wide", "standard deviation above 0"),
        ("diffusion-noise:1", "takes no number"),
    ],
)
def test_augmentations_that_there_are_not(text, words):
    with pytest.raises(SynthesightError, match=words):
        read_augmentation(text)


def test_seeds_make_the_noise():
    images = torch.rand(3, 3, 8, 8, generator=seeded())
    for change in (DiffusionNoise(), GaussianNoise()):
        assert torch.equal(change(images, seeded(1)), change(images, seeded(1)))
        assert not torch.equal(change(images, seeded(1)), change(images, seeded(2)))


def test_noise_at_test_depends_on_the_image_and_the_seed_alone():
    network = synthesight.load("natural-32-cnn", device="cpu")
    stimuli = noise_stimuli(np.random.default_rng(0), 6, size=32)
    noisy = WithNoise(network, DiffusionNoise())
    assert noisy.name == "natural-32-cnn+diffusion-noise"
    assert noisy.describe()["noise"] == "diffusion-noise"

    def evidence(observer, shown):
        return {r.stimulus.id: r.evidence for r in observer.respond(shown)}

    together, alone = evidence(noisy, stimuli), evidence(noisy, stimuli[3:4])
    np.testing.assert_allclose(alone["s3.png"], together["s3.png"], atol=1e-4)
    for other in (network, WithNoise(network, DiffusionNoise(), seed=1)):
        assert not np.allclose(evidence(other, stimuli)["s3.png"], together["s3.png"], atol=1e-2)


def test_the_command_line_shows_networks_noise(tmp_path):
    noisy_image = tmp_path / "a.png"
    noise(np.random.default_rng(0)).save(noisy_image)
    shown = [noisy_image, "--model", "natural-32-cnn", "--device", "cpu", "--json"]
    plain = json.loads(done("classify", *shown))
    noisy = json.loads(done("classify", *shown, "--test-noise", "gaussian-noise:0.5"))
    assert plain["evidence"] != noisy["evidence"]
    assert "did you mean blur" in refused("classify", *shown, "--test-noise", "blurr")
