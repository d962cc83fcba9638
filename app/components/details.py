"""One finished picture in words: settings, cost, downloads, link. Record -> safe HTML."""

from html import escape
from typing import Any

from app.components.stage import seconds_text
from app.services import Services
from storage.records import Generation


def details_html(services: Services, generation: Generation, *, own: bool, side: str = "") -> str:
    """Everything shown is escaped; downloads and links are signed by the server. side: "A" or "B" of a comparison."""
    rows = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in facts(generation))
    rewritten = ""
    if generation.prompt_sent and generation.prompt_sent != generation.prompt:
        rewritten = f'<p class="rewritten">sent as: {escape(generation.prompt_sent)}</p>'
    state = "published" if generation.published else "private"
    if generation.taken_down_reason:
        state = f"taken down: {generation.taken_down_reason}"
    return (
        f'<article class="details">{f"<b class=side>{side}</b>" if side else ""}'
        f'<p class="prompt">{escape(generation.prompt or "")}</p>{rewritten}'
        f'{untrained_html(generation)}<dl>{rows}</dl><div class="links">{links_html(services, generation)}'
        f"{f'<span class=chip>{escape(state)}</span>' if own else ''}</div></article>"
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
    named = [("checkpoint", settings["checkpoint_name"])] if settings.get("checkpoint_name") else []
    return [
        *named,
        ("size", f"{generation.width} × {generation.height}"),
        ("window", f"{window} × {window}" if window else "–"),
        ("guidance", schedule_text(settings)),
        ("sampling", sampling_text(settings)),
        ("seed", f"{generation.seed}" + (f" · picture {generation.image_index + 1}" if generation.image_index else "")),
        ("steps", str(generation.steps)),
        ("time", time_text(generation)),
        ("memory", f"{memory / 2**20:.0f} MiB" if memory else "–"),
        ("numerics", generation.numerics_id or "–"),
    ]


def schedule_text(settings: Any) -> str:
    schedule = settings.get("schedule") or {}
    text = f"{schedule.get('kind', '–')} to {settings.get('scale', 1):g}"
    if schedule.get("kind") == "half-linear" and schedule.get("ramp_end") not in (None, 0.5):
        text += f", ramp to {schedule['ramp_end']:.0%}"
    if schedule.get("points"):
        text = "custom " + " ".join(f"{x:g}:{y:g}" for x, y in schedule["points"])
    return text


def sampling_text(settings: Any) -> str:
    parts = [f"temperature {settings.get('temperature'):g}" if settings.get("temperature") is not None else ""]
    parts += [f"top-k {settings['top_k']}" if settings.get("top_k") else ""]
    parts += [f"top-p {settings['top_p']:g}" if settings.get("top_p") else ""]
    return ", ".join(part for part in parts if part) or "–"


def time_text(generation: Generation) -> str:
    phases = ", ".join(f"{name} {seconds_text(s)}" for name, s in generation.timings.items() if name != "total")
    return f"{seconds_text(generation.seconds)}" + (f" ({phases})" if phases else "")


def links_html(services: Services, generation: Generation) -> str:
    plain = services.picture_url(generation, save="image")
    full = services.picture_url(generation, save="settings")
    return (
        f'<a class="chip" download href="{escape(plain)}">Download picture</a>'
        f'<a class="chip" download href="{escape(full)}">Download with settings</a>'
        f'<a class="chip" data-copy href="/?g={escape(generation.id)}">Copy link</a>'
    )
