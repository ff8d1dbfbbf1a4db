"""Principal components of the pixels: what M1 is trained on for colour images, and what its neighbours are fed.

The preprocessing of the authors' code of Kingma, Mohamed, Rezende & Welling (NIPS 2014): pixels / 256, less each
dimension's mean, over one standard deviation of all dimensions, projected on the leading eigenvectors of a sample's
covariance and divided by the square roots of the eigenvalues.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from dcgan_features.data.utils.checks import check_counts
from dcgan_features.data.utils.devices import choose_device
from dcgan_features.data.utils.identity import known_as
from dcgan_features.features.base import Extractor, Images, as_tensor, check_images

_ROWS = 2048
_RANK = 1e-9  # of the largest eigenvalue: below it, a direction is rounding


@dataclass(frozen=True)
class PixelProjection:
    """Pixels to centred and scaled ones, and to principal components where there is a matrix.

    mean : (d,), of pixels / 256. scale : 1 / the standard deviation of all dimensions together. matrix : (d, k), or
    None, which leaves the pixels centred and scaled. All float32, on one device.
    """

    mean: Tensor
    scale: float
    matrix: Tensor | None

    @classmethod
    def fit(
        cls,
        images: Images,
        n_components: int | None,
        n_images: int,
        whiten: bool,
        seed: int,
        device: torch.device,
    ) -> PixelProjection:
        """Mean and deviation of all images, uint8 (n, height, width, channels), directions of `n_images` drawn ones.

        Computed in float64. Raises ValueError for images of one constant colour, and for more components than the
        drawn images have.
        """
        n, length = len(images), images[0].size
        total = torch.zeros(length, dtype=torch.float64, device=device)
        square = torch.zeros((), dtype=torch.float64, device=device)
        for start in range(0, n, _ROWS):
            pixels = _pixels(images[start : start + _ROWS], device).double()
            total += pixels.sum(0)
            square += pixels.square().sum()
        mean = total / n
        variance = float(square / (n * length) - mean.square().mean())
        if variance <= 1e-12:
            raise ValueError("the images are all the same: they have no principal components")
        scale = variance**-0.5
        if n_components is None:
            return cls(mean.float(), scale, None)
        drawn = images[np.sort(np.random.default_rng(seed).permutation(n)[:n_images])]
        values, vectors = _eigenvectors(drawn, mean, scale)
        rank = int((values > _RANK * values[-1]).sum())
        if n_components > rank:
            raise ValueError(
                f"n_components={n_components} is more than the {rank} that {len(drawn)} images of {length} values have"
            )
        values, vectors = values.flip(0)[:n_components], vectors.flip(1)[:, :n_components]
        largest = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
        vectors = vectors * largest.sign()  # an eigenvector's sign is the library's choice; this one is ours
        return cls(mean.float(), scale, (vectors * values.rsqrt() if whiten else vectors).float())

    @property
    def n_outputs(self) -> int:
        """Columns that it makes."""
        return len(self.mean) if self.matrix is None else self.matrix.shape[1]

    def __call__(self, images: Images) -> Tensor:
        """float32 (n, n_outputs), of uint8 images of the size fitted on."""
        centred = _pixels(images, self.mean.device).sub_(self.mean).mul_(self.scale)
        return centred if self.matrix is None else centred @ self.matrix


def _eigenvectors(images: Images, mean: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Eigenvalues, ascending, and eigenvectors (d, k), float64, of the second moment of the scaled images about `mean`.

    k is d, or the number of images where that is less: the others' eigenvalues are 0.
    """
    n, length = len(images), len(mean)
    blocks = (_pixels(images[start : start + _ROWS], mean.device).double() for start in range(0, n, _ROWS))
    if n < length:  # the products of images with one another are fewer, and have the same eigenvalues
        centred = (torch.cat(list(blocks)) - mean) * scale
        values, vectors = torch.linalg.eigh(centred @ centred.T / n)
        return values, torch.nn.functional.normalize(centred.T @ vectors, dim=0)
    moment = torch.zeros(length, length, dtype=torch.float64, device=mean.device)
    for block in blocks:
        centred = (block - mean) * scale
        moment += centred.T @ centred
    values, vectors = torch.linalg.eigh(moment / n)
    return values, vectors


def _pixels(images: Images, device: torch.device) -> Tensor:
    return as_tensor(images).to(device).flatten(1).float().div_(256.0)


@known_as("features.principal.PrincipalComponents")
class PrincipalComponents(Extractor):
    """The leading principal components of the pixels, the largest first: float32 (n, n_components).

    Parameters
    ----------
    n_components : int, default 600
        At most what the drawn images have, see `n_images`.
    n_images : int, default 10000
        Images, drawn from the fit images, of which the covariance is taken; the mean is that of all.
    whiten : bool, default True
        Divide each component by its standard deviation.
    seed : int, default 0
        Of the drawing.
    batch_size : int, default 1024
        Images at a time.
    device : str, torch.device or None, default None
        None is the GPU where there is one, else the CPU.

    Attributes
    ----------
    projection_ : PixelProjection
        From pixels to components.

    Examples
    --------
    >>> import numpy as np
    >>> from dcgan_features.features import PrincipalComponents
    >>> images = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
    >>> PrincipalComponents(n_components=5).fit_transform(images).shape
    (20, 5)
    """

    def __init__(
        self,
        n_components: int = 600,
        n_images: int = 10_000,
        whiten: bool = True,
        seed: int = 0,
        batch_size: int = 1024,
        device: str | torch.device | None = None,
    ) -> None:
        self.n_components = n_components
        self.n_images = n_images
        self.whiten = whiten
        self.seed = seed
        self.batch_size = batch_size
        self.device = device

    def fit(self, images: Images, y: object = None) -> Self:
        """Learn mean and directions from `images`, uint8 (n, height, width, channels).

        Raises ValueError for unusable parameters, for images that are all the same, and for too few of them.
        """
        images = check_images(images)
        check_counts(n_components=self.n_components, n_images=self.n_images, batch_size=self.batch_size)
        self.projection_ = PixelProjection.fit(
            images, self.n_components, self.n_images, self.whiten, self.seed, choose_device(self.device)
        )
        return self._fitted(images, self.n_components, "float32")

    def _block_size(self) -> int:
        return self.batch_size

    def _transform_block(self, images: Images) -> Tensor:
        return self.projection_(images).cpu()
