"""What the Playground does, as methods without any page around them: start, follow, stop, arrive, describe."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import gradio as gr

from app.components.amounts import seconds_text
from app.components.details import details_html
from app.components.stage import Stage, stage_html
from app.drawing.record import request_of
from app.playground.controls import Controls, controls_of, preset_of
from app.playground.describe import cost_html, schedule_curve, surprise, words_html
from app.playground.examples import load_examples
from app.playground.offers import Offer, combinations, offered, position, settled, training_note
from app.playground.presets import Preset, presets
from app.playground.rewrite import rewrite
from app.playground.views import View, example_stage, running_view, stage, unfinished_view
from app.request import GenerationRequest, check_text, request_from
from app.services import Services
from app.visit import AT_REST, address_of, note_seen, refuse
from storage.errors import NotFound, StorageError
from storage.records import Generation, Job

FOLLOW_SECONDS = 1 / 8
QUEUE_LOOK_SECONDS = 0.5
UNKNOWN_STEPS = 64  # of the curve, where the controls cannot be drawn


class Handlers:
    """One object per page; keeps no state of its own."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.examples = load_examples(services.checkpoint)
        cells = services.pipeline.supported_cells() if services.pipeline is not None else []
        self.trained = combinations(cells)
        self.training_note = training_note(self.trained)

    def owner(self, request: gr.Request, token: str | None) -> str:
        owner = self.services.identity.owner(request, token)
        if owner is None:
            raise refuse(ValueError("this browser has no visitor mark yet; reload the page"))
        return owner

    def start(self, controls: Controls, token: str | None, request: gr.Request) -> Job:
        """Queue what the controls say."""
        try:
            owner = self.owner(request, token)
            return self.services.submit(owner, controls.request(self.sent(controls)), address=address_of(request))
        except (ValueError, TypeError, OverflowError) as error:
            raise refuse(error) from error

    def sent(self, controls: Controls) -> str | None:
        """The prompt as the model will read it, where the switch asks for the training phrasing. ValueError for what is no
        prompt: nothing is looked up in an endless text."""
        check_text("prompt", controls.prompt, self.services.settings.max_prompt_chars)
        return rewrite(controls.prompt, self.services.vocabulary) if controls.rewrite else None

    def resume(self, job_id: str | None, token: str | None, request: gr.Request) -> str:
        """Queue an interrupted job again; its id."""
        try:
            return self.services.resume(job_id or "", self.owner(request, token)).id
        except StorageError as error:
            raise refuse(error) from error

    def stop(self, job_id: str | None, token: str | None, request: gr.Request) -> None:
        if not job_id:
            return
        try:
            self.services.stop(job_id, self.owner(request, token))
        except StorageError as error:
            raise refuse(error) from error

    def replay(self, generation_id: str | None, token: str | None, request: gr.Request) -> str:
        """Queue the shown picture again; the job's id."""
        try:
            return self.services.replay(generation_id or "", self.owner(request, token), address=address_of(request)).id
        except ValueError as error:
            raise refuse(error) from error

    async def follow(self, job_id: str | None, owner: str | None) -> AsyncIterator[View]:
        """Views of a job until it ends. Watching costs the job nothing, and leaving does not stop it."""
        if not job_id or not owner:
            return
        await asyncio.to_thread(self.services.store.get_job, job_id, owner)  # its owner's only
        drive = await asyncio.to_thread(self.services.drive, job_id)
        try:
            async for view in self._watch(job_id, owner):
                yield view
        finally:
            if drive is not None:  # a closed page: what nobody else draws is interrupted, and can go on later
                drive.leave()

    async def _watch(self, job_id: str, owner: str) -> AsyncIterator[View]:
        """The row tells until the job is on the live board, and again when it has left it."""
        seen = None  # version of the live job
        while True:
            live = self.services.live.get(job_id)
            if live is None or seen is None:
                job = await asyncio.to_thread(self.services.store.get_job, job_id, owner)
                yield await asyncio.to_thread(self.view, job, owner)
                if job.state in AT_REST:
                    return
                if job.state == "queued":
                    await asyncio.sleep(QUEUE_LOOK_SECONDS)
                    continue
                shown = request_from(job.request)
            if live is not None and live.version != seen:
                seen = live.version
                yield running_view(shown, live)
            await asyncio.sleep(FOLLOW_SECONDS)

    def view(self, job: Job, owner: str) -> View:
        """A job as its row tells."""
        request = request_from(job.request)
        if job.state == "done" and request.replay_of:
            return self._replay_view(job, request, owner)
        if job.state == "done":
            return self.result_view(self.services.generations_of_job(job), owner)
        ahead = self.services.store.queue_position(job.id) if job.state == "queued" else None
        return unfinished_view(job, request, ahead or 0)

    def result_view(self, made: list[Generation], owner: str | None) -> View:
        if not made:
            return View(stage_html(Stage(headline="Deleted", detail="this picture was deleted")), busy=False)
        note_seen(self.services.store, owner, made)
        first = made[0]
        shown = Stage(
            width=first.width,
            height=first.height,
            window=first.window or 1,
            sources=[self.services.picture_url(generation) for generation in made],
            headline="Done",
            detail=f"{first.steps} steps in {seconds_text(first.seconds)} · seed {first.seed}",
            tone="done",
            alt=first.prompt or "Generated picture",
            zoomable=True,
        )
        details = details_html(self.services, made, own=first.owner == owner)
        return View(stage_html(shown), busy=False, details=details, generation_id=first.id)

    def _replay_view(self, job: Job, request: GenerationRequest, owner: str) -> View:
        verdict = job.progress.get("verdict") or {}
        try:
            original = self.services.store.get_generation(request.replay_of, owner)
        except NotFound:
            return View(stage(request, "Replayed", "the original was deleted meanwhile", "bad"), busy=False)
        shown = self.result_view([original], owner)
        same = verdict.get("identical")
        text = "identical tokens" if same else "the tokens differ: " + "; ".join(verdict.get("reasons", ["unknown"]))
        note = f'<p class="verdict verdict-{"same" if same else "other"}">Replay: {escape(text)}</p>'
        return replace(shown, details=note + shown.details)

    def arrive(self, token: str | None, request: gr.Request) -> "Arrival":
        """Opening the page: who this is, and the picture of `?g=` or the newest job."""
        identity = self.services.identity
        owner = identity.owner(request, token)
        if owner is None:
            token = identity.new_token()
            owner = identity.owner_of_token(token)
        elif identity.owner_of_token(token) != owner:
            token = identity.token_of(owner)
        linked = dict(request.query_params).get("g") if request else None
        if linked:
            return self._arrive_by_link(linked, owner, token)
        jobs = self.services.store.jobs_of(owner, of_studies=False, limit=8)  # a grid is followed on its own page
        if not jobs:
            return Arrival(token, owner)
        job = next((job for job in jobs if job.state not in AT_REST), jobs[0])
        return Arrival(
            token, owner, job_id=job.id, controls=self.controls_of(request_from(job.request), fixed_seed=False)
        )

    def _arrive_by_link(self, generation_id: str, owner: str, token: str) -> "Arrival":
        try:
            generation = self.services.store.get_generation(str(generation_id)[:64], owner)
        except NotFound:
            gr.Warning("This picture is private, was deleted, or never existed.")
            return Arrival(token, owner)
        controls = self.controls_of(request_of(generation)) if generation.window else None
        return Arrival(token, owner, view=self.result_view([generation], owner), controls=controls)

    def reused(self, generation_id: str, owner: str | None) -> Controls:
        """Controls that draw a picture again, as its job asked for it; else, without a job, as it tells itself."""
        try:
            made = self.services.store.get_generation(generation_id, owner)
            if made.window is None:
                raise ValueError("another system drew this picture; its settings are not ours")
            request = request_of(made)
            if made.job_id:
                request = request_from(self.services.store.get_job(made.job_id, None).request)
        except ValueError as error:
            raise refuse(error) from error
        note_seen(self.services.store, owner, [made])
        return self.controls_of(request)

    def default_controls(self) -> Controls:
        """The checkpoint's own tuned settings."""
        tuned = self.services.tuned
        return self.controls_of(
            GenerationRequest(
                prompt="",
                typed="",
                width=tuned.width,
                height=tuned.height,
                shuffle_window=tuned.shuffle_window,
                guidance_points=tuned.guidance_points,
                num_images=tuned.num_images,
            )
        )

    def controls_of(self, request: GenerationRequest, *, fixed_seed: bool = True) -> Controls:
        """Controls that add up to this request; the switches are on where it needs them."""
        same = rewrite(request.typed, self.services.vocabulary) == request.prompt
        controls = controls_of(request, self.services.tuned, fixed_seed=fixed_seed)
        return replace(controls, rewrite=same, allow_untrained=position(controls) not in self.trained)

    def offered(self, allow_untrained: bool) -> Offer:
        """What the controls can be set to."""
        windows = self.services.pipeline.config.shuffle_windows if self.services.pipeline is not None else ()
        return offered(self.trained, windows, allow_untrained)

    def settle(self, controls: Controls, moved: str) -> Controls:
        """Controls that the checkpoint was trained for, where untrained ones are not allowed; says what followed."""
        chosen = settled(self.trained, controls, moved)
        if chosen != controls:
            gr.Info(
                f"Now {chosen.resolution} px, {chosen.aspect}, window {chosen.window}: the nearest that was trained.",
                duration=6,
            )
        return chosen

    def example(self, index: Any) -> tuple[Controls, str]:
        """The controls that draw an example again, and the stage with its picture."""
        if not isinstance(index, int) or not 0 <= index < len(self.examples):
            raise refuse(ValueError("there is no such example"))
        chosen = self.examples[index]
        return self.controls_of(chosen.request), example_stage(
            chosen, f"seed {chosen.request.seed} · Generate draws it again"
        )

    def describe(self, controls: Controls) -> tuple[dict[str, Any] | None, str, bool]:
        """The curve's data, the line of costs, and whether this can be drawn, whatever the prompt will be; problems are
        said, not raised."""
        try:
            probe = replace(controls.request(), prompt="x", typed="x")
            self.services.check(probe)
            cost = self.services.estimate(probe)
        except (ValueError, TypeError, OverflowError) as error:
            return schedule_curve(controls, UNKNOWN_STEPS), f'<p class="cost cost-bad">{escape(str(error))}</p>', False
        return schedule_curve(controls, cost.steps), cost_html(probe, cost, controls.lowered()), True

    def words(self, prompt: str, rewriting: bool) -> str:
        """What the checkpoint knows of these words and what will be sent, as safe HTML."""
        if not isinstance(prompt, str):
            return ""
        return words_html(prompt[: self.services.settings.max_prompt_chars], self.services.vocabulary, rewriting)

    def surprise(self) -> str:
        return surprise(self.services.vocabulary)

    def preset_of(self, controls: Controls) -> str | None:
        """The preset that the controls are, if any."""
        try:
            return preset_of(controls, self.services.tuned)
        except (ValueError, TypeError):
            return None

    def preset(self, name: str) -> Preset:
        offered = presets(self.services.tuned)
        if name not in offered:
            raise refuse(ValueError(f"{name!r:.40} is no preset; there are {', '.join(offered)}"))
        return offered[name]


@dataclass(frozen=True)
class Arrival:
    """What opening the page found."""

    token: str
    owner: str
    job_id: str | None = None
    view: View | None = None
    controls: Controls | None = None
