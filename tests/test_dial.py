"""The dial: hybrids, cross-fades and morphed outlines, and the command that shows them."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from builders import done, refused
from synthesight.analysis import psychometric
from synthesight.errors import SynthesightError
from synthesight.probes.dial import dial_pairs
from synthesight.stimuli import Stimulus, find_stimuli
from synthesight.stimuli.make import dial_stimuli, hybrid, low_pass, pairs_of
from synthesight.stimuli.make.blends import cross_fade, morphed_outline
from synthesight.stimuli.make.drawn import drawn_objects
from synthesight.stimuli.make.shapes import silhouette


def _image(seed, size=24):
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


def _stimuli(count=2, size=24):
    return [
        Stimulus(f"{name}{n}.png", Image.fromarray(_image(n, size)), category=name)
        for name in ("cat", "dog")
        for n in range(count)
    ]


@settings(max_examples=15)
@given(st.integers(1, 15), st.floats(0.3, 20))
def test_half_of_the_amplitude_passes_at_the_cutoff(cycles, ratio):
    wave = np.cos(np.pi * 2 * cycles * (np.arange(32) + 0.5) / 32)
    image = np.tile(wave[:, None, None], (1, 32, 3))
    passed = low_pass(image, cycles * ratio)
    assert passed == pytest.approx(image * 0.5 ** (1 / ratio**2), abs=1e-9)


def test_cycles_are_those_of_the_shorter_side_whatever_the_direction():
    for shape, axis in (((32, 64), 1), ((64, 32), 0)):
        # 8 cycles in the longer side are 4 in the shorter.
        wave = np.cos(np.pi * 16 * (np.arange(64) + 0.5) / 64)
        image = np.broadcast_to(wave[None, :, None] if axis else wave[:, None, None], (*shape, 3))
        assert low_pass(image, 4.0) == pytest.approx(image / 2, abs=1e-9)


def test_a_hybrid_is_one_image_at_either_end():
    one, other = _image(1) // 2 + 60, _image(2) // 2 + 60
    assert np.abs(hybrid(one, other, 1e3).astype(int) - one).max() <= 1
    low_end = hybrid(one, other, 1e-3).astype(float)
    # All of the other but its mean colour, which no cut-off takes from the first.
    shift = one.mean(axis=(0, 1)) - other.mean(axis=(0, 1))
    assert np.abs(low_end - other - shift).max() <= 0.51
    assert np.array_equal(cross_fade(one, other, 1.0), one)
    assert np.array_equal(cross_fade(one, other, 0.0), other)


def test_a_morph_is_one_silhouette_at_either_end_and_sharp_between():
    for share, name in ((1.0, "cat"), (0.0, "truck")):
        drawn = np.asarray(morphed_outline("cat", "truck", share, 64).convert("L"))
        assert np.abs(255 - drawn.astype(int) - np.asarray(silhouette(name, 64))).mean() < 3
    between = np.asarray(morphed_outline("cat", "truck", 0.5, 64).convert("L"))
    assert ((between > 20) & (between < 235)).mean() < 0.15
    assert (between < 20).any()


def test_the_images_of_a_dial_carry_what_is_known_of_them():
    pairs = pairs_of(_stimuli(3), ("cat", "dog"), pairs=2)
    made = dial_stimuli(pairs, steps=3, span=(1, 4), views=("whole", "blur-2", "shrink-2"))
    assert len(made) == 2 * 2 * 3 * 3
    assert len({one.id for one in made}) == len(made)
    assert {one.category for one in made} == {None}
    assert {one.condition for one in made} == {"whole", "blur-2", "shrink-2"}
    first = made[0].factors
    assert (first["dial"], first["cutoff"]) == (0.0, 1.0)
    assert {one.factors["pair"] for one in made} == {one.factors["pair"] for one in made[:6]}
    by_way = {(one.factors["toward"], one.factors["other"]) for one in made}
    assert by_way == {("cat", "dog"), ("dog", "cat")}
    assert {one.open().size for one in made if one.condition == "shrink-2"} == {(12, 12)}
    # The choice depends on ids alone.
    again = pairs_of(_stimuli(3)[::-1], ("cat", "dog"), pairs=2)
    assert [[s.id for s in pair] for pair in again] == [[s.id for s in pair] for pair in pairs]


def test_grey_leaves_no_colour():
    (made, *_) = dial_stimuli(pairs_of(_stimuli(1), ("cat", "dog")), steps=2, grey=True)
    pixels = np.asarray(made.open())
    assert (pixels == pixels[:, :, :1]).all()


def test_low_frequencies_win_after_blurring_and_shrinking():
    """An observer that compares images with the two ends, at all frequencies alike."""
    # Natural images have amplitudes that fall with frequency; so have these.
    rng, decay = np.random.default_rng(3), 1 / np.maximum(np.hypot(*np.indices((32, 32))), 1)
    from scipy.fft import idctn

    def natural():
        waves = idctn(rng.normal(size=(32, 32)) * decay, norm="ortho")
        grey = np.clip(128 + 90 * waves / np.abs(waves).max(), 0, 255)
        return np.repeat(grey.astype(np.uint8)[:, :, None], 3, axis=2)

    ends = {f"{name}{n}": natural() for name in ("cat", "dog") for n in range(8)}
    stimuli = [Stimulus(f"{k}.png", Image.fromarray(v), category=k[:3]) for k, v in ends.items()]
    made = dial_stimuli(
        pairs_of(stimuli, ("cat", "dog"), pairs=8), views=("whole", "blur-2", "shrink-8")
    )

    def edges(image):
        fitted = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.BICUBIC))
        return np.stack(np.gradient(fitted.astype(float))).ravel()

    def sees(stimulus):
        one, other = (
            edges(Image.fromarray(ends[end.split("-")[1]]))
            for end in stimulus.factors["pair"].split("+")
        )
        shown = edges(stimulus.open())
        near = np.corrcoef(shown, one)[0, 1] > np.corrcoef(shown, other)[0, 1]
        return stimulus.factors["pair"].split("+")[0 if near else 1].split("-")[0]

    trials = pl.DataFrame(
        [
            {"observer": "edges", "stimulus": s.id, "dataset": s.dataset, "response": sees(s),
             "condition": s.condition, **s.factors} for s in made
        ]
    )  # fmt: skip
    fits = psychometric(trials, by=("observer", "condition"), resamples=100)
    whole = fits.row(by_predicate=pl.col("condition") == "whole", named=True)
    for view in ("blur-2", "shrink-8"):
        far = fits.row(by_predicate=pl.col("condition") == view, named=True)
        assert far["high"] < whole["low"]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"kind": "swirl"}, "There is no `kind='swirl'`"),
        ({"steps": 1}, "`steps=1` is no dial"),
        ({"span": (4, 2)}, "`span=4,2` cannot be"),
        ({"span": (0.5, 30)}, "up to 12 cycles"),
        ({"views": ("blur-x",)}, "There is no view 'blur-x'"),
        ({"views": ("shrink-20",)}, "leaves nothing of an image of 24 pixels"),
    ],
)
def test_what_cannot_be_is_refused(given, why):
    with pytest.raises(SynthesightError, match=why):
        dial_stimuli(pairs_of(_stimuli(1), ("cat", "dog")), **given)
    with pytest.raises(SynthesightError, match="too few for `pairs=2`"):
        pairs_of(_stimuli(1), ("cat", "dog"), pairs=2)


def test_the_command_shows_a_dial_and_goes_on(tmp_path):
    for n, one in enumerate(drawn_objects(shapes=("cat", "dog"), size=32)):
        one.open().save(tmp_path / f"{n}.png")
    command = [
        "illusion", "dial", tmp_path / "0.png", tmp_path / "1.png", "--classes", "cat,dog",
        "--steps", 4, "--blur", 8, "--model", "natural-32-cnn", "--resamples", 50,
        "--out", tmp_path / "out",
    ]  # fmt: skip
    shown = done(*command)
    assert "natural-32-cnn" in shown
    assert "blur-8" in shown
    tables = json.loads((tmp_path / "out" / "section.json").read_text())["tables"]
    assert {row["condition"] for row in tables["dial"]} == {"whole", "blur-8"}
    assert all(row["n"] == 8 and row["population"] == "these" for row in tables["dial"])
    assert (tmp_path / "out" / "figures" / "dial-hybrid.svg").read_text().startswith("<svg")
    # The list of images is one that everybody can show, with what is known of each.
    listed = find_stimuli(tmp_path / "out" / "stimuli" / "stimuli.csv")
    assert len(listed) == 16
    assert {one.condition for one in listed} == {"whole", "blur-8"}
    assert listed[0].factors["toward"] == "cat"
    assert all(one.factors.keys() == listed[0].factors.keys() for one in listed)
    command[command.index("--steps") + 1] = 5
    assert "another dial" in refused(*command)


def test_outlines_are_drawn_for_the_classes_alone():
    (pair,) = dial_pairs([], ("cat", "truck"), "outline")
    made = dial_stimuli([pair], "outline", steps=3, size=32)
    assert [one.factors["dial"] for one in made] == [0.0, 0.5, 1.0]
    assert {one.factors["toward"] for one in made} == {"cat"}
    with pytest.raises(SynthesightError, match="There is no drawn 'sofa'"):
        dial_pairs([], ("cat", "sofa"), "outline")


def test_two_images_are_of_the_two_classes_in_this_order():
    images = [Stimulus(f"{n}.png", Image.fromarray(_image(n))) for n in range(2)]
    ways = dial_pairs(images, ("cat", "dog"))
    assert [[one.category for one in pair] for pair in ways] == [["cat", "dog"], ["dog", "cat"]]
    assert len(dial_pairs(images, ("cat", "dog"), "cross-fade")) == 1
    assert "`classes`" not in (said := refused("illusion", "dial"))
    assert "--classes is needed" in said
