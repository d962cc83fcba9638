"""Cells of a grid under blind eyes: queue two of them for rating, and how often each cell won so far."""

import pandas as pd

from app.compare.plan import is_grid
from app.services import Services
from app.study.design import differences, generation_frame, matched_pairs
from app.study.intervals import shares
from app.study.votes import answered, points
from storage.errors import NotFound, WrongState
from storage.records import Generation, NewComparison, Study


def queue_pair(services: Services, study: Study, owner: str, first: str, second: str) -> list[str]:
    """Two cells of an own grid become a pair that others rate blind; the grid opens for rating with its first pair.
    Returns what the cells differ in."""
    if study.owner != owner or not is_grid(study):
        raise NotFound("only the grid's owner can queue its cells")
    known = {each.id: each for each in services.store.study_generations(study.id)}
    if first == second or not {first, second} <= set(known):
        raise ValueError("pick two different cells of this grid")
    if study.state == "closed":
        raise WrongState("this grid is closed; it takes no more pairs")
    pair = pair_of(known[first], known[second])
    services.store.add_comparisons(study.id, [pair])
    if study.frozen_at is None:
        services.store.freeze_contrasts(study.id, [])
    services.store.set_study_state(study.id, "open")
    return differences(known[first], known[second])


def stop_rating(services: Services, study: Study, owner: str) -> None:
    """The invite link hands out no pair of the grid from now on; one that is on screen may still be answered."""
    _set_rated(services, study, "paused")


def resume_rating(services: Services, study: Study, owner: str) -> None:
    _set_rated(services, study, "open")


def _set_rated(services: Services, study: Study, state: str) -> None:
    if study.opened_at is None:
        raise WrongState("no two cells of this grid were queued for rating yet")
    services.store.set_study_state(study.id, state)


def pair_of(first: Generation, second: Generation) -> NewComparison:
    """Matched where exactly one factor differs, else free: shown and counted for its cells, never in the rating model.

    Picture a is always the same of the two, so that a pair queued twice is one pair. ValueError for two prompts.
    """
    if first.prompt_sent != second.prompt_sent:
        raise ValueError("the two cells have different prompts; raters are asked about two pictures of one text")
    found = matched_pairs(generation_frame([first, second]))
    if len(found):
        one = found.iloc[0]
        return NewComparison(one["a"], one["b"], factor=one["factor"], block=one["block"])
    a, b = sorted((first.id, second.id))
    return NewComparison(a, b, kind="free", block="any two cells")


def win_shares(votes: pd.DataFrame, criterion: str) -> pd.DataFrame:
    """Generation -> `share` of its votes won (ties half), `low`, `high` (Wilson, votes as independent), `n`."""
    used = answered(votes, (votes["criterion"] == criterion) & votes["kind"].isin(["matched", "free"]))
    score = points(used)
    sides = [
        pd.DataFrame({"generation": used["generation_a"], "score": score}),
        pd.DataFrame({"generation": used["generation_b"], "score": 1 - score}),
    ]
    return shares(pd.concat(sides), "generation").set_index("generation")
