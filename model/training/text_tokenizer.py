"""The text vocabulary: a byte-level BPE of 2,048 ids, special tokens first, learned from captions.

Byte-level, so every prompt has an encoding, unknown words and scripts included.
"""

import random
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from model.prompt import PAD, special_tokens
from model.training.captions import POSITIONS, caption, plural
from model.training.scenes import KINDS, draw_items
from model.training.vocabulary import COLOURS, CONCEPTS, GROUNDS

VOCABULARY = 2048


def sample_captions(count: int, seed: int = 0) -> list[str]:
    """Captions of scenes that need not be drawn."""
    rng = random.Random(seed)
    texts = []
    for _ in range(count):
        kind = rng.choice(KINDS)
        relation = rng.choice(list(POSITIONS)) if kind == "position" else None
        wall, floor = rng.sample(list(GROUNDS), 2)
        ground = rng.choice(("", f"on a {wall} background", f"on a {floor} floor by a {wall} wall"))
        texts.append(caption(rng, kind, draw_items(rng, kind), relation, ground))
    return texts


def plural_endings() -> pre_tokenizers.Split:
    """Cuts ``apples`` into ``apple`` and ``s``: who knows one apple then knows several.

    Only endings of our own nouns, so that ``bus``, ``scissors`` and ``tennis`` stay whole.
    """
    pairs = [(name.split()[-1], plural(name).split()[-1]) for name in CONCEPTS]
    nouns = sorted({one for one, several in pairs if several in (f"{one}s", f"{one}es")})
    return pre_tokenizers.Split(Regex(f"(?<={'|'.join(f'Ġ{noun}' for noun in nouns)})e?s$"), "isolated")


def train_text_tokenizer() -> PreTrainedTokenizerFast:
    """Learn the vocabulary; the result is the same in every run."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase(), normalizers.Strip()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.ByteLevel(add_prefix_space=True), plural_endings()]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=special_tokens(),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    words = [*CONCEPTS, *COLOURS, *GROUNDS, *(word for c in CONCEPTS.values() for word in c.synonyms)]
    tokenizer.train_from_iterator([*words, *sample_captions(20_000)], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=PAD, padding_side="left")


def load_or_train(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of a run folder, trained there if it is new."""
    if not (folder / "tokenizer.json").exists():
        train_text_tokenizer().save_pretrained(folder)
    return PreTrainedTokenizerFast.from_pretrained(folder)
