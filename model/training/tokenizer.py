"""Train the image tokenizer in one process: ``python -m model.training.tokenizer``.

Reconstruction on random 128 px crops of composed scenes, then a perceptual term. The codebook
follows its latents by exponential moving average; codes that nobody uses are moved to latents of
the batch. The first steps run without quantisation, so the codebook starts from real latents.
Stop at any moment: the same command resumes from the last checkpoint of its run folder.
``--decoder-of`` goes on with the decoder of a finished tokenizer alone: its codes stay, and so does what a generator learned.
"""

import argparse
import json
import random
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from model.image_tokenizer import ImageTokenizer, ImageTokenizerConfig
from model.pixels import from_bytes
from model.training.perceptual import PerceptualLoss
from model.training.precision import mixed_precision
from model.training.scenes import KINDS, Scene, compose

CROP_PX = 128
CROPS_PER_SCENE = 16
BUFFER_CROPS = 1600


class SceneCrops(IterableDataset):
    """Endless 128 px crops of training scenes, most of them on objects: float [3, 128, 128] in [-1, 1]."""

    def __init__(self, seed: str):
        self.seed = seed

    def __iter__(self):
        worker = get_worker_info()
        rng = random.Random(f"{self.seed}-{worker.id if worker else 0}")
        buffer: list[np.ndarray] = []
        while True:
            side = rng.choices((256, 512, 1024), (0.15, 0.75, 0.1))[0]
            scene = compose(rng, rng.choice(KINDS), side, side)
            pixels = np.asarray(scene.image)
            for _ in range(CROPS_PER_SCENE):
                x, y = crop_corner(rng, scene, side)
                buffer.append(pixels[y : y + CROP_PX, x : x + CROP_PX].copy())
            # A batch of few scenes has few ground colours, and training then chases them.
            while len(buffer) > BUFFER_CROPS:
                crop = buffer.pop(rng.randrange(len(buffer)))
                yield from_bytes(crop)


