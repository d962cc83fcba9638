"""What a picture costs, from the configuration alone: parameters, FLOPs, bytes. Paper §5 (efficiency).

A FLOP is one multiplication or addition; attention is counted causally (half of the square), and the prompt is left
out.
"""

from model.config import TokenShuffleConfig


def block_parameters(config: TokenShuffleConfig) -> int:
    """Matrix weights of one transformer block."""
    attention = config.hidden_size * config.head_dim * 2 * (config.num_attention_heads + config.num_key_value_heads)
    return attention + 3 * config.hidden_size * config.intermediate_size


def backbone_parameters(config: TokenShuffleConfig) -> int:
    return config.num_hidden_layers * block_parameters(config)


def mixing_parameters(config: TokenShuffleConfig, window: int) -> int:
    """Matrix weights that one fused token meets in the MLP blocks and bridge of a shuffle; an unshuffle has as many."""
    if window == 1:
        return 0
    hidden, joined = config.hidden_size, window**2 * config.code_channels(window)
    bridge = 0 if joined == hidden else joined * hidden
    return 2 * config.shuffle_num_blocks * hidden**2 + bridge


def window_parameters(config: TokenShuffleConfig, window: int) -> int:
    """Matrix weights that one fused token meets in shuffle and unshuffle; those of a code are counted s² times."""
    per_code = 0 if window == 1 else 2 * config.hidden_size * config.code_channels(window)
    return 2 * mixing_parameters(config, window) + window**2 * per_code


def window_head_parameters(config: TokenShuffleConfig) -> int:
    """Matrix weights that one code meets in the causal window head."""
    width, hidden = config.window_head_width, config.hidden_size
    return 0 if config.window_head == "independent" else 10 * width**2 + 3 * hidden * width


def head_parameters(config: TokenShuffleConfig) -> int:
    """The rows of the joint head that belong to image codes."""
    return config.image_vocab_size * config.hidden_size


def decoder_code_parameters(config: TokenShuffleConfig, window: int) -> tuple[int, int]:
    """Matrix weights that one code meets in the decoder: per branch in the window head, and once where it is scored.

    The decoder (model/window_decoder.py) has a table for what depends on a code alone, and multiplies maps that follow
    each other: expansion and image head, the window head's way out and image head, its way in and its projections.
    """
    if window == 1:
        return 0, head_parameters(config)
    width, inner = config.code_channels(window), config.window_head_width
    if config.window_head == "independent":
        return 0, config.image_vocab_size * width
    return 7 * inner**2 + 4 * inner * width, config.image_vocab_size * (width + inner)


def fused_tokens(height: int, width: int, window: int) -> int:
    """Backbone steps for a grid of height × width codes."""
    return (height // window) * (width // window)


def forward_flops(config: TokenShuffleConfig, tokens: int) -> float:
    """FLOPs of the backbone over `tokens` fused tokens, one branch; training is three times that."""
    attention = 2 * config.num_attention_heads * config.head_dim * tokens**2 * config.num_hidden_layers
    return 2.0 * backbone_parameters(config) * tokens + attention


def decoding_flops(config: TokenShuffleConfig, height: int, width: int, window: int, branches: int = 2) -> float:
    """FLOPs of drawing one picture with the decoder; `branches` is 2 with guidance.

    Branches share their codes, so the shuffle counts once; so does the image head, which scores guided states only.
    """
    tokens, codes = fused_tokens(height, width, window), height * width
    inside, scored = decoder_code_parameters(config, window)
    mixing = tokens * mixing_parameters(config, window)
    return branches * (forward_flops(config, tokens) + 2.0 * (mixing + codes * inside)) + 2.0 * (
        mixing + codes * scored
    )


def image_flops(config: TokenShuffleConfig, height: int, width: int, window: int) -> float:
    """FLOPs of the model over a whole known picture, every code scored: backbone, windows and heads."""
    tokens, codes = fused_tokens(height, width, window), height * width
    inside = codes * window_head_parameters(config) if window > 1 else 0
    around = 2.0 * (tokens * window_parameters(config, window) + inside)
    return forward_flops(config, tokens) + around + head_flops(config, height, width)


def training_flops(config: TokenShuffleConfig, height: int, width: int, window: int) -> float:
    """FLOPs of learning from one picture, forward and backward, with every code scored."""
    return 3 * image_flops(config, height, width, window)


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
    mixing = 2 * mixing_parameters(config, window)
    return backbone_parameters(config) + mixing + sum(decoder_code_parameters(config, window))
