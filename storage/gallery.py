"""The gallery's filter as conditions on generation joined with setting."""

from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from storage.records import GenerationFilter
from storage.schema import Generation, Setting


def visible(where: GenerationFilter) -> list[ColumnElement[bool]]:
    """What this viewer may see at all: not deleted, and own or published unless an admin looks."""
    alive = Generation.deleted_at.is_(None)
    if where.admin:
        return [alive]
    public = Generation.published_at.is_not(None)
    return [alive, public if where.viewer is None else or_(public, Generation.owner == where.viewer)]


def conditions(where: GenerationFilter) -> list[ColumnElement[bool]]:
    """All that must hold for one picture to be listed."""
    found = visible(where)
    if where.text:
        found.append(or_(*(_contains(column, where.text) for column in (Generation.prompt, Generation.prompt_sent))))
    if where.sizes:
        found.append(or_(*(and_(Setting.width == w, Setting.height == h) for w, h in where.sizes)))
    if where.windows:
        found.append(Setting.window.in_(where.windows))
    if where.schedules:
        found.append(Setting.schedule.in_(where.schedules))
    if where.since is not None:
        found.append(Generation.created_at >= where.since)
    if where.until is not None:
        found.append(Generation.created_at < where.until)
    return found + _whose(where)


def _whose(where: GenerationFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if where.mine:
        found.append(Generation.owner == (where.viewer or ""))
    if where.published:
        found.append(Generation.published_at.is_not(None))
    if where.study_id is not None:
        found.append(Generation.study_id == where.study_id)
    if where.job_id is not None:
        found.append(Generation.job_id == where.job_id)
    return found


def choices(session: Session, where: GenerationFilter) -> dict[str, list[Any]]:
    """The distinct sizes, windows and schedules among the pictures that the filter lets through."""
    columns = (Setting.width, Setting.height, Setting.window, Setting.schedule)
    query = select(*columns).join(Generation, Generation.setting_id == Setting.id).where(*conditions(where))
    rows = session.execute(query.distinct()).all()
    return {
        "sizes": sorted({(row.width, row.height) for row in rows}),
        "windows": sorted({row.window for row in rows if row.window is not None}),
        "schedules": sorted({row.schedule for row in rows if row.schedule is not None}),
    }


def _contains(column: Any, text: str) -> ColumnElement[bool]:
    """Case-insensitive, with %, _ and the escape sign taken literally."""
    return column.icontains(text, autoescape=True)
