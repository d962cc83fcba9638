"""The arena's server side: who sees which pair, and what becomes of the answer. No page code here.

The browser gets an opaque assignment id and two pictures; sides, settings, propensity and the kind of pair
stay in the database. Answers come back as left or right and are turned into a or b here.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

import numpy as np

from app.arena.blind import of_one_length, stored_square
from app.compare.plan import is_grid
from app.components.data_uri import data_uri
from app.services import Services
from app.studies import cache as study_cache
from app.study.choice import BALANCED_RATINGS, RATED_KINDS, Choice, Pool, choose, least_rated, still_open
from app.study.ratings import Rating
from app.study.records import history_of, with_raters
from app.study.votes import CRITERIA
from app.web.identity import is_account
from storage.errors import NotFound, WrongState
from storage.records import Assignment, Rater, Study, Vote

PAIR_MINUTES = 60
SESSION_PAIRS = 30  # the stated length of a sitting
SECONDS_A_QUESTION = 7  # for the stated length in minutes
ANSWERS = ("left", "right", "both_good", "both_bad", "cannot_tell")
REFIT_VOTES = 25  # the adaptive choice reads a new fit after so many votes
MAX_DECISION_MS = 3_600_000
DISPLAY_KEYS = ("width", "height", "pixel_ratio", "shown_px", "zoomed", "flips", "touch")


def rater_key(services: Services, owner: str) -> str:
    """Keyed hash of a visitor's identity: what the database knows of a rater."""
    return keyed(services, f"rater/{owner}")


