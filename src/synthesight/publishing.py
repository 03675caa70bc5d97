"""Push runs to a dataset repository of the Hugging Face Hub, with a card."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from synthesight.analysis import get_metric
from synthesight.citation import cite
from synthesight.errors import SynthesightError, first_line
from synthesight.stimuli.datasets import datasets
from synthesight.trials.record import RECORD
from synthesight.trials.state import check_finished, state_of
from synthesight.trials.store import Run

# What makes a run, and nothing else: no images, no marks of processes, nothing that is damaged.
FILES = (RECORD, "part-*.parquet", "planned-stimuli/part-*.parquet", "draws/part-*.parquet",
         "draws/schedule-*.json", "processes/computed-*.json")  # fmt: skip
CARD = "README.md"
LICENCE = "cc-by-4.0"


@dataclass(frozen=True)
class Push:
    """What is pushed, or would be.

    Attributes
    ----------
    repository
        ``owner/name`` of the dataset.
    private
        Whether only its owner may read it.
    files
        Each file by its path in the repository.
    card
        Text of the dataset card.
    remarks
        What to know before it is read by others.
    """

    repository: str
    private: bool
    files: dict[str, Path]
    card: str
    remarks: list[str]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(path.stat().st_size for path in self.files.values())


def plan_push(
    runs: Sequence[Run | str | Path],
    repository: str,
    *,
    public: bool = False,
    licence: str = LICENCE,
    unfinished: bool = False,
) -> Push:
    """Return what :func:`push` pushes of runs.

    Parameters
    ----------
    runs
        Runs, or their folders on this machine.
    repository
        ``owner/name`` of the dataset.
    public
        Whether everybody may read it.
    licence
        Licence of the trials, as the Hub writes it; that of the images is their owners'.
    unfinished
        Whether to take runs before all of their stimuli have a trial.

    Raises
    ------
    SynthesightError
        If a folder is no run, is damaged or not finished, two have one name, or the repository's
        name cannot be.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repository)
        named = repository.count("/") == 1
    except HFValidationError:
        named = False
    if not named:
        raise SynthesightError(
            f"{repository!r} is no repository of the Hub: give owner/name, such as me/my-runs."
        )
    opened = [run if isinstance(run, Run) else Run.open(run) for run in runs]
    folders = [Path(run.folder) for run in opened]
    names = [folder.resolve().name for folder in folders]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise SynthesightError(f"Two runs are called {twice}: rename the folder of one.")
    remarks = check_finished(folders, unfinished=unfinished)
    files = {
        f"runs/{name}/{path.relative_to(folder).as_posix()}": path
        for name, folder in zip(names, folders, strict=True)
        for pattern in FILES
        for path in sorted(folder.glob(pattern))
    }
    for run, folder in zip(opened, folders, strict=True):
        text = (folder / RECORD).read_text("utf-8")
        if str(Path.home()) in text or "/home/" in text or "\\Users\\" in text:
            remarks.append(f"{run.folder / RECORD} names paths of this machine.")
    card = _card(opened, names, repository, licence)
    return Push(repository, not public, files, card, remarks)


