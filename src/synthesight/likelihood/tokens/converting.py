"""Convert published checkpoints of VAR and RandAR: other names, safetensors, and their sizes.

A pickle is opened with ``torch.load(weights_only=True)`` and nothing else, which builds tensors and
plain containers. The sizes of a model are read off its tensors' shapes.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from math import isqrt
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from synthesight.errors import SynthesightError, first_line
from synthesight.files import make_folder, whole, write, writing
from synthesight.likelihood.tokens.converted import CONFIG, WEIGHTS, modules
from synthesight.likelihood.tokens.randar import RandARConfig
from synthesight.likelihood.tokens.var import VARConfig

Tensors = dict[str, Tensor]

# What a tensor tells of the checkpoint that has it: the family, and which part of it.
SIGNS = {
    "blocks.0.attn.mat_qkv.weight": ("var", "network"),
    "quantize.quant_resi.qresi_ls.0.weight": ("var", "tokenizer"),
    "pos_instruct_embeddings": ("randar", "network"),
    "encoder.conv_blocks.0.res.0.conv1.weight": ("randar", "tokenizer"),
}
# Where checkpoints of training keep their tensors.
NESTED = ("trainer", "var_wo_ddp", "vae_local", "model", "module", "state_dict")
# What is not needed: it makes images, counts, or can be made anew.
LEFT_OUT = (
    r"decoder\.|post_quant_conv\.|quantize\.(ema_vocab_hit_SV|codebook_used)$"
    r"|lvl_1L$|attn_bias_for_masking$|blocks\.\d+\.attn\.(q_bias|v_bias|zero_k_bias)$|freqs_cis$"
)
# Names, one after the other, as regular expressions and what takes their place.
OF_TOKENIZERS = (
    (r"^quant_conv\.", "project."),
    (r"^quantize\.embedding\.", "codebook."),
    (r"^quantize\.quant_resi\.qresi_ls\.", "maps."),
    (r"^encoder\.conv_blocks\.", "encoder.down."),
    (r"^(encoder\.down\.\d+)\.res\.", r"\1.block."),
    (r"^encoder\.mid\.0\.", "encoder.mid.block_1."),
    (r"^encoder\.mid\.1\.", "encoder.mid.attn_1."),
    (r"^encoder\.mid\.2\.", "encoder.mid.block_2."),
    # From here on, names of diffusers.
    (r"^encoder\.down\.(\d+)\.block\.", r"encoder.down_blocks.\1.resnets."),
    (r"^encoder\.down\.(\d+)\.attn\.", r"encoder.down_blocks.\1.attentions."),
    (r"^encoder\.down\.(\d+)\.downsample\.", r"encoder.down_blocks.\1.downsamplers.0."),
    (r"^encoder\.mid\.block_1\.", "encoder.mid_block.resnets.0."),
    (r"^encoder\.mid\.block_2\.", "encoder.mid_block.resnets.1."),
    (r"^encoder\.mid\.attn_1\.", "encoder.mid_block.attentions.0."),
    (r"^encoder\.norm_out\.", "encoder.conv_norm_out."),
    (r"\.nin_shortcut\.", ".conv_shortcut."),
    (r"(\.attentions\.\d+)\.norm\.", r"\1.group_norm."),
    (r"(\.attentions\.\d+)\.([qkv])\.", r"\1.to_\2."),
    (r"(\.attentions\.\d+)\.proj_out\.", r"\1.to_out.0."),
)
OF_NETWORKS = {
    "var": (
        (r"^class_emb\.", "label."),
        (r"^pos_start$", "start"),
        (r"^word_embed\.", "known."),
        (r"^pos_1LC$", "position"),
        (r"^lvl_embed\.", "level."),
        (r"^shared_ada_lin\.1\.", "shared."),
        (r"^head_nm\.ada_lin\.1\.", "last."),
        (r"\.attn\.mat_qkv\.", ".qkv."),
        (r"\.attn\.proj\.", ".out."),
        (r"\.attn\.scale_mul_1H11$", ".sharpness"),
        (r"\.ffn\.fc1\.", ".mlp.0."),
        (r"\.ffn\.fc2\.", ".mlp.2."),
        (r"\.ada_lin\.1\.", ".modulate."),
        (r"\.ada_gss$", ".modulate.shift"),
    ),
    "randar": (
        (r"^cls_embedding\.embedding_table\.", "label."),
        (r"^tok_embeddings\.", "token."),
        (r"^pos_instruct_embeddings$", "instruction"),
        (r"^output\.", "head."),
        (r"^layers\.", "blocks."),
        (r"\.attention_norm\.", ".before."),
        (r"\.attention\.wqkv\.", ".qkv."),
        (r"\.attention\.wo\.", ".out."),
        (r"\.ffn_norm\.", ".between."),
        (r"\.feed_forward\.w1\.", ".gate."),
        (r"\.feed_forward\.w3\.", ".up."),
        (r"\.feed_forward\.w2\.", ".down."),
    ),
}
HEAD = 64  # width of an attention head, in all published models of both families
PIXELS = 256  # of the images of RandAR, which no tensor tells
ADVICE = "download them again, or give others"


def convert(sources: Sequence[str | Path], out: str | Path) -> str:
    """Convert a published checkpoint to a folder that :func:`synthesight.load` opens.

    Parameters
    ----------
    sources
        The files of a network and of its tokenizer, in any order: such as ``var_d16.pth`` and
        ``vae_ch160v4096z32.pth``, or RandAR's ``.safetensors`` and ``vq_ds16_c2i.pt``. A
        checkpoint of training that holds both will do.
    out
        Folder to write: ``config.json`` and ``model.safetensors``, which are replaced.

    Returns
    -------
    The family: ``"var"`` or ``"randar"``.

    Examples
    --------
    ``convert(["var_d16.pth", "vae_ch160v4096z32.pth"], out="my-var")`` returns ``"var"``, and
    ``synthesight.load("my-var")`` opens it.
    """
    parts: dict[tuple[str, str], Tensors] = {}
    for source in sources:
        path = Path(source).expanduser()
        for tensors in _read(path):
            kind = next((kind for sign, kind in SIGNS.items() if sign in tensors), None)
            if kind is None:
                raise SynthesightError(
                    f"{path} is no checkpoint of VAR or RandAR, nor of their tokenizers: its "
                    f"tensors are called {', '.join(sorted(tensors)[:3])}, …; give a published "
                    "one."
                )
            if kind in parts:
                raise SynthesightError(
                    f"{path} is a second {kind[1]} of the family {kind[0]}: give one of each."
                )
            parts[kind] = tensors
    names = " and ".join(str(source) for source in sources)
    families = sorted({family for family, _ in parts})
    if len(families) != 1 or len(parts) != 2:
        held = " and ".join(f"the {part} of a {family}" for family, part in sorted(parts))
        raise SynthesightError(
            f"{names} holds {held or 'nothing'}: give the files of one network and of its "
            "tokenizer together."
        )
    family = families[0]
    network, tokenizer = parts[family, "network"], parts[family, "tokenizer"]
    config: VARConfig | RandARConfig
    try:
        if family == "var":
            config = _var(network, tokenizer)
            network |= _biases(network)
        else:
            config = _randar(network, tokenizer)
        named = _renamed(tokenizer, OF_TOKENIZERS, "tokenizer.")
        named |= _renamed(network, OF_NETWORKS[family], "network.")
    except (KeyError, ValueError, IndexError, RuntimeError) as error:
        what = f"it lacks {error}" if isinstance(error, KeyError) else first_line(error)
        raise SynthesightError(
            f"{names} holds no whole {family} and its tokenizer ({what}): {ADVICE}."
        ) from error
    modules(config, named, what=names, advice=ADVICE)  # which refuses what does not fit
    _write(Path(out).expanduser(), {"family": family} | asdict(config), named)
    return family


def _read(path: Path) -> Iterable[Tensors]:
    """Return the dictionaries of tensors in a file."""
    if not path.is_file():
        raise SynthesightError(f"There is no file {path}: check the path of the checkpoint.")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            held: Any = load_file(path)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of kinds of pickles, which say nothing to a user
                held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever is in the file
        raise SynthesightError(
            f"{path} does not open as tensors alone, and nothing else in a checkpoint is opened: "
            "give the published file, or a .safetensors copy."
        ) from error
    found = list(_tensors(held))
    if not found:
        raise SynthesightError(f"{path} holds no tensors by name: give a checkpoint.")
    return found


def _tensors(held: Any) -> Iterable[Tensors]:
    if not isinstance(held, dict):
        return
    own = {key: value for key, value in held.items() if isinstance(value, Tensor)}
    if own and all(isinstance(key, str) for key in own):
        yield own
        return
    for name in NESTED:
        yield from _tensors(held.get(name))


def _renamed(tensors: Tensors, rules: Iterable[tuple[str, str]], prefix: str) -> Tensors:
    """Return tensors by our names, and in the shapes that ours have."""
    named = {}
    for name, tensor in tensors.items():
        if re.match(LEFT_OUT, name):
            continue
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        if ".attentions." in name and tensor.ndim == 4:  # a convolution of single pixels
            tensor = tensor[:, :, 0, 0]
        if match := re.match(r"(.*\.)qkv(\.\w+)$", name) if ".attentions." in name else None:
            for each, part in zip("qkv", tensor.chunk(3), strict=True):
                named[f"{prefix}{match[1]}to_{each}{match[2]}"] = part
            continue
        if re.search(r"(^start|^position|\.sharpness|^instruction|\.shift)$", name):
            # Published with dimensions of size 1, to be broadcast.
            last = {"start": 2, "position": 2}.get(name, 1)
            tensor = tensor.reshape(-1, tensor.shape[-1]) if last == 2 else tensor.flatten()
        named[prefix + name] = tensor
    return named


def _biases(tensors: Tensors) -> Tensors:
    """Return the biases of queries, keys and values together: keys have none."""
    found = {}
    for name, query in tensors.items():
        if name.endswith(".attn.q_bias"):
            block = name.removesuffix("q_bias")
            both = [query, torch.zeros_like(query), tensors[f"{block}v_bias"]]
            found[f"{block}mat_qkv.bias"] = torch.cat(both)
    return found


def _count(tensors: Tensors, pattern: str) -> int:
    """Return how many numbers stand in place of ``#`` in names that match."""
    expression = re.compile(re.escape(pattern).replace(r"\#", r"(\d+)"))
    return len({match[1] for name in tensors if (match := expression.match(name))})


