"""The trainer with its weights sharded (FSDP2) over CPU processes, run by test_generator.py.

Accelerate shards on accelerators alone; everything behind that check runs on a CPU as it does on a GPU.
"""

from accelerate.state import PartialState
from accelerate.utils import DistributedType
from torch.distributed.tensor import DTensor

from model.training import optimizers
from model.training.generator import GeneratorTrainer, parse
from tests.model.training.replicated_on_cpu import meet

meet()
optimizers.has_bf16 = lambda: True  # slow where a processor emulates it, but Muon's shards behave as on a GPU
PartialState(cpu=True)
PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU
trainer = GeneratorTrainer(parse())
assert all(isinstance(parameter, DTensor) for parameter in trainer.bare.parameters())
trainer.train()
