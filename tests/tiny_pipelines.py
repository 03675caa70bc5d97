"""A tiny random pipeline of every class of diffusers that a likelihood can be read from.

``PIPELINES`` holds them by class name; ``REFUSED`` holds one of each kind that has no likelihood.
Weights are the same in every run, and none is zero, so that outputs depend on every input.
"""

from __future__ import annotations

import functools
import inspect
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

import tiny_models
import tiny_parts
from tiny_models import PROMPTS, SIDE, WIDTH, clip_tokenizer, t5, t5_tokenizer, vae


@dataclass(frozen=True)
class TinyPipeline:
    """A pipeline and how to call it: ``resolution`` is a side in pixels."""

    build: Callable[[], Any]
    resolution: int
    prompts: list[Any] = field(default_factory=lambda: list(PROMPTS))
    note: str = ""
    options: dict[str, Any] = field(default_factory=dict)


PIPELINES: dict[str, TinyPipeline] = {}
REFUSED: dict[str, tuple[Callable[[], Any], str]] = {}

# What "two steps without guidance" is called, in all the words that pipelines have for it.
PLAIN = {
    "num_inference_steps": 2,
    "guidance_scale": 1.0,
    "true_cfg_scale": 1.0,
    "num_frames": 1,
    "video_length": 1,
    "use_resolution_binning": False,
    "clean_caption": False,
    "output_type": "pt",
}


def call(pipe: Any, tiny: TinyPipeline, prompt: Any, seed: int = 0) -> torch.Tensor:
    """Return what a pipeline's own call makes of a prompt in two steps without guidance."""
    known = inspect.signature(pipe.__call__).parameters
    size = {"height": tiny.resolution, "width": tiny.resolution}
    options = {name: value for name, value in (PLAIN | size).items() if name in known}
    subject = {"class_labels": [prompt]} if "class_labels" in known else {"prompt": prompt}
    generator = torch.Generator().manual_seed(seed)
    made = pipe(**options | tiny.options | subject, generator=generator, return_dict=False)[0]
    made = made[0] if isinstance(made, list) else made
    return torch.as_tensor(made)


def awaken(part: str, network: torch.nn.Module) -> None:
    """Let every weight matter: fill those that are zero, and keep the variance of what passes."""
    language = isinstance(network, transformers.PreTrainedModel)
    for name, weight in network.named_parameters():
        if language and weight.ndim > 1:
            weight.normal_(std=weight.shape[-1] ** -0.5)
        elif not weight.any() or name.endswith("pad_token"):
            weight.normal_(std=0.1)
        elif weight.ndim == 2 and part in ("unet", "transformer"):
            weight.mul_(3**0.5)


def ready(build: Callable[[], Any]) -> Callable[[], Any]:
    """Seed a builder, and let every weight of what it builds matter."""

    def built() -> Any:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            pipe = build()
            for name, part in pipe.components.items():
                if isinstance(part, torch.nn.Module):
                    awaken(name, part.eval().float().requires_grad_(False))
        pipe.set_progress_bar_config(disable=True)
        return pipe

    return built


def pipeline(resolution: int, name: str = "", **details: Any) -> Callable[..., Any]:
    """Register a builder under the class that its name says, or under ``name``."""

    def register(build: Callable[[], Any]) -> Callable[[], Any]:
        key = name or build.__name__
        PIPELINES[key] = TinyPipeline(ready(build), resolution, **details)
        return build

    return register


def refused(reason: str, name: str = "") -> Callable[..., Any]:
    """Register a builder of a pipeline that has no likelihood, with the word that says why."""

    def register(build: Callable[[], Any]) -> Callable[[], Any]:
        REFUSED[name or build.__name__] = (ready(build), reason)
        return build

    return register


def flow(**options: Any) -> Any:
    """The scheduler of rectified flows."""
    return diffusers.FlowMatchEulerDiscreteScheduler(**options)


