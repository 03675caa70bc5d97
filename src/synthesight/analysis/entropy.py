"""Response entropy: whether some categories are named more than others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from scipy.special import entr

from synthesight.analysis.bootstrap import RESAMPLES, grouped_weights, interval, resampled_sums
from synthesight.analysis.panels import STIMULUS, judged, panels
from synthesight.analysis.ratios import divide


def response_entropy(
    trials: pl.DataFrame,
    by: Sequence[str] = ("observer", "kind", "dataset"),
    *,
    resample_observers: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pl.DataFrame:
    """Shannon entropy of the responses, in bits (Geirhos et al. 2018).

    A measure of bias: over stimuli of K categories in equal numbers, who names all equally often
    has log2 K (4 bits for 16), who always names one has 0, whatever was right. Missing responses
    name no category and are left out; each other trial counts once.

    The estimate is that of the observed shares, as published. It is too small on average, by some
    (K − 1) / (2 n ln 2) bits of n responses (Miller 1955): 0.14 where 80 responses are spread
    over 16 categories, 0.01 where 1280 are. The replicates of the bootstrap are smaller again by
    as much, so the interval is the basic one (Davison & Hinkley 1997, 5.2), which takes the
    replicates' distance from the estimate for the estimate's distance from the truth: 2 × estimate
    minus the replicates' quantiles, never above log2 K, and widened to the estimate where that
    lies below.

    Parameters
    ----------
    trials, by, resample_observers, resamples, seed
        As of :func:`~synthesight.analysis.accuracy.accuracy`.

    Returns
    -------
    One row a group: the columns ``by``, ``estimate``, ``low``, ``high`` (95 % interval, bootstrap
    over stimuli) and ``n`` (responses); all null and n = 0 for who never responded.
    """
    counted = judged(trials, by)
    given = counted.filter(pl.col("response").is_not_null())
    strata = [column for column in by if column in STIMULUS]
    who = [column for column in by if column not in STIMULUS]
    columns = [*who, *(["observer"] if "observer" not in who else []), "response"]
    most = np.log2(max(1, pl.concat([given["category"], given["response"]]).n_unique()))
    rng = np.random.default_rng(seed)
    tables = []
    for panel in panels(given, strata, columns, {}):
        group, observer, response = (
            _codes(panel.columns, names) for names in (who, columns[:-1], ["response"])
        )
        shape = (-1, int(group.max()) + 1, int(response.max()) + 1)
        # Each column is one observer's one response; a group adds those of its observers up.
        place = np.zeros((len(group), shape[1] * shape[2]))
        place[np.arange(len(group)), group * shape[2] + response] = 1.0
        total = (panel.seen.sum(axis=0) @ place).reshape(shape)
        sums = resampled_sums(panel.seen, resamples, rng)
        if resample_observers:
            of_group = np.zeros(int(observer.max()) + 1, dtype=np.int64)
            of_group[observer] = group
            sums = sums * grouped_weights(of_group, resamples, rng)[:, observer]
        estimate = entropy(total)[0]
        low, high = interval(entropy((sums @ place).reshape(shape)))
        figures = {
            "estimate": estimate,
            "low": np.minimum(2 * estimate - high, estimate),
            "high": np.minimum(2 * estimate - low, most),
        }
        _, first = np.unique(group, return_index=True)
        keys = zip(strata, panel.key, strict=True)
        tables.append(
            panel.columns[first].select(
                *(pl.lit(value, counted.schema[name]).alias(name) for name, value in keys),
                *who,
                *(pl.Series(name, value).fill_nan(None) for name, value in figures.items()),
                pl.Series("n", np.rint(total[0].sum(axis=-1)).astype(np.int64)),
            )
        )
    types = {**dict.fromkeys(("estimate", "low", "high"), pl.Float64), "n": pl.Int64}
    none = pl.DataFrame(schema={**{name: counted.schema[name] for name in by}, **types})
    found = pl.concat([none, *(table.select(none.columns) for table in tables)])
    if not by:
        return found
    groups = counted.select(by).unique().sort(by)
    return groups.join(
        found, on=list(by), how="left", nulls_equal=True, maintain_order="left"
    ).with_columns(pl.col("n").fill_null(0))


def entropy(counts: np.ndarray) -> np.ndarray:
    """Entropy, in bits, of distributions given as counts along the last axis; NaN of none.

    Parameters
    ----------
    counts
        float64, shape (..., K), not negative.

    Returns
    -------
    float64, shape (...).
    """
    shares = divide(counts, np.broadcast_to(counts.sum(axis=-1, keepdims=True), counts.shape))
    return np.asarray(entr(shares).sum(axis=-1) / np.log(2))


def _codes(frame: pl.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """int64, one for each row: the same number for the same values of the columns."""
    if not columns:
        return np.zeros(len(frame), dtype=np.int64)
    ranks = frame.select(pl.struct(columns).rank("dense")).to_series()
    return ranks.to_numpy().astype(np.int64) - 1
