"""Token-Shuffle Studio: settings -> services -> pages -> launch. `python app.py`, and what a Space runs."""

import gc

from app.logs import set_up_logs
from app.services import build_services
from app.settings import read_settings
from app.studies import shipped as study_shipped
from app.ui import build_ui
from app.web.launch import launch_arguments


def main() -> None:
    set_up_logs()
    services = build_services(read_settings())
    try:
        study_shipped.take_in(services)
        studio = build_ui(services)
        gc.collect()
        gc.freeze()  # what was loaded lives for ever: looking through it again costs 0.3 s in the middle of a request
        studio.launch(**launch_arguments(services))
    finally:
        services.close()


if __name__ == "__main__":
    main()
