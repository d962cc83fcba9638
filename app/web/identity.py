"""Who owns what: an anonymous visitor is a random id in a signed token, kept in a cookie.

Where an iframe blocks cookies the same token lives in the browser's localStorage and travels as an ordinary input
of each handler. A valid cookie wins. On a Space a signed-in visitor is known by account instead.
"""

import hmac
import secrets
import time
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

from itsdangerous import BadSignature, URLSafeSerializer
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "studio_visitor"
ACCOUNT = "hf:"  # how the owners begin that are accounts
YEAR_SECONDS = 365 * 24 * 3600
LINK_DAYS = 7  # how long a link to a private picture stays valid, after the day on which it was made


class Identity:
    """Signs and reads visitor tokens and picture links, and knows the administrator."""

    def __init__(self, secret: str, *, admin_key: str | None = None, space_author: str | None = None) -> None:
        self._tokens = URLSafeSerializer(secret, salt="visitor")
        self._links = URLSafeSerializer(secret, salt="picture link")
        self._admin_key = admin_key
        self._space_author = space_author
        self.browser_key = URLSafeSerializer(secret, salt="browser").dumps("state")

    def new_token(self) -> str:
        return self.token_of(secrets.token_hex(16))

    def token_of(self, owner: str) -> str:
        return self._tokens.dumps(owner)

    def owner_of_token(self, token: Any) -> str | None:
        """The owner that a token names; None for a missing, foreign or forged token, or what is no text at all."""
        try:
            owner = self._tokens.loads(token) if isinstance(token, str) and 0 < len(token) < 500 else None
        except BadSignature:
            return None
        return owner if isinstance(owner, str) else None

    def owner(self, request: Any, token: str | None = None) -> str | None:
        """The visitor behind a Gradio request: signed-in account, else cookie, else the token that came along."""
        account = signed_in_account(request)
        if account:
            return ACCOUNT + account
        cookies = read_cookies(request)
        return self.owner_of_token(cookies.get(COOKIE)) or self.owner_of_token(token)

    def is_admin(self, request: Any, key: str | None = None) -> bool:
        """The Space's author when signed in, or whoever gives the key from the environment."""
        account = signed_in_account(request)
        if account and self._space_author and account == self._space_author:
            return True
        return bool(self._admin_key and key) and hmac.compare_digest(key.encode(), self._admin_key.encode())

    @property
    def has_admin_key(self) -> bool:
        return self._admin_key is not None

    def sign_link(self, generation_id: str, kind: str, published: bool = False) -> str:
        """published: given to everybody, so good only as long as the picture stays published. The same all day long, so that
        a browser that has the picture does not ask for it again."""
        return self._links.dumps([generation_id, kind, published, today() + LINK_DAYS])

    def link_is_good(self, signature: str, generation_id: str, kind: str, published: bool = False) -> bool:
        """published: whether the picture is so now."""
        try:
            *signed, last_day = self._links.loads(signature)
        except BadSignature:
            return False
        return last_day >= today() and signed in ([generation_id, kind, False], [generation_id, kind, published])


def today() -> int:
    """Days since 1970, UTC."""
    return int(time.time() // 86400)


def read_cookies(request: Any) -> Mapping[str, str]:
    """Cookies of a Gradio or Starlette request; empty where there is no request (plain function calls)."""
    headers = getattr(request, "headers", None)
    return parse_cookies((headers or {}).get("cookie", "") if headers is not None else "")


def parse_cookies(header: str) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    except CookieError:
        return {}


def signed_in_account(request: Any) -> str | None:
    """The Hugging Face account of a Space's visitor; None anywhere else and for anonymous visitors."""
    inner = getattr(request, "request", None)
    if inner is None or "session" not in getattr(inner, "scope", {}):
        return None
    info = inner.scope["session"].get("oauth_info") or {}
    return (info.get("userinfo") or {}).get("preferred_username")


class VisitorCookie:
    """ASGI middleware: a page that is opened without a valid visitor cookie sets one."""

    def __init__(self, app: ASGIApp, identity: Identity, cross_site: bool = False) -> None:
        """cross_site: the page lives in another site's iframe (Spaces), which needs SameSite=None and Secure."""
        self.app = app
        self.identity = identity
        self.flags = "SameSite=None; Secure; Partitioned" if cross_site else "SameSite=Lax"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._wants_cookie(scope):
            await self.app(scope, receive, send)
            return
        cookie = f"{COOKIE}={self.identity.new_token()}; Path=/; Max-Age={YEAR_SECONDS}; HttpOnly; {self.flags}"

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), (b"set-cookie", cookie.encode())]
            await send(message)

        await self.app(scope, receive, send_with_cookie)

    def _wants_cookie(self, scope: Scope) -> bool:
        if scope["type"] != "http" or scope["method"] != "GET":
            return False
        headers = dict(scope["headers"])
        if b"text/html" not in headers.get(b"accept", b""):
            return False
        cookies = parse_cookies(headers.get(b"cookie", b"").decode("latin-1"))
        return self.identity.owner_of_token(cookies.get(COOKIE)) is None
