"""What a picture costs, from the configuration alone: parameters, FLOPs, bytes. Paper §5 (efficiency).

A FLOP is one multiplication or addition; attention is counted causally (half of the square), prompt left out,
as is the head unless named.
"""

from model.config import TokenShuffleConfig


def block_parameters(config: TokenShuffleConfig) -> int:
    """Matrix weights of one transformer block."""
    attention = config.hidden_size * config.head_dim * 2 * (config.num_attention_heads + config.num_key_value_heads)
    return attention + 3 * config.hidden_size * config.intermediate_size


def backbone_parameters(config: TokenShuffleConfig) -> int:
    return config.num_hidden_layers * block_parameters(config)


def window_parameters(config: TokenShuffleConfig, window: int) -> int:
    """Matrix weights that one fused token meets in shuffle and unshuffle (per code counted s² times)."""
    if window == 1:
        return 0
    hidden, codes, width = config.hidden_size, window**2, config.code_channels(window)
    bridge = 0 if codes * width == hidden else codes * width * hidden
    return 2 * (2 * config.shuffle_num_blocks * hidden**2 + bridge + codes * hidden * width)


def window_head_parameters(config: TokenShuffleConfig) -> int:
    """Matrix weights that one code meets in the causal window head."""
    width, hidden = config.window_head_width, config.hidden_size
    return 0 if config.window_head == "independent" else 10 * width**2 + 3 * hidden * width


def head_parameters(config: TokenShuffleConfig) -> int:
    """The rows of the joint head that belong to image codes."""
    return config.image_vocab_size * config.hidden_size


def fused_tokens(height: int, width: int, window: int) -> int:
    """Backbone steps for a grid of height × width codes."""
    return (height // window) * (width // window)


def forward_flops(config: TokenShuffleConfig, tokens: int) -> float:
    """FLOPs of the backbone over `tokens` fused tokens, one branch; training is three times that."""
    attention = 2 * config.num_attention_heads * config.head_dim * tokens**2 * config.num_hidden_layers
    return 2.0 * backbone_parameters(config) * tokens + attention


def image_flops(config: TokenShuffleConfig, height: int, width: int, window: int, branches: int = 2) -> float:
    """FLOPs of one picture: backbone, windows and heads; `branches` is 2 with guidance.

    The image head scores guided states only, so it counts once.
    """
    tokens, codes = fused_tokens(height, width, window), height * width
    inside = codes * window_head_parameters(config) if window > 1 else 0
    per_branch = forward_flops(config, tokens) + 2.0 * (tokens * window_parameters(config, window) + inside)
    return branches * per_branch + head_flops(config, height, width)


def training_flops(config: TokenShuffleConfig, height: int, width: int, window: int) -> float:
    """FLOPs of learning from one picture, forward and backward, with every code scored."""
    return 3 * image_flops(config, height, width, window, branches=1)


def head_flops(config: TokenShuffleConfig, height: int, width: int) -> float:
    return 2.0 * height * width * head_parameters(config)


def kv_bytes(config: TokenShuffleConfig, tokens: int, bytes_per_number: int = 2) -> int:
    """Keys and values of one branch."""
    return 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim * tokens * bytes_per_number


def logits_bytes(config: TokenShuffleConfig, height: int, width: int) -> int:
    """What all logits of one picture would take in float32 if they existed at once; they never do."""
    return height * width * config.image_vocab_size * 4


def step_parameters(config: TokenShuffleConfig, window: int) -> int:
    """Weights that one decoding step reads: times bytes per weight, that is its memory traffic without the cache."""
    inside = window_head_parameters(config) if window > 1 else 0
    codes, width = window**2, config.code_channels(window)
    shared = 0 if window == 1 else 2 * (codes - 1) * config.hidden_size * width  # counted s² times above
    return backbone_parameters(config) + window_parameters(config, window) - shared + inside + head_parameters(config)
