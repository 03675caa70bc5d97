"""How much each token counts, fitted to the labels of held-out images.

Evidence is Σ w_i log p(token i | prompt, tokens before it): log p itself where all w_i are 1. The
weights fitted here are those under which evidence predicts labels best, by multinomial logistic
regression, with weights that are not negative and differ little within a scale. As the fit
includes how large evidence is, its softmax is a probability that means what it says.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from synthesight import files
from synthesight.experiments.images import LabelledImages
from synthesight.likelihood.tokens.small import SmallTokenModel
from synthesight.observers.given import SETTINGS
from synthesight.observers.prompts import DEFAULT_PROMPT
from synthesight.stimuli.categories import words

CHUNK = 50  # images at a time
FIT_STEPS = 100
LIKENESS = 0.02  # how strongly the weights of a scale are held together
WORTH = 0.01  # nats an image that a scale must bring to be computed


def record(model: SmallTokenModel, images: LabelledImages, report: Callable[[int], None]) -> Tensor:
    """Return log p of every token under every class: float64, shape (N, K, tokens)."""
    prompts = model.prepare([DEFAULT_PROMPT.replace("{class}", words(n)) for n in images.names])
    classes, found = len(images.names), []
    rows = torch.arange(classes, device=model.device)
    for start in range(0, len(images.labels), CHUNK):
        pixels = images.pixels[start : start + CHUNK].to(model.device).float() / 127.5 - 1
        codes = model.encode(pixels)
        nats = model.token_nats(
            codes.repeat_interleave(classes, dim=0), prompts, rows.repeat(len(codes))
        )
        found.append(nats.unflatten(0, (len(codes), classes)).cpu())
        report(start + len(codes))
    return torch.cat(found)


def fit_weights(nats: Tensor, labels: Tensor, scales: tuple[int, ...]) -> Tensor:
    """Return the weights of the first tokens that predict labels best.

    Parameters
    ----------
    nats
        float64, shape (N, K, tokens).
    labels
        int64, shape (N,).
    scales
        Tokens of each scale that counts; later ones have weight 0.

    Returns
    -------
    float64, shape (tokens,).
    """
    used = sum(scales)
    apart = nats[:, :, :used] - nats[:, :, :used].mean(dim=1, keepdim=True)
    of_scale = torch.repeat_interleave(torch.tensor(scales))
    shared = torch.full((len(scales),), -1.0, dtype=torch.float64, requires_grad=True)
    own = torch.zeros(used, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([shared, own], max_iter=FIT_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        evidence = apart @ (shared[of_scale] + own).exp()
        found = torch.nn.functional.cross_entropy(evidence, labels)
        found = found + LIKENESS * own.square().mean()
        found.backward()
        return found

    optimizer.step(loss)
    with torch.no_grad():
        weight = (shared[of_scale] + own).exp()
    return torch.cat([weight, weight.new_zeros(nats.shape[2] - used)])


def fit(
    model: SmallTokenModel,
    images: LabelledImages,
    folder: Path,
    *,
    report: Callable[[int], None] = lambda done: None,
) -> dict[str, float]:
    """Fit the weights of a trained model on held-out images, and write them beside it.

    The finest scales are left out where they tell less than ``WORTH`` nats of an image: they are
    then never computed.

    Returns
    -------
    Of the second half of the images, the weights being fitted to the first: the share that is
    right with the fitted weights, with all weights 1, and with those of each number of scales.
    What is written is fitted to all.
    """
    nats, labels = record(model, images, report), images.labels.cpu()
    scales, half = model.network.transformer.scales, len(labels) // 2
    tried, loss = {}, {}
    for count in range(1, len(scales) + 1):
        weight = fit_weights(nats[:half], labels[:half], scales[:count])
        evidence = nats[half:] @ weight
        loss[count] = float(torch.nn.functional.cross_entropy(evidence, labels[half:]))
        tried[f"{count} scales"] = _right(evidence, labels[half:])
    least = min(loss.values())
    count = next(count for count, value in loss.items() if value <= least + WORTH)
    tried["fitted"] = tried[f"{count} scales"]
    tried["elbo"] = _right(nats[half:].sum(dim=2), labels[half:])
    weight = fit_weights(nats, labels, scales[:count])
    settings = {
        "classes": images.names,
        "weighting": [float(f"{value:.4g}") for value in weight.tolist()],
        "fitted": {"images": len(labels), "right": {k: round(v, 4) for k, v in tried.items()}},
    }
    files.write(folder / SETTINGS, json.dumps(settings, indent=2) + "\n")
    return tried


def _right(evidence: Tensor, labels: Tensor) -> float:
    return float(np.mean((evidence.argmax(dim=1) == labels).numpy()))
