"""Arena: blind pairs, three questions each. The page only asks; app/arena/arena.py decides."""

from pathlib import Path

import gradio as gr

from app.components.heading import heading
from app.services import Services

ASSETS = Path(__file__).parent.parent / "assets"


def build(services: Services) -> gr.Blocks:
    """The page. Its component talks to the plain routes of app/arena/routes.py, not to Gradio's queue."""
    with gr.Blocks(title="Arena") as page:
        token = gr.BrowserState("", storage_key="studio-visitor", secret=services.identity.browser_key)
        heading("Arena")
        arena = gr.HTML(
            "",
            elem_id="arena",
            html_template=_asset("arena.html"),
            css_template=_asset("arena.css"),
            js_on_load=_asset("arena.js"),
        )

        def arrive(token: str, request: gr.Request):
            """Where cookies are blocked, the visitor is known by the token that the browser keeps."""
            if services.identity.owner(request):
                return gr.skip(), gr.skip()
            kept = token if services.identity.owner_of_token(token) else services.identity.new_token()
            return kept, kept

        page.load(arrive, token, [token, arena], api_visibility="private", show_progress="hidden", queue=False)
    return page


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")
