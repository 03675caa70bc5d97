"""Images are known by their content, whatever they are called, and read by one decoder each."""

from __future__ import annotations

import os
import struct
import sys
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from builders import encoded, picture
from synthesight.stimuli.formats import EXTRAS, FORMATS, format_of, size_of
from synthesight.stimuli.images import UnreadableImage, read_image

PLAIN = ["AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP", "MPO"]


def plugin(kind: str) -> None:
    """Let Pillow write a format of the extra `images`; skip where it is not installed."""
    module = pytest.importorskip(EXTRAS[kind][1])
    if kind == "HEIF":
        module.register_heif_opener()


@pytest.mark.parametrize("kind", [*PLAIN, "HEIF", "JXL"])
def test_a_format_is_known_by_content_and_not_by_name(kind, tmp_path):
    if kind in EXTRAS:
        plugin(kind)
    path = tmp_path / "image.txt"
    path.write_bytes(encoded(picture((40, 30), (200, 30, 40)), kind))
    found = np.asarray(read_image(path)).astype(int)
    assert found.shape == (30, 40, 3)
    assert np.abs(found - (200, 30, 40)).max() <= 6


@pytest.mark.parametrize(("kind", "name"), [("HEIF", "HEIC"), ("JXL", "JPEG XL")])
def test_a_format_of_the_extra_says_what_to_install(kind, name):
    plugin(kind)
    data = encoded(picture(), kind)
    with (
        patch.dict(sys.modules, {EXTRAS[kind][1]: None}),
        pytest.raises(UnreadableImage, match=rf"is {name}, .*'synthesight\[images\]'"),
    ):
        read_image(data, "it")


def test_postscript_that_is_called_png_starts_no_program(tmp_path, monkeypatch):
    program = tmp_path / "gs"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    image = tmp_path / "image.png"
    image.write_bytes(encoded(picture(), "EPS"))
    with Image.open(image) as opened, pytest.raises(OSError, match=r"."):
        opened.load()
    assert (tmp_path / "started").exists()  # by Pillow alone
    (tmp_path / "started").unlink()
    with pytest.raises(UnreadableImage, match="is a picture in the format EPS, which is not read"):
        read_image(image)
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("text", [b"Notes on BMP", b"BM and more text than a header is long, so",
                                  b"P1 is the first person", b"II*", b"RIFF1234WAVE"])  # fmt: skip
def test_text_is_no_image(text):
    assert format_of(text) is None


@given(width=st.integers(1, 2**30), height=st.integers(1, 2**30), small=st.booleans())
def test_the_size_of_a_jpeg_xl_image_is_in_its_header(width, height, small):
    """Written here as the standard has it, since no encoder makes such sizes."""
    bits: list[int] = []

    def put(value: int, count: int) -> None:
        bits.extend(value >> place & 1 for place in range(count))

    def side(value: int) -> None:
        if small:
            put(value // 8 - 1, 5)
            return
        choice = next(n for n, count in enumerate((9, 13, 18, 30)) if value <= 2**count)
        put(choice, 2)
        put(value - 1, (9, 13, 18, 30)[choice])

    if small:
        width, height = 8 * (1 + width % 32), 8 * (1 + height % 32)
    put(int(small), 1)
    side(height)
    put(0, 3)
    side(width)
    header = sum(bit << place for place, bit in enumerate(bits)).to_bytes(16, "little")
    assert size_of(b"\xff\x0a" + header, "JXL") == (width, height)


@pytest.mark.parametrize("size", [(64, 64), (96, 80), (300, 225), (1000, 37), (160, 90)])
def test_the_size_of_a_jpeg_xl_image_as_it_is_encoded(size):
    plugin("JXL")
    assert size_of(encoded(picture(size), "JXL"), "JXL") == size


def test_an_encoded_image_of_too_many_pixels_is_not_decoded():
    side = (10**6 - 1).to_bytes(3, "little")
    webp = b"RIFF\x80\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + side + side + b"\0" * 90
    bits = (3 << 1) | (99_999 << 3) | (1 << 33)  # a height of 100,000, and as wide
    jxl = b"\xff\x0a" + bits.to_bytes(16, "little")
    assert size_of(jxl, "JXL") == (100_000, 100_000)
    for data in (webp, jxl):
        with pytest.raises(UnreadableImage, match="may be a decompression bomb"):
            read_image(data, "it")
    with (
        patch.dict(FORMATS, {"PNG": 2**20}),
        pytest.raises(UnreadableImage, match=r"64 .* 4\.0 GiB"),
    ):
        read_image(encoded(picture(64)), "it")


def test_a_tiny_image_with_a_vast_tile_is_refused():
    tags = {
        256: 16,
        257: 16,
        258: 8,
        259: 8,
        262: 1,
        277: 1,
        322: 2**16,
        323: 2**16,
        324: 8,
        325: 9,
    }
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    data = b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + b"\0\0\0\0"
    with pytest.raises(UnreadableImage, match="may be a decompression bomb"):
        read_image(data, "it")


def test_known_formats_are_those_that_are_read():
    assert set(FORMATS) == {format_of(encoded(picture(), kind)[:32]) for kind in PLAIN} | set(
        EXTRAS
    )
