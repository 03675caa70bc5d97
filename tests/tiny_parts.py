"""Tiny tokenizers, text encoders and autoencoders of the kinds that pipelines of diffusers use.

Tokenizers learn the words of a pipeline's own source, so that each word of its prompt template is
one token, as in the published vocabularies: several pipelines drop the template by its length.
"""

from __future__ import annotations

import functools
import inspect
import sys
from typing import Any

import diffusers
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from tokenizers.decoders import ByteLevel as ByteLevelDecoder

from tiny_models import CLASSES, PROMPTS, WIDTH, clip

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{{ part.get('text', '') }}{% endfor %}{% endif %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}"
    "{% endif %}"
)
CHAT_MARKS = (
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
    "<think>",
    "</think>",
)


@functools.cache
def bpe_tokenizer(pipeline: type, *, begins: bool = False, **options: Any) -> Any:
    """A byte-pair encoder with a chat template; with ``begins``, texts begin with a mark."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    trainer = trainers.BpeTrainer(
        vocab_size=3000,
        special_tokens=["<pad>", "<s>", "</s>", "<unk>", *CHAT_MARKS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    source = inspect.getsource(sys.modules[pipeline.__module__])
    texts = [source, *(f" {word}" for word in CLASSES.split()), *PROMPTS]
    tokenizer.train_from_iterator(texts, trainer)
    if begins:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
        )
    settings = {
        "pad_token": "<pad>",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "model_max_length": 512,
        "chat_template": CHAT_TEMPLATE,
    }
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **settings | options)


def bert_tokenizer() -> Any:
    """BERT's word pieces: whole words of the prompts, and letters."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,"
    words = sorted(set(f"{CLASSES} {' '.join(PROMPTS)}".lower().split()) - set(letters))
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*marks, *letters, *(f"##{letter}" for letter in letters), *words]
    return transformers.BertTokenizer(
        vocab={piece: number for number, piece in enumerate(pieces)}, model_max_length=77
    )


def decoder_settings(layers: int = 2, **options: Any) -> dict[str, Any]:
    """What the small language models have in common."""
    return {
        "vocab_size": 3000,
        "hidden_size": WIDTH,
        "intermediate_size": WIDTH,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "max_position_embeddings": 2048,
    } | options


def language_model(kind: str, head: str = "Model", **options: Any) -> Any:
    """A language model of two layers: ``kind`` and ``head`` as in its transformers class."""
    config = getattr(transformers, f"{kind}Config")(**decoder_settings(**options))
    return getattr(transformers, f"{kind}{head}")(config).eval()


def qwen_vl(version: str, head: str = "ForConditionalGeneration", **options: Any) -> Any:
    """Qwen2-VL, 2.5-VL or 3-VL of two layers; it sees, but nobody shows it pictures."""
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10_000.0}
    vision = {
        "depth": 1,
        "hidden_size": WIDTH,
        "intermediate_size": WIDTH,
        "num_heads": 2,
        "out_hidden_size": WIDTH,
        "patch_size": 14,
    }
    if version == "Qwen2":
        vision |= {"hidden_size": WIDTH, "embed_dim": WIDTH}
    config = getattr(transformers, f"{version}VLConfig")(
        text_config=decoder_settings(rope_parameters=rope, **options), vision_config=vision
    )
    return getattr(transformers, f"{version}VL{head}")(config).eval()


def long_clip() -> Any:
    """A CLIP text encoder with a projection and room for 248 tokens, as HiDream's."""
    config = clip(projected=True).config
    config.max_position_embeddings = 248
    return transformers.CLIPTextModelWithProjection(config).eval()


def deep_vae(channels: int = 4, **options: Any) -> Any:
    """An autoencoder of the usual depth: side over eight."""
    return diffusers.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(4, 4, 4, 4),
        layers_per_block=1,
        norm_num_groups=2,
        latent_channels=channels,
        **options,
    )


def vae_without_halving(channels: int = 4, **options: Any) -> Any:
    """An autoencoder that keeps the side, with a shift and no extra convolutions, as FLUX's."""
    settings = {
        "block_out_channels": (4,),
        "norm_num_groups": 1,
        "latent_channels": channels,
        "use_quant_conv": False,
        "use_post_quant_conv": False,
        "shift_factor": 0.0609,
        "scaling_factor": 1.5035,
    }
    return diffusers.AutoencoderKL(**settings | options)


def wan_vae(channels: int = 16, **options: Any) -> Any:
    """Wan's autoencoder of videos: side over eight, frames over four."""
    settings = {
        "base_dim": 3,
        "z_dim": channels,
        "dim_mult": [1, 1, 1, 1],
        "num_res_blocks": 1,
        "temperal_downsample": [False, True, True],
        "latents_mean": [0.1] * channels,
        "latents_std": [1.5] * channels,
    }
    return diffusers.AutoencoderKLWan(**settings | options)


def qwen_image_vae(channels: int = 4) -> Any:
    """Qwen-Image's autoencoder: side over four."""
    return diffusers.AutoencoderKLQwenImage(
        base_dim=6,
        z_dim=channels,
        dim_mult=[1, 2, 4],
        num_res_blocks=1,
        temperal_downsample=[False, True],
        latents_mean=[0.1] * channels,
        latents_std=[1.5] * channels,
    )


def deep_compression_vae() -> Any:
    """Sana's autoencoder of residual and linear-attention blocks: side over two."""
    return diffusers.AutoencoderDC(
        in_channels=3,
        latent_channels=4,
        attention_head_dim=2,
        encoder_block_types=("ResBlock", "EfficientViTBlock"),
        decoder_block_types=("ResBlock", "EfficientViTBlock"),
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        encoder_qkv_multiscales=((), (5,)),
        decoder_qkv_multiscales=((), (5,)),
        encoder_layers_per_block=(1, 1),
        decoder_layers_per_block=(1, 1),
        downsample_block_type="conv",
        upsample_block_type="interpolate",
        decoder_norm_types="rms_norm",
        decoder_act_fns="silu",
        scaling_factor=0.41407,
    )


def umt5(width: int = WIDTH) -> Any:
    """A UMT5 encoder of two layers."""
    config = transformers.UMT5Config(
        vocab_size=128, d_model=width, d_kv=8, d_ff=WIDTH, num_layers=2, num_heads=2
    )
    return transformers.UMT5EncoderModel(config).eval()


def bert() -> Any:
    """A BERT of two layers."""
    config = transformers.BertConfig(
        vocab_size=len(bert_tokenizer()),
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=77,
    )
    return transformers.BertModel(config).eval()
