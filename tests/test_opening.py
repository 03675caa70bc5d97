"""From a source to an opened pipeline: files, folders, names on the Hub, LoRAs."""

from __future__ import annotations

import inspect
import json
import logging
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import diffusers
import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from synthesight.errors import SynthesightError
from synthesight.likelihood.lora import Lora, read_loras
from synthesight.likelihood.opening import Opened, open_pipeline
from synthesight.likelihood.parts import PipelineFolder
from tiny_models import BUILDERS, flux, pixel_flow, stable_diffusion, stable_diffusion_3

NETWORK = "diffusion_pytorch_model.safetensors"
FP16 = "diffusion_pytorch_model.fp16.safetensors"
OURS = ("sd3-without-t5", "pixel-flow")  # diffusers opens these only when told what they lack
ATTENTION = {
    "sd": ("unet", "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"),
    "flux": ("transformer", "transformer_blocks.0.attn.to_k"),
    "sd3": ("transformer", "transformer_blocks.1.attn.to_v"),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("saved")
    return {
        "pixels": pixel_flow(root / "pixels"),
        "sd": stable_diffusion(root / "sd"),
        "sd3": stable_diffusion_3(root / "sd3"),
        "flux": flux(root / "flux"),
    }


@pytest.fixture
def copied(saved: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a pipeline's folder that a test may damage."""
    return lambda key: Path(shutil.copytree(saved[key], tmp_path / key))


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refused(source: Any, match: str, **options: Any) -> None:
    with pytest.raises(SynthesightError, match=match) as caught:
        open_pipeline(source, **options)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def assert_same(module: Any, other: Any) -> None:
    ours, theirs = module.state_dict(), other.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], value) for name, value in theirs.items())


# Whole pipelines ----------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [key for key in BUILDERS if key not in OURS])
def test_a_folder_opens_as_diffusers_opens_it(key: str, tmp_path: Path) -> None:
    folder = BUILDERS[key](tmp_path / key)
    opened = open_pipeline(folder)
    assert (opened.name, opened.source) == (key, {"model": str(folder)})
    theirs = diffusers.DiffusionPipeline.from_pretrained(folder, local_files_only=True)
    assert type(opened.pipeline) is type(theirs)
    assert opened.pipeline.components.keys() == theirs.components.keys()
    for role, part in theirs.components.items():
        mine = getattr(opened.pipeline, role)
        assert type(mine) is type(part)
        if isinstance(part, torch.nn.Module):
            assert_same(mine, part)
            assert not mine.training
    settings = [
        {name: value for name, value in pipeline.config.items() if not name.startswith("_")}
        for pipeline in (opened.pipeline, theirs)
    ]
    assert settings[0] == settings[1]


@pytest.mark.parametrize("key", ["dit", "pixel-flow"])
def test_folders_from_before_diffusers_split_its_transformers(key: str, tmp_path: Path) -> None:
    folder = BUILDERS[key](tmp_path / key)
    whole = open_pipeline(folder).pipeline.transformer
    edit(folder / "model_index.json", transformer=["diffusers", "Transformer2DModel"])
    edit(folder / "transformer" / "config.json", _class_name="Transformer2DModel")
    transformer = open_pipeline(folder).pipeline.transformer
    assert type(transformer) is type(whole)
    assert_same(transformer, whole)


def test_sharded_weights_open(copied: Callable[[str], Path], saved: dict[str, Path]) -> None:
    folder = copied("pixels")
    network = open_pipeline(folder).pipeline.transformer
    shutil.rmtree(folder / "transformer")
    network.save_pretrained(folder / "transformer", max_shard_size="20KB")
    assert len(list((folder / "transformer").glob("*.safetensors"))) > 1
    assert_same(open_pipeline(folder).pipeline.transformer, network)


def test_only_the_network_is_in_half_precision(saved: dict[str, Path]) -> None:
    pipeline = open_pipeline(saved["sd"], dtype=torch.bfloat16).pipeline
    assert pipeline.unet.dtype == torch.bfloat16
    assert pipeline.vae.dtype == pipeline.text_encoder.dtype == torch.float32


