"""Pixels ↔ codes: shapes, strips, previews, and the public LlamaGen checkpoint's format."""

import os
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from model import llamagen_vq
from model.image_tokenizer import Decoder, ImageTokenizer, ImageTokenizerConfig
from tests.model.conftest import tiny_image_tokenizer


def ids(height: int, width: int, codes: int = 64) -> torch.Tensor:
    return torch.randint(codes, (1, height, width), generator=torch.Generator().manual_seed(3))


def lively(tokenizer: ImageTokenizer) -> ImageTokenizer:
    """Residual blocks start as the identity; give them weights, so that neighbours matter."""
    torch.manual_seed(0)
    for name, weight in tokenizer.named_parameters():
        if "conv2.weight" in name:
            torch.nn.init.normal_(weight, std=0.1)
    return tokenizer


@pytest.mark.parametrize("shape", [(13, 40), (32, 32), (20, 17)])
def test_strips_equal_one_pass(monkeypatch, shape):
    tokenizer = lively(tiny_image_tokenizer())
    grid = ids(*shape)
    whole = tokenizer.decode(grid)
    monkeypatch.setattr(Decoder, "one_pass_codes", 8 * shape[1])  # eight rows a strip
    *moments, strips = tokenizer.decoding(grid)
    assert moments == [None] * (-(-shape[0] // 8) * len(tokenizer.decoder.layers))
    assert torch.equal(tokenizer.decode(grid), strips)
    assert torch.allclose(strips, whole, atol=1e-5)


def test_a_code_reaches_no_further_than_stated():
    tokenizer = lively(tiny_image_tokenizer())
    grid = ids(48, 48)
    changed = grid.clone()
    changed[0, 0, 0] = (changed[0, 0, 0] + 1) % 64
    difference = (tokenizer.decode(grid) - tokenizer.decode(changed)).abs().amax((0, 1))
    reached = difference.nonzero().amax().item() // 16
    assert 0 < reached <= tokenizer.decoder.reach <= reached + 2


def test_a_code_depends_on_its_own_pixels_only():
    tokenizer = lively(tiny_image_tokenizer())
    pixels = torch.rand(1, 3, 48, 64) * 2 - 1
    changed = torch.rand(1, 3, 48, 64) * 2 - 1
    changed[..., 16:32, 32:48] = pixels[..., 16:32, 32:48]
    assert tokenizer.encode(changed)[0, 1, 2] == tokenizer.encode(pixels)[0, 1, 2]
    assert not torch.equal(tokenizer.encode(changed), tokenizer.encode(pixels))


def test_encode_is_the_inverse_of_decode_in_shape_and_refuses_odd_sizes():
    tokenizer = tiny_image_tokenizer()
    assert tokenizer.encode(tokenizer.decode(ids(3, 5))).shape == (1, 3, 5)
    with pytest.raises(ValueError, match=r"100×32.*multiples of 16"):
        tokenizer.encode(torch.zeros(1, 3, 32, 100))


def test_mean_colours_are_what_a_code_among_its_like_shows():
    tokenizer = lively(tiny_image_tokenizer())
    tokenizer.measure_mean_colors()
    flat = torch.full((1, 9, 9), 7)
    seen = tokenizer.decode(flat)[0, :, 64:80, 64:80].mean((1, 2))
    assert torch.allclose(tokenizer.mean_colors[7], seen, atol=0.2)


def test_unknown_architecture():
    with pytest.raises(ValueError, match="llamagen"):
        ImageTokenizerConfig(architecture="vae")


def test_save_and_load(tmp_path):
    tokenizer = lively(tiny_image_tokenizer())
    tokenizer.save_pretrained(tmp_path)
    again = ImageTokenizer.from_pretrained(tmp_path).eval()
    assert torch.equal(again.decode(ids(4, 4)), tokenizer.decode(ids(4, 4)))


# --- the public checkpoint ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def llamagen_file(tmp_path_factory):
    """A checkpoint of LlamaGen's form: its key names and nesting, random weights, 32 base channels."""
    torch.manual_seed(0)
    config = ImageTokenizerConfig(architecture="llamagen", codebook_size=50, channels=(32,), z_channels=16)
    ours = ImageTokenizer(config).state_dict()
    theirs = {}
    for key, tensor in ours.items():
        for mine, public in (
            ("encoder.0.", "encoder."),
            ("encoder.1.", "quant_conv."),
            ("decoder.0.", "post_quant_conv."),
            ("decoder.1.", "decoder."),
        ):
            if key.startswith(mine):
                theirs[public + key.removeprefix(mine)] = tensor + 0.05 * torch.randn_like(tensor)
    theirs["quantize.embedding.weight"] = 3 * torch.randn(50, 8)
    theirs["quantize.codebook_used"] = torch.zeros(65536)
    path = tmp_path_factory.mktemp("llamagen") / "vq_ds16_t2i.pt"
    torch.save({"model": theirs}, path)
    return path, theirs


EXPECTED_KEYS = {
    "encoder.conv_blocks.0.res.1.conv2.weight",
    "encoder.conv_blocks.2.res.0.nin_shortcut.weight",
    "encoder.conv_blocks.3.downsample.conv.weight",
    "encoder.conv_blocks.4.attn.1.proj_out.bias",
    "encoder.mid.1.q.weight",
    "encoder.norm_out.weight",
    "decoder.conv_blocks.0.attn.2.k.weight",
    "decoder.conv_blocks.0.upsample.conv.weight",
    "decoder.conv_blocks.4.res.2.norm2.bias",
    "decoder.conv_out.bias",
}


def test_key_names_are_the_public_ones(llamagen_file):
    assert set(llamagen_file[1]) >= EXPECTED_KEYS


class Described:
    """LlamaGen's tokenizer as its description has it, computed from the public keys alone: an independent second opinion."""

    def __init__(self, weights):
        self.weights = weights

    def conv(self, x, name, **options):
        return F.conv2d(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"], **options)

    def norm(self, x, name):
        return F.group_norm(x, 32, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"], 1e-6)

    def residual(self, x, name):
        h = self.conv(F.silu(self.norm(x, f"{name}.norm1")), f"{name}.conv1", padding=1)
        h = self.conv(F.silu(self.norm(h, f"{name}.norm2")), f"{name}.conv2", padding=1)
        return h + (self.conv(x, f"{name}.nin_shortcut") if f"{name}.nin_shortcut.weight" in self.weights else x)

    def attention(self, x, name):
        h = self.norm(x, f"{name}.norm")
        q, k, v = (self.conv(h, f"{name}.{part}").flatten(2) for part in "qkv")  # [B, C, places]
        share = torch.softmax(torch.einsum("bcq,bck->bqk", q, k) / x.shape[1] ** 0.5, dim=-1)
        return x + self.conv(torch.einsum("bqk,bck->bcq", share, v).view(x.shape), f"{name}.proj_out")

    def level(self, x, name, blocks):
        for block in range(blocks):
            x = self.residual(x, f"{name}.res.{block}")
            if f"{name}.attn.{block}.q.weight" in self.weights:
                x = self.attention(x, f"{name}.attn.{block}")
        return x

    def middle(self, x, name):
        x = self.attention(self.residual(x, f"{name}.mid.0"), f"{name}.mid.1")
        return self.residual(x, f"{name}.mid.2")

    def out(self, x, name):
        return self.conv(F.silu(self.norm(x, f"{name}.norm_out")), f"{name}.conv_out", padding=1)

    def encode(self, pixels):
        x = self.conv(pixels, "encoder.conv_in", padding=1)
        for level in range(5):
            x = self.level(x, f"encoder.conv_blocks.{level}", blocks=2)
            if level < 4:
                x = self.conv(F.pad(x, (0, 1, 0, 1)), f"encoder.conv_blocks.{level}.downsample.conv", stride=2)
        latents = self.conv(self.out(self.middle(x, "encoder"), "encoder"), "quant_conv")
        return torch.cdist(F.normalize(latents, dim=1).permute(0, 2, 3, 1).flatten(0, 2), self.codes).argmin(-1)

    @property
    def codes(self):
        return F.normalize(self.weights["quantize.embedding.weight"], dim=-1)

    def decode(self, grid):
        x = self.conv(self.codes[grid].permute(0, 3, 1, 2), "post_quant_conv")
        x = self.middle(self.conv(x, "decoder.conv_in", padding=1), "decoder")
        for level in range(5):
            x = self.level(x, f"decoder.conv_blocks.{level}", blocks=3)
            if level < 4:
                x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
                x = self.conv(x, f"decoder.conv_blocks.{level}.upsample.conv", padding=1)
        return self.out(x, "decoder").clamp(-1, 1)


@torch.no_grad()
def test_llamagen_gives_the_codes_and_pixels_of_its_description(llamagen_file):
    path, theirs = llamagen_file
    tokenizer, described = ImageTokenizer.from_llamagen(path), Described(theirs)
    pixels = torch.rand(1, 3, 64, 48) * 2 - 1
    codes = tokenizer.encode(pixels)
    assert torch.equal(codes.flatten(), described.encode(pixels)) and len(codes.unique()) > 3
    grid = ids(4, 3, 50)
    wanted = described.decode(grid)
    assert wanted.shape == (1, 3, 64, 48) and wanted.std() > 0.05
    torch.testing.assert_close(tokenizer.decode(grid), wanted, atol=1e-4, rtol=1e-4)
    assert (tokenizer.mean_colors - described.decode(torch.arange(50).view(50, 1, 1)).mean((2, 3))).abs().max() < 1e-4


@pytest.mark.parametrize("shape", [(5, 3), (2, 7)])
@pytest.mark.parametrize("pixels", [1000, 40])  # a strip of some rows, of one row
def test_llamagen_in_strips_equals_one_pass(monkeypatch, llamagen_file, shape, pixels):
    tokenizer, grid = ImageTokenizer.from_llamagen(llamagen_file[0]), ids(*shape, 50)
    whole = tokenizer.decode(grid)
    monkeypatch.setattr(llamagen_vq, "STRIP_PIXELS", pixels)
    monkeypatch.setattr(llamagen_vq.LlamaGenFromCode, "one_pass_codes", 1)
    strips = tokenizer.decode(grid)
    assert not torch.equal(strips, whole) and whole.std() > 0.05  # really another way to the same pixels
    assert (strips - whole).abs().max() < 1e-4


class LiveBytes(TorchDispatchMode):
    """The most bytes that tensors made inside held at any one time."""

    def __init__(self):
        super().__init__()
        self.live, self.peak = {}, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                self.live[StorageWeakRef(storage)] = storage.nbytes()
        self.live = {reference: size for reference, size in self.live.items() if not reference.expired()}
        self.peak = max(self.peak, sum(self.live.values()))
        return out


def test_llamagen_at_2048_px_holds_less_than_3_gib(monkeypatch):
    """On the meta device: every tensor has its size, and nothing is computed."""
    with torch.device("meta"):
        tokenizer = ImageTokenizer(ImageTokenizerConfig(architecture="llamagen", codebook_size=16384, channels=(128,)))
        grid = torch.zeros(1, 128, 128, dtype=torch.int64)
    with LiveBytes() as strips:
        assert tokenizer.decode(grid).shape == (1, 3, 2048, 2048)
    assert 2 * 2**30 < strips.peak < 3 * 2**30
    monkeypatch.setattr(llamagen_vq.LlamaGenFromCode, "one_pass_codes", 128**2)
    with LiveBytes() as one_pass:
        tokenizer.decode(grid)
    assert one_pass.peak > 2.5 * strips.peak


@torch.no_grad()
def test_llamagens_attention_writes_out_no_map():
    block, x = llamagen_vq.AttnBlock(32), torch.randn(1, 32, 32, 32)
    with LiveBytes() as held:
        block(x)
    assert x.nbytes < held.peak < 4 * 1024**2  # bytes of a map of all pairs of the 1,024 places


def test_codes_are_those_of_float32_on_a_gpu_too():
    tokenizer, seen = tiny_image_tokenizer().eval(), []
    tokenizer.encoder.register_forward_hook(lambda *_: seen.append(torch.backends.cudnn.allow_tf32))
    before = torch.backends.cudnn.allow_tf32
    tokenizer.encode(torch.zeros(1, 3, 16, 16))
    assert seen == [False] and torch.backends.cudnn.allow_tf32 is before


MEASURE = """
import re, torch
from model import llamagen_vq
from model.image_tokenizer import ImageTokenizer, ImageTokenizerConfig
llamagen_vq.STRIP_PIXELS = 2**14
torch.set_num_threads(1)
shape = {"channels": (32,), "multipliers": (1, 1, 1, 1, 1), "z_channels": 32, "codebook_size": 64}
decoder = ImageTokenizer(ImageTokenizerConfig(architecture="llamagen", **shape)).eval().decoder
list(decoder.in_one_pass(torch.zeros(1, 8, 2, 2)))
def kib(name):
    return int(re.search(name + r":\\s+(\\d+)", open("/proc/self/status").read())[1])
with torch.inference_mode():
    for decode in (decoder.in_strips, decoder.in_one_pass):
        before = kib("VmRSS")
        for _ in decode(torch.randn(1, 8, 64, 64)):
            pass
        print(kib("VmHWM") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_resident_memory_of_llamagens_strips():
    """1024 × 1024 px in a process of its own: one map of 32 channels is 128 MiB.

    Blocks from 128 KiB go back to the system as soon as they are free, as those of real strips (some 64 MiB) do anyway;
    glibc would keep and fragment these small ones by chance.
    """
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(2**17)}
    run = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True, env=environment)
    strips, one_pass = (int(kib) / 1024 / 128 for kib in run.stdout.split())  # in maps
    assert 1.0 < strips < 1.5 and one_pass > 2 * strips


def test_foreign_files_are_refused(tmp_path, llamagen_file):
    class Evil:
        def __reduce__(self):
            return (print, ("executed",))

    torch.save({"model": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(ValueError, match="no plain PyTorch checkpoint"):
        ImageTokenizer.from_llamagen(tmp_path / "evil.pt")
    torch.save({"model": {"x": torch.zeros(1)}}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match="no LlamaGen tokenizer"):
        ImageTokenizer.from_llamagen(tmp_path / "other.pt")


def test_other_files_are_named_instead_of_crashing(llamagen_file, tmp_path):
    path, theirs = llamagen_file
    (tmp_path / "text.pt").write_text("hello")
    (tmp_path / "short.pt").write_bytes(path.read_bytes()[:2000])
    torch.save({"model": {k: v for k, v in theirs.items() if not k.startswith("encoder")}}, tmp_path / "half.pt")
    torch.save({"model": {**theirs, "quant_conv.weight": torch.zeros(8, 4, 1, 1)}}, tmp_path / "shape.pt")
    for name in ("missing", "text", "short", "half", "shape"):
        with pytest.raises(ValueError, match=rf"{name}\.pt "):
            ImageTokenizer.from_llamagen(str(tmp_path / f"{name}.pt"))
