"""One stage of a training: steps with a rate, checkpoints, progress and a budget of time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from synthesight.experiments import checkpoint

GPU_REPORTS = 20  # steps between reports on a GPU, which would have to wait for each


def run(
    saved: Path,
    model: nn.Module,
    matrices: Sequence[nn.Parameter],
    loss_of: Callable[[int], Tensor],
    fixed: dict[str, Any],
    *,
    steps: int,
    rate: float,
    device: torch.device,
    seconds: float | None = None,
    ema: float = 0.998,
    weight_decay: float = 0.0,
    save_every: int = 500,
    report: Callable[[int, float], None] = lambda step, loss: None,
) -> nn.Module:
    """Train, or go on with a training that was stopped.

    Matrices are trained with Muon (Jordan et al. 2024), the rest with AdamW. The rate is warmed
    up, held for half of the time and taken down to zero in the rest.

    Parameters
    ----------
    saved
        The checkpoint.
    model
        What is trained.
    matrices
        Its hidden matrices.
    loss_of
        Returns the loss of a step: a function of the step and of the model's weights.
    fixed
        Options that must be the same when a training goes on.
    steps
        Length of the training.
    rate
        Peak learning rate of Muon; AdamW has a third of it.
    seconds
        Time that it may take, this process and earlier ones together: the training is then as
        long as fits. None for all steps.
    ema
        Decay of the exponential moving average of the weights.
    report
        Called with the number of steps done and the smoothed loss.

    Returns
    -------
    The model with averaged weights.
    """
    average = AveragedModel(model, multi_avg_fn=averaging(ema), use_buffers=True)
    hidden = {id(p) for p in matrices}
    other = [p for p in model.parameters() if id(p) not in hidden and p.requires_grad]
    muon = torch.optim.Muon(
        matrices, lr=rate, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
    )
    adam = torch.optim.AdamW(other, lr=rate / 3, betas=(0.9, 0.95), weight_decay=0.0)
    clock = _Clock()
    parts = {"model": model, "average": average, "muon": muon, "adam": adam, "clock": clock}
    step = checkpoint.load(saved, fixed, **parts) if saved.exists() else 0
    since, smooth = time.perf_counter(), None
    every = 1 if device.type == "cpu" else GPU_REPORTS

    def done() -> float:
        if seconds is None:
            return step / steps
        spent = clock.seconds + time.perf_counter() - since
        return max(step / steps, spent / seconds if seconds > 0 else 1.0)

    while (share := done()) < 1:
        for optimizer, part in ((muon, 1.0), (adam, 1 / 3)):
            optimizer.param_groups[0]["lr"] = rate * part * min(1, (step + 1) / 100, 2 - 2 * share)
        loss = loss_of(step)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in (muon, adam):
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        average.update_parameters(model)
        step += 1
        smooth = loss.detach() if smooth is None else smooth.lerp(loss.detach(), 0.02)
        if step % every == 0:
            report(step, float(smooth))
        if step % save_every == 0:
            _save(saved, step, smooth, fixed, parts, clock, since)
            since = time.perf_counter()
    if smooth is not None:
        _save(saved, step, smooth, fixed, parts, clock, since)
        report(step, float(smooth))
    return average.module


class _Clock:
    """Seconds that a training has taken so far, as a part of its checkpoint."""

    seconds = 0.0

    def state_dict(self) -> dict[str, Tensor]:
        return {"seconds": torch.tensor(self.seconds, dtype=torch.float64)}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.seconds = float(state["seconds"])


def _save(
    saved: Path,
    step: int,
    smooth: Tensor,
    fixed: dict[str, Any],
    parts: dict[str, Any],
    clock: _Clock,
    since: float,
) -> None:
    checkpoint.check(step, float(smooth))
    clock.seconds += time.perf_counter() - since
    checkpoint.save(saved, step, fixed, **parts)


def averaging(decay: float) -> Callable[..., None]:
    """Exponential moving average that forgets the first, random weights quickly."""

    def average(old: Any, new: Any, count: Tensor | int) -> None:
        done = int(count)
        get_ema_multi_avg_fn(min(decay, (1 + done) / (10 + done)))(old, new, count)

    return average
