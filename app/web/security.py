"""Headers that tell browsers what this studio never needs, on every answer."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HUB = "https://huggingface.co https://*.hf.space"  # a Space's page is a frame inside the Hub's
# Gradio's own pages hold inline scripts, and its HTML components compile their templates in the browser.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'"
)


class SecurityHeaders:
    """ASGI middleware: no foreign scripts, pictures or connections, no guessing of types, framing by the Hub at most."""

    def __init__(self, app: ASGIApp, on_space: bool = False) -> None:
        self.app = app
        self.headers = {
            "Content-Security-Policy": f"{POLICY}; frame-ancestors 'self' {HUB if on_space else ''}".strip(),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
        } | ({} if on_space else {"X-Frame-Options": "SAMEORIGIN"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    present.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers)
