"""Make stimuli of images that a Python caller holds: paths, Pillow images, rows, bytes, arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from synthesight.errors import SynthesightError
from synthesight.stimuli.images import escaped, read_image
from synthesight.stimuli.stimulus import Stimulus

GIVE = "give paths, Pillow images, bytes, rows of a Hugging Face dataset, arrays or tensors"
LAYOUTS = ("HWC", "CHW")
DATASET = "images"  # of rows, which do not say theirs
ROW_LABELS = ("label", "category")
CHANNELS = (1, 3, 4)  # grey, RGB, RGBA

Range = tuple[float, float]


def as_stimuli(
    images: Any, *, range: Range | None = None, layout: str | None = None
) -> list[Stimulus]:
    """Return stimuli of one image or of several.

    The id of a file is its name. That of any other image is a hash of its pixels or bytes, so it
    depends neither on order nor on the machine, and the same image always gets the same draws.

    Parameters
    ----------
    images
        One image or several, of any of these kinds:

        * a path, a Pillow image, or an encoded image as bytes or as an open binary file;
        * a row of a Hugging Face dataset, a mapping whose ``"image"`` is an image or a mapping of
          ``"bytes"`` and ``"path"``, with ``"label"`` and ``"name"`` where they are known; its id
          is ``images/<label>/<name>``;
        * an array or tensor of shape (H, W), (H, W, C), (C, H, W), (N, H, W, C) or (N, C, H, W),
          where C is 1 (grey), 3 (RGB) or 4 (RGBA); uint8, or floats with a ``range``;
        * a :class:`~synthesight.stimuli.stimulus.Stimulus`.
    range
        Values of black and white in arrays of floats, such as ``(0, 1)`` or ``(-1, 1)``. It is
        never guessed.
    layout
        ``"HWC"`` or ``"CHW"``, for arrays whose shape allows both.

    Raises
    ------
    SynthesightError
        If something is no image, has no pixels, or its range or layout must be stated.

    Examples
    --------
    >>> stimuli = as_stimuli(np.zeros((2, 3, 32, 32)), range=(0, 1))
    >>> len(stimuli), stimuli[0].open().size
    (2, (32, 32))
    """
    if layout is not None and layout not in LAYOUTS:
        raise SynthesightError(f"There is no `layout={layout!r}`: choose HWC or CHW.")
    if range is not None:
        _check_range(range)
    return [_stimulus(image, range, layout) for image in _several(images)]


def _several(images: Any) -> Iterable[Any]:
    if isinstance(images, str | Path | bytes | Image.Image | Stimulus | Mapping):
        return [images]
    if isinstance(images, bytearray | memoryview) or hasattr(images, "read"):
        return [images]
    dimensions = getattr(images, "ndim", None)
    if dimensions in (2, 3):
        return [images]
    if dimensions == 0 or not isinstance(images, Iterable):
        raise SynthesightError(f"{images!r} is no image: {GIVE}.")
    return images


def _stimulus(image: Any, range: Range | None, layout: str | None) -> Stimulus:
    if isinstance(image, Stimulus):
        return image
    if isinstance(image, Mapping):
        return _from_row(image, range, layout)
    if isinstance(image, str | Path):
        return Stimulus(id=escaped(Path(image).name), source=Path(image))
    if hasattr(image, "read"):
        image = image.read()
    if isinstance(image, bytearray | memoryview):
        image = bytes(image)
    if isinstance(image, bytes):
        return Stimulus(id=_name(image), source=image)
    if not isinstance(image, Image.Image):
        image = _from_array(_array(image), range, layout)
    if 0 in image.size:
        raise SynthesightError(
            f"An image of {image.width} × {image.height} has no pixels: leave it out."
        )
    return Stimulus(id=_name(image.tobytes()), source=image)


def _name(pixels: bytes) -> str:
    return f"image-{hashlib.blake2b(pixels, digest_size=8).hexdigest()}"


def _from_row(row: Mapping[str, Any], range: Range | None, layout: str | None) -> Stimulus:
    """Return the stimulus of a row, or of an image that `datasets` leaves encoded."""
    if "image" not in row and {"bytes", "path"} & set(row):
        return _encoded(row, range, layout)
    image = row.get("image")
    if image is None:
        raise SynthesightError(
            f"A row with the columns {', '.join(map(str, row)) or 'of no name'} has no image: name "
            "the column of images `image`."
        )
    encoded = isinstance(image, Mapping)
    stimulus = _encoded(image, range, layout) if encoded else _stimulus(image, range, layout)
    label = next((str(row[key]) for key in ROW_LABELS if row.get(key) not in (None, "")), None)
    condition = row.get("condition")
    known = {"image", "name", *ROW_LABELS, "condition", "session"}
    return replace(
        stimulus,
        id="/".join([DATASET, *([label] if label else []), row.get("name") or stimulus.id]),
        dataset=DATASET,
        condition="0" if condition is None else str(condition),
        category=label,
        session=int(row.get("session") or 1),
        factors={
            str(key): value
            for key, value in row.items()
            if key not in known and isinstance(value, str | int | float | bool)
        },
    )


def _encoded(image: Mapping[str, Any], range: Range | None, layout: str | None) -> Stimulus:
    path = image.get("path")
    if (encoded := image.get("bytes")) is not None:
        return Stimulus(id=Path(path).name if path else _name(encoded), source=encoded)
    if path is None:
        raise SynthesightError("A row has an image of neither bytes nor path: leave it out.")
    return _stimulus(path, range, layout)


def _array(image: Any) -> np.ndarray:
    """Return an array of what may be a tensor, on whatever device and with whatever gradient."""
    if hasattr(image, "detach"):
        image = image.detach().cpu()
        if image.is_floating_point():
            image = image.float()  # numpy has no bfloat16
    array = np.asarray(image)
    if array.dtype == object or array.dtype.kind in "USM" or array.ndim == 0:
        raise SynthesightError(f"{image!r} is no image: {GIVE}.")
    return array


def _from_array(array: np.ndarray, range: Range | None, layout: str | None) -> Image.Image:
    pixels = _channels_last(array, layout)
    if 0 in pixels.shape:
        height, width = pixels.shape[:2]
        raise SynthesightError(f"An image of {width} × {height} has no pixels: leave it out.")
    if pixels.dtype != np.uint8:
        pixels = _to_bytes(pixels, range)
    if pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return image if image.mode == "RGB" else read_image(image)


def _channels_last(array: np.ndarray, layout: str | None) -> np.ndarray:
    if array.ndim == 2:
        return array[:, :, None]
    if array.ndim != 3:
        raise _no_image(array)
    last, first = array.shape[2] in CHANNELS, array.shape[0] in CHANNELS
    if layout is None and last and first:
        raise SynthesightError(
            f"An array of shape {array.shape} may have its channels first or last: say which by "
            "`layout='CHW'` or `layout='HWC'`."
        )
    if layout == "CHW" or (layout is None and first):
        if not first:
            raise _no_image(array)
        return np.moveaxis(array, 0, -1)
    if not last:
        raise _no_image(array)
    return array


def _no_image(array: np.ndarray) -> SynthesightError:
    return SynthesightError(
        f"An array of shape {array.shape} and type {array.dtype} is no image: give shapes (H, W), "
        "(H, W, C) or (C, H, W), C being 1, 3 or 4, or a list of them."
    )


def _to_bytes(pixels: np.ndarray, range: Range | None) -> np.ndarray:
    """Return values between black and white as uint8."""
    if range is None:
        raise SynthesightError(
            f"An array of type {pixels.dtype} does not say what is black and what is white: state "
            "it, as in `range=(0, 1)`, or give uint8."
        )
    if pixels.dtype.kind not in "fiub":
        raise _no_image(pixels)
    low, high = range
    values = pixels.astype(np.float64)
    if not np.isfinite(values).all():
        raise SynthesightError("An array has values that are NaN or infinite: leave it out.")
    slack = 1e-6 * (high - low)  # of rounding in single precision
    if values.min() < low - slack or values.max() > high + slack:
        raise SynthesightError(
            f"An array has values from {values.min():g} to {values.max():g}, outside of "
            f"`range=({low:g}, {high:g})`: state the range that it has, or clip it."
        )
    return np.rint((values.clip(low, high) - low) * (255.0 / (high - low))).astype(np.uint8)


def _check_range(range: Sequence[float]) -> None:
    try:
        low, high = range
        good = bool(np.isfinite([low, high]).all()) and low < high
    except (TypeError, ValueError):
        good = False
    if not good:
        raise SynthesightError(
            f"`range={range!r}` is not (black, white): give two numbers, such as (0, 1)."
        )