def keyed(services: Services, text: str) -> str:
    """64 hex digits from which nobody without the studio's secret can tell what was hashed."""
    return hmac.new(services.settings.secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def rater_of(services: Services, owner: str) -> Rater:
    return services.store.get_or_create_rater(rater_key(services, owner))


def consenting_rater(services: Services, owner: str) -> Rater:
    rater = rater_of(services, owner)
    if rater.consented_at is None:
        raise WrongState("please read the instructions and agree first")
    return rater


def study_for(services: Services, invite: str | None, owner: str) -> Study:
    """The invited study, else an open one that is no grid. Simulated studies are for the simulator alone."""
    study = services.store.study_by_invite(invite) if invite else _open_study(services, owner)
    if study is None or study.simulated:
        raise NotFound("no study is open at the moment")
    return study


def _open_study(services: Services, owner: str) -> Study | None:
    """The one whose sitting this rater has begun, else the newest that has pairs for them, else the newest."""
    found = [study for study in services.store.list_studies(states=("open",)) if not is_grid(study)]
    if len(found) < 2:
        return next(iter(found), None)
    begun = (study for study in found if in_sitting(services, study, owner))
    waiting = (study for study in found if standing(services, study, owner).open_pairs(study))
    return next(begun, None) or next(waiting, found[0])


def next_pair(services: Services, study: Study, owner: str, now: "Standing | None" = None) -> Assignment | None:
    """The rater's unfinished pair, or a new one, written down before anything is shown; None at the end. `now`: the
    rater's standing, where the caller has read it."""
    rater = consenting_rater(services, owner)
    if study.state != "open":
        current = services.store.current_assignment(rater.id, study.id)
        if current is None:
            raise WrongState(f"the study is {study.state}; it hands out no pairs now")
        return current
    now = now or standing(services, study, owner)
    unfinished = now.unfinished()
    if unfinished is not None:
        return _assign(services, study, rater, unfinished)
    choice = choose(
        now.pool,
        history_of(now.assignments),
        now.allowed,
        study.raters_per_pair,
        np.random.default_rng(secrets.randbits(128)),
        _current_rating(services, study, now.pool),
    )
    return None if choice is None else _assign(services, study, rater, choice)


def in_sitting(services: Services, study: Study, owner: str) -> bool:
    """Whether this rater has begun and is not at the end of what the study has for a sitting. Writes nothing but the rater."""
    if study.state != "open" or not services.store.assignments_of(rater_of(services, owner).id, study.id):
        return False
    now = progress(study, standing(services, study, owner))
    return now["done"] < now["total"]


@dataclass(frozen=True)
class Standing:
    """Where a study stands for one rater."""

    pool: Pool
    allowed: np.ndarray  # (n,) False where the rater made, queued or saw with its settings a picture of these tokens
    assignments: Sequence[Assignment]  # of the rater, oldest first

    def unfinished(self) -> Choice | None:
        """The newest pair that the rater left half answered, as it was shown; its hour may be over."""
        shown = set(self.pool.comparison[self.allowed])
        for one in reversed(self.assignments):
            if one.comparison.id in shown and not set(one.criteria) <= set(one.answered):
                return Choice(one.comparison.id, one.left_side, one.propensity, one.chosen_by, one.repeat_of)
        return None

    def finished(self) -> int:
        return sum(seen.answered for seen in history_of(self.assignments))

    def open_pairs(self, study: Study) -> set[str]:
        """Comparisons that wait for this rater: matched ones that need raters, and the unfinished one. A study that is not
        open has the last alone."""
        unfinished = self.unfinished()
        left = {unfinished.comparison} if unfinished else set()
        if study.state == "open":
            mask = still_open(self.pool, history_of(self.assignments), self.allowed, study.raters_per_pair)
            left |= set(self.pool.comparison[mask])
        return left

    def rated_pairs(self, study: Study) -> set[str]:
        """Comparisons that enter ratings and that this rater has answered or may still be asked about. It stays the same
        when a control or a repeat is handed out, half answered or finished."""
        answered = {
            seen.comparison for seen in history_of(self.assignments) if seen.answered and seen.kind in RATED_KINDS
        }
        controls = set(self.pool.comparison[~np.isin(self.pool.kind, RATED_KINDS)])
        return answered | (self.open_pairs(study) - controls)


def standing(services: Services, study: Study, owner: str) -> Standing:
    store, found, rater = services.store, study_cache.design(services, study.id), rater_of(services, owner)
    seen, drawn = store.seen_generations(owner), store.seen_tokens(owner)
    pairs = zip(found.pictures.tolist(), found.tokens.tolist())
    allowed = np.array([seen.isdisjoint(pair) and drawn.isdisjoint(tokens) for pair, tokens in pairs], dtype=bool)
    return Standing(
        with_raters(found.pool, store.raters_of_pairs(study.id)), allowed, store.assignments_of(rater.id, study.id)
    )


def _assign(services: Services, study: Study, rater: Rater, choice: Choice) -> Assignment:
    """Written down; an unfinished assignment of the same pair is prolonged instead."""
    return services.store.open_assignment(
        rater.id,
        study.id,
        choice.comparison,
        left_side=choice.left_side,
        criteria=study.criteria,
        propensity=choice.propensity,
        chosen_by=choice.chosen_by,
        repeat_of=choice.repeat_of,
        expires_at=datetime.now(timezone.utc) + timedelta(minutes=PAIR_MINUTES),
    )


def _current_rating(services: Services, study: Study, pool: Pool) -> Rating | None:
    """A fit for the adaptive choice, at most REFIT_VOTES behind; None during the balanced blocks."""
    if least_rated(pool) < BALANCED_RATINGS:
        return None
    return _fitted(services, study.id, study.criteria[0], pool.contrast.shape[1], int(pool.raters.sum()) // REFIT_VOTES)


@lru_cache(maxsize=16)
def _fitted(services: Services, study_id: str, criterion: str, terms: int, refit: int) -> Rating:
    """`terms` and `refit` are counts that say when an older fit is out of date."""
    return study_cache.fitted(study_cache.material(services, study_id), criterion)


def card(services: Services, assignment: Assignment) -> dict[str, Any]:
    """All that the browser learns about a pair."""
    a, b = assignment.comparison.generation_a, assignment.comparison.generation_b
    found = services.store.generations_by_id([a, b])
    left, right = (found[i] for i in ((a, b) if assignment.left_side == "a" else (b, a)))
    if left.image is None or right.image is None:
        raise WrongState("a picture of this pair was deleted; ask for the next pair")
    files = of_one_length(*(stored_square(services.store.images.path(side.image)) for side in (left, right)))
    return {
        "assignment": assignment.id,
        "prompt": found[a].prompt_sent or "",
        "left": data_uri(files[0]),  # both travel in one answer, so neither loads first
        "right": data_uri(files[1]),
        "questions": [
            {"criterion": c, "text": CRITERIA[c]} for c in assignment.criteria if c not in assignment.answered
        ],
    }


def progress(study: Study, now: Standing, given: Assignment | None = None) -> dict[str, Any]:
    """Pairs that this rater has finished, and how many a sitting has: no more than there are to rate for them. given: the
    pair that comes with the answer.

    Controls and repeats count as done, so there may be more in the end; but neither number tells which pair is one.
    """
    done = now.finished()
    left = now.open_pairs(study) or given
    total = max(len(now.rated_pairs(study)), done + 1) if left else done
    return {"done": done, "total": min(session_pairs(study), total), "study": study.name}


def session_pairs(study: Study) -> int:
    return int(study.plan.get("session_pairs", SESSION_PAIRS))


def welcome(services: Services, study: Study, owner: str) -> dict[str, Any]:
    """What a rater reads before the first pair: the study, its questions, and how long a sitting takes."""
    rater, now = rater_of(services, owner), standing(services, study, owner)
    sitting = progress(study, now)
    led = (
        " You have seen its results already: your answers are kept, but set aside."
        if services.store.has_read(study.id, rater.id)
        else ""
    )
    return {
        "consented": rater.consented_at is not None,
        "description": study.description + led,
        "questions": [CRITERIA[name] for name in study.criteria],
        "minutes": max(round(sitting["total"] * len(study.criteria) * SECONDS_A_QUESTION / 60), 1),
        "state": study.state,
        "open": bool(now.open_pairs(study)),  # a number would count the controls
        **sitting,
    }


def vote(services: Services, owner: str, message: Mapping[str, Any]) -> Vote:
    """Record one answer. Returns after the commit; ValueError (or a storage error, which is one) if refused."""
    answer, criterion = message.get("answer"), message.get("criterion")
    if answer not in ANSWERS:
        raise ValueError(f"answer {answer!r:.40}; allowed: {', '.join(ANSWERS)}")
    if not isinstance(criterion, str) or criterion not in CRITERIA:
        raise ValueError(f"criterion {criterion!r:.40}; allowed: {', '.join(CRITERIA)}")
    rater, assignment = rater_of(services, owner), str(message.get("assignment"))
    return services.store.record_vote(
        assignment,
        rater.id,
        criterion,
        by_picture(answer, services.store.left_side(assignment, rater.id)),
        decision_ms=_milliseconds(message.get("decision_ms")),
        display=_display(message.get("display")),
    )


def by_picture(answer: str, left_side: str) -> str:
    """left and right as seen -> a and b of the comparison; the other answers have no side."""
    right_side = "b" if left_side == "a" else "a"
    return {"left": left_side, "right": right_side}.get(answer, answer)


def _milliseconds(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_DECISION_MS:
        raise ValueError(f"decision_ms {value!r:.40} must be between 0 and {MAX_DECISION_MS}")
    return int(value)


def _display(value: Any) -> dict[str, float]:
    """How the pair was shown: known names and finite numbers only."""
    if not isinstance(value, dict):
        return {}
    return {k: float(value[k]) for k in DISPLAY_KEYS if isinstance(value.get(k), int | float) and abs(value[k]) < 1e6}


def take_back(services: Services, owner: str, message: Mapping[str, Any]) -> None:
    """Undo an answer, a marked flaw or a report, inside the store's short window."""
    rater = rater_of(services, owner)
    if "flaw" in message:
        services.store.lift_mark(str(message["flaw"]), rater.id)
    else:
        services.store.supersede_vote(str(message.get("vote")), rater.id)


def report_broken(services: Services, owner: str, message: Mapping[str, Any], address: str | None) -> str:
    """A picture that is no picture; the report's id. The pair stays open: the other questions can still be answered. Reports
    on a pair from one account, or without an account from one address, count once."""
    side = message.get("side")
    if side not in ("left", "right"):
        raise ValueError(f"side {side!r:.40}; allowed: left, right")
    rater = rater_of(services, owner)
    assignment = services.store.get_assignment(str(message.get("assignment")), rater.id)
    reporter = owner if is_account(owner) else address
    # With the pair in the hash, nobody's reports on two pairs can be joined.
    reporter = reporter and keyed(services, f"report/{assignment.comparison.id}/{reporter}")
    return services.store.record_flaw(assignment.id, rater.id, side, kind="broken", reporter=reporter).id


def mark_flaw(services: Services, owner: str, message: Mapping[str, Any]) -> str:
    """A box drawn on the shown square becomes a box on the picture, which the browser does not know the size of."""
    side, box = message.get("side"), message.get("box")
    if side not in ("left", "right"):
        raise ValueError(f"side {side!r:.40}; allowed: left, right")
    rater = rater_of(services, owner)
    assignment = services.store.get_assignment(str(message.get("assignment")), rater.id)
    comparison = assignment.comparison
    shown = comparison.generation_a if (assignment.left_side == "a") == (side == "left") else comparison.generation_b
    picture = services.store.generations_by_id([shown])[shown]
    x0, y0, x1, y1 = picture_box(box, picture.width, picture.height)
    return services.store.record_flaw(assignment.id, rater.id, side, x0=x0, y0=y0, x1=x1, y1=y1).id


def picture_box(box: Any, width: int, height: int) -> tuple[float, float, float, float]:
    """Fractions of the common square (app/arena/blind.py) -> fractions of the picture that stands centred in it."""
    if not isinstance(box, list) or len(box) != 4 or not all(_is_fraction(each) for each in box):
        raise ValueError(f"box {box!r:.60}; allowed: four fractions from 0 to 1, left, top, right, bottom")
    x0, y0, x1, y1 = box
    across, down = width / max(width, height), height / max(width, height)
    left, right = (min(max((x - (1 - across) / 2) / across, 0.0), 1.0) for x in (x0, x1))
    top, bottom = (min(max((y - (1 - down) / 2) / down, 0.0), 1.0) for y in (y0, y1))
    if left >= right or top >= bottom:
        raise ValueError("the mark lies outside the picture")
    return left, top, right, bottom


def _is_fraction(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
