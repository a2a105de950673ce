"""The page: what is chosen on the left, what comes of it on the right."""

import argparse
import html
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from editmgt.config.presets import presets
from editmgt.demo.editor_process import Worker
from editmgt.demo.examples import write_scenes
from editmgt.demo.panel import Panel
from editmgt.demo.session import NOTHING, SPEEDS, Picture, Session, Shown
from editmgt.editing.hold_rules import RULES
from editmgt.editing.settings import ATTENDS, HOLD_TIMES, MAP_SOURCES, OPTIONS, SETTINGS, EditSettings
from editmgt.errors import UserError

MAX_BYTES = 100_000_000  # of an upload
WAITING = 16  # edits that wait for one another; more are refused
TEAL = "rgb(0, 150, 136)"  # what is drawn where the picture may change, as in the pictures of what is held
PAUSE = 0.4  # seconds between steps that are played
HERE = Path(__file__).parent
CHOICES = {
    "reference_attends": ATTENDS,
    "hold_rule": RULES,
    "hold_when": HOLD_TIMES,
    "map_source": MAP_SOURCES,
}


class Page:
    """The page of one editor, for as long as the command runs."""

    def __init__(self, options: argparse.Namespace, worker: Worker, folder: Path) -> None:
        self.presets = presets("hold_setup")
        self.scenes = write_scenes(folder / "scenes")
        self.session = Session(options, worker, folder / "edits", self.presets)
        with gr.Blocks(title="EditMGT", analytics_enabled=False) as self.blocks:
            gr.Markdown(
                f"# EditMGT\nEdit a picture by instruction, and see what happens inside. The editor: `{options.checkpoint}`"
            )
            with gr.Row():
                with gr.Column(scale=2, min_width=320):
                    self._choices()
                # hidden before the first edit: Gradio's empty pictures are no help to anyone
                with gr.Column(scale=3, min_width=320), gr.Column(visible=False) as self.results:
                    self._results()
            self._events()
        self.blocks.queue(max_size=WAITING, default_concurrency_limit=1)

    def launch(self, host: str, port: int) -> None:
        """Serve the page at this address, and return."""
        fonts, mono = ["system-ui", "sans-serif"], ["ui-monospace", "monospace"]
        self.blocks.launch(
            server_name=host,
            server_port=port,
            share=False,
            prevent_thread_lock=True,
            quiet=True,
            show_error=True,
            max_file_size=MAX_BYTES,
            footer_links=[],
            run_history=False,
            pwa=False,
            ssr_mode=False,
            _frontend=False,  # else Gradio gives up where its page takes three seconds to answer, as on a busy machine
            mcp_server=False,
            enable_monitoring=False,
            # Gradio's own greys, and white on its orange, are too pale to be read
            theme=gr.themes.Default(primary_hue="teal", font=fonts, font_mono=mono).set(
                body_text_color_subdued="*neutral_600",
                body_text_color_subdued_dark="*neutral_300",
                button_primary_background_fill="*primary_700",
                button_primary_background_fill_dark="*primary_700",
                button_primary_background_fill_hover="*primary_800",
                button_primary_background_fill_hover_dark="*primary_800",
            ),
            css_paths=HERE / "page.css",
        )

    def _choices(self) -> None:
        first, view, instruction = self.scenes[0]
        self.picture = gr.State(Picture(first, (64, 64)))
        self.gallery = gr.Gallery(
            [str(view) for _, view, _ in self.scenes],
            label="Scenes to try",
            columns=3,
            rows=2,
            height="auto",
            allow_preview=False,
            interactive=False,
            buttons=[],
            elem_id="scenes",
        )
        self.upload = gr.File(
            label="Or a picture of your own", file_types=["image"], height=150, elem_id="upload"
        )
        self.view = gr.Image(
            str(view), label="Picture", interactive=False, buttons=[], alt_text="the picture to edit"
        )
        self.notice = gr.HTML(elem_id="notice")
        self.instruction = gr.Textbox(
            instruction, label="Instruction", info="What to change.", elem_id="instruction"
        )
        self.beside = gr.Dropdown(
            self.session.beside,
            value=NOTHING,
            label="Beside it, of the same seed",
            info="One thing changed, or another way to hold.",
            elem_id="beside",
        )
        self.button = gr.Button("Edit", variant="primary", elem_id="edit")
        self.status = gr.HTML(elem_id="status")
        with gr.Accordion("Only a part of the picture", open=False, elem_id="part"):
            self.drawing = gr.ImageEditor(
                str(view),
                label="Draw where it may change",
                type="pil",
                sources=(),
                transforms=(),
                layers=False,
                format="png",
                canvas_size=(512, 512),
                brush=gr.Brush(colors=[TEAL], color_mode="fixed", default_size=48),
                buttons=[],
                elem_id="drawing",
            )
            self.box = gr.Textbox(
                "", label="Or a box", info="left top right bottom, in percent: 10 20 60 80", elem_id="box"
            )
            self.mask = gr.File(
                label="Or a mask of the picture's size: white may change",
                file_types=["image"],
                height=150,
                elem_id="mask",
            )
        with gr.Accordion("Settings", open=False, elem_id="settings"):
            self._settings()

    def _settings(self) -> None:
        """What a command line of ``edit.py`` chooses; empty, which is the checkpoint's own, until that is loaded."""
        self.preset = gr.Dropdown([*self.presets], label="A way to hold, by its name", value=None)
        self.settings = {name: _field(name) for name in OPTIONS}
        self.others: dict[str, Any] = {
            "speed": gr.Dropdown(
                [("as the checkpoint was finished", ""), *SPEEDS.values()],
                value="",
                label="Speed",
                info="What the edit may leave out; settings above that differ from the checkpoint's stay.",
                elem_id="speed",
            ),
            "seed": gr.Number(0, label="Seed", precision=0),
            "query": gr.Textbox(
                "", label="Query", info="a word of the instruction, whose attention says where"
            ),
            "composite": gr.Checkbox(
                False,
                label="Composite",
                info="outside the edited region every pixel stays the picture's own",
            ),
        }

    def _results(self) -> None:
        with gr.Row():
            self.panels = [Panel("edit"), Panel("beside")]
        with gr.Row():
            self.step = gr.Slider(
                1, 2, value=1, step=1, label="Tokens after step", scale=4, min_width=200, elem_id="step"
            )
            self.play = gr.Button("Play", scale=1, min_width=80, elem_id="play")
        with gr.Row():
            for panel in self.panels:
                panel.tokens.render()
        gr.Markdown("Grey: not known yet. Green: held, the picture's own code.")
        self.frames = gr.State([])
        self.files = gr.File(
            label="Files that the commands read", interactive=False, file_count="multiple", elem_id="files"
        )

    def _events(self) -> None:
        session = self.session
        taken = [self.picture, self.view, self.drawing, self.notice, self.status]

        def pick(event: gr.SelectData) -> list[Any]:
            file, view, instruction = self.scenes[event.index]
            return [Picture(file, (64, 64)), str(view), str(view), "", "", instruction, None]

        self.gallery.select(pick, None, [*taken, self.instruction, self.upload], api_visibility="private")
        self.upload.upload(self._take, self.upload, taken, concurrency_id="editor", api_visibility="private")
        self.blocks.load(
            lambda: [session.own()[name] for name in self.settings],
            None,
            [*self.settings.values()],
            show_progress="hidden",
            api_visibility="private",
        )
        self.preset.input(
            lambda name: [self.presets[name].get(key, gr.skip()) for key in self.settings],
            self.preset,
            [*self.settings.values()],
            show_progress="hidden",
            api_visibility="private",
        )
        inputs = [self.instruction, *self.settings.values(), *self.others.values()]
        self.button.click(
            self._edit,
            [self.picture, self.drawing, self.box, self.mask, self.beside, *inputs],
            [
                self.status,
                self.results,
                *(part for panel in self.panels for part in panel.parts),
                self.step,
                self.frames,
                self.files,
            ],
            show_progress_on=[self.status],
            concurrency_id="editor",
            api_visibility="private",
        )
        frames = [panel.tokens for panel in self.panels]
        self.step.change(
            _frames,
            [self.step, self.frames],
            frames,
            queue=False,
            show_progress="hidden",
            api_visibility="private",
        )
        self.play.click(_play, self.frames, self.step, show_progress="hidden", api_visibility="private")

    def _take(self, upload: str) -> list[Any]:
        try:
            picture, looked = self.session.take(upload)
        except UserError as error:
            return [gr.skip(), gr.skip(), gr.skip(), gr.skip(), _mistake(error)]
        return [picture, str(looked.view), str(looked.view), _notice(looked.note), ""]

    def _edit(
        self,
        picture: Picture,
        drawing: dict[str, Any] | None,
        box: str,
        mask: str | None,
        beside: str,
        *chosen: Any,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Iterator[dict[Any, Any]]:
        values = dict(zip(["instruction", *self.settings, *self.others], chosen, strict=True))
        shown: list[Shown] = []
        try:
            for edit in self.session.edit(
                picture,
                values,
                beside,
                layers=drawing["layers"] if drawing else (),
                box=box,
                mask_file=mask,
                progress=lambda title, done, total: progress((done, total), desc=title, unit="steps"),
            ):
                shown.append(edit)
                yield self._show(shown)
            yield {self.status: _said(line for edit in shown for line in edit.made.lines)}
        except UserError as error:
            yield {self.status: _mistake(error)}

    def _show(self, shown: list[Shown]) -> dict[Any, Any]:
        """What changes in the page for one edit, or for two beside each other."""
        updates: dict[Any, Any] = {}
        for i, panel in enumerate(self.panels):
            updates |= panel.show(shown[i] if i < len(shown) else None)
        frames = [edit.made.steps for edit in shown]
        last = max(_steps(frames))
        return updates | {
            self.results: gr.Column(visible=True),
            self.step: gr.Slider(maximum=max(last, 2), value=last),  # Gradio has no slider of one value
            self.frames: frames,
            self.files: [str(file) for file in shown[0].files],
        }


def _field(name: str) -> Any:
    """A setting's field, empty until the checkpoint's own value is known, with what ``edit.py --help`` says of it."""
    said: dict[str, Any] = {"label": name.replace("_", " ").capitalize(), "info": SETTINGS[name].option}
    if name in CHOICES:
        return gr.Dropdown([*CHOICES[name]], value=None, **said)
    kind = type(getattr(EditSettings, name))
    if kind is bool:  # a checkbox has no third state for what is not known yet
        return gr.Radio([("on", True), ("off", False)], value=None, **said)
    if kind is str:
        return gr.Textbox("", **said)
    return gr.Number(precision=0, **said) if kind is int else gr.Number(step=0.05, **said)


def _steps(frames: list[dict[int, Path]]) -> list[int]:
    """The steps whose tokens were drawn, of any of the edits: one may take more than the other."""
    return sorted({step for of in frames for step in of})


def _frames(step: int, frames: list[dict[int, Path]]) -> list[Any]:
    """The tokens after ``step``, or after the nearest step that was drawn."""
    if not frames:
        return [gr.skip(), gr.skip()]
    pictures = [str(of[min(of, key=lambda known: abs(known - step))]) for of in frames]
    return [*pictures, gr.skip()][:2]


def _play(frames: list[dict[int, Path]]) -> Iterator[int]:
    for step in _steps(frames):
        yield step
        time.sleep(PAUSE)


def _said(lines: Iterable[str]) -> str:
    return f'<p role="status">{"<br>".join(map(html.escape, lines))}</p>'


def _mistake(error: UserError) -> str:
    return f'<p role="alert">{html.escape(str(error))}</p>'


def _notice(note: str) -> str:
    return note and f'<p role="note">{html.escape(note)}</p>'
