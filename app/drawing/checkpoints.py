"""The checkpoints that draw here: the default one is always in memory, further ones are loaded when they are asked for.

A request names its checkpoint as `name` or `name@hash`; with the hash, no other weights can draw under that name.
"""

import logging
import re
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

log = logging.getLogger(__name__)

DEFAULT = "default"
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")
MOST_LOADED = 2  # beside the default one


class Checkpoints:
    """default: the pipeline that is always there, or None with the reason in `problem`. further: name -> folder or hub
    id. load: such a source -> its pipeline. Safe to ask from several threads."""

    def __init__(
        self, default: Any, problem: str | None, further: Mapping[str, str], load: Callable[[str], Any]
    ) -> None:
        self.default, self.problem, self.further, self.load = default, problem, dict(further), load
        self._loaded: dict[str, Any] = {}  # least recently used first
        self._hashes: dict[str, str] = {}  # of whatever was loaded once
        self._lock = threading.Lock()

    @property
    def names(self) -> tuple[str, ...]:
        return (DEFAULT, *self.further)

    def get(self, reference: str | None) -> Any:
        """The pipeline that draws for a request. ValueError: unknown name, weights that cannot be loaded, or others than
        the reference says."""
        name, _, wanted = (reference or DEFAULT).partition("@")
        if self.default is None:
            raise ValueError(f"nothing can be drawn: {self.problem}")
        if name not in self.names:
            raise ValueError(f"checkpoint {name!r:.60}; allowed here: {', '.join(self.names)}")
        pipeline = self.default if name == DEFAULT else self._further(name)
        if wanted and pipeline.checkpoint != wanted:
            raise ValueError(
                f"the checkpoint {name} has the weights {pipeline.checkpoint} now; {wanted:.60} were asked for"
            )
        return pipeline

    def pinned(self, name: str) -> str:
        """The reference `name@hash` of the weights that the name has now."""
        return f"{name}@{self.get(name).checkpoint}"

    def with_weights(self, wanted: str) -> str:
        """The reference of the checkpoint that has these weights; ValueError where none has."""
        if self.get(DEFAULT).checkpoint == wanted:
            return f"{DEFAULT}@{wanted}"
        for name in self.further:
            with suppress(ValueError):  # one that cannot be loaded has drawn nothing
                if (self._hashes.get(name) or self.get(name).checkpoint) == wanted:
                    return f"{name}@{wanted}"
        raise ValueError(f"the weights {wanted:.60} are not among the checkpoints here ({', '.join(self.names)})")

    def _further(self, name: str) -> Any:
        with self._lock:
            pipeline = self._loaded.pop(name, None)
            while len(self._loaded) >= MOST_LOADED:
                del self._loaded[next(iter(self._loaded))]  # before the next comes, so that both need no room at once
            if pipeline is None:
                pipeline = self._read(name)
            self._loaded[name] = pipeline
            self._hashes[name] = pipeline.checkpoint
            return pipeline

    def _read(self, name: str) -> Any:
        try:
            return self.load(self.further[name])
        except Exception as error:  # whatever is wrong with one checkpoint is no reason to lose the others
            log.exception("the checkpoint %s could not be loaded", name)
            # Visitors read this, and the reason names folders of the server.
            raise ValueError(f"the checkpoint {name} could not be loaded; the log has the reason") from error
