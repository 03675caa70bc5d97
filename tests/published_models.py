"""Tiny random VAR and RandAR, and their weights under the names of the published checkpoints."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor, nn

from synthesight.likelihood.tokens import VAR, RandAR, RandARConfig, VARConfig

SMALL_VAR = VARConfig(
    depth=2,
    width=32,
    heads=2,
    sides=(1, 2, 3, 4),
    codes=16,
    channels=8,
    labels=1000,
    shared_adaln=False,
    attn_l2_norm=True,
    maps=4,
    widths=(32, 32),
    layers=1,
)
SMALL_RANDAR = RandARConfig(
    depth=2,
    width=32,
    heads=1,
    hidden=48,
    side=4,
    codes=16,
    code_width=4,
    labels=1000,
    channels=8,
    widths=(32,) * 7,
    layers=1,
)


def randomised(module: nn.Module, seed: int = 0) -> Any:
    """Fill a module with numbers at which labels and tokens matter."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.named_parameters():
        fan = tensor[0].numel() if tensor.ndim > 1 else 1
        tensor.data.copy_(torch.randn(tensor.shape, generator=generator) * fan**-0.5)
        if "norm" in name or name.endswith(("before.weight", "between.weight")):
            tensor.data.add_(1.0)
    return module.requires_grad_(False)


def small_var(config: VARConfig = SMALL_VAR, **options: Any) -> VAR:
    network = randomised(config.network(), 1)
    for block in network.blocks:  # keys have no bias
        block.qkv.bias.data[config.width : 2 * config.width] = 0
    return VAR(config, randomised(config.tokenizer(), 2), network, **options)


def small_randar(config: RandARConfig = SMALL_RANDAR, **options: Any) -> RandAR:
    return RandAR(
        config, randomised(config.tokenizer(), 3), randomised(config.network(), 4), **options
    )


def renamed(tensors: dict[str, Tensor], rules: dict[str, str]) -> dict[str, Tensor]:
    """Return tensors by other names: the first rule that matches."""
    found = {}
    for name, tensor in tensors.items():
        rule = next((rule for rule in rules if re.match(rule, name)), None)
        assert rule is not None, name
        found[re.sub(rule, rules[rule], name)] = tensor
    return found


