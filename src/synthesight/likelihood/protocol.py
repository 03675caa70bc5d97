"""What a generative model must offer to become a classifier.

Three methods: prepare the prompts once, encode the images once, and turn a batch of
(image, draw, class) triples into squared errors. Any Python object that has them works; the
families beside this file are only the ones that we wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import torch

from synthesight.likelihood.schedule import Schedule


@runtime_checkable
class LikelihoodModel(Protocol):
    """A denoiser that tells how well each prompt explains an image.

    Attributes
    ----------
    name
        How error messages and trials call the model.
    resolution
        Side, in pixels, of the square RGB images that :meth:`encode` takes.
    schedule
        The noise schedule: α_t and σ_t in z_t = α_t x + σ_t ε on a grid of times.
    device
        Where the tensors live.
    """

    name: str
    resolution: int
    schedule: Schedule
    device: torch.device

    def prepare(self, prompts: Sequence[str]) -> Any:
        """Encode the prompts, once. The result is handed back to :meth:`errors` unchanged."""
        ...

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Images to the space where noise is added, once an image.

        Parameters
        ----------
        images
            float32, shape (B, 3, resolution, resolution), values in [-1, 1].

        Returns
        -------
        Tensor of float32, shape (B, ...): x itself in pixel space, the scaled mean of the
        autoencoder's posterior in latent space.
        """
        ...

    def errors(
        self,
        x: torch.Tensor,
        noise: torch.Tensor,
        steps: torch.Tensor,
        conditioning: Any,
        rows: torch.Tensor,
    ) -> torch.Tensor:
        """Squared error ‖x − x̂‖², summed over dimensions, of each triple.

        Parameters
        ----------
        x, noise
            float32, shape (B, ...): encoded images and standard normal noise.
        steps
            int64, shape (B,): index of each triple's time in ``schedule.times``.
        conditioning
            What :meth:`prepare` returned.
        rows
            int64, shape (B,): for each triple, which of the prepared prompts it is given.

        Returns
        -------
        Tensor of float64, shape (B,). Unweighted: the weighting is applied outside.
        """
        ...
