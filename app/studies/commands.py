"""The keeper's commands of `python -m app.study`: create, ship, rivals, list, open, pause, close, sweep, restore,
report, export."""

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from app.compare.plan import progress
from app.results.report import write_report
from app.services import Services, build_services
from app.settings import read_settings
from app.studies import admin as study_admin
from app.studies import rivals as study_rivals
from app.studies import shipped as study_shipped
from app.studies.admin import KEEPER, StudyForm
from app.studies.panel import restored_text
from app.studies.prompt_sets import BUILT_IN, built_in_prompts, prompts_from
from app.studies.sweep import sweep
from storage import exports
from storage.errors import NotFound
from storage.records import Study
from storage.store import Store, open_store

SHIPPED_DESCRIPTION = (
    "Do larger windows cost quality, and does guidance that grows along the picture help? The pictures were drawn "
    "beforehand by the weights that come with this studio."
)
SHIPPED_RATERS = 12  # a pair: with 36 pairs a window contrast gets 432 votes a criterion, and about 345 decide


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add the keeper's subcommands."""
    create = commands.add_parser("create", help="write a study and queue its pictures")
    create.add_argument("name")
    prompts = create.add_mutually_exclusive_group(required=True)
    prompts.add_argument("--prompts", type=Path, help="a text file, one prompt a line")
    prompts.add_argument("--built-in", choices=BUILT_IN)
    add_design(create, windows="2, 4", schedules=None, seeds=2, raters=3, description="")
    create.add_argument(
        "--draw", action="store_true", help="draw the pictures here and open the study; no studio may run"
    )
    ship = commands.add_parser("ship", help="draw the study that comes with the studio, and pack it into its folder")
    ship.add_argument("--name", help="by default it names the weights")
    ship.add_argument("--built-in", choices=BUILT_IN, default=BUILT_IN[0])
    ship.add_argument("--folder", type=Path, default=study_shipped.FOLDER)
    add_design(ship, windows="1, 2, 4", schedules=None, seeds=1, raters=SHIPPED_RATERS, description=SHIPPED_DESCRIPTION)
    commands.add_parser("list", help="all studies and how far they are")
    for name in ("open", "pause", "close"):
        commands.add_parser(name, help=f"{name} a study").add_argument("name")
    commands.add_parser("sweep", help="set the votes of careless raters aside").add_argument("name")
    commands.add_parser("restore", help="offer the pairs again that raters reported as broken").add_argument("name")
    rivals = commands.add_parser(
        "rivals", help="bring in another system's pictures, to be rated against the study's own"
    )
    rivals.add_argument("name")
    rivals.add_argument(
        "folder", type=Path, help=f"the pictures, and {study_rivals.LIST} with the columns file and prompt"
    )
    rivals.add_argument("--system", required=True, help="what the other system is called")
    report = commands.add_parser("report", help="HTML with figures, methods card and Parquet, in a folder")
    report.add_argument("name")
    report.add_argument("folder", type=Path)
    export = commands.add_parser(
        "export", help="votes as long table, arena battles, DPO, Pick-a-Pic, ImageReward, and the audit"
    )
    export.add_argument("name")
    export.add_argument("folder", type=Path)
    export.add_argument("--form", choices=exports.FORMATS, default="parquet")


def add_design(
    parser: argparse.ArgumentParser, *, windows: str, schedules: str | None, seeds: int, raters: int, description: str
) -> None:
    """What a study compares, and how it is asked."""
    parser.add_argument("--windows", default=windows)
    parser.add_argument(
        "--schedules",
        default=schedules,
        help="such as: half-linear 1.5, constant 1.5; by default with the scale that the checkpoint was tuned for",
    )
    parser.add_argument("--resolutions", default="512")
    parser.add_argument("--checkpoints", default="", help="such as: default, large (named in STUDIO_CHECKPOINTS)")
    parser.add_argument("--description", default=description)
    for name, default in (("seeds", seeds), ("raters-per-pair", raters), ("session-pairs", 20)):
        parser.add_argument(f"--{name}", type=int, default=default)


