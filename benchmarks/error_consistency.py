"""Whether intervals and tests of error consistency keep what they promise, on simulated studies.

    python benchmarks/error_consistency.py --studies 1000

In each study a reference observer and two others answer the same images; κ of either with the
reference is known. ``below 5 %`` is how many studies `compare` calls different at p < 0.05: with
equal κ it should be 5 %, else it is the power, beside what `synthesight power` foretells. Coverage
is how many intervals hold the true κ, or the true difference.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import polars as pl
import typer
from rich.console import Console
from rich.table import Table

from synthesight.analysis import compare, joint_probabilities, pairwise_consistency, power

# Accuracy of the reference, the first, the second; κ of the first and of the second with it.
SETTINGS = (
    (0.8, 0.7, 0.7, 0.3, 0.3),
    (0.8, 0.9, 0.5, 0.2, 0.2),
    (0.9, 0.95, 0.6, 0.1, 0.1),
    (0.8, 0.7, 0.7, 0.3, 0.45),
    (0.8, 0.7, 0.7, 0.3, 0.4),
)


def study(setting: tuple[float, ...], count: int, rng: np.random.Generator) -> pl.DataFrame:
    """Trials of the three observers, the two independent of each other given the reference."""
    accuracy, first, second, *kappas = setting
    reference = rng.random(count) < accuracy
    given = {"reference": reference}
    for name, own, kappa in zip(("first", "second"), (first, second), kappas, strict=True):
        both, one, _, _ = joint_probabilities(own, accuracy, kappa)
        chance = np.where(reference, both / accuracy, one / (1 - accuracy))
        given[name] = rng.random(count) < chance
    return pl.concat(
        pl.DataFrame(
            {
                "observer": name,
                "stimulus": [f"{n}.png" for n in range(count)],
                "category": "cat",
                "response": np.where(right, "cat", "dog"),
            }
        )
        for name, right in given.items()
    )


def main(
    studies: Annotated[int, typer.Option(help="Simulated studies for each row.")] = 1000,
    resamples: Annotated[int, typer.Option(help="Of the bootstrap.")] = 1000,
) -> None:
    table = Table(title=f"{studies} studies a row, {resamples} resamples")
    for column in ("accuracies", "κ", "trials", "below 5 %", "power says",
                   "coverage of the difference", "coverage of κ"):  # fmt: skip
        table.add_column(column, justify="right")
    rng = np.random.default_rng(0)
    for setting in SETTINGS:
        reference, first, second, one, two = setting
        for count in (160, 640, 1280):
            found, covered, single = [], 0, []
            for _ in range(studies):
                trials = study(setting, count, rng)
                difference = compare(
                    trials, "second", "first", measure="error_consistency",
                    reference="reference", resamples=resamples,
                )  # fmt: skip
                found.append(difference.p)
                covered += difference.low <= two - one <= difference.high
                pair = pairwise_consistency(
                    trials.filter(pl.col("observer") != "second"), resamples=resamples
                )
                single.append(pair["low"][0] <= one <= pair["high"][0])
            foretold = "5.0 %"
            if one != two and first == second:
                rows = power(reference, first, one, difference=two - one, trials=(count,))
                foretold = f"{100 * rows['power'][0]:.1f} %"
            table.add_row(
                f"{reference}, {first}, {second}", f"{one}, {two}", str(count),
                f"{100 * np.mean(np.array(found) < 0.05):.1f} %", foretold,
                f"{100 * covered / studies:.1f} %", f"{100 * np.mean(single):.1f} %",
            )  # fmt: skip
    Console(width=110).print(table)


if __name__ == "__main__":
    typer.run(main)
