"""Token-Shuffle Studio: settings -> services -> pages -> launch. `python app.py`, and what a Space runs."""

import logging

from app import study_shipped
from app.launch import launch_arguments
from app.services import build_services
from app.settings import read_settings
from app.ui import build_ui


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for chatty in ("httpx", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    services = build_services(read_settings())
    try:
        study_shipped.take_in(services)
        build_ui(services).launch(**launch_arguments(services))
    finally:
        services.close()


if __name__ == "__main__":
    main()
