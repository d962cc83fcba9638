"""How the studio is served: theme, style, script and every launch argument, shared by app.py and the tests."""

import os
from typing import Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr
from starlette.middleware import Middleware

from app.arena import routes as arena_routes
from app.assets import text_of
from app.results.report import write_report
from app.services import Services
from app.studies import download
from app.web.identity import VisitorCookie
from app.web.media import routes
from app.web.security import SecurityHeaders

EVENTS_AT_ONCE = 256  # of all visitors: whoever watches or awaits a queued job takes one, and the jobs alone may be 64


def theme() -> gr.themes.Base:
    """Base with an indigo accent and fonts that Gradio ships, so that no request leaves the host.

    Weight 700, not the default 600: the SemiBold files of IBM Plex that Gradio 6.31 ships lack the Latin letters.
    """
    weights = (400, 700)
    accent = gr.themes.colors.indigo
    return gr.themes.Base(
        primary_hue=accent,
        secondary_hue=accent,
        neutral_hue="slate",
        radius_size="lg",
        text_size="md",
        font=[gr.themes.GoogleFont("IBM Plex Sans", weights=weights), "system-ui", "sans-serif"],
        font_mono=[gr.themes.GoogleFont("IBM Plex Mono", weights=weights), "ui-monospace", "monospace"],
    ).set(
        body_background_fill="#f7f8fb",
        body_background_fill_dark="#0d1017",
        body_text_color_subdued="#596980",  # contrast 5.3 on the page; WCAG asks for 4.5, Base has 2.6
        input_placeholder_color="#596980",
        input_placeholder_color_dark="#8b9ab0",
        block_background_fill="white",
        block_background_fill_dark="#151a23",
        block_border_color_dark="#252c39",
        border_color_primary_dark="#2a3242",
        input_border_width="1px",
        input_border_color="*border_color_primary",
        input_border_color_dark="*border_color_primary",
        input_background_fill="white",
        input_background_fill_dark="#10141c",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_shadow="0 1px 2px rgb(15 23 42 / .05)",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_500",
        button_primary_text_color="white",
        slider_color="*primary_500",
    )


def head() -> str:
    """What stands in every page before its components, whose scripts use it."""
    return f"<script>{text_of('zoom.js', 'studio.js')}</script><style>{text_of('nav.css')}</style>"


def launch_arguments(services: Services) -> dict[str, Any]:
    """Arguments of `Blocks.launch`; nothing is served but the pages, signed pictures and the packaged assets."""
    on_space = services.settings.on_space
    around = [
        Middleware(SecurityHeaders, on_space=on_space),
        Middleware(VisitorCookie, identity=services.identity, cross_site=on_space),
    ]
    return {
        "theme": theme(),
        "css": text_of("studio.css", "results.css"),
        "head": head(),
        "app_kwargs": {
            "routes": [
                *routes(services),
                *arena_routes.routes(services),
                download.route(services, download.VOTES, download.write_votes),
                download.route(services, download.REPORT, write_report),
            ],
            "middleware": around,
        },
        "server_name": services.settings.host,
        "server_port": services.settings.port,
        "footer_links": ["api"],
        "show_error": False,
        "share": False,
        "enable_monitoring": False,
        "run_history": False,
        "mcp_server": False,
        "max_threads": EVENTS_AT_ONCE,
        "max_file_size": "5mb",
        "blocked_paths": [str(services.settings.data_dir)],
        "state_session_capacity": 1000,
        "ssr_mode": False,
        "pwa": False,
    }
