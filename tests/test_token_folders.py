"""Folders and names of transformers' models that make images: opened, run, and refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import torch

import synthesight
import tiny_tokens
from builders import command, done, noise, refused
from synthesight import Run
from synthesight.errors import SynthesightError
from synthesight.likelihood import load_model, loading
from synthesight.likelihood.tokens import Janus
from tiny_tokens import GRID, SIDE


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Janus, as transformers saves it."""
    return tiny_tokens.save(tiny_tokens.janus(), tmp_path_factory.mktemp("models") / "tiny-janus")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for name in ("cat", "dog"):
        (where / name).mkdir()
        for number in range(2):
            noise(rng, size=20).save(where / name / f"{number}.png")
    return where


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def test_a_folder_runs_from_end_to_end(folder: Path, photos: Path, tmp_path: Path) -> None:
    cpu = ["--model", folder, "--device", "cpu", "--classes", "cat,dog"]
    options = ["--dtype", "bfloat16", "--resolution", SIDE, "--batch-size", 3]
    assert "accuracy" in done(
        "evaluate", "--stimuli", photos, "--out", tmp_path / "run", *cpu, *options
    )
    run = Run.open(tmp_path / "run")
    described = run.manifest["observer"]
    assert (described["model"], described["kind"]) == ("tiny-janus", "generative")
    assert (described["dtype"], described["resolution"]) == ("bfloat16", SIDE)
    assert described["rule"] == {"name": "exhaustive", "max_draws": GRID}
    assert described["weighting"] is None
    assert described["pipeline"]["source"] == {"model": str(folder)}
    assert described["pipeline"]["written"] == "<|User|>: {class}\n\n<|Assistant|>:<begin_of_image>"
    trials = run.trials()
    assert trials["stopped"].to_list() == ["all parts seen"] * 4
    assert trials["evaluations"].to_list() == [2] * 4  # one pass a class
    assert "chen2025janus" not in done("cite", tmp_path / "run")  # which is of no known name

    result = command("classify", photos / "cat" / "0.png", "--json", *cpu)
    assert (result.returncode, result.stderr) == (0, "")
    record = json.loads(result.stdout)
    table = synthesight.score(folder, photos / "cat" / "0.png", ["a cat", "a dog"])
    assert table["draw"].to_list() == [0, 0, 1, 1, 2, 2, 3, 3]
    observer = synthesight.load(folder, classes=["cat", "dog"], prompt="a {class}", device="cpu")
    assert isinstance(observer.model, Janus)
    found = observer.classify(photos / "cat" / "0.png")
    whole = -table["error"].to_numpy().reshape(GRID, 2).sum(axis=0)
    np.testing.assert_allclose(found.evidence[0], whole - whole.max(), atol=1e-4)
    assert set(record["classes"]) == {"cat", "dog"}


