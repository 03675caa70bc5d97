"""What a generative model must offer to become a classifier.

A model answers one question: how many nats does an increment of evidence give to each prompt? There
are two kinds of increments, and a protocol for each:

- :class:`DrawModel`: *draws* without end, each an unbiased estimate of all there is to know (a
  time and a noise, a mask, an order of the tokens). Evidence is their mean.
- :class:`PartModel`: a *sequence of parts* that ends (blocks of tokens, scales, or everything at
  once). Evidence is their sum, and exact when all parts are seen.

A diffusion or flow model need not do that itself: one that meets :class:`Denoiser` becomes a model
of draws by :class:`~synthesight.likelihood.diffusion.DenoiserLikelihood`. Any object that has the
attributes and methods works; it need not inherit from anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch

from synthesight.likelihood.schedule import Schedule

Resolution = int | tuple[int, int]
"""Side of square images in pixels, or (height, width)."""


@runtime_checkable
class LikelihoodModel(Protocol):
    """What models of draws and of parts have in common."""

    @property
    def name(self) -> str:
        """How messages and trials call the model."""
        ...

    @property
    def resolution(self) -> Resolution:
        """Size, in pixels, of the RGB images that :meth:`encode` takes."""
        ...

    @property
    def device(self) -> torch.device:
        """Where the tensors live."""
        ...

    def prepare(self, prompts: Sequence[str]) -> Any:
        """Encode the prompts, once. The result is handed to ``nats`` unchanged."""
        ...

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Encode images, once each.

        Parameters
        ----------
        images
            float32, shape (B, 3, height, width), values in [-1, 1].

        Returns
        -------
        Tensor of any type, shape (B, ...): pixels, scaled latents or token ids.
        """
        ...


@runtime_checkable
class DrawModel(LikelihoodModel, Protocol):
    """A model whose evidence is the mean over exchangeable draws, 1 pass each."""

    def draws(
        self, keys: np.ndarray, index: np.ndarray, shape: Sequence[int]
    ) -> tuple[torch.Tensor, ...]:
        """Make draws: a pure function of its arguments, whatever else is in the batch.

        Parameters
        ----------
        keys
            uint64, shape (D, 2): the key of each draw's image, a hash of seed and stimulus id.
        index
            int64, shape (D,): 0, 1, 2, … within an image.
        shape
            Shape of one encoded image.

        Returns
        -------
        Tensors on the CPU, one row a draw. :mod:`~synthesight.likelihood.draws` makes numbers and
        noise from keys and indices. Where a draw has a scale (a time, a ratio of masked tokens),
        take it from :func:`~synthesight.likelihood.draws.uniforms`: those cover (0, 1) evenly, and
        ``sequential`` knows that errors may change with them.
        """
        ...

    def nats(
        self,
        x: torch.Tensor,
        draws: tuple[torch.Tensor, ...],
        conditioning: Any,
        rows: torch.Tensor,
    ) -> torch.Tensor:
        """Estimate log p(x given prompt), up to a constant shared by all prompts.

        Parameters
        ----------
        x
            Shape (B, ...), on the device: encoded images.
        draws
            What :meth:`draws` returned, on the device, one row for each of the B.
        conditioning
            What :meth:`prepare` returned.
        rows
            int64, shape (B,): which of the prepared prompts each of the B is given.

        Returns
        -------
        Tensor of float64, shape (B,): finite; higher is better. Not nats, but a score, where it is
        no log-likelihood, such as a denoiser's error under most weightings.
        """
        ...


@runtime_checkable
class PartModel(LikelihoodModel, Protocol):
    """A model whose evidence is the sum over a sequence of parts: log p by the chain rule.

    Attributes
    ----------
    horizon
        Number of parts, n. A model that has nothing to gain from stopping early has 1.
    cost
        Passes of each part, shape (n,), adding up to 1: all parts of an image take one pass a
        prompt. A model that averages over copies of an image takes one for each of them.
    cost_of
        Optional, where later parts cannot be computed without the earlier ones: a method that
        takes a range of parts and returns the passes that evaluating them takes. Without it, that
        is the sum of their costs.
    jitter
        Optional, of a model of parts whose encoded images vary by chance: a method that takes what
        ``encode`` returned and the images' keys, as in :meth:`DrawModel.draws`, and returns what is
        handed to ``nats``. What it makes of an image is a pure function of that image and its key.

    Examples
    --------
    Each class says how likely a pixel is bright. The two rows of an image are two parts:

    >>> import torch
    >>> class Brightness:
    ...     name, resolution, device = "brightness", 2, torch.device("cpu")
    ...     horizon, cost = 2, (0.5, 0.5)
    ...
    ...     def prepare(self, prompts):
    ...         return torch.tensor([0.9 if "bright" in prompt else 0.2 for prompt in prompts])
    ...
    ...     def encode(self, images):
    ...         return images.mean(dim=1) > 0
    ...
    ...     def nats(self, x, parts, conditioning, rows):
    ...         bright = conditioning[rows][:, None, None].double()
    ...         chance = torch.where(x[:, parts.start : parts.stop], bright, 1 - bright)
    ...         return chance.log().sum(dim=2)
    >>> isinstance(Brightness(), PartModel)
    True

    Evidence is log 0.2⁴ − log 0.9⁴ for a white image, and it took one pass a class:

    >>> import numpy as np
    >>> from synthesight.observers.generative import GenerativeClassifier
    >>> observer = GenerativeClassifier(Brightness(), classes=["bright", "dark"])
    >>> found = observer.classify(np.full((2, 2, 3), 255, dtype=np.uint8))
    >>> found.labels, found.evidence.round(3).tolist(), found.evaluations
    (['bright'], [[0.0, -6.016]], 2.0)
    """

    horizon: int
    cost: Sequence[float]

    def nats(
        self, x: torch.Tensor, parts: range, conditioning: Any, rows: torch.Tensor
    ) -> torch.Tensor:
        """Log p of each of the parts asked for, given the prompt and all parts before it.

        Parameters
        ----------
        x, conditioning, rows
            As in :meth:`DrawModel.nats`.
        parts
            The parts asked for, ``start`` to ``stop`` − 1, the same for all of the batch: what
            comes after them need not be computed.

        Returns
        -------
        Tensor of float64, shape (B, len(parts)): finite; higher is better.
        """
        ...


