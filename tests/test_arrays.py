"""Images as a Python caller holds them: what is seen, and what must be stated."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from synthesight.errors import SynthesightError
from synthesight.stimuli.arrays import as_stimuli

RGB = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
FLOAT = RGB / 255


def seen(images, **how) -> list[np.ndarray]:
    return [np.asarray(stimulus.open()) for stimulus in as_stimuli(images, **how)]


@pytest.mark.parametrize(
    ("image", "how"),
    [
        (RGB, {}),
        (RGB.transpose(2, 0, 1), {}),
        (torch.tensor(RGB), {}),
        (torch.tensor(RGB).permute(2, 0, 1), {}),
        (FLOAT, {"range": (0, 1)}),
        (FLOAT.astype(np.float32), {"range": (0.0, 1.0)}),
        (2 * FLOAT.transpose(2, 0, 1) - 1, {"range": (-1, 1)}),
        (torch.tensor(2 * FLOAT - 1).float().requires_grad_(), {"range": (-1, 1)}),
        (RGB.astype(np.int64), {"range": (0, 255)}),
        (Image.fromarray(RGB), {}),
        ([RGB], {}),
        (RGB[None], {}),
        (torch.tensor(RGB).permute(2, 0, 1)[None], {}),
        ({"image": Image.fromarray(RGB), "label": 3}, {}),
    ],
)
def test_layouts_types_and_ranges_show_the_same_image(image, how):
    (stimulus,) = as_stimuli(image, **how)
    np.testing.assert_array_equal(np.asarray(stimulus.open()), RGB)
    assert stimulus.id.rsplit("/", 1)[-1] == as_stimuli(RGB)[0].id


def test_grey_and_rgba():
    grey = RGB[:, :, 0]
    expected = np.repeat(grey[:, :, None], 3, axis=2)
    for image in (grey, grey[:, :, None], grey[None], [grey]):
        np.testing.assert_array_equal(seen(image)[0], expected)
    clear = np.dstack([RGB, np.zeros((6, 8), np.uint8)])
    for image in (clear, clear.transpose(2, 0, 1)):
        np.testing.assert_array_equal(seen(image)[0], np.full_like(RGB, 255))


def test_half_precision_is_seen():
    image = torch.full((3, 8, 8), 0.5, dtype=torch.bfloat16)
    assert (seen(image, range=(0, 1))[0] == 128).all()


def test_batches_are_several_images():
    batch = np.stack([RGB, 255 - RGB])
    for images in (batch, batch.transpose(0, 3, 1, 2), list(batch), (each for each in batch)):
        np.testing.assert_array_equal(seen(images), batch)


def test_bytes_paths_and_rows(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.png")
    encoded = (tmp_path / "a.png").read_bytes()
    rows = [
        {"image": {"bytes": encoded, "path": "photos/a.png"}},
        {"image": {"bytes": None, "path": str(tmp_path / "a.png")}, "label": "cat"},
        {"bytes": encoded, "path": None},
        encoded,
        tmp_path / "a.png",
    ]
    stimuli = as_stimuli(rows)
    for stimulus in stimuli:
        np.testing.assert_array_equal(np.asarray(stimulus.open()), RGB)
    assert [each.id for each in stimuli[:2]] == ["images/a.png", "images/cat/a.png"]
    assert stimuli[2].id == stimuli[3].id == as_stimuli(encoded)[0].id
    assert stimuli[4].source == Path(tmp_path / "a.png")
    (paths,) = as_stimuli(np.array([str(tmp_path / "a.png")]))
    assert paths.id == "a.png"


@pytest.mark.parametrize(
    ("image", "how", "words"),
    [
        (FLOAT, {}, r"does not say what is black and what is white: state it, as in `range"),
        (RGB.astype(np.int64), {}, "state it, as in"),
        (2 * FLOAT, {"range": (0, 1)}, r"outside of `range=\(0, 1\)`: state the range"),
        (np.full((8, 8, 3), np.nan), {"range": (0, 1)}, "NaN or infinite"),
        (FLOAT, {"range": (1, 0)}, r"is not \(black, white\)"),
        (FLOAT, {"range": 1}, r"is not \(black, white\)"),
        (RGB[:3], {}, "channels first or last: say which by `layout='CHW'`"),
        (RGB[:3], {"layout": "WHC"}, "There is no `layout='WHC'`"),
        (RGB, {"layout": "CHW"}, "is no image: give shapes"),
        (np.zeros((5, 6, 7), np.uint8), {}, "is no image: give shapes"),
        (np.zeros((2, 2, 5, 6, 7), np.uint8), {}, "is no image: give shapes"),
        (np.zeros((0, 5), np.uint8), {}, "has no pixels"),
        (np.zeros((8, 8, 3), complex), {"range": (0, 1)}, "type complex128 is no image"),
        ([None], {}, "None is no image"),
        ([3], {}, "3 is no image"),
        ({"label": 3}, {}, "A row with the columns label has no image"),
    ],
)  # fmt: skip
def test_what_must_be_stated_or_is_no_image(image, how, words):
    with pytest.raises(SynthesightError, match=words):
        as_stimuli(image, **how)


def test_an_ambiguous_layout_can_be_stated():
    square = np.zeros((3, 5, 3), np.uint8)
    assert as_stimuli(square, layout="HWC")[0].open().size == (5, 3)
    assert as_stimuli(square, layout="CHW")[0].open().size == (3, 5)


def test_encoded_bytes_are_opened_late():
    buffer = io.BytesIO()
    Image.fromarray(RGB).save(buffer, "PNG")
    (stimulus,) = as_stimuli(buffer.getvalue()[:40])
    with pytest.raises(SynthesightError, match="is not an image that can be read"):
        stimulus.open()


def test_encoded_bytes_may_be_of_any_kind(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.png")
    encoded = (tmp_path / "a.png").read_bytes()
    with (tmp_path / "a.png").open("rb") as file:
        found = as_stimuli([bytearray(encoded), memoryview(encoded), file])
    assert {each.id for each in found} == {as_stimuli(encoded)[0].id}
    (one,) = as_stimuli(bytearray(encoded))
    np.testing.assert_array_equal(np.asarray(one.open()), RGB)
