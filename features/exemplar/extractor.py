"""Features from a trained Exemplar-CNN: every layer's responses, max-pooled over four quadrants and concatenated.

Dosovitskiy et al. (arXiv 1406.6909v2), section 4: the network is run convolutionally over the image, CIFAR-10's being
resized to 64 x 64; the responses of all layers but the softmax are max-pooled in each quadrant and concatenated.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from dcgan_features.data.utils.checks import check_choice, check_counts
from dcgan_features.data.utils.devices import choose_device
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.identity import known_as
from dcgan_features.features.base import DTYPES, Extractor, Images, as_tensor, check_images
from dcgan_features.features.discriminator.pooling import pool_to_grid
from dcgan_features.features.exemplar.networks import ExemplarNetwork
from dcgan_features.features.exemplar.seeds import resize
from dcgan_features.features.exemplar.transformations import PATCH
from dcgan_features.features.exemplar.weights import load_exemplar_weights
from dcgan_features.features.kmeans.patches import Standardisation
from dcgan_features.gan.batch_norm import evenly_spaced

_CPU_BATCH, _CUDA_BATCH = 32, 512


@known_as("features.exemplar.extractor.ExemplarCNNFeatures")
class ExemplarCNNFeatures(Extractor):
    """Every chosen layer's rectified responses, max-pooled to grid x grid, concatenated layer by layer.

    Column ((maps of earlier chosen layers) + map) * grid^2 + row * grid + column holds one cell of one map. Cells of a
    map whose side the grid does not divide overlap by a row. Of several sizes, one has all its columns before the next.

    weights : an `ExemplarNetwork`, or the path of saved weights, or the name of shipped ones. It is not changed.
    layers : indices of the layers to use, from 0, in the order wanted; None is all, the fully connected one last.
    grid : cells along each side.
    resize : images are resized to this size, bilinear, or to each of several, whose features are joined; None leaves
        them. The paper has 64; the patches that the network learnt from were of one size, so that objects of another
        are met at another.
    standardise : (f - mean) / sqrt(var + 0.01) of each feature, from `n_standardise` of the fit images, evenly spaced.
        Not in the paper: the layers of a briefly trained network differ in scale.
    n_standardise : images for that estimate.
    dtype : "bfloat16" or "float32", of the arithmetic and of the features.
    batch_size : images at a time; None chooses for the device.
    device : None is the GPU where there is one, else the CPU.

    Without `standardise`, `fit` learns nothing from the images it is given but their size.
    """

    network_setting: ClassVar[str] = "weights"  # the parameter that takes the trained network of a table's row

    def __init__(
        self,
        weights: ExemplarNetwork | Path | str,
        layers: Sequence[int] | None = None,
        grid: int = 2,
        resize: int | Sequence[int] | None = 64,
        standardise: bool = False,
        n_standardise: int = 10_000,
        dtype: str = "bfloat16",
        batch_size: int | None = None,
        device: str | torch.device | None = None,
    ) -> None:
        self.weights = weights
        self.layers = layers
        self.grid = grid
        self.resize = resize
        self.standardise = standardise
        self.n_standardise = n_standardise
        self.dtype = dtype
        self.batch_size = batch_size
        self.device = device

    def fit(self, images: Images, y: object = None) -> Self:
        """Prepare the network for images of this size, uint8 (n, height, width, 3). `y` is ignored.

        Raises ValueError for parameters or images that do not suit the network, InputError for unusable weights.
        """
        check_choice("dtype", self.dtype, list(DTYPES))
        check_counts(grid=self.grid, n_standardise=self.n_standardise)
        if self.batch_size is not None:
            check_counts(batch_size=self.batch_size)
        images = check_images(images)
        sizes = self._sizes()
        network = self._network()
        for index, layer in enumerate(network.layers):
            if not all(bool(torch.isfinite(tensor).all()) for tensor in layer.parameters()):
                raise InputError(
                    f"the Exemplar-CNN's weights of layer {index} are not finite; use a checkpoint from before the "
                    "training diverged"
                )
        if images.shape[3] != 3:
            raise ValueError(f"an Exemplar-CNN takes images of 3 channels, not {images.shape[3]}")
        self.layers_ = self._chosen_layers(network)
        for size in sizes:
            height, width = images.shape[1:3] if size is None else (size, size)
            if min(height, width) < PATCH:
                raise ValueError(
                    f"images of {min(height, width)} pixels are smaller than the patches of {PATCH}; raise resize"
                )
            self._check_grid(network, (height, width))
        device = choose_device(self.device, self.dtype)
        self.network_ = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network_.layers.to(DTYPES[self.dtype])
        maps = sum(network.layers[index].out_channels for index in self.layers_)  # type: ignore[misc]
        self._fitted(images, len(sizes) * maps * self.grid**2, self.dtype)
        self.standardisation_ = None
        if self.standardise:
            raw = [block.float() for block in self.transform_blocks(evenly_spaced(images, self.n_standardise))]
            self.standardisation_ = Standardisation.fit(torch.cat(raw))
        return self

    def fingerprint(self) -> dict[str, Any]:
        """What decides the features, for the feature store: parameters, with the weights in place of a path."""
        parameters: dict[str, Any] = self.get_params(deep=False)
        parameters["weights"] = self._network()
        return parameters

    def _network(self) -> ExemplarNetwork:
        """A copy of the network that may be changed."""
        if isinstance(self.weights, ExemplarNetwork):
            return copy.deepcopy(self.weights).requires_grad_(False).eval()
        if isinstance(self.weights, str | Path):
            return load_exemplar_weights(self.weights)[0].requires_grad_(False)
        raise ValueError(
            f"weights must be an ExemplarNetwork or the path of saved weights, not {type(self.weights).__name__}"
        )

    def _sizes(self) -> list[int | None]:
        """The sizes that images are resized to; None is their own."""
        if self.resize is None:
            return [None]
        sizes = list(self.resize) if isinstance(self.resize, Sequence) else [self.resize]
        for size in sizes:
            check_counts(resize=size)
        if not sizes or len(set(sizes)) < len(sizes):
            raise ValueError(f"resize={self.resize!r} must be a size, different sizes, or None")
        return [*sizes]

    def _chosen_layers(self, network: ExemplarNetwork) -> list[int]:
        count = len(network.layers)
        layers = list(range(count)) if self.layers is None else list(self.layers)
        if not layers or len(set(layers)) < len(layers) or any(index not in range(count) for index in layers):
            raise ValueError(
                f"layers={self.layers!r} must be different indices of the network's layers, 0 to {count - 1}"
            )
        return layers

    def _check_grid(self, network: ExemplarNetwork, size: tuple[int, int]) -> None:
        with torch.inference_mode():
            sides = [min(maps.shape[2:]) for maps in network.maps(torch.zeros(1, 3, *size))]
        for index in self.layers_:
            if self.grid > sides[index]:
                raise ValueError(f"grid={self.grid} is finer than layer {index}'s maps, of {sides[index]} positions")

    def _block_size(self) -> int:
        return self.batch_size or (_CUDA_BATCH if self.network_.mean.is_cuda else _CPU_BATCH)

    def layer_maps(self, images: Images) -> list[Tensor]:
        """The chosen layers' rectified maps before pooling, (n, maps, height, width) each, size by size.

        images : uint8 (n, height, width, 3), few enough for all of their maps to fit in memory.
        """
        return list(self._maps(images))

    def _maps(self, images: Images) -> Iterator[Tensor]:
        """The maps, those of one size being made when those of the size before have been taken."""
        pixels = as_tensor(images).to(self.network_.mean.device).permute(0, 3, 1, 2).float().div_(255.0)
        for size in self._sizes():
            with torch.inference_mode():
                resized = self.network_.normalise(resize(pixels, size)).to(DTYPES[self.dtype])
                maps = self.network_.maps(resized.contiguous(memory_format=torch.channels_last))
            yield from (maps[index] for index in self.layers_)

    def _transform_block(self, images: Images) -> Tensor:
        pooled = [pool_to_grid(maps, self.grid).flatten(1) for maps in self._maps(images)]
        features = torch.cat(pooled, dim=1).cpu()
        if self.standardisation_ is None:
            return features
        return self.standardisation_(features.float()).to(features.dtype)
