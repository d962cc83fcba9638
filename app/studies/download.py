"""What comes out of a study as one zip, by links that only whoever keeps it is given: its votes, its report."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import anyio.to_thread
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from app.services import Services
from storage import exports
from storage.errors import NotFound
from storage.records import Study

VOTES, REPORT = "votes", "report"

Write = Callable[[Services, Study, Path], object]  # fills a folder


def link(services: Services, study_id: str, kind: str) -> str:
    """Root-relative and signed, good for some days. The caller has checked who may have it."""
    return f"/studies/{study_id}/{kind}.zip?k={services.identity.sign_link(study_id, kind)}"


def write_votes(services: Services, study: Study, folder: Path) -> None:
    """The five formats and the audit, each a Parquet file."""
    exports.write(exports.study_tables(services.store, study.id), folder, "parquet", study.name)


def route(services: Services, kind: str, write: Write) -> Route:
    async def serve_zip(request: Request) -> Response:
        return await anyio.to_thread.run_sync(serve, services, kind, write, request)

    return Route(f"/studies/{{study}}/{kind}.zip", serve_zip)


def serve(services: Services, kind: str, write: Write, request: Request) -> Response:
    """Written anew, and removed once it is sent."""
    study_id = request.path_params["study"]
    if not services.identity.link_is_good(request.query_params.get("k", ""), study_id, kind):
        return Response("this link is not valid (any more)", 403)
    try:
        study = services.store.get_study(study_id)
    except NotFound:
        return Response("there is no such study", 404)
    folder = Path(tempfile.mkdtemp())
    try:
        write(services, study, folder / kind)
        path = shutil.make_archive(str(folder / "packed"), "zip", folder / kind)
    except BaseException:
        shutil.rmtree(folder)
        raise
    headers = {"Cache-Control": "private, no-store"}
    return FileResponse(
        path, filename=f"{kind}-{study.id}.zip", headers=headers, background=BackgroundTask(shutil.rmtree, folder)
    )
