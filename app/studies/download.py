"""The votes of a study as one file, by a link that only whoever keeps it is given."""

import shutil
import tempfile
from pathlib import Path

import anyio.to_thread
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from app.services import Services
from storage import exports
from storage.errors import NotFound

KIND = "votes"


def votes_link(services: Services, study_id: str) -> str:
    """Root-relative and signed, good for some days. The caller has checked who may have the votes."""
    return f"/studies/{study_id}/votes.zip?k={services.identity.sign_link(study_id, KIND)}"


def routes(services: Services) -> list[Route]:
    async def votes(request: Request) -> Response:
        return await anyio.to_thread.run_sync(serve_votes, services, request)

    return [Route("/studies/{study}/votes.zip", votes)]


def serve_votes(services: Services, request: Request) -> Response:
    """A zip of the five formats and the audit, each a Parquet file; written anew, and removed once it is sent."""
    study_id = request.path_params["study"]
    if not services.identity.link_is_good(request.query_params.get("k", ""), study_id, KIND):
        return Response("this link is not valid (any more)", 403)
    try:
        study = services.store.get_study(study_id)
    except NotFound:
        return Response("there is no such study", 404)
    folder = Path(tempfile.mkdtemp())
    try:
        exports.write(exports.study_tables(services.store, study.id), folder / "votes", "parquet", study.name)
        path = shutil.make_archive(str(folder / "packed"), "zip", folder / "votes")
    except BaseException:
        shutil.rmtree(folder)
        raise
    headers = {"Cache-Control": "private, no-store"}
    return FileResponse(
        path, filename=f"votes-{study.id}.zip", headers=headers, background=BackgroundTask(shutil.rmtree, folder)
    )
