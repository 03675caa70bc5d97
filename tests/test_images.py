"""Images are seen as a viewer shows them, and what cannot be seen says so in one sentence."""

from __future__ import annotations

import hashlib
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from builders import encoded, picture
from synthesight.errors import SynthesightError
from synthesight.stimuli import images
from synthesight.stimuli.images import (
    UnreadableImage,
    digest_of,
    read_image,
    read_picture,
    to_array,
)
from synthesight.stimuli.memory import Budget
from synthesight.stimuli.prefetch import read_ahead
from synthesight.stimuli.stimulus import Stimulus


@pytest.fixture
def photo() -> Image.Image:
    y, x = np.mgrid[0:30, 0:40]
    return Image.fromarray(np.stack([6 * x, 8 * y, 3 * (x + y)], axis=-1).astype(np.uint8))


def shown(data: bytes) -> np.ndarray:
    image = read_image(data)
    assert image.mode == "RGB"
    return np.asarray(image).astype(int)


def test_plain_pictures_are_untouched(photo):
    np.testing.assert_array_equal(shown(encoded(photo)), np.asarray(photo))
    np.testing.assert_array_equal(np.asarray(read_image(photo)), np.asarray(photo))


def test_sixteen_bits_are_scaled_and_not_clipped():
    ramp = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    data = encoded(Image.fromarray(ramp))
    np.testing.assert_allclose(shown(data)[..., 0], ramp / 257, atol=1)
    assert len(np.unique(shown(data))) == 64
    wide = Image.fromarray(ramp.astype(np.int32))
    assert np.abs(np.asarray(read_image(wide)).astype(int)[..., 1] - ramp / 257).max() <= 1


def test_grey_one_bit_and_palette(photo):
    grey = np.asarray(photo.convert("L"))
    np.testing.assert_array_equal(shown(encoded(photo.convert("L"))), np.stack([grey] * 3, -1))
    assert set(np.unique(shown(encoded(photo.convert("1"))))) == {0, 255}
    palette = photo.convert("P", palette=Image.Palette.ADAPTIVE)
    np.testing.assert_array_equal(shown(encoded(palette)), np.asarray(palette.convert("RGB")))


def test_transparency_lies_on_white(photo):
    alpha = np.zeros((30, 40), dtype=np.uint8)
    alpha[:, 20:] = 255
    alpha[:, 10:20] = 128
    image = photo.convert("RGBA")
    image.putalpha(Image.fromarray(alpha))
    share = alpha[..., None] / 255
    expected = share * np.asarray(photo) + (1 - share) * 255
    np.testing.assert_allclose(shown(encoded(image)), expected, atol=1)
    grey = shown(encoded(image.convert("LA")))
    assert np.all(grey[:, :10] == 255)
    deep = Image.fromarray(np.full((2, 2), 1000, np.uint16))
    assert shown(encoded(deep, transparency=1000))[0, 0].tolist() == [255, 255, 255]
    assert shown(encoded(deep, transparency=999))[0, 0].tolist() == [4, 4, 4]
    indexed = Image.new("P", (4, 4), 0)
    indexed.putpalette([10, 20, 30, 200, 100, 50])
    indexed.putpixel((1, 1), 1)
    found = shown(encoded(indexed, transparency=0))
    assert found[0, 0].tolist() == [255, 255, 255]
    assert found[1, 1].tolist() == [200, 100, 50]


def test_cmyk_is_converted(photo):
    data = encoded(photo.convert("CMYK"), "JPEG", quality=98)
    assert np.abs(shown(data) - np.asarray(photo)).mean() < 6


def test_exif_orientation_is_obeyed(photo):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise to view
    found = shown(encoded(photo, exif=exif))
    np.testing.assert_array_equal(found, np.asarray(photo.transpose(Image.Transpose.ROTATE_270)))


def test_an_animation_shows_its_first_frame(photo):
    other = picture(photo.size)
    still = shown(encoded(photo, "GIF"))
    moving = shown(encoded(photo, "GIF", save_all=True, append_images=[other, other]))
    np.testing.assert_array_equal(moving, still)


def test_colour_profiles_are_taken_to_srgb(photo):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    same = shown(encoded(photo, icc_profile=srgb))
    assert np.abs(same - np.asarray(photo)).max() <= 1
    broken = shown(encoded(photo, icc_profile=b"not a profile"))
    np.testing.assert_array_equal(broken, np.asarray(photo))
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    np.testing.assert_array_equal(shown(encoded(photo, icc_profile=lab)), np.asarray(photo))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"])
def test_truncated_files(photo, kind, tmp_path):
    whole = encoded(photo, kind)
    path = tmp_path / "cut.img"
    path.write_bytes(whole[: int(len(whole) * 0.6)])
    with pytest.raises(UnreadableImage, match=r"cut\.img") as caught:
        read_image(path)
    assert "\n" not in str(caught.value)


