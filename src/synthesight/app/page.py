"""The app's page: an image, classes and a model on the left, and what to do with them in tabs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from synthesight.app.dial import DIALS, dialled
from synthesight.app.html import said, waiting
from synthesight.app.models import Models
from synthesight.app.pictures import ambiguous, stimulus_of, write_examples
from synthesight.app.rivals import MINE, rivalled
from synthesight.app.watch import watched
from synthesight.app.where import DRAWS, located

TITLE = "Synthesight: watch a generative classifier see"
ONE = "model"  # what runs a model runs alone
YOU = "You"
TRIALS = '<iframe src="you/" title="You as an observer: 20 flashed images" class="trials"></iframe>'


def build(models: Models, folder: Path) -> Any:
    """Return the page, a gradio ``Blocks``.

    Parameters
    ----------
    models
        What it shows images to.
    folder
        Where its example images are written.
    """
    import gradio as gr

    stops: dict[str | None, threading.Event] = {}
    examples = {str(path): name for name, path in write_examples(folder).items()}
    first, second = list(examples)[:2]

    def stopped_by(request: Any) -> threading.Event:
        stop = stops[request.session_hash] = threading.Event()
        return stop

    def start(path: str | None, model: str, classes: str, request: Any) -> Iterator[str]:
        stop = stopped_by(request)
        yield from said(lambda: watched(models, stimulus_of(path), model, classes, stop))()

    def turn(
        path: str | None, model: str, classes: str, kind: str, level: float, other: str | None,
        request: Any,
    ) -> Iterator[str]:  # fmt: skip
        yield from said(dialled)(
            models, path, model, classes, kind, level, other, stopped_by(request)
        )

    def halt(request: Any) -> None:
        stops.pop(request.session_hash, threading.Event()).set()

    for takes_request in (start, turn, halt):  # by this type, gradio knows what to pass
        takes_request.__annotations__["request"] = gr.Request

    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(600, 3600)) as page:
        gr.Markdown(f"# {TITLE}")
        with gr.Row():
            with gr.Column(scale=1, min_width=280, visible=True) as left:
                dropped: dict[str, Any] = {
                    "type": "filepath", "image_mode": None, "sources": ["upload", "clipboard"],
                    "buttons": [],
                }  # fmt: skip
                image = gr.Image(value=first, label="Image", height=260, **dropped)
                gr.Markdown("Drawn examples")
                with gr.Row(elem_classes="examples"):
                    for path, name in examples.items():
                        chosen = gr.Button(name, icon=path, size="sm", min_width=96)
                        chosen.click(
                            partial(str, path), None, image, queue=False, show_progress="hidden"
                        )
                model = gr.Dropdown(
                    models.names,
                    value=models.first,
                    label="Model",
                    info="Or any name that `synthesight models` lists, a folder, or owner/model.",
                    allow_custom_value=True,
                )
                classes = gr.Textbox(
                    label="Classes",
                    info="With commas between. Empty: those that the model knows.",
                    placeholder="cat, dog, truck",
                )
            with gr.Column(scale=2, min_width=300), gr.Tabs() as tabs:
                given = [image, model, classes]
                how: dict[str, Any] = {"concurrency_id": ONE, "concurrency_limit": 1}
                with gr.Tab("Watch"):
                    with gr.Row():
                        go = gr.Button("Watch", variant="primary")
                        stop = gr.Button("Stop")
                    race = gr.HTML(waiting("Evidence creeps apart draw by draw."))
                    live: dict[str, Any] = {"show_progress": "hidden", **how}
                    go.click(halt, queue=False).then(start, given, race, **live)
                    stop.click(halt, queue=False)
                with gr.Tab("Where"):
                    with gr.Row():
                        of = gr.Textbox(label="For", info="Empty: the class that is chosen.")
                        against = gr.Textbox(label="Against", info="Empty: its strongest rival.")
                    draws = gr.Slider(16, 256, DRAWS, step=16, label="Draws of a class, at most")
                    go = gr.Button("Show where", variant="primary")
                    place = gr.HTML(waiting("Which places speak for one class, which for another."))
                    go.click(
                        said(partial(located, models)), [*given, of, against, draws], place, **how
                    )
                with gr.Tab("Rival prompts"):
                    names = [(title, name) for name, title in ambiguous().items()]
                    picture = gr.Dropdown(
                        [*names, ("The image on the left", MINE)],
                        value="bird-airplane",
                        label="Ambiguous picture",
                    )
                    with gr.Row():
                        one = gr.Textbox(label="First reading", info="A prompt. Empty: its own.")
                        rival = gr.Textbox(label="Second reading", info="The rival prompt.")
                    noise = gr.Slider(0.1, 1.0, 0.6, step=0.05, label="Noise, from image to noise")
                    go = gr.Button("Find it again", variant="primary")
                    found = gr.HTML(
                        waiting("The same noise, and two descriptions of what is in it.")
                    )
                    asked = [image, model, picture, one, rival, noise]
                    go.click(said(partial(rivalled, models)), asked, found, **how)
                with gr.Tab("Dial"):
                    kind = gr.Radio(list(DIALS), value="contrast", label="Dial")
                    level = gr.Slider(**DIALS["contrast"])
                    other = gr.Image(
                        value=second, label="Second image", height=180, visible=False, **dropped
                    )
                    with gr.Row():
                        go = gr.Button("Answer", variant="primary")
                        stop = gr.Button("Stop")
                    answer = gr.HTML(waiting("Turn the dial, and see the answer change."))
                    kind.change(
                        lambda name: (
                            gr.Slider(**DIALS[name]),
                            gr.Image(visible=name == "hybrid"),
                        ),
                        kind,
                        [level, other],
                        queue=False,
                    )
                    asked = [*given, kind, level, other]
                    for event in (go.click, level.release):
                        event(halt, queue=False).then(turn, asked, answer, **live)
                    stop.click(halt, queue=False)
                with gr.Tab(YOU):
                    gr.HTML(TRIALS)
        for tab in tabs.children:  # the trials need no image, model or classes
            show = partial(gr.Column, visible=tab.label != YOU)
            tab.select(show, None, left, queue=False, show_progress="hidden")
        page.unload(halt)
    return page
