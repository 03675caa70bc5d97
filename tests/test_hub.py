"""Names on the Hugging Face Hub: which files are fetched, and what is said when none can be."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

import synthesight
from synthesight.errors import SynthesightError
from synthesight.likelihood.hub import download, pick_variant, wanted_files

NETWORK = "diffusion_pytorch_model.safetensors"
FP16 = "diffusion_pytorch_model.fp16.safetensors"


def test_half_precision_copies_are_preferred_for_half_precision() -> None:
    other = "diffusion_pytorch_model.non_ema.safetensors"
    assert pick_variant([NETWORK, FP16, other], half=False, where="w") is None
    assert pick_variant([NETWORK, FP16, other], half=True, where="w") == "fp16"
    assert pick_variant([NETWORK], half=True, where="w") is None
    assert pick_variant([FP16], half=False, where="w") == "fp16"
    assert pick_variant(["model.bf16-00001-of-00002.safetensors"], half=True, where="w") == "bf16"
    with pytest.raises(SynthesightError, match="no weights"):
        pick_variant([other], half=True, where="The folder unet")


def test_only_what_is_needed_is_fetched() -> None:
    roles = ("unet", "vae", "tokenizer", "tokenizer_2")
    index: dict[str, Any] = {role: ["diffusers", "Any"] for role in roles}
    index |= {"scheduler": ["diffusers", "DDIMScheduler"], "text_encoder": [None, None]}
    index |= {"_class_name": "AnyPipeline", "safety_checker": ["stable_diffusion", "Any"]}
    common = {
        "model_index.json",
        "unet/config.json",
        f"vae/{NETWORK}",
        "vae/config.json",
        "tokenizer/vocab.json",
        "tokenizer/merges.txt",
        "tokenizer_2/spiece.model",
        "scheduler/scheduler_config.json",
    }
    copies = {f"unet/{NETWORK}", f"unet/{FP16}"}
    others = {
        "README.md",
        "v1-5-pruned.ckpt",
        "unet/diffusion_pytorch_model.bin",
        "unet/diffusion_pytorch_model.non_ema.safetensors",
        "safety_checker/model.safetensors",
        "text_encoder/model.safetensors",
    }
    files = sorted(common | copies | others)
    assert set(wanted_files(files, index, half=False, name="n")) == common | {f"unet/{NETWORK}"}
    assert set(wanted_files(files, index, half=True, name="n")) == common | {f"unet/{FP16}"}
    with pytest.raises(SynthesightError, match="only pickled weights"):
        wanted_files(["unet/diffusion_pytorch_model.bin"], index, half=False, name="n")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A stand-in for the Hub: ``files`` that it lists, or an ``error`` that it raises."""
    state = SimpleNamespace(files=[], error=None)

    def list_repo_files(*_: Any, **__: Any) -> list[str]:
        if state.error is not None:
            raise state.error
        return state.files

    def snapshot_download(*_: Any, **__: Any) -> str:
        raise FileNotFoundError("not in the cache")

    monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_files", list_repo_files)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return state


@pytest.mark.parametrize(
    ("kind", "match"),
    [
        (GatedRepoError, "gated: accept its terms"),
        (RepositoryNotFoundError, "neither a path here nor"),
        (RevisionNotFoundError, "no revision 'v9'"),
    ],
)
def test_the_hubs_refusals_are_told(
    kind: type[Exception], match: str, hub: SimpleNamespace
) -> None:
    hub.error = kind.__new__(kind)  # their constructors differ between versions
    with pytest.raises(SynthesightError, match=match):
        synthesight.load("owner/model@v9", device="cpu")


def test_names_and_repositories_of_another_form(hub: SimpleNamespace) -> None:
    with pytest.raises(SynthesightError, match="There is no file or folder"):
        download("./models/mine", revision=None, half=False)
    hub.files = ["model.safetensors", "config.json"]
    with pytest.raises(SynthesightError, match="has no model_index"):
        download("owner/model", revision=None, half=False)
    hub.files = ["model_index.json"]
    with pytest.raises(SynthesightError, match="broke off"):
        download("owner/model", revision=None, half=False)


def test_a_name_that_is_not_found_is_one_sentence(
    hub: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The library's notes on each of its retries would stand before it."""
    logger = logging.getLogger("huggingface_hub.utils._http")
    monkeypatch.setattr(logging.getLogger("huggingface_hub"), "propagate", True)

    def list_repo_files(*_: Any, **__: Any) -> list[str]:
        logger.warning("Retrying in 1s")
        raise ConnectionError

    monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_files", list_repo_files)
    with pytest.raises(SynthesightError, match="cannot be reached"):
        download("owner/model", revision=None, half=False)
    with pytest.raises(SynthesightError, match="path of a folder; did you mean stable-diffusion-1"):
        synthesight.load("owner/stable-difusion-1.5")
    assert caplog.messages == []
    logger.warning("again heard")
    assert caplog.messages == ["again heard"]
