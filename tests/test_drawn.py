"""The drawn cue-conflict set."""

from __future__ import annotations

import numpy as np
import pytest

from builders import done, refused
from synthesight.errors import SynthesightError
from synthesight.stimuli.categories import SHARED_SEVEN, SIXTEEN
from synthesight.stimuli.find import find_stimuli
from synthesight.stimuli.make.drawn import BACKGROUND, drawn_cue_conflict, drawn_objects, save
from synthesight.stimuli.make.shapes import SHAPES, silhouette
from synthesight.stimuli.make.textures import TEXTURES, texture
from synthesight.stimuli.names import cues_of


def pixels(stimuli):
    return {s.id: np.asarray(s.open()) for s in stimuli}


def test_every_shape_in_every_other_texture():
    found = drawn_cue_conflict(per_pair=2, size=40)
    assert len(found) == 16 * 15 * 2
    assert set(SHAPES) == set(TEXTURES) == set(SIXTEEN)
    for stimulus in found:
        name = stimulus.id.rsplit("/", 1)[-1]
        shape, surface = cues_of(name)
        assert shape == stimulus.category != surface


def test_the_seed_decides():
    first, again = (
        pixels(drawn_cue_conflict(shapes=["cat", "oven"], size=40, seed=1)) for _ in range(2)
    )
    other = pixels(drawn_cue_conflict(shapes=["cat", "oven"], size=40, seed=2))
    for key, image in first.items():
        np.testing.assert_array_equal(image, again[key])
        assert not np.array_equal(image, other[key])


def test_all_textures_fill_the_same_outline():
    found = pixels(drawn_cue_conflict(shapes=["cat"], size=224))
    outlines = [np.abs(image.astype(int) - BACKGROUND).sum(-1) > 0 for image in found.values()]
    inside = np.mean(outlines, axis=0)
    # Only the antialiased edge, and grey that a texture has by chance, may differ.
    assert np.mean((inside > 0.05) & (inside < 0.8)) < 0.02


def test_shapes_and_textures_can_be_told_apart():
    outlines = [np.asarray(silhouette(shape, 64)) > 127 for shape in SHAPES]
    for i, first in enumerate(outlines):
        assert 0.05 < first.mean() < 0.6
        for second in outlines[:i]:
            assert (first & second).sum() / (first | second).sum() < 0.75
    chance = np.random.default_rng(0)
    means = np.array([texture(name, 64, chance).mean(axis=(0, 1)) for name in TEXTURES])
    distances = np.abs(means[:, None] - means[None]).sum(-1)[np.triu_indices(len(means), 1)]
    assert distances.min() > 5


def test_saved_images_are_found_again(tmp_path):
    drawn = drawn_cue_conflict(shapes=["cat", "car"], textures=["cat", "car"], size=40)
    save(drawn, tmp_path / "cue-conflict-drawn")
    found = find_stimuli(tmp_path / "cue-conflict-drawn")
    assert {s.id for s in found} == {s.id for s in drawn}
    for key, image in pixels(found).items():
        np.testing.assert_array_equal(image, pixels(drawn)[key])


def test_objects_have_no_conflict():
    found = drawn_objects(per_category=2, size=32)
    assert len(found) == 32
    for stimulus in found:
        assert cues_of(stimulus.id.rsplit("/", 1)[-1]) == (stimulus.category,) * 2


def test_what_a_pair_looks_like_does_not_depend_on_the_others():
    # The seven that CIFAR-10 shares keep their first places, on which their random numbers depend.
    assert SHAPES[:7] == TEXTURES[:7] == SHARED_SEVEN
    whole = pixels(drawn_cue_conflict(size=40))
    for key, image in pixels(
        drawn_cue_conflict(shapes=["oven"], textures=["car"], size=40)
    ).items():
        np.testing.assert_array_equal(image, whole[key])


def test_the_command_line_draws_a_dataset_that_is_found_again(tmp_path):
    out = tmp_path / "drawn"
    draw = ["data", "draw", "--out", str(out), "--classes", "cat,clock,knife", "--per-pair", "2"]
    assert "12 cue-conflict images" in done(*draw)
    found = find_stimuli(out)
    assert {s.category for s in found} == {"cat", "clock", "knife"}
    assert {s.id for s in found} >= {"drawn/cat/cat2-clock2.png", "drawn/knife/knife1-cat1.png"}
    assert found[0].open().size == (224, 224)
    first = pixels(found)
    done(*draw)
    assert all(
        np.array_equal(image, first[key]) for key, image in pixels(find_stimuli(out)).items()
    )
    (tmp_path / "file").write_text("")
    for options, words in (
        (["--classes", "cat,sofa"], "no drawn 'sofa'"),
        (["--classes", "cat"], "two or more"),
        (["--per-pair", "0"], "--per-pair 0"),
        (["--out", str(tmp_path / "file")], "cannot be written"),
    ):
        given = dict(zip(draw[2::2], draw[3::2], strict=True)) | dict([options])
        assert words in refused(*draw[:2], *(part for pair in given.items() for part in pair))


def test_an_unknown_cue_names_the_known_ones():
    with pytest.raises(SynthesightError, match="airplane, bird"):
        drawn_objects(shapes=["sofa"])
