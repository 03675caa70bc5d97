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
from tiny_models import PROMPTS, SIDE, WIDTH, clip, clip_tokenizer, t5, t5_tokenizer, unet, vae


@dataclass(frozen=True)
class TinyPipeline:
    """A pipeline and how to call it: ``resolution`` is a side in pixels."""

    build: Callable[[], Any]
    resolution: int
    prompts: list[Any] = field(default_factory=lambda: list(PROMPTS))
    note: str = ""


PIPELINES: dict[str, TinyPipeline] = {}
REFUSED: dict[str, tuple[Callable[[], Any], str]] = {}


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


def sana_network(**options: Any) -> Any:
    return diffusers.SanaTransformer2DModel(
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
        **options,
    )


@pipeline(32)
def SanaPipeline() -> Any:
    kind = diffusers.SanaPipeline
    return kind(
        tokenizer=tiny_parts.bpe_tokenizer(kind, begins=True),
        text_encoder=tiny_parts.language_model("Gemma2"),
        vae=tiny_parts.deep_compression_vae(),
        transformer=sana_network(),
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


@pipeline(64)
def QwenImage21Pipeline() -> Any:
    kind = diffusers.QwenImage21Pipeline
    return kind(
        scheduler=flow(),
        vae=diffusers.AutoencoderKLQwenImage21(
            base_dim=4,
            decoder_base_dim=4,
            z_dim=4,
            dim_mult=[1, 1, 1, 1, 1],
            num_res_blocks=1,
            latents_mean=[0.1] * 4,
            latents_std=[1.5] * 4,
        ),
        text_encoder=tiny_parts.qwen_vl("Qwen3"),
        processor=tiny_parts.text_processor(kind),
        transformer=diffusers.QwenImage21Transformer2DModel(
            in_channels=4,
            out_channels=4,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=2,
            context_in_dim=WIDTH,
            axes_dims_rope=(4, 2, 2),
        ),
    )


def flux2_network(**options: Any) -> Any:
    return diffusers.Flux2Transformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=3 * WIDTH,
        axes_dims_rope=(2, 2, 2, 2),
        **options,
    )


@pipeline(16)
def Flux2Pipeline() -> Any:
    kind = diffusers.Flux2Pipeline
    return kind(
        scheduler=flow(),
        vae=tiny_parts.flux2_vae(),
        text_encoder=tiny_parts.mistral(),
        tokenizer=tiny_parts.text_processor(kind),
        transformer=flux2_network(),
    )


@pipeline(16)
def Flux2KleinPipeline() -> Any:
    kind = diffusers.Flux2KleinPipeline
    return kind(
        scheduler=flow(),
        vae=tiny_parts.flux2_vae(),
        text_encoder=tiny_parts.language_model("Qwen3", "ForCausalLM", layers=28),
        tokenizer=tiny_parts.bpe_tokenizer(kind),
        transformer=flux2_network(guidance_embeds=False),
    )


@pipeline(16, note="the network takes and gives lists")
def ZImagePipeline() -> Any:
    kind = diffusers.ZImagePipeline
    return kind(
        scheduler=flow(shift=3.0),
        vae=vae(scaling_factor=0.3611, shift_factor=0.1159),
        text_encoder=tiny_parts.language_model("Qwen3"),
        tokenizer=tiny_parts.bpe_tokenizer(kind),
        transformer=diffusers.ZImageTransformer2DModel(
            in_channels=4,
            dim=16,
            n_layers=2,
            n_refiner_layers=1,
            n_heads=2,
            n_kv_heads=2,
            cap_feat_dim=WIDTH,
            axes_dims=[4, 2, 2],
            axes_lens=[1024, 32, 32],
        ),
    )


@pipeline(16)
def BriaPipeline() -> Any:
    return diffusers.BriaPipeline(
        scheduler=flow(),
        vae=vae(shift_factor=0.0),
        text_encoder=t5(),
        tokenizer=t5_tokenizer(),
        transformer=diffusers.BriaTransformer2DModel(
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=WIDTH,
            pooled_projection_dim=None,
            axes_dims_rope=[0, 4, 4],
        ),
    )


@pipeline(32, note="each block of the network reads a layer of the text encoder")
def BriaFiboPipeline() -> Any:
    kind = diffusers.BriaFiboPipeline
    return kind(
        scheduler=flow(),
        vae=tiny_parts.wan_vae(
            scale_factor_spatial=16, patch_size=2, in_channels=12, out_channels=12
        ),
        text_encoder=tiny_parts.language_model("SmolLM3", "ForCausalLM", layers=3),
        tokenizer=tiny_parts.bpe_tokenizer(kind),
        transformer=diffusers.BriaFiboTransformer2DModel(
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=2 * WIDTH,
            text_encoder_dim=WIDTH,
            axes_dims_rope=[0, 4, 4],
        ),
    )


