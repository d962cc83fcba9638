"""The sign-in button, where it can work: on a Space with OAuth. Anywhere else Gradio would refuse to start with it."""

import gradio as gr

from app.services import Services


def sign_in(services: Services) -> gr.LoginButton | None:
    if not services.settings.oauth:
        return None
    return gr.LoginButton(size="sm", elem_id="sign-in", min_width=120)
