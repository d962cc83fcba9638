"""Checkpoint folders: where they are, what they must hold, and what identifies them. Only safetensors, no pickles."""

import copy
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from model.config import TokenShuffleConfig
from model.prompt import special_tokens
from model.settings import check_defaults

DEFAULTS_FILE = "generation_config.json"
SHARD_SIZE = "9MB"  # hosts refuse plain files above 10 MB
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
PATTERNS = ["*.json", "*.safetensors", "image_tokenizer/*.json", "image_tokenizer/*.safetensors"]
REQUIRED = ("config.json", "tokenizer.json", "tokenizer_config.json", "image_tokenizer/config.json")


def local_folder(source: str | Path) -> Path:
    """A folder as it is, or a hub id downloaded; checked for what a pipeline needs."""
    if not isinstance(source, (str, Path)):
        raise ValueError(f"source is {source!r}; it must be a folder or a hub id like 'owner/name'")
    folder = Path(source)
    if not folder.is_dir():
        folder = _download(str(source))
    missing = [name for name in REQUIRED if not (folder / name).is_file()]
    missing += [
        f"{part}/*.safetensors" for part in (".", "image_tokenizer") if not any((folder / part).glob("*.safetensors"))
    ]
    if missing:
        raise ValueError(f"{source} is no Token-Shuffle checkpoint: {', '.join(missing)} missing")
    return folder


def load_defaults(folder: Path) -> dict[str, Any]:
    """The checkpoint's tuned settings; empty when it has none."""
    path = folder / DEFAULTS_FILE
    return read_object(path) if path.exists() else {}


def usable_defaults(folder: Path, config: TokenShuffleConfig) -> dict[str, Any]:
    """`load_defaults`, refusing what no call could use; ValueError names file, value and what is allowed."""
    defaults = load_defaults(folder)
    try:
        check_defaults(defaults, config)
    except ValueError as error:
        raise ValueError(f"{folder / DEFAULTS_FILE}: {error}") from error
    return defaults


def read_object(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object; ValueError names the file."""
    try:
        value = json.loads(path.read_text())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path} holds a {type(value).__name__}; it must be a JSON object")
    return value


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # damaged files fail in any way, down to bare exceptions of the tokenizers library
        raise ValueError(f"the tokenizer in {folder} cannot be read: {error!r}") from error


def check_parts(model: PreTrainedModel, image_tokenizer: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """ValueError where the three parts of a checkpoint do not belong together."""
    codes, wanted = image_tokenizer.config.codebook_size, model.config.image_vocab_size
    if codes != wanted:
        raise ValueError(f"the image tokenizer has {codes} codes; the model needs {wanted}")
    check_text(model, tokenizer)


def check_text(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """ValueError where a tokenizer has no ids for a prompt's special tokens, or some that the model does not know."""
    ids = tokenizer.get_vocab()
    missing = [token for token in special_tokens() if token not in ids]
    if missing:
        raise ValueError(f"the tokenizer lacks {len(missing)} special tokens of a prompt, {missing[0]} first")
    if max(ids.values()) >= model.config.text_vocab_size:
        raise ValueError(
            f"the tokenizer has ids up to {max(ids.values())}; the model knows {model.config.text_vocab_size}"
        )


def load_model(kind: type[PreTrainedModel], folder: Path) -> PreTrainedModel:
    """`kind.from_pretrained` in float32 that refuses foreign, partial and damaged weights, and code beside them."""
    found = read_object(folder / "config.json").get("model_type")
    if found != kind.config_class.model_type:
        raise ValueError(f"{folder} holds a {found!r} model; it must be {kind.config_class.model_type!r}")
    try:
        model, report = kind.from_pretrained(
            folder, use_safetensors=True, dtype=torch.float32, output_loading_info=True, local_files_only=True
        )
    except Exception as error:  # damaged indexes and configs fail in any way inside transformers
        raise ValueError(f"the weights in {folder} cannot be read: {error!r}") from error
    for problem in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if report[problem]:
            raise ValueError(
                f"the weights in {folder} do not fit their config: {problem} {sorted(report[problem])[:3]}"
            )
    broken = [name for name, tensor in model.state_dict().items() if not bool(tensor.isfinite().all())]
    if broken:
        raise ValueError(f"the weights in {folder} hold numbers that are not finite, {broken[0]} first")
    return model


def checkpoint_hash(folder: Path) -> str:
    """16 hex digits over names and bytes of all that decides a picture: weights, configs, tokenizer."""
    digest = hashlib.sha256()
    for path in sorted(
        p for pattern in ("*.safetensors", "config.json", "tokenizer.json") for p in folder.rglob(pattern)
    ):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def save_checkpoint(
    folder: Path,
    model: PreTrainedModel,
    image_tokenizer: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    defaults: dict[str, Any],
    dtype: torch.dtype = torch.bfloat16,
) -> None:
    """Write all that `TokenShufflePipeline.from_pretrained` reads; the generator's weights in `dtype`."""
    folder.mkdir(parents=True, exist_ok=True)
    copy.deepcopy(model).to(dtype).save_pretrained(folder, max_shard_size=SHARD_SIZE)
    image_tokenizer.save_pretrained(folder / "image_tokenizer", max_shard_size=SHARD_SIZE)
    tokenizer.save_pretrained(folder)
    (folder / DEFAULTS_FILE).write_text(json.dumps(defaults, indent=2) + "\n")


def _download(hub_id: str) -> Path:
    if not HUB_ID.fullmatch(hub_id):
        raise ValueError(f"{hub_id} is neither a folder nor a hub id like 'owner/name'")
    try:
        return Path(snapshot_download(hub_id, allow_patterns=PATTERNS))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ValueError(f"{hub_id} is no folder and cannot be downloaded: {error}") from error