@pipeline(16)
def BriaFibo2Pipeline() -> Any:
    kind = diffusers.BriaFibo2Pipeline
    return kind(
        transformer=diffusers.BriaFibo2Transformer2DModel(
            in_channels=4,
            dim=16,
            n_layers=6,
            n_refiner_layers=1,
            n_heads=2,
            cap_feat_dim=3 * WIDTH,
            injection_layer_ids=(1, 2, 3, 4, 5),
            perceiver_num_layers=1,
            min_num_gist_tokens=4,
            max_num_gist_tokens=8,
            gist_step=2,
            gist_min_text_len=8,
            gist_max_text_len=32,
            axes_dims=(4, 2, 2),
            axes_lens=(1024, 32, 32),
        ),
        scheduler=flow(),
        vae=tiny_parts.flux2_vae(),
        text_encoder=tiny_parts.qwen_vl("Qwen3", layers=36),
        processor=tiny_parts.text_processor(kind),
    )


@pipeline(16)
def OvisImagePipeline() -> Any:
    kind = diffusers.OvisImagePipeline
    return kind(
        scheduler=flow(),
        vae=vae(scaling_factor=0.3611, shift_factor=0.1159),
        text_encoder=tiny_parts.language_model("Qwen3"),
        tokenizer=tiny_parts.bpe_tokenizer(kind),
        transformer=diffusers.OvisImageTransformer2DModel(
            in_channels=16,
            out_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=WIDTH,
            axes_dims_rope=(2, 2, 4),
        ),
    )


@pipeline(16)
def LongCatImagePipeline() -> Any:
    kind = diffusers.LongCatImagePipeline
    return kind(
        scheduler=flow(),
        vae=vae(16, scaling_factor=0.3611, shift_factor=0.1159),
        text_encoder=tiny_parts.qwen_vl("Qwen2_5_"),
        tokenizer=tiny_parts.bpe_tokenizer(kind),
        text_processor=tiny_parts.text_processor(kind),
        transformer=diffusers.LongCatImageTransformer2DModel(
            in_channels=64,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=WIDTH,
            pooled_projection_dim=WIDTH,
            axes_dims_rope=[2, 2, 4],
        ),
    )


@pipeline(16)
def ErnieImagePipeline() -> Any:
    kind = diffusers.ErnieImagePipeline
    return kind(
        transformer=diffusers.ErnieImageTransformer2DModel(
            hidden_size=16,
            num_attention_heads=2,
            num_layers=2,
            ffn_hidden_size=16,
            in_channels=16,
            out_channels=16,
            text_in_dim=WIDTH,
            rope_axes_dim=(4, 2, 2),
        ),
        vae=tiny_parts.flux2_vae(),
        text_encoder=tiny_parts.mistral("Model", layers=3),
        tokenizer=tiny_parts.bpe_tokenizer(kind, begins=True),
        scheduler=flow(shift=3.0),
    )


@pipeline(16)
def HunyuanImagePipeline() -> Any:
    kind = diffusers.HunyuanImagePipeline
    return kind(
        scheduler=flow(shift=7.0),
        vae=tiny_parts.hunyuan_image_vae(),
        text_encoder=tiny_parts.qwen_vl("Qwen2_5_", layers=4),
        tokenizer=tiny_parts.bpe_tokenizer(kind),
        text_encoder_2=tiny_parts.t5_of_bytes(),
        tokenizer_2=transformers.ByT5Tokenizer(),
        transformer=diffusers.HunyuanImageTransformer2DModel(
            in_channels=4,
            out_channels=4,
            num_attention_heads=2,
            attention_head_dim=8,
            num_layers=1,
            num_single_layers=1,
            num_refiner_layers=1,
            patch_size=(1, 1),
            text_embed_dim=WIDTH,
            text_embed_2_dim=WIDTH,
            rope_axes_dim=(4, 4),
        ),
    )


@pipeline(32)
def Krea2Pipeline() -> Any:
    kind = diffusers.Krea2Pipeline
    return kind(
        scheduler=flow(use_dynamic_shifting=True),
        vae=tiny_parts.qwen_image_vae(),
        text_encoder=tiny_parts.qwen_vl("Qwen3", "Model"),
        tokenizer=tiny_parts.bpe_tokenizer(kind),
        transformer=diffusers.Krea2Transformer2DModel(
            in_channels=16,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=2,
            num_key_value_heads=1,
            intermediate_size=16,
            timestep_embed_dim=8,
            text_hidden_dim=WIDTH,
            num_text_layers=3,
            text_num_attention_heads=2,
            text_num_key_value_heads=1,
            text_intermediate_size=16,
            num_layerwise_text_blocks=1,
            num_refiner_text_blocks=1,
            axes_dims_rope=(4, 2, 2),
            rope_theta=1000.0,
        ),
        text_encoder_select_layers=(0, 1, 2),
    )


