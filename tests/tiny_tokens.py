"""Tiny random models of image tokens: the real classes, 4 × 4 codes of 16 × 16 pixels."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from tokenizers.decoders import ByteLevel as ByteLevelDecoder

from tiny_models import CLASSES, PROMPTS, WIDTH, clip, clip_tokenizer

SIDE = 16  # of images, in pixels
GRID = 4  # codes a side
CODES = 24

# The template that Janus was published with, less its cases of several turns and of images.
JANUS_CHAT = (
    "{% for message in messages %}<|User|>: {% for part in message['content'] %}"
    "{{ part['text'] | trim }}{% endfor %}{{ '\n\n' }}{% endfor %}"
    "{% if add_generation_prompt %}<|Assistant|>:{% endif %}"
)


def tokenizer(marks: Sequence[str], *, begins: bool, **options: Any) -> Any:
    """A byte-pair encoder with special tokens; with ``begins``, texts begin with a mark."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = ByteLevelDecoder()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<pad>", "<s>", "</s>", *marks],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator([*(f" {word}" for word in CLASSES.split()), *PROMPTS], trainer)
    if begins:
        made.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", made.token_to_id("<s>"))]
        )
    settings = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, **settings | options)


def vq_settings(**options: Any) -> dict[str, Any]:
    """An image tokenizer of three levels: four pixels a code, in each direction."""
    return {
        "latent_channels": 32,
        "base_channels": 32,
        "channel_multiplier": [1, 1, 1],
        "num_res_blocks": 1,
    } | options


def decoder_settings(vocabulary: int, **options: Any) -> dict[str, Any]:
    return {
        "vocab_size": vocabulary,
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_position_embeddings": 200,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
    } | options


def awaken(model: torch.nn.Module, seed: int = 0) -> Any:
    """Give weights a spread at which prompts and codes matter."""
    generator = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        if weight.ndim > 1 and "conv" not in name and "vqmodel" not in name:
            spread = 1.0 if "embed" in name else 2 * weight.shape[-1] ** -0.5
            weight.data = torch.randn(weight.shape, generator=generator) * spread
        elif "vqmodel" in name and "quantize" in name:
            weight.data = torch.randn(weight.shape, generator=generator) * 0.5
        elif name.endswith("vqmodel.quant_conv.weight"):
            weight.data *= 20
    return model.eval().requires_grad_(False)


@functools.cache
def janus() -> tuple[Any, Any]:
    """A ``JanusForConditionalGeneration`` and its processor."""
    marks = {
        "image_token": "<image_placeholder>",
        "boi_token": "<begin_of_image>",
        "eoi_token": "<end_of_image>",
    }
    words = tokenizer(
        [*marks.values(), "<|User|>", "<|Assistant|>"], begins=True, extra_special_tokens=marks
    )
    processor = transformers.JanusProcessor(
        transformers.JanusImageProcessor(
            size={"height": SIDE, "width": SIDE}, image_mean=[0.5] * 3, image_std=[0.5] * 3
        ),
        words,
        chat_template=JANUS_CHAT,
        num_image_tokens=GRID**2,
    )
    config = transformers.JanusConfig(
        text_config=transformers.LlamaConfig(**decoder_settings(len(words))),
        vision_config=transformers.JanusVisionConfig(
            hidden_size=WIDTH,
            num_hidden_layers=1,
            num_attention_heads=2,
            image_size=SIDE,
            patch_size=SIDE // GRID,
            projection_dim=WIDTH,
            num_image_tokens=GRID**2,
        ),
        vq_config=transformers.JanusVQVAEConfig(
            **vq_settings(
                embed_dim=4,
                num_embeddings=CODES,
                projection_dim=WIDTH,
                image_token_embed_dim=WIDTH,
            )
        ),
        image_token_id=words.image_token_id,
    )
    torch.manual_seed(0)
    model = awaken(transformers.JanusForConditionalGeneration(config))
    model.generation_config.update(bos_token_id=1, pad_token_id=0)
    model.generation_config.generation_kwargs = {"boi_token_id": words.boi_token_id}
    return model, processor


