"""Environment -> one frozen object. Nothing else in app/ reads the environment."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app.drawing.checkpoints import DEFAULT, NAME

SHORTEST_SECRET = 32  # characters


@dataclass(frozen=True)
class Settings:
    """What one running studio needs to know.

    data_dir holds the database, pictures, backups and the signing key. The limits are enforced by the server.
    """

    data_dir: Path
    secret: str
    secret_given: bool = False  # by the environment; otherwise it lives and dies with data_dir
    database_url: str | None = None
    journal_dir: Path | None = None
    weights: str | None = None
    checkpoints: Mapping[str, str] = field(default_factory=dict)  # further ones: name -> folder or hub id
    host: str | None = None
    port: int | None = None
    admin_key: str | None = None
    space_id: str | None = None
    space_author: str | None = None
    oauth: bool = False  # visitors can sign in with their Hugging Face account
    zero_gpu: bool = False  # a GPU is lent to each visitor's request
    max_prompt_chars: int = 400
    max_pixels: int = 2048 * 2048
    max_images: int = 4
    max_queued: int = 64
    max_queued_per_user: int = 4
    max_starts_per_hour: int = 240
    threads: int | None = None
    engine: str | None = None  # None: the fastest here

    @property
    def on_space(self) -> bool:
        return self.space_id is not None


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings from the environment; every variable is optional (docs/architecture.md lists them)."""
    data_dir = Path(environment.get("DATA_DIR") or default_data_dir(environment)).expanduser().resolve()
    data_dir.mkdir(parents=True, exist_ok=True)
    journal = environment.get("JOURNAL_DIR")
    return Settings(
        data_dir=data_dir,
        secret=environment.get("STUDIO_SECRET") or kept_secret(data_dir / "secret.key"),
        secret_given=bool(environment.get("STUDIO_SECRET")),
        database_url=environment.get("DATABASE_URL") or None,
        journal_dir=Path(journal) if journal else None,
        weights=environment.get("STUDIO_WEIGHTS") or None,
        checkpoints=named_sources(environment, "STUDIO_CHECKPOINTS"),
        host=environment.get("GRADIO_SERVER_NAME") or None,
        port=number(environment, "GRADIO_SERVER_PORT", None, 1, 65535),
        admin_key=environment.get("STUDIO_ADMIN_KEY") or None,
        space_id=environment.get("SPACE_ID") or None,
        space_author=environment.get("SPACE_AUTHOR_NAME") or None,
        oauth=bool(environment.get("SPACE_ID") and environment.get("OAUTH_CLIENT_ID")),
        zero_gpu=environment.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true"),
        max_prompt_chars=number(environment, "STUDIO_MAX_PROMPT_CHARS", 400, 1, 10_000),
        max_pixels=number(environment, "STUDIO_MAX_PIXELS", 2048 * 2048, 256, 2**26),
        max_queued=number(environment, "STUDIO_MAX_QUEUED", 64, 1, 100_000),
        max_queued_per_user=number(environment, "STUDIO_MAX_QUEUED_PER_USER", 4, 1, 100_000),
        max_starts_per_hour=number(environment, "STUDIO_MAX_STARTS_PER_HOUR", 240, 1, 1_000_000),
        threads=number(environment, "STUDIO_THREADS", None, 1, 1024),
        engine=environment.get("STUDIO_ENGINE") or None,
    )


def default_data_dir(environment: Mapping[str, str]) -> Path:
    """The user's data folder, never the working directory: Gradio would serve files from there."""
    base = environment.get("XDG_DATA_HOME") or environment.get("LOCALAPPDATA")
    return (Path(base) if base else Path.home() / ".local" / "share") / "token-shuffle-studio"


def number(environment: Mapping[str, str], name: str, default: int | None, low: int, high: int) -> int | None:
    """An integer variable, or the default; ValueError with the allowed range."""
    text = environment.get(name)
    if not text:
        return default
    try:
        value = int(text)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise ValueError(f"{name} is {text!r}; it must be a whole number between {low} and {high}")
    return value


def named_sources(environment: Mapping[str, str], variable: str) -> dict[str, str]:
    """ "large=/data/large, old=owner/old" -> name: source, or ValueError with what is wrong."""
    found: dict[str, str] = {}
    for part in filter(str.strip, environment.get(variable, "").split(",")):
        name, source = (piece.strip() for piece in part.partition("=")[::2])
        if not NAME.fullmatch(name) or not source or name in (DEFAULT, *found):
            raise ValueError(
                f"{variable} holds {part.strip()!r}; write name=folder or name=owner/repository, separated by commas; a name is a "
                f"letter, then letters, digits and . _ -, occurs once and is not {DEFAULT!r}"
            )
        found[name] = source
    return found


def kept_secret(path: Path) -> str:
    """The signing key of this data folder, made at the first start and readable by its owner only. It appears whole or not at
    all; ValueError for one that anybody could guess."""
    if not path.exists():
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:  # another process was first
            pass
        except OSError:  # a file system without hard links
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    secret = path.read_text().strip()
    if len(secret) < SHORTEST_SECRET:
        raise ValueError(
            f"the signing key in {path} has {len(secret)} characters; it must have {SHORTEST_SECRET} at least. "
            "Remove the file and a new one is made; visitors without an account then lose their pictures"
        )
    return secret