@pipeline(32)
def NucleusMoEImagePipeline() -> Any:
    kind = diffusers.NucleusMoEImagePipeline
    return kind(
        transformer=diffusers.NucleusMoEImageTransformer2DModel(
            patch_size=2,
            in_channels=16,
            out_channels=4,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=WIDTH,
            axes_dims_rope=(4, 2, 2),
            moe_enabled=False,
            capacity_factors=[8.0, 8.0],
        ),
        scheduler=flow(),
        vae=tiny_parts.qwen_image_vae(),
        text_encoder=tiny_parts.qwen_vl("Qwen3", layers=8),
        processor=tiny_parts.text_processor(kind),
    )


@pipeline(16)
def Kandinsky3Pipeline() -> Any:
    return diffusers.Kandinsky3Pipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=t5(),
        unet=diffusers.Kandinsky3UNet(
            in_channels=4,
            time_embedding_dim=8,
            groups=2,
            attention_head_dim=4,
            layers_per_block=3,
            block_out_channels=(8, 16),
            cross_attention_dim=8,
            encoder_hid_dim=WIDTH,
        ),
        scheduler=diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2", clip_sample=False),
        movq=tiny_parts.movq(),
    )


def kandinsky5_network() -> Any:
    return diffusers.Kandinsky5Transformer3DModel(
        in_visual_dim=4,
        out_visual_dim=4,
        in_text_dim=WIDTH,
        in_text_dim2=WIDTH,
        time_dim=16,
        patch_size=(1, 2, 2),
        model_dim=16,
        ff_dim=16,
        num_text_blocks=1,
        num_visual_blocks=2,
        axes_dims=(2, 2, 4),
        attention_type="regular",
    )


@pipeline(32)
def Kandinsky5T2IPipeline() -> Any:
    kind = diffusers.Kandinsky5T2IPipeline
    pipe = kind(
        transformer=kandinsky5_network(),
        vae=tiny_parts.deep_vae(scaling_factor=0.3611, shift_factor=0.1159),
        text_encoder=tiny_parts.qwen_vl("Qwen2_5_"),
        tokenizer=tiny_parts.text_processor(kind),
        text_encoder_2=clip(),
        tokenizer_2=clip_tokenizer(),
        scheduler=flow(shift=3.0),
    )
    pipe.resolutions = [(32, 32)]  # it makes no others
    return pipe


@pipeline(32)
def PRXPipeline() -> Any:
    kind = diffusers.PRXPipeline
    tiny_parts.without_ftfy(kind)
    return kind(
        transformer=diffusers.PRXTransformer2DModel(
            patch_size=1,
            in_channels=4,
            context_in_dim=WIDTH,
            hidden_size=8,
            num_heads=2,
            depth=2,
            axes_dim=[2, 2],
        ),
        scheduler=flow(shift=3.0),
        text_encoder=tiny_parts.t5_gemma(),
        tokenizer=tiny_parts.bpe_tokenizer(kind, begins=True),
        vae=vae(shift_factor=0.0),
        default_sample_size=32,
    )


@pipeline(
    16,
    note="pixels; the network predicts x, and noise starts at twice the usual scale",
)
def PRXPixelPipeline() -> Any:
    kind = diffusers.PRXPixelPipeline
    tiny_parts.without_ftfy(kind)
    return kind(
        transformer=diffusers.PRXTransformer2DModel(
            patch_size=2,
            in_channels=3,
            context_in_dim=WIDTH,
            hidden_size=8,
            num_heads=2,
            depth=2,
            axes_dim=[2, 2],
            bottleneck_size=8,
            resolution_embeds=True,
        ),
        scheduler=flow(),
        text_encoder=tiny_parts.language_model("Qwen3"),
        tokenizer=tiny_parts.bpe_tokenizer(kind),
        default_sample_size=16,
    )


@pipeline(32)
def LDMTextToImagePipeline() -> Any:
    return diffusers.LDMTextToImagePipeline(
        vqvae=tiny_parts.deep_vae(),
        bert=clip(),
        tokenizer=clip_tokenizer(),
        unet=unet(),
        scheduler=diffusers.DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
        ),
    )


