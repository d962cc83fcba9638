"""Two studios: one without a generator, new for every test, and one that draws, shared by the tests of a file."""

from collections.abc import Iterator

import pytest
from arena_world import make_services
from compare_world import make_studio

from app.services import Services


@pytest.fixture
def services(tmp_path) -> Iterator[Services]:
    built = make_services(tmp_path / "data")
    yield built
    built.close()


@pytest.fixture(scope="module")
def drawing_studio(tmp_path_factory) -> Iterator[Services]:
    """On the tiny checkpoint."""
    running = make_studio(tmp_path_factory.mktemp("studio"))
    yield running
    running.close()