def test_stages_by_parts_count_what_they_compute_again(folder: Path, photos: Path) -> None:
    """Nothing is kept of a class that stays but its sum: the second stage begins anew."""
    from synthesight.likelihood import Staged

    names = ["cat", "dog", "elephant", "car"]
    rule = Staged(max_draws=GRID, stages=((0.25, 0.5),))
    observer = synthesight.load(folder, classes=names, rule=rule, device="cpu")
    found = observer.classify(photos / "cat" / "0.png")
    assert found.evaluations == 4 * 0.25 + 2 * 1


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, folder: Path) -> SimpleNamespace:
    """A stand-in for the Hub with the tiny Janus, which keeps what is asked for."""
    state = SimpleNamespace(folder=folder, asked=[], extra=["README.md", "pytorch_model.bin"])

    def list_repo_files(*_: Any, **__: Any) -> list[str]:
        return [*(file.name for file in state.folder.iterdir()), *state.extra]

    def snapshot_download(name: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        state.asked.append((name, revision, sorted(allow_patterns)))
        return str(state.folder)

    monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_files", list_repo_files)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return state


def test_a_name_on_the_hub_is_opened_the_same(
    hub: SimpleNamespace, folder: Path, tmp_path: Path
) -> None:
    observer = synthesight.load("owner/janus@v1", classes=["cat", "dog"], device="cpu")
    assert (observer.name, type(observer.model)) == ("owner/janus@v1", Janus)
    files = sorted(file.name for file in folder.iterdir())
    assert hub.asked == [("owner/janus", "v1", ["config.json"]), ("owner/janus", "v1", files)]
    hub.folder = tmp_path
    config = {"architectures": ["LlavaForConditionalGeneration"], "model_type": "llava"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(SynthesightError, match="owner/llava is a LlavaForConditionalGeneration of"):
        synthesight.load("owner/llava", device="cpu")
    assert hub.asked[-1][2] == ["config.json"]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            {"architectures": ["LlavaForConditionalGeneration"], "model_type": "llava"},
            "is a LlavaForConditionalGeneration of transformers, which has no head that makes "
            "images of texts: choose one of Janus, Emu3, Chameleon, or write transformers:",
        ),
        ({"model_type": "vit"}, "is a vit of transformers, which has no head that makes images"),
        (
            {"architectures": ["MultiModalityCausalLM"], "model_type": "multi_modality"},
            "own code, which is never run: choose a copy in transformers' layout, such as "
            "deepseek-community/Janus-Pro-1B.",
        ),
        (
            {"architectures": ["Emu3ForCausalLM"], "model_type": "Emu3"},
            "own code, which is never run: choose a copy in transformers' layout, such as "
            "BAAI/Emu3-Gen-hf.",
        ),
    ],
)
def test_refuse_models_that_make_no_images_of_texts(
    config: dict[str, Any], said: str, photos: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    image = photos / "cat" / "0.png"
    assert said in refused("classify", image, "--classes", "cat,dog", "--model", folder)


def test_refuse_folders_that_are_incomplete_or_damaged(copy: Path, photos: Path) -> None:
    image = photos / "cat" / "0.png"
    given = ["classify", image, "--classes", "cat,dog", "--model", copy, "--device", "cpu"]
    weights = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    assert "could not be opened as a JanusForConditionalGeneration" in refused(*given)
    (copy / "model.safetensors").write_bytes(weights)

    from safetensors.torch import load, save_file

    tensors = load(weights)
    del tensors["model.generation_head.vision_head.weight"]
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    assert "lack 1 of the tensors of a JanusForConditionalGeneration" in refused(*given)
    (copy / "model.safetensors").write_bytes(weights)

    processor = (copy / "processor_config.json").read_text()
    (copy / "processor_config.json").unlink()
    assert "has no processor" in refused(*given)
    (copy / "processor_config.json").write_text(processor)
    (copy / "chat_template.jinja").write_text("{% for message in %}")
    assert "copy cannot be used as a likelihood" in refused(*given, "--resolution", SIDE)
    (copy / "chat_template.jinja").unlink()
    assert "has no chat template" in refused(*given)
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    assert "holds only pickled weights" in refused(*given)


def test_refuse_options_that_make_no_sense(folder: Path, photos: Path) -> None:
    image = photos / "cat" / "0.png"
    given = ["classify", image, "--classes", "cat,dog", "--model", folder, "--device", "cpu"]
    for option, value, said in (
        (
            "--resolution",
            "32",
            "makes no images of 32 × 32 pixels: its one --resolution is 16 × 16",
        ),
        ("--weighting", "elbo", "leave out --weighting"),
        ("--rule", "sequential", "use --rule 'exhaustive' or 'staged'"),
        ("--config", "owner/model", "is a whole pipeline: leave --config out"),
        ("--without", "text_encoder", "a model of image tokens: leave out --without"),
        ("--prompt", "a {class} " * 99, "takes 200 tokens, of which an image has 16"),
    ):
        assert said in refused(*given, option, value)


def test_large_models_are_opened_in_half_precision_where_it_is_chosen(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In float32 they might not fit, not even to be measured."""
    both = [torch.float16, torch.bfloat16]
    monkeypatch.setattr(loading, "half_precisions", lambda place: both)
    monkeypatch.setattr(loading, "LARGE_NETWORK", 0)
    model = load_model(folder, device="cpu", dtype="auto")
    assert (model.dtype, model.precision) == (torch.bfloat16, None)
    monkeypatch.setattr(loading, "LARGE_NETWORK", 2**34)
    model = load_model(folder, device="cpu", dtype="auto")
    assert set(model.precision) == {"float16", "bfloat16"}


def test_weights_are_opened_in_the_precision_that_they_were_saved_in(
    copy: Path, photos: Path
) -> None:
    """Those in half precision are scored in float32 unless told otherwise, on a CPU."""
    from safetensors.torch import load_file, save_file

    path = copy / "model.safetensors"
    half = {name: tensor.to(torch.bfloat16) for name, tensor in load_file(path).items()}
    save_file(half, path, metadata={"format": "pt"})
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"dtype": "bfloat16"}))
    model = synthesight.load(copy, classes=["cat", "dog"], device="cpu").model
    assert model.dtype == torch.float32
    stored = half["model.generation_head.vision_head.weight"].float()
    assert torch.equal(model.network.head.vision_head.weight, stored)
    positions = model.network.decoder.rotary_emb.inv_freq
    exact = tiny_tokens.janus()[0].model.language_model.rotary_emb.inv_freq
    assert torch.equal(positions, exact)
