"""Let a Slurm array answer: each job shows its share of the stimuli, and writes into the same run.

A job that is preempted, or whose time is up, writes what it has and is put back into the queue;
there it goes on. The jobs need a folder that all machines share, or an object store, for the run.
"""

from __future__ import annotations

import re
import shlex
import shutil
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from synthesight.errors import SynthesightError, SynthesightWarning, first_line
from synthesight.progress import Progress

NAME = "synthesight"
NOTICE = 120  # seconds before the end at which a job is told to stop
RESTARTS = 1000  # of a job whose time is up
EVERY = 2.0  # seconds between two looks at the jobs
STOPPED = 138  # exit code of a command that SIGUSR1 stopped: 128 + 10
HERE = "cluster"  # with the value "local": processes of this machine, to try a command

RULE = "-" * 22  # around the traceback in what submitit says of a failed job

_TIME = re.compile(r"(?:(?P<days>\d+)-)?(?P<first>\d+)(?::(?P<second>\d+))?(?::(?P<third>\d+))?")


class Job:
    """One part of the work, which can be stopped and started again."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work

    def __call__(self) -> None:
        self.work()

    def checkpoint(self, *_: Any) -> Any:
        """Return the same job, for the queue: it goes on where its run has got to."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def run_jobs(
    works: Sequence[Callable[[], Any]],
    folder: Path,
    slurm: str | Mapping[str, Any] | None,
    *,
    progress: bool | None = None,
) -> None:
    """Run pieces of work as one job array, and wait for the end.

    Parameters
    ----------
    works
        What each job does; functions that can be pickled.
    folder
        Folder for the jobs' logs, on a disk that all machines share.
    slurm
        Options of ``sbatch``; see :func:`read_slurm`.
    progress
        See :class:`~synthesight.progress.Progress`.

    Raises
    ------
    SynthesightError
        If submitit or Slurm is missing, Slurm refuses the jobs, or some of them fail.
    """
    executor = _executor(folder, read_slurm(slurm))
    try:
        with executor.batch():
            jobs = [executor.submit(Job(work)) for work in works]
    except Exception as error:  # sbatch's refusal, or a folder that cannot be written
        raise SynthesightError(
            f"Slurm refuses the jobs ({first_line(error)}): check `slurm`."
        ) from None
    array = jobs[0].job_id.split("_")[0]
    try:
        with Progress(f"Slurm job {array}", len(jobs), show=progress) as far:
            while (ended := sum(job.done() for job in jobs)) < len(jobs):
                far.at(ended)
                time.sleep(EVERY)
            far.at(len(jobs))
    except BaseException:
        warnings.warn(
            f"The jobs of {array} go on: `squeue` shows them, and `scancel {array}` ends them.",
            SynthesightWarning,
            stacklevel=2,
        )
        raise
    failures = [error for error in (job.exception() for job in jobs) if error is not None]
    if failures:
        raise SynthesightError(
            f"{len(failures)} of {len(jobs)} jobs failed (the first: {_last_line(failures[0])}): "
            f"see the logs in {folder}; the same command goes on from there."
        )


