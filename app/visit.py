"""What every page shares with its handlers: private events, a refusal in words, what was seen, the addresses of a
request, when a job has ended."""

import ipaddress
from collections.abc import Iterable
from html import escape

import gradio as gr

from storage.records import Generation
from storage.store import Store

PRIVATE = {"show_progress": "hidden", "api_visibility": "private"}  # an event that no API offers and no spinner covers
AT_REST = ("done", "failed", "cancelled", "interrupted")  # of a job: nothing more comes unless somebody asks for it


def refuse(error: Exception) -> gr.Error:
    """A refusal that the visitor sees, in a message that is HTML; no traceback in the log."""
    return gr.Error(escape(str(error), quote=False), print_exception=False)


def note_seen(store: Store, viewer: str | None, made: Iterable[Generation]) -> None:
    """Whoever sees pictures with their settings will not rate them blind."""
    if viewer is not None:
        store.note_sightings(viewer, [each.id for each in made if each.owner != viewer])


def address_of(request: gr.Request | None) -> str | None:
    """The network address behind a request; proxies are trusted only as the server was told to trust them. Of IPv6 it is the
    /64: each household has one, with more addresses than could ever be counted."""
    client = getattr(request, "client", None)
    host = getattr(client, "host", None)
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:  # a socket, or a stand-in of a test
        return host
    if address.version == 4:
        return str(address)
    return str(address.ipv4_mapped or ipaddress.ip_network((int(address), 64), strict=False))


def server_url(request: gr.Request) -> str:
    """This server as the visitor's browser reaches it, which may be by https to a proxy that speaks http with us."""
    url = request.request.base_url
    if request.headers.get("x-forwarded-proto", "").partition(",")[0].strip() == "https":
        url = url.replace(scheme="https")
    return str(url).rstrip("/")
