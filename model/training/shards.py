"""Scenes encoded once: Parquet shards of captions and codes that the generator streams.

``python -m model.training.shards --tokenizer model/weights/image_tokenizer --count 20000`` adds shards to a
folder until stopped; several processes may write at once. A shard has the columns caption, kind,
codes (uint16, raster order), width and height (px), and as metadata `codes`: which image tokenizer they are of.
"""

import argparse
import hashlib
import os
import random
import time
import uuid
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from model.image_tokenizer import ImageTokenizer
from model.pixels import from_bytes
from model.training.scenes import CODE, Scene, compose

SHARD_SCENES = 256
MOST_CODES = 2**16  # that fit the column
BUFFER_SHARDS = 4  # shards that are shuffled together
HASH_WEIGHTS = np.random.default_rng(0).integers(1, 2**63, CODE * CODE * 3 // 8, np.uint64) * 2 + 1
Sample = tuple[str, Tensor, int, int]  # caption, codes [h, w] int64, width px, height px
ONE_OBJECT_SHARE = 0.35  # of the scenes, unless said otherwise
# Shares within the scenes of one object, which teach what things look like, and of several, which teach which one is where.
# Coloured single ones get more, since there are five times as many of them to learn.
ONE_OBJECT = {"single_object": 0.35, "colors": 0.65}
SEVERAL = {"two_object": 0.3, "counting": 0.14, "position": 0.28, "color_attr": 0.28}


def kind_shares(one_object: float = ONE_OBJECT_SHARE) -> dict[str, float]:
    """The mixture of kinds for a given share of one-object scenes."""
    return {k: v * one_object for k, v in ONE_OBJECT.items()} | {k: v * (1 - one_object) for k, v in SEVERAL.items()}


def encode_scenes(tokenizer: ImageTokenizer, scenes: list[Scene]) -> Tensor:
    """Codes [n, h, w] of scenes of one size. Where equal patches have equal codes, each is encoded once."""
    pixels = np.stack([np.asarray(scene.image) for scene in scenes])
    if not tokenizer.encodes_patches:
        return torch.cat([encode(tokenizer, part) for part in np.split(pixels, range(8, len(pixels), 8))])
    grid = len(pixels), pixels.shape[1] // CODE, pixels.shape[2] // CODE
    patches = pixels.reshape(grid[0], grid[1], CODE, grid[2], CODE, 3).swapaxes(2, 3).reshape(-1, CODE * CODE * 3)
    keys = (patches.view(np.uint64) * HASH_WEIGHTS).sum(1)  # sorting the patches themselves takes far longer
    _, first, places = np.unique(keys, return_index=True, return_inverse=True)
    distinct = patches[first].reshape(-1, CODE, CODE, 3)
    codes = torch.cat(
        [encode(tokenizer, part).flatten() for part in np.split(distinct, range(4096, len(distinct), 4096))]
    )
    return codes[torch.from_numpy(places)].view(grid)


def encode(tokenizer: ImageTokenizer, pictures: np.ndarray) -> Tensor:
    """uint8 [n, H, W, 3] → ids [n, H/16, W/16], wherever the tokenizer lies."""
    return tokenizer.encode(from_bytes(pictures, tokenizer.device)).cpu()


def codes_digest(tokenizer: ImageTokenizer) -> str:
    """16 hex digits over what decides a picture's codes: encoder and codebook, not the decoder, which may learn on."""
    digest = hashlib.sha256()
    for tensor in (*tokenizer.encoder.state_dict().values(), tokenizer.codebook):
        digest.update(tensor.float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def write_shard(folder: Path, tokenizer: ImageTokenizer, scenes: list[Scene]) -> Path:
    """Encode scenes of one size and write them as one Parquet file, which appears all at once."""
    if tokenizer.config.codebook_size > MOST_CODES:
        raise ValueError(f"codebook_size is {tokenizer.config.codebook_size}; shards hold codes of up to {MOST_CODES}")
    codes = encode_scenes(tokenizer, scenes)
    table = pa.table(
        {
            "caption": [scene.caption for scene in scenes],
            "kind": [scene.kind for scene in scenes],
            "codes": pa.array(list(codes.flatten(1).numpy().astype(np.uint16)), type=pa.list_(pa.uint16())),
            "width": [scene.image.width for scene in scenes],
            "height": [scene.image.height for scene in scenes],
        }
    ).replace_schema_metadata({"codes": codes_digest(tokenizer)})
    path = folder / f"{uuid.uuid4().hex}.parquet"
    pq.write_table(table, path.with_suffix(".new"), compression="zstd")
    return path.with_suffix(".new").rename(path)


def write_shards(
    folder: Path,
    tokenizer: ImageTokenizer,
    width: int,
    height: int,
    count: int,
    test: bool,
    one_object: float = ONE_OBJECT_SHARE,
    seed: str | None = None,
) -> None:
    """Compose and encode ``count`` scenes, fresh ones without a ``seed``; prints the speed after every shard."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(f"{seed or time.time_ns()}-{width}x{height}-{test}")
    kinds, shares = zip(*kind_shares(one_object).items())
    for _ in range(-(-count // SHARD_SCENES)):
        started = time.monotonic()
        chosen = rng.choices(kinds, shares, k=min(SHARD_SCENES, count))
        scenes = [
            compose(rng, kind, width, height, test and kind != "single_object", tones=not test) for kind in chosen
        ]
        write_shard(folder, tokenizer, scenes)
        print(f"{len(chosen) / (time.monotonic() - started):.1f} scenes/s", flush=True)


def read_shard(path: Path) -> list[Sample]:
    """Every scene of a shard."""
    table = pq.read_table(path)
    columns = [table[name].to_pylist() for name in ("caption", "width", "height")]
    codes = table["codes"].combine_chunks()
    grids = np.asarray(codes.values).astype(np.int64).reshape(len(codes), -1)
    return [
        (text, torch.from_numpy(grid.reshape(height // 16, width // 16)), width, height)
        for grid, text, width, height in zip(grids, *columns)
    ]


def read_first(folder: Path, count: int) -> list[Sample]:
    """Up to ``count`` samples of a folder, the same in every call; FileNotFoundError where it has none."""
    samples = []
    for path in shard_paths(folder):
        samples += read_shard(path)
        if len(samples) >= count:
            break
    return samples[:count]


def shard_paths(folder: Path) -> list[Path]:
    """The shards of a folder in a fixed order; FileNotFoundError where it has none, ValueError where they are of
    different image tokenizers, whose equal numbers mean different things."""
    paths = sorted(folder.glob("*.parquet"))
    if not paths:
        raise FileNotFoundError(f"no shards in {folder}: run `python -m model.training.shards` first")
    if len(kinds := {shard_codes(path) for path in paths}) > 1:
        raise ValueError(f"{folder} mixes codes of different image tokenizers: {sorted(map(str, kinds))}")
    return paths


@cache  # a shard never changes, and a folder has thousands
def shard_codes(path: Path) -> str | None:
    """`codes_digest` of the tokenizer that a shard was written with; None in shards from before it was noted."""
    digest = (pq.read_schema(path).metadata or {}).get(b"codes")
    return digest and digest.decode()


class ShardStream(IterableDataset):
    """Endless samples from a folder that may still be growing.

    Every process walks through the same order and keeps its share of it, so two processes with half the
    batch see what one sees; each of a process's workers has an order of its own. A dropped caption is an empty one.
    """

    def __init__(self, folder: Path, seed: str, dropout: float = 0.0, rank: int = 0, processes: int = 1):
        self.folder, self.seed, self.dropout = Path(folder), seed, dropout
        self.rank, self.processes = rank, processes

    def __iter__(self) -> Iterator[Sample]:
        return islice(self.all_samples(), self.rank, None, self.processes)

    def all_samples(self) -> Iterator[Sample]:
        worker = get_worker_info()
        rng = random.Random(f"{self.seed}-{worker.id}" if worker else self.seed)
        while True:
            paths = shard_paths(self.folder)
            chosen = rng.sample(paths, min(BUFFER_SHARDS, len(paths)))
            samples = [sample for path in chosen for sample in read_shard(path)]
            rng.shuffle(samples)
            for text, *rest in samples:
                yield "" if rng.random() < self.dropout else text, *rest


def leave_group(worker: int) -> None:
    """Starts a reading process in a group of its own, which Ctrl-C and a signal to the trainer's group do not reach.

    The trainer still needs it to end its step, and then ends it. It must not ignore SIGTERM instead: after an error
    that is what Python ends it with, and waits.
    """
    os.setpgid(0, 0)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokenizer", default="model/weights/image_tokenizer", help="folder of the image tokenizer")
    parser.add_argument("--out", default="runs/shards/512", help="folder that shards are added to")
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--height", type=int, default=512)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--one-object", type=float, default=ONE_OBJECT_SHARE, help="share of scenes with one object")
    parser.add_argument(
        "--device", default="cuda" if torch.cuda.is_available() else "cpu", help="where pictures are encoded"
    )
    parser.add_argument("--held-out", action="store_true", help="only combinations that are kept for testing")
    parser.add_argument(
        "--seed", help="of the scenes; the same seed writes the same ones (default: fresh, with --held-out fixed)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    a = parse()
    image_tokenizer = ImageTokenizer.from_pretrained(a.tokenizer).eval().to(a.device)
    seed = a.seed or ("held-out" if a.held_out else None)
    write_shards(Path(a.out), image_tokenizer, a.width, a.height, a.count, a.held_out, a.one_object, seed)
