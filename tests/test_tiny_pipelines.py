"""The tiny pipelines run as their library runs them, and listen to prompt and noise."""

from __future__ import annotations

import pytest
import torch

from tiny_pipelines import PIPELINES, REFUSED, call


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_runs_and_depends_on_prompt_and_noise(name):
    tiny = PIPELINES[name]
    pipe = tiny.build()
    assert type(pipe).__name__ == name.partition(":")[0]
    images = [call(pipe, tiny, prompt) for prompt in tiny.prompts[:2]]
    assert torch.isfinite(images[0]).all()
    assert not torch.allclose(images[0], images[1], rtol=0, atol=1e-4)
    assert not torch.allclose(images[0], call(pipe, tiny, tiny.prompts[0], seed=1), atol=1e-2)


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_pipeline_can_be_built(name):
    build, _ = REFUSED[name]
    assert type(build()).__name__ == name.partition(":")[0]
