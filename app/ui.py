"""Composes the pages. Each page is one module with `build(services) -> gr.Blocks`."""

import json

import gradio as gr

from app.pages import about, arena, compare, gallery, playground, results
from app.services import Services

TITLE = "Token-Shuffle Studio"
PAGES = {"Gallery": gallery, "Compare": compare, "Arena": arena, "Results": results, "About": about}


def build_ui(services: Services) -> gr.Blocks:
    """All pages under one queue; `/` is the Playground."""
    main = playground.build(services)
    others = {title: page.build(services) for title, page in PAGES.items()}
    with gr.Blocks(title=TITLE, fill_width=True, analytics_enabled=False, delete_cache=(600, 3600)) as demo:
        gr.Navbar(main_page_name="Playground")
        main.render()
    for title, page in others.items():
        with demo.route(title, f"/{title.lower()}"):
            gr.Navbar(main_page_name="Playground")
            page.render()
            demo.load(js=titled(page.title))
    demo.queue(default_concurrency_limit=8, max_size=256)
    return demo


def titled(title: str) -> str:
    """Script that names the browser's tab: a route has the title of the whole otherwise."""
    return f"() => {{ document.title = {json.dumps(title)}; }}"
