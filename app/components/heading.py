"""A page's heading for whoever listens to it; the bar of pages shows everybody else where they are."""

import gradio as gr


def heading(text: str) -> gr.HTML:
    """Plain text, from the page itself."""
    return gr.HTML(f'<h1 class="heard">{text}</h1>', padding=False)
