"""Train several networks on the same images, one after another or side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.multiprocessing import ProcessExitedException, ProcessRaisedException

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
        If a training ends with an error; those in other processes are finished first.
    """
    if processes == 1:
        yield
        train_each(images, trainings, out, device)
        return
    names = list(trainings)
    shares = [{name: trainings[name] for name in names[n::processes]} for n in range(processes)]
    running = torch.multiprocessing.start_processes(
        _train_share, (images, shares, out, device), processes, join=False, daemon=True
    )
    try:
        yield
        for process in running.processes:
            process.join()  # `running.join` alone ends all where one fails: hours would be lost
        running.join()
    except (ProcessRaisedException, ProcessExitedException) as error:
        _, _, told = str(error).strip().splitlines()[-1].partition("SynthesightError: ")
        reason = told or f"{' or '.join(shares[error.error_index])}: {error}"  # killed from outside
        raise SynthesightError(
            f"A training has ended with an error, {reason.rstrip('.')}. Those beside it are done; "
            "the same command goes on from its last checkpoint."
        ) from error
    finally:
        for process in running.processes:
            process.terminate()


def _train_share(
    number: int, images: Images, shares: list[dict[str, Any]], out: Path, device: torch.device
) -> None:
    for name, options in shares[number].items():
        try:
            train_each(images, {name: options}, out, device)
        except Exception as error:
            raise SynthesightError(f"{name}: {' '.join(str(error).split())}") from error


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
