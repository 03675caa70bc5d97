"""The parametric manipulations: what defines each, and datasets made with them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter

from builders import command, picture, refused, save_pictures
from synthesight.errors import SynthesightError
from synthesight.stimuli.datasets import datasets
from synthesight.stimuli.find import find_stimuli
from synthesight.stimuli.make.eidolon import scale_layers
from synthesight.stimuli.make.manipulations import (
    LUMA,
    MANIPULATIONS,
    MEAN_GREY,
    manipulate,
    mean_amplitude,
    random_of,
)
from synthesight.stimuli.make.published import make_dataset
from synthesight.stimuli.stimulus import Stimulus


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    """Smooth coloured blobs of moderate contrast, so that nothing is clipped."""
    rng = np.random.default_rng(3)
    noise = gaussian_filter(rng.standard_normal((64, 64, 3)), (3, 3, 0))
    return np.clip(128 + 220 * noise / np.abs(noise).max() * 0.35, 0, 255).astype(np.uint8)


def grey(image: np.ndarray) -> np.ndarray:
    return image.astype(np.float64) / 255 @ LUMA


def power(image: np.ndarray) -> np.ndarray:
    return np.abs(np.fft.fft2(grey(image) - grey(image).mean()))


def test_every_published_condition_is_made(photograph):
    amplitude = mean_amplitude([photograph])
    for name in MANIPULATIONS:
        for condition in datasets()[name].conditions:
            made = manipulate(photograph, name, condition, amplitude=amplitude)
            assert made.shape == photograph.shape
            assert made.dtype == np.uint8
            if name not in ("colour", "false-colour"):
                assert (made == made[:, :, :1]).all()
    parametric = [name for name, one in datasets().items() if len(one.conditions) > 1]
    assert list(MANIPULATIONS) == parametric


def test_colour_is_luminance_alone(photograph):
    assert (manipulate(photograph, "colour", "cr") == photograph).all()
    assert np.abs(grey(manipulate(photograph, "colour", "bw")) - grey(photograph)).max() < 0.003


@given(level=st.integers(5, 100))
@settings(max_examples=20, deadline=None)
def test_contrast_scales_deviations_from_mid_grey(photograph, level):
    made = grey(manipulate(photograph, "contrast", f"c{level}"))
    expected = 0.5 + level / 100 * (grey(photograph) - 0.5)
    assert np.abs(made - expected).max() < 0.004


def test_low_and_high_pass_part_the_spectrum(photograph):
    rough = np.random.default_rng(0).integers(90, 160, (64, 64, 3)).astype(np.uint8)
    frequency = np.hypot(np.fft.fftfreq(64)[:, None], np.fft.fftfreq(64)[None, :])
    low, high = (manipulate(rough, name, "2") for name in ("low-pass", "high-pass"))
    fine = frequency > 0.3
    assert power(low)[fine].mean() < 0.05 * power(rough)[fine].mean()
    # Away from the edge, beyond which the filter sees the mean grey.
    inner = slice(12, -12)
    kept = gaussian_filter(grey(high), 4)[inner, inner].std()
    assert kept < 0.2 * gaussian_filter(grey(rough), 4)[inner, inner].std()
    assert power(high)[fine].mean() == pytest.approx(power(rough)[fine].mean(), rel=0.1)
    assert grey(high).mean() == pytest.approx(MEAN_GREY, abs=0.003)
    plain = manipulate(photograph, "colour", "bw")
    assert (manipulate(photograph, "high-pass", "inf") == plain).all()
    assert (manipulate(photograph, "low-pass", "0") == plain).all()


@pytest.mark.parametrize("width", ["0", "60", "180"])
def test_phase_scrambling_keeps_amplitudes(width):
    # White noise of low contrast: scrambling leaves it unclipped.
    image = np.random.default_rng(1).integers(110, 146, (48, 48, 3)).astype(np.uint8)
    made = manipulate(image, "phase-scrambling", width)
    difference = np.abs(power(made) - power(image)).mean() / power(image).mean()
    assert difference < 0.05  # eight bits are not quite enough for 0
    agreement = np.corrcoef(grey(made).ravel(), grey(image).ravel())[0, 1]
    # The mean of cos(angle) over ±width, that is sin(width) / width.
    expected = np.sinc(float(width) / 180)
    assert agreement == pytest.approx(expected, abs=0.06)


def test_power_equalisation_gives_all_images_the_mean_amplitudes():
    images = np.random.default_rng(1).integers(110, 146, (4, 32, 32, 3)).astype(np.uint8)
    images[2:] = images[2:, ::1, :, :] // 2 + 60
    amplitude = mean_amplitude(images)
    for image in images:
        made = manipulate(image, "power-equalisation", "pow", amplitude=amplitude)
        found = np.abs(np.fft.fft2(grey(made)))
        assert np.abs(found - amplitude).mean() / amplitude.mean() < 0.06
    with pytest.raises(SynthesightError, match="one size"):
        manipulate(images[0][:16], "power-equalisation", "pow", amplitude=amplitude)


def test_false_colour_turns_hues_and_keeps_luminance_and_greys(photograph):
    made = manipulate(photograph, "false-colour", "False")

    def luminance(image):
        values = image / 255
        linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    assert np.abs(luminance(made) - luminance(photograph)).max() < 0.03
    assert np.abs(made.astype(int) - photograph).mean() > 10
    again = manipulate(made, "false-colour", "False")
    assert np.abs(again.astype(int) - photograph).mean() < 2
    neutral = np.repeat(photograph[:, :, :1], 3, axis=2)
    assert np.abs(manipulate(neutral, "false-colour", "False").astype(int) - neutral).max() <= 1


def test_rotation_is_counter_clockwise(photograph):
    upright = manipulate(photograph, "rotation", "0")
    assert (manipulate(photograph, "rotation", "90") == np.rot90(upright)).all()
    assert (manipulate(photograph, "rotation", "270") == np.rot90(upright, 3)).all()


def test_uniform_noise_has_its_width_and_contrast(photograph):
    plain = grey(manipulate(photograph, "uniform-noise", "0.0"))
    assert np.abs(plain - (0.5 + 0.3 * (grey(photograph) - 0.5))).max() < 0.004
    noise = grey(manipulate(photograph, "uniform-noise", "0.2")) - plain
    assert np.abs(noise).max() < 0.205
    assert noise.std() == pytest.approx(0.2 / 3**0.5, rel=0.05)


def test_eidolons_displace_more_with_reach_and_break_edges_without_coherence(photograph):
    layers = scale_layers(grey(photograph))
    assert np.allclose(sum(layers), grey(photograph))
    same = manipulate(photograph, "eidolonI", "0-10-10")
    assert np.abs(grey(same) - grey(photograph)).max() < 0.003
    distance = [
        np.abs(grey(manipulate(photograph, "eidolonI", f"{r}-10-10")) - grey(photograph)).mean()
        for r in (1, 4, 16)
    ]
    assert distance == sorted(distance)
    # Displacing everything alike keeps the histogram; displacing scales apart blurs it.
    edge = np.zeros((64, 64, 3), np.uint8)
    edge[:, 32:] = 255

    def between(name):
        made = grey(manipulate(edge, name, f"8-{ {'eidolonI': 10, 'eidolonIII': 0}[name] }-10"))
        return np.mean((made > 0.15) & (made < 0.85))

    assert between("eidolonI") < 0.5 * between("eidolonIII")


def test_random_manipulations_are_a_function_of_seed_and_id(photograph):
    for name, condition in (
        ("uniform-noise", "0.2"),
        ("eidolonIII", "8-0-10"),
        ("phase-scrambling", "90"),
    ):
        made = [
            manipulate(photograph, name, condition, rng=random_of(seed, image))
            for seed, image in ((0, "a"), (0, "a"), (1, "a"), (0, "b"))
        ]
        assert (made[0] == made[1]).all()
        assert (made[0] != made[2]).any()
        assert (made[0] != made[3]).any()


@pytest.mark.parametrize(
    ("name", "condition", "message"),
    [
        ("blur", "3", "no `manipulation='blur'`"),
        ("contrast", "10", "no condition '10'"),
        ("contrast", "c200", "no condition 'c200'"),
        ("low-pass", "1_0", "no condition '1_0'"),
        ("high-pass", "0", "no condition '0'"),
        ("rotation", "45", "no condition '45'"),
        ("eidolonI", "8-3-10", "no condition '8-3-10'"),
        ("uniform-noise", "nan", "no condition 'nan'"),
        ("false-colour", "true", "no condition 'true'"),
    ],
)
def test_unknown_conditions_are_refused(photograph, name, condition, message):
    with pytest.raises(SynthesightError, match=message):
        manipulate(photograph, name, condition)


@pytest.fixture
def photographs(tmp_path, photograph):
    for category in ("cat", "dog"):
        (tmp_path / "photos" / category).mkdir(parents=True)
        for n in range(2):
            Image.fromarray(np.roll(photograph, 9 * n, axis=0)).save(
                tmp_path / "photos" / category / f"{category}_{n}.png"
            )
    return tmp_path / "photos"


def test_a_made_dataset_is_found_with_its_conditions(photographs, tmp_path):
    out = tmp_path / "contrast"
    stimuli = find_stimuli(photographs)
    assert make_dataset(stimuli, "contrast", out, conditions=["c30", "c05"], size=32) == []
    found = find_stimuli(out)
    assert len(found) == 8
    assert {(s.condition, s.category) for s in found} == {
        (c, k) for c in ("c30", "c05") for k in ("cat", "dog")
    }
    names = {s.id.rsplit("_", 1)[1] for s in found}
    assert names == {"cat-0.png", "cat-1.png", "dog-0.png", "dog-1.png"}
    first = {path.name: path.read_bytes() for path in out.rglob("*.png")}
    make_dataset(stimuli, "contrast", out, conditions=["c30", "c05"], size=32)
    assert first == {path.name: path.read_bytes() for path in out.rglob("*.png")}
    # Other levels have other numbers in their names: images would be there twice.
    with pytest.raises(SynthesightError, match="images of another making"):
        make_dataset(stimuli, "contrast", out, conditions=["c30", "c05", "c10"], size=32)
    assert first == {path.name: path.read_bytes() for path in out.rglob("*.png")}
    twice = tmp_path / "twice"
    make_dataset(stimuli, "contrast", twice, conditions=["c30", "c30"], size=32)
    assert len(find_stimuli(twice)) == 4


def test_the_command_line_makes_datasets_and_reports_broken_photographs(photographs, tmp_path):
    (photographs / "cat" / "broken.png").write_bytes(b"not an image")
    out = tmp_path / "power-equalisation"
    arguments = ["data", "make", "--from", str(photographs), "--out", str(out)]
    result = command(*arguments, "--manipulation", "power-equalisation")
    assert result.returncode == 2
    assert "4 images, manipulated" in result.stdout
    assert "broken.png" in result.stderr
    assert len(find_stimuli(out)) == 8
    assert "did you mean contrast" in refused(*arguments, "--manipulation", "contrasts")
    assert "choose among colour, " in refused(*arguments, "--manipulation", "x")
    save_pictures(tmp_path / "flat", "a.png")
    with pytest.raises(SynthesightError, match="no category"):
        make_dataset(find_stimuli(tmp_path / "flat"), "colour", out)


def test_a_published_name_is_for_published_conditions(tmp_path):
    """Trials of others would be refused when they are read back."""
    stimuli = [Stimulus(id="a.png", source=picture(), category="cat")]
    with pytest.raises(SynthesightError, match=r"contrast has no condition 'c11'.*another `out`"):
        make_dataset(stimuli, "contrast", tmp_path / "contrast", conditions=["c10", "c11"], size=8)
    assert not (tmp_path / "contrast").exists()
    assert make_dataset(stimuli, "contrast", tmp_path / "mine", conditions=["c11"], size=8) == []
