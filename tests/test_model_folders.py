"""Model folders whose settings are damaged or absurd: one sentence, little memory, no hang."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from builders import refused, save_pictures
from synthesight.errors import SynthesightError
from synthesight.likelihood import memory
from synthesight.likelihood.memory import bounded, opening
from synthesight.observers.loading import load
from synthesight.observers.registry import ZOO

HUGE, DEEP = 10**9, b'{"a":' * 100_000


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """As on the command line, where no other thread wants memory."""
    monkeypatch.setattr(memory.threading, "active_count", lambda: 1)


def change(path: Path, **changes) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.fixture
def cnn(tmp_path):
    return Path(shutil.copytree(ZOO / "natural-32-cnn", tmp_path / "cnn"))


@pytest.fixture
def diffusers(tmp_path):
    return Path(shutil.copytree(ZOO / "natural-32", tmp_path / "diffusers"))


@pytest.fixture(scope="module")
def small_vit(tmp_path_factory):
    import transformers

    folder = tmp_path_factory.mktemp("vit")
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    config = transformers.ViTConfig(image_size=32, patch_size=8, num_attention_heads=2, **small)
    config.num_labels = 1000
    transformers.ViTForImageClassification(config).save_pretrained(folder)
    size = {"height": 32, "width": 32}
    transformers.ViTImageProcessor(size=size).save_pretrained(folder)
    return folder


@pytest.fixture
def vit(small_vit, tmp_path):
    return Path(shutil.copytree(small_vit, tmp_path / "vit"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"widths": [HUGE] * 3}, "does not fit its config.json"),
        ({"widths": [64] * 100_000}, "does not fit its config.json"),
        ({"blocks": HUGE}, "is not one that"),
        ({"blocks": True}, "is not one that"),
        ({"resolution": HUGE}, "is not one that"),
        ({"resolution": "32"}, "is not one that"),
        ({"labels": 10}, "is not one that"),
        ({"labels": "airplane"}, "is not one that"),
        ({"labels": [["cat"], {}]}, "is not one that"),
        ({"labels": ["cat"] * 10}, "is not one that"),
        ({"labels": ["cat", "dog"]}, "does not fit its config.json"),
    ],
)
def test_settings_of_our_own_network(cnn, changes, words):
    change(cnn / "config.json", **changes)
    with pytest.raises(SynthesightError, match=words):
        load(cnn, device="cpu")


@pytest.mark.parametrize("content", [DEEP, b"[]", b"", b"\xff\xfe{}"])
def test_settings_that_are_no_object(cnn, content, tmp_path):
    (cnn / "config.json").write_bytes(content)
    said = refused("classify", save_pictures(tmp_path, "a.png"), "--model", cnn)
    assert "config.json is not" in said


@pytest.mark.parametrize(
    ("file", "changes", "words"),
    [
        ("transformer/config.json", {"num_layers": HUGE}, "asks for far more layers"),
        ("transformer/config.json", {"sample_size": 10**6}, "asks for far more memory"),
        ("transformer/config.json", {"attention_head_dim": HUGE}, "could not be opened"),
        ("transformer/config.json", {"num_layers": "2"}, "could not be opened"),
        ("scheduler/scheduler_config.json", {"num_train_timesteps": 10**12}, "could not be opened"),
        ("scheduler/scheduler_config.json", {"shift": {"a": 1}}, "could not be opened|cannot be"),
        ("text_encoder/config.json", {"d_model": HUGE}, "could not be opened|asks for far"),
        ("text_encoder/config.json", {"attn_implementation": "a/b"}, "asks for the code a/b"),
        ("synthesight.json", {"weighting": {"a": 1}}, "holds no weighting"),
        ("synthesight.json", {"proposal": ["a"]}, "holds no weighting"),
        ("synthesight.json", {"classes": 3}, "is not a list of texts"),
        ("model_index.json", {"transformer": 3}, "names no transformer"),
    ],
)
def test_settings_of_a_pipeline(diffusers, file, changes, words):
    change(diffusers / file, **changes)
    with pytest.raises(SynthesightError, match=words) as caught:
        load(diffusers, device="cpu")
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("file", "changes", "words"),
    [
        ("config.json", {"hidden_size": HUGE}, "cannot be opened"),
        ("config.json", {"num_hidden_layers": HUGE}, "asks for far more layers"),
        ("config.json", {"image_size": {"a": []}}, "cannot be opened"),
        ("config.json", {"id2label": 3}, "cannot be opened"),
        ("config.json", {"_attn_implementation": "a/b"}, "asks for the code a/b"),
        ("preprocessor_config.json", {"size": {"height": HUGE, "width": HUGE}}, "at most 4096"),
        ("preprocessor_config.json", {"image_mean": "x"}, "cannot be opened"),
    ],
)
def test_settings_of_transformers(vit, file, changes, words):
    change(vit / file, **changes)
    with pytest.raises(SynthesightError, match=words):
        load(f"transformers:{vit}", device="cpu")


@pytest.mark.parametrize(
    "header", [b"\xff" * 8, (2**62).to_bytes(8, "little"), (10).to_bytes(8, "little") + b"[" * 10]
)
def test_weights_whose_header_is_nonsense(cnn, vit, header):
    for folder, name in ((cnn, str(cnn)), (vit, f"transformers:{vit}")):
        (folder / "model.safetensors").write_bytes(header + bytes(100))
        with pytest.raises(SynthesightError, match=r"is damaged|cannot be opened"):
            load(name, device="cpu")


@pytest.mark.parametrize("named", ["../secret.safetensors", "/etc/passwd", 3, None])
def test_an_index_of_weights_that_names_files_elsewhere(vit, named):
    (vit / "model.safetensors").rename(vit.parent / "secret.safetensors")
    (vit / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": named}}))
    with pytest.raises(SynthesightError, match=r"names .* as a file of weights, which is none in"):
        load(f"transformers:{vit}", device="cpu")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_opening_takes_no_more_memory_than_the_weights_need(monkeypatch):
    words = r"x \(it asks for far more memory than its 1 MB"
    with (
        pytest.raises(SynthesightError, match=words),
        opening("x", "save it again", size=10**6),
    ):
        torch.empty(2**33)
    with opening("x", "save it again", size=10**6):
        torch.ones(2**20)
    monkeypatch.setattr(memory.threading, "active_count", lambda: 2)  # others may need memory
    with bounded(10**6) as is_bounded:
        assert not is_bounded
