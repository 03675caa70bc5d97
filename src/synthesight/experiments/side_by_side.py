"""Train several networks on the same images, one after another or side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch

from synthesight.errors import SynthesightError
from synthesight.experiments import discriminative
from synthesight.experiments.discriminative import DiscriminativeOptions
from synthesight.experiments.images import LabelledImages
from synthesight.experiments.streamed import StreamedImages
from synthesight.progress import Progress

Images = LabelledImages | StreamedImages


@contextmanager
def trained(
    images: Images,
    trainings: Mapping[str, DiscriminativeOptions],
    out: Path,
    device: torch.device,
    processes: int = 1,
) -> Iterator[None]:
    """Train networks while the body of the ``with`` runs; they are all trained at its end.

    Parameters
    ----------
    images
        What all are trained on.
    trainings
        Options of each training, by the name of its folder in ``out``.
    out
        Folder of all trainings, those of which that are done are not done again.
    device
        Where to train.
    processes
        How many to train at once: a small network alone does not keep a GPU busy. With one, they
        are trained after the body, in this process.

    Raises
    ------
    SynthesightError
        If a training ends with an error.
    """
    if processes == 1:
        yield
        train_each(images, trainings, out, device)
        return
    context = torch.multiprocessing.get_context("spawn")
    names = list(trainings)
    shares = [{name: trainings[name] for name in names[n::processes]} for n in range(processes)]
    running = [
        context.Process(target=train_each, args=(images, share, out, device), daemon=True)
        for share in shares
        if share
    ]
    for process in running:
        process.start()
    try:
        yield
        for process in running:
            process.join()
        if any(process.exitcode for process in running):
            raise SynthesightError(
                "A training has ended with an error, which it has told above: the same command "
                "goes on from its last checkpoint."
            )
    finally:
        for process in running:
            process.terminate()


def train_each(
    images: Images,
    trainings: Mapping[str, DiscriminativeOptions],
    out: Path,
    device: torch.device,
) -> None:
    """Train networks one after another; parameters are those of :func:`trained`."""
    for name, options in trainings.items():
        total = discriminative.steps_of(images, options)
        with Progress(f"Training {name}", total, show=True) as progress:

            def report(step: int, loss: float, progress: Progress = progress) -> None:
                progress.at(step, f"loss {loss:.3f}")

            discriminative.train(images, out / name, options, device=device, report=report)