def push(plan: Push, *, api: Any = None) -> str:
    """Push runs in one commit, and return the address of the dataset.

    Parameters
    ----------
    plan
        What :func:`plan_push` returned.
    api
        A ``huggingface_hub.HfApi``; None for one with the login of this machine.

    Raises
    ------
    SynthesightError
        If there is no login, the Hub refuses or cannot be reached, or the repository is there and
        public where a private one was asked for.
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import LocalTokenNotFoundError, OfflineModeIsEnabled

    api = HfApi() if api is None else api
    whole = plan.files | {CARD: plan.card.encode()}
    try:
        api.create_repo(plan.repository, repo_type="dataset", private=plan.private, exist_ok=True)
        known = api.repo_info(plan.repository, repo_type="dataset")
        if plan.private and not known.private:
            raise SynthesightError(
                f"{plan.repository} is there, and public: give `public` to let everybody read the "
                "runs, or name another repository."
            )
        api.create_commit(
            plan.repository,
            [CommitOperationAdd(name, source) for name, source in whole.items()],
            repo_type="dataset",
            commit_message=f"Add {len({name.split('/')[1] for name in plan.files})} runs",
        )
    except LocalTokenNotFoundError:
        raise SynthesightError(
            "There is no login of the Hub on this machine: run `hf auth login`."
        ) from None
    except OfflineModeIsEnabled:
        raise SynthesightError("HF_HUB_OFFLINE is set, so nothing is pushed: unset it.") from None
    except SynthesightError:
        raise
    except Exception as error:  # whatever the Hub answers, or the network
        raise SynthesightError(
            f"The Hub did not take the runs ({first_line(error)}): check the connection, the login "
            f"and that you may write to {plan.repository}."
        ) from error
    return f"https://huggingface.co/datasets/{plan.repository}"


def _card(runs: Sequence[Run], names: Sequence[str], repository: str, licence: str) -> str:
    configs = "".join(
        f"- config_name: {json.dumps(name)}\n"
        f"  data_files: {json.dumps(f'runs/{name}/part-*.parquet')}\n"
        for name in names
    )
    rows = [
        "| run | observer | dataset | trials | accuracy (95 % interval) | passes an image |",
        "|---|---|---|---|---|---|",
    ]
    for run, name in zip(runs, names, strict=True):
        trials = run.trials().filter(pl.col("error").is_null())
        passes = trials.group_by("observer", "dataset", maintain_order=True).agg(
            pl.len(), pl.col("evaluations").mean()
        )
        # A run without right answers has no accuracy, and is listed all the same.
        accuracy = get_metric("accuracy").function(trials)
        table = passes.join(accuracy, on=["observer", "dataset"], how="left")
        escaped = name.replace("|", r"\|")
        rows += [
            f"| {escaped} | {row['observer']} | {row['dataset']} | {row['len']} | "
            f"{_interval(row)} | {row['evaluations'] or 0:.1f} |"
            for row in table.iter_rows(named=True)
        ]
    facts = [_provenance(run, name) for run, name in zip(runs, names, strict=True)]
    dataset_names = {name for run in runs for name in run.datasets()}
    known = datasets()
    licences = [
        f"- {name}: {known[name].licence if name in known else 'ask its owner'}"
        for name in sorted(dataset_names)
    ]
    return "\n".join([
        f"---\nlicense: {licence}\ntags: [synthesight, trials]\nconfigs:\n{configs}---",
        f"# {repository.partition('/')[2]}",
        "Trials of models that were shown images, made with "
        "[Synthesight](https://github.com/synthesight/synthesight). A row is one response to one "
        "image. Read a run with `synthesight.Run`; a part that was joined may hold a trial twice.",
        "", *rows, "", "## Provenance", "", *facts, "",
        "## Images", "", "The images are not here. Their licences are:", "", *licences, "",
        "## Citation", "", "```bibtex", cite(*runs).rstrip(), "```", "",
    ])  # fmt: skip


def _interval(row: dict[str, Any]) -> str:
    if row["estimate"] is None:
        return "no right answers"
    return f"{row['estimate']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"


def _provenance(run: Run, name: str) -> str:
    manifest = run.manifest
    observer = manifest.get("observer") or {}
    rule = (observer.get("rule") or {}).get("name")
    facts = {
        "model": observer.get("model"),
        "prompts": "; ".join(observer.get("prompts") or []) or None,
        "rule": rule,
        "weighting": observer.get("weighting") if isinstance(observer.get("weighting"), str)
        else None,
        "seed": observer.get("seed"),
        "device": manifest.get("device"),
        "begun": manifest.get("started"),
        "images": state_of(run.folder).done,
        "versions": ", ".join(f"{k} {v}" for k, v in (manifest.get("versions") or {}).items()),
    }  # fmt: skip
    told = "; ".join(f"{key}: {value}" for key, value in facts.items() if value is not None)
    return f"- **{name}**: {told}"
