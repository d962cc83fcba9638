"""Composes the pages. Each page is one module with `build(services) -> gr.Blocks`; those not there are left out."""

import importlib
import importlib.util

import gradio as gr

from app.pages import playground
from app.services import Services

TITLE = "Token-Shuffle Studio"
PAGES = (("gallery", "Gallery"), ("compare", "Compare"), ("arena", "Arena"), ("results", "Results"), ("about", "About"))


def build_ui(services: Services) -> gr.Blocks:
    """All pages under one queue; `/` is the Playground."""
    main = playground.build(services)
    others = {name: (title, build(name, services)) for name, title in PAGES if exists(name)}
    with gr.Blocks(title=TITLE, fill_width=True, analytics_enabled=False, delete_cache=(600, 3600)) as demo:
        gr.Navbar(main_page_name="Playground")
        main.render()
    for name, (title, page) in others.items():
        with demo.route(title, f"/{name}"):
            gr.Navbar(main_page_name="Playground")
            page.render()
    demo.queue(default_concurrency_limit=8, max_size=256)
    return demo


def exists(name: str) -> bool:
    return importlib.util.find_spec(f"app.pages.{name}") is not None


def build(name: str, services: Services) -> gr.Blocks:
    return importlib.import_module(f"app.pages.{name}").build(services)
