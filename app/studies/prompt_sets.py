"""What a study is drawn from: selections of the evaluation's prompts, or texts of one's own."""

import json
from functools import lru_cache
from pathlib import Path

import model.evaluation

PROMPT_FILE = Path(model.evaluation.__file__).parent / "prompts.jsonl"
BUILT_IN = ("all categories (18)", "all categories (48)", "simple scenes (12)", "simple scenes (24)")


@lru_cache(maxsize=8)
def built_in_prompts(name: str) -> tuple[str, ...]:
    """A fixed, spread selection of the evaluation's prompts."""
    if name not in BUILT_IN:
        raise ValueError(f"prompt set {name!r:.40}; there are {', '.join(BUILT_IN)}")
    rows = [json.loads(line) for line in PROMPT_FILE.read_text(encoding="utf-8").splitlines()]
    count = int(name[name.index("(") + 1 : -1])
    simple = ("single_object", "colors", "counting")
    kept = [row for row in rows if name.startswith("all") or (row["small"] and row["category"] in simple)]
    by_category: dict[str, list[str]] = {}
    for row in kept:
        by_category.setdefault(row["category"], []).append(row["text"])
    turns = [texts[:: max(len(texts) * len(by_category) // count, 1)] for texts in by_category.values()]
    mixed = [text for turn in zip(*turns) for text in turn] + [text for texts in by_category.values() for text in texts]
    return tuple(dict.fromkeys(mixed))[:count]


def prompts_from(text: str) -> list[str]:
    """One prompt a line; blank lines and lines that begin with # are left out."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return list(dict.fromkeys(line for line in lines if line and not line.startswith("#")))