@pipeline(16)
def AltDiffusionPipeline() -> Any:
    return diffusers.AltDiffusionPipeline(
        vae=vae(),
        text_encoder=tiny_parts.alt_roberta(),
        tokenizer=tiny_parts.xlm_roberta_tokenizer(),
        unet=unet(),
        scheduler=diffusers.DDIMScheduler(
            beta_schedule="scaled_linear",
            beta_start=0.00085,
            beta_end=0.012,
            clip_sample=False,
            set_alpha_to_one=False,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


@pipeline(16)
def KolorsPipeline() -> Any:
    kind = diffusers.KolorsPipeline
    return kind(
        vae=vae(),
        text_encoder=tiny_parts.chat_glm(),
        tokenizer=tiny_parts.chat_glm_tokenizer(),
        unet=unet(
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + WIDTH,
        ),
        scheduler=diffusers.EulerDiscreteScheduler(
            beta_schedule="scaled_linear",
            beta_start=0.00085,
            beta_end=0.014,
            num_train_timesteps=1100,
            steps_offset=1,
            timestep_spacing="leading",
        ),
    )


@pipeline(16)
def StableUnCLIPPipeline() -> Any:
    return diffusers.StableUnCLIPPipeline(
        prior_tokenizer=clip_tokenizer(),
        prior_text_encoder=clip(projected=True),
        prior=prior_of_embeddings(),
        prior_scheduler=diffusers.UnCLIPScheduler(
            variance_type="fixed_small_log", prediction_type="sample", clip_sample_range=5.0
        ),
        image_normalizer=tiny_parts.unclip_normalizer(),
        image_noising_scheduler=diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2"),
        tokenizer=clip_tokenizer(),
        text_encoder=clip(),
        unet=unet(class_embed_type="projection", projection_class_embeddings_input_dim=2 * WIDTH),
        scheduler=diffusers.DDIMScheduler(
            beta_schedule="scaled_linear",
            beta_start=0.00085,
            beta_end=0.012,
            prediction_type="v_prediction",
            set_alpha_to_one=False,
            steps_offset=1,
        ),
        vae=vae(),
    )


@pipeline(32, note="one frame")
def WanPipeline() -> Any:
    return diffusers.WanPipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=tiny_parts.umt5(),
        vae=tiny_parts.wan_vae(),
        scheduler=flow(shift=3.0),
        transformer=diffusers.WanTransformer3DModel(
            num_attention_heads=2,
            attention_head_dim=12,
            in_channels=16,
            out_channels=16,
            text_dim=WIDTH,
            freq_dim=16,
            ffn_dim=16,
            num_layers=2,
            rope_max_seq_len=32,
        ),
    )


def cosmos_network() -> Any:
    return diffusers.CosmosTransformer3DModel(
        in_channels=16,
        out_channels=16,
        num_attention_heads=2,
        attention_head_dim=16,
        num_layers=2,
        mlp_ratio=2,
        text_embed_dim=WIDTH,
        adaln_lora_dim=4,
        max_size=(4, 32, 32),
        concat_padding_mask=False,  # needs torchvision
        extra_pos_embed_type=None,
    )


@pipeline(32)
def Cosmos2TextToImagePipeline() -> Any:
    return diffusers.Cosmos2TextToImagePipeline(
        text_encoder=t5(),
        tokenizer=t5_tokenizer(),
        transformer=cosmos_network(),
        vae=tiny_parts.wan_vae(),
        scheduler=flow(use_karras_sigmas=True),
        safety_checker=tiny_parts.TrustingChecker(),
    )


@pipeline(16, note="one frame")
def LattePipeline() -> Any:
    return diffusers.LattePipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=t5(),
        vae=vae(),
        transformer=diffusers.LatteTransformer3DModel(
            sample_size=SIDE,
            num_layers=1,
            patch_size=2,
            attention_head_dim=8,
            num_attention_heads=3,
            caption_channels=WIDTH,
            in_channels=4,
            cross_attention_dim=24,
            out_channels=8,
            attention_bias=True,
            activation_fn="gelu-approximate",
            num_embeds_ada_norm=1000,
            norm_type="ada_norm_single",
            norm_elementwise_affine=False,
            norm_eps=1e-6,
            video_length=1,
        ),
        scheduler=diffusers.DDIMScheduler(clip_sample=False),
    )


@pipeline(64)
def DreamLitePipeline() -> Any:
    kind = diffusers.DreamLitePipeline
    return kind(
        text_encoder=tiny_parts.qwen_vl("Qwen3"),
        tokenizer=tiny_parts.bpe_tokenizer(kind),
        processor=tiny_parts.text_processor(kind),
        vae=tiny_parts.tiny_autoencoder(),
        unet=diffusers.DreamLiteUNetModel(
            sample_size=SIDE,
            down_block_types=(
                "DreamLiteCrossAttnNoSelfAttnDownBlock2D",
                "DreamLiteCrossAttnDownBlock2D",
            ),
            up_block_types=("DreamLiteCrossAttnUpBlock2D", "DreamLiteUpBlock2D"),
            block_out_channels=(16, 32),
            cross_attention_dim=WIDTH,
            attention_head_dim=8,
            layers_per_block=1,
            norm_num_groups=8,
            transformer_layers_per_block=1,
        ),
        scheduler=flow(),
    )


