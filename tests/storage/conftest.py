"""Small worlds to ask questions about."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from storage_world import OWNER, SETTINGS, png

from storage.records import Assignment, Comparison, Generation, NewComparison, Rater, Study
from storage.schema import utc_now
from storage.store import Store


@pytest.fixture
def generate(store: Store) -> Callable[..., Generation]:
    """generate(prompt=..., window=..., owner=..., shade=...): a picture with its row."""

    def make(
        prompt: str = "a red chair",
        *,
        owner: str | None = OWNER,
        shade: int = 0,
        job_id: str | None = None,
        **values: Any,
    ) -> Generation:
        settings = {**SETTINGS, **{key: values.pop(key) for key in list(values) if key in SETTINGS}}
        stored = store.images.put(png(shade))
        values = {"seed": 2**40 + shade, "seconds": 1.5, "steps": 64, "tokens": b"\x01\x00", **values}
        return store.record_generation(
            job_id,
            settings=settings,
            prompt=prompt,
            image=stored.image,
            thumbnail=stored.thumbnail,
            pixel_hash=stored.pixel_hash,
            owner=owner,
            **values,
        )

    return make


@dataclass
class Arena:
    """An open study with one matched pair (window 1 against 2) and one rater."""

    store: Store
    study: Study
    a: Generation
    b: Generation
    comparison: Comparison
    rater: Rater

    def assign(self, rater: Rater | None = None, *, seconds: float = 600, **values: Any) -> Assignment:
        arguments = {
            "left_side": "b",
            "criteria": ["alignment", "flaws"],
            "propensity": 0.25,
            "expires_at": utc_now() + timedelta(seconds=seconds),
            **values,
        }
        rater_id = (rater or self.rater).id
        return self.store.open_assignment(rater_id, self.study.id, self.comparison.id, **arguments)


@pytest.fixture
def arena(store: Store, generate: Callable[..., Generation]) -> Arena:
    study = store.create_study(
        "windows", prompts=["a red chair"], settings=[SETTINGS], criteria=["alignment", "flaws"], raters_per_pair=2
    )
    a, b = (generate(window=window, shade=window, study_id=study.id) for window in (1, 2))
    comparison = store.add_comparisons(study.id, [NewComparison(a.id, b.id, factor="window", block="1")])[0]
    study = store.set_study_state(study.id, "open")
    return Arena(store, study, a, b, comparison, store.get_or_create_rater("r" * 32))
