"""Everything that pages share: settings, store, generator, worker, identity. Built once, held by `app.py`."""

import logging
import os
import platform
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from app.drawing.checkpoints import Checkpoints
from app.drawing.drawing import Drawing, Drive
from app.drawing.estimate import Estimate, check_trained, estimate, named
from app.drawing.live import LiveJobs
from app.drawing.record import request_of
from app.drawing.worker import Worker
from app.drawing.worker_name import WorkerName
from app.drawing.zerogpu import LentGenerator, check_seconds, drawing_seconds
from app.playground.words import load_vocabulary
from app.quota import AddressJobs, HourlyQuota
from app.request import GenerationRequest, check_request
from app.settings import Settings
from app.web.deployment import lacks, settle_journal
from app.web.identity import Identity, is_account
from model.packing import lasting_engine
from model.pipeline import WEIGHTS, TokenShufflePipeline, check_machine, usable_device
from model.settings import Settings as PictureSettings
from storage.housekeeping import Housekeeping
from storage.records import Generation, GenerationFilter, Job
from storage.store import Store, open_store

log = logging.getLogger(__name__)

PERSON_PRIORITY = 10  # a person who waits goes before a grid
GRID_PRIORITY = 0
SILENT_SECONDS = 60  # without a sign of life, after which a running job's worker counts as gone
MAX_ATTEMPTS = 2
VISITORS_PER_ADDRESS = 4  # who may each have as many jobs waiting as one visitor may
NO_WEIGHTS = "the weights could not be loaded; the log has the reason"  # which names folders, and visitors read this
UNFOLLOWED_SECONDS = 60  # where only a visitor's request draws, a job that none took so long is abandoned