def ideogram_network() -> Any:
    return diffusers.Ideogram4Transformer2DModel(
        in_channels=16,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        intermediate_size=16,
        adaln_dim=16,
        llm_features_dim=13 * WIDTH,
        mrope_section=(4, 2, 2),
    )


@pipeline(16, note="a second network stands for no prompt")
def Ideogram4Pipeline() -> Any:
    kind = diffusers.Ideogram4Pipeline
    return kind(
        scheduler=flow(),
        vae=tiny_parts.flux2_vae(),
        text_encoder=tiny_parts.qwen_vl("Qwen3", "Model", layers=36),
        tokenizer=tiny_parts.bpe_tokenizer(kind),
        transformer=ideogram_network(),
        unconditional_transformer=ideogram_network(),
    )


@pipeline(32, note="one frame")
def AllegroPipeline() -> Any:
    return diffusers.AllegroPipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=t5(24),
        vae=diffusers.AutoencoderKLAllegro(
            down_block_types=("AllegroDownBlock3D",) * 4,
            up_block_types=("AllegroUpBlock3D",) * 4,
            block_out_channels=(8, 8, 8, 8),
            latent_channels=4,
            layers_per_block=1,
            norm_num_groups=2,
            temporal_compression_ratio=4,
        ),
        transformer=diffusers.AllegroTransformer3DModel(
            num_attention_heads=2,
            attention_head_dim=12,
            in_channels=4,
            out_channels=4,
            num_layers=1,
            cross_attention_dim=24,
            sample_width=4,
            sample_height=4,
            sample_frames=1,
            caption_channels=24,
        ),
        scheduler=diffusers.DDIMScheduler(clip_sample=False),
    )


@pipeline(16, note="one frame")
def EasyAnimatePipeline() -> Any:
    kind = diffusers.EasyAnimatePipeline
    return kind(
        vae=diffusers.AutoencoderKLMagvit(
            down_block_types=("SpatialDownBlock3D",) + ("SpatialTemporalDownBlock3D",) * 3,
            up_block_types=("SpatialUpBlock3D",) + ("SpatialTemporalUpBlock3D",) * 3,
            block_out_channels=(8, 8, 8, 8),
            latent_channels=4,
            layers_per_block=1,
            norm_num_groups=2,
            spatial_group_norm=False,
        ),
        text_encoder=tiny_parts.qwen_vl("Qwen2"),
        tokenizer=tiny_parts.bpe_tokenizer(kind),
        transformer=diffusers.EasyAnimateTransformer3DModel(
            num_attention_heads=2,
            attention_head_dim=16,
            in_channels=4,
            out_channels=4,
            time_embed_dim=8,
            text_embed_dim=WIDTH,
            num_layers=1,
            sample_width=16,
            sample_height=16,
            patch_size=2,
        ),
        scheduler=flow(),
    )


