"""The page's components by name, so that layout and events agree on them, and what a job's view puts into them."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.playground.views import View

SHOW_STAGE_JS = """() => {
  const stage = document.getElementById('stage'), still = matchMedia('(prefers-reduced-motion: reduce)').matches;
  if (stage.getBoundingClientRect().top > innerHeight / 2) stage.scrollIntoView({behavior: still ? 'auto' : 'smooth'});
}"""  # on a phone it lies below the controls


@dataclass(frozen=True)
class Parts:
    """inputs: by name, in the order of `Controls`. free: the row of width and height."""

    inputs: dict[str, Any]
    # what the page remembers: the browser's mark, whose pictures these are, the job that is followed, the picture shown
    token: gr.BrowserState
    owner: gr.State
    job: gr.State
    generation: gr.State

    go: gr.Button
    stop: gr.Button
    resume: gr.Button
    examples: gr.HTML
    ideas: list[gr.Button]
    surprise: gr.Button
    words: gr.HTML

    free: gr.Row
    preset: gr.Radio
    curve: gr.HTML
    cost: gr.HTML

    stage: gr.HTML
    actions: gr.Row
    replay: gr.Button
    reuse: gr.Button
    details: gr.HTML

    @property
    def controls(self) -> list[Any]:
        """The inputs as a handler takes them, for `controls_from`."""
        return list(self.inputs.values())

    @property
    def canvas(self) -> list[Any]:
        """What `show` sets."""
        return [self.stage, self.details, self.actions, self.go, self.stop, self.resume, self.generation]

    def show(self, view: View) -> dict[Any, Any]:
        return {
            self.stage: view.stage,
            self.details: view.details,
            self.actions: gr.update(visible=view.generation_id is not None),
            self.go: gr.update(visible=not view.busy),
            self.stop: gr.update(visible=view.busy),
            self.resume: gr.update(visible=view.resumable),
            self.generation: view.generation_id,
        }
