"""One internal form for all diffusion and flow models: x̂ = D(z_t, t, prompt).

Whatever a network predicts (ε, v, x or the velocity of a flow) is turned into an estimate of the
clean image at one place, in float32; a family only says how its network is called and how its
prompts are encoded. Compare Karras et al. (2022), who write every model as a denoiser.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from synthesight.errors import SynthesightError
from synthesight.likelihood.autoencoder import Autoencoder
from synthesight.likelihood.schedule import Schedule
from synthesight.likelihood.text import TextEncoder

Prediction = Literal["epsilon", "v_prediction", "sample", "flow_prediction"]
PREDICTIONS: tuple[str, ...] = get_args(Prediction)

Conditioning = dict[str, Tensor]
"""Prepared prompts: tensors of one row a prompt, by the names that the family's network uses."""

FLOW_TIME_SCALE = 1000.0  # flow networks are told 1000 σ, so that their embedding is a DDPM's


class NonFiniteOutput(SynthesightError):
    """The network returned an infinity or a NaN, most often for want of range in float16."""


def clean_estimate(
    prediction: Prediction, output: Tensor, z: Tensor, alpha: Tensor, sigma: Tensor
) -> Tensor:
    """x̂, given what the network says about z = α x + σ ε.

    Parameters
    ----------
    prediction
        What the network predicts: ``"epsilon"`` is ε (Ho et al. 2020); ``"v_prediction"`` is
        α ε − σ x (Salimans & Ho 2022); ``"sample"`` is x; ``"flow_prediction"`` is ε − x (Liu et
        al. 2023; Lipman et al. 2023).
    output, z
        float32, shape (B, ...).
    alpha, sigma
        float32, broadcastable to ``z``.

    Returns
    -------
    Tensor of float32, the shape of ``z``.
    """
    if prediction == "epsilon":
        return (z - sigma * output) / alpha
    if prediction == "v_prediction":
        return (alpha * z - sigma * output) / (alpha**2 + sigma**2)
    if prediction == "flow_prediction":
        return (z - sigma * output) / (alpha + sigma)
    return output


@dataclass(frozen=True, eq=False)
class Parts:
    """The opened parts of a model folder, from which a family makes a model.

    Attributes
    ----------
    network
        The denoising network, with its diffusers ``config``.
    schedule, prediction
        What the noise schedule is, and what the network predicts.
    autoencoder
        None for a model of pixels.
    texts
        The text encoders in the order of the pipeline; None for one that the folder leaves out.
    index
        The content of ``model_index.json``.
    """

    network: nn.Module
    schedule: Schedule
    prediction: Prediction
    autoencoder: Autoencoder | None = None
    texts: tuple[TextEncoder | None, ...] = ()
    index: Mapping[str, Any] = field(default_factory=dict)