def test_large_text_encoders_are_in_bfloat16(
    saved: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {
        role: (saved["sd3"] / role / "model.safetensors").stat().st_size
        for role in ("text_encoder", "text_encoder_3")
    }
    assert sizes["text_encoder"] > sizes["text_encoder_3"]
    limit = sizes["text_encoder_3"]
    monkeypatch.setattr("synthesight.likelihood.parts.LARGE_ENCODER", limit)
    pipeline = open_pipeline(saved["sd3"], dtype=torch.float16).pipeline
    assert pipeline.text_encoder.dtype == torch.bfloat16
    assert pipeline.text_encoder_3.dtype == torch.float32
    assert open_pipeline(saved["sd3"]).pipeline.text_encoder.dtype == torch.float32


def test_copies_in_half_precision_are_preferred_for_half_precision(
    copied: Callable[[str], Path],
) -> None:
    folder = copied("sd")
    path = folder / "unet" / NETWORK
    weights = {name: value.half() + 1 for name, value in load_file(path).items()}
    save_file(weights, path.with_name(FP16), {"format": "pt"})
    name, value = next(iter(weights.items()))
    plain = open_pipeline(folder).pipeline.unet.state_dict()
    assert not torch.equal(plain[name], value.float())
    half = open_pipeline(folder, dtype=torch.float16).pipeline.unet.state_dict()
    assert torch.equal(half[name], value)
    path.unlink()
    assert torch.equal(open_pipeline(folder).pipeline.unet.state_dict()[name], value.float())


def test_parts_that_a_likelihood_does_not_need_may_be_missing(
    copied: Callable[[str], Path],
) -> None:
    folder = copied("sd")
    edit(
        folder / "model_index.json",
        safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"],
        feature_extractor=["transformers", "CLIPFeatureExtractor"],
        requires_safety_checker=True,
    )
    assert open_pipeline(folder).pipeline.safety_checker is None


def test_a_pipeline_is_used_as_it_is(saved: dict[str, Path]) -> None:
    pipeline = open_pipeline(saved["sd"]).pipeline
    opened = open_pipeline(pipeline)
    assert opened.pipeline is pipeline
    assert opened.name == "sd"
    theirs = diffusers.DiffusionPipeline.from_pretrained(saved["sd"], local_files_only=True)
    assert open_pipeline(theirs).name == "sd"
    refused(pipeline, "open already: leave `config` out", config=saved["sd"])
    refused(pipeline.unet, "type UNet2DConditionModel is no model")


def test_an_encoder_is_left_out_where_the_pipeline_can_do_without(
    saved: dict[str, Path],
) -> None:
    pipeline = open_pipeline(saved["sd3"], without="text_encoder_3").pipeline
    assert pipeline.text_encoder_3 is pipeline.tokenizer_3 is None
    assert pipeline.text_encoder_2 is not None
    refused(saved["sd3"], "leave out only text_encoder_3", without=["text_encoder"])
    refused(saved["flux"], "`without=text_encoder_2`: leave out nothing", without="text_encoder_2")


def test_quantisation_names_what_it_needs(
    saved: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    refused(saved["sd3"], "`quantise=int3` cannot be: choose nf4 or int8", quantise="int3")
    monkeypatch.setattr("synthesight.likelihood.parts.find_spec", lambda _: None)
    refused(saved["sd3"], "needs bitsandbytes: .*pip install bitsandbytes", quantise="nf4")
    refused(saved["sd3"], "needs torchao", quantise="int8")


def test_nothing_is_printed(
    saved: dict[str, Path],
    lora_file: Callable[..., Path],
    capfd: pytest.CaptureFixture[str],
) -> None:
    level = diffusers.utils.logging.get_verbosity()
    open_pipeline(saved["sd"], lora=lora_file("sd"))
    assert capfd.readouterr() == ("", "")
    assert diffusers.utils.logging.get_verbosity() == level


# Checkpoints and single files ---------------------------------------------------------------------


@pytest.fixture
def checkpoint(saved: dict[str, Path], tmp_path: Path) -> Path:
    """What a training script writes: other weights for the network of ``sd``."""
    folder = tmp_path / "checkpoint-500"
    for role in ("unet", "unet_ema"):
        shutil.copytree(saved["sd"] / "unet", folder / role)
        weights = {name: value + 1 for name, value in load_file(folder / role / NETWORK).items()}
        save_file(weights, folder / role / NETWORK, {"format": "pt"})
    (folder / "optimizer.bin").write_bytes(b"pickle")
    return folder


@pytest.mark.parametrize("part", ["", "unet", "unet_ema"])
def test_a_checkpoint_opens_on_top_of_its_pipeline(
    part: str, checkpoint: Path, saved: dict[str, Path]
) -> None:
    opened = open_pipeline(checkpoint / part, config=saved["sd"])
    name = checkpoint.name if part in ("", "unet") else part
    assert opened.name == name
    assert opened.source == {"model": str(checkpoint / part), "config": str(saved["sd"])}
    weights = load_file(checkpoint / "unet" / NETWORK)
    assert all(
        torch.equal(value, weights[key]) for key, value in opened.pipeline.unet.state_dict().items()
    )
    assert_same(opened.pipeline.vae, open_pipeline(saved["sd"]).pipeline.vae)


def test_a_checkpoint_needs_the_pipeline_that_it_belongs_to(
    checkpoint: Path, saved: dict[str, Path], tmp_path: Path
) -> None:
    refused(checkpoint, "only parts of a pipeline: .* `config`")
    refused(checkpoint / "unet", "only parts of a pipeline")
    refused(checkpoint / "unet", "UNet2DConditionModel, of which .*flux has", config=saved["flux"])
    refused(checkpoint, "unet, unet_ema, of which .*flux has none", config=saved["flux"])
    refused(checkpoint, "has no model_index.json", config=tmp_path)
    refused(tmp_path, "has no model_index.json, and no part such as")
    refused(saved["sd"], "whole pipeline: leave `config` out", config=saved["sd"])


@pytest.mark.parametrize(("key", "role"), [("sd", "unet"), ("flux", "transformer")])
def test_a_file_of_the_network_opens_on_top_of_its_pipeline(
    key: str, role: str, copied: Callable[[str], Path], saved: dict[str, Path], tmp_path: Path
) -> None:
    file = shutil.copy(saved[key] / role / NETWORK, tmp_path / "tuned.safetensors")
    base = copied(key)
    (base / role / NETWORK).unlink()  # the base's own is not needed
    opened = open_pipeline(str(file), config=str(base), dtype=torch.bfloat16)
    assert opened.name == "tuned"
    assert re.fullmatch("[0-9a-f]{64}", opened.source["sha256"])
    whole = open_pipeline(saved[key], dtype=torch.bfloat16).pipeline
    assert_same(getattr(opened.pipeline, role), getattr(whole, role))
    refused(file, "does not tell which pipeline .* `config`")
    weights = load_file(file)
    lost = sorted(weights)[3]
    del weights[lost]
    save_file(weights, file)
    refused(file, f"lack 1 of the tensors .* such as {lost}", config=base)


def original_layout(pipeline: Any) -> dict[str, Tensor]:
    """The weights of a tiny Stable Diffusion under the names of its first publication."""
    network = {
        "conv_in": "input_blocks.0.0",
        "conv_norm_out": "out.0",
        "conv_out": "out.2",
        "time_embedding.linear_1": "time_embed.0",
        "time_embedding.linear_2": "time_embed.2",
        "down_blocks.0.resnets.0": "input_blocks.1.0",
        "down_blocks.0.attentions.0": "input_blocks.1.1",
        "down_blocks.0.downsamplers.0.conv": "input_blocks.2.0.op",
        "down_blocks.1.resnets.0": "input_blocks.3.0",
        "mid_block.resnets.0": "middle_block.0",
        "mid_block.attentions.0": "middle_block.1",
        "mid_block.resnets.1": "middle_block.2",
        "up_blocks.0.resnets.0": "output_blocks.0.0",
        "up_blocks.0.resnets.1": "output_blocks.1.0",
        "up_blocks.0.upsamplers.0.conv": "output_blocks.1.1.conv",
        "up_blocks.1.resnets.0": "output_blocks.2.0",
        "up_blocks.1.attentions.0": "output_blocks.2.1",
        "up_blocks.1.resnets.1": "output_blocks.3.0",
        "up_blocks.1.attentions.1": "output_blocks.3.1",
    }
    resnet = {
        "norm1": "in_layers.0",
        "conv1": "in_layers.2",
        "norm2": "out_layers.0",
        "conv2": "out_layers.3",
        "time_emb_proj": "emb_layers.1",
        "conv_shortcut": "skip_connection",
    }
    autoencoder = {
        "conv_norm_out": "norm_out",
        "mid_block.attentions.0": "mid.attn_1",
        "mid_block.resnets.0": "mid.block_1",
        "mid_block.resnets.1": "mid.block_2",
        "conv_shortcut": "nin_shortcut",
        "group_norm": "norm",
        "to_q": "q",
        "to_k": "k",
        "to_v": "v",
        "to_out.0": "proj_out",
        "downsamplers.0": "downsample",
        "upsamplers.0": "upsample",
    }
    tensors = {}
    for key, value in pipeline.unet.state_dict().items():
        head = next(head for head in network if key.startswith(head))
        tail = key.removeprefix(head)
        if "resnets" in head:
            _, layer, kind = tail.split(".")
            tail = f".{resnet[layer]}.{kind}"
        tensors[f"model.diffusion_model.{network[head]}{tail}"] = value
    for key, value in pipeline.vae.state_dict().items():
        name = key
        for ours, theirs in autoencoder.items():
            name = name.replace(ours, theirs)
        name = re.sub(r"down_blocks\.(\d)\.resnets", r"down.\1.block", name)
        name = re.sub(r"up_blocks\.(\d)\.resnets", lambda m: f"up.{1 - int(m[1])}.block", name)
        name = re.sub(r"down_blocks\.(\d)", r"down.\1", name)
        name = re.sub(r"up_blocks\.(\d)", lambda m: f"up.{1 - int(m[1])}", name)
        if "mid.attn_1" in name and value.ndim == 2:  # 1 × 1 convolutions then
            tensors[f"first_stage_model.{name}"] = value[:, :, None, None]
        else:
            tensors[f"first_stage_model.{name}"] = value
    for key, value in pipeline.text_encoder.state_dict().items():
        name = f"text_model.{key.removeprefix('text_model.')}"
        tensors[f"cond_stage_model.transformer.{name}"] = value
    return {key: value.contiguous() for key, value in tensors.items()}


@pytest.fixture
def original(saved: dict[str, Path], tmp_path: Path) -> Path:
    """A single file as Stable Diffusion was first published."""
    path = tmp_path / "original.safetensors"
    save_file(original_layout(open_pipeline(saved["sd"]).pipeline), path)
    return path


def test_a_file_of_the_whole_model_opens(
    original: Path, copied: Callable[[str], Path], saved: dict[str, Path]
) -> None:
    base = copied("sd")
    for weights in base.rglob("*.safetensors"):
        weights.unlink()  # everything is in the file
    opened = open_pipeline(original, config=base)
    whole = open_pipeline(saved["sd"]).pipeline
    for role in ("unet", "vae", "text_encoder"):
        assert_same(getattr(opened.pipeline, role), getattr(whole, role))
    half = open_pipeline(original, config=base, dtype=torch.bfloat16).pipeline
    assert (half.unet.dtype, half.vae.dtype) == (torch.bfloat16, torch.float32)


@pytest.mark.parametrize(
    ("lost", "match"),
    [
        (
            "model.diffusion_model.out.2.bias",
            "a UNet2DConditionModel .some of its tensors are missing",
        ),
        ("first_stage_model.encoder.conv_in.bias", "some of its tensors are missing"),
        (
            "cond_stage_model.transformer.text_model.encoder.layers.1.mlp.fc1.bias",
            r"lacks 1 of the tensors of a CLIPTextModel, such as .*layers.1.mlp.fc1.bias",
        ),
    ],
)
def test_a_file_that_lacks_a_tensor_is_refused(
    lost: str, match: str, original: Path, saved: dict[str, Path]
) -> None:
    weights = load_file(original)
    del weights[lost]
    save_file(weights, original)
    refused(original, match, config=saved["sd"])


def test_a_file_of_the_network_takes_the_rest_from_its_pipeline(
    original: Path, saved: dict[str, Path]
) -> None:
    weights = {k: v for k, v in load_file(original).items() if k.startswith("model.")}
    save_file(weights, original)
    opened = open_pipeline(original, config=saved["sd"])
    whole = open_pipeline(saved["sd"]).pipeline
    for role in ("unet", "vae", "text_encoder"):
        assert_same(getattr(opened.pipeline, role), getattr(whole, role))


def test_files_that_cannot_be_opened(
    saved: dict[str, Path], tmp_path: Path, lora_file: Callable[..., Path]
) -> None:
    for name, match in (
        ("model.ckpt", "a pickle"),
        ("model.gguf", "holds no model: give a folder or a .safetensors file"),
    ):
        (tmp_path / name).write_bytes(b"")
        refused(tmp_path / name, match)
    file = tmp_path / "scaled.safetensors"
    save_file({"a.weight": torch.zeros(1), "a.scale_weight": torch.zeros(1)}, file)
    refused(file, "scaled 8-bit weights", config=saved["sd"])
    file.write_bytes(b"damaged")
    refused(file, "could not be read", config=saved["sd"])
    refused(lora_file("sd"), "is a LoRA: .*`lora`", config=saved["sd"])
    save_file({"a": torch.zeros(1)}, file)
    refused(file, "is not a PixArtTransformer2DModel", config=saved["pixels"])


# What is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "entry", "match"),
    [
        (
            "transformer",
            ["my_code", "PixArtTransformer2DModel"],
            "gives the transformer as my_code",
        ),
        ("transformer", ["diffusers", "NoSuchTransformer"], "upgrade them"),
        ("transformer", ["diffusers", "PixArtSigmaPipeline"], "no transformer of the installed"),
        ("transformer", [None, None], "names no transformer"),
        ("text_encoder", ["transformers", "AutoModel"], "no text_encoder of"),
        ("text_encoder", [None, None], "names no text_encoder"),
        ("tokenizer", ["os", "system"], "no tokenizer of"),
        ("tokenizer", ["pipeline_utils", "Path"], "no tokenizer of"),
        ("scheduler", ["diffusers", "AutoencoderKL"], "no scheduler of"),
        ("scheduler", ["diffusers", "NoSuchScheduler"], "no scheduler of"),
    ],
)
def test_unknown_classes(
    role: str, entry: list[str], match: str, copied: Callable[[str], Path]
) -> None:
    folder = copied("pixels")
    edit(folder / "model_index.json", **{role: entry})
    refused(folder, match)


@pytest.mark.parametrize(
    ("kind", "match"),
    [
        ("NoSuchPipeline", "pipeline NoSuchPipeline, which is none of the installed"),
        ("AutoencoderKL", "pipeline AutoencoderKL, which is none"),
        (["pipeline", "MyPipeline"], "the model's own code .* never run"),
        (None, "the model's own code"),
    ],
)
def test_unknown_pipelines(kind: Any, match: str, copied: Callable[[str], Path]) -> None:
    folder = copied("pixels")
    edit(folder / "model_index.json", _class_name=kind)
    refused(folder, match)


@pytest.mark.parametrize(
    ("role", "entry"),
    [
        ("guider", ["diffusers", "ClassifierFreeGuidance"]),
        ("image_normalizer", ["stable_diffusion", "StableUnCLIPImageNormalizer"]),
        ("bert", ["latent_diffusion", "LDMBertModel"]),
        ("processor", ["transformers", "Qwen2VLProcessor"]),
    ],
)
def test_the_classes_of_parts_are_found_where_diffusers_keeps_them(
    role: str, entry: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class AnyPipeline(diffusers.DiffusionPipeline):
        def __init__(self, **parts: Any) -> None:
            pass

    AnyPipeline.__init__.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD)
            for name in ("self", role)
        ]
    )
    monkeypatch.setattr(diffusers, "AnyPipeline", AnyPipeline, raising=False)
    index = {"_class_name": "AnyPipeline", role: entry}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    assert PipelineFolder(tmp_path).classes[role].__name__ == entry[1]


