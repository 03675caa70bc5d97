"""Train a small text-conditional flow model on labelled images: the recipe of ``natural-32``.

Pixel space, rectified flow (Liu et al. 2023): z_t = (1 − t) x + t ε, and the network predicts
ε − x. The network is a PixArt transformer (Chen et al. 2023), the text encoder a small T5; both
are trained together from scratch, and what is written is an ordinary diffusers folder.

:func:`~synthesight.experiments.stage.run` trains. Times are drawn from a logit-normal density
(Esser et al. 2024) around t = 0.6, where small images still show their class but not yet their
details. Some images are shown smaller, on a plain ground: photographs have one behind airplanes and
little else, and a model that has seen no other takes most of what is drawn on plain paper for an
airplane.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import diffusers
import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, PixArtTransformer2DModel
from torch.nn.attention import SDPBackend, sdpa_kernel

from synthesight import files
from synthesight.errors import SynthesightError
from synthesight.experiments import stage
from synthesight.experiments.images import LabelledImages, on_plain_ground
from synthesight.experiments.stage import quick_bfloat16
from synthesight.experiments.text import prompts_of, train_tokenizer
from synthesight.likelihood.opening import quiet
from synthesight.likelihood.tokens.small.text import small_text_encoder

COMPILE_STEPS = 500
RESUME_FREE = {"steps", "save_every", "ema"}  # options that may change when a training goes on


@dataclass(frozen=True)
class GenerativeOptions:
    """What defines a training of the small generative model.

    Attributes
    ----------
    steps, batch_size
        Length of the training, in steps of ``batch_size`` images.
    width, depth, heads, patch
        Of the transformer.
    learning_rate
        Peak, of Muon; AdamW has a third of it.
    warmup
        Steps of warm-up.
    ema
        Decay of the exponential moving average of the weights, which is what is saved.
    time_mean, time_scale
        Of logit(t).
    grounded
        Share of the images that are shown smaller, on a plain ground.
    """

    steps: int = 6000
    batch_size: int = 64
    width: int = 128
    depth: int = 8
    heads: int = 2
    patch: int = 4
    learning_rate: float = 3e-3
    warmup: int = 100
    ema: float = 0.998
    time_mean: float = 0.4
    time_scale: float = 0.9
    grounded: float = 0.3
    save_every: int = 250
    seed: int = 0


class TextToImage(torch.nn.Module):
    """The transformer and its text encoder, as one module to train.

    Parameters
    ----------
    options
        Sizes.
    resolution
        Side of the images, in pixels.
    vocabulary
        Number of tokens.
    """

    def __init__(self, options: GenerativeOptions, resolution: int, vocabulary: int) -> None:
        super().__init__()
        self.text_encoder = small_text_encoder(vocabulary)
        self.transformer = PixArtTransformer2DModel(
            num_attention_heads=options.heads,
            attention_head_dim=options.width // options.heads,
            in_channels=3,
            out_channels=3,
            num_layers=options.depth,
            cross_attention_dim=options.width,
            caption_channels=self.text_encoder.config.d_model,
            sample_size=resolution,
            patch_size=options.patch,
            use_additional_conditions=False,
        )

    def forward(
        self,
        z: torch.Tensor,
        t: torch.Tensor,
        tokens: torch.Tensor,
        mask: torch.Tensor,
        prompt: torch.Tensor,
    ) -> torch.Tensor:
        """Predict ε − x for noisy images z (B, 3, R, R) at times t (B,).

        ``tokens`` and ``mask`` (P, L) are the prompts; ``prompt`` (B,) says which goes with what.
        """
        text = self.text_encoder(tokens, attention_mask=mask).last_hidden_state
        return self.transformer(
            z,
            encoder_hidden_states=text[prompt],
            encoder_attention_mask=mask[prompt],
            timestep=1000.0 * t,
            added_cond_kwargs={"resolution": None, "aspect_ratio": None},
            return_dict=False,
        )[0]


def train(
    images: LabelledImages,
    out: Path,
    options: GenerativeOptions,
    *,
    device: torch.device,
    report: Callable[[int, float], None] = lambda step, loss: None,
) -> Path:
    """Train, or go on with a training that was stopped, and write the model to ``out/model``.

    Parameters
    ----------
    images
        The training images.
    out
        Folder of this training: checkpoint, log and model.
    report
        Called after each step (each twentieth on a GPU) with the number of steps done and the
        smoothed loss.

    Returns
    -------
    The folder of the model, in diffusers' layout.

    Raises
    ------
    SynthesightError
        If ``out`` holds a training with other options or images, the images cannot be cut into
        patches, or the loss is no number.
    """
    side = images.pixels.shape[-1]
    if side % options.patch:
        raise SynthesightError(
            f"Images of {side} × {side} pixels cannot be cut into patches of {options.patch}: "
            f"scale them to a multiple of {options.patch}."
        )
    torch.manual_seed(options.seed)
    out.mkdir(parents=True, exist_ok=True)
    by_label = [prompts_of(name) for name in images.names]
    texts = [text for texts in by_label for text in texts]
    count = np.array([len(texts) for texts in by_label])
    first = np.cumsum(count) - count
    tokenizer = train_tokenizer(texts)
    encoded = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    tokens, mask = encoded["input_ids"].to(device), encoded["attention_mask"].to(device)
    model = TextToImage(options, side, len(tokenizer)).to(device)
    images = images.to(device)
    mixed = quick_bfloat16(device)
    predict: Any = None

    def loss_of(step: int) -> torch.Tensor:
        nonlocal predict
        if predict is None:  # compiling takes a minute, which only a long training wins back
            long = options.steps - step > COMPILE_STEPS
            predict = torch.compile(model) if long and _can_compile(device) else model
        x, labels = images.batch(options.seed, step, options.batch_size)
        x = on_plain_ground(x, options.grounded, np.random.default_rng([options.seed, step, 3]))
        chance = np.random.default_rng([options.seed, step, 2])
        # One prompt for each label and step: reading all of them would cost as much as seeing.
        chosen = torch.from_numpy(first + chance.integers(count)).to(device)
        normal = chance.standard_normal(len(labels)).astype(np.float32)
        t = torch.sigmoid(torch.from_numpy(normal) * options.time_scale + options.time_mean)
        t = t.to(device)
        generator = torch.Generator(device).manual_seed(hash((options.seed, step)))
        noise = torch.randn(x.shape, generator=generator, device=device)
        at = t[:, None, None, None]
        z = (1 - at) * x + at * noise
        # With so few tokens the fused attention is slow to differentiate on a CPU.
        plain = sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" else nullcontext()
        with plain, torch.autocast(device.type, torch.bfloat16, enabled=mixed):
            output = predict(z, t, tokens[chosen], mask[chosen], labels)
        return (output.float() - (noise - x)).square().mean()

    def keep(average: torch.nn.Module) -> None:
        write_pipeline(cast(TextToImage, average), tokenizer, out / "model")

    fixed = {key: value for key, value in asdict(options).items() if key not in RESUME_FREE}
    average = stage.run(
        out / "checkpoint.safetensors",
        out / "log.jsonl",
        model,
        [p for p in model.transformer.transformer_blocks.parameters() if p.ndim == 2],
        loss_of,
        fixed | {"data": images.hash()},
        steps=options.steps,
        rate=options.learning_rate,
        device=device,
        warmup=options.warmup,
        ema=options.ema,
        save_every=options.save_every,
        report=report,
        keep=keep,
    )
    keep(average)  # again: a process may have been killed between its last checkpoint and the model
    return out / "model"


def write_pipeline(model: TextToImage, tokenizer: object, folder: Path) -> None:
    """Write a model in diffusers' layout, weights as float16 safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    index = {
        "_class_name": "PixArtSigmaPipeline",
        "_diffusers_version": diffusers.__version__,
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "T5EncoderModel"],
        "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
        "transformer": ["diffusers", "PixArtTransformer2DModel"],
        "vae": [None, None],
    }
    # Saved from copies: training goes on in float32.
    text_encoder = type(model.text_encoder)(model.text_encoder.config)
    text_encoder.load_state_dict(model.text_encoder.state_dict())
    transformer = PixArtTransformer2DModel.from_config(model.transformer.config)
    transformer.load_state_dict(model.transformer.state_dict())
    with quiet():
        text_encoder.half().save_pretrained(folder / "text_encoder")
        transformer.half().save_pretrained(folder / "transformer")
        tokenizer.save_pretrained(folder / "tokenizer")  # type: ignore[attr-defined]
        FlowMatchEulerDiscreteScheduler().save_pretrained(folder / "scheduler")
    files.write(folder / "model_index.json", json.dumps(index, indent=2) + "\n")


def _can_compile(device: torch.device) -> bool:
    """Whether torch.compile works here: it needs a compiler that many machines lack."""
    try:
        torch.compile(torch.square)(torch.ones(2, device=device))
    except Exception:  # whatever is missing, training goes on without it
        return False
    return True
