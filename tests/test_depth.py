"""Images of more than eight bits a channel: which values are black and white."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from builders import encoded
from synthesight.errors import SynthesightError, SynthesightWarning
from synthesight.stimuli.depth import Range
from synthesight.stimuli.images import read_picture
from synthesight.stimuli.prefetch import read_ahead
from synthesight.stimuli.stimulus import Stimulus

RAMP = np.linspace(0, 4095, 64).astype(np.uint16).reshape(8, 8)


def deep_png(values: np.ndarray) -> bytes:
    """Return a PNG of sixteen bits a channel, RGB or RGBA, which Pillow cannot write."""
    height, width, channels = values.shape
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in values)
    head = struct.pack(">IIBBBBB", width, height, 16, {3: 2, 4: 6}[channels], 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in chunks)


def deep_tiff(values: np.ndarray, order: str) -> bytes:
    """Return an uncompressed TIFF of sixteen bits a channel, RGB, in a byte order."""
    height, width, _ = values.shape
    data = values.astype(f"{order}u2").tobytes()
    end = 8 + len(data)
    tags = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, 3, end), (259, 3, 1, 1),
            (262, 3, 1, 2), (273, 4, 1, 8), (277, 3, 1, 3), (278, 3, 1, height),
            (279, 4, 1, len(data))]  # fmt: skip

    def entry(tag: int, kind: int, count: int, value: int) -> bytes:
        form = "HHIHxx" if kind == 3 and count == 1 else "HHII"
        return struct.pack(order + form, tag, kind, count, value)

    start = end + 6
    mark = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", start)
    directory = struct.pack(f"{order}H", len(tags)) + b"".join(entry(*tag) for tag in tags)
    return mark + data + struct.pack(f"{order}HHH", 16, 16, 16) + directory + b"\0\0\0\0"


def shown(data, **how) -> np.ndarray:
    return np.asarray(read_picture(data, "it", **how).image).astype(int)


def test_twelve_bits_in_sixteen_are_shown_by_a_range():
    data = encoded(Image.fromarray(RAMP))
    assert shown(data).max() == 16
    found = shown(data, range=Range(0, 4095))[..., 0]
    np.testing.assert_array_equal(found, np.rint(RAMP / 4095 * 255))
    assert read_picture(data, range=Range(0, 4095)).amiss is None
    amiss = read_picture(data).amiss
    assert amiss.startswith("its values reach 4095 of 65535, so it is shown nearly black")
    assert "`range='0,4095'`" in amiss


@pytest.mark.parametrize(
    "write",
    [deep_png, lambda v: deep_tiff(v, "<"), lambda v: deep_tiff(v, ">"),
     lambda v: deep_png(np.dstack([v, np.full(v.shape[:2], 65535)]))],
    ids=["PNG", "TIFF, little", "TIFF, big", "PNG with alpha"],
)  # fmt: skip
def test_colours_of_sixteen_bits_keep_what_is_in_the_lower_byte(write):
    rng = np.random.default_rng(0)
    values = rng.integers(0, 4096, (9, 7, 3)).astype(np.uint16)
    data = write(values)
    np.testing.assert_array_equal(shown(data), values >> 8)
    assert "nearly black" in read_picture(data).amiss
    np.testing.assert_array_equal(shown(data, range=Range(0, 4095)), np.rint(values / 4095 * 255))


def test_percentiles_are_of_each_image():
    noise = np.random.default_rng(0).normal(1000, 50, (40, 40)).astype(np.uint16)
    found = shown(encoded(Image.fromarray(noise)), range=Range.read("1%,99%"))[..., 0]
    low, high = np.percentile(noise, [1, 99])
    assert (found[noise <= low] == 0).all()
    assert (found[noise >= high] == 255).all()
    flat = np.full((4, 4), 500, np.uint16)
    assert shown(encoded(Image.fromarray(flat)), range=Range.read("1%,99%")).max() == 0


def test_floats_by_a_range_and_without():
    values = np.linspace(-2, 2, 64).astype(np.float32).reshape(8, 8)
    data = encoded(Image.fromarray(values), "TIFF")
    np.testing.assert_array_equal(
        shown(data, range=Range(-2, 2))[..., 0], np.rint((values + 2) / 4 * 255)
    )
    assert "lie outside of 0 to 255" in read_picture(data).amiss
    unit = values.clip(0, 1)
    assert read_picture(encoded(Image.fromarray(unit), "TIFF")).amiss is None
    values[0, 0] = np.nan
    assert shown(encoded(Image.fromarray(values), "TIFF"), range=Range(-2, 2))[0, 0].max() == 0


def test_eight_bits_stay_as_they_are():
    data = encoded(Image.fromarray((RAMP // 16).astype(np.uint8)))
    for stated in ("0,4095", "1%,99%"):
        np.testing.assert_array_equal(shown(data, range=Range.read(stated)), shown(data))


@given(st.lists(st.integers(0, 65535), min_size=2, max_size=50), st.integers(0, 65534))
def test_a_range_is_a_line_that_is_cut_off(values, low):
    deep = np.array([values], np.uint16)
    high = min(65535, low + 4095)
    found = shown(encoded(Image.fromarray(deep)), range=Range(low, high))[..., 0]
    share = (deep.astype(float) - low) / (high - low)
    np.testing.assert_array_equal(found, np.rint(share.clip(0, 1) * 255))


@pytest.mark.parametrize("given", ["0", "0,a", "5,5", "9,1", "1%,99", "-1%,99%", "1%,101%",
                                   "nan,1", "0,inf", (1, 2, 3), 7, "", ","])  # fmt: skip
def test_what_is_no_range(given):
    with pytest.raises(SynthesightError, match=r"is not black and white: give two numbers"):
        Range.read(given)


@given(st.floats(-1e6, 1e6, width=32), st.floats(1, 1e6, width=32), st.booleans())
def test_a_range_is_read_as_it_is_written(low, step, percent):
    made = Range(1.0, 99.5, True) if percent else Range(low, low + step)
    again = Range.read(str(made))
    assert again.percent == made.percent
    np.testing.assert_allclose([again.low, again.high], [made.low, made.high], rtol=1e-5)


def test_a_reader_warns_once_and_counts():
    data = encoded(Image.fromarray(RAMP))
    stimuli = [Stimulus(f"{n}.png", data) for n in range(5)]
    with pytest.warns(SynthesightWarning) as caught:
        assert len(list(read_ahead(stimuli, 8))) == 5
    texts = [str(one.message) for one in caught]
    assert texts[0].startswith("Of 0.png, its values reach 4095 of 65535")
    assert texts[1] == "5 images are hidden by their depth like the first."
    assert len(texts) == 2
