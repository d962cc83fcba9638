"""A small open study with pictures of different sizes, and a studio without a generator around it."""

import io
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image

from app.arena import practice
from app.services import Services
from app.settings import Settings
from app.study.design import generation_frame, identical_pairs, matched_pairs, wrong_prompt_pairs
from storage.records import NewComparison, Study
from storage.store import Store, open_store

PROMPTS = ("a red apple on a table", "two lemons", "a green cup")
SIZES = (64, 128)
WINDOWS = (1, 2, 4)


@cache
def png(seed: int, px: int) -> bytes:
    """A coloured disc on noise, so that pictures of one prompt resemble each other and none are equal."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:px, :px] / px
    colour = random.integers(60, 255, 3)
    disc = ((x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.1)[..., None]
    pixels = np.where(disc, colour, 220) + random.normal(0, 6, (px, px, 3))
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype("uint8")).save(buffer, "PNG")
    return buffer.getvalue()


def make_services(folder: Path, database_url: str | None = None) -> Services:
    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(data_dir=folder, secret="s" * 32, admin_key="the key")
    return Services(settings, open_store(folder, database_url), None, "no generator in this test")


def make_study(
    store: Store, name: str = "Windows and sizes", raters_per_pair: int = 3, owner: str | None = None, contrasts=()
) -> Study:
    study = store.create_study(
        name,
        prompts=list(PROMPTS),
        settings=[],
        criteria=["alignment", "appearance", "flaws"],
        raters_per_pair=raters_per_pair,
        description="Do larger windows cost quality?",
        contrasts=contrasts,
    )
    for number, (prompt, px, window) in enumerate(product(PROMPTS, SIZES, WINDOWS)):
        add_picture(store, study.id, prompt, px, window, number, owner)
    frame, random = generation_frame(store.study_generations(study.id)), np.random.default_rng(0)
    new = [NewComparison(p.a, p.b, factor=p.factor, block=p.block) for p in matched_pairs(frame).itertuples()]
    new += [
        NewComparison(p.a, p.b, kind="wrong_prompt", expected="a")
        for p in wrong_prompt_pairs(frame, 2, random).itertuples()
    ]
    new += [NewComparison(p.a, p.b, kind="identical") for p in identical_pairs(frame, 2, random).itertuples()]
    store.add_comparisons(study.id, new)
    return store.set_study_state(study.id, "open")


def add_picture(
    store: Store,
    study: str | None,
    prompt: str,
    px: int,
    window: int,
    seed: int,
    owner: str | None,
    token_hash: str | None = None,
    scale: float = 4.0,
):
    image = store.images.put(png(seed, px))
    return store.record_generation(
        None,
        prompt=prompt,
        prompt_sent=prompt,
        seed=7,
        image=image.image,
        thumbnail=image.thumbnail,
        study_id=study,
        owner=owner,
        token_hash=token_hash,
        seconds=px * px / 4096 / window,
        steps=px * px // 256 // window**2,
        numerics_id="test",
        settings={
            "width": px,
            "height": px,
            "window": window,
            "schedule": "linear",
            "scale": scale,
            "checkpoint": "test",
        },
    )


def finish_practice(services: Services, study: Study, owner: str) -> None:
    """As a rater who looks: every lesson right at once."""
    while (lesson := practice.next_lesson(services, study, owner)) is not None:
        criterion = lesson["questions"][0]["criterion"]
        assert practice.answer(services, owner, criterion, practice.good_side(services, owner, criterion))["right"]