def hunyuan_video_vae(channels: int = 4) -> Any:
    return diffusers.AutoencoderKLHunyuanVideo(
        latent_channels=channels,
        down_block_types=("HunyuanVideoDownBlock3D",) * 4,
        up_block_types=("HunyuanVideoUpBlock3D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        layers_per_block=1,
        norm_num_groups=4,
    )


@pipeline(32, note="one frame")
def HunyuanVideoPipeline() -> Any:
    kind = diffusers.HunyuanVideoPipeline
    return kind(
        text_encoder=tiny_parts.language_model("Llama", layers=4),
        tokenizer=tiny_parts.bpe_tokenizer(kind, begins=True),
        transformer=diffusers.HunyuanVideoTransformer3DModel(
            in_channels=4,
            out_channels=4,
            num_attention_heads=2,
            attention_head_dim=10,
            num_layers=1,
            num_single_layers=1,
            num_refiner_layers=1,
            patch_size=1,
            patch_size_t=1,
            guidance_embeds=True,
            text_embed_dim=WIDTH,
            pooled_projection_dim=WIDTH,
            rope_axes_dim=(2, 4, 4),
        ),
        vae=hunyuan_video_vae(),
        scheduler=flow(shift=7.0),
        text_encoder_2=clip(),
        tokenizer_2=clip_tokenizer(),
    )


@pipeline(32, note="one frame")
def LTXPipeline() -> Any:
    return diffusers.LTXPipeline(
        scheduler=flow(),
        vae=diffusers.AutoencoderKLLTXVideo(
            latent_channels=8,
            block_out_channels=(8, 8, 8, 8),
            decoder_block_out_channels=(8, 8, 8, 8),
            layers_per_block=(1, 1, 1, 1, 1),
            decoder_layers_per_block=(1, 1, 1, 1, 1),
            spatio_temporal_scaling=(True, True, False, False),
            decoder_spatio_temporal_scaling=(True, True, False, False),
            decoder_inject_noise=(False,) * 5,
            upsample_residual=(False,) * 4,
            upsample_factor=(1,) * 4,
            patch_size=1,
            patch_size_t=1,
            encoder_causal=True,
            decoder_causal=False,
        ),
        text_encoder=t5(),
        tokenizer=t5_tokenizer(),
        transformer=diffusers.LTXVideoTransformer3DModel(
            in_channels=8,
            out_channels=8,
            num_attention_heads=2,
            attention_head_dim=8,
            cross_attention_dim=16,
            num_layers=1,
            caption_channels=WIDTH,
        ),
    )


@pipeline(16, note="one frame")
def MochiPipeline() -> Any:
    return diffusers.MochiPipeline(
        scheduler=flow(invert_sigmas=True, num_train_timesteps=1000),
        vae=diffusers.AutoencoderKLMochi(
            latent_channels=12,
            encoder_block_out_channels=(32, 32, 32, 32),
            decoder_block_out_channels=(32, 32, 32, 32),
            layers_per_block=(1, 1, 1, 1, 1),
        ),
        text_encoder=t5(),
        tokenizer=t5_tokenizer(),
        transformer=diffusers.MochiTransformer3DModel(
            patch_size=2,
            num_attention_heads=2,
            attention_head_dim=8,
            num_layers=2,
            pooled_projection_dim=16,
            in_channels=12,
            text_embed_dim=WIDTH,
            time_embed_dim=4,
            max_sequence_length=256,
        ),
    )


@pipeline(16, note="one frame")
def CogVideoXPipeline() -> Any:
    return diffusers.CogVideoXPipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=t5(),
        vae=diffusers.AutoencoderKLCogVideoX(
            down_block_types=("CogVideoXDownBlock3D",) * 4,
            up_block_types=("CogVideoXUpBlock3D",) * 4,
            block_out_channels=(8, 8, 8, 8),
            latent_channels=4,
            layers_per_block=1,
            norm_num_groups=2,
            temporal_compression_ratio=4,
        ),
        transformer=diffusers.CogVideoXTransformer3DModel(
            num_attention_heads=4,
            attention_head_dim=8,
            in_channels=4,
            out_channels=4,
            time_embed_dim=2,
            text_embed_dim=WIDTH,
            num_layers=1,
            sample_width=2,
            sample_height=2,
            sample_frames=1,
            patch_size=2,
            temporal_compression_ratio=4,
            max_text_seq_length=16,
        ),
        scheduler=diffusers.CogVideoXDDIMScheduler(
            prediction_type="v_prediction", rescale_betas_zero_snr=True
        ),
    )


@pipeline(32, note="one frame")
def SanaVideoPipeline() -> Any:
    kind = diffusers.SanaVideoPipeline
    return kind(
        tokenizer=tiny_parts.bpe_tokenizer(kind, begins=True),
        text_encoder=tiny_parts.language_model("Gemma2"),
        vae=tiny_parts.wan_vae(),
        transformer=diffusers.SanaVideoTransformer3DModel(
            in_channels=16,
            out_channels=16,
            num_attention_heads=2,
            attention_head_dim=12,
            num_layers=2,
            num_cross_attention_heads=2,
            cross_attention_head_dim=12,
            cross_attention_dim=24,
            caption_channels=WIDTH,
            sample_size=8,
            rope_max_seq_len=32,
        ),
        scheduler=diffusers.DPMSolverMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        ),
    )


@pipeline(32, note="one frame")
def SkyReelsV2Pipeline() -> Any:
    kind = diffusers.SkyReelsV2Pipeline
    tiny_parts.without_ftfy(kind)
    return kind(
        tokenizer=t5_tokenizer(),
        text_encoder=tiny_parts.umt5(),
        vae=tiny_parts.wan_vae(),
        scheduler=diffusers.UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=8.0
        ),
        transformer=diffusers.SkyReelsV2Transformer3DModel(
            num_attention_heads=2,
            attention_head_dim=12,
            in_channels=16,
            out_channels=16,
            text_dim=WIDTH,
            freq_dim=16,
            ffn_dim=16,
            num_layers=2,
            rope_max_seq_len=32,
        ),
    )


@pipeline(32, note="one frame; EDM's preconditioning")
def CosmosTextToWorldPipeline() -> Any:
    return diffusers.CosmosTextToWorldPipeline(
        text_encoder=t5(),
        tokenizer=t5_tokenizer(),
        transformer=cosmos_network(),
        vae=diffusers.AutoencoderKLCosmos(
            latent_channels=16,
            encoder_block_out_channels=(8, 8, 8, 8),
            decode_block_out_channels=(8, 8, 8, 8),
            attention_resolutions=(8,),
            resolution=64,
            num_layers=1,
            patch_size=4,
            scaling_factor=1.0,
            spatial_compression_ratio=4,
            temporal_compression_ratio=4,
        ),
        scheduler=diffusers.EDMEulerScheduler(
            sigma_max=80.0, sigma_data=0.5, final_sigmas_type="sigma_min"
        ),
        safety_checker=tiny_parts.TrustingChecker(),
    )


