"""What people use beside what we do: one process, the same weights and the same images.

    python benchmarks/peers.py --stimuli DATA/cifar10/test.parquet --limit 24 --block 4

`Li et al.` is the loop of Diffusion Classifier (2023, algorithm 2) as the paper describes it: one
image and one class at a time, the same evenly spaced times and noises for all classes, the error
of the noise without weights; five of ten classes stay after 50 draws, and one after 500.
`Clark & Jaini` (2023) is one image at a time, all classes left at a draw, weights exp(−7t), and a
paired t-test at p < 2e-3 after each draw from 20 to 2000. Ours are observers as `synthesight.load`
opens them.

Blocks of images take turns among the methods, so that what else a machine does hits all alike. What
is done before the first image (tuning, compiling) is in its own column. Ratios are to `Li et al.`,
with 95 % intervals of a bootstrap over blocks.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

import synthesight
from synthesight.errors import SynthesightError
from synthesight.likelihood.evidence import PairedEvidence
from synthesight.likelihood.rules import Exhaustive, Predictive, RepeatedTTest, Sequential, Staged
from synthesight.likelihood.weighting import weights
from synthesight.observers.generative import GenerativeClassifier
from synthesight.observers.prompts import DEFAULT_PROMPT
from synthesight.stimuli.find import find_stimuli, sample
from synthesight.stimuli.stimulus import Stimulus

Answers = tuple[list[str], int]
LI_STAGES = ((50, 5), (500, 1))
LI_BATCH = 32
LONG_WORK = 1e7  # evaluations, for which it pays to compile
RULES = {
    "exhaustive": Exhaustive(),
    "staged": Staged(),
    "sequential": Sequential(),
    "sequential, zone": Sequential(delta=0.05, eta=0.5),
    "predictive": Predictive(),
    "predictive, 0.03": Predictive(delta=0.03),
}
REFERENCE = "Li et al."


@dataclass
class Method:
    """One way to answer, and what its blocks took."""

    name: str
    answer: Callable[[list[Stimulus]], Answers]
    before: float = 0.0
    correct: list[int] = field(default_factory=list)
    images: list[int] = field(default_factory=list)
    evaluations: list[int] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {key: value for key, value in vars(self).items() if key != "answer"}


class Loop:
    """What both published loops need of a model: images and prompts, encoded."""

    def __init__(self, observer: GenerativeClassifier, classes: list[str]) -> None:
        model: Any = observer.model
        self.model = model
        self.classes = classes
        texts = [DEFAULT_PROMPT.replace("{class}", name) for name in classes]
        self.prepared = self.model.prepare(texts)
        self.grid = len(self.model.schedule.times)

    def encoded(self, stimulus: Stimulus) -> torch.Tensor:
        pixels = torch.from_numpy(np.array(stimulus.read(self.model.resolution).image))
        return self.model.encode(pixels.permute(2, 0, 1)[None].float() / 127.5 - 1.0)

    def errors(
        self, x: torch.Tensor, noise: torch.Tensor, steps: torch.Tensor, rows: torch.Tensor
    ) -> np.ndarray:
        x = x.expand(len(rows), *x.shape[1:])
        with torch.inference_mode():
            found = self.model.errors(x, noise, steps, self.prepared, rows)
        return found.cpu().numpy()


def li(loop: Loop) -> Callable[[list[Stimulus]], Answers]:
    """Diffusion Classifier."""
    most = LI_STAGES[-1][0]
    steps = torch.linspace(0, loop.grid - 1, most + 2)[1:-1].round().long()
    factor = weights("epsilon", loop.model.schedule)[steps.numpy()]
    generator = torch.Generator().manual_seed(0)
    noise: list[torch.Tensor] = []

    def answer(stimuli: list[Stimulus]) -> Answers:
        found, cost = [], 0
        for stimulus in stimuli:
            x = loop.encoded(stimulus)
            if not noise:
                noise.append(torch.randn(most, *x.shape[1:], generator=generator))
            total = np.zeros(len(loop.classes))
            left, done = list(range(len(loop.classes))), np.zeros(0, dtype=np.int64)
            for count, keep in LI_STAGES:
                spread = np.linspace(0, most - 1, count).round().astype(np.int64)
                new = np.setdiff1d(spread, done)[: count - len(done)]
                done = np.concatenate([done, new])
                for k in left:
                    for start in range(0, len(new), LI_BATCH):
                        at = torch.from_numpy(new[start : start + LI_BATCH])
                        rows = torch.full((len(at),), k)
                        total[k] += factor[at] @ loop.errors(x, noise[0][at], steps[at], rows)
                    cost += len(new)
                left = sorted(left, key=lambda k: total[k])[:keep]
            found.append(loop.classes[left[0]])
        return found, cost

    return answer


def clark_jaini(loop: Loop) -> Callable[[list[Stimulus]], Answers]:
    """The zero-shot classifier of Clark & Jaini."""
    rule = RepeatedTTest()
    factor = weights("jaini", loop.model.schedule)
    generator = torch.Generator().manual_seed(0)

    def answer(stimuli: list[Stimulus]) -> Answers:
        found, cost = [], 0
        slot = np.zeros(1, dtype=np.int64)
        for stimulus in stimuli:
            x = loop.encoded(stimulus)
            evidence = PairedEvidence(1, len(loop.classes))
            evidence.clear(slot)
            while True:
                n = evidence.n_[slot]
                chunk = int((rule.review_at(n) - n)[0])
                left = evidence.alive_[0].nonzero()[0]
                errors = np.zeros((1, chunk, len(loop.classes)))
                for draw in range(chunk):
                    step = torch.randint(1, loop.grid, (1,), generator=generator)
                    noise = torch.randn(1, *x.shape[1:], generator=generator)
                    rows = torch.from_numpy(left)
                    many = noise.expand(len(left), *noise.shape[1:])
                    got = loop.errors(x, many, step.expand(len(left)), rows)
                    errors[0, draw, left] = factor[int(step)] * got
                evidence.add(slot, errors, np.full(1, chunk))
                evidence.alive_[slot] = rule.review(evidence, slot)
                if evidence.alive_[0].sum() == 1 or evidence.n_[0] >= rule.max_draws:
                    break
            found.append(loop.classes[int(evidence.leader(slot)[0])])
            cost += int(evidence.draws_.sum())
        return found, cost

    return answer


def ours(observer: GenerativeClassifier, classes: list[str], rule: Any = None) -> Any:
    """An observer of this package."""

    def answer(stimuli: list[Stimulus]) -> Answers:
        if rule is not None:
            observer.rule = rule
        by_id = {each.stimulus.id: each for each in observer.respond(stimuli, classes)}
        given = [by_id[stimulus.id] for stimulus in stimuli]
        return [str(each.response) for each in given], round(sum(e.evaluations for e in given))

    return answer


@contextmanager
def timed(device: str) -> Iterator[list[float]]:
    """Yield what becomes CPU and wall seconds."""
    found: list[float] = []
    cpu, wall = time.process_time(), time.perf_counter()
    yield found
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    found += [time.process_time() - cpu, time.perf_counter() - wall]


def ratio(above: list[float], below: list[float]) -> tuple[float, float, float]:
    """Return the ratio of sums with its interval, over blocks."""
    a, b = np.array(above, dtype=float), np.array(below, dtype=float)
    draws = np.random.default_rng(0).integers(len(a), size=(2000, len(a)))
    low, high = np.quantile(a[draws].sum(1) / b[draws].sum(1), (0.025, 0.975))
    return a.sum() / b.sum(), low, high


def methods(
    model: str, classes: list[str], device: str, dtype: str | None, names: list[str]
) -> list[Method]:
    """Open what is to be compared; what cannot be opened is said and left out."""

    def opened(name: str = model, **options: Any) -> GenerativeClassifier:
        found = synthesight.load(name, classes=classes, device=device, **options)
        assert isinstance(found, GenerativeClassifier)
        return found

    plain = opened(dtype=dtype)
    loop = Loop(plain, classes)
    found = [Method(REFERENCE, li(loop)), Method("Clark & Jaini", clark_jaini(loop))]
    found += [Method(name, ours(plain, classes, rule)) for name, rule in RULES.items()]
    if "compiled" in names:
        fast = opened(dtype=dtype)
        started = time.perf_counter()
        texts = [DEFAULT_PROMPT.replace("{class}", name) for name in classes]
        fast.tuner.tune(fast.likelihood, fast.model.prepare(texts), LONG_WORK)
        how = "" if fast.tuner.compiled else " (did not pay)"
        method = Method(f"compiled{how}", ours(fast, classes, RULES["predictive"]))
        method.before = time.perf_counter() - started
        found.append(method)
    for other in ("bfloat16", "float16"):
        if other in names:
            found.append(Method(other, ours(opened(dtype=other), classes, RULES["predictive"])))
    if "natural-32-ar" in names:
        try:
            found.append(Method("natural-32-ar", ours(opened("natural-32-ar"), classes)))
        except SynthesightError as error:
            print(f"natural-32-ar: {error}")
    return [each for each in found if not names or each.name.split(" (")[0] in names]


def main(
    stimuli: Annotated[str, typer.Option(help="Images with categories.")],
    model: str = "natural-32",
    limit: int = 24,
    block: Annotated[int, typer.Option(help="Images that a method answers at a time.")] = 4,
    device: str = "cpu",
    dtype: str | None = None,
    seconds: Annotated[float, typer.Option(help="Start no more blocks after these.")] = 3600.0,
    only: Annotated[str, typer.Option(help="Methods, between semicolons; all if empty.")] = "",
    out: Annotated[Path | None, typer.Option(help="JSON file, written after each block.")] = None,
) -> None:
    names = [name for name in only.split(";") if name] or [
        REFERENCE, "Clark & Jaini", *RULES, "compiled", "natural-32-ar"
    ]  # fmt: skip
    compared = compare(
        find_stimuli(stimuli),
        names,
        model=model,
        device=device,
        dtype=dtype,
        limit=limit,
        block=block,
        seconds=seconds,
        out=out,
    )
    show(compared, f"{model}, {device}, {dtype or 'default precision'}")


def compare(
    everything: list[Stimulus],
    names: list[str],
    *,
    model: str = "natural-32",
    device: str = "cpu",
    dtype: str | None = None,
    limit: int = 24,
    block: int = 4,
    seconds: float = 3600.0,
    out: Path | None = None,
) -> list[Method]:
    """Let methods answer blocks of images in turn."""
    shown = sample(everything, limit=limit + 2, seed=1)
    classes = sorted({str(stimulus.category) for stimulus in everything})
    compared = methods(model, classes, device, dtype, names)
    warm, shown = shown[:2], shown[2:]
    for method in compared:
        with timed(device) as took:
            method.answer(warm)
        method.before += took[1]
    blocks = [shown[start : start + block] for start in range(0, len(shown), block)]
    started = time.perf_counter()
    for number, images in enumerate(blocks):
        if number and time.perf_counter() - started > seconds:
            break
        # Each method is first as often as any other.
        turn = number % len(compared)
        for method in compared[turn:] + compared[:turn]:
            with timed(device) as took:
                responses, cost = method.answer(images)
            truth = [str(stimulus.category) for stimulus in images]
            method.correct.append(sum(a == b for a, b in zip(responses, truth, strict=True)))
            method.images.append(len(images))
            method.evaluations.append(cost)
            method.cpu.append(took[0])
            method.wall.append(took[1])
        if out is not None:
            rows = [each.record() for each in compared]
            out.write_text(json.dumps({"device": device, "dtype": dtype, "methods": rows}))
    return compared


def show(compared: list[Method], title: str) -> None:
    """Print the table."""
    reference = compared[0]
    table = Table(title=f"{title}, {sum(reference.images)} images; ratios to {reference.name}")
    for column in ("method", "correct", "evaluations", "CPU s", "wall s", "before, s"):
        table.add_column(column, justify="left" if column == "method" else "right")
    for column in ("evaluations", "CPU", "wall"):
        table.add_column(f"fewer {column}" if column == "evaluations" else f"less {column}")
    for method in compared:
        count = sum(method.images)
        ratios = (
            ratio(getattr(reference, what), getattr(method, what))
            for what in ("evaluations", "cpu", "wall")
        )
        table.add_row(
            method.name,
            f"{100 * sum(method.correct) / count:.1f} %",
            f"{sum(method.evaluations) / count:.1f}",
            f"{sum(method.cpu) / count:.3f}",
            f"{sum(method.wall) / count:.3f}",
            f"{method.before:.1f}",
            *(f"{mean:.2f} ({low:.2f}-{high:.2f})" for mean, low, high in ratios),
        )
    Console(width=170).print(table)


if __name__ == "__main__":
    typer.run(main)
