"""Votes in the formats that other people's programs read. Ties are kept in every one of them.

Input: rows of `Store.votes_frame`. The long table keeps everything, and the audit says why votes were set aside. The
others hold what may train or rank: matched pairs, first looks, kept votes; "cannot tell" is missing, not a tie. Every format has the criterion as a column,
because alignment, appearance and flaws are three questions.
"""

import io
from collections.abc import Callable, Container, Iterable, Iterator
from typing import Any

import pyarrow as pa
from PIL import Image

from storage.tabular import IMAGE, TIME, Row, Table

Picture = Callable[[str], bytes | None]  # generation id -> PNG bytes, None if it was deleted
TIES = ("both_good", "both_bad")
TEXT, NUMBER, WHOLE, TRUTH = pa.string(), pa.float64(), pa.int64(), pa.bool_()
JPEG_QUALITY = 95

_LONG_TEXT = [
    "vote",
    "study",
    "assignment",
    "comparison",
    "rater",
    "criterion",
    "answer",
    "kind",
    "factor",
    "block",
    "expected",
    "left_side",
    "chosen_by",
    "repeat_of",
    "display",
    "excluded",
    "exclusions",
    "prompt",
]
_SIDE_TEXT = ["generation", "source", "setting", "settings", "schedule", "resolution", "checkpoint", "numerics"]
_SIDE_WHOLE = ["seed", "window", "width", "height", "top_k", "steps", "peak_memory_bytes"]
_SIDE_NUMBER = ["scale", "temperature", "top_p", "seconds"]


def usable(rows: Iterable[Row], kinds: Container[str] = ("matched",)) -> list[Row]:
    """Pairs of these kinds, first looks, not excluded, answered."""
    return [
        row
        for row in rows
        if row["kind"] in kinds
        and row["repeat_of"] is None
        and row["excluded"] is None
        and row["answer"] in ("a", "b", *TIES)
    ]


def label(row: Row, side: str) -> str:
    """One name for one combination of settings, as arenas want it; of another system its name."""
    if row["source" + side] == "rival":
        return row["checkpoint" + side]
    parts = (f"window={row['window' + side]}", f"schedule={row['schedule' + side]}", row["resolution" + side])
    return " ".join([*parts, f"scale={row['scale' + side]}", f"checkpoint={row['checkpoint' + side]}"])


def long_table(rows: Iterable[Row]) -> Table:
    """Every current vote, controls, repeats and excluded ones included, with both settings."""
    columns = dict.fromkeys(_LONG_TEXT, TEXT)
    columns |= {"revision": WHOLE, "decision_ms": WHOLE, "propensity": NUMBER, "simulated": TRUTH}
    columns |= {"shown_at": TIME, "answered_at": TIME}
    for kind, names in ((TEXT, _SIDE_TEXT), (WHOLE, _SIDE_WHOLE), (NUMBER, _SIDE_NUMBER)):
        columns |= {name + side: kind for name in names for side in ("_a", "_b")}
    return Table("long", columns, rows, "every vote with its assignment, comparison and both settings")


def arena(rows: Iterable[Row]) -> Table:
    """model_a, model_b, winner in {model_a, model_b, tie, tie (bothbad)}, judge, anony, tstamp. Battles against other
    systems and between any two cells of a grid ("free" pairs) are among them."""
    columns = dict.fromkeys(("question_id", "model_a", "model_b", "winner", "judge", "criterion", "prompt"), TEXT)
    winners = {"a": "model_a", "b": "model_b", "both_good": "tie", "both_bad": "tie (bothbad)"}
    battles = (
        {
            "question_id": row["vote"],
            "model_a": label(row, "_a"),
            "model_b": label(row, "_b"),
            "winner": winners[row["answer"]],
            "judge": row["rater"],
            "criterion": row["criterion"],
            "prompt": row["prompt"],
            "anony": True,
            "tstamp": row["answered_at"].timestamp(),
        }
        for row in usable(rows, ("matched", "free"))
    )
    return Table("arena", {**columns, "anony": TRUTH, "tstamp": NUMBER}, battles, "battles between settings")


def audit(exclusions: Iterable[Row]) -> Table:
    """Which vote was set aside when, by which rule and why, and when it was counted again."""
    columns = {**dict.fromkeys(("vote_id", "rater_id", "rule", "reason"), TEXT), "created_at": TIME, "lifted_at": TIME}
    return Table("exclusions", columns, exclusions, "the audit of votes that were set aside")


def dpo(rows: Iterable[Row], picture: Picture) -> Table:
    """prompt, chosen, rejected and their settings. A tie has tie = true and label 0.5 (its order means nothing)."""
    columns = {
        **dict.fromkeys(("prompt", "criterion", "chosen_settings", "rejected_settings", "answer"), TEXT),
        **{"chosen": IMAGE, "rejected": IMAGE, "tie": TRUTH, "label": NUMBER},
    }
    return Table("dpo", columns, (_dpo_row(row, picture) for row in usable(rows)), "chosen and rejected pictures")


