"""A studio without a generator, and an open study in it; files that need another studio define their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from arena_world import make_services, make_study

from app.services import Services
from storage.records import Study


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    built = make_services(tmp_path / "data")
    yield built
    built.close()


@pytest.fixture
def study(services: Services) -> Study:
    return make_study(services.store)
