"""``synthesight reconstruct``, ``frequency`` and all other probes: a command for each."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer

from synthesight.cli.options import Model, with_options, written_to
from synthesight.observers.options import ModelOptions
from synthesight.probes.registry import Probe

Images = Annotated[
    list[str], typer.Argument(help="Images, or what `evaluate --stimuli` takes: folders, tables.")
]


def command_of(probe: Probe) -> Callable[..., None]:
    """Return the command of a probe: a model's options, a folder to write to, and its own."""

    def run(
        images: list[str], options: ModelOptions, model: str, out: Path | None, **own: Any
    ) -> None:
        from rich.console import Console

        from synthesight.cli.output import frame_table
        from synthesight.observers.loading import open_observer
        from synthesight.observers.registry import resolve
        from synthesight.probes.rivals import rivals
        from synthesight.report.kept import keep_section
        from synthesight.stimuli.find import find_stimuli

        folder = out or Path(probe.name)
        resolve(model)
        stimuli = find_stimuli(images)
        observer = open_observer(model, rivals(options))
        section = probe.function(observer, stimuli, **own)
        keep_section(section, folder, observer.describe() | {"options": own})
        for name, table in list(section.tables.items())[:1]:
            Console().print(frame_table(table, name))
        print(f"Figures and tables are in {folder}; `synthesight report {folder}` shows them.")

    own = [
        each.replace(annotation=hint)
        for each in signature(probe.function).parameters.values()
        if each.kind is Parameter.KEYWORD_ONLY and (hint := _option(probe.function, each.name))
    ]
    keyword = Parameter.KEYWORD_ONLY
    about = written_to(f"Folder of figures and tables: {probe.name}.")
    common = [
        Parameter("images", keyword, annotation=Images),
        Parameter("options", keyword, annotation=ModelOptions),
        Parameter("model", keyword, annotation=Model, default="natural-32"),
        Parameter("out", keyword, annotation=Annotated[Path | None, about], default=None),
    ]
    made = signature(run).replace(parameters=[*common, *own])
    run.__signature__ = made  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in (*common, *own)}
    about_probe = probe.function.__doc__ or probe.title
    run.__name__, run.__doc__ = probe.name, about_probe.split("\n\n")[0]
    return with_options(ModelOptions)(run)


def _option(function: Callable[..., Any], name: str) -> Any:
    """Return the annotation of an option, from what a probe declares of a keyword; else None."""

    def only() -> None: ...

    # The other annotations may be of modules that are heavy, and so not imported.
    only.__annotations__ = {name: function.__annotations__.get(name, Any)}
    hint = get_type_hints(only, function.__globals__, include_extras=True)[name]
    facts = next((each for each in get_args(hint)[1:] if isinstance(each, dict)), None)
    if facts is None:
        return None
    about = typer.Option(help=facts["help"], min=facts["least"])
    text: Any = facts["text"]
    return Annotated[text | None, about]