def published_var(model: VAR) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The network and the tokenizer of a VAR as FoundationVision publishes them."""
    network = renamed(
        model.network.state_dict(),
        {
            r"label\.": "class_emb.",
            r"start$": "pos_start",
            r"known\.": "word_embed.",
            r"position$": "pos_1LC",
            r"level\.": "lvl_embed.",
            r"shared\.": "shared_ada_lin.1.",
            r"last\.": "head_nm.ada_lin.1.",
            r"head\.": "head.",
            r"(blocks\.\d+)\.qkv\.": r"\1.attn.mat_qkv.",
            r"(blocks\.\d+)\.out\.": r"\1.attn.proj.",
            r"(blocks\.\d+)\.sharpness": r"\1.attn.scale_mul_1H11",
            r"(blocks\.\d+)\.mlp\.0\.": r"\1.ffn.fc1.",
            r"(blocks\.\d+)\.mlp\.2\.": r"\1.ffn.fc2.",
            r"(blocks\.\d+)\.modulate\.shift": r"\1.ada_gss",
            r"(blocks\.\d+)\.modulate\.": r"\1.ada_lin.1.",
        },
    )
    for name in list(network):
        if name.endswith("mat_qkv.bias"):
            place = name.removesuffix("mat_qkv.bias")
            for part, bias in zip("qkv", network.pop(name).chunk(3), strict=True):
                network[f"{place}{'zero_k' if part == 'k' else part}_bias"] = bias
        elif name.endswith("scale_mul_1H11"):
            network[name] = network[name][None, :, None, None]
        elif name.endswith("ada_gss"):
            network[name] = network[name].view(1, 1, 6, -1)
        elif name.startswith("pos_"):
            network[name] = network[name][None]
    sizes = torch.tensor(model.config.sides) ** 2
    network["lvl_1L"] = torch.arange(len(sizes)).repeat_interleave(sizes)[None]
    network["attn_bias_for_masking"] = torch.zeros(1, 1, int(sizes.sum()), int(sizes.sum()))
    tokenizer = renamed(
        model.tokenizer.state_dict(),
        {
            r"project\.": "quant_conv.",
            r"codebook\.": "quantize.embedding.",
            r"maps\.": "quantize.quant_resi.qresi_ls.",
            r"(encoder)\.down_blocks\.(\d+)\.resnets\.": r"\1.down.\2.block.",
            r"(encoder)\.down_blocks\.(\d+)\.attentions\.": r"\1.down.\2.attn.",
            r"(encoder)\.down_blocks\.(\d+)\.downsamplers\.0\.": r"\1.down.\2.downsample.",
            r"(encoder)\.mid_block\.resnets\.0\.": r"\1.mid.block_1.",
            r"(encoder)\.mid_block\.resnets\.1\.": r"\1.mid.block_2.",
            r"(encoder)\.mid_block\.attentions\.0\.": r"\1.mid.attn_1.",
            r"(encoder)\.conv_norm_out\.": r"\1.norm_out.",
            r"(encoder)\.": r"\1.",
        },
    )
    tokenizer = of_attention(tokenizer)
    for name in [name for name in tokenizer if ".q." in name]:
        parts = [tokenizer.pop(name.replace(".q.", f".{part}.")) for part in "qkv"]
        tokenizer[name.replace(".q.", ".qkv.")] = torch.cat(parts)
    return network, tokenizer | {
        "quantize.ema_vocab_hit_SV": torch.zeros(len(sizes), model.config.codes),
        "decoder.conv_in.weight": torch.zeros(1),
        "post_quant_conv.weight": torch.zeros(1),
    }


def published_randar(model: RandAR) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The network of a RandAR as its authors publish it, and the tokenizer as LlamaGen's do."""
    network = renamed(
        model.network.state_dict(),
        {
            r"label\.": "cls_embedding.embedding_table.",
            r"token\.": "tok_embeddings.",
            r"instruction$": "pos_instruct_embeddings",
            r"norm\.": "norm.",
            r"head\.": "output.",
            r"blocks\.(\d+)\.before\.": r"layers.\1.attention_norm.",
            r"blocks\.(\d+)\.qkv\.": r"layers.\1.attention.wqkv.",
            r"blocks\.(\d+)\.out\.": r"layers.\1.attention.wo.",
            r"blocks\.(\d+)\.between\.": r"layers.\1.ffn_norm.",
            r"blocks\.(\d+)\.gate\.": r"layers.\1.feed_forward.w1.",
            r"blocks\.(\d+)\.up\.": r"layers.\1.feed_forward.w3.",
            r"blocks\.(\d+)\.down\.": r"layers.\1.feed_forward.w2.",
        },
    )
    network["pos_instruct_embeddings"] = network["pos_instruct_embeddings"][None]
    tokenizer = renamed(
        model.tokenizer.state_dict(),
        {
            r"project\.": "quant_conv.",
            r"codebook\.": "quantize.embedding.",
            r"(encoder)\.down_blocks\.(\d+)\.resnets\.": r"\1.conv_blocks.\2.res.",
            r"(encoder)\.down_blocks\.(\d+)\.attentions\.": r"\1.conv_blocks.\2.attn.",
            r"(encoder)\.down_blocks\.(\d+)\.downsamplers\.0\.": r"\1.conv_blocks.\2.downsample.",
            r"(encoder)\.mid_block\.resnets\.0\.": r"\1.mid.0.",
            r"(encoder)\.mid_block\.attentions\.0\.": r"\1.mid.1.",
            r"(encoder)\.mid_block\.resnets\.1\.": r"\1.mid.2.",
            r"(encoder)\.conv_norm_out\.": r"\1.norm_out.",
            r"(encoder)\.": r"\1.",
        },
    )
    tokenizer = of_attention(tokenizer)
    return network, tokenizer | {
        "quantize.codebook_used": torch.zeros(8),
        "decoder.conv_in.weight": torch.zeros(1),
    }


def of_attention(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Write attention among pixels as it is published: convolutions of single pixels."""
    found = {}
    for name, tensor in tensors.items():
        new = name.replace(".conv_shortcut.", ".nin_shortcut.").replace(".group_norm.", ".norm.")
        if match := re.search(r"\.(to_[qkv]|to_out\.0)\.", new):
            new = new.replace(match[1], {"to_out.0": "proj_out"}.get(match[1], match[1][-1]))
            tensor = tensor[:, :, None, None] if tensor.ndim == 2 else tensor
        found[new] = tensor
    return found
