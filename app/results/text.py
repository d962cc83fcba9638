"""The words and numbers of the results page: summary, verdicts, quality of the votes. Frames -> safe HTML."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd
from scipy.special import expit

from app.results import plots
from app.study import reliability as agree
from app.study import tables
from app.study.power import Power
from app.study.ratings import side_effect
from app.study.stopping import LOOKS
from app.study.votes import answered
from model.settings import covers
from storage.records import Flaw, Study

MIN_VOTES = 10
ONE_SIDED = 0.9  # share of wins from which an effect is said to be almost one-sided


def summarise(study: Study, votes: pd.DataFrame) -> str:
    kept = votes[votes["excluded"].isna()]
    facts = {
        "votes": len(kept),
        "excluded": len(votes) - len(kept),
        "raters": kept["rater"].nunique(),
        "prompts": kept["prompt"].nunique(),
        "pairs": kept["comparison"].nunique(),
    }
    cells = "".join(f"<div><b>{value:,}</b><span>{name}</span></div>" for name, value in facts.items())
    frozen = f"{study.frozen_at:%Y-%m-%d %H:%M} UTC" if study.frozen_at else "not yet"
    primary = ", ".join(escape(str(name)) for name in study.contrasts) or "none: everything here is exploratory"
    few = "" if len(kept) >= MIN_VOTES else note(f"Fewer than {MIN_VOTES} votes: read nothing into this yet.")
    return f'<div class="facts">{cells}</div><p class="fine">Primary contrasts, frozen {frozen}: {primary}.</p>{few}'


def verdict_table(judged: pd.DataFrame) -> str:
    """The numbers behind the forest plot."""
    head = (
        "<tr><th>Criterion<th>Effect<th>Log-odds<th>95 % interval<th>naive<th>n<th>Trained on<th>Claim<th>Verdict</tr>"
    )
    return f'<div class="scroll"><table class="numbers">{head}{"".join(map(_verdict_row, judged.itertuples()))}</table></div>'


def _verdict_row(row: Any) -> str:
    interval = "needs two raters and two prompts" if pd.isna(row.low) else f"{row.low:+.2f} … {row.high:+.2f}"
    cells = [
        plots.NAMES[row.criterion],
        row.term,
        f"{row.estimate:+.2f}",
        interval,
        f"{row.naive_low:+.2f} … {row.naive_high:+.2f}",
        f"{row.n}",
        row.trained,
        row.claim,
        _verdict_text(row),
    ]
    return "<tr>" + "".join(f"<td>{escape(cell)}" for cell in cells) + "</tr>"


def _verdict_text(row: Any) -> str:
    if row.claim == "exploratory":
        return "no interval yet" if pd.isna(row.adjusted_p) else f"adjusted p = {row.adjusted_p:.2g}"
    if row.decided:
        return f"decided at look {row.look}"
    if row.finished:
        return f"not decided; all planned information is used ({row.look} of {LOOKS} looks taken)"
    return f"open, {row.look} of {LOOKS} looks taken{_left_text(row)}"


def _left_text(row: Any) -> str:
    if pd.isna(row.votes_left):
        return ""
    if row.votes_left > (possible := max(row.capacity - row.n, 0)):
        return (
            f"; cannot be reached with this design: about {row.votes_left:,} more votes needed, {possible:,} possible"
        )
    return f", about {row.votes_left:,} votes left"


def quality(votes: pd.DataFrame, ratings) -> str:
    """Noise floor, controls, repeats, overlap, side effect and rivals, each with n and interval."""
    lines = [_overlap_line(votes)]
    for name, table in (
        ("Identical pairs with a preference (noise floor)", agree.noise_floor(votes)),
        ("Controls answered as expected", agree.controls(votes)),
        ("Swapped repeats with the same answer", agree.self_agreement(votes)),
    ):
        lines.append(_share_line(name, table))
    for criterion, rating in ratings.items():
        side = side_effect(rating).iloc[0]
        lines.append(
            f"Advantage of the left side, {plots.NAMES[criterion].lower()}: {side['estimate']:+.2f} {plots.interval_text(side['low'], side['high'])}, n = {side['n']}"
        )
    lines += [
        f"Against {r.system}, {plots.NAMES[r.criterion].lower()}: our picture won {r.share:.0%} [{r.low:.0%}, {r.high:.0%}], n = {r.n}"
        for r in tables.rival_table(votes).itertuples()
    ]
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def _overlap_line(votes: pd.DataFrame) -> str:
    share = agree.overlap_share(votes)
    enough = "" if share >= agree.OVERLAP_NEEDED else f"; agreement stays empty below {agree.OVERLAP_NEEDED:.0%}"
    return f"Assignments that repeat another rater's pair: {share:.0%}{enough}"


def _share_line(name: str, table: pd.DataFrame) -> str:
    if table.empty:
        return f"{name}: none answered yet"
    parts = [
        f"{' '.join(str(v).replace('_', ' ') for v in row[: len(row) - 4])} {row[-3]:.0%} [{row[-2]:.0%}, {row[-1]:.0%}], n = {row[-4]}"
        for row in table.itertuples(index=False, name=None)
    ]
    return f"{name}: " + "; ".join(parts)


def noise_text(votes: pd.DataFrame) -> str:
    """What a preference means here: how often one of two identical pictures was preferred."""
    table = agree.noise_floor(votes)
    if table.empty:
        return "Noise floor: no identical pair was answered yet."
    parts = [
        f"{plots.NAMES[r.criterion].lower()} {r.share:.0%} [{r.low:.0%}, {r.high:.0%}], n = {r.n}"
        for r in table.itertuples()
    ]
    return "Noise floor, identical pairs with a preference: " + "; ".join(parts) + "."


def power_text(votes: pd.DataFrame) -> str:
    """What the votes so far could decide, in words."""
    used = answered(votes, votes["kind"] == "matched")
    counts = used.groupby(["criterion", "block"]).size()
    if counts.empty:
        return "No votes on matched pairs yet."
    power, fewest = Power(), int(counts.min())
    smallest, needed = power.smallest_effect(fewest), power.votes_needed()
    state = "enough for" if fewest >= needed else "underpowered for"
    share = expit(smallest)
    decided = (
        "With so few votes only an almost one-sided preference would show."
        if share > ONE_SIDED
        else f"They can decide effects from about {smallest:.2f} log-odds ({share:.0%} wins)."
    )
    return (
        f"The least rated contrast has {fewest:,} votes a criterion: {state} the planned effect of {power.effect:g} log-odds "
        f"({expit(power.effect):.0%} wins), which takes about {needed:,} votes. {decided}"
    )


def trained_text(
    cells: Sequence[Mapping[str, Any]] | None, resolutions: Sequence[str], term: str, reference: str
) -> str:
    """How many pictures of the study's sizes (such as "512×512") each window of a window effect was trained on, by every
    checkpoint of the study; "" for effects without a window."""
    windows = [
        part.partition("=")[2] for part in (*term.split(" × "), *reference.split(", ")) if part.startswith("window=")
    ]
    if not windows or " × " in term:
        return ""
    if cells is None:
        return "not recorded"
    sizes = [tuple(map(int, resolution.split("×"))) for resolution in resolutions]
    used = [(cell, window) for cell in cells for window in windows if any(covers(cell, *s, int(window)) for s in sizes)]
    texts = []
    for checkpoint in dict.fromkeys(cell.get("checkpoint") for cell in cells) or (None,):
        counts = [
            sum(cell.get("samples", 0) for cell, of in used if of == window and cell.get("checkpoint") == checkpoint)
            for window in windows
        ]
        texts.append(
            (f"{checkpoint}: " if checkpoint else "") + " against ".join(f"{n:,}" for n in counts) + " pictures"
        )
    return "; ".join(texts)


def audit_html(exclusions: list[Mapping[str, Any]], flaws: Sequence[Flaw]) -> str:
    """Every rule that set votes aside, with its reasons, and reports of broken pictures; nothing is dropped silently."""
    broken = sum(flaw.kind == "broken" for flaw in flaws)
    reports = f'<p class="fine">Reports of broken pictures: {broken}.</p>' if broken else ""
    if not exclusions:
        return f'<p class="fine">No vote was set aside.</p>{reports}'
    frame = pd.DataFrame(exclusions).assign(lifted=lambda t: t["lifted_at"].notna())
    grouped = frame.groupby(["rule", "reason", "lifted"])["vote_id"].agg("count").reset_index()
    rows = "".join(
        f"<tr><td>{escape(r.rule)}<td>{escape(r.reason)}<td>{r.vote_id}<td>{'lifted' if r.lifted else 'in force'}</tr>"
        for r in grouped.itertuples()
    )
    return f'<div class="scroll"><table class="numbers"><tr><th>Rule<th>Reason<th>Votes<th>State</tr>{rows}</table></div>{reports}'


def missing_html(reasons: Iterable[str]) -> str:
    """What is not shown and why, once."""
    said = " ".join(reasons)
    return f'<p class="fine">Not shown: {escape(said)}</p>' if said else ""


def note(text: str) -> str:
    return f'<p class="empty">{escape(text)}</p>'
