"""HTTP routes beside Gradio's own: pictures by signed link, the plot script, page assets, health.

A picture's link names a generation and carries a signature that only those who may see the picture are given; paths
never come from a request. What was deleted is gone for every link, what is not published any more for links of then.
"""

import io
import json
import logging
import mimetypes
import re
import unicodedata

import anyio.to_thread
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from app.assets import ASSETS
from app.components.plotly_html import PLOTLY_SCRIPT, PLOTLY_SCRIPT_URL
from app.services import Services
from app.web.health import health_report
from storage.records import Generation

log = logging.getLogger(__name__)

KINDS = {"full": ".png", "thumb": ".webp"}
FOR_A_DAY = {"Cache-Control": "private, max-age=86400", "X-Content-Type-Options": "nosniff"}
NAME_CHARS = 60  # of the prompt in a download's name
FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}


def routes(services: Services) -> list[Route]:
    async def picture(request: Request) -> Response:
        return await anyio.to_thread.run_sync(serve_picture, services, request)

    async def health(_: Request) -> Response:
        report = await anyio.to_thread.run_sync(health_report, services)
        return JSONResponse(report, 200 if report["status"] == "ok" else 503)

    return [
        Route("/healthz", health),
        Route("/media/{generation}/{kind}", picture),
        Route(f"/{PLOTLY_SCRIPT_URL}", lambda _: FileResponse(PLOTLY_SCRIPT, headers=FOREVER)),
        Route("/studio/{name}", serve_asset),
    ]


def serve_asset(request: Request) -> Response:
    allowed = {path.name: path for path in ASSETS.iterdir() if path.suffix in (".webp", ".jpg", ".png")}
    path = allowed.get(request.path_params["name"])
    if path is None:
        return Response("not found", 404)
    return FileResponse(path, media_type=mimetypes.guess_type(path.name)[0], headers=FOR_A_DAY)


def serve_picture(services: Services, request: Request) -> Response:
    """`?save=image` sends a download without, `?save=settings` one with the settings in PNG text."""
    generation_id, kind = request.path_params["generation"], request.path_params["kind"]
    signature = request.query_params.get("k", "")
    if kind not in KINDS or not services.identity.link_is_good(signature, generation_id, kind, published=True):
        return Response("this link is not valid (any more)", 403)
    generation = services.store.generations_by_id([generation_id]).get(generation_id)
    if generation is None or generation.deleted or not generation.image or not generation.thumbnail:
        return Response("this picture was deleted", 404)
    if not services.identity.link_is_good(signature, generation_id, kind, generation.published):
        return Response("this picture is not published any more", 403)
    name = generation.image if kind == "full" else generation.thumbnail
    try:
        data = services.store.images.read(name, KINDS[kind])
    except FileNotFoundError:
        log.error("the file of generation %s is missing", generation_id)
        return Response("the file of this picture is missing on the server", 404)
    save = request.query_params.get("save")
    if save == "settings" and kind == "full":
        data = with_settings(data, generation)
    headers = dict(FOR_A_DAY)
    if save:
        headers["Content-Disposition"] = f'attachment; filename="{file_name(generation, save)}{KINDS[kind]}"'
    return Response(data, media_type="image/png" if kind == "full" else "image/webp", headers=headers)


def file_name(generation: Generation, save: str) -> str:
    """ "red-apple-s4-seed5": letters, digits and hyphens only. Who holds a picture's link may know its settings; raters,
    who may not, are given no link."""
    ascii_text = unicodedata.normalize("NFKD", generation.prompt or "").encode("ascii", "ignore").decode().lower()
    words = [word for word in re.findall(r"[a-z0-9]+", ascii_text) if word not in ("a", "an", "the")]
    parts = ["-".join(words)[:NAME_CHARS].strip("-") or "picture"]
    parts += [f"s{generation.window}"] if generation.window else []
    parts += [f"seed{generation.seed}"]
    parts += [f"{generation.image_index + 1}"] if generation.image_index else []
    parts += ["settings"] if save == "settings" else []
    return "-".join(parts)


def with_settings(data: bytes, generation: Generation) -> bytes:
    """The same pixels with prompt, seed and settings as PNG text."""
    info = PngInfo()
    info.add_itxt("prompt", generation.prompt_sent or generation.prompt or "")
    info.add_itxt("seed", str(generation.seed))
    info.add_itxt("settings", json.dumps(dict(generation.settings), ensure_ascii=False, sort_keys=True))
    info.add_itxt("software", f"Token-Shuffle Studio; numerics {generation.numerics_id}")
    buffer = io.BytesIO()
    Image.open(io.BytesIO(data)).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()
