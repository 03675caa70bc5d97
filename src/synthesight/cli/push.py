"""``synthesight push``: give runs to others, through the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthesight.cli.commands import say


def push(
    runs: Annotated[list[Path], typer.Argument(help="Runs of `evaluate` or of a study.")],
    repository: Annotated[str, typer.Argument(help="Dataset of the Hub: owner/name.")],
    public: Annotated[
        bool, typer.Option("--public", help="Let everybody read it. Default: only its owner.")
    ] = False,
    licence: Annotated[
        str, typer.Option("--licence", "--license", help="Of the trials, as the Hub writes it.")
    ] = "cc-by-4.0",
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Take runs before all stimuli have a trial.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Print files and card, and push nothing.")
    ] = False,
) -> None:
    """Push runs to a dataset repository of the Hugging Face Hub, with a card; no images."""
    from synthesight.encoding import printable
    from synthesight.publishing import plan_push
    from synthesight.publishing import push as push_planned

    plan = plan_push(runs, repository, public=public, licence=licence, unfinished=unfinished)
    for remark in plan.remarks:
        say(remark)
    who = "private" if plan.private else "public"
    told = f"{len(plan.files)} files, {plan.size / 1e6:.1f} MB, {who}"
    if dry_run:
        print(printable("\n".join(plan.files)))
        print(plan.card)
        print(f"Would push to {repository}: {told}.")
        return
    print(f"{push_planned(plan)} has {told}.")
