"""What a configuration costs, as a table: parameters, FLOPs, cache and logits per resolution and window."""

import torch

from model import costs
from model.config import PRESETS, TokenShuffleConfig, preset
from model.prompt import DOWNSAMPLE
from model.transformer import TokenShuffleForImageGeneration

RESOLUTIONS = (256, 512, 1024, 2048)


def load_config(source: str) -> TokenShuffleConfig:
    """A preset's name, or a checkpoint folder or hub id."""
    if source in PRESETS:
        return preset(source)
    try:
        values, _ = TokenShuffleConfig.get_config_dict(source)
    except OSError as error:
        raise ValueError(
            f"{source} is no preset ({', '.join(PRESETS)}), and no config can be read there: {error}"
        ) from error
    if values.get("model_type") != TokenShuffleConfig.model_type:
        raise ValueError(f"{source} holds no config of a {TokenShuffleConfig.model_type!r} model")
    return TokenShuffleConfig.from_dict(values)


def parameters(config: TokenShuffleConfig) -> dict[str, int]:
    """Real parameter counts per part, from a model without memory."""
    with torch.device("meta"):
        model = TokenShuffleForImageGeneration(config)
    counts = {"embedding": model.model.embed_tokens.weight.numel(), "backbone": _count(model.model.layers)}
    counts["shuffle and unshuffle"] = _count(model.shuffles) + _count(model.unshuffles)
    counts["window head"] = _count(model.window_head) if model.window_head is not None else 0
    counts["head"] = 0 if config.tie_word_embeddings else model.lm_head.weight.numel()
    counts["norm"] = model.model.norm.weight.numel()
    return {**counts, "total": sum(counts.values())}


def cells(config: TokenShuffleConfig) -> list[dict[str, float]]:
    """One dict per square resolution and window that the configuration allows.

    FLOPs are those of the backbone, one branch, forward (training is 3 times that, guidance doubles
    inference); cache bytes are bf16 and per branch; logits bytes float32, if they existed at once.
    """
    rows = []
    for pixels in (side for side in RESOLUTIONS if side**2 <= config.max_pixels):
        for window in config.shuffle_windows:
            side = pixels // DOWNSAMPLE
            tokens = costs.fused_tokens(side, side, window)
            rows.append(
                {
                    "pixels": pixels,
                    "window": window,
                    "fused_tokens": tokens,
                    "forward_tflops": costs.forward_flops(config, tokens) / 1e12,
                    "attention_share": 1
                    - 2 * costs.backbone_parameters(config) * tokens / costs.forward_flops(config, tokens),
                    "head_tflops": costs.head_flops(config, side, side) / 1e12,
                    "kv_mib": costs.kv_bytes(config, tokens) / 2**20,
                    "logits_mib": costs.logits_bytes(config, side, side) / 2**20,
                }
            )
    return rows


def describe(source: str) -> str:
    """The printed text of `python -m model describe`."""
    config = load_config(source)
    lines = [
        f"{source}: {config.hidden_size} wide, {config.num_hidden_layers} blocks, {config.num_attention_heads} heads"
    ]
    lines += [f"  {name:24}{count:>15,}" for name, count in parameters(config).items()]
    lines.append("  px    s  fused tokens  forward TFLOPs  attention  head TFLOPs   KV MiB (bf16)  logits MiB (fp32)")
    for row in cells(config):
        lines.append(
            f"{row['pixels']:5} {row['window']:3} {row['fused_tokens']:13,} {row['forward_tflops']:15.4g} "
            f"{row['attention_share']:9.0%} {row['head_tflops']:12.3g} {row['kv_mib']:15.4g} {row['logits_mib']:18.4g}"
        )
    lines.append(
        "  FLOPs and KV are per picture and branch; guidance takes two branches, training three times the FLOPs."
    )
    return "\n".join(lines)


def _count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
