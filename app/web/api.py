"""The public API: one typed endpoint, `/generate`. Everything else on the pages is private to them."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr

from app.request import GenerationRequest, parse_points, request_from
from app.services import Services
from app.visit import AT_REST, address_of
from model.settings import Settings
from storage.records import Job

POLL_SECONDS, QUEUED_POLL_SECONDS = 0.1, 0.5  # many may be queued, few are drawn
WAIT_SECONDS = 1800
CALLS_PER_ADDRESS = 8  # that wait at once: whoever floods fills neither the studio's queue nor Gradio's


def add_api(services: Services) -> None:
    """Register `/generate` on the page being built. It waits without holding a thread, and refuses at once what is too much:
    what waited in Gradio's own queue would stand before everybody's clicks."""
    waiting: Counter[str | None] = Counter()

    async def generate(
        prompt: str,
        width: int | None = None,
        height: int | None = None,
        shuffle_window: int | None = None,
        guidance_schedule: str | None = None,
        guidance_scale: float | None = None,
        guidance_points: str | None = None,
        ramp_end: float | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = -1,
        num_images: int = 1,
        allow_untrained: bool = False,
        visitor: str = "",
        request: gr.Request = None,
    ) -> dict[str, Any]:
        """Draw pictures of a prompt and wait for them.

        What is left out is what the checkpoint was tuned for. Sizes are multiples of 16 · shuffle_window; those that the
        checkpoint was not trained for need allow_untrained. The schedule "custom" takes guidance_points, twelve at most,
        fraction of the steps : weight, such as "0:1, 0.5:3, 1:3". A top_k of 0 and a top_p of 1 filter nothing. Seed -1
        picks one, which the answer names. Give the answer's `visitor` back to keep owning what you made. Returns visitor,
        job, seed and per picture id, url and settings; a url is relative to this server and valid for a week.
        """
        token = visitor or services.identity.new_token()
        owner = services.identity.owner_of_token(token)
        if owner is None:
            raise gr.Error("visitor is not a token of this server; leave it empty to get one", print_exception=False)
        try:
            wish = wished(
                services.tuned,
                prompt,
                guidance_points,
                seed,
                width=width,
                height=height,
                shuffle_window=shuffle_window,
                guidance_schedule=guidance_schedule,
                guidance_scale=guidance_scale,
                ramp_end=ramp_end,
                temperature=temperature,
                top_k=top_k,
                top_p=top_p,
                num_images=num_images,
                allow_untrained=allow_untrained,
            )
            with turn(waiting, address_of(request)):
                job = await drawn(services, wish, owner, address_of(request))
        except (ValueError, TypeError) as error:
            raise gr.Error(str(error), print_exception=False) from error
        return await asyncio.to_thread(answer, services, job, owner, token)

    gr.api(generate, api_name="generate", concurrency_limit=None)


def wished(tuned: Settings, prompt: str, points: str | None, seed: int, **given: Any) -> GenerationRequest:
    """points: as text. given: the request's other fields, None for what the checkpoint was tuned for. ValueError: points
    that are none."""
    usual = {side: getattr(tuned, side) for side in ("width", "height", "shuffle_window") if given[side] is None}
    return GenerationRequest(
        prompt=prompt,
        typed=prompt,
        guidance_points=parse_points(points),
        seed=None if seed == -1 else seed,
        **{**given, **usual},
    )


@contextmanager
def turn(waiting: Counter[str | None], address: str | None) -> Iterator[None]:
    """One of an address's calls; ValueError for one too many."""
    if waiting[address] >= CALLS_PER_ADDRESS:
        raise ValueError(
            f"{CALLS_PER_ADDRESS} calls from your address are waiting already; try again when one has ended"
        )
    waiting[address] += 1
    try:
        yield
    finally:
        waiting[address] -= 1
        if not waiting[address]:
            del waiting[address]


async def drawn(services: Services, wish: GenerationRequest, owner: str, address: str | None) -> Job:
    """The job of the request once it has ended; ValueError where it is refused or takes too long."""
    job = await asyncio.to_thread(services.submit, owner, wish, address=address)
    await asyncio.to_thread(services.drive, job.id)
    return await ended(services, job.id, owner)


async def ended(services: Services, job_id: str, owner: str) -> Job:
    """The job once it has ended; the job itself goes on when the caller leaves."""
    deadline = time.monotonic() + WAIT_SECONDS
    while (job := await asyncio.to_thread(services.store.get_job, job_id, owner)).state not in AT_REST:
        if time.monotonic() > deadline:
            raise ValueError(f"job {job_id} is still {job.state} after {WAIT_SECONDS} s")
        await asyncio.sleep(QUEUED_POLL_SECONDS if job.state == "queued" else POLL_SECONDS)
    return job


def answer(services: Services, job: Job, owner: str, token: str) -> dict[str, Any]:
    if job.state != "done":
        raise gr.Error(job.error or f"the job was {job.state}", print_exception=False)
    pictures = [
        {"id": made.id, "url": services.picture_url(made), "settings": dict(made.settings), "seconds": made.seconds}
        for made in services.generations_of_job(job)
    ]
    return {"visitor": token, "job": job.id, "seed": request_from(job.request).seed, "pictures": pictures}
