"""One internal form for all diffusion and flow models: x̂ = D(z_t, t, prompt).

Whatever a network predicts (ε, v, x or the velocity of a flow) becomes an estimate of the clean
image at one place, in float32. How the network is called is the *door*'s business
(:mod:`~synthesight.likelihood.doors`). Compare Karras et al. (2022), who write every model as a
denoiser.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from synthesight.errors import SynthesightError
from synthesight.likelihood.device import WITHOUT_FLOAT64, summing_device
from synthesight.likelihood.plumbing import dtype_of
from synthesight.likelihood.schedule import Prediction, Schedule, clean_estimate


class NonFiniteOutput(SynthesightError):
    """The network returned an infinity or a NaN, most often for want of range in float16."""


class Door(Protocol):
    """How a network is reached."""

    network: nn.Module

    def prepare(self, prompts: list[str]) -> Any:
        """Encode prompts, once."""
        ...

    def predict(self, z: Tensor, timesteps: Tensor, prepared: Any, rows: Tensor) -> Tensor:
        """Return what the network says about z, float32 (B, ...): float32, of the same shape.

        ``timesteps``, float64 (B,), are as the scheduler numbers them; ``rows``, int64 (B,), say
        which of the ``prepared`` prompts each is given.
        """
        ...


class Space(Protocol):
    """Where noise is added: pixels, or the latents of an autoencoder."""

    def encode(self, images: Tensor) -> Tensor:
        """Return x of images in [−1, 1], float32 (B, 3, H, W)."""
        ...

    def decode(self, x: Tensor) -> Tensor:
        """Return images, float32 (B, 3, H, W), not clipped."""
        ...


class DenoiserModel:
    """A diffusion or flow model that tells how well each prompt explains an image.

    It meets :class:`~synthesight.likelihood.protocol.Estimator`. There is no classifier-free
    guidance: the network's own prediction for the prompt is what is scored. What goes into the
    network is rounded to the precision of its weights; z, x̂ and the errors are not.

    ``door`` is how the network is called, ``space`` where noise is added, and ``clamped`` whether
    x̂ is cut off at [−1, 1]. ``resolution`` is (height, width) in pixels, or one number for both.
    """

    def __init__(
        self,
        door: Door,
        space: Space,
        schedule: Schedule,
        prediction: Prediction,
        *,
        name: str,
        device: torch.device | str = "cpu",
        resolution: int | tuple[int, int],
        clamped: bool = False,
    ) -> None:
        self.door = door
        self.space = space
        self.schedule = schedule
        self.prediction: Prediction = prediction
        self.name = name
        self.device = torch.device(device)
        self.dtype = dtype_of(door.network)
        self.resolution = resolution
        self.clamped = clamped
        self._alpha, self._sigma = (
            torch.as_tensor(values, dtype=torch.float32, device=self.device)
            for values in (schedule.alpha, schedule.sigma)
        )
        timesteps = torch.as_tensor(schedule.timesteps)
        if timesteps.is_floating_point() and self.device.type in WITHOUT_FLOAT64:
            timesteps = timesteps.float()
        self._timesteps = timesteps.to(self.device)

    @property
    def network(self) -> nn.Module:
        """The module that is called; it may be replaced, as by ``torch.compile`` of it."""
        return self.door.network

    @network.setter
    def network(self, network: nn.Module) -> None:
        self.door.network = network
        self.dtype = dtype_of(network)

    def __repr__(self) -> str:
        kind = type(self.network).__name__
        return f"<{self.name}: {kind}, {self.prediction}, {self.resolution} px, {self.dtype}>"

    def prepare(self, prompts: Sequence[str]) -> Any:
        """Encode the prompts once, with the text encoders on the device only meanwhile."""
        if not prompts:
            raise SynthesightError(f"{self.name} was given no prompts: give one for each class.")
        return self.door.prepare(list(prompts))

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Return x of images, float32 (B, 3, H, W) in [−1, 1]: pixels or scaled latent means."""
        height, width = self.size
        if images.ndim != 4 or images.shape[1:] != (3, height, width):
            raise SynthesightError(
                f"{self.name} takes images of shape (B, 3, {height}, {width}), but was given "
                f"{tuple(images.shape)}: resize them, or open it with another `resolution`."
            )
        x = self.space.encode(images.to(self.device, torch.float32))
        return x / self.schedule.data_scale

    @torch.no_grad()
    def decode(self, x: Tensor) -> Tensor:
        """Return images of x or x̂, float32 (B, 3, H, W), not clipped."""
        x = x.to(self.device, torch.float32) * self.schedule.data_scale
        return self.space.decode(x)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images, in pixels."""
        size = self.resolution
        return (size, size) if isinstance(size, int) else size

    @torch.no_grad()
    def denoise(self, z: Tensor, steps: Tensor, conditioning: Any, rows: Tensor) -> Tensor:
        """Return x̂ = D(z_t, t, prompt): the image that the network sees behind the noise.

        ``z`` = α x + σ ε and the result are float32 (B, ...); ``steps`` and ``rows``, int64 (B,),
        are indices into ``schedule.times`` and of the prepared prompts.
        """
        z, steps, rows = z.to(self.device), steps.to(self.device), rows.to(self.device)
        alpha, sigma = self._signal(steps, z.ndim)
        output = self.door.predict(z, self._timesteps[steps], conditioning, rows)
        estimate = clean_estimate(self.prediction, output, z, alpha, sigma)
        return estimate.clamp(-1.0, 1.0) if self.clamped else estimate

    @torch.no_grad()
    def estimate(
        self, x: Tensor, noise: Tensor, steps: Tensor, conditioning: Any, rows: Tensor
    ) -> Tensor:
        """Return x̂ of each (image, draw, prompt), float32, the shape of x; see the protocol.

        Raises
        ------
        NonFiniteOutput
            Where x̂ is infinite or NaN.
        """
        estimate = self._estimate(x.to(self.device), noise, steps, conditioning, rows)
        self._check_finite(self._sums(estimate), steps)
        return estimate

    @torch.no_grad()
    def errors(
        self, x: Tensor, noise: Tensor, steps: Tensor, conditioning: Any, rows: Tensor
    ) -> Tensor:
        """Return ‖x − x̂‖² of each (image, draw, prompt), float64; see the protocol.

        Raises
        ------
        NonFiniteOutput
            Where an error is infinite or NaN.
        """
        x = x.to(self.device)
        estimate = self._estimate(x, noise, steps, conditioning, rows)
        errors = self._sums((x - estimate).square())
        self._check_finite(errors, steps)
        return errors

    def _sums(self, values: Tensor) -> Tensor:
        """Return the sum of each image, in float64: added in it, not only at the end."""
        return values.to(summing_device(self.device)).flatten(1).sum(1, dtype=torch.float64)

    def _estimate(
        self, x: Tensor, noise: Tensor, steps: Tensor, conditioning: Any, rows: Tensor
    ) -> Tensor:
        noise, steps = noise.to(self.device), steps.to(self.device)
        alpha, sigma = self._signal(steps, x.ndim)
        z = alpha * x + sigma * (self.schedule.noise_scale * noise)
        return self.denoise(z, steps, conditioning, rows)

    def _check_finite(self, values: Tensor, steps: Tensor) -> None:
        finite = torch.isfinite(values)
        if not finite.all():
            raise NonFiniteOutput(self._explain(steps.to(self.device)[~finite][0]))

    def _signal(self, steps: Tensor, ndim: int) -> tuple[Tensor, Tensor]:
        shape = (-1, *(1,) * (ndim - 1))
        return self._alpha[steps].view(shape), self._sigma[steps].view(shape)

    def _explain(self, step: Tensor) -> str:
        kind = str(self.dtype).removeprefix("torch.")
        remedy = (
            "try `dtype=bfloat16` or `dtype=float32`"
            if self.dtype == torch.float16
            else "try `dtype=float32`"
            if self.dtype != torch.float32
            else "check that its weights are whole, for instance by downloading them again"
        )
        timestep = float(self._timesteps[step])
        return f"{self.name} gave a non-finite output in {kind} at timestep {timestep:g}: {remedy}."