@functools.cache
def emu3() -> tuple[Any, Any]:
    """An ``Emu3ForConditionalGeneration`` and its processor."""
    marks = {
        "image_token": "<image>",
        "boi_token": "<|image start|>",
        "eoi_token": "<|image end|>",
        "image_wrapper_token": "<|image token|>",
        "eof_token": "<|extra_201|>",
    }
    visual = [f"<|visual token {code:06d}|>" for code in range(CODES)]
    words = tokenizer(
        [*marks.values(), "<|extra_200|>", *visual], begins=False, extra_special_tokens=marks
    )
    processor = transformers.Emu3Processor(
        transformers.Emu3ImageProcessor(
            image_mean=[0.5] * 3, image_std=[0.5] * 3, min_pixels=SIDE**2, max_pixels=4 * SIDE**2
        ),
        words,
        chat_template="{{ messages }}",
    )
    processor.downsample_ratio = SIDE // GRID
    config = transformers.Emu3Config(
        text_config=transformers.Emu3TextConfig(**decoder_settings(len(words))),
        vq_config=transformers.Emu3VQVAEConfig(
            codebook_size=CODES,
            base_channels=32,
            channel_multiplier=[1, 1, 1],
            num_res_blocks=1,
            attn_resolutions=[2],
            temporal_downsample_factor=2,
            hidden_size=32,
        ),
        vocabulary_map=words.get_vocab(),
    )
    torch.manual_seed(0)
    return awaken(transformers.Emu3ForConditionalGeneration(config)), processor


@functools.cache
def chameleon() -> tuple[Any, Any]:
    """A ``ChameleonForConditionalGeneration`` and its processor."""
    letters = {str(digit): chr(ord("A") + digit) for digit in range(10)}
    visual = ["IMGIMG" + "".join(letters[d] for d in str(code)) + "Z" for code in range(CODES)]
    marks = ["<image>", "<racm3:break>", "<eoss>", "<reserved08706>"]
    words = tokenizer(
        [*marks, *visual],
        begins=True,
        sep_token="<reserved08706>",
        extra_special_tokens={
            "image_token": "<image>",
            "boi_token": "<racm3:break>",
            "eoi_token": "<eoss>",
        },
    )
    processor = transformers.ChameleonProcessor(
        transformers.ChameleonImageProcessor(
            size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
        ),
        words,
        image_seq_length=GRID**2,
    )
    config = transformers.ChameleonConfig(
        **decoder_settings(len(words)),
        vq_config=transformers.ChameleonVQVAEConfig(
            **vq_settings(embed_dim=4, num_embeddings=CODES, resolution=SIDE)
        ),
        vocabulary_map=words.get_vocab(),
    )
    torch.manual_seed(0)
    return awaken(transformers.ChameleonForConditionalGeneration(config)), processor


BUILDERS = {"Janus": janus, "Emu3": emu3, "Chameleon": chameleon}


def save(parts: tuple[Any, Any], folder: Path) -> Path:
    """Write a model and its processor as transformers does."""
    for part in parts:
        part.save_pretrained(folder)
    return folder


def amused() -> Any:
    """An ``AmusedPipeline`` of 2 × 4 codes, whose conditioning matters."""
    from diffusers.pipelines.deprecated.amused import AmusedPipeline

    torch.manual_seed(0)
    made = AmusedPipeline(
        vqvae=diffusers.VQModel(
            block_out_channels=(8, 8),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            latent_channels=8,
            num_vq_embeddings=CODES,
            norm_num_groups=2,
            lookup_from_codebook=True,
        ),
        tokenizer=clip_tokenizer(),
        text_encoder=clip(projected=True),
        transformer=diffusers.UVit2DModel(
            hidden_size=16,
            cond_embed_dim=WIDTH,
            encoder_hidden_size=WIDTH,
            micro_cond_encode_dim=2,
            micro_cond_embed_dim=10,
            block_out_channels=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            in_channels=16,
            intermediate_size=16,
            codebook_size=CODES,
            vocab_size=CODES + 1,
            block_num_heads=2,
            num_res_blocks=1,
            sample_size=4,
        ),
        scheduler=diffusers.AmusedScheduler(mask_token_id=CODES),
    )
    for name, part in made.components.items():
        if isinstance(part, torch.nn.Module):
            part.eval().requires_grad_(False)
            for weight in part.parameters() if name != "vqvae" else ():
                if weight.ndim > 1:
                    weight.data = torch.randn(weight.shape) * weight[0].numel() ** -0.5
    made.vqvae.quantize.embedding.weight.normal_()
    made.vqvae.quant_conv.weight *= 10
    return made
