"""The public API: one typed endpoint, `/generate`. Everything else on the pages is private to them."""

import time
from typing import Any

import gradio as gr

from app.playground.handlers import ENDED, address_of
from app.request import GenerationRequest, request_from
from app.services import Services

POLL_SECONDS = 0.05
WAIT_SECONDS = 1800


def add_api(services: Services) -> None:
    """Register `/generate` on the page being built."""

    def generate(
        prompt: str,
        width: int = 512,
        height: int = 512,
        shuffle_window: int = 2,
        guidance_schedule: str = "half-linear",
        guidance_scale: float = 7.5,
        temperature: float = 1.0,
        seed: int = -1,
        num_images: int = 1,
        allow_untrained: bool = False,
        visitor: str = "",
        request: gr.Request = None,
    ) -> dict[str, Any]:
        """Draw pictures of a prompt and wait for them.

        Sizes are multiples of 16 · shuffle_window; those that the checkpoint was not trained for need allow_untrained.
        Seed -1 picks one, which the answer names. Give the answer's
        `visitor` back to keep owning what you made. Returns visitor, job, seed and per picture id, url and settings;
        a url is relative to this server and valid for a week.
        """
        token = visitor or services.identity.new_token()
        owner = services.identity.owner_of_token(token)
        if owner is None:
            raise gr.Error("visitor is not a token of this server; leave it empty to get one", print_exception=False)
        wish = GenerationRequest(
            prompt=prompt, typed=prompt, width=width, height=height, shuffle_window=shuffle_window,
            guidance_schedule=guidance_schedule, guidance_scale=guidance_scale, temperature=temperature,
            seed=None if seed == -1 else seed, num_images=num_images, allow_untrained=allow_untrained,
        )  # fmt: skip
        try:
            job = services.submit(owner, wish, address=address_of(request))
            services.drive(job.id)
        except (ValueError, TypeError) as error:
            raise gr.Error(str(error), print_exception=False) from error
        return answer(services, wait(services, job.id, owner), owner, token)

    gr.api(generate, api_name="generate", concurrency_limit=8)


def wait(services: Services, job_id: str, owner: str) -> Any:
    """The job once it has ended; the job itself goes on when the caller leaves."""
    deadline = time.monotonic() + WAIT_SECONDS
    while (job := services.store.get_job(job_id, owner)).state not in ENDED:
        if time.monotonic() > deadline:
            raise gr.Error(f"job {job_id} is still {job.state} after {WAIT_SECONDS} s", print_exception=False)
        time.sleep(POLL_SECONDS)
    return job


def answer(services: Services, job: Any, owner: str, token: str) -> dict[str, Any]:
    if job.state != "done":
        raise gr.Error(job.error or f"the job was {job.state}", print_exception=False)
    pictures = [
        {"id": made.id, "url": services.picture_url(made), "settings": dict(made.settings), "seconds": made.seconds}
        for made in services.generations_of_job(job)
    ]
    return {"visitor": token, "job": job.id, "seed": request_from(job.request).seed, "pictures": pictures}
