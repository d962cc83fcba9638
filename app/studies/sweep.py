"""The retroactive sweep: score every rater of a study, set risky votes aside, count the others again."""

import logging
import threading
import time
from dataclasses import dataclass

from app.services import Services
from app.studies import cache as study_cache
from app.study.risk import EXCLUDE_AT, RULE, risk_scores, sweep_plan
from storage.records import Study

log = logging.getLogger(__name__)

SECONDS_BETWEEN = 60  # two sweeps of one study in the background: each reads all of its votes


@dataclass(frozen=True)
class Swept:
    raters: int
    risky: int
    excluded: int  # votes newly set aside
    lifted: int  # votes that count again


def sweep(services: Services, study: Study, limit: float = EXCLUDE_AT) -> Swept:
    """Idempotent. Raters see nothing of it; every vote that is set aside stands in the audit with its reason."""
    if not 0 < limit <= 100:
        raise ValueError(f"the limit is {limit}; allowed: above 0 to 100")
    found = study_cache.material(services, study.id)
    scores = risk_scores(found.votes)
    risky = found.votes["vote"].map(lambda vote: RULE in found.rules.get(vote, ()))
    out, again = sweep_plan(found.votes.assign(risky=risky.astype(bool)), scores, limit)
    for reason, votes in out.items():
        services.store.exclude_many(votes, RULE, reason)
    if again:
        services.store.lift_many(again, RULE)
    return Swept(len(scores), int((scores["risk"] >= limit).sum()), sum(map(len, out.values())), len(again))


class Sweeper:
    """Sweeps in the background, at most once a minute and study. It never stands between a rater and the next page."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._due: dict[str, float] = {}  # study -> when its last sweep was to begin, on the monotonic clock

    def ask(self, study: Study) -> None:
        """Returns at once. A sweep that has not begun yet answers all who ask meanwhile."""
        with self._lock:
            now, last = time.monotonic(), self._due.get(study.id)
            if last is not None and last > now:
                return
            self._due[study.id] = now if last is None else max(now, last + SECONDS_BETWEEN)
            timer = threading.Timer(self._due[study.id] - now, self._sweep, (study,))
            timer.daemon = True
            timer.start()

    def _sweep(self, study: Study) -> None:
        try:
            done = sweep(self._services, study)
            if done.excluded or done.lifted:
                log.info("study %s: %d votes set aside, %d count again", study.id, done.excluded, done.lifted)
        except Exception:
            log.exception("the sweep of study %s failed", study.id)