for _name, _build in {
    "StableDiffusionPipeline": tiny_models.stable_diffusion,
    "StableDiffusionPipeline:v": tiny_models.stable_diffusion,
    "StableDiffusionXLPipeline": tiny_models.sdxl,
    "IFPipeline": tiny_models.deepfloyd,
    "StableDiffusion3Pipeline": tiny_models.stable_diffusion_3,
    "StableDiffusion3Pipeline:without-t5": tiny_models.stable_diffusion_3,
    "FluxPipeline": tiny_models.flux,
    "FluxPipeline:schnell": tiny_models.flux,
    "PixArtAlphaPipeline": tiny_models.pixart_alpha,
    "PixArtSigmaPipeline": tiny_models.pixart_sigma,
}.items():
    _options = {
        "v": {"prediction_type": "v_prediction"},
        "without-t5": {"with_t5": False},
        "schnell": {"dev": False},
    }.get(_name.partition(":")[2], {})
    # Unwrapped: built, not saved.
    _built = functools.partial(inspect.unwrap(_build), **_options)
    pipeline(SIDE if _name == "IFPipeline" else 2 * SIDE, _name)(_built)


@pipeline(16, prompts=[0, 3, 7], note="conditioned on classes")
def DiTPipeline() -> Any:
    with tempfile.TemporaryDirectory() as folder:
        return diffusers.DiTPipeline.from_pretrained(tiny_models.dit(Path(folder)))


@pipeline(32)
def SanaPipeline() -> Any:
    kind = diffusers.SanaPipeline
    return kind(
        tokenizer=tiny_parts.bpe_tokenizer(kind, begins=True),
        text_encoder=tiny_parts.language_model("Gemma2"),
        vae=tiny_parts.deep_compression_vae(),
        transformer=diffusers.SanaTransformer2DModel(
            patch_size=1,
            in_channels=4,
            out_channels=4,
            num_layers=2,
            num_attention_heads=2,
            attention_head_dim=8,
            num_cross_attention_heads=2,
            cross_attention_head_dim=8,
            cross_attention_dim=WIDTH,
            caption_channels=WIDTH,
            sample_size=16,
        ),
        scheduler=flow(shift=3.0),
    )


@pipeline(32)
def LuminaPipeline() -> Any:
    kind = diffusers.LuminaPipeline
    return kind(
        transformer=diffusers.LuminaNextDiT2DModel(
            sample_size=4,
            patch_size=2,
            in_channels=4,
            hidden_size=16,
            num_layers=2,
            num_attention_heads=2,
            num_kv_heads=2,
            multiple_of=16,
            learn_sigma=True,
            qk_norm=True,
            cross_attention_dim=WIDTH,
        ),
        scheduler=flow(),
        vae=tiny_parts.deep_vae(),
        text_encoder=tiny_parts.language_model("Gemma"),
        tokenizer=tiny_parts.bpe_tokenizer(kind, begins=True),
    )


@pipeline(32)
def Lumina2Pipeline() -> Any:
    kind = diffusers.Lumina2Pipeline
    return kind(
        transformer=diffusers.Lumina2Transformer2DModel(
            sample_size=4,
            patch_size=2,
            in_channels=4,
            hidden_size=16,
            num_layers=2,
            num_refiner_layers=1,
            num_attention_heads=2,
            num_kv_heads=2,
            multiple_of=16,
            axes_dim_rope=(4, 2, 2),
            axes_lens=(300, 32, 32),
            cap_feat_dim=WIDTH,
        ),
        scheduler=flow(),
        vae=tiny_parts.deep_vae(shift_factor=0.1159, scaling_factor=0.3611),
        text_encoder=tiny_parts.language_model("Gemma2"),
        tokenizer=tiny_parts.bpe_tokenizer(kind, begins=True),
    )


@pipeline(16)
def AuraFlowPipeline() -> Any:
    return diffusers.AuraFlowPipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=tiny_parts.umt5(),
        vae=vae(),
        transformer=diffusers.AuraFlowTransformer2DModel(
            sample_size=SIDE,
            patch_size=2,
            in_channels=4,
            num_mmdit_layers=1,
            num_single_dit_layers=1,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=WIDTH,
            caption_projection_dim=16,
            out_channels=4,
            pos_embed_max_size=64,
        ),
        scheduler=flow(shift=1.73),
    )