@pytest.fixture
def planted(copied: Callable[[str], Path], tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """A folder with code of its own under every name that a library might look for."""
    mark = tmp_path / "the code ran"

    def plant(key: str) -> Path:
        folder = copied(key)
        code = f"open({str(mark)!r}, 'w').close()\nclass Mine: pass\n"
        for place in (folder, *(path for path in folder.iterdir() if path.is_dir())):
            for name in ("pipeline", "None", "diffusers", "transformers", "modeling", "my_code"):
                (place / f"{name}.py").write_text(code)
        return folder

    yield plant
    assert not mark.exists()


def test_code_in_a_folder_is_never_run(planted: Callable[..., Path]) -> None:
    folder = planted("sd")
    mapped = {"AutoConfig": "modeling.Mine", "AutoModel": "modeling.Mine"}
    mapped |= {"CLIPTextModel": "modeling.Mine", "AutoTokenizer": ["modeling.Mine", None]}
    for config in folder.glob("*/*config.json"):
        edit(config, auto_map=mapped, custom_pipeline="pipeline")
    pipeline = open_pipeline(folder).pipeline
    assert type(pipeline.text_encoder).__module__.startswith("transformers.")
    edit(folder / "model_index.json", unet=["my_code", "Mine"])
    refused(folder, "gives the unet as my_code.Mine")
    edit(folder / "model_index.json", _class_name=["pipeline", "Mine"])
    refused(folder, "never run")


def test_pickles_are_refused(copied: Callable[[str], Path]) -> None:
    folder = copied("sd")
    weights = folder / "text_encoder" / "model.safetensors"
    kept = weights.read_bytes()
    weights.rename(weights.with_name("pytorch_model.bin"))
    refused(folder, r"text_encoder holds only pickled weights \(pytorch_model.bin\)")
    weights.write_bytes(kept)
    (folder / "unet" / NETWORK).rename(folder / "unet" / "diffusion_pytorch_model.bin")
    refused(folder, r"unet holds only pickled weights \(diffusion_pytorch_model.bin\)")


@pytest.mark.parametrize(
    ("role", "file", "lost"),
    [
        ("transformer", NETWORK, "proj_out.weight"),
        ("text_encoder", "model.safetensors", "encoder.block.1.layer.0.SelfAttention.k.weight"),
    ],
)
def test_damaged_weights(role: str, file: str, lost: str, copied: Callable[[str], Path]) -> None:
    folder = copied("pixels")
    path = folder / role / file
    weights = load_file(path)
    del weights[lost]
    save_file(weights, path, {"format": "pt"})
    refused(folder, f"{role} lack 1 of the tensors of a .*{lost}")
    path.write_bytes(path.read_bytes()[:1000])
    refused(folder, f"{role} could not be opened as a")
    path.unlink()
    refused(folder, f"{role} holds no weights")
    (folder / role / "config.json").unlink()
    refused(folder, f"{role}/config.json is missing")


def test_missing_folders_and_files(copied: Callable[[str], Path], tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "no file or folder")
    refused(str(tmp_path / "nowhere"), "no file or folder")
    refused("./models/mine", "no file or folder")
    folder = copied("pixels")
    shutil.rmtree(folder / "scheduler")
    refused(folder, "scheduler could not be opened as a FlowMatchEulerDiscreteScheduler")
    (folder / "model_index.json").write_text("{")
    refused(folder, "not valid JSON")


# LoRA ---------------------------------------------------------------------------------------------


@pytest.fixture
def lora_file(tmp_path: Path) -> Callable[..., Path]:
    """A LoRA of rank 2 for one layer of a tiny model."""

    def write(key: str, name: str = "lora.safetensors", **others: Tensor) -> Path:
        role, layer = ATTENTION[key]
        width = 16 if key != "sd" else 8
        generator = torch.Generator().manual_seed(len(name))
        tensors = {
            f"{role}.{layer}.lora_A.weight": torch.randn(2, width, generator=generator),
            f"{role}.{layer}.lora_B.weight": torch.randn(width, 2, generator=generator),
        }
        path = tmp_path / name
        save_file(tensors | others, path, {"format": "pt"})
        return path

    return write


def change(path: Path, key: str) -> Tensor:
    role, layer = ATTENTION[key]
    tensors = load_file(path)
    low, high = (tensors[f"{role}.{layer}.lora_{side}.weight"] for side in "AB")
    return high @ low


@pytest.mark.parametrize("key", list(ATTENTION))
def test_a_lora_is_added_to_the_weights(
    key: str, lora_file: Callable[..., Path], saved: dict[str, Path]
) -> None:
    role, layer = ATTENTION[key]
    path, other = lora_file(key), lora_file(key, "other lora.safetensors")
    plain = getattr(open_pipeline(saved[key]).pipeline, role).state_dict()
    opened = open_pipeline(saved[key], lora=[f"{path}:0.5", (other, -2)])
    tuned = getattr(opened.pipeline, role).state_dict()
    assert tuned.keys() == plain.keys()
    changed = [name for name, value in plain.items() if not torch.equal(tuned[name], value)]
    assert changed == [f"{layer}.weight"]
    expected = plain[changed[0]] + 0.5 * change(path, key) - 2 * change(other, key)
    torch.testing.assert_close(tuned[changed[0]], expected)
    assert [entry["scale"] for entry in opened.source["loras"]] == [0.5, -2]
    assert [entry["lora"] for entry in opened.source["loras"]] == [path.name, other.name]
    assert all(re.fullmatch("[0-9a-f]{64}", entry["sha256"]) for entry in opened.source["loras"])


def test_a_lora_goes_with_every_source(
    lora_file: Callable[..., Path], saved: dict[str, Path], checkpoint: Path, original: Path
) -> None:
    path = lora_file("sd")
    layer = ATTENTION["sd"][1]
    pipeline = open_pipeline(saved["sd"]).pipeline
    for source, config in ((checkpoint, saved["sd"]), (original, saved["sd"]), (pipeline, None)):
        before = open_pipeline(source, config=config).pipeline.unet.state_dict()
        before = {name: value.clone() for name, value in before.items()}
        after = open_pipeline(source, config=config, lora=path).pipeline.unet.state_dict()
        torch.testing.assert_close(
            after[f"{layer}.weight"], before[f"{layer}.weight"] + change(path, "sd")
        )


def test_a_lora_of_the_text_encoder_is_added(
    saved: dict[str, Path], lora_file: Callable[..., Path]
) -> None:
    layer = "text_model.encoder.layers.0.self_attn.q_proj"
    low, high = torch.randn(2, 16), torch.randn(16, 2)
    tensors = {f"text_encoder.{layer}.lora_A.weight": low}
    tensors |= {f"text_encoder.{layer}.lora_B.weight": high}
    path = lora_file("sd", **tensors)
    before = open_pipeline(saved["sd"]).pipeline.text_encoder.state_dict()
    after = open_pipeline(saved["sd"], lora=(path, 0.25)).pipeline.text_encoder.state_dict()
    assert before.keys() == after.keys()
    (changed,) = (name for name, value in before.items() if not torch.equal(after[name], value))
    torch.testing.assert_close(after[changed], before[changed] + 0.25 * high @ low)


def test_a_lora_under_the_names_of_another_trainer_is_added(
    lora_file: Callable[..., Path], saved: dict[str, Path]
) -> None:
    path, (role, layer) = lora_file("sd"), ATTENTION["sd"]
    tensors = load_file(path)
    names = {"lora_A": "lora_down", "lora_B": "lora_up"}
    kohya = {
        f"lora_{role}_{layer.replace('.', '_')}.{theirs}.weight": tensors[
            f"{role}.{layer}.{ours}.weight"
        ]
        for ours, theirs in names.items()
    }
    kohya[f"lora_{role}_{layer.replace('.', '_')}.alpha"] = torch.tensor(1.0)
    expected = change(path, "sd") / 2  # alpha over rank
    save_file(kohya, path)
    before = open_pipeline(saved["sd"]).pipeline.unet.state_dict()[f"{layer}.weight"]
    after = open_pipeline(saved["sd"], lora=path).pipeline.unet.state_dict()[f"{layer}.weight"]
    torch.testing.assert_close(after, before + expected)


def test_loras_that_do_not_fit(
    lora_file: Callable[..., Path], saved: dict[str, Path], tmp_path: Path
) -> None:
    refused(saved["flux"], "choose one that was|was trained for this model", lora=lora_file("sd"))
    nowhere = "unet.no.such.layer"
    tensors = {f"{nowhere}.lora_A.weight": torch.zeros(2, 8)}
    tensors |= {f"{nowhere}.lora_B.weight": torch.zeros(8, 2)}
    refused(saved["sd"], f"no layer for, such as {nowhere}", lora=lora_file("sd", **tensors))
    path = lora_file("sd")
    tensors = load_file(path)
    (lost,) = (name for name in tensors if "lora_A" in name)
    del tensors[lost]
    save_file(tensors, path)
    refused(saved["sd"], f"lacks 1 tensors, such as {lost}", lora=path)
    save_file({"unet.conv_in.weight": torch.zeros(1)}, path)
    refused(saved["sd"], "could be added|could not be added", lora=path)
    refused(saved["pixels"], "no LoRA for a PixArtSigmaPipeline", lora=lora_file("sd"))


def test_loras_that_cannot_be_found(saved: dict[str, Path], tmp_path: Path) -> None:
    refused(saved["sd"], "There is no LoRA", lora=tmp_path / "nowhere.safetensors")
    (tmp_path / "lora.pt").write_bytes(b"")
    refused(saved["sd"], "a pickle: convert it", lora=tmp_path / "lora.pt")
    (tmp_path / "folder").mkdir()
    refused(saved["sd"], "holds no .safetensors file", lora=tmp_path / "folder")
    for name in "ab":
        (tmp_path / "folder" / f"{name}.safetensors").write_bytes(b"")
    refused(saved["sd"], "holds 2 files of weights: name", lora=tmp_path / "folder")


def test_loras_are_read_from_text_and_pairs(tmp_path: Path) -> None:
    assert read_loras("a/b:0.5") == (Lora("a/b", 0.5),)
    assert read_loras(["a/b", ("c", 2), Path("d:e")]) == (Lora("a/b"), Lora("c", 2), Lora("d:e"))
    (tmp_path / "x:0.5").write_bytes(b"")
    assert read_loras(tmp_path / "x:0.5") == (Lora(str(tmp_path / "x:0.5")),)
    with pytest.raises(SynthesightError, match="not a number"):
        read_loras(("a", float("nan")))


# The Hub ------------------------------------------------------------------------------------------


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimpleNamespace:
    """A stand-in for the Hub: ``models`` by name, of which it hands out what is asked for."""
    state = SimpleNamespace(models={}, online=True, root=tmp_path / "hub", asked=[])

    def list_repo_files(_api: Any, name: str, **_: Any) -> list[str]:
        if not state.online:
            raise ConnectionError
        folder = state.models[name]
        return [str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()]

    def snapshot_download(
        name: str,
        *,
        revision: str | None,
        allow_patterns: list[str] | None = None,
        local_files_only: bool = False,
    ) -> str:
        copy = state.root / name / ("c0ffee" * 7)[:40]
        if local_files_only:
            if not copy.is_dir():
                raise FileNotFoundError
            return str(copy)
        state.asked.append(revision)
        for file in allow_patterns or ():
            (copy / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(state.models[name] / file, copy / file)
        return str(copy)

    monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_files", list_repo_files)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return state


def fetched(hub: SimpleNamespace) -> set[str]:
    files = (path for path in hub.root.rglob("*") if path.is_file())
    return {"/".join(file.relative_to(hub.root).parts[3:]) for file in files}


def test_a_name_is_fetched_and_opened(hub: SimpleNamespace, copied: Callable[[str], Path]) -> None:
    folder = hub.models["owner/model"] = copied("sd3")
    for name in ("README.md", "all.safetensors", "unet/flax.msgpack", "transformer/code.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"")
    for role in ("safety_checker", "extra"):
        shutil.copytree(folder / "vae", folder / role)
    (folder / "transformer" / "diffusion_pytorch_model.bin").write_bytes(b"")
    shutil.copy(folder / "transformer" / NETWORK, folder / "transformer" / FP16)
    edit(folder / "model_index.json", safety_checker=["diffusers", "AutoencoderKL"])
    opened = open_pipeline("owner/model@v2")
    assert opened.name == "owner/model@v2"
    assert opened.source == {"model": "owner/model@v2", "revision": ("c0ffee" * 7)[:40]}
    assert set(hub.asked) == {"v2"}
    roles = json.loads((folder / "model_index.json").read_text()).keys()
    expected = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.parent.name in roles
        and path.suffix in (".json", ".txt", ".safetensors")
        and path.name != FP16
        and path.parent.name != "safety_checker"
    }
    assert fetched(hub) == expected | {"model_index.json"}
    hub.online = False
    assert isinstance(open_pipeline("owner/model@v2"), Opened)
    refused("owner/other", "cannot be reached and owner/other is not on this machine")


def test_half_precision_is_fetched_for_half_precision(
    hub: SimpleNamespace, copied: Callable[[str], Path]
) -> None:
    folder = hub.models["owner/model"] = copied("sd")
    weights = {name: value.half() for name, value in load_file(folder / "unet" / NETWORK).items()}
    save_file(weights, folder / "unet" / FP16, {"format": "pt"})
    assert open_pipeline("owner/model", dtype=torch.float16).name == "owner/model"
    assert f"unet/{FP16}" in fetched(hub)
    assert f"unet/{NETWORK}" not in fetched(hub)


def test_only_what_a_file_lacks_is_fetched(
    hub: SimpleNamespace, saved: dict[str, Path], original: Path
) -> None:
    hub.models["stable-diffusion-v1-5/stable-diffusion-v1-5"] = saved["sd"]
    opened = open_pipeline(original)  # diffusers knows the pipeline of such files
    assert opened.source["config"] == "stable-diffusion-v1-5/stable-diffusion-v1-5"
    assert not [file for file in fetched(hub) if file.endswith(".safetensors")]


def test_encoders_that_are_left_out_are_not_fetched(
    hub: SimpleNamespace, saved: dict[str, Path]
) -> None:
    hub.models["owner/model"] = saved["sd3"]
    open_pipeline("owner/model", without="text_encoder_3")
    assert "text_encoder_2/model.safetensors" in fetched(hub)
    assert "text_encoder_3/model.safetensors" not in fetched(hub)


@pytest.mark.parametrize(
    "source", ["owner/lora", "owner/lora@v1:0.5", "owner/lora/lora.safetensors"]
)
def test_a_lora_is_fetched(
    source: str,
    hub: SimpleNamespace,
    saved: dict[str, Path],
    lora_file: Callable[..., Path],
    tmp_path: Path,
) -> None:
    path = lora_file("sd")
    folder = hub.models["owner/lora"] = tmp_path / "repository"
    folder.mkdir()
    shutil.copy(path, folder)
    (folder / "lora.bin").write_bytes(b"")
    if source.endswith(".safetensors"):
        shutil.copy(path, folder / "second.safetensors")
        refused(saved["sd"], "owner/lora holds 2 files of weights", lora="owner/lora")
    opened = open_pipeline(saved["sd"], lora=source)
    assert opened.source["loras"][0]["scale"] == (0.5 if "0.5" in source else 1)
    assert fetched(hub) == {"lora.safetensors"}
    hub.online = False
    open_pipeline(saved["sd"], lora=source)


def test_logs_are_heard_again(saved: dict[str, Path]) -> None:
    before = logging.getLogger("transformers").level
    open_pipeline(saved["pixels"])
    assert logging.getLogger("transformers").level == before
