"""Open labelled images to train on: a table, folders, archives, or a Hugging Face dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from synthesight.errors import SynthesightError
from synthesight.experiments.images import LabelledImages
from synthesight.experiments.streamed import StreamedImages
from synthesight.stimuli.find import find_stimuli
from synthesight.stimuli.images import UnreadableImage
from synthesight.stimuli.stimulus import Stimulus
from synthesight.stimuli.synsets import FACTOR
from synthesight.stimuli.tables import PARQUET

TRAIN = "train"  # part of a dataset's folder, where it has one


def open_images(
    data: str | Path,
    *,
    resolution: int | None = None,
    crop: bool = False,
    workers: int = 0,
    progress: bool | None = None,
) -> LabelledImages | StreamedImages:
    """Open labelled images.

    Parameters
    ----------
    data
        A Parquet table with columns ``image`` (encoded bytes) and ``label``, or what
        :func:`~synthesight.find_stimuli` takes; of a folder that has one, the part ``train``.
    resolution
        Side of the images, in pixels. Without ``crop`` they are scaled to it, and kept in memory;
        None leaves them as they are, which must be alike.
    crop
        Whether each image is cropped at random when it is shown: it is then read anew each time.
    workers
        Processes that read images to be cropped.
    progress
        Whether to tell how far it is; see :class:`~synthesight.progress.Progress`.

    Returns
    -------
    The images. Labels that are ImageNet's synsets stay synsets, whose order is ImageNet's.

    Raises
    ------
    SynthesightError
        If there are none, they have fewer than two labels, or one cannot be read.
    """
    place = Path(data).expanduser()
    if resolution is None and not crop and str(data).endswith(PARQUET):
        return LabelledImages.from_parquet(place, progress=progress is not False)
    stimuli = find_stimuli(place / TRAIN if (place / TRAIN).is_dir() else data)
    names, labels = _labels(stimuli, data)
    if crop:
        if resolution is None:
            raise SynthesightError("`crop` needs the side that crops are scaled to: `resolution`.")
        # What is no file may need libraries whose threads a forked process lacks.
        files = all(isinstance(each.source, str | Path | bytes) for each in stimuli)
        return StreamedImages(
            stimuli, labels, names, resolution=resolution, workers=workers if files else 0
        )
    if resolution is None:
        resolution = _common_side(stimuli, data)
    return LabelledImages.from_stimuli(stimuli, labels, names, resolution, progress=progress)


def _labels(stimuli: Sequence[Stimulus], data: str | Path) -> tuple[list[str], list[int]]:
    label_of = [str(s.factors.get(FACTOR, s.category)) for s in stimuli if s.category is not None]
    if len(label_of) < len(stimuli):
        raise SynthesightError(
            f"{len(stimuli) - len(label_of)} images of {data} have no label: put them into folders "
            "<label>/<image>."
        )
    names = sorted(set(label_of))
    if len(names) < 2:
        raise SynthesightError(
            f"{data}: all images have the label {names[0]!r}; there must be two or more labels to "
            "tell apart."
        )
    index = {name: place for place, name in enumerate(names)}
    return names, [index[label] for label in label_of]


def _common_side(stimuli: Sequence[Stimulus], data: str | Path) -> int:
    """Return the side of the first image, if it is square: all are scaled to it."""
    try:
        width, height = stimuli[0].open().size
    except UnreadableImage as error:
        raise SynthesightError(f"{error} Take it out of the training images.") from error
    if width != height:
        raise SynthesightError(
            f"{data}: training images must be square, and these have {width} × {height} pixels: "
            "give the `resolution` to scale and crop them to."
        )
    return width