@runtime_checkable
class Denoiser(LikelihoodModel, Protocol):
    """A diffusion or flow model: it tells how well each prompt explains an image behind noise.

    Attributes
    ----------
    schedule
        The noise schedule: α_t and σ_t in z_t = α_t x + σ_t ε on a grid of times.

    Examples
    --------
    ``examples/own_model.py`` is one of thirty lines.
    """

    schedule: Schedule

    def errors(
        self,
        x: torch.Tensor,
        noise: torch.Tensor,
        steps: torch.Tensor,
        conditioning: Any,
        rows: torch.Tensor,
    ) -> torch.Tensor:
        """Squared error ‖x − x̂‖², summed over dimensions, of each (image, draw, prompt).

        Parameters
        ----------
        x, noise
            float32, shape (B, ...): encoded images and standard normal noise.
        steps
            int64, shape (B,): index of each time in ``schedule.times``.
        conditioning
            What :meth:`prepare` returned.
        rows
            int64, shape (B,): which of the prepared prompts each of the B is given.

        Returns
        -------
        Tensor of float64, shape (B,). Unweighted: the weighting is applied outside.
        """
        ...


@runtime_checkable
class Estimator(Denoiser, Protocol):
    """A denoiser that shows x̂ itself, and not only how far it is from x.

    Classifying needs no more than :meth:`~Denoiser.errors`; pictures of where the evidence is, its
    spatial frequencies and reconstructions need this.
    """

    def estimate(
        self,
        x: torch.Tensor,
        noise: torch.Tensor,
        steps: torch.Tensor,
        conditioning: Any,
        rows: torch.Tensor,
    ) -> torch.Tensor:
        """Return x̂ of each (image, draw, prompt), whose squared distance to x ``errors`` sums.

        Parameters
        ----------
        x, noise, steps, conditioning, rows
            As in :meth:`Denoiser.errors`.

        Returns
        -------
        Tensor of float32, the shape of ``x``.
        """
        ...


@runtime_checkable
class Located(Protocol):
    """A model that tells where in an image its nats are."""

    def nat_maps(
        self,
        x: torch.Tensor,
        increment: tuple[torch.Tensor, ...] | range,
        conditioning: Any,
        rows: torch.Tensor,
    ) -> torch.Tensor:
        """Return what ``nats`` sums over the places of an image: pixels, latents or tokens.

        Parameters
        ----------
        x, conditioning, rows
            As in :meth:`DrawModel.nats`.
        increment
            What ``draws`` returned, of a model of draws; the parts, of a model of parts.

        Returns
        -------
        Tensor of float64, shape (B, h, w), whose sum over h and w is ``nats``, summed over the
        parts too. Places without nats, such as tokens that a draw did not mask, have 0.
        """
        ...


@runtime_checkable
class Resampler(Protocol):
    """A model of tokens that can draw some of them anew, and make images of tokens."""

    def decode(self, x: torch.Tensor) -> torch.Tensor:
        """Return images of tokens: float32, shape (B, 3, height, width), in [-1, 1]."""
        ...

    def resample(
        self, x: torch.Tensor, mask: torch.Tensor, conditioning: Any, rows: torch.Tensor, seed: int
    ) -> torch.Tensor:
        """Draw some of the tokens anew, given the prompt and what the model sees of the others.

        Parameters
        ----------
        x
            Shape (B, ...): encoded images.
        mask
            bool, the shape of ``x``: the tokens to draw. A model of a sequence sees no more than
            the tokens before each: of those, a mask should be the end.
        conditioning, rows
            As in :meth:`DrawModel.nats`.
        seed
            Of the tokens drawn.

        Returns
        -------
        Tokens, the shape and type of ``x``.
        """
        ...


def passes_of(model: PartModel, parts: range) -> float:
    """Return how many passes it takes to evaluate some parts for one image and prompt."""
    own = getattr(model, "cost_of", None)
    found = own(parts) if own is not None else fsum(model.cost[parts.start : parts.stop])
    return round(float(found), 12)  # 1 for all parts, however their shares were rounded


def horizon_of(model: LikelihoodModel) -> int | None:
    """Return how many parts a model has; None for a model of draws, which never end."""
    return getattr(model, "horizon", None)
