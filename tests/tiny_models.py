"""Real pipelines of every family, tiny and random, saved to a folder as diffusers saves them.

Every builder takes the folder to write and returns it. The weights are random but not zero, so
that outputs depend on each input.
"""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from tokenizers.pre_tokenizers import ByteLevel

CLASSES = "airplane bear bicycle bird boat bottle car cat chair clock dog elephant keyboard knife"
PROMPTS = ["a cat", "a bad photo of an elephant beside a bicycle", "A bad photo of a Dog "]
WIDTH = 16
SIDE = 8  # of latents, and of images without an autoencoder

CLIP_SPECIAL = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>"}
CLIP_MERGES = ("c a", "ca t</w>", "d o", "do g</w>", "p h", "o f</w>", "b a", "ba d</w>")


@functools.cache
def clip_tokenizer() -> Any:
    """CLIP's byte-pair encoder with eight merges, read from files like the published ones."""
    letters = sorted(ByteLevel.alphabet())
    merged = ["".join(merge.split()) for merge in CLIP_MERGES]
    words = [*letters, *(f"{letter}</w>" for letter in letters), *merged, *CLIP_SPECIAL.values()]
    settings = {
        **CLIP_SPECIAL,
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": 77,
        "pad_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "vocab.json").write_text(json.dumps({w: i for i, w in enumerate(words)}))
        (folder / "merges.txt").write_text("\n".join(("#version: 0.2", *CLIP_MERGES, "")))
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
        return transformers.CLIPTokenizer.from_pretrained(folder)


@functools.cache
def t5_tokenizer() -> Any:
    """A unigram model, as T5's, trained on the prompts' words."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=80, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>"
    )
    tokenizer.train_from_iterator([f"a bad photo of {CLASSES}", *PROMPTS], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", tokenizer.token_to_id("</s>"))]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=512,
    )


def clip(*, projected: bool = False) -> Any:
    """A CLIP text encoder of two layers."""
    tokenizer = clip_tokenizer()
    config = transformers.CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=77,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    kind = transformers.CLIPTextModelWithProjection if projected else transformers.CLIPTextModel
    return kind(config).eval()


def t5(width: int = WIDTH) -> Any:
    """A T5 encoder of two layers."""
    config = transformers.T5Config(
        vocab_size=128, d_model=width, d_kv=8, d_ff=WIDTH, num_layers=2, num_heads=2
    )
    return transformers.T5EncoderModel(config).eval()


def vae(channels: int = 4, **options: Any) -> Any:
    """An autoencoder that halves the side."""
    return diffusers.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 8),
        norm_num_groups=4,
        latent_channels=channels,
        **options,
    )


def unet(**options: Any) -> Any:
    """A U-Net of two levels with cross-attention."""
    settings = {
        "sample_size": SIDE,
        "block_out_channels": (8, 16),
        "layers_per_block": 1,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": WIDTH,
        "attention_head_dim": 2,
        "norm_num_groups": 4,
    }
    return diffusers.UNet2DConditionModel(**settings | options)


def _seeded(build: Callable[..., Any]) -> Callable[..., Path]:
    """Build and save a pipeline with weights that are the same in every run."""

    @functools.wraps(build)
    def save(folder: Path, **options: Any) -> Path:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            build(**options).save_pretrained(folder)
        return folder

    return save


@_seeded
def stable_diffusion(prediction_type: str = "epsilon", **network: Any) -> Any:
    """SD 1.5, or 2.1 with ``prediction_type="v_prediction"``."""
    return diffusers.StableDiffusionPipeline(
        vae=vae(),
        text_encoder=clip(),
        tokenizer=clip_tokenizer(),
        unet=unet(**network),
        scheduler=diffusers.PNDMScheduler(
            beta_schedule="scaled_linear",
            beta_start=0.00085,
            beta_end=0.012,
            skip_prk_steps=True,
            steps_offset=1,
            prediction_type=prediction_type,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


@_seeded
def sdxl() -> Any:
    """SDXL's base model."""
    return diffusers.StableDiffusionXLPipeline(
        vae=vae(),
        text_encoder=clip(),
        text_encoder_2=clip(projected=True),
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(),
        unet=unet(
            cross_attention_dim=2 * WIDTH,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + WIDTH,
        ),
        scheduler=diffusers.EulerDiscreteScheduler(
            beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012
        ),
    )


@_seeded
def deepfloyd() -> Any:
    """DeepFloyd IF, stage I."""
    return diffusers.IFPipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=t5(),
        unet=unet(
            in_channels=3,
            out_channels=6,
            addition_embed_type="text",
            addition_embed_type_num_heads=2,
            encoder_hid_dim=WIDTH,
            encoder_hid_dim_type="text_proj",
            cross_attention_dim=8,
        ),
        scheduler=diffusers.DDPMScheduler(
            beta_schedule="squaredcos_cap_v2", variance_type="learned_range"
        ),
        safety_checker=None,
        feature_extractor=None,
        watermarker=None,
        requires_safety_checker=False,
    )


