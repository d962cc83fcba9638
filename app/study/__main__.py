"""Studies from the command line, and planted truth through the real database and the arena's pair choice.

    python -m app.study create NAME --built-in "simple scenes (12)" --windows 2,4 [--draw]
    python -m app.study ship                     # draw the study that comes with the studio, for the present weights
    python -m app.study list | open NAME | pause NAME | close NAME | sweep NAME | restore NAME | report NAME FOLDER
    python -m app.study export NAME FOLDER [--form csv|parquet|datasets]    # the votes in five formats, and the audit
    python -m app.study rivals NAME FOLDER --system NAME    # pictures of another system
    python -m app.study simulate [--quick] [--studies N] [--seed S] [--output table.csv]

Every simulated study lives in a database of its own in a temporary folder and is marked as simulated; the store refuses
simulated raters in human studies and human raters in simulated ones.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta, timezone
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
from PIL import Image

from app.study.choice import Choice, Pool, Seen
from app.study.planted import Truth
from app.study.records import history_of, pair_frame, pool_of, study_coding, vote_frame, with_raters
from app.study.reliability import overlap_share, reliability
from app.study.simulate import Plan, recovery, simulate_study, summary
from storage.records import NewComparison
from storage.store import Store, open_store

EFFECTS = {"window=4": -0.8, "resolution=128×128": 0.7}
PLAN = Plan(windows=(1, 4), schedules=("constant 4", "linear 4"), prompts=14, raters=8, assignments=40)
QUICK_SECONDS = 47  # from the start of the program
FEWEST_STUDIES = 5  # for rates of coverage and error
FULL_STUDIES = 400


class DatabaseLedger:
    """A simulated study in the store; `app.study.simulate` writes every assignment and vote through it."""

    def __init__(self, store: Store, plan: Plan, pairs: pd.DataFrame, name: str):
        self.store, self.criteria = store, list(plan.criteria)
        study = store.create_study(
            name,
            prompts=sorted(set(pairs["prompt"])),
            settings=[],
            criteria=self.criteria,
            raters_per_pair=plan.raters_per_pair,
            simulated=True,
        )
        self.study = study.id
        pictures = _draw_pictures(store, plan, self.study)
        new = [NewComparison(pictures[r.a], pictures[r.b], factor=r.factor, block=r.block) for r in pairs.itertuples()]
        self.prompts = {c.id: prompt for c, prompt in zip(store.add_comparisons(self.study, new), pairs["prompt"])}
        store.set_study_state(self.study, "open")
        levels, coding = study_coding(*store.study_settings(self.study))
        self.unrated = pool_of(store.pairs_on_offer(self.study), levels, coding)
        self.raters = [
            store.get_or_create_rater(hashlib.sha256(f"{name}/{i}".encode()).hexdigest(), simulated=True).id
            for i in range(plan.raters)
        ]

    def pool(self) -> Pool:
        return with_raters(self.unrated, self.store.raters_of_pairs(self.study))

    def history(self, rater: int) -> list[Seen]:
        return history_of(self.store.assignments_of(self.raters[rater], self.study))

    def write(self, rater: int, choice: Choice, answers: dict[str, str]) -> str:
        assignment = self.store.open_assignment(
            self.raters[rater],
            self.study,
            choice.comparison,
            left_side=choice.left_side,
            criteria=self.criteria,
            propensity=choice.propensity,
            chosen_by=choice.chosen_by,
            repeat_of=choice.repeat_of,
            expires_at=datetime.now(timezone.utc) + timedelta(hours=1),
        )
        for criterion, answer in answers.items():
            self.store.record_vote(assignment.id, self.raters[rater], criterion, answer)
        return assignment.id

    def votes(self) -> pd.DataFrame:
        tables = self.store.study_tables(self.study, simulated=True)
        return vote_frame(tables, pair_frame(tables))


def _draw_pictures(store: Store, plan: Plan, study: str) -> dict[str, str]:
    """One grey pixel stands for every picture: the crowd looks at the settings. Plan name -> generation id."""
    buffer = io.BytesIO()
    Image.new("RGB", (1, 1), (128, 128, 128)).save(buffer, "PNG")
    image = store.images.put(buffer.getvalue())
    return {
        row.generation: store.record_generation(
            None,
            settings=_settings(row),
            prompt=row.prompt,
            seed=row.seed,
            image=image.image,
            thumbnail=image.thumbnail,
            study_id=study,
            numerics_id="simulated",
        ).id
        for row in plan.generations().itertuples()
    }


def _settings(row) -> dict[str, object]:
    kind, scale = row.schedule.split()
    width, height = (int(px) for px in row.resolution.split("×"))
    return {
        "width": width,
        "height": height,
        "window": row.window,
        "schedule": kind,
        "scale": float(scale),
        "checkpoint": "simulated",
    }


def memory_folder() -> str | None:
    """A folder in memory where there is one: statistics are tested here, not the disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def run_in_database(plan: Plan, truth: Truth, seed: int):
    """One study in a fresh database: vote frame, coding, numbers to recover."""
    with tempfile.TemporaryDirectory(dir=memory_folder()) as folder:
        store = open_store(Path(folder))
        try:
            return simulate_study(
                plan, truth, seed, lambda pairs, _: DatabaseLedger(store, plan, pairs, f"simulated {seed}")
            )
        finally:
            store.close()


