"""A real PostgreSQL for tests: the server of TEST_POSTGRES_URL, or a private throw-away cluster behind a socket file."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class NoPostgres(Exception):
    """Why no server can be had."""


@contextmanager
def server() -> Iterator[str]:
    """The URL of a maintenance database on a running server."""
    given = os.environ.get("TEST_POSTGRES_URL")
    if given:
        yield given
        return
    with _cluster(_binaries()) as url:
        yield url


def _binaries() -> Path:
    """Debian's newest server programs, or those on the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path is None:
        raise NoPostgres("no TEST_POSTGRES_URL, and no initdb here (Debian: apt-get install postgresql)")
    return Path(on_path).resolve().parent


@contextmanager
def _cluster(binaries: Path) -> Iterator[str]:
    user = _unprivileged_user()
    # In /tmp wherever TMPDIR points: the path of a socket may have 107 bytes, and a port could be taken by another.
    with tempfile.TemporaryDirectory(prefix="postgres-test-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        if user is not None:
            shutil.chown(folder, user)
        data = f"{folder}/data"
        _run(user, folder, binaries / "initdb", "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8", "-N")
        options = f"-c listen_addresses='' -k {folder} -c fsync=off -c max_connections=200"
        _run(user, folder, binaries / "pg_ctl", "-D", data, "-w", "-l", f"{folder}/log", "-o", options, "start")
        try:
            yield f"postgresql://tester@/postgres?host={folder}"
        finally:
            _run(user, folder, binaries / "pg_ctl", "-D", data, "-m", "immediate", "stop")


def _unprivileged_user() -> str | None:
    """PostgreSQL refuses to run as root; None keeps the present user."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise NoPostgres("running as root, and there is no user postgres or nobody to run the server as")


def _run(user: str | None, folder: str, *command: Any) -> None:
    # Output goes to a file: the server inherits it, and a pipe would never end.
    with open(Path(tempfile.gettempdir()) / f"{Path(folder).name}.out", "w+b") as output:
        words = [str(word) for word in command]
        done = subprocess.run(words, user=user, cwd=folder, stdout=output, stderr=subprocess.STDOUT, check=False)
        output.seek(0)
        said = output.read().decode(errors="replace")
    Path(output.name).unlink()
    if done.returncode != 0:
        raise NoPostgres(f"{words[0]} failed: {said[-800:]}")
