"""Put trained parts together as a checkpoint: ``python -m model.training.ship --generator runs/generator/export``.

Writes what ``TokenShufflePipeline.from_pretrained`` loads, with the words that the model knows in
``vocabulary.json``. Tuned sampling defaults of an earlier checkpoint in the same folder are kept.
"""

import argparse
import json
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerFast

from model.checkpoint import load_defaults, save_checkpoint
from model.image_tokenizer import ImageTokenizer
from model.training.shards import codes_digest
from model.training.vocabulary import COLOURS, CONCEPTS, GROUNDS, NUMBERS
from model.transformer import TokenShuffleForImageGeneration


def vocabulary() -> dict[str, list[str]]:
    """Objects, colours and the other words that captions use."""
    synonyms = [word for concept in CONCEPTS.values() for word in (*concept.synonyms, concept.plural) if word]
    return {"objects": list(CONCEPTS), "colours": list(COLOURS), "words": [*synonyms, *GROUNDS, *NUMBERS.values()]}


def ship(generator: Path, image_tokenizer: Path, out: Path) -> None:
    """Assemble a checkpoint folder; shards of an older one are removed first. ValueError for parts of different codes."""
    model = TokenShuffleForImageGeneration.from_pretrained(generator, dtype=torch.float32)
    pixels = ImageTokenizer.from_pretrained(image_tokenizer)
    if pixels.config.codebook_size != model.config.image_vocab_size:
        raise ValueError(
            f"the image tokenizer has {pixels.config.codebook_size} codes, the generator {model.config.image_vocab_size}"
        )
    if model.config.image_codes not in (None, digest := codes_digest(pixels)):
        raise ValueError(
            f"the image tokenizer's codes are {digest}; the generator learned {model.config.image_codes}'s"
        )
    for old in out.rglob("*.safetensors*"):
        old.unlink()
    defaults = load_defaults(out) if out.exists() else {}
    save_checkpoint(out, model, pixels, PreTrainedTokenizerFast.from_pretrained(generator), defaults)
    (out / "vocabulary.json").write_text(json.dumps(vocabulary(), indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--generator", default="runs/generator/export", help="export of a generator leg")
    parser.add_argument("--image-tokenizer", default="runs/tokenizer/image_tokenizer")
    parser.add_argument("--out", default="model/weights")
    arguments = parser.parse_args()
    ship(Path(arguments.generator), Path(arguments.image_tokenizer), Path(arguments.out))