class DenoiserModel(ABC):
    """A diffusion or flow model that tells how well each prompt explains an image.

    It meets :class:`~synthesight.likelihood.protocol.LikelihoodModel`. There is no
    classifier-free guidance: the network's own prediction for the prompt is what is scored. A
    predicted variance (the second half of the channels) is dropped.

    Parameters
    ----------
    parts
        What the folder holds.
    name
        How messages and trials call the model.
    device, dtype
        Where the network runs and in which precision. What goes into the network is rounded to
        ``dtype``; z, x̂ and the errors are not.

    Attributes
    ----------
    network
        The module that is called. It may be replaced by an equivalent one, such as
        ``torch.compile(model.network)``.
    resolution
        Side of the images in pixels: the one the network was trained at. It may be set to
        another side that the network can take.

    Raises
    ------
    SynthesightError
        Where the parts do not fit together.
    """

    text_encoders: ClassVar[int] = 1
    text_optional: ClassVar[bool] = False

    def __init__(
        self,
        parts: Parts,
        *,
        name: str,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.name = name
        self.device = torch.device(device)
        self.dtype = dtype
        self.schedule = parts.schedule
        self.prediction: Prediction = parts.prediction
        self.autoencoder = parts.autoencoder
        self.config: Any = parts.network.config
        self.network: nn.Module = parts.network.eval().requires_grad_(False).to(self.device)
        self.texts = parts.texts
        self._check()
        self.resolution = self._native_resolution()
        self._alpha, self._sigma = (
            torch.as_tensor(values, dtype=torch.float32, device=self.device)
            for values in (parts.schedule.alpha, parts.schedule.sigma)
        )
        self._timesteps = (
            torch.as_tensor(parts.schedule.times * FLOW_TIME_SCALE, dtype=torch.float32)
            if parts.schedule.flow
            else torch.arange(len(parts.schedule))
        ).to(self.device)

    # What a family says ------------------------------------------------------------------------

    @abstractmethod
    def _encode_prompts(self, prompts: list[str]) -> Conditioning:
        """The prompts as the family's network wants them, one row each, on the device."""

    @abstractmethod
    def _call(self, z: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        """The network's output, shape (B, C or 2C, H, W).

        Parameters
        ----------
        z
            ``self.dtype``, shape (B, C, H, W).
        timesteps
            shape (B,): int64 indices of a diffusion model; float32 1000 σ of a flow.
        conditioning
            One row for each of the B.
        """

    @classmethod
    @abstractmethod
    def claims(cls, network: str, config: Mapping[str, Any]) -> bool:
        """Whether the family calls networks of this diffusers class and configuration."""

    # What all of them do -----------------------------------------------------------------------

    def prepare(self, prompts: Sequence[str]) -> Conditioning:
        """Encode the prompts once, with the text encoders on the device only meanwhile.

        Returns
        -------
        Tensors of one row a prompt, in the order given.

        Raises
        ------
        SynthesightError
            If there are no prompts.
        """
        if not prompts:
            raise SynthesightError(f"{self.name} was given no prompts: give one for each class.")
        return self._encode_prompts(list(prompts))

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Images, float32 (B, 3, R, R) in [−1, 1], to x: pixels or scaled latent means.

        Raises
        ------
        SynthesightError
            If the images have another shape.
        """
        if images.ndim != 4 or images.shape[1:] != (3, self.resolution, self.resolution):
            raise SynthesightError(
                f"{self.name} takes images of shape (B, 3, {self.resolution}, {self.resolution}), "
                f"but was given {tuple(images.shape)}: resize them, or set its resolution."
            )
        images = images.to(self.device, torch.float32)
        return images if self.autoencoder is None else self.autoencoder.encode(images)

    @torch.no_grad()
    def decode(self, x: Tensor) -> Tensor:
        """The reverse of :meth:`encode`: x or x̂ to images, float32 (B, 3, R, R), not clipped."""
        x = x.to(self.device, torch.float32)
        return x if self.autoencoder is None else self.autoencoder.decode(x)

    @torch.no_grad()
    def denoise(self, z: Tensor, steps: Tensor, conditioning: Conditioning, rows: Tensor) -> Tensor:
        """x̂ = D(z_t, t, prompt): the image that the network sees behind the noise.

        Parameters
        ----------
        z
            float32, shape (B, ...): α x + σ ε at each step.
        steps, rows
            int64, shape (B,): indices into ``schedule.times`` and of the prepared prompts.
        conditioning
            What :meth:`prepare` returned.

        Returns
        -------
        Tensor of float32, the shape of ``z``.
        """
        z, steps, rows = z.to(self.device), steps.to(self.device), rows.to(self.device)
        alpha, sigma = self._signal(steps, z.ndim)
        chosen = {key: value.index_select(0, rows) for key, value in conditioning.items()}
        output = self._call(z.to(self.dtype), self._timesteps[steps], chosen)
        output = output[:, : z.shape[1]].float()  # the rest, if any, is a predicted variance
        return clean_estimate(self.prediction, output, z, alpha, sigma)

    @torch.no_grad()
    def errors(
        self, x: Tensor, noise: Tensor, steps: Tensor, conditioning: Conditioning, rows: Tensor
    ) -> Tensor:
        """‖x − x̂‖² of each (image, draw, prompt); see the protocol.

        Raises
        ------
        NonFiniteOutput
            Where an error is infinite or NaN.
        """
        x, noise, steps = x.to(self.device), noise.to(self.device), steps.to(self.device)
        alpha, sigma = self._signal(steps, x.ndim)
        estimate = self.denoise(alpha * x + sigma * noise, steps, conditioning, rows)
        errors = (x - estimate).square().flatten(1).sum(1, dtype=torch.float64)
        finite = torch.isfinite(errors)
        if not finite.all():
            raise NonFiniteOutput(self._explain(steps[~finite][0]))
        return errors

    def _signal(self, steps: Tensor, ndim: int) -> tuple[Tensor, Tensor]:
        shape = (-1, *(1,) * (ndim - 1))
        return self._alpha[steps].view(shape), self._sigma[steps].view(shape)

    def _explain(self, step: Tensor) -> str:
        kind = str(self.dtype).removeprefix("torch.")
        remedy = (
            "try --dtype bfloat16 or --dtype float32"
            if self.dtype == torch.float16
            else "try --dtype float32"
            if self.dtype != torch.float32
            else "check that its weights are whole, for instance by downloading them again"
        )
        timestep = float(self._timesteps[step])
        return f"{self.name} gave a non-finite output in {kind} at timestep {timestep:g}: {remedy}."

    # Checks ------------------------------------------------------------------------------------

    def _channels(self) -> int:
        """Channels of x: 3 for pixels, else the autoencoder's."""
        return 3 if self.autoencoder is None else self.autoencoder.channels

    def _network_channels(self) -> tuple[int, int]:
        """The network's input and output channels, in units of channels of x."""
        inputs = int(self.config.in_channels)
        return inputs, int(self.config.out_channels or inputs)

    def _check(self) -> None:
        channels, (inputs, outputs) = self._channels(), self._network_channels()
        if inputs != channels or outputs not in (channels, 2 * channels):
            raise SynthesightError(
                f"{self.name} cannot be used: its network maps {inputs} channels to {outputs} where"
                f" its images have {channels}; choose a plain text-to-image model, not one for"
                " inpainting, editing or upscaling."
            )
        if self.prediction == "epsilon" and not self.schedule.alpha.all():
            raise SynthesightError(
                f"{self.name} predicts ε under a schedule that ends in pure noise, from which x̂ "
                "cannot be had: set rescale_betas_zero_snr to false or prediction_type to "
                "v_prediction in its scheduler_config.json, as it was trained."
            )
        if len(self.texts) < self.text_encoders or (None in self.texts and not self.text_optional):
            raise SynthesightError(
                f"{self.name} lacks a text encoder or its tokenizer: its folder must hold "
                f"{self.text_encoders} of each."
            )

    def _native_resolution(self) -> int:
        size = self.config.sample_size
        if not isinstance(size, int):
            raise SynthesightError(
                f"{self.name} gives {size!r} as the sample_size of its network: it must be one "
                "number, the side of square images."
            )
        return size * (1 if self.autoencoder is None else self.autoencoder.factor)

    def _text(self, prompts: list[str], *, length: int | None = None, **how: bool) -> Any:
        """The prompts in the first text encoder, the only one of most families."""
        encoder = self.texts[0]
        assert encoder is not None
        return encoder(prompts, length=length, device=self.device, dtype=self.dtype, **how)