def _encoder(tokenizer: Tensors, level: str, block: str) -> dict[str, Any]:
    levels = _count(tokenizer, f"{level}.#.")
    return {
        "widths": [
            len(tokenizer[f"{level}.{each}.{block}.0.conv1.weight"]) for each in range(levels)
        ],
        "layers": _count(tokenizer, f"{level}.0.{block}.#."),
    }


def _var(network: Tensors, tokenizer: Tensors) -> VARConfig:
    codes, channels = tokenizer["quantize.embedding.weight"].shape
    width = len(network["word_embed.weight"])
    l2_norm = "blocks.0.attn.scale_mul_1H11" in network
    heads = network["blocks.0.attn.scale_mul_1H11"].numel() if l2_norm else max(1, width // HEAD)
    return VARConfig(
        depth=_count(network, "blocks.#."),
        width=width,
        heads=heads,
        sides=[isqrt(size) for size in network["lvl_1L"].flatten().long().bincount().tolist()],
        codes=codes,
        channels=channels,
        labels=len(network["class_emb.weight"]) - 1,
        shared_adaln="shared_ada_lin.1.weight" in network,
        attn_l2_norm=l2_norm,
        maps=_count(tokenizer, "quantize.quant_resi.qresi_ls.#."),
        **_encoder(tokenizer, "encoder.down", "block"),
    )


def _randar(network: Tensors, tokenizer: Tensors) -> RandARConfig:
    codes, code_width = tokenizer["quantize.embedding.weight"].shape
    width = network["tok_embeddings.weight"].shape[1]
    encoder = _encoder(tokenizer, "encoder.conv_blocks", "res")
    return RandARConfig(
        depth=_count(network, "layers.#."),
        width=width,
        heads=max(1, width // HEAD),
        hidden=len(network["layers.0.feed_forward.w1.weight"]),
        side=PIXELS // 2 ** (len(encoder["widths"]) - 1),
        codes=codes,
        code_width=code_width,
        labels=len(network["cls_embedding.embedding_table.weight"]) - 1,
        channels=tokenizer["quant_conv.weight"].shape[1],
        **encoder,
    )


def _write(out: Path, config: dict[str, Any], tensors: Tensors) -> None:
    from safetensors.torch import save_file

    with writing(out):
        make_folder(out)
        with whole(out / WEIGHTS) as unfinished:
            save_file({key: value.contiguous() for key, value in tensors.items()}, unfinished)
        write(out / CONFIG, json.dumps(config, indent=2) + "\n")