class Services:
    """One running studio.

    store, identity, settings: as their modules say. pipeline: the default checkpoint's TokenShufflePipeline, or None with
    the reason in `problem`. checkpoints: it and the further ones. live: progress of running jobs. lacking: what this
    installation misses, as sentences. Ownership is decided by callers through `identity.owner(...)`.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        pipeline: TokenShufflePipeline | None,
        problem: str | None = None,
        lacking: Sequence[str] = (),
    ) -> None:
        self.settings = settings
        self.store = store
        self.pipeline = pipeline
        self.problem = problem
        further = {} if settings.zero_gpu else settings.checkpoints
        self.checkpoints = Checkpoints(pipeline, problem, further, lambda source: load_pipeline(settings, source))
        self.lacking = tuple(lacking)
        self.identity = Identity(settings.secret, admin_key=settings.admin_key, space_author=settings.space_author)
        self.live = LiveJobs()
        self.vocabulary = load_vocabulary(weights_folder(settings) / "vocabulary.json")
        self.environment = environment_of()
        self.started = time.monotonic()
        self.closing = threading.Event()
        self.drawing: Drawing | None = None
        self.worker: Worker | None = None
        self.housekeeping: Housekeeping | None = None
        self.name: WorkerName | None = None
        self._quota = HourlyQuota()
        self._jobs_of_addresses = AddressJobs()

    def start(self) -> "Services":
        """Take up what an earlier process left, and begin to work."""
        self.name = WorkerName(self.settings.data_dir)
        self.recover()
        self.housekeeping = Housekeeping(self.store, self.recover)
        self.housekeeping.start()
        if self.pipeline is not None:
            self.drawing = Drawing(self.store, self._generator_of(), self.live, self.environment, self.closing)
            if not self.lent:
                self.worker = Worker(self.store, self.drawing, self.name.own)
                self.worker.start()
        return self

    def recover(self) -> None:
        """Take up the jobs of workers that are gone, and no other's: several studios may share a database."""
        recovered = self.store.recover_jobs(
            gone=self.name.earlier,
            alive=self.name.own,
            silent_seconds=SILENT_SECONDS,
            max_attempts=0 if self.lent else MAX_ATTEMPTS,
        )
        if recovered:
            log.info("%d unfinished jobs were taken up again", len(recovered))

    @property
    def lent(self) -> bool:
        """Whether a GPU is lent to each visitor's request, so that no worker of our own can draw."""
        return self.settings.zero_gpu

    def _generator_of(self) -> Callable[[str | None], Any]:
        if not self.lent:
            return self.checkpoints.get
        lent = LentGenerator(self.pipeline, self._drawing_seconds)
        return lambda _: lent

    def _drawing_seconds(self, settings: Mapping[str, Any]) -> float:
        return drawing_seconds(self.pipeline, self.store, settings)

    def close(self) -> None:
        self.closing.set()
        if self.worker is not None:
            self.worker.close()
        if self.housekeeping is not None:
            self.housekeeping.close()
        if self.name is not None:
            self.name.close()
        self.store.close()

    @property
    def checkpoint(self) -> str | None:
        return getattr(self.pipeline, "checkpoint", None)

    @property
    def tuned(self) -> PictureSettings:
        """What the default checkpoint draws with where nothing else is asked for."""
        return PictureSettings() if self.pipeline is None else self.pipeline.validate("x")

    def check(self, request: GenerationRequest) -> None:
        """ValueError, with the value and what is allowed, if this cannot be drawn here."""
        check_request(request, self.settings)
        pipeline = self.checkpoints.get(request.checkpoint)
        try:
            pipeline.validate(**request.arguments())
        except ValueError as error:
            raise ValueError(named(request, str(error))) from error
        check_trained(pipeline.supported_cells(), request)
        if self.lent:
            check_seconds(self._drawing_seconds(request.arguments()))

    def drive(self, job_id: str) -> Drive | None:
        """Where the GPU is lent: draw this job on behalf of the present request, if it waits for that."""
        if not self.lent or self.drawing is None:
            return None
        job = self.store.take_job(job_id, self.name.own)
        if job is None:
            return None
        drive = Drive(self.drawing, job)
        drive.start()
        return drive

    def submit(
        self,
        owner: str,
        request: GenerationRequest,
        *,
        address: str | None = None,
        request_key: str | None = None,
        study_id: str | None = None,
        grid: bool = False,
    ) -> Job:
        """Queue a request with its seed resolved. grid: part of a planned grid or study, behind those who wait.

        address: the visitor's network address, which shares one hourly quota and one part of the queue however many
        identities it makes; signed-in accounts have their own part.
        """
        self.check(request)
        if grid and self.lent:
            raise ValueError("grids and studies are drawn by a worker; here a GPU is lent to one request at a time")
        if request.seed is None:
            request = request.with_seed(secrets.randbelow(2**31))
        if self.lent:
            self.store.interrupt_waiting(UNFOLLOWED_SECONDS)
        add = partial(
            self.store.submit_job,
            owner,
            request.as_dict(),
            study_id=study_id,
            request_key=request_key,
            priority=GRID_PRIORITY if grid else PERSON_PRIORITY,
            max_queued=None if grid else self.settings.max_queued,
            max_queued_per_owner=None if grid else self.settings.max_queued_per_user,
        )
        with self.spending(address, request.num_images):
            shared = None if is_account(owner) else address
            allowed = VISITORS_PER_ADDRESS * self.settings.max_queued_per_user
            job = self._jobs_of_addresses.submit(shared, allowed, self.store.unfinished_jobs, add)
        if self.worker is not None:
            self.worker.wake()
        return job

    def spending(self, address: str | None, count: int) -> AbstractContextManager[None]:
        """Pictures out of the hourly quota of an address, given back where the block refuses them. Raises TooMany."""
        return self._quota.spending(address, count, self.settings.max_starts_per_hour)

    def replay(self, generation_id: str, owner: str, *, address: str | None = None) -> Job:
        """Draw an own or published picture again, by the same weights and in the same batch, to see whether the tokens are
        the same. ValueError where no checkpoint has these weights."""
        generation = self.store.get_generation(generation_id, owner)
        images = generation.image_index + 1
        if generation.job_id:
            images = self.store.get_job(generation.job_id, None).request.get("num_images", images)
        checkpoint = self.checkpoints.with_weights(generation.settings["checkpoint"])
        request = request_of(generation, num_images=images, replay_of=generation.id, checkpoint=checkpoint)
        return self.submit(owner, request, address=address)

    def resume(self, job_id: str, owner: str) -> Job:
        """Queue an interrupted job again, with the seed that it had; owner only."""
        job = self.store.resume_job(job_id, owner)
        if self.worker is not None:
            self.worker.wake()
        return job

    def stop(self, job_id: str, owner: str) -> Job:
        """Owner only; foreign and unknown jobs raise the same NotFound."""
        return self.store.request_cancel(job_id, owner)

    def estimate(self, request: GenerationRequest) -> Estimate:
        """Steps, seconds and memory before anything starts."""
        return estimate(self.checkpoints.get(request.checkpoint), self.store, request)

    def picture_url(self, generation: Generation, kind: str = "full", save: str | None = None) -> str:
        """Root-relative signed link of a picture ("full" PNG or "thumb" WebP). The caller has checked who may see it."""
        signature = self.identity.sign_link(generation.id, kind, generation.published)
        link = f"/media/{generation.id}/{kind}?k={signature}"
        return f"{link}&save={save}" if save else link

    def generations_of_job(self, job: Job) -> list[Generation]:
        """What a job made, in order; only for the owner's eyes."""
        page = self.store.list_generations(GenerationFilter(viewer=job.owner, mine=True, job_id=job.id))
        return sorted(page.items, key=lambda generation: generation.image_index)


def build_services(settings: Settings, *, work: bool = True) -> Services:
    """Open the store, load the weights, start the worker. A checkpoint that cannot be loaded is shown, not hidden.

    work=False: queue only; another process on the same store draws. ValueError: an engine that does not run here.
    """
    if settings.engine is not None:  # a device that cannot be used is shown like weights that cannot be loaded
        check_machine(settings.engine, settings.threads, usable_device(None))
    settings, lacking = settle_journal(settings)
    lacking += lacks(settings)
    for sentence in lacking:
        log.warning("this Space lacks something: %s", sentence)
    store = open_store(settings.data_dir, settings.database_url, journal_dir=settings.journal_dir)
    pipeline = problem = None
    try:
        pipeline = load_pipeline(settings, settings.weights)
    except (OSError, ValueError):
        log.exception("the weights could not be loaded")
        problem = NO_WEIGHTS
    services = Services(settings, store, pipeline, problem, lacking)
    return services.start() if work else services


def load_pipeline(settings: Settings, source: str | None) -> TokenShufflePipeline:
    engine = settings.engine or lasting_engine(usable_device(None))
    return TokenShufflePipeline.from_pretrained(source, engine=engine, threads=settings.threads)


def weights_folder(settings: Settings) -> Path:
    """Where files beside the weights (vocabulary, examples) would be; a hub id has none here."""
    return Path(settings.weights) if settings.weights else WEIGHTS


def environment_of() -> Mapping[str, Any]:
    """What may change a number from one machine to the next; stored with every picture."""
    return {
        "torch": version("torch"),
        "transformers": version("transformers"),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
        "cores": os.cpu_count(),
    }
