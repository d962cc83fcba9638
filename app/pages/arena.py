"""Arena: blind pairs, three questions each. The page only asks; app/arena/arena.py decides."""

import gradio as gr

from app.assets import text_of
from app.components.heading import heading
from app.components.visitor import visitor_token
from app.services import Services


def build(services: Services) -> gr.Blocks:
    """The page. Its component talks to the plain routes of app/arena/routes.py, not to Gradio's queue."""
    with gr.Blocks(title="Arena · Token-Shuffle Studio") as page:
        token = visitor_token(services)
        heading("Arena")
        arena = gr.HTML(
            "",
            elem_id="arena",
            html_template=text_of("arena.html"),
            css_template=text_of("arena.css"),
            js_on_load=text_of("arena.js"),
        )

        def arrive(token: str, request: gr.Request):
            """Where cookies are blocked, the visitor is known by the token that the browser keeps."""
            if services.identity.owner(request):
                return gr.skip(), gr.skip()
            kept = token if services.identity.owner_of_token(token) else services.identity.new_token()
            return kept, kept

        page.load(arrive, token, [token, arena], api_visibility="private", show_progress="hidden", queue=False)
    return page
