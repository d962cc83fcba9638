"""What a Space needs beside the code, what this one lacks, and whose bucket it writes to.

A duplicated Space starts without the secrets of the original but with its variables, so it may find a bucket that is
not its own: the first Space that uses a bucket writes its name there, and no other writes to it.
"""

import os
from dataclasses import replace
from pathlib import Path

from app.settings import Settings

CLAIM = "space.txt"


def settle_journal(settings: Settings) -> tuple[Settings, list[str]]:
    """Settings without a journal that must not be written, and the reasons. Outside of Spaces nothing changes."""
    if not settings.on_space or settings.journal_dir is None:
        return settings, []
    if not on_mount(settings.journal_dir):
        reason = f"JOURNAL_DIR is {settings.journal_dir}, where no bucket is mounted: nothing there outlives a restart"
        return replace(settings, journal_dir=None), [reason]
    holder = claim(settings.journal_dir, settings.space_id)
    if holder != settings.space_id:
        reason = (
            f"the bucket at {settings.journal_dir} belongs to {holder}: nothing is written there; mount one of your own"
        )
        return replace(settings, journal_dir=None), [reason]
    return settings, []


def claim(folder: Path, space_id: str) -> str:
    """The Space that this folder belongs to; it becomes `space_id` where it belongs to nobody."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with open(folder / CLAIM, "x", encoding="utf-8") as file:
            file.write(space_id)
    except FileExistsError:
        return (folder / CLAIM).read_text(encoding="utf-8").strip()
    return space_id


def on_mount(folder: Path) -> bool:
    """Whether the folder is on another file system than the machine's own disk."""
    return any(os.path.ismount(place) for place in (folder, *folder.parents) if place != Path(place.anchor))


def lacks(settings: Settings) -> list[str]:
    """What a fresh Space is missing, each with what follows from it; nothing anywhere else."""
    if not settings.on_space:
        return []
    missing = []
    if settings.zero_gpu and settings.checkpoints:
        missing.append(
            "no further checkpoints (STUDIO_CHECKPOINTS): grids and studies compare them, and those need a GPU that is not lent"
        )
    if settings.journal_dir is None and settings.database_url is None:
        missing.append("no bucket (JOURNAL_DIR): pictures and votes are lost when the Space restarts")
    elif settings.journal_dir is None:
        missing.append(
            "no bucket (JOURNAL_DIR): votes and settings are in PostgreSQL, but all pictures are lost when the Space restarts"
        )
    if not settings.secret_given:
        missing.append("no STUDIO_SECRET: after a restart visitors without an account no longer own their pictures")
    if not settings.oauth:
        missing.append("no sign-in (hf_oauth): the Space's owner has no administration")
    return missing
