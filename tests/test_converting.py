"""Published checkpoints of VAR and RandAR become folders that are opened by name."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import synthesight
from builders import done, noise, refused
from published_models import (
    SMALL_RANDAR,
    SMALL_VAR,
    published_randar,
    published_var,
    small_randar,
    small_var,
)
from synthesight.errors import SynthesightError
from synthesight.likelihood.tokens import convert
from synthesight.stimuli.categories import imagenet_to_16


@pytest.fixture(scope="module")
def var_files(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("var")
    files = [folder / "var_d2.pth", folder / "vae.pth"]
    for file, tensors in zip(files, published_var(small_var()), strict=True):
        torch.save(tensors, file)
    return files


@pytest.mark.parametrize(
    "config", [SMALL_VAR, replace(SMALL_VAR, shared_adaln=True, attn_l2_norm=False, heads=1)]
)
def test_a_var_is_read_off_its_tensors(config, tmp_path):
    model = small_var(config)
    network, tokenizer = published_var(model)
    # As a checkpoint of training keeps them.
    torch.save(
        {"epoch": 3, "trainer": {"var_wo_ddp": network, "vae_local": tokenizer}},
        tmp_path / "ar.pth",
    )
    assert convert([tmp_path / "ar.pth"], tmp_path / "model") == "var"
    kept = json.loads((tmp_path / "model" / "config.json").read_text())
    assert kept == {"family": "var"} | {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in vars(config).items()
    }
    opened = synthesight.load(str(tmp_path / "model"), device="cpu").model
    images = torch.rand(2, 3, 8, 8) * 2 - 1
    x, labels, rows = model.encode(images), model.prepare(["1", "2"]), torch.arange(2)
    assert (opened.encode(images) == x).all()
    assert (opened.nats(x, range(4), labels, rows) == model.nats(x, range(4), labels, rows)).all()


def test_a_randar_is_read_off_its_tensors(tmp_path):
    model = small_randar()
    network, tokenizer = published_randar(model)
    save_file(
        {key: value.contiguous() for key, value in network.items()}, tmp_path / "l.safetensors"
    )
    torch.save({"model": tokenizer}, tmp_path / "vq.pt")
    files = [tmp_path / "vq.pt", tmp_path / "l.safetensors"]
    assert (
        done("convert", *files, "--out", tmp_path / "m") == f"The randar is in {tmp_path / 'm'}.\n"
    )
    opened = synthesight.load(tmp_path / "m", device="cpu")
    assert opened.model.config == replace(SMALL_RANDAR, widths=list(SMALL_RANDAR.widths))
    x = torch.arange(16)[None]
    order, labels = torch.arange(16).flip(0)[None], torch.tensor([4])
    rows = torch.zeros(1, dtype=torch.int64)
    assert opened.model.nats(x, (order,), labels, rows) == model.nats(x, (order,), labels, rows)
    features = opened.model.tokenizer.features(torch.ones(1, 3, 256, 256))
    torch.testing.assert_close(features, model.tokenizer.features(torch.ones(1, 3, 256, 256)))
    with pytest.raises(SynthesightError, match="m is a RandAR, which has no `smoothing`"):
        synthesight.load(tmp_path / "m", device="cpu", smoothing=2)


def test_a_converted_model_answers_on_the_command_line(var_files, tmp_path):
    model, out = tmp_path / "tiny-var", tmp_path / "run"
    done("convert", *var_files, "--out", model)
    for n in range(2):
        (tmp_path / "shown" / "cat").mkdir(parents=True, exist_ok=True)
        noise(np.random.default_rng(n), 8).save(tmp_path / "shown" / "cat" / f"{n}.png")
    words = ["evaluate", "--stimuli", tmp_path / "shown", "--model", model, "--device", "cpu"]
    words += ["--batch-size", 64, "--classes", "cat,dog,bird"]  # of the 16, by ImageNet's labels
    done(*words, "--out", out)
    trials = synthesight.Run(out).trials()
    labels = {name: len(imagenet_to_16()[name]) for name in ("cat", "dog", "bird")}
    assert trials["evaluations"].to_list() == [sum(labels.values())] * 2
    stages = ["--rule", "staged", "--stages", "2:2", "--smoothing", 2]
    done(*words, "--out", tmp_path / "pruned", *stages)
    pruned = synthesight.Run(tmp_path / "pruned").trials()
    first = small_var().cost_of(range(2))
    # All labels see two scales, and those of two classes both copies.
    possible = [
        first * sum(labels.values()) + 2 * (sum(labels.values()) - dropped)
        for dropped in labels.values()
    ]
    for passes in pruned["evaluations"]:
        assert min(abs(passes - each) for each in possible) < 1e-6
    kept = json.loads((tmp_path / "pruned" / "run.json").read_text())
    assert kept["observer"]["rule"]["stages"] == [[2, 2]]
    assert kept["observer"]["pipeline"]["smoothing"] == 2
    said = refused(*words, "--out", tmp_path / "other", "--resolution", 16)
    assert "tiny-var makes no images of 16 × 16 pixels: its one --resolution is 8 × 8" in said
    assert "leave out --config" in refused(*words, "--out", tmp_path / "other", "--config", "a/b")
    assert "has no --stages" in refused(*words, "--out", tmp_path / "other", "--stages", "2:2")


def test_a_published_name_says_how_to_convert_it():
    with pytest.raises(SynthesightError) as error:
        synthesight.load("var-d16")
    said = str(error.value)
    assert "download FoundationVision/var/var_d16.pth and FoundationVision/var/vae_" in said
    assert "synthesight convert var_d16.pth vae_ch160v4096z32.pth --out var-d16" in said
    assert "give `model=./var-d16`" in said


class Hostile:
    def __reduce__(self):
        return (print, ("this ran",))


def test_other_files_are_one_sentence(var_files, tmp_path, capsys):
    network, tokenizer = var_files

    def said(*sources: Path) -> str:
        with pytest.raises(SynthesightError) as error:
            convert(sources, tmp_path / "out")
        assert "\n" not in str(error.value)
        assert not (tmp_path / "out").exists()
        return str(error.value)

    with (tmp_path / "hostile.pth").open("wb") as file:
        pickle.dump({"blocks.0.attn.mat_qkv.weight": Hostile()}, file)
    torch.save({"a": Hostile()}, tmp_path / "hostile2.pth")
    for name in ("hostile.pth", "hostile2.pth"):
        assert "does not open as tensors alone" in said(tmp_path / name, tokenizer)
    assert "this ran" not in capsys.readouterr().out
    (tmp_path / "damaged.pth").write_bytes(network.read_bytes()[:1000])
    assert "does not open as tensors alone" in said(tmp_path / "damaged.pth", tokenizer)
    assert "There is no file" in said(tmp_path / "none.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    assert "holds no tensors by name" in said(tmp_path / "list.pth")
    torch.save({"conv1.weight": torch.zeros(3)}, tmp_path / "resnet.pth")
    assert "no checkpoint of VAR or RandAR" in said(network, tmp_path / "resnet.pth")
    assert "give the files of one network and of its tokenizer" in said(network)
    assert "is a second network of the family var" in said(network, network)
    other = small_var(replace(SMALL_VAR, codes=12))
    torch.save(published_var(other)[1], tmp_path / "other.pth")
    assert "has network.head.weight of shape (16, 32) for (12, 32)" in said(
        network, tmp_path / "other.pth"
    )
    tensors = torch.load(network, weights_only=True)
    del tensors["blocks.1.ffn.fc1.weight"]
    torch.save(tensors, tmp_path / "less.pth")
    assert "it lacks network.blocks.1.mlp.0.weight" in said(tmp_path / "less.pth", tokenizer)
    torch.save(tensors | {"blocks.1.extra": torch.zeros(1)}, tmp_path / "more.pth")
    assert "and 1 more are wrong" in said(tmp_path / "more.pth", tokenizer)
    del tensors["lvl_1L"]
    torch.save(tensors, tmp_path / "no-levels.pth")
    assert "it lacks 'lvl_1L'" in said(tmp_path / "no-levels.pth", tokenizer)


def test_damaged_folders_are_one_sentence(var_files, tmp_path):
    folder = tmp_path / "model"
    convert(var_files, folder)
    config = json.loads((folder / "config.json").read_text())

    def said(**changed: object) -> str:
        (folder / "config.json").write_text(json.dumps(config | changed))
        with pytest.raises(SynthesightError) as error:
            synthesight.load(folder, device="cpu")
        return str(error.value)

    assert "of the family 'gan': choose one of var, randar" in said(family="gan")
    assert "far more layers than its" in said(depth=10**9)
    assert "cannot be opened" in said(color=3)
    assert "does not fit its own sizes" in said(codes=32)
    (folder / "config.json").write_text(json.dumps(config))
    tensors = load_file(folder / "model.safetensors")
    tensors.pop("network.start")
    save_file(tensors, folder / "model.safetensors")
    assert "lacks network.start" in said()
    (folder / "model.safetensors").unlink()
    assert "cannot be opened" in said()