def refusal(data: bytes) -> str | None:
    """The sentence with which bytes are refused, or None."""
    try:
        read_image(data, name="it")
    except UnreadableImage as error:
        return str(error)
    return None


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=1, max_size=200))
def test_any_bytes_are_an_image_or_one_sentence(data):
    for bytes_ in (data, b"\x89PNG\r\n\x1a\n" + data, b"GIF89a" + data, b"\xff\xd8\xff" + data):
        sentence = refusal(bytes_)
        assert sentence is None or (sentence.startswith("it ") and "\n" not in sentence)


def test_what_cannot_be_read_says_why(tmp_path, photo, monkeypatch):
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "words.png").write_text("words")
    cases = {
        "no.png": "no file",
        "empty.png": "is empty",
        "words.png": "not an image",
        ".": "is a folder",
    }
    for name, words in cases.items():
        with pytest.raises(SynthesightError, match=words):
            read_image(tmp_path / name)
    (tmp_path / "large.png").write_bytes(encoded(photo))
    for limit in (1000, 100):  # Pillow warns above its limit, and refuses above twice that
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(UnreadableImage, match=r"large\.png.*decompression bomb"):
            read_image(tmp_path / "large.png")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read anything")
def test_a_file_without_permission(tmp_path, photo):
    path = tmp_path / "closed.png"
    path.write_bytes(encoded(photo))
    path.chmod(0)
    with pytest.raises(UnreadableImage, match="permission"):
        read_image(path)


@settings(max_examples=40, deadline=None)
@given(width=st.integers(1, 90), height=st.integers(1, 90), side=st.integers(1, 64))
def test_an_observer_sees_a_square_cut_from_the_centre(width, height, side):
    found = to_array(picture((width, height), "red"), side)
    assert found.shape == (side, side, 3)
    assert found.dtype == np.uint8
    assert np.all(found == (255, 0, 0))


def test_nothing_is_stretched():
    image = picture((300, 100))
    image.paste("white", (125, 25, 175, 75))  # a square in the centre
    found = to_array(image, 100)[..., 0] > 127
    assert found.any(0).sum() == found.any(1).sum() == 50


def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(str(tmp_path / "socket.png"))
        (tmp_path / "zero.png").symlink_to("/dev/zero")
        for name in ("pipe.png", "zero.png"):
            with pytest.raises(UnreadableImage, match=f"{name} is a device or a pipe"):
                read_image(tmp_path / name)
        with pytest.raises(UnreadableImage, match=r"socket\.png cannot be read"):
            read_image(tmp_path / "socket.png")
    with (tmp_path / "vast.png").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(UnreadableImage, match=r"vast\.png is a file of 1024\.0 GiB"):
        read_image(tmp_path / "vast.png")


def test_names_in_messages_are_one_line_that_any_terminal_takes(tmp_path):
    odd = os.fsencode(tmp_path) + b"/caf\xe9\x1b[31m\n.png"
    with open(odd, "wb") as file:  # noqa: PTH123
        file.write(b"text")
    with pytest.raises(UnreadableImage) as caught:
        read_image(Path(os.fsdecode(odd)))
    assert r"caf\xe9\x1b[31m\x0a.png is not an image" in str(caught.value)
    for name, reason in (("a\0b.png", "null byte"), ("x" * 20_000 + ".png", "too long")):
        with pytest.raises(UnreadableImage, match=reason) as caught:
            read_image(tmp_path / name)
        assert len(str(caught.value)) < 500
        assert str(caught.value).isprintable()


def test_large_images_of_all_threads_are_decoded_one_after_another(monkeypatch):
    """Eight readers of images that each fill the budget: two are never in memory at once."""
    budget = Budget(2**20)
    monkeypatch.setattr(images, "decoding", budget)
    data = encoded(picture((300, 280)))  # 12 bytes a pixel are 0.96 of the budget
    inside, most = [0], [0]
    as_shown = images.as_shown

    def counted(*given):
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.005)
        inside[0] -= 1
        return as_shown(*given)

    monkeypatch.setattr(images, "as_shown", counted)
    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(read_image, [data] * 24))) == 24
        assert most[0] == 1
        small = encoded(picture((90, 90)))
        assert len(list(pool.map(read_image, [small] * 64))) == 64
    assert most[0] > 1
    assert budget.used == 0


def test_a_digest_is_of_the_content(tmp_path, photo):
    data = encoded(photo)
    (tmp_path / "a.png").write_bytes(data)
    expected = hashlib.sha256(data).hexdigest()[:32]
    for source in (data, tmp_path / "a.png"):
        assert read_picture(source).digest == expected
    assert read_picture(photo).digest == digest_of(photo.copy()) != expected
    other = photo.copy()
    other.putpixel((0, 0), (1, 2, 3))
    assert digest_of(other) != digest_of(photo)
    stimuli = [Stimulus("a.png", tmp_path / "a.png"), Stimulus("b.png", photo)]
    read = [stimulus for stimulus, _, _ in read_ahead(stimuli, 8)]
    assert [one.digest for one in read] == [expected, digest_of(photo)]
    assert read == stimuli