@pipeline(32, note="one frame")
def Kandinsky5T2VPipeline() -> Any:
    kind = diffusers.Kandinsky5T2VPipeline
    return kind(
        transformer=kandinsky5_network(),
        vae=hunyuan_video_vae(),
        text_encoder=tiny_parts.qwen_vl("Qwen2_5_"),
        tokenizer=tiny_parts.text_processor(kind),
        text_encoder_2=clip(),
        tokenizer_2=clip_tokenizer(),
        scheduler=flow(shift=3.0),
    )


@pipeline(32, note="one frame")
def HunyuanVideo15Pipeline() -> Any:
    kind = diffusers.HunyuanVideo15Pipeline
    return kind(
        text_encoder=tiny_parts.qwen_text(),
        tokenizer=tiny_parts.bpe_tokenizer(kind),
        transformer=diffusers.HunyuanVideo15Transformer3DModel(
            in_channels=9,
            out_channels=4,
            num_attention_heads=2,
            attention_head_dim=8,
            num_layers=1,
            num_refiner_layers=1,
            patch_size=1,
            patch_size_t=1,
            text_embed_dim=WIDTH,
            text_embed_2_dim=WIDTH,
            image_embed_dim=12,
            rope_axes_dim=(2, 2, 4),
            target_size=16,
            task_type="t2v",
        ),
        vae=diffusers.AutoencoderKLHunyuanVideo15(
            latent_channels=4,
            block_out_channels=(16, 16),
            layers_per_block=1,
            spatial_compression_ratio=4,
            temporal_compression_ratio=2,
            downsample_match_channel=False,
            upsample_match_channel=False,
        ),
        scheduler=flow(shift=7.0),
        text_encoder_2=tiny_parts.t5_of_bytes(),
        tokenizer_2=transformers.ByT5Tokenizer(),
        guider=diffusers.guiders.ClassifierFreeGuidance(guidance_scale=1.0),
    )


@pipeline(16, "StableDiffusionXLPipeline:edm", note="EDM's preconditioning, as Playground v2.5")
def playground() -> Any:
    pipe = inspect.unwrap(tiny_models.sdxl)()
    return diffusers.StableDiffusionXLPipeline(
        **pipe.components
        | {
            "vae": vae(
                scaling_factor=0.5,
                latents_mean=[-1.6574, 1.886, -1.383, 2.5155],
                latents_std=[8.4927, 5.9022, 6.5498, 5.2299],
            ),
            "scheduler": diffusers.EDMDPMSolverMultistepScheduler(),
        }
    )


def conditioned_on_images(kind: type, channels: int, **options: Any) -> Any:
    """A Stable Diffusion whose network sees more channels than its autoencoder makes."""
    parts = inspect.unwrap(tiny_models.stable_diffusion)().components
    return kind(**parts | {"unet": unet(in_channels=channels)}, **options)


@refused("inpainting")
def StableDiffusionInpaintPipeline() -> Any:
    kind = diffusers.StableDiffusionInpaintPipeline
    return conditioned_on_images(kind, 9, requires_safety_checker=False)


@refused("editing")
def StableDiffusionInstructPix2PixPipeline() -> Any:
    kind = diffusers.StableDiffusionInstructPix2PixPipeline
    return conditioned_on_images(kind, 8, requires_safety_checker=False)


@refused("super-resolution")
def StableDiffusionUpscalePipeline() -> Any:
    parts = inspect.unwrap(tiny_models.stable_diffusion)().components
    del parts["image_encoder"]
    return diffusers.StableDiffusionUpscalePipeline(
        **parts | {"unet": unet(in_channels=7, num_class_embeds=1000)},
        low_res_scheduler=diffusers.DDPMScheduler(),
    )


@refused("super-resolution")
def IFSuperResolutionPipeline() -> Any:
    parts = inspect.unwrap(tiny_models.deepfloyd)().components
    parts["unet"] = unet(
        in_channels=6,
        out_channels=6,
        class_embed_type="timestep",
        encoder_hid_dim=WIDTH,
        encoder_hid_dim_type="text_proj",
        cross_attention_dim=8,
    )
    return diffusers.IFSuperResolutionPipeline(
        **parts,
        image_noising_scheduler=diffusers.DDPMScheduler(),
        requires_safety_checker=False,
    )


@refused("distilled")
def LatentConsistencyModelPipeline() -> Any:
    parts = inspect.unwrap(tiny_models.stable_diffusion)().components
    return diffusers.LatentConsistencyModelPipeline(
        **parts | {"unet": unet(time_cond_proj_dim=8), "scheduler": diffusers.LCMScheduler()},
        requires_safety_checker=False,
    )


