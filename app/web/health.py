"""The health page: what a monitor wants to know, without anything private."""

import shutil
import time
from typing import Any

from app.services import Services


def health_report(services: Services) -> dict[str, Any]:
    """status is "ok" when a generator is loaded, its worker lives and the database answers."""
    problems = [] if services.problem is None else [services.problem]
    if services.worker is not None and not services.worker.is_alive():
        problems.append("the worker has stopped")
    if services.housekeeping is not None and services.housekeeping.last_error:
        problems.append("the last backup failed; the log has the reason")
    try:
        stats = services.store.stats()
    except Exception as error:
        stats = {}
        problems.append(f"the database does not answer ({type(error).__name__})")
    if rejected := (stats.get("journal") or {}).get("rejected"):
        problems.append(
            f"{rejected} lines of the journal contradict the database; they are in the bucket's folder `rejected`"
        )
    return {
        "status": "degraded" if problems else "ok",
        "problems": problems,
        "lacking": list(services.lacking),
        "uptime_seconds": round(time.monotonic() - services.started),
        "database": {key: stats.get(key) for key in ("dialect", "revision", "database_bytes")},
        "backup": backup_report(stats.get("backup")),
        "journal": stats.get("journal"),
        "jobs": stats.get("jobs", {}),
        "free_disk_bytes": shutil.disk_usage(services.settings.data_dir).free,
        "checkpoint": services.checkpoint,
    }


def backup_report(good: dict[str, Any] | None) -> dict[str, Any] | None:
    """Age of the last snapshot whose restore was proved, and when; None before the first and on PostgreSQL."""
    if good is None:
        return None
    return {
        "age_seconds": round(good["age_seconds"]),
        "proved_at": good["proved_at"].isoformat(),
        "revision": good["revision"],
    }