def run(chosen: argparse.Namespace) -> None:
    """A refused command says why, without a traceback."""
    try:
        if chosen.command == "create":
            create(chosen)
        elif chosen.command == "ship":
            ship(chosen)
        else:
            with_store(chosen)
    except (ValueError, OSError) as error:  # the second: a file or folder that cannot be read or written
        sys.exit(f"{error}")


def create(chosen: argparse.Namespace) -> None:
    services = build_services(read_settings(), work=chosen.draw)
    try:
        chosen.schedules = chosen.schedules or f"half-linear {services.tuned.guidance_scale:g}"
        study = study_admin.create(services, form_of(chosen), KEEPER)
        if chosen.draw:
            study = draw(services, study)
        print(f"{study.name}: {study_admin.status_text(services, study)}\ninvite: {study_admin.invite_link(study)}")
    finally:
        services.close()


def ship(chosen: argparse.Namespace) -> None:
    """In a data folder of its own, so that nothing of this machine's studio comes along."""
    with tempfile.TemporaryDirectory() as folder:
        settings = replace(read_settings(), data_dir=Path(folder), database_url=None, journal_dir=None)
        services = build_services(settings)
        try:
            if services.pipeline is None:
                raise ValueError(services.problem)
            scale = services.tuned.guidance_scale
            chosen.schedules = chosen.schedules or f"half-linear {scale:g}, constant {scale:g}"
            chosen.name = chosen.name or f"Window and guidance · weights {services.pipeline.checkpoint[:6]}"
            chosen.prompts = None
            study = draw(services, study_admin.create(services, form_of(chosen), KEEPER))
            size = study_shipped.pack(services.store, study, chosen.folder)
            print(
                f"{study.name}: {study_admin.status_text(services, study)}\n{size / 2**20:.2f} MiB in {chosen.folder}"
            )
        finally:
            services.close()


def form_of(chosen: argparse.Namespace) -> StudyForm:
    if chosen.prompts:
        prompts = prompts_from(chosen.prompts.read_text(encoding="utf-8"))
    else:
        prompts = built_in_prompts(chosen.built_in)
    return StudyForm(
        chosen.name,
        prompts,
        chosen.windows,
        chosen.schedules,
        chosen.resolutions,
        chosen.checkpoints,
        chosen.seeds,
        raters_per_pair=chosen.raters_per_pair,
        session_pairs=chosen.session_pairs,
        description=chosen.description,
    )


def draw(services: Services, study: Study) -> Study:
    while not (now := progress(services, study)).finished:
        print(f"\r{now.done} of {now.total} pictures", end="", flush=True)
        time.sleep(1)
    print()
    return study_admin.open_study(services, services.store.get_study(study.id))


def with_store(chosen: argparse.Namespace) -> None:
    settings = read_settings()
    store = open_store(settings.data_dir, settings.database_url, journal_dir=settings.journal_dir)
    services = Services(settings, store, None, "only the database is open")
    try:
        if chosen.command == "list":
            for study in store.list_studies():
                print(f"{study.name}: {study_admin.status_text(services, study)}")
            return
        study = study_named(store, chosen.name)
        if chosen.command == "report":
            print(write_report(services, study, chosen.folder))
            return
        if chosen.command == "export":
            print(exports.write(exports.study_tables(store, study.id), chosen.folder, chosen.form, study.name))
            return
        if chosen.command == "rivals":
            count = study_rivals.bring_in(services, study, chosen.system, chosen.folder)
            print(f"{study.name}: {count} pairs against {chosen.system}")
            return
        if chosen.command == "sweep":
            print(sweep(services, study))
            return
        if chosen.command == "restore":
            print(restored_text(store.restore_broken(study.id)))
            return
        study = study_admin.moved(services, study, chosen.command)
        print(f"{study.name}: {study_admin.status_text(services, study)}")
    finally:
        store.close()


def study_named(store: Store, name: str) -> Study:
    found = [study for study in store.list_studies() if study.name == name]
    if not found:
        raise NotFound(f"there is no study named {name!r}")
    return found[0]
