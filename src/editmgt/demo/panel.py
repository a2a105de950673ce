"""One edit in the page: before/after slider, map, held tokens, playback, its command and its file."""

from typing import Any

import gradio as gr

from editmgt.demo.session import Shown


class Panel:
    """The parts that show one edit; ``parts`` is everything that :meth:`show` changes."""

    def __init__(self, name: str) -> None:
        with gr.Column(min_width=300, elem_id=f"{name}-panel") as self.column:
            self.title = gr.Markdown("")
            self.slider = gr.ImageSlider(
                label="Source | edit", interactive=False, buttons=["fullscreen"], elem_id=f"{name}-slider"
            )
            with gr.Row():
                self.where = _picture("Map: where to edit")
                self.held = _picture("Held tokens")
            self.command = gr.Textbox(
                label="The same from the command line",
                interactive=False,
                lines=3,
                buttons=["copy"],
                elem_id=f"{name}-command",
            )
            self.download = gr.DownloadButton(
                "Download the edit (PNG)", interactive=False, elem_id=f"{name}-download"
            )
        self.tokens = gr.Image(
            label="Tokens",
            interactive=False,
            buttons=[],
            alt_text="the tokens after the step",
            elem_id=f"{name}-tokens",
            render=False,  # it stands elsewhere
        )
        self.parts: list[Any] = [self.column, self.title, self.slider, self.where, self.held]
        self.parts += [self.command, self.download, self.tokens]

    def show(self, shown: Shown | None) -> dict[Any, Any]:
        """What changes for an edit, or where there is none."""
        if shown is None:
            return {self.column: gr.Column(visible=False), self.tokens: gr.Image(visible=False)}
        made = shown.made
        return {
            self.column: gr.Column(visible=True),
            self.title: f"### {shown.title[0].upper()}{shown.title[1:]}",
            self.slider: (str(made.before), str(made.after)),
            self.where: str(made.where),
            self.held: str(made.held),
            self.command: shown.command,
            self.download: gr.DownloadButton(value=str(made.edit), interactive=True),
            self.tokens: gr.Image(str(made.steps[max(made.steps)]), visible=True),
        }


def _picture(label: str) -> gr.Image:
    return gr.Image(label=label, interactive=False, buttons=[], min_width=120, alt_text=label)
