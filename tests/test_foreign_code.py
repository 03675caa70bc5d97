"""No Python and no pickle that comes with a model or a dataset is ever run."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from PIL import Image

from builders import refused
from synthesight.errors import SynthesightError
from synthesight.observers.discriminative.loading import load_classifier
from synthesight.observers.discriminative.packages import data_only

MAPPED = {
    "AutoConfig": "code.Mine",
    "AutoModel": "code.Mine",
    "AutoModelForImageClassification": "code.Mine",
    "AutoImageProcessor": "code.Mine",
    "AutoTokenizer": ["code.Mine", "code.Mine"],
}


class Mine:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return (Path.touch, (self.mark,))


@pytest.fixture
def mark(tmp_path):
    """A file that planted code would make."""
    path = tmp_path / "the code ran"
    yield path
    assert not path.exists()


@pytest.fixture
def folder(tmp_path, mark):
    """A folder of a model with code of its own wherever a library might look for some."""
    folder = tmp_path / "model"
    folder.mkdir()
    code = f"open({str(mark)!r}, 'w').close()\nclass Mine: pass\n"
    for name in ("code", "modeling", "pipeline", "model", "configuration_mine", "tokenization"):
        (folder / f"{name}.py").write_text(code)
    settings = {"auto_map": MAPPED, "architectures": ["Mine"], "custom_pipelines": {}}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "config.json").write_text(json.dumps(settings | {"model_type": "mine"}))
    return folder


@pytest.mark.parametrize("kind", ["mine", "vit", "clip"])
def test_a_folder_of_transformers_runs_nothing_and_asks_nothing(
    folder, tmp_path, kind, monkeypatch
):
    asked = []
    monkeypatch.setattr("builtins.input", lambda *words: asked.append(words) or "y")
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"model_type": kind}))
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    options = ["--model", f"transformers:{folder}", "--classes", "cat,dog", "--device", "cpu"]
    said = refused("classify", tmp_path / "a.png", *options)
    assert "cannot be opened as an image classifier" in said
    assert not asked


def test_a_pickle_of_transformers_is_not_opened(folder, mark):
    (folder / "config.json").write_text(json.dumps({"model_type": "vit", "hidden_size": 12}))
    for name in ("pytorch_model.bin", "model.bin", "model.pt", "model.ckpt"):
        torch.save(Mine(mark), folder / name)
    with pytest.raises(SynthesightError, match="cannot be opened as an image classifier"):
        load_classifier(f"transformers:{folder}")


def test_pickles_hold_data_alone_whatever_a_library_asks_for(tmp_path, mark, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    torch.save(Mine(mark), tmp_path / "a.pt")
    with data_only(), pytest.raises(Exception, match=r"weights_only|Weights only"):
        torch.load(tmp_path / "a.pt", weights_only=False)
    assert os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] == "1"
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ


@pytest.mark.parametrize("name", ["timm:local-dir:", "open_clip:local-dir:"])
def test_a_folder_of_another_library_runs_nothing(folder, mark, name):
    library = "timm" if name.startswith("timm") else "open_clip"
    pytest.importorskip(library, reason="needs the extra timm")
    for weights in ("pytorch_model.bin", "open_clip_pytorch_model.bin", "model.pt"):
        torch.save(Mine(mark), folder / weights)
    (folder / "config.json").write_text(
        json.dumps({"architecture": "resnet18", "pretrained_cfg": {"num_classes": 1000}})
    )
    text = {"hf_model_name": str(folder), "hf_tokenizer_name": str(folder)}
    vision = {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16}
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": {"embed_dim": 8, "vision_cfg": vision, "text_cfg": text}})
    )
    with pytest.raises(SynthesightError, match=f"{library}:local-dir:.* cannot be opened"):
        load_classifier(f"{name}{folder}", classes=["cat", "dog"])


@pytest.mark.parametrize("suffix", [".bin", ".pt", ".ckpt", ".pth", ".pkl"])
def test_a_single_pickle_is_refused(tmp_path, mark, suffix):
    torch.save(Mine(mark), tmp_path / f"model{suffix}")
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    options = ["--classes", "cat,dog", "--model", tmp_path / f"model{suffix}"]
    assert "is a pickle, which can run code" in refused("classify", tmp_path / "a.png", *options)


def test_the_script_of_a_dataset_is_not_run(tmp_path, mark):
    pytest.importorskip("datasets", reason="needs the extra hf")
    script = f"import datasets\nopen({str(mark)!r}, 'w').close()\n"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "mine.py").write_text(script)
    options = ["--out", tmp_path / "run", "--classes", "cat,dog"]
    for source in (f"hf:{tmp_path / 'mine'}", f"hf:{tmp_path / 'mine' / 'mine.py'}"):
        assert "as a dataset" in refused("evaluate", "--stimuli", source, *options)