def _dpo_row(row: Row, picture: Picture) -> Row:
    best, worst = ("_b", "_a") if row["answer"] == "b" else ("_a", "_b")
    tie = row["answer"] in TIES
    return {
        "prompt": row["prompt"],
        "criterion": row["criterion"],
        "answer": row["answer"],
        "chosen": _image(row["generation" + best], picture),
        "rejected": _image(row["generation" + worst], picture),
        "chosen_settings": row["settings" + best],
        "rejected_settings": row["settings" + worst],
        "tie": tie,
        "label": 0.5 if tie else 1.0,
    }


def pickapic(rows: Iterable[Row], picture: Picture) -> Table:
    """The columns of Pick-a-Pic v1/v2; a tie is 0.5 / 0.5 with best_image_uid "tie"."""
    text = "best_image_uid caption image_0_uid image_1_uid image_0_url image_1_url model_0 model_1 user_id criterion"
    columns: dict[str, pa.DataType] = dict.fromkeys(text.split(), TEXT)
    columns |= {"are_different": TRUTH, "has_label": TRUTH, "created_at": TIME, "label_0": NUMBER, "label_1": NUMBER}
    columns |= {"jpg_0": pa.binary(), "jpg_1": pa.binary(), "ranking_id": WHOLE, "num_example_per_prompt": WHOLE}
    kept = usable(rows)
    per_prompt: dict[str, int] = {}
    for row in kept:
        per_prompt[row["prompt"]] = per_prompt.get(row["prompt"], 0) + 1
    made = (
        {**_pickapic_row(row, picture), "ranking_id": number, "num_example_per_prompt": per_prompt[row["prompt"]]}
        for number, row in enumerate(kept)
    )
    return Table("pickapic", columns, made, "Pick-a-Pic columns; pictures as JPEG bytes")


def _pickapic_row(row: Row, picture: Picture) -> dict[str, Any]:
    first, second = row["generation_a"], row["generation_b"]
    share = {"a": 1.0, "b": 0.0}.get(row["answer"], 0.5)
    return {
        "best_image_uid": {1.0: first, 0.0: second, 0.5: "tie"}[share],
        "caption": row["prompt"],
        "image_0_uid": first,
        "image_1_uid": second,
        "image_0_url": "",
        "image_1_url": "",
        "jpg_0": _jpeg(picture(first)),
        "jpg_1": _jpeg(picture(second)),
        "label_0": share,
        "label_1": 1 - share,
        "model_0": label(row, "_a"),
        "model_1": label(row, "_b"),
        "user_id": row["rater"],
        "criterion": row["criterion"],
        "are_different": first != second,
        "has_label": True,
        "created_at": row["answered_at"],
    }


def image_reward(rows: Iterable[Row], picture: Picture) -> Table:
    """The columns of ImageReward: one row a picture, rank 1 is best, a tie gives both pictures rank 1.

    The absolute ratings stay empty: a comparison does not tell them.
    """
    text = "image_path prompt_id prompt classification rater criterion answer settings"
    columns: dict[str, pa.DataType] = {**dict.fromkeys(text.split(), TEXT), "image": IMAGE}
    columns |= {"image_amount_in_total": WHOLE, "rank": WHOLE}
    columns |= dict.fromkeys(("overall_rating", "image_text_alignment_rating", "fidelity_rating"), NUMBER)
    made = (made for row in usable(rows) for made in _image_reward_rows(row, picture))
    return Table("image_reward", columns, made, "ImageReward columns; two rows a vote")


def _image_reward_rows(row: Row, picture: Picture) -> Iterator[Row]:
    for side in ("_a", "_b"):
        loser = row["answer"] in ("a", "b") and side != "_" + row["answer"]
        yield {
            "image_path": row["generation" + side] + ".png",
            "prompt_id": row["vote"],
            "prompt": row["prompt"],
            "classification": row["factor"] or "",
            "rater": row["rater"],
            "criterion": row["criterion"],
            "answer": row["answer"],
            "settings": row["settings" + side],
            "image": _image(row["generation" + side], picture),
            "image_amount_in_total": 2,
            "rank": 2 if loser else 1,
            "overall_rating": None,
            "image_text_alignment_rating": None,
            "fidelity_rating": None,
        }


def _image(generation_id: str, picture: Picture) -> dict[str, Any] | None:
    png = picture(generation_id)
    return None if png is None else {"bytes": png, "path": f"{generation_id}.png"}


def _jpeg(png: bytes | None) -> bytes | None:
    if png is None:
        return None
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
