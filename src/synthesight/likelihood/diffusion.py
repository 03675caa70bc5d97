"""Diffusion and flow models as models of draws: a weighted error at a time, with a noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from synthesight.errors import SynthesightError
from synthesight.likelihood.device import in_float64, summing_device
from synthesight.likelihood.draws import normal_noise, uniforms
from synthesight.likelihood.protocol import (
    Denoiser,
    DrawModel,
    Estimator,
    PartModel,
    Resolution,
)
from synthesight.likelihood.weighting import TimeSampler, weights

DEFAULT_WEIGHTING = "jaini"
Weighting = str | Sequence[float]


class DenoiserLikelihood:
    """A denoiser as a :class:`~synthesight.likelihood.protocol.DrawModel`.

    A draw is a time t and a noise ε; it gives −w_t ‖x − x̂‖² nats, x̂ being the denoiser's estimate
    of x from α_t x + σ_t ε. These are nats under the weighting ``elbo``, else a score.

    Parameters
    ----------
    denoiser
        Any object that meets :class:`~synthesight.likelihood.protocol.Denoiser`.
    weighting, proposal
        See :meth:`~synthesight.likelihood.weighting.TimeSampler.create`.
    times
        Times in [0, 1] to take in turn, draw i at the (i mod T)-th, instead of random ones. They
        are rounded to those of the schedule.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        weighting: Weighting = DEFAULT_WEIGHTING,
        proposal: Sequence[float] | None = None,
        *,
        times: Sequence[float] | np.ndarray | None = None,
    ) -> None:
        self.denoiser = denoiser
        self._sampler = TimeSampler.create(denoiser.schedule, weighting, proposal)
        self._grid: np.ndarray | None = None
        factor = self._sampler.factor
        if times is not None:
            gap = np.abs(np.asarray(times, dtype=np.float64)[:, None] - denoiser.schedule.times)
            self._grid = gap.argmin(axis=1)
            factor = weights(weighting, denoiser.schedule)
        self._factors = factor
        self._factor = torch.from_numpy(factor).to(summing_device(denoiser.device))

    @property
    def name(self) -> str:
        return self.denoiser.name

    @property
    def resolution(self) -> Resolution:
        return self.denoiser.resolution

    @property
    def device(self) -> torch.device:
        return self.denoiser.device

    def prepare(self, prompts: Sequence[str]) -> Any:
        return self.denoiser.prepare(prompts)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        return self.denoiser.encode(images)

    def times(self, keys: np.ndarray, index: np.ndarray) -> np.ndarray:
        """Return the time of each draw: float64, shape (D,)."""
        return self.denoiser.schedule.times[self._steps(keys, index)]

    @property
    def density(self) -> np.ndarray:
        """How often each of the schedule's times is drawn, float64 (T,): 1 where evenly."""
        chosen = np.diff(self._sampler.cumulative, prepend=0.0) / self._sampler.cumulative[-1]
        if self._grid is not None:
            chosen = np.bincount(self._grid, minlength=len(chosen)) / len(self._grid)
        return len(chosen) * chosen

    def unweighted(self, keys: np.ndarray, index: np.ndarray, nats: np.ndarray) -> np.ndarray:
        """Return the errors ‖x − x̂‖² of which draws gave nats, float64, shape (D,)."""
        return -nats / self._factors[self._steps(keys, index)]

    def draws(
        self, keys: np.ndarray, index: np.ndarray, shape: Sequence[int]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the steps of the schedule, int64 (D,), and noise, float32 (D, *shape)."""
        noise = normal_noise(keys, index, shape)
        return torch.from_numpy(self._steps(keys, index)), torch.from_numpy(noise)

    def nats(
        self,
        x: torch.Tensor,
        draws: tuple[torch.Tensor, ...],
        conditioning: Any,
        rows: torch.Tensor,
    ) -> torch.Tensor:
        """Return −w_t ‖x − x̂‖² / p_t, float64, shape (B,), p being the proposal.

        Raises
        ------
        SynthesightError
            If the denoiser's errors are not finite, or not one for each of the B.
        """
        steps, noise = draws
        errors = self.denoiser.errors(x, noise, steps, conditioning, rows)
        if errors.shape != rows.shape:
            raise SynthesightError(
                f"{self.name} gave errors of shape {tuple(errors.shape)}, not "
                f"{tuple(rows.shape)}: sum them over all dimensions of an image."
            )
        finite = torch.isfinite(errors)
        if not finite.all():
            time = self.denoiser.schedule.times[int(steps[~finite][0])]
            kind = str(getattr(self.denoiser, "dtype", "")).removeprefix("torch.")
            raise SynthesightError(
                f"{self.name} gave a non-finite error{kind and f' in {kind}'} at time "
                f"{time:.3f}: run it in float32, and check its weights and what it divides by."
            )
        errors = in_float64(errors)
        return -errors * self._factor[steps.to(errors.device)]

    def residuals(
        self,
        x: torch.Tensor,
        draws: tuple[torch.Tensor, ...],
        conditioning: Any,
        rows: torch.Tensor,
    ) -> torch.Tensor:
        """Return √(w_t / p_t) (x − x̂), float64, the shape of x: −‖·‖² of it are the nats.

        Raises
        ------
        SynthesightError
            If the denoiser does not show x̂, or x has no height and width.
        """
        if not isinstance(self.denoiser, Estimator):
            raise SynthesightError(
                f"{self.name} tells errors, and not where they are: give it the method `estimate` "
                "of synthesight.likelihood.Estimator."
            )
        if x.ndim < 4:
            raise SynthesightError(
                f"{self.name} encodes images as shape {tuple(x.shape[1:])}, without a height and "
                "a width: where its evidence is cannot be shown."
            )
        steps, noise = draws
        estimate = self.denoiser.estimate(x, noise, steps, conditioning, rows)
        rest = in_float64(x - estimate)
        factor = self._factor[steps.to(rest.device)].sqrt().view(-1, *(1,) * (x.ndim - 1))
        return rest * factor

    def nat_maps(
        self,
        x: torch.Tensor,
        draws: tuple[torch.Tensor, ...],
        conditioning: Any,
        rows: torch.Tensor,
    ) -> torch.Tensor:
        """Return the nats of each pixel or latent, channels summed: float64, shape (B, h, w)."""
        squares = self.residuals(x, draws, conditioning, rows).square()
        return -squares.flatten(1, -3).sum(dim=1)

    def _steps(self, keys: np.ndarray, index: np.ndarray) -> np.ndarray:
        if self._grid is not None:
            return self._grid[index % len(self._grid)]
        return self._sampler.steps(uniforms(keys, index))


def as_likelihood(
    model: Denoiser | DrawModel | PartModel,
    weighting: Weighting | None = None,
    proposal: Sequence[float] | None = None,
) -> DrawModel | PartModel:
    """Return a model that gives nats: a denoiser is wrapped, any other used as it is.

    Parameters
    ----------
    model
        An object that meets a protocol of :mod:`synthesight.likelihood.protocol`.
    weighting, proposal
        For denoisers; None is ``"jaini"``.

    Raises
    ------
    SynthesightError
        If the object meets no protocol, or is given a weighting that it has no use for.
    """
    label = getattr(model, "name", None) or f"A {type(model).__name__}"
    if isinstance(model, DrawModel | PartModel):
        for name, value in (("weighting", weighting), ("proposal", proposal)):
            if value is not None:
                raise SynthesightError(
                    f"{label} gives nats, not errors at times: leave out `{name}`."
                )
        if isinstance(model, PartModel):
            _check_parts(model)
        return model
    if not isinstance(model, Denoiser):
        raise SynthesightError(
            f"{label} is no likelihood model: give it the attributes and methods of a protocol in "
            "synthesight.likelihood.protocol."
        )
    return DenoiserLikelihood(
        model, DEFAULT_WEIGHTING if weighting is None else weighting, proposal
    )


def _check_parts(model: PartModel) -> None:
    cost = np.asarray(model.cost, dtype=np.float64)
    passes = max(1, round(cost.sum())) if np.isfinite(cost).all() else 0
    if cost.shape != (model.horizon,) or not np.isclose(cost.sum(), passes) or (cost < 0).any():
        raise SynthesightError(
            f"{model.name} has a `cost` that is not {model.horizon} numbers adding up to 1: give "
            "the share of a pass that each part takes."
        )
