"""Decision rules side by side: what they decide, and what it costs.

    python benchmarks/decision_rules.py --stimuli ../shared/data/cifar10/test.parquet

All rules see the same draws of the same images. `agreement` is with exhaustive, on all images and
on those where exhaustive's two halves of the draws agree with each other (where they do not,
exhaustive itself is a toss).
"""

from __future__ import annotations

import time
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

import synthesight
from synthesight.inference.engine import Engine
from synthesight.inference.rules import Exhaustive, RepeatedTTest, Rule, Sequential, Staged
from synthesight.observers.generative.classifier import GenerativeClassifier
from synthesight.stimuli.folders import find_stimuli, sample


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
    # Batches and compilation as they are chosen for users.
    prompts, rows, _ = observer._units(classes)
    conditioning = observer._prepare(prompts)
    batch_size = observer._tune(conditioning, len(shown) * len(classes) * draws)
    compiled = bool(observer._compiled)
    truth = np.array([classes.index(str(stimulus.category)) for stimulus in shown])
    order = {stimulus.id: place for place, stimulus in enumerate(shown)}
    rules: list[Rule] = [
        Exhaustive(draws),
        Staged(draws),
        Sequential(draws),
        RepeatedTTest(draws),
    ]
    responses, lines = {}, []
    certain = np.zeros(len(shown), dtype=bool)
    for rule in rules:
        engine = Engine(
            observer.model,
            rows,
            conditioning,
            rule,
            observer.sampler,
            batch_size=batch_size,
            one_shape=compiled,
            keep_errors=rule.name == "exhaustive",
        )
        response = np.empty(len(shown), dtype=np.int64)
        evaluations = np.empty(len(shown))
        started = time.perf_counter()
        for done, decision in enumerate(engine.run(shown), 1):
            place = order[decision.stimulus.id]
            response[place] = decision.unit
            evaluations[place] = decision.evaluations
            if decision.errors is not None:
                half = draws // 2
                first, second = decision.errors[:half], decision.errors[half:]
                certain[place] = first.mean(0).argmin() == second.mean(0).argmin()
            Console(stderr=True).print(f"{rule.name}: {done} of {len(shown)}", end="\r")
        seconds = time.perf_counter() - started
        responses[rule.name] = response
        agrees = response == responses["exhaustive"]
        lines.append(
            [
                rule.name,
                f"{100 * np.mean(response == truth):.1f} %",
                f"{100 * agrees.mean():.1f} %",
                f"{100 * agrees[certain].mean():.1f} %",
                f"{evaluations.mean():.1f}",
                f"1/{len(classes) * draws / evaluations.mean():.1f}",
                f"{len(shown) / seconds:.2f}",
                f"{engine.usage.evaluations / engine.usage.network_seconds:.0f}",
                f"{100 * engine.usage.network_seconds / seconds:.1f} %",
            ]
        )
    table = Table(
        title=f"{model}, {len(shown)} images, {len(classes)} classes, {draws} draws, batches of "
        f"{batch_size}{' (compiled)' if compiled else ''}, {device}; exhaustive's halves agree on "
        f"{certain.sum()} images"
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
    Console(width=150).print(table)


if __name__ == "__main__":
    typer.run(main)
