"""The retroactive sweep: score every rater of a study, set risky votes aside, count the others again."""

from dataclasses import dataclass

from app.services import Services
from app.studies import cache as study_cache
from app.study.risk import EXCLUDE_AT, RULE, risk_scores, sweep_plan
from storage.records import Study


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
    for row in scores.itertuples():
        services.store.set_risk(row.rater, row.risk, row.reasons)
    risky = found.votes["vote"].map(lambda vote: RULE in found.rules.get(vote, ()))
    out, again = sweep_plan(found.votes.assign(risky=risky.astype(bool)), scores, limit)
    for reason, votes in out.items():
        services.store.exclude_many(votes, RULE, reason)
    for vote in again:
        services.store.lift_exclusion(vote, RULE)
    return Swept(len(scores), int((scores["risk"] >= limit).sum()), sum(map(len, out.values())), len(again))