@_seeded
def stable_diffusion_3(*, with_t5: bool = True) -> Any:
    """SD 3, with T5 or without."""
    return diffusers.StableDiffusion3Pipeline(
        transformer=diffusers.SD3Transformer2DModel(
            sample_size=SIDE,
            patch_size=2,
            in_channels=4,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=40,
            caption_projection_dim=WIDTH,
            pooled_projection_dim=2 * WIDTH,
            out_channels=4,
            pos_embed_max_size=SIDE,
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=vae(scaling_factor=1.5305, shift_factor=0.0609),
        text_encoder=clip(projected=True),
        text_encoder_2=clip(projected=True),
        text_encoder_3=t5(40) if with_t5 else None,
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(),
        tokenizer_3=t5_tokenizer() if with_t5 else None,
    )


@_seeded
def flux(*, dev: bool = True) -> Any:
    """FLUX.1, dev or schnell."""
    return diffusers.FluxPipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=vae(scaling_factor=0.3611, shift_factor=0.1159),
        text_encoder=clip(),
        text_encoder_2=t5(),
        tokenizer=clip_tokenizer(),
        tokenizer_2=t5_tokenizer(),
        transformer=diffusers.FluxTransformer2DModel(
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=WIDTH,
            pooled_projection_dim=WIDTH,
            guidance_embeds=dev,
            axes_dims_rope=(2, 2, 4),
        ),
    )


def _pixart_network(**options: Any) -> Any:
    settings = {
        "sample_size": SIDE,
        "num_layers": 2,
        "attention_head_dim": 8,
        "num_attention_heads": 3,
        "cross_attention_dim": 24,
        "caption_channels": WIDTH,
    }
    return diffusers.PixArtTransformer2DModel(**settings | options)


@_seeded
def pixart_alpha() -> Any:
    """PixArt-α of 128 latents a side, which is how its pipeline knows to tell it the size."""
    return diffusers.PixArtAlphaPipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=t5(),
        vae=vae(),
        transformer=_pixart_network(sample_size=128),
        scheduler=diffusers.DPMSolverMultistepScheduler(),
    )


@_seeded
def pixart_sigma() -> Any:
    """PixArt-Σ."""
    return diffusers.PixArtSigmaPipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=t5(),
        vae=vae(),
        transformer=_pixart_network(),
        scheduler=diffusers.DPMSolverMultistepScheduler(),
    )


@_seeded
def pixel_flow() -> Any:
    """A rectified flow in pixels, of PixArt's make: the layout of the bundled models."""
    return diffusers.PixArtSigmaPipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=t5(),
        vae=None,
        transformer=_pixart_network(in_channels=3, out_channels=3),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
    )


@_seeded
def _dit_pipeline() -> Any:
    return diffusers.DiTPipeline(
        transformer=diffusers.DiTTransformer2DModel(
            sample_size=SIDE,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=2,
            in_channels=4,
            out_channels=8,
            num_embeds_ada_norm=10,
        ),
        vae=vae(),
        scheduler=diffusers.DDIMScheduler(),
    )


def dit(folder: Path) -> Path:
    """DiT with ten classes, two of one name; like the published one, it lists them."""
    path = _dit_pipeline(folder) / "model_index.json"
    names = ["tench, Tinca tinca", "goldfish", "crane", "crane", *(f"thing {n}" for n in range(6))]
    index = json.loads(path.read_text()) | {"id2label": dict(enumerate(names))}
    path.write_text(json.dumps(index))
    return folder


BUILDERS: dict[str, Callable[[Path], Path]] = {
    "sd1": stable_diffusion,
    "sd2-v": functools.partial(stable_diffusion, prediction_type="v_prediction"),
    "sdxl": sdxl,
    "deepfloyd": deepfloyd,
    "sd3": stable_diffusion_3,
    "sd3-without-t5": functools.partial(stable_diffusion_3, with_t5=False),
    "flux-dev": flux,
    "flux-schnell": functools.partial(flux, dev=False),
    "pixart-alpha": pixart_alpha,
    "pixart-sigma": pixart_sigma,
    "pixel-flow": pixel_flow,
    "dit": dit,
}
