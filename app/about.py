"""What the About page tells, as safe HTML: the method, this checkpoint, privacy, the API, and how this server is."""

from collections.abc import Iterable
from html import escape

from app.components.amounts import seconds_text
from app.drawing.estimate import range_text, squares_first
from app.services import Services
from app.web.health import health_report
from model.prompt import DOWNSAMPLE

WINDOWS = (1, 2, 4)
SIZES = (256, 512, 1024, 2048)
PAPER = "https://arxiv.org/abs/2504.17789"


def figure_html() -> str:
    """A grid of codes, the same fused into windows, and the windows as a short row of tokens: one SVG."""
    window, side, px = 2, 4, 22
    grid, fused = side * px, side // window
    left, middle, right = 0, grid + 70, 2 * grid + 140
    cells = "".join(
        rect(left + x * px, y * px, px, shade(x // window, y // window, fused))
        for y in range(side)
        for x in range(side)
    )
    windows = "".join(
        rect(middle + x * px * window, y * px * window, px * window, shade(x, y, fused))
        for y in range(fused)
        for x in range(fused)
    )
    top = (grid - px) / 2
    tokens = "".join(
        rect(right + i * (px + 4), top, px, shade(i % fused, i // fused, fused)) for i in range(fused * fused)
    )
    width = right + fused * fused * (px + 4)
    notes = (
        (grid / 2, f"{side * side} codes"),
        (middle + grid / 2, f"windows of {window} × {window}"),
        ((right + width) / 2, f"{fused * fused} tokens, {fused * fused} steps"),
    )
    texts = "".join(f'<text x="{x:g}" y="{grid + 18}" text-anchor="middle">{escape(text)}</text>' for x, text in notes)
    arrows = "".join(
        f'<path d="M{x} {grid / 2}h44m-8 -6l8 6l-8 6" class="arrow"/>' for x in (grid + 13, middle + grid + 13)
    )
    return (
        f'<svg class="explain" viewBox="-4 -4 {width + 8} {grid + 30}" role="img" '
        f'aria-label="Sixteen image codes are fused into four windows; each window is one token and one step">'
        f"{cells}{windows}{tokens}{arrows}{texts}</svg>"
    )


def rect(x: float, y: float, px: float, opacity: float) -> str:
    return f'<rect x="{x:g}" y="{y:g}" width="{px - 2:g}" height="{px - 2:g}" rx="3" style="opacity:{opacity:.2f}"/>'


def shade(x: int, y: int, count: int) -> float:
    return 0.3 + 0.7 * (y * count + x) / max(count * count - 1, 1)


def steps_table() -> str:
    """Steps a picture by size and window: what fusing saves."""
    rows = [(f"{px} × {px} px", *(f"{(px // (DOWNSAMPLE * s)) ** 2:,}" for s in WINDOWS)) for px in SIZES]
    return table_html(("steps", *(f"s = {s}" for s in WINDOWS)), rows)


def method_html() -> str:
    return (
        "<h2>How it draws</h2><p>A picture is a grid of image tokens (codes), one for every 16 × 16 pixels, and an "
        "autoregressive model draws them one after the other. <b>Token-Shuffle</b> fuses every window of s × s codes into "
        "one token before the transformer and takes it apart again after it, so that one step draws s² codes. "
        f'The method is that of <a href="{PAPER}" rel="noreferrer" target="_blank">arXiv 2504.17789</a>; '
        f"code and weights here are our own.</p>{figure_html()}<p>What that saves, in steps a picture:</p>{steps_table()}"
        "<p>The guidance schedule says, for every step, how strongly the prompt pulls. The paper raises it over the first "
        "half of the steps and keeps it (“half-linear”); the Playground draws whatever curve you choose.</p>"
    )


def checkpoint_html(services: Services) -> str:
    """What the loaded weights were trained for, and the words they know."""
    if services.pipeline is None:
        return f"<h2>This checkpoint</h2><p>None is loaded: {escape(services.problem or '')}</p>"
    cells = [
        (range_text(cell), f"s = {cell['window']}", f"{cell['samples']:,}" if cell.get("samples") else "–")
        for cell in squares_first(services.pipeline.supported_cells())
    ]
    known = services.vocabulary
    words = (
        f"<details><summary>{len(known.objects)} things it was shown</summary><p>{escape(', '.join(known.objects))}</p>"
        f"<p>Colours: {escape(', '.join(known.colours))}.</p></details>"
        if known
        else ""
    )
    return (
        f"<h2>This checkpoint</h2><p>Weights <code>{escape(str(services.checkpoint))}</code>, trained at these sizes and "
        f"windows; everything else has to be allowed first, and is marked untrained.</p>"
        f"{table_html(('size', 'window', 'training samples'), cells)}{words}"
    )


def privacy_html(services: Services) -> str:
    signed = " or, once you have signed in, your Hugging Face account" if services.settings.oauth else ""
    return (
        "<h2>What is yours</h2><ul>"
        "<li>Pictures and prompts are private until you publish them.</li>"
        f"<li>You are known by a random number in a signed cookie{signed}; there is no other tracking, and no request leaves this server.</li>"
        "<li>Deleting a picture removes the picture, its prompt and your mark. Its settings and anonymous votes stay.</li>"
        "<li>The seed, the settings and the numerics of every picture are kept, so that it can be drawn again and compared.</li></ul>"
    )


def api_html(address: str) -> str:
    """address: of this server, as the visitor's browser reaches it."""
    code = (
        "from gradio_client import Client\n"
        f'client = Client("{address}")\n'
        'client.predict("a red apple", width=512, height=512, seed=1, api_name="/generate")'
    )
    return f"<h2>From a program</h2><p>One public endpoint, typed; “Use via API” below lists its parameters.</p><pre>{escape(code)}</pre>"


def server_html(services: Services) -> str:
    """The health report in words; nothing private."""
    report = health_report(services)
    backup = report["backup"]
    age = f"{seconds_text(backup['age_seconds'])} ago, restore proved" if backup else "none of our own"
    rows = [
        ("state", report["status"]),
        ("database", f"{report['database'].get('dialect')}, revision {report['database'].get('revision')}"),
        ("last backup", age),
        ("waiting jobs", str(report["jobs"].get("queued", 0))),
        ("running for", seconds_text(report["uptime_seconds"])),
    ]
    lists = sentences("Problems", report["problems"]) + sentences("What this Space lacks", report["lacking"])
    return f"<h2>This server</h2>{table_html(('', ''), rows)}{lists}"


def credits_html() -> str:
    return (
        "<h2>Credits</h2><p>Apache-2.0. The weights were trained on pictures composed from Fluent Emoji, © Microsoft "
        "Corporation, MIT License; the whole notice is in the file NOTICE. No code and no weights of the paper's authors are used.</p>"
    )


def sentences(title: str, texts: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f"<h3>{escape(title)}</h3><ul>{items}</ul>" if items else ""


def table_html(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    titles = "".join(f"<th>{escape(text)}</th>" for text in head)
    body = "".join(f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in rows)
    top = f"<thead><tr>{titles}</tr></thead>" if any(head) else ""
    return f'<div class="scroll"><table>{top}<tbody>{body}</tbody></table></div>'
