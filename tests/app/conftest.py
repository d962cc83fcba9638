"""Two studios: one without a generator and with an open study, new for every test, and one that draws, shared by a file's tests."""

from collections.abc import Iterator

import pytest
from arena_world import make_services, make_study
from compare_world import make_studio

from app.services import Services
from storage.records import Study


@pytest.fixture
def services(tmp_path) -> Iterator[Services]:
    built = make_services(tmp_path / "data")
    yield built
    built.close()


@pytest.fixture
def study(services: Services) -> Study:
    return make_study(services.store)


@pytest.fixture(scope="module")
def drawing_studio(tmp_path_factory) -> Iterator[Services]:
    """On the tiny checkpoint."""
    running = make_studio(tmp_path_factory.mktemp("studio"))
    yield running
    running.close()
