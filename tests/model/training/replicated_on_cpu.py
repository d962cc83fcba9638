"""The trainer in one of two CPU processes that each hold all weights, run by test_generator.py.

The processes find each other by a file, since a port may be taken by whatever else runs on the machine.
"""

import os

import torch

from model.training.generator import GeneratorTrainer, parse


def meet() -> None:
    """Join the process group that the environment describes: RANK, WORLD_SIZE, MEETING_FILE."""
    torch.distributed.init_process_group(
        "gloo",
        init_method=f"file://{os.environ['MEETING_FILE']}",
        rank=int(os.environ["RANK"]),
        world_size=int(os.environ["WORLD_SIZE"]),
    )


if __name__ == "__main__":
    meet()
    trainer = GeneratorTrainer(parse())
    assert trainer.accelerator.num_processes == 2
    trainer.train()
