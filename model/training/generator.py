"""Train the generator: ``python -m model.training.generator --config model/training/configs/small.json``.

Windows are mixed in one run, so that one checkpoint serves them all: each step draws a cell (shard folder,
window, batch) by its weight. The learning rate warms up, stays
and decays at the end of a leg, and the shipped weights are a moving average. The same command resumes a run
that was stopped (Ctrl-C and SIGTERM save first); ``--init`` starts a new leg from exported weights; ``accelerate launch``
runs it on many GPUs, with FSDP too (``--use_fsdp --fsdp_version 2``), where checkpoints are gathered whole, so that any
number of processes resumes them.
"""

import argparse
import json
import math
import random
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, broadcast, set_seed
from PIL import Image
from torch import Tensor
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict, set_state_dict
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from model import costs
from model.checkpoint import check_text, load_tokenizer
from model.config import preset
from model.image_tokenizer import ImageTokenizer
from model.pipeline import TokenShufflePipeline
from model.prompt import END_OF_IMAGE
from model.settings import sides
from model.training.batches import Collate, foreign_windows, mean_loss
from model.training.optimizers import make_optimizers, rate
from model.training.precision import mixed_precision
from model.training.recipe import read_recipe
from model.training.shards import ShardStream, leave_group, read_first, shard_codes, shard_paths
from model.training.text_tokenizer import load_or_train
from model.transformer import IGNORED, TokenShuffleForImageGeneration

HELD_OUT_SAMPLES = 128
WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)
SHEET_PROMPTS = (  # drawn at every save; one a category
    "a photo of a cat",
    "a photo of a guitar and an owl",
    "a photo of three apples",
    "a photo of a blue car",
    "a photo of a dog left of a house",
    "a photo of a red book and a green umbrella",
)


