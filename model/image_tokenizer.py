"""Pixels ↔ codes: a vector-quantised autoencoder with a downsampling of 16 (paper §3.1, after LlamaGen).

Codes are looked up by cosine: latents and codebook are L2-normalised and low-dimensional.
The small network's encoder sees nothing but the 16 × 16 px of its code, so that the inside of a drawing always has
the same codes, whatever stands around it: a language model learns that from far fewer pictures than codes that
change with their surroundings. Its decoder looks around, but uses per-pixel norms and no global attention, so a
large picture can be decoded in strips without any seam. So can LlamaGen's, with more passes (model/strips.py).
"""

import math
from collections.abc import Generator, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

from model.llamagen_vq import LlamaGenEncoder, LlamaGenFromCode, rename
from model.strips import cut


class ImageTokenizerConfig(PreTrainedConfig):
    """Shape of an :class:`ImageTokenizer`.

    Args:
        architecture: "small" (this file) or "llamagen" (model/llamagen_vq.py).
        codebook_size: number of codes.
        code_dim: dimensions of a code.
        channels: small: the decoder's widths at 1/4, 1/8 and 1/16 of the picture's size; llamagen: the base width, once.
        encoder_width, encoder_blocks: small: width and residual blocks of the encoder.
        decoder_blocks: small: residual blocks at the decoder's three sizes.
        multipliers, z_channels: llamagen: widths per size over the base width; channels before the code.
    """

    model_type = "token_shuffle_image_tokenizer"

    architecture: str = "small"
    codebook_size: int = 4096
    code_dim: int = 8
    channels: list[int] | tuple[int, ...] = (48, 96, 192)
    encoder_width: int = 512
    encoder_blocks: int = 2
    decoder_blocks: list[int] | tuple[int, ...] = (2, 2, 2)
    multipliers: list[int] | tuple[int, ...] = (1, 1, 2, 2, 4)
    z_channels: int = 256

    def __post_init__(self, **kwargs):
        super().__post_init__(**kwargs)
        if self.architecture not in NETWORKS:
            raise ValueError(f"architecture is {self.architecture!r}; it must be one of {sorted(NETWORKS)}")


class PixelNorm(nn.Module):
    """RMS norm over the channels of every pixel: [B, C, H, W]."""

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-6) * self.weight


class ResidualBlock(nn.Module):
    """x + conv(silu(conv(norm(x)))), with square kernels of `kernel` px."""

    def __init__(self, channels: int, kernel: int):
        super().__init__()
        self.norm = PixelNorm(channels)
        self.conv1 = nn.Conv2d(channels, channels, kernel, padding=kernel // 2)
        self.conv2 = nn.Conv2d(channels, channels, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.silu(self.conv1(self.norm(x))))


class Encoder(nn.Module):
    """[B, 3, H, W] → [B, code_dim, H/16, W/16]; every latent depends on its own 16 × 16 px only."""

    def __init__(self, config: ImageTokenizerConfig):
        super().__init__()
        width = config.encoder_width
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(16),
            nn.Conv2d(3 * 16 * 16, width, 1),
            *(ResidualBlock(width, kernel=1) for _ in range(config.encoder_blocks)),
            PixelNorm(width),
            nn.Conv2d(width, config.code_dim, 1),
        )

    def forward(self, pixels: Tensor) -> Tensor:
        return self.layers(pixels)


