"""Finished pictures in words: settings, cost, downloads, links. Records -> safe HTML."""

from collections.abc import Sequence
from html import escape
from typing import Any

from app.components.amounts import seconds_text
from app.playground.presets import shape_named
from app.services import Services
from model.guidance import MAX_POINTS
from storage.records import Generation

SHOWN_POINTS = 5
PRIVATE_LINK = "Copied; only you can open it until you publish"


def details_html(services: Services, made: Sequence[Generation], *, own: bool, side: str = "") -> str:
    """made: the pictures of one job, which share all but their links. Everything shown is escaped; downloads and links are
    signed by the server. side: "A" or "B" of a comparison."""
    first = made[0]
    rows = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in facts(first))
    rewritten = ""
    if first.prompt_sent and first.prompt_sent != first.prompt:
        rewritten = f'<p class="rewritten">sent as: {escape(first.prompt_sent)}</p>'
    links = "".join(links_html(services, each, own=own, numbered=len(made) > 1) for each in made)
    return (
        f'<article class="details">{f"<b class=side>{side}</b>" if side else ""}'
        f'<p class="prompt">{escape(first.prompt or "")}</p>{rewritten}{untrained_html(first)}<dl>{rows}</dl>{links}</article>'
    )


def untrained_html(generation: Generation) -> str:
    """A label for what the checkpoint was not trained for; nothing where that is not known."""
    if generation.settings.get("trained") is not False:
        return ""
    return '<p class="cost-note"><span class="badge">untrained</span>the checkpoint was not trained for this size and window</p>'


def facts(generation: Generation) -> list[tuple[str, str]]:
    settings = generation.settings
    memory = generation.peak_memory_bytes
    window = generation.window
    points = (settings.get("schedule") or {}).get("points")
    return [
        ("size", f"{generation.width} × {generation.height}"),
        ("window", f"{window} × {window}" if window else "–"),
        ("guidance", schedule_text(settings)),
        *([("control points", points_text(points, MAX_POINTS))] if points else []),
        ("sampling", sampling_text(settings)),
        ("seed", f"{generation.seed}" + (f" · picture {generation.image_index + 1}" if generation.image_index else "")),
        ("steps", str(generation.steps)),
        ("time", time_text(generation)),
        ("memory", f"{memory / 2**20:.0f} MiB" if memory else "–"),
        ("numerics", generation.numerics_id or "–"),
        ("weights", weights_text(settings)),
        ("drawn", f"{generation.created_at:%d %b %Y, %H:%M} UTC"),
    ]


def weights_text(settings: Any) -> str:
    """Hash of the checkpoint that drew it, after the name that it was asked for by."""
    return " · ".join(settings[key] for key in ("checkpoint_name", "checkpoint") if settings.get(key)) or "–"


def schedule_text(settings: Any) -> str:
    """Short enough for a card; a custom schedule goes by its preset's name, where it is one."""
    schedule = settings.get("schedule") or {}
    text = f"{schedule.get('kind', '–')} to {settings.get('scale', 1):g}"
    if schedule.get("kind") == "half-linear" and schedule.get("ramp_end") not in (None, 0.5):
        text += f", ramp to {schedule['ramp_end']:.0%}"
    if schedule.get("points"):
        shape = shape_named(schedule["points"], settings.get("scale", 1))
        text = (
            f"{shape} to {settings['scale']:g}" if shape else f"custom {points_text(schedule['points'], SHOWN_POINTS)}"
        )
    if schedule.get("range"):
        start, stop = schedule["range"]
        text += f", from {start:.0%} to {stop:.0%} of the picture"
    return text


def points_text(points: Sequence[Sequence[float]], most: int) -> str:
    """ "0:1 0.5:6", and how many there are where those are not all."""
    rest = f" … ({len(points)} points)" if len(points) > most else ""
    return " ".join(f"{x:g}:{y:g}" for x, y in points[:most]) + rest


def sampling_text(settings: Any) -> str:
    parts = [f"temperature {settings.get('temperature'):g}" if settings.get("temperature") is not None else ""]
    parts += [f"top-k {settings['top_k']}" if settings.get("top_k") else ""]
    parts += [f"top-p {settings['top_p']:g}" if settings.get("top_p") else ""]
    return ", ".join(part for part in parts if part) or "–"


def time_text(generation: Generation) -> str:
    phases = ", ".join(f"{name} {seconds_text(s)}" for name, s in generation.timings.items() if name != "total")
    return f"{seconds_text(generation.seconds)}" + (f" ({phases})" if phases else "")


def links_html(services: Services, generation: Generation, *, own: bool, numbered: bool) -> str:
    """own: with whether others see it. numbered: which picture of its job it is."""
    plain = services.picture_url(generation, save="image")
    full = services.picture_url(generation, save="settings")
    which = f"<b>Picture {generation.image_index + 1}</b>" if numbered else ""
    copied = "" if generation.published else PRIVATE_LINK
    return (
        f'<div class="links">{which}'
        f'<a class="chip" download href="{escape(plain)}">Download picture</a>'
        f'<a class="chip" download href="{escape(full)}">Download with settings</a>'
        f'<a class="chip" data-copy="{copied}" href="/?g={escape(generation.id)}">Copy link</a>'
        f"{f'<small>{escape(state_text(generation))}</small>' if own else ''}</div>"
    )


def state_text(generation: Generation) -> str:
    if generation.taken_down_reason:
        return f"taken down: {generation.taken_down_reason}"
    return "published" if generation.published else "private"
