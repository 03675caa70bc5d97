"""Evidence by spatial frequency: bands of the error's power spectrum, which add up to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from synthesight.errors import SynthesightError
from synthesight.observers.options import about
from synthesight.probes.registry import probe

if TYPE_CHECKING:
    import altair as alt
    import numpy as np
    import polars as pl

    from synthesight.observers.observer import Observer
    from synthesight.observers.response import Response
    from synthesight.report.section import Section
    from synthesight.stimuli.stimulus import Stimulus

TITLE = "Evidence by spatial frequency"
TEXT = (
    "How much of log p(x given the one class) − log p(x given the other) lies in each band of "
    "spatial frequencies, in cycles an image. The squared error of the denoised image is split by "
    "Parseval's theorem, so that the bands add up to the evidence. The class is the image's own "
    "category where that is known, else the one chosen; against it stands the texture in cue "
    "conflict, else the strongest rival. Means over images with 95 % intervals (t)."
)


@probe(title=TITLE, paper=("jaini2024intriguing", "geirhos2019imagenet"))
def frequency(
    observer: Observer,
    stimuli: Sequence[Stimulus],
    *,
    bands: Annotated[
        str | Sequence[float] | None,
        about("Edges of the bands in cycles an image, such as 0,2,8. Default: octaves."),
    ] = None,
    of: Annotated[
        str | None, about("Class that the evidence is for. Default: the image's own.")
    ] = None,
    against: Annotated[
        str | None, about("Class that it is against. Default: the texture, or the best rival.")
    ] = None,
) -> Section:
    """Show which spatial frequencies of images speak for their class.

    Parameters
    ----------
    observer
        A diffusion or flow model.
    stimuli
        Images.
    bands
        Edges in cycles an image, rising; the last band has all that is above the last edge.
    of, against
        Classes; None for each image's own category, or else the class chosen, against its texture
        in cue conflict, or else its strongest rival.

    Returns
    -------
    A section with the table ``frequency`` (a row a band and pair of observer and dataset),
    ``frequency-images`` (a row an image and band, with Monte-Carlo standard errors) and a figure.
    """
    import numpy as np
    import polars as pl

    from synthesight.likelihood.diffusion import DenoiserLikelihood
    from synthesight.observers.maps import chosen_pair, compared
    from synthesight.progress import Progress
    from synthesight.report.section import Section

    model = getattr(observer, "likelihood", None)
    if not isinstance(model, DenoiserLikelihood):
        raise SynthesightError(
            f"{observer.name} makes no image out of noise: frequencies of its errors need a "
            "diffusion or flow model."
        )
    classes = observer.choose(None)
    edges = band_edges(bands, int(np.min(model.resolution)))

    def spectrum(*increment: Any) -> Any:
        return -band_powers(model.residuals(*increment), edges)

    rows: list[dict[str, Any]] = []
    with Progress("Taking spectra", len(stimuli)) as progress:
        for response in observer.respond(stimuli, classes):
            progress.advance()
            if response.error is not None:
                continue
            pair = chosen_pair(response, classes, *_pair_of(response, classes, of, against))
            terms, _ = compared(observer, response, classes, pair, spectrum)
            rows += [
                {
                    "observer": observer.name,
                    "dataset": response.stimulus.dataset,
                    "image": response.stimulus.id,
                    "for": classes[pair[0]],
                    "against": classes[pair[1]],
                    "from": float(low),
                    "evidence": float(value),
                    "standard_error": float(error),
                }
                for low, value, error in zip(edges, terms.values, terms.standard_error, strict=True)
            ]
    if not rows:
        raise SynthesightError("None of the images could be read: check them.")
    images = pl.DataFrame(rows)
    table = summary(images)
    return Section(
        "frequency",
        TITLE,
        TEXT,
        {"frequency": table, "frequency-images": images},
        {"frequency": frequency_figure(table)},
    )


def band_edges(bands: str | Sequence[float] | None, side: int) -> np.ndarray:
    """Return the lower edges of bands, in cycles an image: float64, rising from 0.

    Examples
    --------
    >>> band_edges(None, 32).tolist()
    [0.0, 1.0, 2.0, 4.0, 8.0, 16.0]
    >>> band_edges("2,8", 32).tolist()
    [0.0, 2.0, 8.0]
    """
    import numpy as np

    if bands is None:
        octaves = 2.0 ** np.arange(int(np.log2(max(side, 4))))
        return np.concatenate([[0.0], octaves])
    try:
        given = bands.split(",") if isinstance(bands, str) else bands
        edges = np.array([float(edge) for edge in given])
    except (TypeError, ValueError):
        edges = np.array([np.nan])
    if (
        not len(edges)
        or not (np.diff(edges) > 0).all()
        or not np.isfinite(edges).all()
        or not (edges >= 0).all()
    ):
        raise SynthesightError(
            f"`bands={bands!r}` cannot be: give rising numbers of cycles an image, such as 0,2,8."
        )
    return edges if edges[0] == 0 else np.concatenate([[0.0], edges])


def band_powers(residuals: Any, edges: np.ndarray) -> Any:
    """Return the power of residuals, (B, …, h, w), in bands of spatial frequency: float64, (B, N).

    ``edges`` are the lower ones, in cycles an image. The bands add up to the residuals' squares.
    """
    import numpy as np
    import torch

    from synthesight.likelihood.device import in_float64

    height, width = residuals.shape[-2:]
    power = torch.fft.fft2(in_float64(residuals), norm="ortho").abs().square()
    power = power.flatten(1, -3).sum(dim=1).flatten(1)
    cycles = np.hypot(
        *np.meshgrid(np.fft.fftfreq(height) * height, np.fft.fftfreq(width) * width, indexing="ij")
    )
    band = np.searchsorted(edges, cycles.ravel() + 1e-9, side="right") - 1
    found = power.new_zeros(len(power), len(edges))
    return found.index_add_(1, torch.from_numpy(band).to(power.device), power)


def summary(images: pl.DataFrame) -> pl.DataFrame:
    """Return the mean evidence of each band over the images of a dataset, with its interval."""
    import polars as pl
    from scipy.stats import t

    def width(part: pl.Series) -> float | None:
        n = len(part)
        spread = part.std()
        return None if n < 2 else float(t.ppf(0.975, n - 1)) * float(spread) / n**0.5  # type: ignore

    key = ["observer", "dataset", "from"]
    value = pl.col("evidence")
    found = images.group_by(key, maintain_order=True).agg(
        estimate=value.mean(), half=value.map_batches(width, pl.Float64, returns_scalar=True),
        n=pl.len(),
    )  # fmt: skip
    low, high = pl.col("estimate") - pl.col("half"), pl.col("estimate") + pl.col("half")
    return found.with_columns(low=low, high=high).select(*key, "estimate", "low", "high", "n")


def frequency_figure(table: pl.DataFrame) -> alt.Chart:
    """Draw the mean evidence of each band, with its interval."""
    import altair as alt

    edges = table["from"].unique().sort().to_list()
    names = [
        f"{low:g} to {high:g}" if high is not None else f"{low:g} and more"
        for low, high in zip(edges, [*edges[1:], None], strict=True)
    ]
    rows = [
        row | {"band": names[edges.index(row["from"])], "dataset": row["dataset"] or "images"}
        for row in table.iter_rows(named=True)
    ]
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("band:N", sort=names, title="spatial frequency, cycles an image"),
        xOffset="dataset:N",
        color=alt.Color("dataset:N", legend=alt.Legend(orient="top", title=None)),
    )
    bars = base.mark_bar(opacity=0.75).encode(
        y=alt.Y("estimate:Q", title="evidence for the class, mean over images"),
        tooltip=["dataset:N", "band:N", "estimate:Q", "low:Q", "high:Q", "n:Q"],
    )
    rules = base.mark_rule(strokeWidth=1.5).encode(
        color=alt.value("#333333"), y="low:Q", y2="high:Q"
    )
    return (bars + rules).properties(width=alt.Step(24), height=220)


def _pair_of(
    response: Response, classes: Sequence[str], of: str | None, against: str | None
) -> tuple[str | None, str | None]:
    """Return the classes to compare: those given, else the image's own and its texture."""
    from synthesight.stimuli.names import cues_of

    stimulus = response.stimulus
    if of is None and stimulus.category in classes:
        of = stimulus.category
    cues = cues_of(stimulus.id.rsplit("/", 1)[-1])
    if against is None and cues is not None and cues[1] in classes and cues[1] != of:
        against = cues[1]
    return of, against
