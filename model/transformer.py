"""Token-Shuffle (arXiv 2504.17789): one causal language model over text and fused image tokens.

A prompt ends with <|start_of_image|>; the hidden state there predicts all s² codes of window 0, the hidden
state of fused token n predicts window n + 1, and that of the last one predicts <|end_of_image|>. One backbone
serves every window of `config.shuffle_windows`; each has its own small shuffle and unshuffle.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel, initialization
from transformers.utils import ModelOutput

from model.backbone import Block
from model.config import TokenShuffleConfig
from model.cross_entropy import HeadLoss, head_loss
from model.llama import copy_llama, read_llama_config, token_shuffle_config
from model.positions import prompt_coordinates, query_coordinates, rotation, window_coordinates
from model.shuffle import RMSNorm, TokenShuffle, TokenUnshuffle, gather_windows, scatter_windows
from model.window_head import WindowHead

IGNORED = -100  # label of positions that carry no loss


@dataclass
class TokenShuffleOutput(ModelOutput):
    """What a forward pass returns.

    logits: [B, H, W, image codes], logits[b, i, j] predicts image_ids[b, i, j].
    loss: image_loss + text_loss_weight · text_loss + z_loss_weight · z_loss; text_loss has a gradient of its own too.
    image_loss and text_loss are mean cross-entropies, z_loss is the mean log²Z of the scored codes.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    image_loss: Tensor | None = None
    text_loss: Tensor | None = None
    z_loss: Tensor | None = None


class Backbone(nn.Module):
    """Embedding, Llama blocks and final norm, under Llama's own parameter names."""

    def __init__(self, config: TokenShuffleConfig):
        super().__init__()
        self.config = config
        self.gradient_checkpointing = False
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(_block(config) for _ in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)

    def forward(self, x: Tensor, queries: Tensor, keys: Tensor, mask: Tensor | None) -> Tensor:
        """x [B, L, D], coordinates [L, axes], mask bool [B, 1, L, L] or None -> normed hidden [B, L, D]."""
        head_dim, theta = self.config.head_dim, self.config.rope_theta
        turns = rotation(queries, head_dim, theta), rotation(keys, head_dim, theta)
        for layer in self.layers:
            if self.gradient_checkpointing and self.training:
                x = checkpoint(layer, x, *turns, mask, use_reentrant=False)
            else:
                x = layer(x, *turns, mask)
        return self.norm(x)