@refused("distilled", "StableDiffusionPipeline:distilled")
def guidance_distilled() -> Any:
    return inspect.unwrap(tiny_models.stable_diffusion)(time_cond_proj_dim=8)


@refused("distilled")
def SanaSprintPipeline() -> Any:
    kind = diffusers.SanaSprintPipeline
    return kind(
        tokenizer=tiny_parts.bpe_tokenizer(kind, begins=True),
        text_encoder=tiny_parts.language_model("Gemma2"),
        vae=tiny_parts.deep_compression_vae(),
        transformer=sana_network(guidance_embeds=True, qk_norm="rms_norm_across_heads"),
        scheduler=diffusers.SCMScheduler(),
    )


@refused("two stages")
def KandinskyV22Pipeline() -> Any:
    return diffusers.KandinskyV22Pipeline(
        unet=diffusers.UNet2DConditionModel(
            in_channels=4,
            out_channels=8,
            addition_embed_type="image",
            down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
            up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
            mid_block_type="UNetMidBlock2DSimpleCrossAttn",
            block_out_channels=(32, 64),
            layers_per_block=1,
            encoder_hid_dim=WIDTH,
            encoder_hid_dim_type="image_proj",
            cross_attention_dim=WIDTH,
            attention_head_dim=4,
            resnet_time_scale_shift="scale_shift",
        ),
        scheduler=diffusers.DDPMScheduler(variance_type="learned_range"),
        movq=tiny_parts.movq(),
    )


def prior_of_embeddings() -> Any:
    return diffusers.PriorTransformer(
        num_attention_heads=2, attention_head_dim=8, embedding_dim=WIDTH, num_layers=1
    )


@refused("two stages")
def KandinskyV22PriorPipeline() -> Any:
    return diffusers.KandinskyV22PriorPipeline(
        prior=prior_of_embeddings(),
        image_encoder=tiny_parts.clip_vision(),
        text_encoder=clip(projected=True),
        tokenizer=clip_tokenizer(),
        scheduler=diffusers.UnCLIPScheduler(prediction_type="sample"),
        image_processor=transformers.CLIPImageProcessor(size=32, crop_size=32),
    )


@refused("two stages")
def UnCLIPPipeline() -> Any:
    from diffusers.pipelines.deprecated.unclip.text_proj import UnCLIPTextProjModel

    enlarging = diffusers.UNet2DModel(
        sample_size=16,
        in_channels=6,
        out_channels=3,
        block_out_channels=(8, 8),
        layers_per_block=1,
        norm_num_groups=4,
        down_block_types=("ResnetDownsampleBlock2D",) * 2,
        up_block_types=("ResnetUpsampleBlock2D",) * 2,
    )
    return diffusers.UnCLIPPipeline(
        prior=prior_of_embeddings(),
        decoder=unet(in_channels=3, out_channels=6, class_embed_type="identity"),
        text_encoder=clip(projected=True),
        tokenizer=clip_tokenizer(),
        text_proj=UnCLIPTextProjModel(
            clip_embeddings_dim=WIDTH, time_embed_dim=32, cross_attention_dim=WIDTH
        ),
        super_res_first=enlarging,
        super_res_last=enlarging,
        prior_scheduler=diffusers.UnCLIPScheduler(prediction_type="sample"),
        decoder_scheduler=diffusers.UnCLIPScheduler(variance_type="learned_range"),
        super_res_scheduler=diffusers.UnCLIPScheduler(),
    )


@refused("two stages")
def StableCascadePriorPipeline() -> Any:
    from diffusers.models.unets.unet_stable_cascade import StableCascadeUNet

    return diffusers.StableCascadePriorPipeline(
        tokenizer=clip_tokenizer(),
        text_encoder=clip(projected=True),
        prior=StableCascadeUNet(
            conditioning_dim=WIDTH,
            block_out_channels=(16, 16),
            num_attention_heads=(2, 2),
            down_num_layers_per_block=(1, 1),
            up_num_layers_per_block=(1, 1),
            clip_image_in_channels=WIDTH,
            clip_text_in_channels=WIDTH,
            clip_text_pooled_in_channels=WIDTH,
            switch_level=(False,),
        ),
        scheduler=diffusers.DDPMWuerstchenScheduler(),
    )


@refused("two stages")
def WuerstchenPriorPipeline() -> Any:
    from diffusers.pipelines.deprecated.wuerstchen import WuerstchenPrior

    return diffusers.WuerstchenPriorPipeline(
        tokenizer=clip_tokenizer(),
        text_encoder=clip(),
        prior=WuerstchenPrior(c_in=2, c=8, depth=2, c_cond=WIDTH, c_r=8, nhead=2),
        scheduler=diffusers.DDPMWuerstchenScheduler(),
    )
