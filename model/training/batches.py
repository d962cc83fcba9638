"""Samples of one cell as inputs of the model, and what the model loses on them."""

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from model.prompt import PAD, pad_left, prompt_ids
from model.training.shards import Sample
from model.transformer import TokenShuffleForImageGeneration


class Collate:
    """Samples of one cell → model inputs."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, window: int):
        self.tokenizer, self.window = tokenizer, window

    def __call__(self, samples: list[Sample]) -> dict[str, Tensor]:
        rows = [prompt_ids(self.tokenizer, text, width, height, self.window) for text, _, width, height in samples]
        input_ids, attention_mask = pad_left(rows, self.tokenizer.convert_tokens_to_ids(PAD))
        image_ids = torch.stack([codes for _, codes, _, _ in samples])
        return {"input_ids": input_ids, "attention_mask": attention_mask, "image_ids": image_ids}


@torch.no_grad()
def mean_loss(model: TokenShuffleForImageGeneration, collate: Collate, samples: list[Sample]) -> tuple[float, float]:
    """Mean cross-entropy per code over samples of one size, and its standard error between batches.

    ValueError for less than two samples, which have no such error.
    """
    if len(samples) < 2:
        raise ValueError(f"there are {len(samples)} samples; a mean loss with its standard error needs two or more")
    losses, rows = [], min(8, len(samples) // 2)
    batches = [samples[start : start + rows] for start in range(0, len(samples), rows)]
    for batch in batches:
        given = {name: tensor.to(model.device) for name, tensor in collate(batch).items()}
        losses.append(model(**given, shuffle_window=collate.window, compute_loss=True).image_loss)
    losses = torch.stack(losses)
    shares = torch.tensor([len(batch) for batch in batches], device=losses.device) / len(samples)
    mean = shares @ losses
    spread = (shares * (losses - mean)).square().sum() * len(losses) / (len(losses) - 1)
    return mean.item(), spread.sqrt().item()


def foreign_windows(image_ids: Tensor, window: int, share: float) -> Tensor:
    """Codes [B, H, W] with ``share`` of the windows taken from the next picture of the batch."""
    batch, height, width = image_ids.shape
    windows = torch.rand(batch, height // window, width // window, device=image_ids.device) < share
    codes = windows.repeat_interleave(window, 1).repeat_interleave(window, 2)
    return torch.where(codes, image_ids.roll(1, 0), image_ids)
