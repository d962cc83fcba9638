"""HTTP routes of the arena: plain Starlette, beside Gradio's queue, so that a vote takes milliseconds."""

import json
import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from app.arena import arena, practice
from app.services import Services
from app.studies.sweep import Sweeper
from storage.errors import AssignmentExpired, DuplicateVote, NotAllowed, NotFound, UndoTooLate, WrongState

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
PAIRS_AT_ONCE = 2  # choosing and encoding a pair takes ten times a vote's processor time; votes must not wait for it
TRACKED_VISITORS = 10_000


class TooFast(ValueError):
    """More requests than a person who looks can make."""


class RateLimit:
    """At most `VOTES_A_MINUTE` calls a minute and visitor; forgets the idle ones."""

    def __init__(self) -> None:
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
            if len(calls) >= VOTES_A_MINUTE:
                raise TooFast(f"{VOTES_A_MINUTE} answers a minute are allowed; take your time")
            calls.append(now)


def routes(services: Services) -> list[Route]:
    """POST only, JSON in and out; the visitor is known by the signed cookie or the token in the body."""
    limit, sweeper = RateLimit(), Sweeper(services)

    def vote(owner: str, message: dict[str, Any]) -> dict[str, Any]:
        limit.spend(owner)
        return {"vote": arena.vote(services, owner, message).id}

    def pair(owner: str, message: dict[str, Any]) -> dict[str, Any]:
        study = arena.study_for(services, message.get("study"))
        lesson = practice.next_lesson(services, study, owner)
        if lesson is not None:
            return lesson
        assignment = arena.next_pair(services, study, owner)
        now = arena.progress(services, study, owner)
        if assignment is None or now["done"] == now["total"]:  # a sitting is complete
            sweeper.ask(study)
        return {**({"finished": True} if assignment is None else arena.card(services, assignment)), **now}

    def welcome(owner: str, message: dict[str, Any]) -> dict[str, Any]:
        return arena.welcome(services, arena.study_for(services, message.get("study")), owner)

    def practise(owner: str, message: dict[str, Any]) -> dict[str, Any]:
        limit.spend(owner)
        return practice.answer(services, owner, message.get("criterion"), message.get("answer"))

    def consent(owner: str, _: dict[str, Any]) -> dict[str, Any]:
        services.store.record_consent(arena.rater_of(services, owner).id)
        return {"consented": True}

    def shown(owner: str, message: dict[str, Any]) -> dict[str, Any]:
        services.store.mark_shown(str(message.get("assignment")), arena.rater_of(services, owner).id)
        return {}

    def undo(owner: str, message: dict[str, Any]) -> dict[str, Any]:
        arena.take_back(services, owner, str(message.get("vote")))
        return {}

    def broken(owner: str, message: dict[str, Any]) -> dict[str, Any]:
        arena.report_broken(services, owner, str(message.get("assignment")), str(message.get("side")))
        return {}

    def flaw(owner: str, message: dict[str, Any]) -> dict[str, Any]:
        limit.spend(owner)
        return {"flaw": arena.mark_flaw(services, owner, message)}

    def forget(owner: str, _: dict[str, Any]) -> dict[str, Any]:
        services.store.delete_my_data(arena.rater_of(services, owner).id, owner)
        return {}

    handlers = {"vote": vote, "pair": pair, "welcome": welcome, "consent": consent, "shown": shown}
    handlers |= {"undo": undo, "broken": broken, "flaw": flaw, "forget": forget, "practice": practise}
    few = CapacityLimiter(PAIRS_AT_ONCE)
    return [
        Route(f"/arena-api/{name}", _endpoint(services, handler, few if name == "pair" else None), methods=["POST"])
        for name, handler in handlers.items()
    ]


def _endpoint(
    services: Services, handler: Callable[[str, dict[str, Any]], dict[str, Any]], limiter: CapacityLimiter | None
) -> Callable[[Request], Awaitable[JSONResponse]]:
    async def endpoint(request: Request) -> JSONResponse:
        try:
            message = await _body(request)
            owner = services.identity.owner(
                SimpleNamespace(request=request, headers=request.headers), message.get("token")
            )
            if owner is None:
                return _refuse("this browser keeps no cookie; reload the page and allow it", 401)
            answer = await to_thread.run_sync(handler, owner, message, limiter=limiter)
            return JSONResponse(answer, headers=NO_STORE)
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
    if "application/json" not in request.headers.get("content-type", ""):
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