def whole(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Sharded tensors gathered, others as they are."""
    return {name: tensor.full_tensor() if isinstance(tensor, DTensor) else tensor for name, tensor in tensors.items()}


def spread(tensor: Tensor, like: Tensor) -> Tensor:
    """A whole tensor on the device of another, sharded if that is."""
    tensor = tensor.to(like.device)
    return distribute_tensor(tensor, like.device_mesh, like.placements) if isinstance(like, DTensor) else tensor


def export_folder(source: str) -> Path:
    """The folder that a leg starts from; ValueError where it has no weights or no text tokenizer of their own."""
    folder = Path(source)
    missing = [name for name in ("config.json", "tokenizer.json") if not (folder / name).is_file()]
    if missing:
        raise ValueError(f"init is {source!r}; it must be a folder of exported weights, but has no {missing[0]}")
    return folder


class GeneratorTrainer:
    """One leg: model, optimisers, moving average and counters, and how to save and resume them."""

    def __init__(self, arguments: argparse.Namespace):
        self.recipe = read_recipe(arguments.config, arguments.model)
        self.arguments, self.folder = arguments, Path(arguments.out)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.stopping = False  # asked for by a signal
        # A step uses one window's shuffle pair, so the others have no gradient in it.
        unused = DistributedDataParallelKwargs(find_unused_parameters=True)
        self.accelerator = Accelerator(
            cpu=not torch.cuda.is_available(),
            mixed_precision=mixed_precision(self.recipe["precision"]),
            kwargs_handlers=[unused],
            log_with="tensorboard",
            project_dir=self.folder,
        )
        self.accelerator.init_trackers("curves")
        set_seed(self.recipe["seed"])  # shards of one model, not of one for each process
        with self.accelerator.main_process_first():  # where a new one is to be trained
            init = arguments.init
            self.tokenizer = load_tokenizer(export_folder(init)) if init else load_or_train(self.folder)
        self.bare = self.build_model()
        self.bare.train()  # `from_pretrained` gives an evaluating one, which checkpoints no activations
        self.bare.model.gradient_checkpointing = self.recipe["gradient_checkpointing"]
        self.earlier = self.bare.config.trained_cells  # of the legs before this one
        self.cells = [cell for cell in self.recipe["cells"] if cell["weight"]]
        self.check_cells()
        self.samples = {(cell["size"], cell["window"]): 0 for cell in self.recipe["cells"]}
        self.step, self.seconds = 0, 0.0
        optimizers = make_optimizers(self.bare, self.recipe["optimizer"], self.recipe["lr"])
        self.model, *self.optimizers = self.accelerator.prepare(self.bare, *optimizers)
        self.average = {name: p.detach().clone() for name, p in self.bare.named_parameters()}
        self.resume()
        set_seed(self.recipe["seed"] + self.step, device_specific=True)  # a resumed run draws fresh chances
        self.flops, self.resumed_at = 0.0, self.seconds

    def build_model(self) -> TokenShuffleForImageGeneration:
        """A new model, or that of ``--init``; the recipe's ``model`` and ``--model`` override single fields of its config."""
        fields, end = self.recipe["model"], self.tokenizer.convert_tokens_to_ids(END_OF_IMAGE)
        if not self.arguments.init:
            text = {"text_vocab_size": len(self.tokenizer), "end_of_image_id": end}
            return TokenShuffleForImageGeneration(preset(self.recipe["preset"], **{**fields, **text}))
        model = TokenShuffleForImageGeneration.from_pretrained(self.arguments.init, dtype=torch.float32, **fields)
        check_text(model, self.tokenizer)
        if model.config.end_of_image_id is None:  # a model made from a Llama does not know it
            model.config.end_of_image_id = end
        return model

    # --- data ---------------------------------------------------------------------------------

    def check_cells(self) -> None:
        """FileNotFoundError now rather than after hours where scenes to train on, or those that the export measures, are
        missing; ValueError for batches that the processes cannot share evenly, for codes of different image tokenizers
        and for a single scene to measure."""
        processes = self.accelerator.num_processes
        for cell in self.cells:
            if cell["batch"] % processes:
                raise ValueError(f"batch is {cell['batch']}; it must be a multiple of the {processes} processes")
        folders = {str(cell["size"]) for cell in self.cells}
        held_out = {f"{size}-held-out" for (size, _), claimed in self.claims().items() if claimed}
        shards = {name: shard_paths(Path(self.arguments.shards) / name) for name in sorted(folders | held_out)}
        codes = {name: shard_codes(paths[0]) for name, paths in shards.items()}
        self.bare.config.image_codes = self.common_codes(codes)
        for name in held_out:
            if len(read_first(shards[name][0].parent, 2)) < 2:
                raise ValueError(f"{name} holds one scene; a loss with its standard error needs two or more")

    def common_codes(self, found: dict[str, str | None]) -> str | None:
        """The one image tokenizer of all folders and of the weights of ``--init``, if known; ValueError where they differ."""
        if len(set(found.values())) > 1:
            raise ValueError(f"the folders of shards hold codes of different image tokenizers: {found}")
        codes, known = found.popitem()[1], self.bare.config.image_codes
        if codes and known and codes != known:
            raise ValueError(f"the shards hold codes of the image tokenizer {codes}; these weights learned {known}'s")
        return codes or known

    def stream(self, cell: dict, folder: str, dropout: float) -> Iterator[dict[str, Tensor]]:
        """Endless batches of one cell, this process's share of them; a resumed run goes on with fresh ones.

        Up to four shards' samples are shuffled together in each of `--workers` processes (0: in this one).
        """
        accelerator, seed = self.accelerator, f"{self.recipe['seed']}-{self.step}-{cell['window']}"
        shards = ShardStream(
            Path(self.arguments.shards) / folder, seed, dropout, accelerator.process_index, accelerator.num_processes
        )
        batch = cell["batch"] // accelerator.num_processes
        collate, workers = Collate(self.tokenizer, cell["window"]), self.arguments.workers
        return iter(DataLoader(shards, batch, collate_fn=collate, num_workers=workers, worker_init_fn=leave_group))

    # --- training -----------------------------------------------------------------------------

    def train(self) -> None:
        """Run until the leg's ``--minutes`` or ``--samples`` are used up, then export the average; a signal only saves."""
        streams = [self.stream(cell, str(cell["size"]), self.recipe["caption_dropout"]) for cell in self.cells]
        last, saved_at = time.monotonic(), self.seconds
        progress = tqdm(total=100, initial=round(100 * self.fraction), unit="%", disable=None)
        while self.fraction < 1:
            self.set_rates(self.fraction)
            index = self.choose_cell()
            losses = self.train_step(next(streams[index]), self.cells[index])
            now = time.monotonic()
            elapsed, self.stopping = self.agreed(now - last, self.stopping)
            self.seconds, last = self.seconds + elapsed, now
            progress.update(round(100 * self.fraction) - progress.n)
            if self.step % self.recipe["log_steps"] == 0:
                self.log(self.cells[index], losses)
            if self.seconds - saved_at > self.recipe["save_seconds"]:
                self.save()
                self.draw_sheet()
                last, saved_at = time.monotonic(), self.seconds  # saving and drawing are no training time
            if self.stopping:
                break
        self.save()
        if not self.stopping:
            self.export()
        self.accelerator.end_training()

    def stop(self, number: int, frame: object) -> None:
        """A signal's handler: save after this step and end; the same signal again ends at once."""
        self.stopping = True
        signal.signal(number, signal.SIG_DFL)

    @property
    def fraction(self) -> float:
        """Share of the leg's budget that is used up: samples where a number of them is given, else seconds."""
        if self.arguments.samples:
            return sum(self.samples.values()) / self.arguments.samples
        return self.seconds / (60 * self.arguments.minutes)

    def agreed(self, seconds: float, stopping: bool) -> tuple[float, bool]:
        """The main process's time and whether it is to stop, so that all of them save, and end, after the same step."""
        if self.accelerator.num_processes == 1:
            return seconds, stopping
        clock = torch.tensor([seconds, stopping], dtype=torch.float32, device=self.accelerator.device)
        seconds, stopping = broadcast(clock, from_process=0).tolist()
        return seconds, bool(stopping)

    def choose_cell(self) -> int:
        """The cell of this step: the same on every process, because it hangs on the step alone."""
        rng = random.Random(f"{self.recipe['seed']}-{self.step}")
        return rng.choices(range(len(self.cells)), [cell["weight"] for cell in self.cells])[0]

    def set_rates(self, fraction: float) -> None:
        factor = rate(fraction, self.step, self.recipe["warmup_steps"], self.recipe["decay_share"])
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.recipe["lr"] * factor

    def train_step(self, batch: dict[str, Tensor], cell: dict) -> dict[str, Tensor]:
        """One step of the optimisers; returns the batch's mean ``image_loss`` and ``text_loss`` of this process."""
        batch = {name: tensor.to(self.accelerator.device) for name, tensor in batch.items()}
        batch["context_ids"] = foreign_windows(batch["image_ids"], cell["window"], self.recipe["foreign"])
        losses = self.accumulate(batch, cell)
        self.accelerator.clip_grad_norm_(self.model.parameters(), self.recipe["clip"])
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1
        samples = len(batch["image_ids"]) * self.accelerator.num_processes
        self.samples[cell["size"], cell["window"]] += samples
        self.flops += samples * costs.training_flops(self.bare.config, *batch["image_ids"].shape[1:], cell["window"])
        self.update_average()
        return losses

    def accumulate(self, batch: dict[str, Tensor], cell: dict) -> dict[str, Tensor]:
        """Add up the gradient of a batch, at most ``micro_batch`` samples of the cell at once; gradients cross processes once."""
        rows = len(batch["image_ids"])
        starts = range(0, rows, cell["micro_batch"] or rows)
        text_shares = self.text_shares(batch)
        losses = {"image_loss": 0.0, "text_loss": 0.0}
        for start in starts:
            part = {name: tensor[start : start + starts.step] for name, tensor in batch.items()}
            share, text_share = len(part["image_ids"]) / rows, text_shares[start : start + starts.step].sum()
            waiting = nullcontext() if start == starts[-1] else self.accelerator.no_sync(self.model)
            with waiting, self.accelerator.autocast():
                output = self.model(
                    **part,
                    shuffle_window=cell["window"],
                    compute_loss=True,
                    repeat_fraction=cell["repeat_fraction"],
                )
                # The text's part of the loss is a mean over words, of which this part has more or fewer than others.
                text_weight = self.bare.config.text_loss_weight * (text_share - share)
                self.accelerator.backward(share * output.loss + text_weight * output.text_loss)
            losses["image_loss"] += share * output.image_loss.detach()
            losses["text_loss"] += text_share * output.text_loss.detach()
        return losses

    def text_shares(self, batch: dict[str, Tensor]) -> Tensor:
        """[B]: how much of the mean over this process's labelled text tokens each sample is.

        Tokens of all processes count the same, so the shares sum to more than 1 where this one has more than others.
        """
        labels = (self.bare.text_labels(batch["input_ids"], batch["attention_mask"]) != IGNORED).sum(1)
        return labels / self.accelerator.reduce(labels.sum().float(), "mean")

    @torch.no_grad()
    def update_average(self) -> None:
        decay = min(self.recipe["ema"], (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(list(self.average.values()), [p.detach() for p in self.bare.parameters()], 1 - decay)

    def log(self, cell: dict, losses: dict[str, Tensor]) -> None:
        losses = {name: self.accelerator.reduce(loss, "mean") for name, loss in losses.items()}
        row = {"step": self.step, "seconds": round(self.seconds), "size": cell["size"], "window": cell["window"]}
        row |= {name: round(loss.item(), 4) for name, loss in losses.items()}
        row["samples"] = sum(self.samples.values())
        row["gflop_per_second"] = round(self.flops / (self.seconds - self.resumed_at) / 1e9, 3)
        self.accelerator.print(json.dumps(row), flush=True)
        cell_name = f"{cell['size']} px, s={cell['window']}"
        self.accelerator.log({f"{name}/{cell_name}": row[name] for name in losses}, step=self.step)
        if self.accelerator.is_main_process:
            with open(self.folder / "log.jsonl", "a") as file:
                file.write(json.dumps(row) + "\n")

    # --- saving -------------------------------------------------------------------------------

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def save(self) -> None:
        """Write everything that a resumed run needs, atomically. Every process takes part, since each may hold a shard."""
        model, optimizers = get_state_dict(self.bare, self.bare_optimizers, options=WHOLE)
        state = {
            "model": model,
            "optimizers": optimizers,
            "average": whole(self.average),
            "samples": [[*cell, count] for cell, count in self.samples.items()],
            "earlier": self.earlier,
            "step": self.step,
            "seconds": self.seconds,
        }
        if self.accelerator.is_main_process:
            torch.save(state, self.checkpoint.with_suffix(".new"))
            self.checkpoint.with_suffix(".new").rename(self.checkpoint)

    def resume(self) -> None:
        """Go on from the checkpoint where there is one; the log forgets what came after it."""
        if self.checkpoint.exists():
            self.load_checkpoint()
        if self.accelerator.is_main_process:
            self.forget_later_steps()

    def load_checkpoint(self) -> None:
        state = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        set_state_dict(
            self.bare,
            self.bare_optimizers,
            model_state_dict=state["model"],
            optim_state_dict=state["optimizers"],
            options=WHOLE,
        )
        self.average = {name: spread(tensor, self.average[name]) for name, tensor in state["average"].items()}
        self.samples |= {(size, window): count for size, window, count in state["samples"]}
        self.earlier = state["earlier"]  # `--init` may be this leg's own export by now
        self.step, self.seconds = state["step"], state["seconds"]

    def forget_later_steps(self) -> None:
        """Cut from the log what came after the checkpoint: those steps are made again."""
        if (log := self.folder / "log.jsonl").exists():
            rows = log.read_text().splitlines(keepends=True)
            whole_rows = [row for row in rows if row.endswith("\n")]  # the last one may be cut where a run was killed
            log.write_text("".join(row for row in whole_rows if json.loads(row)["step"] <= self.step))

    @property
    def bare_optimizers(self) -> list[torch.optim.Optimizer]:
        return [optimizer.optimizer for optimizer in self.optimizers]

    def averaged(self) -> TokenShuffleForImageGeneration | None:
        """The model with the moving average as its weights, on the main process. Every process takes part."""
        average = whole(self.average)
        if not self.accelerator.is_main_process:
            return None
        with torch.device("meta"):  # no second set of weights, which may be as large as the memory left
            model = TokenShuffleForImageGeneration(self.bare.config)
        if model.config.tie_word_embeddings:
            average["lm_head.weight"] = average["model.embed_tokens.weight"]
        model.load_state_dict(average, assign=True)
        model.tie_weights()
        return model.eval()

    def draw_sheet(self) -> None:
        """Pictures of fixed prompts with the first cell's settings, beside the log and in the tracker."""
        if not self.arguments.image_tokenizer:
            return
        averaged = self.averaged()
        if averaged is None:
            return
        pixels = ImageTokenizer.from_pretrained(self.arguments.image_tokenizer).to(self.accelerator.device)
        cell = self.recipe["cells"][0]
        pipe = TokenShufflePipeline(averaged, pixels, self.tokenizer)
        width, height = sides(cell["size"])
        shape = {"width": width, "height": height, "shuffle_window": cell["window"]}
        images = pipe(list(SHEET_PROMPTS), **shape, temperature=0.8, guidance_scale=2.0, seed=0).images
        sheet = np.concatenate([np.asarray(image) for image in images], axis=1)
        self.accelerator.get_tracker("tensorboard").log_images(
            {"sheet": sheet[None]}, step=self.step, dataformats="NHWC"
        )
        (self.folder / "sheets").mkdir(exist_ok=True)
        Image.fromarray(sheet).save(self.folder / "sheets" / f"{self.step:06}.webp")

    def export(self) -> None:
        """Write the averaged weights as the pipeline loads them: bf16 safetensors under 10 MB each, with counts."""
        shipped = self.averaged()
        if shipped is None:
            return
        shipped.config.trained_cells = self.trained_cells(shipped)
        shipped.to(torch.bfloat16).save_pretrained(self.folder / "export", max_shard_size="9MB")
        self.tokenizer.save_pretrained(self.folder / "export")

    def trained_cells(self, model: TokenShuffleForImageGeneration) -> list[dict]:
        """Samples seen so far, earlier legs included, and held-out loss with its standard error of every cell.

        Recipes set `claimed` to false for cells that show a part of what prompts ask for (single objects, say) or that
        were given up. These keep their samples, for legs that take them up again.
        """
        earlier = {(cell["size"], cell["window"]): cell for cell in self.earlier}
        claimed, cells = self.claims(), []
        for size, window in sorted(claimed, key=lambda cell: (math.prod(sides(cell[0])), str(cell))):
            pixels, aspect = math.prod(sides(size)), max(sides(size)) / min(sides(size))
            cell = {"size": size, "window": window, "min_pixels": pixels, "max_pixels": pixels, "max_aspect": aspect}
            cell["samples"] = earlier.get((size, window), {}).get("samples", 0) + self.samples.get((size, window), 0)
            if claimed[size, window]:
                loss, error = self.held_out_loss(model, size, window)
                cells.append(cell | {"loss": round(loss, 4), "loss_error": round(error, 4)})
            else:
                cells.append(cell | {"claimed": False})
        return cells

    def claims(self) -> dict[tuple[int | str, int], bool]:
        """Whether each (size, window) of this leg and those before it is claimed; the recipe has the last word."""
        cells = [*self.earlier, *self.recipe["cells"]]
        return {(cell["size"], cell["window"]): cell.get("claimed", True) for cell in cells}

    def held_out_loss(self, model: TokenShuffleForImageGeneration, size: int | str, window: int) -> tuple[float, float]:
        """`mean_loss` on combinations that were never trained on."""
        samples = read_first(Path(self.arguments.shards) / f"{size}-held-out", HELD_OUT_SAMPLES)
        with self.accelerator.autocast():
            return mean_loss(model, Collate(self.tokenizer, window), samples)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="model/training/configs/small.json", help="recipe")
    parser.add_argument("--shards", default="runs/shards", help="folder with one shard folder per size")
    parser.add_argument("--out", default="runs/generator", help="run folder of this leg")
    parser.add_argument("--init", help="exported weights to start from (a new leg)")
    parser.add_argument(
        "--image-tokenizer", help="folder of the image tokenizer: draws a sheet of samples at every save"
    )
    parser.add_argument(
        "--model", type=json.loads, default={}, help="model fields over the recipe's, e.g. '{\"qk_norm\": false}'"
    )
    parser.add_argument(
        "--workers", type=int, default=0, help="processes that read shards, per cell; some where a GPU waits"
    )
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--minutes", type=float, default=60, help="training time of this leg")
    budget.add_argument("--samples", type=int, help="samples of this leg instead: the same leg on any hardware")
    return parser.parse_args()


def main() -> None:
    try:
        trainer = GeneratorTrainer(parse())
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f"error: {error}")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, trainer.stop)
    trainer.train()
    if trainer.stopping:
        sys.exit(f"stopped and saved at step {trainer.step}; the same command goes on")


if __name__ == "__main__":
    main()
