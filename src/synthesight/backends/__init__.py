"""Backends: where an observer computes, if not in this process. Trials are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.backends.ray import RayObserver as RayObserver
    from synthesight.backends.slurm import run_jobs as run_jobs
    from synthesight.backends.slurm import sbatch_file as sbatch_file

__getattr__, __dir__, __all__ = lazy.attach(__name__)