def crop_corner(rng: random.Random, scene: Scene, side: int) -> tuple[int, int]:
    """Corner of a crop on the 16 px grid of the codes: seven in eight around an object."""
    if rng.random() < 0.875:
        box = rng.choice(scene.items).box
        x, y = (rng.randint(box[i] - CROP_PX // 2, box[i + 2] - CROP_PX // 2) for i in (0, 1))
    else:
        x, y = rng.randint(0, side - CROP_PX), rng.randint(0, side - CROP_PX)
    return tuple(min(max(v // 16 * 16, 0), side - CROP_PX) for v in (x, y))


class Codebook:
    """Moving averages that pull codes to the latents they stand for (van den Oord et al. 2017, A.1)."""

    def __init__(self, codes: Tensor, decay: float = 0.99, idle_steps: int = 150):
        self.sums, self.counts = codes.clone(), codes.new_ones(len(codes))
        self.idle = torch.zeros(len(codes), dtype=torch.long, device=codes.device)
        self.decay, self.idle_steps = decay, idle_steps

    @torch.no_grad()
    def update(self, codes: Tensor, latents: Tensor, ids: Tensor) -> None:
        """Move ``codes`` [K, D] in place towards latents [N, D] that chose them; idle ones move to latents that are far from their code."""
        used = torch.bincount(ids, minlength=len(codes)).float()
        sums = torch.zeros_like(self.sums).index_add_(0, ids, latents)
        self.counts.lerp_(used, 1 - self.decay)
        self.sums.lerp_(sums, 1 - self.decay)
        self.idle = torch.where(used > 0, 0, self.idle + 1)
        codes.copy_(F.normalize(self.sums / self.counts.clamp_min(1e-6)[:, None], dim=-1))
        dead = self.idle > self.idle_steps
        if n := int(dead.sum()):
            error = 1 - (latents * codes[ids]).sum(-1)
            fresh = latents[torch.multinomial(error.clamp_min(1e-6), n, replacement=True)]
            codes[dead], self.sums[dead], self.counts[dead], self.idle[dead] = fresh, fresh, 1.0, 0

    def state_dict(self) -> dict:
        return {"sums": self.sums, "counts": self.counts, "idle": self.idle}

    def load_state_dict(self, state: dict) -> None:
        self.sums, self.counts, self.idle = state["sums"], state["counts"], state["idle"]


def rotate_to(latents: Tensor, codes: Tensor) -> Tensor:
    """Unit codes with the gradient of the rotation that carries each latent onto its code.

    The rotation trick (Fifty et al. 2410.06424): [N, D], [N, D] → [N, D].
    """
    half = F.normalize(latents + codes, dim=-1).detach()
    source = latents.detach()
    return (
        latents
        - 2 * (latents * half).sum(-1, keepdim=True) * half
        + 2 * (latents * source).sum(-1, keepdim=True) * codes.detach()
    )


def learning_rate(peak: float, fraction: float, step: int) -> float:
    """Warm-up over 100 steps, stable, linear decay to 2 % over the last fifth of the time."""
    return peak * min(1.0, (step + 1) / 100) * min(1.0, max(0.02, (1 - fraction) / 0.2))


class TokenizerTrainer:
    """Model, optimiser and codebook statistics of one run, and how to save and resume them."""

    def __init__(self, arguments: argparse.Namespace):
        self.arguments = arguments
        self.folder = Path(arguments.out)
        self.folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(arguments.seed)
        self.accelerator = Accelerator(cpu=not torch.cuda.is_available(), mixed_precision=mixed_precision())
        if (processes := self.accelerator.num_processes) > 1:
            raise ValueError(
                f"started as {processes} processes; the codebook follows the latents of one: use `python -m`"
            )
        model = self.build_model()
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=arguments.lr, betas=(0.9, 0.95), weight_decay=0.0)
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        self.codebook = None if arguments.decoder_of else Codebook(self.model.codebook)
        self.perceptual = PerceptualLoss().to(self.accelerator.device) if arguments.perceptual else None
        self.step, self.seconds = 0, 0.0
        self.resume()

    def build_model(self) -> ImageTokenizer:
        if not self.arguments.decoder_of:
            config = ImageTokenizerConfig(codebook_size=self.arguments.codebook_size, code_dim=self.arguments.code_dim)
            return ImageTokenizer(config)
        model = ImageTokenizer.from_pretrained(self.arguments.decoder_of, dtype=torch.float32)
        model.encoder.requires_grad_(False)
        return model

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def resume(self) -> None:
        if self.checkpoint.exists():
            state = torch.load(self.checkpoint, map_location=self.accelerator.device, weights_only=True)
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            if self.codebook is not None:
                self.codebook.load_state_dict(state["codebook"])
            self.step, self.seconds = state["step"], state["seconds"]

    def save(self) -> None:
        """Write a checkpoint atomically, and the model in the form that the pipeline loads."""
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        state |= {"codebook": self.codebook and self.codebook.state_dict(), "step": self.step, "seconds": self.seconds}
        torch.save(state, self.checkpoint.with_suffix(".new"))
        self.checkpoint.with_suffix(".new").rename(self.checkpoint)
        self.model.save_pretrained(self.folder / "image_tokenizer")

    def loss(self, pixels: Tensor, perceptual_weight: float) -> tuple[Tensor, dict]:
        """Training loss of a batch [B, 3, H, W], and what the log shows."""
        latents = self.model.latents(pixels)
        flat = latents.flatten(0, -2)
        if self.codebook is None:
            quantized, commit = self.model.codebook[self.model.nearest(flat)], flat.new_zeros(())
        elif self.step < self.arguments.continuous_steps:
            quantized, ids, commit = flat, self.model.nearest(flat.detach()), flat.new_zeros(())
        else:
            if self.step == self.arguments.continuous_steps:
                self.start_codebook(flat.detach())
            ids = self.model.nearest(flat.detach())
            codes = self.model.codebook[ids]
            commit = F.mse_loss(flat, codes)
            quantized = rotate_to(flat, codes)
        with self.accelerator.autocast():  # the encoder stays in float32, so that codes are those of inference
            decoded = self.model.decoder(quantized.view_as(latents).permute(0, 3, 1, 2)).float()
        squared = F.mse_loss(decoded, pixels)
        loss = F.l1_loss(decoded, pixels) + 2.0 * squared + 0.25 * self.arguments.code_dim * commit
        if perceptual_weight and self.perceptual is not None:
            loss = loss + perceptual_weight * self.perceptual(decoded, pixels)
        if self.codebook is not None and self.step > self.arguments.continuous_steps:
            self.codebook.update(self.model.codebook, flat.detach(), ids)
        return loss, {"psnr": -10 * torch.log10(squared.detach() / 4).item(), "commit": commit.item()}

    def start_codebook(self, latents: Tensor) -> None:
        """Put every code on a latent of the batch (repeated with a little noise if there are too few)."""
        picks = latents[torch.randint(len(latents), (len(self.model.codebook),))]
        self.model.codebook.copy_(F.normalize(picks + 0.02 * torch.randn_like(picks), dim=-1))
        self.codebook = Codebook(self.model.codebook)

    def train(self) -> None:
        """Run until ``--minutes`` of training time or ``--crops`` are used up."""
        arguments = self.arguments
        crops = SceneCrops(f"{arguments.seed}-{self.step}")  # a resumed run goes on with fresh ones
        loader = DataLoader(crops, arguments.batch, num_workers=1, prefetch_factor=4)
        last_save = last = time.monotonic()
        for pixels in loader:
            fraction = self.fraction
            if fraction >= 1:
                break
            for group in self.optimizer.param_groups:
                group["lr"] = learning_rate(arguments.lr, fraction, self.step)
            loss, figures = self.loss(
                pixels.to(self.accelerator.device), arguments.perceptual if fraction > 0.6 else 0.0
            )
            self.optimizer.zero_grad(set_to_none=True)
            self.accelerator.backward(loss)
            self.accelerator.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.step += 1
            now = time.monotonic()
            self.seconds += now - last
            last = now
            if self.step % 50 == 0:
                self.log(loss.item(), figures)
            if now - last_save > 180:
                self.save()
                last_save = now
        self.finish()

    @property
    def fraction(self) -> float:
        """Share of the budget that is used up: crops where a number of them is given, else seconds."""
        if self.arguments.crops:
            return self.step * self.arguments.batch / self.arguments.crops
        return self.seconds / (60 * self.arguments.minutes)

    def log(self, loss: float, figures: dict) -> None:
        row = {"step": self.step, "seconds": round(self.seconds), "loss": round(loss, 4)}
        if self.codebook is not None:
            row["codes_in_use"] = round((self.codebook.idle < 100).float().mean().item(), 3)
        row |= {name: round(value, 4) for name, value in figures.items()}
        print(json.dumps(row), flush=True)
        with open(self.folder / "log.jsonl", "a") as file:
            file.write(json.dumps(row) + "\n")

    def finish(self) -> None:
        """Measure the preview's colours, then save."""
        self.model.measure_mean_colors()
        self.save()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="runs/tokenizer", help="run folder")
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--minutes", type=float, default=60, help="training time over all resumed parts")
    budget.add_argument("--crops", type=int, help="crops instead: the same run on any hardware")
    parser.add_argument("--batch", type=int, default=16, help="crops a step")
    parser.add_argument("--lr", type=float, default=1.5e-3)
    parser.add_argument("--codebook-size", type=int, default=4096)
    parser.add_argument("--code-dim", type=int, default=8)
    parser.add_argument("--continuous-steps", type=int, default=300, help="steps before quantisation starts")
    parser.add_argument(
        "--perceptual", type=float, default=0.0, help="weight of the perceptual loss, in the last 40 %%"
    )
    parser.add_argument(
        "--decoder-of", help="folder of a finished image tokenizer, of which only the decoder is trained on"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the first weights and the crops")
    return parser.parse_args()


if __name__ == "__main__":
    TokenizerTrainer(parse()).train()
