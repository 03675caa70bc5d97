"""Refuse places to compute that there are not, and what each has no use for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from synthesight.errors import SynthesightError
from synthesight.observers.options import (
    EvaluateOptions,
)

# Where the model answers, and the options of each place.
BACKENDS = {"local": (), "ray": ("address", "jobs"), "slurm": ("jobs", "slurm")}


def check_backend(model: Any, options: EvaluateOptions) -> None:
    """Refuse backends that there are not, and what the chosen one has no use for."""
    if options.backend not in BACKENDS:
        raise SynthesightError(
            f"There is no `backend={options.backend!r}`: choose one of {', '.join(BACKENDS)}."
        )
    own = BACKENDS[options.backend]
    for name in {each for names in BACKENDS.values() for each in names}.difference(own):
        if getattr(options, name) is not None:
            takes = " or ".join(key for key, names in BACKENDS.items() if name in names)
            raise SynthesightError(
                f"`backend={options.backend!r}` has no use for `{name}`: leave it out, or choose "
                f"`backend={takes}`."
            )
    if options.backend != "local" and not isinstance(model, str | Path):
        raise SynthesightError(
            f"`backend={options.backend!r}` cannot ship a {type(model).__name__}: give the name, "
            "file or folder of a model, which each machine opens by itself."
        )
    if options.backend == "ray" and options.reproducible:
        raise SynthesightError(
            "`reproducible` cannot be promised for machines that may differ: leave it out, or let "
            "jobs on machines of one kind share the run (`backend='slurm'`)."
        )
    if options.jobs is not None and options.jobs < 1:
        raise SynthesightError(f"`jobs={options.jobs}` leaves no workers: give 1 or more.")
    if options.backend == "slurm" and (options.jobs is None or options.shard != "1/1"):
        raise SynthesightError(
            "`backend='slurm'` shares the stimuli among `jobs`: say how many; leave out `shard`."
        )


def read_shard(shard: str) -> tuple[int, int]:
    """Return (i − 1, n) of ``"i/n"``."""
    part, slash, parts = shard.partition("/") if isinstance(shard, str) else ("", "", "")
    if not (slash and part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise SynthesightError(
            f"`shard={shard!r}` is no part: write i/n, such as 1/3, 2/3 and 3/3."
        )
    return int(part) - 1, int(parts)
