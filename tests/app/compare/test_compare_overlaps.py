"""Grids that are started at the same time, on both databases."""

import threading
from concurrent.futures import ThreadPoolExecutor

from compare_world import WISH, make_studio

from app.compare.plan import grids_of, start_grid
from storage.errors import WrongState

STARTS = 6


def test_one_visitor_has_one_unfinished_grid_however_many_are_started_at_once(tmp_path, database_url, monkeypatch):
    services = make_studio(tmp_path, database_url=database_url)
    together, create = threading.Barrier(STARTS), services.store.create_study

    def create_together(*arguments, **values):
        together.wait(60)  # all have found no unfinished grid
        return create(*arguments, **values)

    def start(_):
        try:
            return start_grid(services, "ann", WISH.crossing()).id
        except WrongState:
            return None

    try:
        monkeypatch.setattr(services.store, "create_study", create_together)
        with ThreadPoolExecutor(STARTS) as pool:
            made = list(filter(None, pool.map(start, range(STARTS))))
        assert len(made) == len(grids_of(services, "ann")) == 1
    finally:
        services.close()
