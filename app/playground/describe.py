"""What the controls and the words in the prompt mean, before anything is drawn: curve, costs, unknown words."""

import math
import random
from html import escape
from typing import Any

from app.components.amounts import cost_text
from app.drawing.estimate import Estimate
from app.playground.controls import Controls
from app.playground.rewrite import read, rewrite
from app.playground.words import EXAMPLE_PROMPTS, Vocabulary, knows_nothing, suggestions, unknown_words
from app.request import GenerationRequest, parse_points
from model import guidance_weights

MAX_DRAWN = 256  # points of the curve


def schedule_curve(controls: Controls, steps: int) -> dict[str, Any] | None:
    """Value of a `ScheduleCurve` over so many steps; None where the controls are no schedule."""
    try:
        points = parse_points(controls.points) if controls.schedule == "custom" else None
        weights = guidance_weights(
            controls.schedule,
            float(controls.scale),
            steps,
            points=points,
            ramp_end=float(controls.ramp_end),
        ).tolist()
    except (ValueError, TypeError):
        return None
    top = math.ceil(2.5 * max(2.0, *weights, *(w for _, w in points or ()))) / 2  # a quarter above, on a half
    shown = [round(w, 3) for w in weights[:: max(len(weights) // MAX_DRAWN, 1)]]
    return {"weights": shown, "steps": steps, "top": top, "points": points and [list(p) for p in points]}


def cost_html(request: GenerationRequest, cost: Estimate, lowered: str) -> str:
    """lowered: why the size is not the resolution asked for, if it is not."""
    known = cost_text(cost.seconds, cost.memory_bytes, cost.memory_measured)
    badge = "" if cost.trained else '<span class="badge">untrained</span>'
    line = f"{request.width} × {request.height} px · {cost.steps:,} steps · {known}"
    notes = "; ".join(note for note in (lowered, cost.reason) if note)
    return f'<p class="cost">{escape(line)}</p><p class="cost-note">{badge}{escape(notes)}</p>'


def words_html(prompt: str, vocabulary: Vocabulary, rewriting: bool) -> str:
    """Known words that continue the last one, unknown ones with what is close, and the prompt as it will be sent."""
    offered = suggestions(prompt, vocabulary)
    finished = prompt.rpartition(" ")[0] if offered else prompt  # a word that is being typed is not yet wrong
    known = [
        f'<button type="button" class="chip" data-word="{escape(word)}">{escape(word)}</button>' for word in offered
    ]
    unknown = [
        f"<b>{escape(word)}</b>" + (f" (closest: <b>{escape(close)}</b>)" if close else "")
        for word, close in unknown_words(finished, vocabulary).items()
    ]
    told = [f'<p class="known">{"".join(known)}</p>'] if known else []
    told += [f'<p class="unknown">Not known: {", ".join(unknown)}</p>'] if unknown else []
    told += [nothing_html(vocabulary)] if knows_nothing(finished, vocabulary) else []
    return "".join(told) + (sent_html(prompt, vocabulary) if rewriting else "")


def nothing_html(vocabulary: Vocabulary) -> str:
    about = '<a href="/about" target="_blank">About</a>'
    return f'<p class="unknown">Nothing here that this model knows; {about} lists {len(vocabulary.objects)} things.</p>'


def sent_html(prompt: str, vocabulary: Vocabulary) -> str:
    """What the rewritten prompt says, and what it leaves out; empty where it stays as it is."""
    reading = read(prompt, vocabulary)
    if reading.sent == prompt.strip():
        return ""
    notes = f' <span class="unknown">({escape("; ".join(reading.notes))})</span>' if reading.notes else ""
    return f'<p class="sent">Sent as: <b>{escape(reading.sent)}</b>{notes}</p>'


def surprise(vocabulary: Vocabulary) -> str:
    """A prompt from the words that the checkpoint knows."""
    if not vocabulary:
        return random.choice(EXAMPLE_PROMPTS)
    one, two = random.sample(vocabulary.objects, 2)
    colour = random.choice(vocabulary.colours or ("",))
    forms = (f"a {colour} {one}", f"a {one} and a {two}", f"two {one}", f"a {one} left of a {two}")
    return rewrite(random.choice(forms), vocabulary)
