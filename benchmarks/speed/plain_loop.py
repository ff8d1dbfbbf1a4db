"""What ours is compared with: plain PyTorch, as its own examples are written, with this project's networks.

Float32, eager, and a DataLoader that transforms an image at a time.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from dcgan_features.features.base import Images
from dcgan_features.gan.networks import Discriminator


class _Pictures(Dataset[Tensor]):
    def __init__(self, images: Images) -> None:
        self.images = images
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.5,) * 3)])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        transformed: Tensor = self.transform(self.images[index])
        return transformed


def picture_loader(
    images: Images, batch_size: int, workers: int | None = None, training: bool = False
) -> DataLoader[Tensor]:
    """Minibatches of images scaled to -1..1, float32 (n, channels, size, size).

    images : uint8 (n, size, size, channels). workers : processes that load them; None is the examples' two, or fewer
    where there are fewer threads. training : shuffled, without a last minibatch that is smaller.
    """
    workers = min(2, torch.get_num_threads()) if workers is None else workers
    return DataLoader(
        _Pictures(images), batch_size, shuffle=training, num_workers=workers, drop_last=training,
        persistent_workers=workers > 0,
    )  # fmt: skip


class PlainExtraction:
    """Features of images by a network as it stands: every layer's maps, max-pooled to 4 x 4 and concatenated.

    network : in evaluation mode, on the device. images, workers : as for `picture_loader`.
    """

    def __init__(self, network: Discriminator, images: Images, batch_size: int, workers: int | None = None) -> None:
        self.network = network
        self.device = next(network.parameters()).device
        self._loader = picture_loader(images, batch_size, workers)

    @torch.no_grad()
    def __call__(self) -> Tensor:
        """All of them, float32 (n, features), on the CPU."""
        blocks = []
        for batch in self._loader:
            maps = self.network.maps(batch.to(self.device))
            pooled = [functional.adaptive_max_pool2d(of_layer, 4).flatten(1) for of_layer in maps]
            blocks.append(torch.cat(pooled, dim=1).cpu())
        return torch.cat(blocks)
