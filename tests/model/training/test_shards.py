"""Shards keep codes and captions exactly, and processes share one order."""

import random
from itertools import islice

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from model.training.scenes import compose
from model.training.shards import ShardStream, encode_scenes, read_shard, write_shard
from tests.model.conftest import tiny_image_tokenizer


def test_round_trip(tmp_path, painted_art):
    tokenizer = tiny_image_tokenizer()
    scenes = [compose(random.Random(seed), "two_object", 128, 64) for seed in range(3)]
    samples = read_shard(write_shard(tmp_path, tokenizer, scenes))
    for (text, codes, width, height), scene, wanted in zip(samples, scenes, encode_scenes(tokenizer, scenes)):
        assert (text, width, height) == (scene.caption, 128, 64)
        assert torch.equal(codes, wanted) and codes.shape == (4, 8)


def test_each_distinct_patch_is_encoded_as_in_its_picture(painted_art):
    tokenizer = tiny_image_tokenizer()
    scenes = [compose(random.Random(seed), "counting", 256, 128) for seed in range(2)]
    pixels = torch.stack([torch.from_numpy(np.array(scene.image)).permute(2, 0, 1) for scene in scenes])
    assert torch.equal(encode_scenes(tokenizer, scenes), tokenizer.encode(pixels / 127.5 - 1))


def test_two_processes_share_what_one_sees(shards):
    alone = [text for text, *_ in islice(ShardStream(shards / "64", "s", 0.3), 20)]
    parts = [[text for text, *_ in islice(ShardStream(shards / "64", "s", 0.3, rank, 2), 10)] for rank in (0, 1)]
    assert [text for pair in zip(*parts) for text in pair] == alone
    assert "" in alone and any(alone)


def test_workers_read_different_orders(shards):
    stream = ShardStream(shards / "64", "s")
    batches = DataLoader(stream, batch_size=16, num_workers=2, collate_fn=lambda rows: [text for text, *_ in rows])
    first, second = islice(batches, 2)  # one of each worker
    assert first != second


def test_an_empty_folder_says_what_to_run(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"model\.training\.shards"):
        next(iter(ShardStream(tmp_path, "s")))
