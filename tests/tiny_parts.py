"""Tiny tokenizers, text encoders and autoencoders of the kinds that pipelines of diffusers use.

Tokenizers learn the words of a pipeline's own source, so that each word of its prompt template is
one token, as in the published vocabularies: several pipelines drop the template by its length.
"""

from __future__ import annotations

import functools
import inspect
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import diffusers
import torch
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
        "base_dim": 8,
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


class TextProcessor(transformers.ProcessorMixin):
    """The part of a processor that reads text; the rest needs torchvision."""

    def __init__(self, tokenizer: Any, chat_template: str | None = None) -> None:
        super().__init__(tokenizer, chat_template=chat_template or CHAT_TEMPLATE)

    def __call__(self, text: Any, images: None = None, **options: Any) -> Any:
        return super().__call__(text=[text] if isinstance(text, str) else text, **options)


def text_processor(pipeline: type, **options: Any) -> Any:
    """A processor of text alone around ``bpe_tokenizer``."""
    return TextProcessor(bpe_tokenizer(pipeline, **options))


def mistral(head: str = "ForConditionalGeneration", layers: int = 31) -> Any:
    """Mistral 3, which sees; by default as deep as the layers that FLUX.2 reads."""
    vision = {
        "model_type": "pixtral",
        "hidden_size": WIDTH,
        "intermediate_size": WIDTH,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 28,
        "patch_size": 14,
    }
    config = transformers.Mistral3Config(
        text_config=decoder_settings(layers, model_type="mistral"), vision_config=vision
    )
    return getattr(transformers, f"Mistral3{head}")(config).eval()


def flux2_vae(channels: int = 4) -> Any:
    """FLUX.2's autoencoder, whose batch norm keeps the statistics of patched latents."""
    made = diffusers.AutoencoderKLFlux2(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 8),
        layers_per_block=1,
        latent_channels=channels,
        norm_num_groups=4,
    )
    made.bn.running_mean.fill_(0.1)
    made.bn.running_var.fill_(2.0)
    return made


def hunyuan_image_vae() -> Any:
    """HunyuanImage 2.1's autoencoder: side over two."""
    return diffusers.AutoencoderKLHunyuanImage(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        block_out_channels=(32, 32),
        layers_per_block=1,
        scaling_factor=0.75289,
        spatial_compression_ratio=2,
        sample_size=16,
    )


def movq() -> Any:
    """Kandinsky's autoencoder, which quantises: side over two."""
    return diffusers.VQModel(
        block_out_channels=(32, 32),
        down_block_types=("DownEncoderBlock2D", "AttnDownEncoderBlock2D"),
        up_block_types=("AttnUpDecoderBlock2D", "UpDecoderBlock2D"),
        latent_channels=4,
        norm_num_groups=4,
        norm_type="spatial",
        num_vq_embeddings=12,
        vq_embed_dim=4,
    )


def tiny_autoencoder() -> Any:
    """TAESD's kind of autoencoder, without a distribution: side over two."""
    return diffusers.AutoencoderTiny(
        encoder_block_out_channels=(16, 16),
        decoder_block_out_channels=(16, 16),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
        latent_channels=4,
    )


def t5_gemma() -> Any:
    """The encoder of T5-Gemma."""
    from transformers.models.t5gemma.modeling_t5gemma import T5GemmaEncoder

    settings = decoder_settings(head_dim=8, layer_types=["full_attention"] * 2)
    module = transformers.T5GemmaModuleConfig(**settings)
    config = transformers.T5GemmaConfig(encoder=module, is_encoder_decoder=False, **settings)
    return T5GemmaEncoder(config.encoder).eval()


def t5_of_bytes() -> Any:
    """A T5 encoder whose vocabulary is bytes."""
    config = transformers.T5Config(
        vocab_size=384, d_model=WIDTH, d_kv=8, d_ff=WIDTH, num_layers=2, num_heads=2
    )
    return transformers.T5EncoderModel(config).eval()


def xlm_roberta_tokenizer() -> Any:
    """XLM-R's unigram model, of the prompts' words and letters."""
    letters = [f"{mark}{letter}" for letter in "abcdefghijklmnopqrstuvwxyz" for mark in ("", "▁")]
    words = [f"▁{word}" for word in sorted(set(f"{CLASSES} {' '.join(PROMPTS)}".split()))]
    pieces = [(piece, -1.0) for piece in words] + [(piece, -9.0) for piece in ["▁", *letters]]
    pieces = list(dict(reversed(pieces)).items())
    marks = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    return transformers.XLMRobertaTokenizer(vocab=[*marks, *pieces], model_max_length=77)


def alt_roberta() -> Any:
    """AltDiffusion's XLM-R with a projection."""
    from diffusers.pipelines.deprecated.alt_diffusion import modeling_roberta_series as series

    config = series.RobertaSeriesConfig(
        vocab_size=256,
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=80,
        project_dim=WIDTH,
    )
    return series.RobertaSeriesModelWithTransformation(config).eval()


def chat_glm_tokenizer() -> Any:
    """ChatGLM's tokenizer, of a sentencepiece model of the prompts."""
    import sentencepiece
    from diffusers.pipelines.kolors import ChatGLMTokenizer

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokenizer.model"
        with path.open("wb") as file:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter([*CLASSES.split(), *PROMPTS]),
                model_writer=file,
                vocab_size=60,
                hard_vocab_limit=False,
                minloglevel=2,
            )
        return ChatGLMTokenizer(str(path))


def chat_glm() -> Any:
    """ChatGLM of two layers."""
    from diffusers.pipelines.kolors.text_encoder import ChatGLMConfig, ChatGLMModel

    config = ChatGLMConfig(
        num_layers=2,
        padded_vocab_size=128,
        hidden_size=WIDTH,
        ffn_hidden_size=WIDTH,
        kv_channels=8,
        num_attention_heads=2,
        seq_length=256,
        add_qkv_bias=True,
        multi_query_attention=True,
        multi_query_group_num=1,
        original_rope=True,
    )
    model = ChatGLMModel(config).eval()
    for name, weight in model.named_parameters():
        if weight.ndim == 1:  # which its library leaves as memory was
            torch.nn.init.normal_(weight, mean=float("norm" in name), std=0.1)
    return model


def unclip_normalizer() -> Any:
    """The mean and deviation of image embeddings, as unCLIP keeps them."""
    from diffusers.pipelines.stable_diffusion import StableUnCLIPImageNormalizer

    return StableUnCLIPImageNormalizer(embedding_dim=WIDTH)


class TrustingChecker(diffusers.ModelMixin, diffusers.ConfigMixin):
    """A checker that lets everything pass; Cosmos insists on one."""

    def __init__(self) -> None:
        super().__init__()
        self.place = torch.nn.Parameter(torch.zeros(1))  # tells device and dtype

    def check_text_safety(self, prompt: str) -> bool:
        return True

    def check_video_safety(self, frames: Any) -> Any:
        return frames


def clip_vision() -> Any:
    """CLIP's image encoder."""
    config = transformers.CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=32,
        patch_size=16,
    )
    return transformers.CLIPVisionModelWithProjection(config).eval()


def without_ftfy(pipeline: type) -> None:
    """Let a pipeline that insists on ftfy do without; it would leave the prompts as they are."""
    vars(sys.modules[pipeline.__module__]).setdefault("ftfy", SimpleNamespace(fix_text=str))


def qwen_text() -> Any:
    """The language model inside Qwen2.5-VL."""
    return qwen_vl("Qwen2_5_", layers=4).model.language_model
