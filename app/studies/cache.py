"""What the results of a study are computed from, read once per state of the study. Losing it loses nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from app.drawing.record import guidance_of
from app.services import Services
from app.study.choice import Pool
from app.study.coding import Coding, make_coding
from app.study.design import setting_levels
from app.study.ratings import Rating, rate
from app.study.records import pair_frame, pool_of, study_coding, vote_frame
from app.study.reliability import OVERLAP_NEEDED, overlap_share, reliability
from app.study.tables import what_if
from app.study.votes import FACTORS, levels


@dataclass(frozen=True, eq=False)
class Material:
    """votes: the vote frame; pairs: all comparisons; rules: vote -> exclusion rules; settings: those of the pairs."""

    votes: pd.DataFrame
    pairs: pd.DataFrame
    rules: Mapping[str, Sequence[str]]
    settings: list[Mapping[str, Any]]
    coding: Coding


def material(services: Services, study_id: str) -> Material:
    return _material(services, study_id, services.store.study_version(study_id))


@lru_cache(maxsize=4)
def _material(services: Services, study_id: str, version: tuple) -> Material:
    """`version` says when an older reading is out of date."""
    tables = services.store.study_tables(study_id)
    pairs = pair_frame(tables)
    matched = pairs[pairs["kind"] == "matched"]
    coding = make_coding(pd.concat([levels(matched, FACTORS, side) for side in "ab"]).drop_duplicates(), FACTORS)
    return Material(vote_frame(tables, pairs), pairs, tables.rules, list(tables.settings.values()), coding)


@dataclass(frozen=True, eq=False)
class Design:
    """pool: the pairs that may be shown, as if nobody had rated them; pictures, tokens: (n, 2) generations a and b of each,
    and their token hashes."""

    pool: Pool
    pictures: np.ndarray
    tokens: np.ndarray


def design(services: Services, study_id: str) -> Design:
    return _design(services, study_id, services.store.design_version(study_id))


@lru_cache(maxsize=4)
def _design(services: Services, study_id: str, version: tuple) -> Design:
    known, coding = study_coding(*services.store.study_settings(study_id))
    pairs = services.store.pairs_on_offer(study_id)
    pictures = np.array([(pair.generation_a, pair.generation_b) for pair in pairs], dtype=object).reshape(-1, 2)
    hashes = services.store.tokens_of_pairs(study_id)
    tokens = np.array([hashes[each] for each in pictures.flat], dtype=object).reshape(-1, 2)
    return Design(pool_of(pairs, known, coding), pictures, tokens)


@lru_cache(maxsize=8)
def supposed(found: Material, lifted: tuple[str, ...], dropped: tuple[str, ...]) -> pd.DataFrame:
    """The votes under a supposition about exclusions; as they are without one."""
    return what_if(found.votes, found.rules, lifted, dropped) if lifted or dropped else found.votes


def of_criteria(votes: pd.DataFrame, criteria: Sequence[str]) -> pd.DataFrame:
    """The votes on some of the criteria."""
    chosen = votes["criterion"].isin(criteria)
    return votes if chosen.all() else votes[chosen]


@lru_cache(maxsize=24)
def fitted(found: Material, criterion: str, lifted: tuple[str, ...] = (), dropped: tuple[str, ...] = ()) -> Rating:
    return rate(supposed(found, lifted, dropped), criterion, coding=found.coding)


def flops_of(services: Services, found: Material) -> dict[tuple, float]:
    """Levels of the factors -> FLOPs of one picture, for settings whose weights are here."""
    known = {}
    for values in found.settings:
        try:
            pipeline = services.checkpoints.get(services.checkpoints.with_weights(values["checkpoint"]))
        except ValueError:
            continue
        named = setting_levels(values)
        cost = pipeline.plan(
            width=values["width"],
            height=values["height"],
            shuffle_window=values["window"],
            **guidance_of(values),
        )
        known[tuple(named[factor] for factor in FACTORS)] = cost["flops"] / 1e12
    return known


@lru_cache(maxsize=24)
def agreement(
    found: Material, criterion: str, lifted: tuple[str, ...] = (), dropped: tuple[str, ...] = ()
) -> pd.DataFrame:
    """The reliability table of one criterion; empty while too few assignments repeat another rater's pair."""
    votes = of_criteria(supposed(found, lifted, dropped), [criterion])
    table = reliability(votes) if overlap_share(votes) >= OVERLAP_NEEDED else pd.DataFrame()
    return table.assign(criterion=criterion)