class Decoder(nn.Module):
    """[B, code_dim, H/16, W/16] → [B, 3, H, W]; every pixel depends on codes within :attr:`reach` only."""

    one_pass_codes = 64**2  # 1024 × 1024 px

    def __init__(self, config: ImageTokenizerConfig):
        super().__init__()
        fine, middle, coarse = config.channels
        blocks = config.decoder_blocks
        # 3 × 3 convolutions at 1/16, 1/8 and 1/4
        self.reach = math.ceil((2 * blocks[2] + 2) + (2 * blocks[1] + 1) / 2 + (2 * blocks[0] + 1) / 4)
        self.layers = nn.Sequential(
            nn.Conv2d(config.code_dim, coarse, 3, padding=1),
            *(ResidualBlock(coarse, kernel=3) for _ in range(blocks[2])),
            nn.Conv2d(coarse, middle * 4, 3, padding=1),
            nn.PixelShuffle(2),
            *(ResidualBlock(middle, kernel=3) for _ in range(blocks[1])),
            nn.Conv2d(middle, fine * 4, 3, padding=1),
            nn.PixelShuffle(2),
            *(ResidualBlock(fine, kernel=3) for _ in range(blocks[0])),
            PixelNorm(fine),
            nn.Conv2d(fine, 48, 3, padding=1),
            nn.PixelShuffle(4),
        )

    def forward(self, codes: Tensor) -> Tensor:
        return self.layers(codes)

    def in_one_pass(self, codes: Tensor) -> Generator[None, None, Tensor]:
        """`forward` that pauses after every layer."""
        for layer in self.layers:
            codes = layer(codes)
            yield
        return codes

    def in_strips(self, codes: Tensor) -> Generator[None, None, Tensor]:
        """The same in a fraction of the memory."""
        scale = ImageTokenizer.downsample
        pixels = codes.new_empty(len(codes), 3, scale * codes.shape[2], scale * codes.shape[3])
        for rows, strip, inside in cut(codes, self.one_pass_codes, self.reach, scale):
            piece = yield from self.in_one_pass(strip)
            pixels[..., rows, :] = piece[..., inside, :]
        return pixels


def small_networks(config: ImageTokenizerConfig) -> tuple[nn.Module, nn.Module]:
    return Encoder(config), Decoder(config)


def llamagen_networks(config: ImageTokenizerConfig) -> tuple[nn.Module, nn.Module]:
    """LlamaGen's networks with the 1 × 1 convolutions to and from the code inside them."""
    shape = config.channels[0], tuple(config.multipliers), config.z_channels
    return (
        nn.Sequential(LlamaGenEncoder(*shape), nn.Conv2d(config.z_channels, config.code_dim, 1)),
        LlamaGenFromCode(config.code_dim, *shape),
    )


NETWORKS = {"small": small_networks, "llamagen": llamagen_networks}


