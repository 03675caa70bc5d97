"""One model of each kind of likelihood, on the same images and classes: what a decision costs.

    python benchmarks/likelihoods.py --data DATA/cifar10

`agreement` is with the decision of all draws or parts. FLOPs are those of encoding an image and of
all passes of its decision, as torch counts them (a multiplication and an addition are two).

The counting model has no network: it counts the colours of an 8 × 8 thumbnail in each class.
Janus, VAR and aMUSEd are tiny and have random weights: their rows show what a decision takes, and
their accuracy is chance. VAR has its ten scales; `staged` keeps three classes after six of them.

Below the table, racing over the parts of natural-32-ar: after each part, classes that are far
behind are dropped. How far is too far is calibrated on half of the images (split conformal
prediction, Vovk et al. 2005), so that the class that all parts would choose is dropped with a
probability of at most δ. What is lost is measured on the other half, for many halvings.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

import synthesight
from synthesight.likelihood.rules import Exhaustive, Rule, Sequential, Staged
from synthesight.likelihood.tokens.small import SmallTokenModel
from synthesight.observers.generative import GenerativeClassifier
from synthesight.observers.prompts import DEFAULT_PROMPT
from synthesight.stimuli.categories import words
from synthesight.stimuli.find import find_stimuli, sample
from synthesight.stimuli.stimulus import Stimulus

SIDE, LEVELS = 8, 6
HALVES = 200
SCALES = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16)  # of VAR, as published for 256 pixels


@dataclass
class CountingModel:
    """Count how often each place of a thumbnail has each colour, class by class: exact log p."""

    log_p: torch.Tensor
    classes: list[str]
    name: str = "counting"
    resolution: int = 32
    horizon: int = SIDE
    cost: tuple[float, ...] = (1 / SIDE,) * SIDE
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @classmethod
    def fit(cls, known: list[Stimulus], classes: list[str]) -> CountingModel:
        """Count the colours of images whose classes are known."""
        codes = colours(pixels_of(known)).flatten(1)
        labels = torch.tensor([classes.index(str(stimulus.category)) for stimulus in known])
        counts = torch.full((len(classes), codes.shape[1], LEVELS**3), 0.5)
        place = torch.arange(codes.shape[1]).expand_as(codes)
        counts.index_put_((labels[:, None], place, codes), torch.ones(1), accumulate=True)
        return cls((counts / counts.sum(dim=2, keepdim=True)).log().double(), classes)

    def prepare(self, prompts: list[str]) -> torch.Tensor:
        """Find the class that each prompt names."""
        named = [[words(name) in prompt for name in self.classes].index(True) for prompt in prompts]
        return self.log_p[named]

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Return the colours of thumbnails."""
        return colours(images)

    def nats(
        self, x: torch.Tensor, parts: range, conditioning: torch.Tensor, rows: torch.Tensor
    ) -> torch.Tensor:
        """Return log p of rows of the thumbnail."""
        each = conditioning[rows].gather(2, x.flatten(1)[:, :, None])[:, :, 0]
        return each.unflatten(1, (SIDE, SIDE)).sum(dim=2)[:, parts.start : parts.stop]


def colours(images: torch.Tensor) -> torch.Tensor:
    """Codes of the colours of thumbnails: int64, shape (B, 8, 8)."""
    small = torch.nn.functional.adaptive_avg_pool2d(images, SIDE)
    levels = ((small + 1) / 2 * LEVELS).long().clamp(0, LEVELS - 1)
    return (levels * torch.tensor([1, LEVELS, LEVELS**2])[:, None, None]).sum(dim=1)


def pixels_of(shown: list[Stimulus]) -> torch.Tensor:
    """Return the images, all of one size, as float32 (N, 3, H, W) in [-1, 1]."""
    pixels = np.stack([np.asarray(stimulus.open().convert("RGB")) for stimulus in shown])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


