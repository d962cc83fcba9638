"""About: what this is, what it can draw, whose the pictures are, how the server is, and deleting everything of one's own."""

import gradio as gr

from app import about
from app.components.heading import heading
from app.components.sign_in import sign_in
from app.components.visitor import visitor_token
from app.services import Services
from app.visit import PRIVATE, refuse, server_url


def build(services: Services) -> gr.Blocks:
    with gr.Blocks(title="About · Token-Shuffle Studio", fill_width=True, analytics_enabled=False) as page:
        token = visitor_token(services)
        with gr.Column(elem_id="about"):
            heading("About")
            gr.HTML(about.method_html() + about.checkpoint_html(services) + about.privacy_html(services))
            sign_in(services)
            with gr.Row(elem_id="forget"):
                sure = gr.Checkbox(
                    False, label="Delete every picture and prompt of mine", elem_id="sure", container=False
                )
                forget = gr.Button(
                    "Delete everything", variant="stop", size="sm", interactive=False, elem_id="forget-all"
                )
            api = gr.HTML(elem_id="api")
            server = gr.HTML(elem_id="server")
            gr.HTML(about.credits_html())

        def forget_all(wanted: bool, visitor: str, request: gr.Request) -> bool:
            gr.Success(delete_everything(services, services.identity.owner(request, visitor), wanted))
            return False

        def here(request: gr.Request) -> tuple[str, str]:
            return about.api_html(server_url(request)), about.server_html(services)

        sure.change(lambda on: gr.update(interactive=on), sure, forget, queue=False, **PRIVATE)
        forget.click(forget_all, [sure, token], sure, **PRIVATE)  # queued: a message to the visitor needs the queue
        page.load(here, None, [api, server], queue=False, **PRIVATE)
    return page


def delete_everything(services: Services, owner: str | None, wanted: bool) -> str:
    """Bury all pictures of a visitor; the sentence to show."""
    if owner is None or not wanted:
        raise refuse(ValueError("tick the box first: deleting cannot be undone"))
    count = services.store.delete_everything_of(owner)
    return f"{count} pictures were deleted." if count != 1 else "1 picture was deleted."