def one_study(plan: Plan, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What came back of the planted effects, and how far the raters agreed."""
    votes, coding, target = run_in_database(plan, Truth(EFFECTS), seed)
    return recovery(votes, coding, target, plan.criteria), reliability(votes).assign(overlap=overlap_share(votes))


def simulate(
    studies: int, seed: int, until: float | None = None, plan: Plan = PLAN
) -> tuple[list[pd.DataFrame], pd.DataFrame]:
    """The recovery of every study, one processor each, and the agreement in the last one. until: on the monotonic clock;
    as many rounds as fit are run, one at least."""
    recovered, start, workers = [], time.monotonic(), os.cpu_count() or 1
    # Started afresh: a fork could inherit a lock that another thread holds at that moment, and wait for it for ever.
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        for number in range(0, studies, workers):
            seeds = range(seed + number, seed + min(number + workers, studies))
            found = list(pool.map(one_study, [plan] * len(seeds), seeds))
            recovered += [table for table, _ in found]
            now = time.monotonic()
            if until is not None and now + (now - start) * workers / (number + workers) > until:
                break
    return recovered, found[-1][1]


def table_text(recovered: list[pd.DataFrame], agreement: pd.DataFrame) -> str:
    """The summary by term. Coverage of a handful of intervals would say nothing, so it is left out."""
    table, enough = summary(pd.concat(recovered, ignore_index=True)), len(recovered) >= FEWEST_STUDIES
    lines = [f"{len(recovered)} studies" if len(recovered) > 1 else "1 study"]
    if enough:
        lines.append(table.to_string(index=False))
        covered = (table["coverage"] * table["intervals"]).sum() / table["intervals"].sum()
        lines.append(f"\nall intervals: coverage {covered:.3f}")
    else:
        lines.append(table.drop(columns=["coverage", "naive_coverage", "significant"]).to_string(index=False))
        lines.append(f"\ncoverage and error rates need {FEWEST_STUDIES} studies")
    return "\n".join([*lines, "\nagreement in the last study", agreement.to_string(index=False)])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m app.study", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    options = commands.add_parser("simulate", help="known effects through the real database; error rates as a table")
    options.add_argument("--quick", action="store_true", help=f"as many studies as fit into {QUICK_SECONDS} seconds")
    options.add_argument("--studies", type=int, default=FULL_STUDIES)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--output", type=Path, help="write the table as CSV")
    if sys.argv[1:2] != ["simulate"]:
        from app.studies import commands as study_commands  # half the studio, which a simulation need not wait for

        study_commands.add_to(commands)
    chosen = parser.parse_args()
    if chosen.command != "simulate":
        return study_commands.run(chosen)
    until = time.monotonic() - time.process_time() + QUICK_SECONDS  # until now the program has only been loaded
    recovered, agreement = simulate(chosen.studies, chosen.seed, until if chosen.quick else None)
    with pd.option_context("display.width", 160, "display.max_columns", 20, "display.float_format", "{:.3f}".format):
        print(table_text(recovered, agreement))
    if chosen.output:
        summary(pd.concat(recovered, ignore_index=True)).to_csv(chosen.output, index=False)


if __name__ == "__main__":
    from app.study.__main__ import main  # under the name by which started processes can import it

    main()
