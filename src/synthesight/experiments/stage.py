"""One stage of a training: steps with a rate, checkpoints, progress and a budget of time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from synthesight.experiments.checkpoint import Checkpoint

GPU_REPORTS = 20  # steps between reports on a GPU, which would have to wait for each
SLOW = ("DEFAULT", "NO AVX", "AVX2")  # no instructions for bfloat16: ten times slower, measured


def quick_bfloat16(device: torch.device) -> bool:
    """Say whether a device computes quickly in bfloat16; else a training stays in float32."""
    return device.type != "cpu" or torch.backends.cpu.get_cpu_capability() not in SLOW


def run(
    saved: Path,
    log: Path,
    model: nn.Module,
    matrices: Sequence[nn.Parameter],
    loss_of: Callable[[int], Tensor],
    fixed: dict[str, Any],
    *,
    steps: int,
    rate: float,
    device: torch.device,
    seconds: float | None = None,
    warmup: int = 100,
    ema: float = 0.998,
    save_every: int = 500,
    report: Callable[[int, float], None] = lambda step, loss: None,
    keep: Callable[[nn.Module], None] = lambda average: None,
) -> nn.Module:
    """Train, or go on with a training that was stopped.

    Matrices are trained with Muon (Jordan et al. 2024), the rest with AdamW. The rate is warmed
    up, held for half of the time and taken down to zero in the rest. It is a function of the share
    that is done, of steps or of a budget of time: torch's schedulers know steps alone.

    Parameters
    ----------
    saved, log
        The checkpoint, and its log; see :class:`~synthesight.experiments.checkpoint.Checkpoint`.
    model
        What is trained.
    matrices
        Its hidden matrices.
    loss_of
        Returns the loss of a step: a function of the step and of the model's weights.
    fixed
        Options that must be the same when a training goes on.
    steps, warmup
        Length of the training, and of its beginning in which the rate rises.
    rate
        Peak learning rate of Muon; AdamW has a third of it.
    seconds
        Time that it may take, this process and earlier ones together: the training is then as
        long as fits. None for all steps.
    ema
        Decay of the exponential moving average of the weights.
    report
        Called with the number of steps done and the smoothed loss.
    keep
        Called with the averaged model after each checkpoint.

    Returns
    -------
    The model with averaged weights.
    """
    average = AveragedModel(model, multi_avg_fn=averaging(ema), use_buffers=True)
    hidden = {id(p) for p in matrices}
    other = [p for p in model.parameters() if id(p) not in hidden and p.requires_grad]
    muon = torch.optim.Muon(matrices, lr=rate, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
    adam = torch.optim.AdamW(other, lr=rate / 3, betas=(0.9, 0.95), weight_decay=0.0)
    kept = Checkpoint(saved, log, fixed, model=model, average=average, muon=muon, adam=adam)
    step, smooth = kept.load(), None
    every = 1 if device.type == "cpu" else GPU_REPORTS

    def done() -> float:
        if seconds is None:
            return step / steps
        return max(step / steps, kept.spent() / seconds if seconds > 0 else 1.0)

    share = done()
    while share < 1:
        loss = loss_of(step)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        now = rate * min(1.0, (step + 1) / warmup, 2 - 2 * share)
        for optimizer, part in ((muon, 1.0), (adam, 1 / 3)):
            optimizer.param_groups[0]["lr"] = now * part
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        average.update_parameters(model)
        step += 1
        smooth = loss.detach() if smooth is None else smooth.lerp(loss.detach(), 0.02)
        share = done()
        if step % every == 0 or share >= 1:
            report(step, float(smooth))
        if step % save_every == 0 or share >= 1:
            kept.save(step, float(smooth))
            keep(average.module)
    return average.module


def averaging(decay: float) -> Callable[..., None]:
    """Exponential moving average that forgets the first, random weights quickly."""

    def average(old: Any, new: Any, count: Tensor | int) -> None:
        done = int(count)
        get_ema_multi_avg_fn(min(decay, (1 + done) / (10 + done)))(old, new, count)

    return average
