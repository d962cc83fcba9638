"""Who looks is never called careless, whatever they prefer where there is nothing to prefer."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from app.study.risk import EXCLUDE_AT, risk_scores

CRITERIA = ("alignment", "appearance", "flaws")


def sitting(kinds, answer, rater="r", seed=0):
    """One rater's votes; answer(kind, criterion, random) -> a vote, where a is the better picture of a check."""
    random, rows = np.random.default_rng(seed), []
    for number, kind in enumerate(kinds):
        shared = {
            "rater": rater,
            "assignment": f"{rater}/{number}",
            "kind": kind,
            "left_side": random.choice(["a", "b"]),
        }
        shared |= {"decision_ms": 3000, "expected": "a" if kind in ("wrong_prompt", "degraded") else None}
        rows += [shared | {"criterion": name, "answer": answer(kind, name, random)} for name in CRITERIA]
    return pd.DataFrame(rows)


def coin(random):
    return "both_good" if random.random() < 0.25 else str(random.choice(["a", "b"]))


def looks(kind, criterion, random):
    """Sees which picture is worse; which of two good pictures looks better is a matter of taste."""
    return "a" if kind == "degraded" or (kind == "wrong_prompt" and criterion == "alignment") else coin(random)


def guesses(_kind, _criterion, random):
    return coin(random)


def test_raters_who_look_are_never_excluded_over_pictures_of_another_text():
    kinds = ["matched"] * 18 + ["wrong_prompt"] * 4
    votes = pd.concat([sitting(kinds, looks, f"rater {i}", i) for i in range(150)])
    assert (risk_scores(votes)["risk"] == 0).all()


def test_raters_who_guess_are_found_by_checks():
    kinds = ["matched"] * 12 + ["degraded"] * 6
    votes = pd.concat([sitting(kinds, guesses, f"rater {i}", i) for i in range(60)])
    assert (risk_scores(votes)["risk"] >= EXCLUDE_AT).mean() > 0.4


@pytest.mark.parametrize(("checks", "judged"), [(1, False), (2, False), (3, True)])
def test_the_three_answers_to_one_check_are_one_check(checks, judged):
    def wrong(kind, criterion, random):
        return "b" if kind == "degraded" else coin(random)

    score = risk_scores(sitting(["matched"] * 12 + ["degraded"] * checks, wrong)).iloc[0]
    assert (score["risk"] >= EXCLUDE_AT) == judged


def test_raters_whose_criteria_agree_are_not_taken_for_one_sided():
    """One toss of a coin a pair, and the answers to all three questions are that toss: every way it can fall."""
    looked = sitting(["matched"] * 7, lambda *_: "a")
    tosses = enumerate(product("ab", repeat=7))
    honest = [looked.assign(rater=str(i), answer=np.repeat(toss, len(CRITERIA))) for i, toss in tosses]
    assert (risk_scores(pd.concat(honest))["risk"] == 0).all()


@pytest.mark.parametrize(("pairs", "points"), [(14, 0), (15, 40), (20, 70)])
def test_always_the_left_picture_is_found_by_pairs(pairs, points):
    votes = sitting(["matched"] * pairs, lambda *_: "a")
    assert risk_scores(votes.assign(answer=votes["left_side"]))["risk"].tolist() == [points]
