"""A large study for measuring: `python -m tests.app.study.make_large FOLDER [votes] [generations]`.

Writes rows in bulk into an empty scratch database, with random answers that lean to smaller windows. Never point it
at a studio's own data: its votes are no people's.
"""

import sys
from datetime import datetime, timedelta, timezone
from itertools import product
from pathlib import Path

import numpy as np
from sqlalchemy import insert

from storage import schema
from storage.ids import new_id
from storage.settings import canonical, settings_hash
from storage.store import Store, open_store

WINDOWS, SCHEDULES, SIZES = (1, 2, 4), ("constant", "half-linear"), (256, 512)
RATERS = 400
START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def fill(store: Store, votes: int = 100_000, generations: int = 100_000, seed: int = 0) -> str:
    """The id of a study with this many votes and pictures."""
    random = np.random.default_rng(seed)
    study = store.create_study(
        f"large {seed}", prompts=["x"], settings=[], criteria=["alignment", "appearance", "flaws"], raters_per_pair=50
    )
    store.set_study_state(study.id, "open")
    cells = list(product(WINDOWS, SCHEDULES, SIZES))
    settings, setting_ids = _settings(cells)
    pictures = _pictures(study.id, generations, setting_ids, cells)
    pairs, contrasts = _pairs(study.id, pictures, cells, random, max(votes // 12, 1))
    raters = [
        {
            "id": new_id(),
            "created_at": START,
            "key_hash": f"{i:064d}",
            "simulated": False,
            "practice": {},
        }
        for i in range(RATERS)
    ]
    assignments, ballots = _ballots(study.id, votes, pairs, contrasts, raters, random)
    with store.database.write() as session:
        for table, rows in (
            (schema.Setting, settings),
            (schema.Generation, pictures),
            (schema.Comparison, pairs),
            (schema.Rater, raters),
            (schema.Assignment, assignments),
            (schema.Vote, ballots),
        ):
            session.execute(insert(table), rows)
    return study.id


def _settings(cells):
    rows = []
    for window, kind, px in cells:
        values = canonical(
            {"width": px, "height": px, "window": window, "schedule": kind, "scale": 7.5, "checkpoint": "large"}
        )
        rows.append(
            {
                "id": new_id(),
                "created_at": START,
                "hash": settings_hash(values),
                "width": px,
                "height": px,
                "window": window,
                "schedule": kind,
                "scale": 7.5,
                "checkpoint": "large",
                "values": values,
            }
        )
    return rows, [row["id"] for row in rows]


def _pictures(study, count, setting_ids, cells):
    rows = []
    for number in range(count):
        block, cell = divmod(number, len(cells))
        window, _, px = cells[cell]
        steps = (px // 16 // window) ** 2
        rows.append(
            {
                "id": new_id(),
                "created_at": START,
                "image_index": 0,
                "study_id": study,
                "setting_id": setting_ids[cell],
                "source": "model",
                "prompt": f"prompt {block % 300}",
                "prompt_sent": f"prompt {block % 300}",
                "seed": block // 300,
                "steps": steps,
                "seconds": steps / 100,
                "timings": {},
                "peak_memory_bytes": 10**9,
                "numerics_id": "large",
                "environment": {},
                "image": f"{number:064d}",
                "thumbnail": f"{number:064d}",
            }
        )
    return rows


def _pairs(study, pictures, cells, random, count):
    """Pairs inside a block of cells (one prompt and seed) that differ in one factor."""
    possible = [
        (i, j, k)
        for i in range(len(cells))
        for j in range(i + 1, len(cells))
        for k in [_factor(cells[i], cells[j])]
        if k
    ]
    blocks = len(pictures) // len(cells)
    chosen = random.choice(blocks * len(possible), size=min(count, blocks * len(possible)), replace=False)
    rows, contrasts = [], []
    for block, which in zip(chosen // len(possible), chosen % len(possible)):
        i, j, factor = possible[which]
        a, b = pictures[block * len(cells) + i], pictures[block * len(cells) + j]
        rows.append(
            {
                "id": new_id(),
                "created_at": START,
                "study_id": study,
                "generation_a": a["id"],
                "generation_b": b["id"],
                "kind": "matched",
                "factor": factor,
                "block": f"{factor} {i} | {j}",
            }
        )
        contrasts.append(np.log2(cells[j][0]) - np.log2(cells[i][0]))
    return rows, contrasts


def _factor(one, other):
    differing = [name for name, x, y in zip(("window", "schedule", "resolution"), one, other) if x != y]
    return differing[0] if len(differing) == 1 else None


def _ballots(study, votes, pairs, contrasts, raters, random):
    criteria = ("alignment", "appearance", "flaws")
    assignments, ballots, taken = [], [], set()
    while len(ballots) < votes:
        pair, rater = int(random.integers(len(pairs))), int(random.integers(len(raters)))
        if (pair, rater) in taken:
            continue
        taken.add((pair, rater))
        when = START + timedelta(seconds=20 * len(assignments))
        assignments.append(
            {
                "id": new_id(),
                "created_at": when,
                "study_id": study,
                "rater_id": raters[rater]["id"],
                "comparison_id": pairs[pair]["id"],
                "left_side": "ab"[int(random.integers(2))],
                "criteria": list(criteria),
                "propensity": 0.01,
                "chosen_by": "fresh",
                "repeat": 0,
                "expires_at": when,
            }
        )
        chance = 0.75 / (1 + np.exp(-0.5 * contrasts[pair]))
        for criterion, u in zip(criteria, random.random(3)):
            answer = "a" if u < chance else "b" if u < 0.75 else "both_good" if u < 0.87 else "both_bad"
            ballots.append(
                {
                    "id": new_id(),
                    "created_at": when,
                    "assignment_id": assignments[-1]["id"],
                    "criterion": criterion,
                    "revision": 0,
                    "answer": answer,
                    "decision_ms": 1500,
                    "display": {"width": 1280.0},
                }
            )
    return assignments, ballots[:votes]


if __name__ == "__main__":
    opened = open_store(Path(sys.argv[1]))
    print(fill(opened, *map(int, sys.argv[2:4])))
    opened.close()
