"""A loose prompt -> the phrasing of the training captions: "draw me a cute red aple!" -> "a red apple".

Words that no caption ever held only add noise, so they go; what the checkpoint can draw stays as it was worded.
"""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.playground.words import COMMON, WORD, Vocabulary
from model.training.captions import POSITIONS, plural, with_article
from model.training.vocabulary import COLOURS, CONCEPTS, GROUNDS, NUMBERS

LONGEST_NOUN = 3  # words, as in "pair of skis"
CLOSE = 0.78
MOST_ITEMS = 2  # captions name one or two things
MOST_COUNT = max(NUMBERS)
COUNTS = {word: count for count, word in NUMBERS.items()} | {str(count): count for count in range(min(NUMBERS), 21)}
COUNTS |= {"pair": 2, "several": MOST_COUNT, "many": MOST_COUNT, "dozen": 12}
COUNTS |= {
    word: count for count, word in enumerate(["five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"], 5)
}
NEGATIONS = {"no", "not", "without"}
RELATIONS = {
    "left": "left of",
    "right": "right of",
    "above": "above",
    "over": "above",
    "top": "above",
    "below": "below",
    "under": "below",
    "underneath": "below",
    "beneath": "below",
}
_WORD = re.compile(rf"{WORD}|\d+")
_GROUND = "|".join(sorted(GROUNDS, key=len, reverse=True))
_BACKGROUND = re.compile(rf"\b(?:on|with|against|in front of)\s+an?\s+({_GROUND})\s+(?:background|backdrop)\b")
_ROOM = re.compile(rf"\bon\s+an?\s+({_GROUND})\s+floor\s+by\s+an?\s+({_GROUND})\s+wall\b")


@dataclass(frozen=True)
class Noun:
    """A wording of a concept. word: its singular."""

    concept: str
    word: str
    many: bool = False


@dataclass(frozen=True)
class Item:
    """What was asked for. before: the words between the item in front and this one. count: as asked, so maybe more than
    captions count."""

    noun: Noun
    colour: str | None
    count: int
    before: Sequence[str]


@dataclass(frozen=True)
class Reading:
    """A prompt as it will be sent, and what of it that leaves out."""

    sent: str
    notes: Sequence[str] = ()


def rewrite(text: str, vocabulary: Vocabulary) -> str:
    """The prompt as the training captions would say it; unchanged where no known object is named."""
    return read(text, vocabulary).sent


def read(text: str, vocabulary: Vocabulary) -> Reading:
    """`rewrite`, and what it cannot say."""
    loose, ground = without_ground(" ".join((text or "").lower().split()))
    asked = items(_WORD.findall(loose), nouns_of(vocabulary))
    found = asked[:MOST_ITEMS]
    if not found:
        return Reading((text or "").strip())
    phrases = [phrase(item) for item in found]
    body = phrases[0] if len(phrases) == 1 else joint(found[1]).format(a=phrases[0], b=phrases[1])
    return Reading(f"{body} {ground}" if ground else body, notes(asked))


def notes(asked: Sequence[Item]) -> list[str]:
    """What captions do not hold: a third thing, and more than four of one."""
    told = []
    if left := [item.noun.word if item.count == 1 else plural(item.noun.concept) for item in asked[MOST_ITEMS:]]:
        several = len(left) > 1 or asked[-1].count > 1
        told.append(f"two things at most: the {' and the '.join(left)} {'are' if several else 'is'} left out")
    if any(item.count > MOST_COUNT for item in asked[:MOST_ITEMS]):
        told.append(f"{NUMBERS[MOST_COUNT]} is the highest count")
    return told


def without_ground(text: str) -> tuple[str, str]:
    """The text without its ground, and the ground as captions phrase it."""
    if room := _ROOM.search(text):
        return text.replace(room.group(), " "), "on a {} floor by a {} wall".format(*room.groups())
    if background := _BACKGROUND.search(text):
        return text.replace(background.group(), " "), f"on a {background.group(1)} background"
    return text, ""


def nouns_of(vocabulary: Vocabulary) -> dict[str, Noun]:
    """Every wording, singular and plural, of what this checkpoint draws; what its captions never held becomes the name."""
    found: dict[str, Noun] = {}
    for name, concept in CONCEPTS.items():
        if name not in vocabulary.objects:
            continue
        found.setdefault(name, Noun(name, name))
        found.setdefault(plural(name), Noun(name, name, many=True))
        for word in concept.synonyms:
            said = word if word in vocabulary.wordings else name
            found.setdefault(word, Noun(name, said))
            found.setdefault(f"{word}s", Noun(name, said, many=True))
    return found


def items(words: Sequence[str], nouns: dict[str, Noun]) -> list[Item]:
    """The known things that are wanted, in the order in which they are named."""
    found, start, at = [], 0, 0
    while at < len(words):
        noun, length = noun_at(words, at, nouns)
        if noun is None:
            at += 1
            continue
        before = words[start:at]
        start = at = at + length
        if negated(before):
            continue
        colours = [word for word in before if word in COLOURS]
        counts = [COUNTS[word] for word in before if word in COUNTS]
        count = counts[-1] if counts else 2 if noun.many else 1
        found.append(Item(noun, colours[-1] if colours else None, count, before))
    return found


def negated(before: Sequence[str]) -> bool:
    """ "no apples", but not "no, five apples"."""
    deciding = [word for word in before if word in NEGATIONS or word in COUNTS]
    return bool(deciding) and deciding[-1] in NEGATIONS


def noun_at(words: Sequence[str], at: int, nouns: dict[str, Noun]) -> tuple[Noun | None, int]:
    """The longest wording that begins here, or what a misspelt word most likely means."""
    for length in range(min(LONGEST_NOUN, len(words) - at), 0, -1):
        spoken = " ".join(words[at : at + length])
        if spoken in nouns and not (spoken in COLOURS and followed_by_noun(words, at + 1, nouns)):
            return nouns[spoken], length
    word = words[at]
    if len(word) < 4 or word in COMMON or word in COLOURS or word in COUNTS or word in RELATIONS:
        return None, 1
    alike = [noun for noun in nouns if noun[0] == word[0]]
    close = difflib.get_close_matches(word, alike, n=1, cutoff=CLOSE)
    return (nouns[close[0]], 1) if close else (None, 1)


def followed_by_noun(words: Sequence[str], at: int, nouns: dict[str, Noun]) -> bool:
    """Whether an orange is a colour here: "an orange cat"."""
    return any(" ".join(words[at : at + length]) in nouns for length in range(1, LONGEST_NOUN + 1))


def phrase(item: Item) -> str:
    """ "a red car", "two red cars"."""
    colour = f"{item.colour} " if item.colour else ""
    if item.count > 1:
        return f"{NUMBERS[min(item.count, MOST_COUNT)]} {colour}{plural(item.noun.concept)}"
    return with_article(f"{colour}{item.noun.word}")


def joint(second: Item) -> str:
    """How captions put two things together; the word nearest to the second thing decides."""
    relation = next((RELATIONS[word] for word in reversed(second.before) if word in RELATIONS), None)
    return POSITIONS[relation][0] if relation else "{a} and {b}"