def measure(
    observer: GenerativeClassifier, shown: list[Stimulus], classes: list[str], rule: Rule
) -> dict[str, Any]:
    """Answer, and count passes, FLOPs and seconds of processors."""
    observer.rule = rule
    few = shown[:: max(1, len(shown) // 5)]
    observer.reproducible = True  # and so not compiled, whose operations nobody could count
    with FlopCounterMode(display=False) as counter:
        list(observer.respond(few, classes))
    observer.reproducible = False
    list(observer.respond(shown[:1], classes))  # measures how to run best
    started = time.process_time()
    found = {r.stimulus.id: r for r in observer.respond(shown, classes)}
    seconds = time.process_time() - started
    answers = [found[stimulus.id] for stimulus in shown]
    return {
        "answers": np.array([str(answer.response) for answer in answers]),
        "passes": float(np.mean([answer.evaluations for answer in answers])),
        "flops": counter.get_total_flops() / len(few),
        "seconds": seconds / len(shown),
    }


def far_behind(cumulative: np.ndarray, delta: float) -> np.ndarray | None:
    """How far behind the leader, after each part but the last, a class is dropped.

    Parameters
    ----------
    cumulative
        float64, shape (N, K, P): evidence of calibration images after each part.
    delta
        Probability of dropping the choice of all parts.

    Returns
    -------
    float64, shape (P − 1,); None where there are too few images to promise that.
    """
    behind = cumulative.max(axis=1, keepdims=True) - cumulative
    scale = behind[:, :, :-1].mean(axis=(0, 1))
    choice = cumulative[:, :, -1].argmax(axis=1)
    worst = (behind[np.arange(len(choice)), choice, :-1] / scale).max(axis=1)
    rank = int(np.ceil((len(worst) + 1) * (1 - delta)))
    return None if rank > len(worst) else scale * np.sort(worst)[rank - 1]


def race(cumulative: np.ndarray, behind: np.ndarray, cost: np.ndarray) -> tuple[float, float]:
    """Share of the images whose choice is lost, and the passes an image that racing takes."""
    alive = np.ones(cumulative.shape[:2], dtype=bool)
    passes = np.zeros(len(cumulative))
    for part in range(cumulative.shape[2]):
        passes += np.where(alive.sum(axis=1) > 1, alive.sum(axis=1), 0) * cost[part]
        if part < len(behind):
            left = np.where(alive, cumulative[:, :, part], -np.inf)
            alive &= left.max(axis=1, keepdims=True) - left <= behind[part]
    final = np.where(alive, cumulative[:, :, -1], -np.inf)
    lost = final.argmax(axis=1) != cumulative[:, :, -1].argmax(axis=1)
    return float(lost.mean()), float(passes.mean())


def parts_of(observer: GenerativeClassifier, shown: list[Stimulus], classes: list[str]) -> Any:
    """Evidence of each class after each part: float64, shape (N, K, P)."""
    model: Any = observer.model
    texts = [DEFAULT_PROMPT.replace("{class}", words(name)) for name in classes]
    prompts, rows = model.prepare(texts), torch.arange(len(classes))
    found = []
    with torch.inference_mode():
        for codes in model.encode(pixels_of(shown)).split(20):
            pairs = codes.repeat_interleave(len(rows), dim=0)
            nats = model.nats(pairs, range(model.horizon), prompts, rows.repeat(len(codes)))
            found.append(nats.unflatten(0, (len(codes), len(rows))))
    return torch.cat(found).cumsum(dim=2).numpy()


def others() -> dict[str, Any]:
    """Tiny models of random weights, as the tests build them."""
    sys.path.append(str(Path(__file__).parents[1] / "tests"))
    tiny, opening = import_module("tiny_tokens"), import_module("synthesight.likelihood.tokens")
    cpu = torch.device("cpu")
    janus = opening.TokenParts(*tiny.janus()).likelihood(
        name="tiny Janus", device=cpu, dtype=torch.float32
    )
    published = import_module("published_models")
    var = published.small_var(replace(published.SMALL_VAR, sides=SCALES), name="tiny VAR")
    amused = opening.Amused(tiny.amused(), name="tiny aMUSEd")
    return {"tiny Janus": janus, "tiny VAR": var, "tiny aMUSEd": amused}


def main(
    data: Annotated[Path, typer.Option(help="Folder of CIFAR-10's train and test.parquet.")],
    limit: Annotated[int, typer.Option(help="Test images.")] = 100,
    draws: Annotated[int, typer.Option(help="Of models of draws.")] = 100,
    racing: Annotated[int, typer.Option(help="Test images to race on; 0 for none.")] = 1000,
) -> None:
    tested = find_stimuli(data / "test.parquet")
    shown = sample(tested, limit=limit)
    classes = sorted({str(stimulus.category) for stimulus in tested})
    truth = np.array([str(stimulus.category) for stimulus in shown])
    known = sample(find_stimuli(data / "train.parquet"), limit=5000)
    counting = CountingModel.fit(known, classes)
    progress = Console(stderr=True)
    given: dict[str, Any] = {name: name for name in ("natural-32", "natural-32-ar")}
    given |= {"counting": counting} | others()
    table = Table(
        title=f"{limit} images, {len(classes)} classes, {torch.get_num_threads()} threads"
    )
    for column in (
        "model", "rule", "accuracy", "passes an image", "GFLOPs a decision", "CPU ms an image",
        "agreement",
    ):  # fmt: skip
        table.add_column(column, justify="left" if column in ("model", "rule") else "right")
    for name, model in given.items():
        labels = {label: [n] for n, label in enumerate(classes)} if name == "tiny VAR" else None
        device = "cpu" if isinstance(model, str) else None
        observer = synthesight.load(model, device=device, labels=labels)
        assert isinstance(observer, GenerativeClassifier)
        horizon = getattr(observer.likelihood, "horizon", None)
        rules: list[Rule] = [Exhaustive(horizon or draws)]
        if horizon is None:
            rules.append(Sequential(draws))
        elif horizon > 1:
            rules.append(Staged(horizon, ((6, 3),)) if name == "tiny VAR" else Staged(horizon))
        reference = None
        for rule in rules:
            found = measure(observer, shown, classes, rule)
            reference = found["answers"] if reference is None else reference
            table.add_row(
                name,
                rule.name,
                f"{100 * np.mean(found['answers'] == truth):.1f} %",
                f"{found['passes']:.1f}",
                f"{found['flops'] / 1e9:.3g}",
                f"{1000 * found['seconds']:.3g}",
                f"{100 * np.mean(found['answers'] == reference):.1f} %",
            )
        progress.print(f"{name} is measured", end="\r")
    Console(width=120).print(table)
    if racing:
        print_races(sample(tested, limit=racing), classes)


def print_races(shown: list[Stimulus], classes: list[str]) -> None:
    """Print what racing over the parts of natural-32-ar loses and saves."""
    observer = synthesight.load("natural-32-ar", device="cpu")
    assert isinstance(observer, GenerativeClassifier)
    cumulative = parts_of(observer, shown, classes)
    truth = np.array([classes.index(str(stimulus.category)) for stimulus in shown])
    right = [np.mean(of_part.argmax(axis=1) == truth) for of_part in np.moveaxis(cumulative, 2, 0)]
    assert isinstance(observer.model, SmallTokenModel)
    cost = np.asarray(observer.model.cost)
    again = np.cumsum(cost)  # where every part computes those before it again
    shares = ", ".join(f"{100 * share:.1f} %" for share in right)
    table = Table(
        title=f"Racing: means over {HALVES} halvings of {len(shown)} images, of which one half "
        f"calibrates and the other measures. Right after each part: {shares}"
    )
    for column in ("δ", "choice lost", "passes", "of all", "passes, all computed again"):
        table.add_column(column, justify="right")
    for delta in (0.01, 0.05, 0.1):
        found = []
        for seed in range(HALVES):
            order = np.random.default_rng(seed).permutation(len(shown))
            known, new = cumulative[order[::2]], cumulative[order[1::2]]
            if (behind := far_behind(known, delta)) is not None:
                (lost, passes), (_, recomputed) = race(new, behind, cost), race(new, behind, again)
                found.append((lost, passes, recomputed))
        if found:
            lost, passes, recomputed = np.mean(found, axis=0)
            share = f"1/{len(classes) / passes:.1f}"
            table.add_row(
                f"{delta}", f"{100 * lost:.1f} %", f"{passes:.1f}", share, f"{recomputed:.1f}"
            )
    Console(width=120).print(table)


if __name__ == "__main__":
    typer.run(main)
