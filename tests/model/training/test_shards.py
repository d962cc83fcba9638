"""Shards keep codes and captions exactly, and processes share one order."""

import random
from itertools import islice

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch.utils.data import DataLoader

from model.image_tokenizer import ImageTokenizer, ImageTokenizerConfig
from model.training.scenes import compose
from model.training.shards import (
    ShardStream,
    codes_digest,
    encode_scenes,
    read_shard,
    shard_codes,
    shard_paths,
    write_shard,
)
from tests.model.conftest import tiny_image_tokenizer


def test_round_trip(tmp_path, painted_art):
    tokenizer = tiny_image_tokenizer()
    scenes = [compose(random.Random(seed), "two_object", 128, 64) for seed in range(3)]
    samples = read_shard(write_shard(tmp_path, tokenizer, scenes))
    for (text, codes, width, height), scene, wanted in zip(samples, scenes, encode_scenes(tokenizer, scenes)):
        assert (text, width, height) == (scene.caption, 128, 64)
        assert torch.equal(codes, wanted) and codes.shape == (4, 8)


def other_tokenizer():
    tokenizer = tiny_image_tokenizer()
    tokenizer.codebook.neg_()
    return tokenizer


def test_codes_are_known_by_encoder_and_codebook_alone():
    tokenizer = tiny_image_tokenizer()
    digest = codes_digest(tokenizer)
    with torch.no_grad():
        for parameter in tokenizer.decoder.parameters():
            parameter.add_(1)
    assert codes_digest(tokenizer) == digest != codes_digest(other_tokenizer())


def test_shards_of_different_tokenizers_are_refused(tmp_path, painted_art):
    scenes = [compose(random.Random(0), "two_object", 64, 64)]
    first = write_shard(tmp_path, tiny_image_tokenizer(), scenes)
    write_shard(tmp_path, tiny_image_tokenizer(), scenes)
    assert len(shard_paths(tmp_path)) == 2 and shard_codes(first) == codes_digest(tiny_image_tokenizer())
    other = write_shard(tmp_path, other_tokenizer(), scenes)
    with pytest.raises(ValueError, match="mixes codes of different image tokenizers"):
        shard_paths(tmp_path)
    other.unlink()
    pq.write_table(pq.read_table(first).replace_schema_metadata(None), tmp_path / "unnamed.parquet")
    with pytest.raises(ValueError, match="mixes codes of different image tokenizers"):
        shard_paths(tmp_path)


def test_shards_from_before_tokenizers_were_noted_are_read(tmp_path, painted_art):
    path = write_shard(tmp_path, tiny_image_tokenizer(), [compose(random.Random(0), "two_object", 64, 64)])
    for name in ("one", "two"):
        pq.write_table(pq.read_table(path).replace_schema_metadata(None), tmp_path / f"{name}.parquet")
    path.unlink()
    assert len(shard_paths(tmp_path)) == 2


def test_codes_beyond_the_column_are_refused(tmp_path):
    tokenizer = ImageTokenizer(ImageTokenizerConfig(codebook_size=2**16 + 1, channels=(8, 8, 8)))
    with pytest.raises(ValueError, match="codebook_size is 65537; shards hold codes of up to 65536"):
        write_shard(tmp_path, tokenizer, [])


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
