"""Events of jobs: start, follow, stop, go on, replay, and coming back to the page."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import gradio as gr

from app.pages.playground.inputs import input_updates
from app.pages.playground.parts import SHOW_STAGE_JS, Parts
from app.playground.controls import controls_from
from app.playground.handlers import Handlers
from app.visit import PRIVATE


def wire(handlers: Handlers, page: gr.Blocks, parts: Parts, describe: dict[str, Any]) -> None:
    """describe: the event that tells what the inputs cost."""
    following = {
        "fn": follower(handlers, parts),
        "inputs": [parts.job, parts.owner],
        "outputs": parts.canvas,
        "concurrency_limit": None,
        **PRIVATE,
    }
    for event in wire_starts(handlers, parts):
        event.success(None, js=SHOW_STAGE_JS)
        event.success(**following).then(**describe)  # the expected time is measured anew with every picture
    parts.stop.click(handlers.stop, [parts.job, parts.token], None, queue=False, **PRIVATE)
    found = [parts.token, parts.owner, parts.job, *parts.controls, *parts.canvas]
    arrived = page.load(arriving(handlers, parts), parts.token, found, **PRIVATE)
    arrived.then(**describe).then(**following)


def wire_starts(handlers: Handlers, parts: Parts) -> list[Any]:
    """The three ways in which a job begins."""

    def start(request: gr.Request, *values: Any) -> tuple[str, str, int]:
        *given, visitor = values
        queued = handlers.start(controls_from(given), visitor, request)
        return queued.id, queued.owner, queued.request["seed"]  # the drawn seed is echoed, and drawn anew next time

    def replay(shown: str | None, visitor: str, request: gr.Request) -> tuple[str, str]:
        return handlers.replay(shown, visitor, request), handlers.owner(request, visitor)

    asked = [parts.go.click, parts.inputs["prompt"].submit]
    return [
        gr.on(asked, start, [*parts.controls, parts.token], [parts.job, parts.owner, parts.inputs["seed"]], **PRIVATE),
        parts.replay.click(replay, [parts.generation, parts.token], [parts.job, parts.owner], **PRIVATE),
        parts.resume.click(handlers.resume, [parts.job, parts.token], parts.job, **PRIVATE),
    ]


def follower(handlers: Handlers, parts: Parts) -> Any:
    async def follow(job_id: str | None, visitor: str | None) -> AsyncIterator[dict[Any, Any]]:
        yield gr.skip()  # an event that yields nothing would blank what it could have changed
        async with aclosing(handlers.follow(job_id, visitor)) as views:
            async for view in views:
                yield parts.show(view)

    return follow


def arriving(handlers: Handlers, parts: Parts) -> Any:
    def arrive(visitor: str, request: gr.Request) -> dict[Any, Any]:
        found = handlers.arrive(visitor, request)
        return {
            parts.token: found.token,
            parts.owner: found.owner,
            parts.job: found.job_id,
            **(input_updates(handlers, parts, found.controls) if found.controls else {}),
            **(parts.show(found.view) if found.view else {}),
        }

    return arrive
