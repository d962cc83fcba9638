"""Who a browser is, where it keeps no cookies: a signed token in its own storage, the same on all pages."""

import gradio as gr

from app.services import Services


def visitor_token(services: Services) -> gr.BrowserState:
    """Empty until a page has named the visitor (app/web/identity.py)."""
    return gr.BrowserState("", storage_key="studio-visitor", secret=services.identity.browser_key)
