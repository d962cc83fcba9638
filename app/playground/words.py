"""Which words of a prompt the checkpoint knows, and the closest known word for the others. Plain functions.

The checkpoint's folder may hold a `vocabulary.json`: {"objects": [...], "colours": [...], "words": [...]}.
"""

import difflib
import json
import re
from dataclasses import dataclass
from pathlib import Path

EXAMPLE_PROMPTS = ("a red apple", "two green cars", "a yellow duck and a blue cup", "a cat left of a clock")
WORD = r"[^\W\d_]+(?:[-'][^\W\d_]+)*"  # letters of any script
_WORD = re.compile(WORD)
COMMON = frozenset(
    _WORD.findall("""
    a an the of and with in on at to is are one two three four five six seven eight nine ten eleven twelve dozen many
    photo picture image drawing illustration left right above below under over behind front beside near next top bottom
    side between by from there it its some several pair single small large big tiny background scene plain wall floor
    table showing shows standing sitting lying still life render icon that this no not without only
    """)
)


@dataclass(frozen=True)
class Vocabulary:
    """What a checkpoint's captions held. wordings: names of objects and other words for them; words: every single word."""

    objects: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    wordings: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.objects)


def load_vocabulary(path: Path) -> Vocabulary:
    """Empty where the checkpoint names no vocabulary."""
    if not path.is_file():
        return Vocabulary()
    data = json.loads(path.read_text(encoding="utf-8"))
    objects, colours = tuple(data.get("objects", ())), tuple(data.get("colours", ()))
    wordings = frozenset(phrase.lower() for phrase in (*objects, *data.get("words", ())))
    single = {word for phrase in (*wordings, *colours) for word in phrase.lower().split()}
    return Vocabulary(objects, colours, wordings, frozenset(single) | COMMON)


def unknown_words(prompt: str, vocabulary: Vocabulary) -> dict[str, str | None]:
    """Unknown word -> the closest known one, or None when nothing is close."""
    if not vocabulary:
        return {}
    found: dict[str, str | None] = {}
    for word in _WORD.findall(prompt):
        lower = word.lower()
        if lower in found or any(form in vocabulary.words for form in forms(lower)):
            continue
        close = difflib.get_close_matches(lower, [w for w in vocabulary.words if w not in COMMON], n=1, cutoff=0.75)
        found[lower] = close[0] if close else None
    return found


def knows_nothing(prompt: str, vocabulary: Vocabulary) -> bool:
    """Whether a prompt says nothing that is known or close to it; articles alone are the beginning of one."""
    said = set(_WORD.findall(prompt.lower()))
    unknown = unknown_words(prompt, vocabulary)
    lost = said - COMMON == unknown.keys() and not any(unknown.values())
    return bool(vocabulary) and bool(prompt.strip()) and lost and (bool(unknown) or not said)


def forms(word: str) -> list[str]:
    """The word and what it may be the plural of."""
    candidates = [word]
    if word.endswith("s"):
        candidates.append(word[:-1])
    if word.endswith("es"):
        candidates.append(word[:-2])
    if word.endswith("ies"):
        candidates.append(word[:-3] + "y")
    if word.endswith("ves"):
        candidates += [word[:-3] + "f", word[:-3] + "fe"]
    return candidates


def suggestions(prompt: str, vocabulary: Vocabulary, most: int = 8) -> list[str]:
    """Known objects and colours that continue the word being typed."""
    match = re.search(r"[^\W\d_]+$", prompt)
    if not match or len(match.group()) < 2:
        return []
    start = match.group().lower()
    known = [*vocabulary.objects, *vocabulary.colours]
    return [word for word in known if word.lower().startswith(start) and word.lower() != start][:most]
