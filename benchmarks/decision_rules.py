"""Decision rules side by side: what they decide, and what it costs.

    python benchmarks/decision_rules.py --stimuli ../shared/data/cifar10/test.parquet

All rules see the same draws of the same images. `agreement` is with exhaustive, on all images and
on those where exhaustive's two halves of the draws agree with each other (where they do not,
exhaustive itself is a toss).

Below the table, how often a rule loses the class that all draws would choose, in the worst case:
the same errors, made level over all draws, so that one class wins by a hair.
"""

from __future__ import annotations

import time
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

import synthesight
from synthesight.likelihood.draws import stimulus_key, uniforms
from synthesight.likelihood.rules import Exhaustive, RepeatedTTest, Rule, Sequential, Staged, replay
from synthesight.observers.generative import GenerativeClassifier
from synthesight.observers.prompts import DEFAULT_PROMPT
from synthesight.stimuli.find import find_stimuli, sample

APART = 2.0
SHIFTS = 20  # starts within the draws, each of which makes other images of the same errors


def lost(rule: Rule, errors: np.ndarray, positions: np.ndarray, *, ties: int) -> float:
    """How often a rule loses the winner when ``ties`` others are level with it.

    Of errors (B, N, K) and positions (B, N) of their draws. The rest of the classes are worse by
    ``APART`` standard deviations of a difference. Which class is to win is drawn at random.
    """
    images, draws, classes = errors.shape
    rng = np.random.default_rng(0)
    order = rng.random((images, classes)).argsort(axis=1)
    level = np.take_along_axis(errors, order[:, None, :], axis=2)
    level = level - level.mean(axis=1, keepdims=True)
    spread = (level - level[:, :, :1]).std(axis=1, keepdims=True)
    gap = np.where(np.arange(classes) <= ties, 1e-6, APART)
    gap[0] = 0.0
    level += gap * spread
    wrong = []
    for shift in rng.integers(draws, size=SHIFTS):
        rolled, moved = (np.roll(part, shift, axis=1) for part in (level, positions))
        response, _ = replay(rule, rolled, moved)
        wrong.append(np.mean(response != 0))
    return float(np.mean(wrong))


def main(
    stimuli: Annotated[str, typer.Option(help="Images with categories.")],
    model: str = "natural-32",
    limit: int = 200,
    draws: int = 200,
    device: str = "cpu",
) -> None:
    shown = sample(find_stimuli(stimuli), limit=limit, seed=0)
    classes = sorted({str(stimulus.category) for stimulus in shown})
    observer = synthesight.load(model, device=device, classes=classes)
    assert isinstance(observer, GenerativeClassifier)
    truth = np.array([classes.index(str(stimulus.category)) for stimulus in shown])
    order = {stimulus.id: place for place, stimulus in enumerate(shown)}
    rules: list[Rule] = [
        Staged(draws),
        Sequential(draws),
        Sequential(draws, delta=0.2),
        RepeatedTTest(draws),
    ]
    progress = Console(stderr=True)
    lines: list[list[str]] = []

    def add(name: str, response: np.ndarray, evaluations: np.ndarray, seconds: float) -> None:
        agrees = response == reference
        network = observer.usage_.network_seconds  # of the last call; 0 before the first
        lines.append(
            [
                name,
                f"{100 * np.mean(response == truth):.1f} %",
                f"{100 * agrees.mean():.1f} %",
                f"{100 * agrees[certain].mean():.1f} %",
                f"{evaluations.mean():.1f}",
                f"1/{len(classes) * draws / evaluations.mean():.1f}",
                f"{len(shown) / seconds:.2f}",
                f"{evaluations.sum() / (network or seconds):.0f}",
                f"{100 * network / seconds:.1f} %" if network else "",
            ]
        )

    keys = np.stack([stimulus_key(0, stimulus.id) for stimulus in shown])
    index = np.tile(np.arange(draws), len(shown))
    positions = uniforms(np.repeat(keys, draws, axis=0), index).reshape(len(shown), draws)
    started = time.perf_counter()
    found = synthesight.score(
        observer,
        shown,
        [DEFAULT_PROMPT.replace("{class}", name) for name in classes],
        draws=draws,
        weighting=observer.weighting,
        report=lambda done: progress.print(f"exhaustive: {done} evaluations", end="\r"),
    )
    seconds = time.perf_counter() - started
    kept = found["error"].to_numpy().reshape(len(shown), draws, len(classes))
    reference, cost = replay(Exhaustive(draws), kept)
    half = draws // 2
    certain = kept[:, :half].mean(1).argmin(1) == kept[:, half:].mean(1).argmin(1)
    add("exhaustive", reference, cost, seconds)
    for rule in rules:
        observer.rule = rule
        response = np.empty(len(shown), dtype=np.int64)
        evaluations = np.empty(len(shown))
        started = time.perf_counter()
        for done, answer in enumerate(observer.respond(shown, classes), 1):
            place = order[answer.stimulus.id]
            response[place] = classes.index(str(answer.response))
            evaluations[place] = answer.evaluations
            progress.print(f"{_label(rule)}: {done} of {len(shown)}", end="\r")
        add(_label(rule), response, evaluations, time.perf_counter() - started)
    usage = observer.usage_
    table = Table(
        title=f"{model}, {len(shown)} images, {len(classes)} classes, {draws} draws, batches of "
        f"{usage.batch_size}{' (compiled)' if usage.compiled else ''}, {device}; exhaustive's "
        f"halves agree on {certain.sum()} images"
    )
    for column in (
        "rule",
        "accuracy",
        "agreement",
        "where halves agree",
        "evaluations an image",
        "of exhaustive",
        "images/s",
        "evaluations/s",
        "time in network",
    ):
        table.add_column(column, justify="left" if column == "rule" else "right")
    for line in lines:
        table.add_row(*line)
    console = Console(width=160)
    console.print(table)
    table = Table(title="Winner lost when others are level with it and the rest far behind")
    table.add_column("rule")
    levels = sorted({1, (len(classes) - 1) // 3, len(classes) - 1} - {0})
    for ties in levels:
        table.add_column(f"{ties} level", justify="right")
    for rule in rules[1:]:
        shares = [lost(rule, kept, positions, ties=ties) for ties in levels]
        table.add_row(_label(rule), *(f"{100 * share:.2f} %" for share in shares))
    console.print(table)


def _label(rule: Rule) -> str:
    return f"{rule.name}, δ = {rule.delta:g}" if isinstance(rule, Sequential) else rule.name


if __name__ == "__main__":
    typer.run(main)
