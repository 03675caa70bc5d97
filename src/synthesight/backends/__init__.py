"""Backends: where an observer computes, if not in this process. Trials are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.backends.ray import RayObserver
    from synthesight.backends.slurm import run_jobs, sbatch_file

__all__ = ["RayObserver", "run_jobs", "sbatch_file"]

__getattr__, __dir__ = lazy.attach(
    __name__, {"ray": ["RayObserver"], "slurm": ["run_jobs", "sbatch_file"]}
)
