"""A studio in a process of its own, to be killed: submits jobs for ever and prints what was acknowledged. Every second job
is large, so that the kill finds it running.

Arguments: data folder, weights folder. Lines: "job <id>" once a job is accepted, "picture <id>" once one is shown done.
"""

import sys
import time
from pathlib import Path

from app.request import GenerationRequest
from app.services import build_services
from app.settings import Settings


def main(data_dir: Path, weights: Path) -> None:
    services = build_services(Settings(data_dir, "test-secret", weights=str(weights), threads=1))
    told: set[str] = set()
    for number in range(10_000):
        side = 768 if number % 2 else 256
        request = GenerationRequest("a red apple", "a red apple", side, side, 1, seed=number, allow_untrained=True)
        print("job", services.submit("ann", request).id, flush=True)
        while not any(job.state == "running" for job in services.store.jobs_of("ann")):
            time.sleep(0.002)
        while services.store.queue_position(services.store.jobs_of("ann", limit=1)[0].id) is not None:
            time.sleep(0.002)
        for job in services.store.jobs_of("ann"):
            for made in services.generations_of_job(job):
                if made.id not in told:
                    told.add(made.id)
                    print("picture", made.id, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