def sbatch_file(
    command: Sequence[str], jobs: int, slurm: str | Mapping[str, Any] | None = None
) -> str:
    """Return a batch file that runs a command as a job array, each job with its ``--shard``.

    Parameters
    ----------
    command
        The command, and its arguments.
    jobs
        Number of jobs.
    slurm
        Options of ``sbatch``; see :func:`read_slurm`.

    Examples
    --------
    >>> print(sbatch_file(["synthesight", "evaluate"], 4, "partition=gpu,gpus=1"))
    #!/bin/bash
    #SBATCH --job-name=synthesight
    #SBATCH --array=1-4
    #SBATCH --output=%x-%A_%a.log
    #SBATCH --open-mode=append
    #SBATCH --requeue
    #SBATCH --signal=USR1@120
    #SBATCH --partition=gpu
    #SBATCH --gpus=1
    <BLANKLINE>
    srun synthesight evaluate --shard "$SLURM_ARRAY_TASK_ID/4"
    code=$?
    # Stopped before its time was up: the same job goes on where its run has got to.
    if [ "$code" -eq 138 ]; then
        scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID" && exit 0
    fi
    exit "$code"
    """
    options = {
        "job-name": NAME,
        "array": f"1-{jobs}",
        "output": "%x-%A_%a.log",
        "open-mode": "append",
        "requeue": "",
        "signal": f"USR1@{NOTICE}",
    } | {name.replace("_", "-"): value for name, value in read_slurm(slurm).items()}
    lines = [
        f"#SBATCH --{name}" + (f"={value}" if value else "") for name, value in options.items()
    ]
    return "\n".join(
        [
            "#!/bin/bash",
            *lines,
            "",
            f'srun {shlex.join(command)} --shard "$SLURM_ARRAY_TASK_ID/{jobs}"',
            "code=$?",
            "# Stopped before its time was up: the same job goes on where its run has got to.",
            f'if [ "$code" -eq {STOPPED} ]; then',
            '    scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID" && exit 0',
            "fi",
            'exit "$code"',
        ]
    )


def read_slurm(slurm: str | Mapping[str, Any] | None) -> dict[str, str]:
    """Return the options of ``sbatch`` that a text or a mapping names, with underscores.

    Examples
    --------
    >>> read_slurm("partition=gpu,cpus-per-task=4,exclusive")
    {'partition': 'gpu', 'cpus_per_task': '4', 'exclusive': ''}
    """
    if isinstance(slurm, Mapping):
        pairs = [(str(name), "" if value is None else str(value)) for name, value in slurm.items()]
    else:
        parts = [part.partition("=") for part in (slurm or "").split(",") if part]
        pairs = [(name, value) for name, _, value in parts]
    for name, value in pairs:
        if not re.fullmatch(r"[a-zA-Z][\w-]*", name) or not value.isprintable():
            raise SynthesightError(
                f"`slurm={slurm!r}` is no list of sbatch's options: write them as "
                "partition=gpu,time=4:00:00,gpus=1."
            )
    return {name.replace("-", "_"): value for name, value in pairs}


def _executor(folder: Path, options: dict[str, str]) -> Any:
    try:
        import submitit
    except ImportError:
        raise SynthesightError(
            "`backend='slurm'` needs the package submitit: pip install 'synthesight[cluster]'."
        ) from None
    if options.pop(HERE, "") == "local":
        return submitit.LocalExecutor(folder)
    if shutil.which("srun") is None:
        raise SynthesightError(
            "There is no Slurm on this machine (no srun): run this on a login node, or try it "
            "here with `slurm=cluster=local`."
        )
    if "time" not in options:
        raise SynthesightError(
            "`slurm` lacks a time limit of the jobs: add one, as in partition=gpu,time=4:00:00."
        )
    executor = submitit.SlurmExecutor(folder, max_num_timeout=RESTARTS)
    executor.update_parameters(
        job_name=options.pop("job_name", NAME),
        signal_delay_s=NOTICE,
        array_parallelism=int(options.pop("array_parallelism", 1000)),
        time=minutes(options.pop("time")),
        additional_parameters={"requeue": True} | {k: v or True for k, v in options.items()},
    )
    return executor


def minutes(limit: str) -> int:
    """Return the minutes of a time limit as Slurm writes it: M, M:S, H:M:S, D-H, D-H:M, D-H:M:S."""
    match = _TIME.fullmatch(limit)
    if match is None:
        raise SynthesightError(
            f"`slurm` has time={limit}, which is no time limit: write it as 4:00:00 or 1-12:00:00."
        )
    first, second = int(match["first"]), int(match["second"] or 0)
    if match["days"] is not None:
        return int(match["days"]) * 1440 + first * 60 + second
    return first * 60 + second if match["third"] is not None else first + (second > 0)


def _last_line(error: BaseException) -> str:
    """Return the last line of a job's traceback, which says what was wrong."""
    text = str(error)
    trace = text.split(RULE)[1] if RULE in text else text
    lines = [line.strip() for line in trace.splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__).rstrip(".")