@pipeline(16)
def HunyuanDiTPipeline() -> Any:
    return diffusers.HunyuanDiTPipeline(
        vae=vae(),
        text_encoder=tiny_parts.bert(),
        tokenizer=tiny_parts.bert_tokenizer(),
        text_encoder_2=t5(),
        tokenizer_2=t5_tokenizer(),
        transformer=diffusers.HunyuanDiT2DModel(
            sample_size=SIDE,
            num_layers=2,
            patch_size=2,
            attention_head_dim=8,
            num_attention_heads=3,
            in_channels=4,
            hidden_size=24,
            cross_attention_dim=WIDTH,
            cross_attention_dim_t5=WIDTH,
            pooled_projection_dim=16,
            activation_fn="gelu-approximate",
        ),
        scheduler=diffusers.DDPMScheduler(
            beta_schedule="scaled_linear", beta_end=0.02, prediction_type="v_prediction"
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


@pipeline(16)
def CogView3PlusPipeline() -> Any:
    return diffusers.CogView3PlusPipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=t5(),
        vae=vae(),
        transformer=diffusers.CogView3PlusTransformer2DModel(
            patch_size=2,
            in_channels=4,
            num_layers=1,
            attention_head_dim=8,
            num_attention_heads=2,
            out_channels=4,
            text_embed_dim=WIDTH,
            time_embed_dim=8,
            condition_dim=2,
            pos_embed_max_size=SIDE,
            sample_size=SIDE,
        ),
        scheduler=diffusers.CogVideoXDDIMScheduler(
            prediction_type="v_prediction", rescale_betas_zero_snr=True
        ),
    )


@pipeline(16)
def CogView4Pipeline() -> Any:
    kind = diffusers.CogView4Pipeline
    return kind(
        tokenizer=tiny_parts.bpe_tokenizer(kind, begins=True, padding_side="left"),
        text_encoder=tiny_parts.language_model("Glm"),
        vae=vae(),
        transformer=diffusers.CogView4Transformer2DModel(
            patch_size=2,
            in_channels=4,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=2,
            out_channels=4,
            text_embed_dim=WIDTH,
            time_embed_dim=8,
            condition_dim=4,
            sample_size=SIDE,
        ),
        scheduler=flow(
            base_shift=0.25,
            max_shift=0.75,
            base_image_seq_len=256,
            use_dynamic_shifting=True,
            time_shift_type="linear",
        ),
    )


@pipeline(16)
def HiDreamImagePipeline() -> Any:
    kind = diffusers.HiDreamImagePipeline
    pipe = kind(
        scheduler=flow(shift=3.0),
        vae=vae(scaling_factor=0.3611, shift_factor=0.1159),
        text_encoder=tiny_parts.long_clip(),
        tokenizer=clip_tokenizer(),
        text_encoder_2=tiny_parts.long_clip(),
        tokenizer_2=clip_tokenizer(),
        text_encoder_3=t5(),
        tokenizer_3=t5_tokenizer(),
        text_encoder_4=tiny_parts.language_model("Llama", "ForCausalLM"),
        tokenizer_4=tiny_parts.bpe_tokenizer(kind, begins=True),
        transformer=diffusers.HiDreamImageTransformer2DModel(
            patch_size=2,
            in_channels=4,
            out_channels=4,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=8,
            num_attention_heads=2,
            caption_channels=[WIDTH, WIDTH],
            text_emb_dim=2 * WIDTH,
            num_routed_experts=4,
            num_activated_experts=2,
            axes_dims_rope=(4, 2, 2),
            max_resolution=(SIDE, SIDE),
            llama_layers=[0, 1],
        ),
    )
    pipe.default_sample_size = SIDE  # what it makes larger images smaller to
    return pipe


@pipeline(16)
def ChromaPipeline() -> Any:
    return diffusers.ChromaPipeline(
        scheduler=flow(),
        vae=vae(scaling_factor=0.3611, shift_factor=0.1159),
        text_encoder=t5(),
        tokenizer=t5_tokenizer(),
        transformer=diffusers.ChromaTransformer2DModel(
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=WIDTH,
            axes_dims_rope=(2, 2, 4),
            approximator_hidden_dim=16,
            approximator_layers=1,
            approximator_num_channels=16,
        ),
    )


@pipeline(32)
def QwenImagePipeline() -> Any:
    kind = diffusers.QwenImagePipeline
    return kind(
        scheduler=flow(),
        vae=tiny_parts.qwen_image_vae(),
        text_encoder=tiny_parts.qwen_vl("Qwen2_5_"),
        tokenizer=tiny_parts.bpe_tokenizer(kind),
        transformer=diffusers.QwenImageTransformer2DModel(
            patch_size=2,
            in_channels=16,
            out_channels=4,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=WIDTH,
            axes_dims_rope=(4, 2, 2),
        ),
    )