class ImageTokenizer(PreTrainedModel):
    """Pictures to grids of codes and back; a code covers 16 × 16 px."""

    config_class = ImageTokenizerConfig
    main_input_name = "pixels"
    downsample = 16

    def __init__(self, config: ImageTokenizerConfig):
        super().__init__(config)
        self.encoder, self.decoder = NETWORKS[config.architecture](config)
        self.register_buffer("codebook", F.normalize(torch.randn(config.codebook_size, config.code_dim), dim=-1))
        self.register_buffer("mean_colors", torch.zeros(config.codebook_size, 3))
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Convolutions keep PyTorch's default; a residual block starts as the identity."""
        if isinstance(module, ResidualBlock):
            nn.init.zeros_(module.conv2.weight)
            nn.init.zeros_(module.conv2.bias)

    @property
    def encodes_patches(self) -> bool:
        """Whether a code depends on its own 16 × 16 px alone."""
        return self.config.architecture == "small"

    def latents(self, pixels: Tensor) -> Tensor:
        """Unit vectors before quantisation: [B, 3, H, W] in [-1, 1] → [B, H/16, W/16, code_dim]."""
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # else a GPU picks other codes than a CPU
            latents = self.encoder(pixels)
        return F.normalize(latents.permute(0, 2, 3, 1).float(), dim=-1)

    def nearest(self, latents: Tensor) -> Tensor:
        """Ids of the closest codes: [..., code_dim] → [...]."""
        return (latents.flatten(0, -2) @ self.codebook.T).argmax(-1).view(latents.shape[:-1])

    @torch.inference_mode()
    def encode(self, pixels: Tensor) -> Tensor:
        """Pixels [B, 3, H, W] in [-1, 1] → ids [B, H/16, W/16], int64.

        Raises ValueError for sizes that are no multiple of 16.
        """
        height, width = pixels.shape[-2:]
        if height % self.downsample or width % self.downsample:
            raise ValueError(f"picture size {width}×{height} px: both sides must be multiples of {self.downsample}")
        return self.nearest(self.latents(pixels))

    @torch.inference_mode()
    def decode(self, ids: Tensor) -> Tensor:
        """Ids [B, h, w] → pixels [B, 3, 16 h, 16 w] in [-1, 1].

        Large pictures are decoded in strips. Those of the small network give what one pass would; those of LlamaGen's
        shape too, up to the rounding of its norms' sums: float32 pixels within 1e-4, in 1.5 times the work.
        """
        *_, pixels = self.decoding(ids)
        return pixels

    @torch.inference_mode()
    def decoding(self, ids: Tensor) -> Iterator[Tensor | None]:
        """`decode` with moments to stop at: None after every layer of every strip, at last the pixels."""
        codes = F.embedding(ids, self.codebook).permute(0, 3, 1, 2).to(self.dtype)
        large = ids.shape[1] * ids.shape[2] > self.decoder.one_pass_codes
        pixels = yield from (self.decoder.in_strips if large else self.decoder.in_one_pass)(codes)
        yield pixels.float().clamp(-1, 1)

    @torch.no_grad()
    def measure_mean_colors(self) -> None:
        """Fill the preview's table: what a code among its like shows, on average.

        The large network sees the whole picture in its norms anyway, so one code is a patch enough for it.
        """
        side = 3 if self.config.architecture == "small" else 1
        inside = slice(side // 2 * self.downsample, (side // 2 + 1) * self.downsample)
        for ids in torch.arange(self.config.codebook_size, device=self.codebook.device).split(256):
            patches = self.decode(ids[:, None, None].expand(-1, side, side))
            self.mean_colors[ids] = patches[:, :, inside, inside].mean((2, 3))

    @classmethod
    def from_llamagen(cls, path: str) -> "ImageTokenizer":
        """The public LlamaGen f16 tokenizer (``vq_ds16_t2i.pt`` or ``vq_ds16_c2i.pt``).

        The preview's table takes some minutes on a CPU; `save_pretrained` keeps it. Raises ValueError for a file that holds anything else; nothing in it is ever executed.
        """
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # a damaged pickle fails in any way
            raise ValueError(f"{path} is no plain PyTorch checkpoint: {error}") from error
        state = state.get("model", state) if isinstance(state, dict) else {}
        renamed = {ours: tensor for key, tensor in state.items() if (ours := rename(key))}
        if not {"codebook", "decoder.0.weight", "encoder.0.conv_in.weight"} <= renamed.keys():
            raise ValueError(
                f"{path} holds no LlamaGen tokenizer: no quantize.embedding, post_quant_conv or encoder.conv_in"
            )
        renamed["codebook"] = F.normalize(renamed["codebook"], dim=-1)
        codes, code_dim = renamed["codebook"].shape
        config = ImageTokenizerConfig(
            architecture="llamagen",
            codebook_size=codes,
            code_dim=code_dim,
            channels=(renamed["encoder.0.conv_in.weight"].shape[0],),
            z_channels=renamed["decoder.0.weight"].shape[0],
        )
        tokenizer = cls(config)
        try:
            missing, unexpected = tokenizer.load_state_dict(renamed, strict=False)
        except RuntimeError as error:  # shapes, those of the f8 tokenizer for one
            raise ValueError(f"{path} is not an f16 LlamaGen tokenizer: {error}") from error
        if unexpected or set(missing) != {"mean_colors"}:
            raise ValueError(
                f"{path} is not an f16 LlamaGen tokenizer: missing {missing[:3]}, unknown {unexpected[:3]}"
            )
        tokenizer.eval().measure_mean_colors()
        return tokenizer