class TokenShuffleForImageGeneration(PreTrainedModel):
    """The trainable model, an ordinary `transformers` class; `TokenShufflePipeline` samples from it.

    >>> model = TokenShuffleForImageGeneration(preset("small"))
    >>> out = model(input_ids, attention_mask, image_ids, shuffle_window=2)  # [B, T], [B, T], [B, H, W]
    >>> out.logits.shape, out.loss  # [B, H, W, image codes]; scalar
    """

    config_class = TokenShuffleConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _no_split_modules = ["Block"]
    _tied_weights_keys = {"lm_head.weight": "model.embed_tokens.weight"}

    def __init__(self, config: TokenShuffleConfig):
        super().__init__(config)
        self.model = Backbone(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.shuffles = nn.ModuleDict({str(s): _pair_member(TokenShuffle, config, s) for s in config.shuffle_windows})
        self.unshuffles = nn.ModuleDict(
            {str(s): _pair_member(TokenUnshuffle, config, s) for s in config.shuffle_windows}
        )
        self.window_head = _window_head(config)
        self.post_init()

    @classmethod
    def from_llama(cls, source: str | Path, **config: Any) -> "TokenShuffleForImageGeneration":
        """Start from a public Llama checkpoint (folder or hub id, safetensors), float32, ready to be trained.

        Blocks, final norm and the text rows of embedding and head are Llama's; all else starts fresh, text ids
        behind Llama's own included. `config` sets what Llama does not decide: `image_vocab_size`,
        `shuffle_windows`, `end_of_image_id`, ... The matching tokenizer is Llama's own after
        `tokenizer.add_tokens(model.prompt.special_tokens(), special_tokens=True)`; with both saved in one folder,
        the trainer's `--init` goes on from it.
        """
        model = cls(token_shuffle_config(read_llama_config(source), **config))
        copy_llama(model, source)
        return model.eval()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Normal weights with the deviation in the table, norms at one, nothing else.

        | parameters                                   | deviation              | why                              |
        |----------------------------------------------|------------------------|----------------------------------|
        | embedding, head, q, k, v, gate, up           | initializer_range .02  | as Llama                         |
        | o, down (blocks and window head)             | .02 / sqrt(2 · layers) | residual sum keeps its variance  |
        | compress, merge, spread, expand, from_*      | 1 / sqrt(inputs)       | windows pass at the same scale   |
        | down of the residual MLPs in (un)shuffle     | .01                    | starts close to the identity     |
        """
        if isinstance(module, (nn.Linear, nn.Embedding)):
            std = getattr(module, "init_std", None) or self.config.initializer_range
            initialization.normal_(module.weight, mean=0.0, std=std)
        elif isinstance(module, RMSNorm):
            initialization.ones_(module.weight)

    def get_input_embeddings(self) -> nn.Embedding:
        return self.model.embed_tokens

    def get_output_embeddings(self) -> nn.Linear:
        return self.lm_head

    @property
    def image_head(self) -> Tensor:
        """[image codes, D]: the rows of the joint head that an image position can choose from.

        The paper's softmax is over text ids too (§3.1), which never follow inside a picture.
        """
        return self.lm_head.weight[self.config.text_vocab_size :]

    def embed_codes(self, image_ids: Tensor) -> Tensor:
        """Codes of any shape -> joint embeddings [..., D]."""
        return self.model.embed_tokens(image_ids + self.config.text_vocab_size)

    def check_window(self, window: int) -> None:
        if window not in self.config.shuffle_windows:
            raise ValueError(f"shuffle_window is {window}; this checkpoint has {list(self.config.shuffle_windows)}")

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        image_ids: Tensor | None = None,
        shuffle_window: int = 2,
        labels: Tensor | None = None,
        compute_loss: bool | None = None,
        repeat_fraction: float = 1.0,
        context_ids: Tensor | None = None,
    ) -> TokenShuffleOutput:
        """Score an image under a prompt.

        Args:
            input_ids: int64 [B, T], left padded, ending with <|start_of_image|>.
            attention_mask: [B, T], 1 for real tokens; None when there is no padding (and then faster).
            image_ids: int64 [B, H, W], 0 .. image_vocab_size - 1.
            shuffle_window: s; H and W must be multiples of it.
            labels: int64 [B, T], next-token targets: entry t that of prompt token t, and the last entry that of
                the last fused token, since <|start_of_image|> predicts codes; -100 where none. None: the
                prompt itself and config.end_of_image_id.
            compute_loss: None gives logits and losses; True losses only, the head in chunks; False logits only.
            repeat_fraction: share of the windows that repeat their left or upper neighbour to be scored, drawn
                afresh, the others always (training only). Most of a picture is ground, which is learned in
                minutes. A drawn repeat counts for those left out, so the mean stays unbiased.
            context_ids: what the backbone reads instead of image_ids, which stay the target: with some windows of
                other pictures the model learns to follow the prompt where the picture so far does not (training only).

        Raises ValueError for a window that the checkpoint lacks and for H or W that do not divide by it.
        """
        self.check_window(shuffle_window)
        if image_ids is None:
            raise ValueError("image_ids is None; it must be the codes of a picture, int64 [B, H, W]")
        read = image_ids if context_ids is None else context_ids
        text, windows = self._hidden(input_ids, attention_mask, read, shuffle_window)
        output = TokenShuffleOutput()
        if compute_loss is not True:
            output.logits = self._logits(windows, image_ids, shuffle_window)
        if compute_loss is not False:
            if labels is None:
                labels = self.text_labels(input_ids, attention_mask)
            image, output.image_loss, output.z_loss = self._image_losses(
                windows, image_ids, shuffle_window, repeat_fraction
            )
            output.text_loss, _, _ = self._text_losses(text, labels)
            output.loss = image + self.config.text_loss_weight * output.text_loss
        return output

    def text_labels(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """[B, T] -> the default labels [B, T]: the next token, padding ignored, then <|end_of_image|>."""
        labels = input_ids.roll(-1, dims=1)
        if attention_mask is not None:
            labels = labels.masked_fill(attention_mask == 0, IGNORED)  # padding predicts nothing
        end = self.config.end_of_image_id
        labels[:, -1] = IGNORED if end is None else end
        return labels

    def _hidden(
        self, input_ids: Tensor, attention_mask: Tensor | None, image_ids: Tensor, window: int
    ) -> tuple[Tensor, Tensor]:
        """Hidden states that predict text [B, T, D] (the last one after the image) and windows [B, N, D]."""
        kind, device, length = self.config.positions, input_ids.device, input_ids.shape[1]
        fused = self.shuffles[str(window)](self.embed_codes(image_ids))
        x = torch.cat((self.model.embed_tokens(input_ids), fused), dim=1)  # fp32 stream under autocast
        prompt = prompt_coordinates(length, kind, device)
        windows = window_coordinates(*image_ids.shape[1:], window, kind, device)
        queries, keys = query_coordinates(prompt, windows, kind), torch.cat((prompt, windows))
        hidden = self.model(x, queries, keys, causal_mask(attention_mask, x.shape[1]))
        text = torch.cat((hidden[:, : length - 1], hidden[:, -1:]), dim=1)
        return text, hidden[:, length - 1 : -1]

    def _codes_hidden(self, windows: Tensor, codes: Tensor, window: int) -> Tensor:
        """Window states [R, D] and the windows' own codes [R, s²] -> one state per code [R, s², D]."""
        hidden = self.unshuffles[str(window)].split(windows)
        if self.window_head is None or window == 1:
            return hidden
        return self.window_head(hidden, self.embed_codes(codes))

    def _logits(self, windows: Tensor, image_ids: Tensor, window: int) -> Tensor:
        codes = gather_windows(image_ids, window)
        hidden = self._codes_hidden(windows.flatten(0, 1), codes.flatten(0, 1), window)
        grid = scatter_windows(hidden.unflatten(0, codes.shape[:2]), *image_ids.shape[1:])
        return F.linear(grid, self.image_head)

    def _image_losses(self, windows: Tensor, image_ids: Tensor, window: int, repeat_fraction: float) -> HeadLoss:
        codes, shares = gather_windows(image_ids, window), None
        total = codes.numel()
        if repeat_fraction < 1.0:
            index, weights = _draw_windows(codes, image_ids.shape[2] // window, repeat_fraction)
            windows, codes = windows.flatten(0, 1)[index], codes.flatten(0, 1)[index]
            shares = weights.repeat_interleave(window**2) / total
        hidden = self._codes_hidden(windows.flatten(0, -2), codes.flatten(0, -2), window)
        return head_loss(hidden.flatten(0, 1), self.image_head, codes.flatten(), self.config.z_loss_weight, shares)

    def _text_losses(self, hidden: Tensor, labels: Tensor) -> HeadLoss:
        """Next-token losses over the joint vocabulary, at every place that has a label."""
        scored = labels != IGNORED
        return head_loss(hidden[scored], self.lm_head.weight, labels[scored])


def causal_mask(attention_mask: Tensor | None, end: int, start: int = 0) -> Tensor | None:
    """What tokens start..end may look at, bool [B, 1, end - start, end]; None where plain causal attention does.

    attention_mask: of the prompt, [B, T]; None: no padding, from the start only. Padding may look at itself, because a
    row of the softmax with nothing to look at is NaN.
    """
    if start == 0 and (attention_mask is None or bool(attention_mask.all())):
        return None
    real = F.pad(attention_mask.bool(), (0, max(0, end - attention_mask.shape[1])), value=True)[:, None, None, :end]
    keys = torch.arange(end, device=real.device)
    queries = keys[start:, None]
    return ((keys <= queries) & (real | (keys == queries))).contiguous()


def _draw_windows(codes: Tensor, columns: int, repeat_fraction: float) -> tuple[Tensor, Tensor]:
    """Codes [B, N, s²] -> which of the B·N windows to score (indices), and how many each stands for.

    Whether a window repeats its neighbour is part of what the model has to learn; without the weights it would
    learn that repeats are rare (Horvitz and Thompson 1952).
    """
    grid = codes.unflatten(1, (-1, columns))
    left = F.pad((grid[:, :, 1:] == grid[:, :, :-1]).all(-1), (1, 0))
    above = F.pad((grid[:, 1:] == grid[:, :-1]).all(-1), (0, 0, 1, 0))
    chance = torch.where(left | above, repeat_fraction, 1.0).flatten()
    index = (torch.rand_like(chance) < chance).nonzero().squeeze(1)
    return index, 1 / chance[index]


def _block(config: TokenShuffleConfig) -> Block:
    return Block(
        config.hidden_size,
        config.intermediate_size,
        config.num_attention_heads,
        config.num_key_value_heads,
        config.head_dim,
        config.qk_norm,
        config.rms_norm_eps,
        _residual_std(config),
    )


def _pair_member(kind: type, config: TokenShuffleConfig, window: int) -> nn.Module:
    return kind(config.hidden_size, window, config.shuffle_num_blocks, config.code_channels(window))


def _window_head(config: TokenShuffleConfig) -> WindowHead | None:
    if config.window_head == "independent" or max(config.shuffle_windows) == 1:
        return None
    width, eps = config.window_head_width, config.rms_norm_eps
    return WindowHead(config.hidden_size, width, config.rope_theta, eps, _residual_std(config))


def _residual_std(config: TokenShuffleConfig) -> float:
    return config.initializer_range / (2 * config.num_hidden_layers) ** 0.5
