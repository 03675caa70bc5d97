"""Open any diffusers pipeline as a denoiser, with no code for its family.

The pipeline is run a few times, and watched, to learn how its network is called
(:mod:`~synthesight.likelihood.doors`). The captured call is then checked against the pipeline's own
on a few draws; where they differ, the pipeline's own call is used, and that is said.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from synthesight.errors import SynthesightError, SynthesightWarning, first_line
from synthesight.likelihood import special_cases
from synthesight.likelihood.autoencoder import Autoencoder, Pixels
from synthesight.likelihood.capture import Watch
from synthesight.likelihood.clocks import SEED, as_told, timesteps_at
from synthesight.likelihood.denoiser import DenoiserModel, Door, Space
from synthesight.likelihood.device import exact_float32
from synthesight.likelihood.doors import CapturedCall, SchedulerCall
from synthesight.likelihood.hub import read_json
from synthesight.likelihood.memory import is_out_of_memory
from synthesight.likelihood.plumbing import FirstCall, Layout, cast, dtype_of, first_call, learn
from synthesight.likelihood.rearrangement import PROBES, NotCaptured
from synthesight.likelihood.schedule import Schedule, read_schedule

# What every pipeline is asked for, if it knows the argument.
PLAIN: dict[str, Any] = {
    "num_images_per_prompt": 1,
    "num_videos_per_prompt": 1,
    "num_frames": 1,
    "video_length": 1,
    "frames": 1,
    "clean_caption": False,  # which needs packages of its own
    "use_resolution_binning": False,  # which would change the size that is asked for
    "true_cfg_scale": 1.0,
    "enable_prompt_rewrite": False,  # by a language model: what is scored is the prompt
    "use_pe": False,
}
GUIDANCE_OFF = (1.0, 0.0)
SAMPLE_PROMPTS = ("A bad photo of an elephant beside a bicycle", "A photo of a cat")  # long, short
# How far two doors may differ, relative to the largest value: so little that no better way to
# encode prompts is looked for, and at most.
AGREEMENT = {
    torch.float32: (1e-5, 1e-4),
    torch.float16: (5e-4, 1e-2),
    torch.bfloat16: (4e-3, 5e-2),
}


T = TypeVar("T")


class PipelineDenoiser(DenoiserModel):
    """A diffusers pipeline as a denoiser, of images given texts or classes (``takes_labels``).

    None leaves ``device`` and ``dtype`` as they are, and ``resolution`` the pipeline's own. With a
    device, the network and the autoencoder are moved there, and the text encoders visit it while
    prompts are encoded.

    ``reference`` is the pipeline's own call, which is slow, and exact by construction;
    ``precision`` what :func:`~synthesight.likelihood.precision.choose_precision` measured, if it
    did.

    Examples
    --------
    >>> import synthesight
    >>> model = synthesight.load("natural-32", device="cpu").model
    >>> model.pipeline.__class__.__name__, model.size
    ('PixArtSigmaPipeline', (32, 32))
    """

    def __init__(
        self,
        pipeline: Any,
        *,
        name: str | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        resolution: int | tuple[int, int] | None = None,
    ) -> None:
        label = name or pipeline.config.get("_name_or_path") or type(pipeline).__name__
        watch = Watch(pipeline)
        special_cases.refuse(watch, label)
        schedule, prediction = read_schedule(pipeline.scheduler, label)
        pipeline.set_progress_bar_config(disable=True)
        self.pipeline = pipeline
        self.name = label
        self.source: dict[str, Any] = {}
        self.precision: dict[str, float | None] | None = None
        self._watch = watch
        self._visitors: list[nn.Module] = []
        self.takes_labels = "prompt" not in self._watch.parameters
        self._place(device, dtype)
        first, layout, door = self._watched(schedule, resolution)
        schedule = as_told(schedule, first)
        space, size = self._space(layout)
        if resolution is not None and size != _pair(resolution):
            raise SynthesightError(
                f"{label} makes no images of {'{} × {}'.format(*_pair(resolution))} pixels: the "
                f"nearest `resolution` is {'{} × {}'.format(*size)}."
            )
        reference = SchedulerCall(self._watch, layout, self._call, first)
        super().__init__(
            reference,
            space,
            schedule,
            prediction,
            name=label,
            device=first.sample.device,
            resolution=size[0] if size[0] == size[1] else size,
            clamped=type(pipeline).__name__ in special_cases.CLAMPED,
        )
        self._asked = resolution
        self._use(reference, door)

    def reopen(self) -> None:
        """Learn anew how the network is called, as after its precision was changed."""
        first, layout, door = self._watched(self.schedule, self._asked)
        self._use(SchedulerCall(self._watch, layout, self._call, first), door)

    def _use(self, reference: SchedulerCall, door: CapturedCall | str) -> None:
        self.reference = reference
        self.dtype = dtype_of(reference.network)
        with exact_float32():
            self.door = self._checked(door)
        if self.door is reference:  # whose every call encodes its prompt: text encoders stay
            for part in self._visitors:
                part.to(self.device)
            self._visitors = []

    def describe(self) -> dict[str, Any]:
        """Return what made the scores besides the weights, as JSON can hold it."""
        return {
            "pipeline": type(self.pipeline).__name__,
            "source": self.source,
            "door": repr(self.door),
            "precision": self.precision,
            "arguments": {
                key: value
                for key, value in self._fixed.items()
                if isinstance(value, int | float | str | bool)
            },
        }

    def prepare(self, prompts: Sequence[str]) -> Any:
        """Encode the prompts once; see :class:`~synthesight.likelihood.denoiser.DenoiserModel`.

        A model of classes takes their numbers as text (``"404"``) or their names
        (``"airliner"``).
        """
        if prompts and self.takes_labels:
            prompts = [self._label(prompt) for prompt in prompts]  # type: ignore[misc]
        with self._assembled():
            return super().prepare(prompts)

    @property
    def example_prompts(self) -> list[str]:
        """Two prompts that the model takes, one longer than the other."""
        return ["0", "1"] if self.takes_labels else list(SAMPLE_PROMPTS)

    # Running the pipeline ------------------------------------------------------------------------

    def _call(self, prompts: Sequence[Any], steps: int = 10) -> dict[str, Any]:
        """Arguments of the pipeline's call for some prompts."""
        known = self._watch.parameters
        given: dict[str, Any] = {
            "class_labels" if self.takes_labels else "prompt": list(prompts),
            "num_inference_steps": steps,
            "generator": torch.Generator().manual_seed(SEED),
        }
        return {key: value for key, value in (given | self._fixed).items() if key in known}

    @exact_float32()
    def _watched(
        self, schedule: Schedule, resolution: int | tuple[int, int] | None
    ) -> tuple[FirstCall, Layout, CapturedCall | str]:
        """Run the pipeline and learn how its network is called, or why that cannot be learnt."""
        with self._assembled(), torch.no_grad():
            try:
                first = self._first(schedule, resolution)
                return first, *self._tried(lambda: self._learn(schedule, first))
            except NotCaptured:
                raise SynthesightError(
                    f"{self.name} cannot be scored: what its {type(self.pipeline).__name__} does "
                    "with its latents could not be made out. Choose another model, or give an "
                    "object with the methods of synthesight.likelihood.Denoiser."
                ) from None

    def _first(self, schedule: Schedule, resolution: int | tuple[int, int] | None) -> FirstCall:
        """Run one step, with the guidance that calls the network with the fewest rows."""
        kind = type(self.pipeline).__name__
        config: Any = next(iter(self._watch.networks.values())).config
        self._fixed = dict(PLAIN)
        for (of, setting, value), arguments in special_cases.ARGUMENTS.items():
            if kind == of and config.get(setting) == value:
                self._fixed |= arguments
        if resolution is not None:
            factor = 1 if self._watch.decoder else getattr(self.pipeline, "vae_scale_factor", 1)
            height, width = _pair(resolution)
            self._fixed |= {"height": factor * height, "width": factor * width}
        middle = timesteps_at(schedule, 0.5)
        prompt = [0] if self.takes_labels else [SAMPLE_PROMPTS[0]]
        best: FirstCall | None = None
        for guidance in GUIDANCE_OFF:
            before = self._fixed
            self._fixed = before | {"guidance_scale": guidance}
            arguments = self._call(prompt, steps=1000 if schedule.continuous else 10)
            found = self._tried(lambda: first_call(self._watch, arguments, middle))  # noqa: B023
            if best is None or found.rows < best.rows:
                best = found
            else:
                self._fixed = before
            if best.rows == 1 or "guidance_scale" not in self._watch.parameters:
                break
        assert best is not None
        if best.rows != 1:
            raise SynthesightError(
                f"{self.name} cannot be scored: the guidance of its {kind} cannot be switched off, "
                "so that its network never speaks for a prompt alone."
            )
        return best

    def _tried(self, run: Callable[[], T]) -> T:
        try:
            return run()
        except (NotCaptured, SynthesightError):
            raise
        except Exception as error:  # whatever a pipeline raises when asked for what it cannot do
            if is_out_of_memory(error):
                raise
            reason = first_line(error)
            at, other = "", "Choose a text-to-image model."
            if "height" in self._fixed:
                at, other = (
                    " at this `resolution`",
                    "Choose another `resolution`, or another model.",
                )
            raise SynthesightError(
                f"{self.name} cannot be scored{at}: its {type(self.pipeline).__name__} cannot do "
                f"with one prompt or one image ({reason}). {other}"
            ) from error

    def _learn(self, schedule: Schedule, first: FirstCall) -> tuple[Layout, CapturedCall | str]:
        prompts = ([0, 1] if self.takes_labels else list(SAMPLE_PROMPTS)) * PROBES
        times = timesteps_at(schedule, 0.5, 0.3, 0.7, 0.9, 0.1)
        layout, plumbing = learn(self._watch, self._call(prompts[:PROBES]), first, times)
        if isinstance(plumbing, str):
            return layout, plumbing
        return layout, CapturedCall(self._watch, plumbing, self._call, times[0])

    def _space(self, layout: Layout) -> tuple[Space, tuple[int, int]]:
        height, width = layout.shape[-2:]
        if layout.latent is None or self._watch.decoder is None:
            return Pixels(), (height, width)
        vae = getattr(self.pipeline, self._watch.decoder)
        vae.requires_grad_(False).eval()
        space = Autoencoder(vae, layout.latent.scale, layout.latent.offset, layout.shape)
        factor = self._tried(space.factor)
        return space, (factor * height, factor * width)

    def _checked(self, door: CapturedCall | str) -> Door:
        """Return the captured call where it says what the pipeline's own says, else the latter."""
        prompts: list[Any] = [0, 1] if self.takes_labels else list(SAMPLE_PROMPTS)
        z = torch.randn(3, *self.reference.layout.shape, generator=torch.Generator().manual_seed(0))
        z = z.to(self.device)
        grid = len(self.schedule)
        steps = torch.tensor([grid // 3, 2 * grid // 3, grid // 3], device=self.device)
        timesteps = self._timesteps[steps]
        rows = torch.tensor([1, 0, 0], device=self.device)
        reason = door if isinstance(door, str) else "its answers differ"
        plain, bound = AGREEMENT[self.dtype]
        gaps: list[tuple[float, CapturedCall]] = []
        with self._assembled(), torch.no_grad():
            expected = self.reference.predict(z, timesteps, prompts, rows)
            for candidate in () if isinstance(door, str) else door.variants():
                try:
                    found = candidate.predict(z, timesteps, candidate.prepare(prompts), rows)
                except Exception as error:  # such as of shapes that do not go together
                    if is_out_of_memory(error):
                        raise
                    reason = first_line(error)
                    continue
                if not torch.isfinite(expected).all():  # which `errors` refuses with its reason
                    return candidate
                gap = float((found - expected).abs().max() / expected.abs().max().clamp(min=1e-12))
                if gap <= plain:
                    return candidate
                gaps.append((gap, candidate))
        # The cheapest of those that differ as little as rounding lets them.
        least = min((gap for gap, _ in gaps), default=1.0)
        if least <= bound:
            return next(candidate for gap, candidate in gaps if gap <= 1.5 * least)
        warnings.warn(
            f"The network of {self.name} cannot be called directly ({reason}): each evaluation "
            f"runs its {type(self.pipeline).__name__}, which is slower.",
            SynthesightWarning,
            stacklevel=3,
        )
        return self.reference

    # Where things are ----------------------------------------------------------------------------

    def _place(self, device: torch.device | str | None, dtype: torch.dtype | None) -> None:
        """Put the network and the autoencoder on the device, unless the library places them."""
        self._visited: torch.device | None = None
        for network in self._watch.networks.values():
            network.eval().requires_grad_(False)
            if dtype is not None and dtype != dtype_of(network):
                cast(network, dtype)
        parts = [part for part in self.pipeline.components.values() if isinstance(part, nn.Module)]
        placed = any(
            hasattr(module, "_hf_hook") or getattr(module, "hf_device_map", None)
            for module in parts
        )
        if device is None or placed:
            return
        self._visited = torch.device(device)
        resident = [*self._watch.networks.values()]
        if self._watch.decoder:
            resident.append(getattr(self.pipeline, self._watch.decoder))
        for part in parts:
            part.eval().requires_grad_(False)
            if any(part is one for one in resident):
                part.to(self._visited)
            else:
                self._visitors.append(part)

    @contextmanager
    def _assembled(self) -> Iterator[None]:
        """All parts of the pipeline on the device: text encoders only visit it.

        T5-XXL alone would fill half of a large graphics card.
        """
        here = [part for part in self._visitors if _device(part) != self._visited]
        try:
            for part in here:
                part.to(self._visited)
            yield
        finally:
            for part in here:
                part.to("cpu")

    def _label(self, prompt: str) -> int:
        """The number of a class that is given by number or by name."""
        text, count = prompt.strip(), int(self.network.config.num_embeds_ada_norm)  # type: ignore
        if text.isdecimal() and int(text) < count:
            return int(text)
        found = sorted(self._names.get(text.casefold(), ()))
        if len(found) > 1:
            raise SynthesightError(
                f"{self.name} has more than one class called {text!r}: give its index, one of "
                f"{', '.join(map(str, found))}."
            )
        if not found:
            raise SynthesightError(
                f"{self.name} knows classes, not text, and none is called {text!r}: give an "
                f"index from 0 to {count - 1} or an ImageNet label as the prompt."
            )
        return found[0]

    @cached_property
    def _names(self) -> dict[str, set[int]]:
        """The numbers of the classes that bear each name: in ImageNet, two do (crane, maillot)."""
        names: dict[str, set[int]] = defaultdict(set)
        for label, index in getattr(self.pipeline, "labels", {}).items():
            names[label.casefold()].add(index)
        # The pipeline keeps one class for each name, and its folder all.
        path = Path(str(self.pipeline.config.get("_name_or_path", ""))) / "model_index.json"
        listed = read_json(path).get("id2label", {}) if path.is_file() else {}
        if not isinstance(listed, dict) or not all(
            index.isdecimal() and isinstance(label, str) for index, label in listed.items()
        ):
            raise SynthesightError(
                f"{path} names the classes by what are no numbers and texts: save the model again."
            )
        for index, label in listed.items():
            for name in (label, *label.split(",")):
                names[name.strip().casefold()].add(int(index))
        return names


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def _device(part: nn.Module) -> torch.device | None:
    return next((parameter.device for parameter in part.parameters()), None)
