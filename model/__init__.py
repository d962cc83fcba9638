"""Token-Shuffle (arXiv 2504.17789): text-to-image with an autoregressive model over fused image tokens."""

from transformers import AutoConfig, AutoModel

from model.config import PRESETS, TokenShuffleConfig, preset
from model.guidance import SCHEDULES, guidance_weights
from model.image_tokenizer import ImageTokenizer
from model.pipeline import Event, Result, TokenShufflePipeline
from model.settings import Settings
from model.shuffle import TokenShuffle, TokenUnshuffle
from model.transformer import TokenShuffleForImageGeneration

AutoConfig.register(TokenShuffleConfig.model_type, TokenShuffleConfig, exist_ok=True)
AutoModel.register(TokenShuffleConfig, TokenShuffleForImageGeneration, exist_ok=True)

__all__ = [
    "PRESETS",
    "SCHEDULES",
    "Event",
    "ImageTokenizer",
    "Result",
    "Settings",
    "TokenShuffle",
    "TokenShuffleConfig",
    "TokenShuffleForImageGeneration",
    "TokenShufflePipeline",
    "TokenUnshuffle",
    "guidance_weights",
    "preset",
]
