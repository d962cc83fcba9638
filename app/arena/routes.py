"""HTTP routes of the arena: plain Starlette, beside Gradio's queue, so that a vote takes milliseconds."""

import json
import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from app.arena import arena, practice
from app.services import Services
from app.studies.sweep import Sweeper
from app.visit import address_of
from storage.errors import AssignmentExpired, DuplicateVote, NotAllowed, NotFound, UndoTooLate, WrongState
from storage.records import Study

log = logging.getLogger(__name__)

STATUS = {
    NotFound: 404,
    NotAllowed: 403,
    AssignmentExpired: 410,
    DuplicateVote: 409,
    WrongState: 409,
    UndoTooLate: 409,
}
NO_STORE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
MAX_BODY_BYTES = 4096
VOTES_A_MINUTE = 90
ADDRESS_VOTES_A_MINUTE = 30 * VOTES_A_MINUTE  # a class that sits behind one router, and no more
PAIRS_AT_ONCE = 2  # choosing and encoding a pair takes ten times a vote's processor time; votes must not wait for it
TRACKED_VISITORS = 10_000


class TooFast(ValueError):
    """More requests than a person who looks can make."""


class RateLimit:
    """So many calls a minute and visitor; forgets the idle ones."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._calls: dict[str, deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()

    def spend(self, visitor: str) -> None:
        now = time.monotonic()
        with self._lock:
            if len(self._calls) > TRACKED_VISITORS:
                self._calls.clear()
            calls = self._calls[visitor]
            while calls and now - calls[0] > 60:
                calls.popleft()
            if len(calls) >= self.most:
                raise TooFast(f"{self.most} answers a minute are allowed; take your time")
            calls.append(now)


@dataclass(frozen=True)
class Visitor:
    owner: str
    address: str | None


Handler = Callable[[Visitor, dict[str, Any]], dict[str, Any]]


class Calls:
    """What the page asks for, under the names of the routes: the visitor and a message in, a message out."""

    def __init__(self, services: Services) -> None:
        self.services, self.sweeper = services, Sweeper(services)

    def vote(self, visitor: Visitor, message: dict[str, Any]) -> dict[str, Any]:
        return {"vote": arena.vote(self.services, visitor.owner, message).id}

    def pair(self, visitor: Visitor, message: dict[str, Any]) -> dict[str, Any]:
        owner = visitor.owner
        study = self._study(visitor, message)
        lesson = practice.next_lesson(self.services, study, owner)
        if lesson is not None:
            return lesson
        before = arena.standing(self.services, study, owner)
        assignment = arena.next_pair(self.services, study, owner, before)
        now = arena.progress(study, before, assignment)
        if assignment is None or now["done"] == now["total"]:  # a sitting is complete
            self.sweeper.ask(study)
        return {**({"finished": True} if assignment is None else arena.card(self.services, assignment)), **now}

    def welcome(self, visitor: Visitor, message: dict[str, Any]) -> dict[str, Any]:
        return arena.welcome(self.services, self._study(visitor, message), visitor.owner)

    def _study(self, visitor: Visitor, message: dict[str, Any]) -> Study:
        invite = message.get("study")
        if not isinstance(invite, str | None):
            raise ValueError(f"study {invite!r:.40}; allowed: what an invite link says")
        return arena.study_for(self.services, invite, visitor.owner)

    def practice(self, visitor: Visitor, message: dict[str, Any]) -> dict[str, Any]:
        return practice.answer(self.services, visitor.owner, message.get("criterion"), message.get("answer"))

    def consent(self, visitor: Visitor, _: dict[str, Any]) -> dict[str, Any]:
        self.services.store.record_consent(arena.rater_of(self.services, visitor.owner).id)
        return {"consented": True}

    def shown(self, visitor: Visitor, message: dict[str, Any]) -> dict[str, Any]:
        self.services.store.mark_shown(str(message.get("assignment")), arena.rater_of(self.services, visitor.owner).id)
        return {}

    def undo(self, visitor: Visitor, message: dict[str, Any]) -> dict[str, Any]:
        arena.take_back(self.services, visitor.owner, message)
        return {}

    def broken(self, visitor: Visitor, message: dict[str, Any]) -> dict[str, Any]:
        return {"flaw": arena.report_broken(self.services, visitor.owner, message, visitor.address)}

    def flaw(self, visitor: Visitor, message: dict[str, Any]) -> dict[str, Any]:
        return {"flaw": arena.mark_flaw(self.services, visitor.owner, message)}

    def forget(self, visitor: Visitor, _: dict[str, Any]) -> dict[str, Any]:
        rater = self.services.store.find_rater(arena.rater_key(self.services, visitor.owner))
        if rater is not None:
            self.services.store.delete_my_data(rater.id, visitor.owner)
        return {}


def routes(services: Services) -> list[Route]:
    """POST only, JSON in and out; the visitor is known by the signed cookie or the token in the body."""
    calls, few = Calls(services), CapacityLimiter(PAIRS_AT_ONCE)
    free = (calls.pair, calls.welcome)
    slowed = (
        calls.consent,
        calls.practice,
        calls.shown,
        calls.vote,
        calls.undo,
        calls.flaw,
        calls.broken,
        calls.forget,
    )
    handlers = named(free) | slow_down(services, named(slowed))
    return [
        Route(f"/arena-api/{name}", _endpoint(services, handler, few if name == "pair" else None), methods=["POST"])
        for name, handler in handlers.items()
    ]


def named(calls: Iterable[Handler]) -> dict[str, Handler]:
    return {call.__name__: call for call in calls}


def slow_down(services: Services, handlers: dict[str, Handler]) -> dict[str, Handler]:
    """Calls of all handlers count together: of one visitor, and of one address however many visitors come from it.
    Addresses are kept as keyed hashes, in memory alone."""
    of_visitor, of_address = RateLimit(VOTES_A_MINUTE), RateLimit(ADDRESS_VOTES_A_MINUTE)

    def slowed(handler: Handler) -> Handler:
        def handle(visitor: Visitor, message: dict[str, Any]) -> dict[str, Any]:
            of_visitor.spend(visitor.owner)
            if visitor.address:
                of_address.spend(arena.keyed(services, f"address/{visitor.address}"))
            return handler(visitor, message)

        return handle

    return {name: slowed(handler) for name, handler in handlers.items()}


def _endpoint(
    services: Services, handler: Handler, limiter: CapacityLimiter | None
) -> Callable[[Request], Awaitable[JSONResponse]]:
    async def endpoint(request: Request) -> JSONResponse:
        try:
            message = await _body(request)
            owner = services.identity.owner(
                SimpleNamespace(request=request, headers=request.headers), message.get("token")
            )
            if owner is None:
                return _refuse("this browser keeps no cookie; reload the page and allow it", 401)
            visitor = Visitor(owner, address_of(request))
            return JSONResponse(await to_thread.run_sync(handler, visitor, message, limiter=limiter), headers=NO_STORE)
        except TooFast as error:
            return _refuse(str(error), 429)
        except ValueError as error:
            return _refuse(str(error), STATUS.get(type(error), 400))
        except Exception:
            log.exception("the arena failed")
            return _refuse("something failed here; nothing was recorded", 500)

    return endpoint


async def _body(request: Request) -> dict[str, Any]:
    """The JSON object that was sent; the content type keeps other sites' forms out."""
    kind = request.headers.get("content-type", "").partition(";")[0]
    if kind.strip().lower() != "application/json":
        raise ValueError("send application/json")
    raw = b""
    async for part in request.stream():  # a flood is refused before it is in memory
        raw += part
        if len(raw) > MAX_BODY_BYTES:
            raise ValueError(f"the message is too long; at most {MAX_BODY_BYTES} bytes are allowed")
    message = json.loads(raw)
    if not isinstance(message, dict):
        raise ValueError("send a JSON object")
    return message


def _refuse(text: str, status: int) -> JSONResponse:
    return JSONResponse({"error": text}, status, headers=NO_STORE)
