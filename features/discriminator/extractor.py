"""Features from a frozen discriminator: every layer's maps, max-pooled to a grid and concatenated.

Radford, Metz & Chintala (2016), section 5.1: "we use the discriminator's convolutional features from all layers,
maxpooling each layers representation to produce a 4 x 4 spatial grid. These features are then flattened and
concatenated".
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from dcgan_features.data.utils.checks import check_choice, check_counts, check_pixels
from dcgan_features.data.utils.devices import choose_device
from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.data.utils.gpu import float32_convolutions, send
from dcgan_features.data.utils.identity import known_as
from dcgan_features.features.base import (
    DTYPES,
    REFLECTIONS,
    Extractor,
    Images,
    as_tensor,
    check_images,
    join_reflection,
)
from dcgan_features.features.discriminator.pooling import can_fuse, pool_to_grid, signed_power
from dcgan_features.features.kmeans.views import move
from dcgan_features.gan.batch_norm import evenly_spaced, reestimate_batch_statistics
from dcgan_features.gan.networks import LEAK, Discriminator, scale_images
from dcgan_features.gan.spec import SPECS, NetworkSpec
from dcgan_features.gan.weights_file import find_weights, load_weights

# Images a block: on the CPU the first layer's maps then fit the last-level cache; a GPU needs more to be busy.
_CPU_BATCH, _CUDA_BATCH = 32, 4096
_BALANCED = 2_000  # images from which the layers' variances are estimated


def fold_normalisation(discriminator: Discriminator) -> list[nn.Conv2d]:
    """The convolutions with each batch normalisation, at inference, folded into weights and bias (float32).

    gain * (w * x - mean) / sqrt(var + eps) + shift is a convolution with weights w * gain / sqrt(var + eps). A
    convolution without batch normalisation keeps the bias it has.
    """
    folded = []
    for convolution, normalisation in zip(discriminator.convolutions, discriminator.normalisations, strict=True):
        assert isinstance(convolution, nn.Conv2d)
        layer = copy.deepcopy(convolution).requires_grad_(False)
        if layer.bias is None:
            layer.bias = nn.Parameter(torch.zeros(layer.out_channels, device=layer.weight.device), requires_grad=False)
        if isinstance(normalisation, nn.BatchNorm2d):
            mean, variance = normalisation.running_mean, normalisation.running_var
            assert mean is not None
            assert variance is not None
            scale = normalisation.weight.detach() / torch.sqrt(variance + normalisation.eps)
            layer.weight.mul_(scale[:, None, None, None])
            layer.bias.copy_(normalisation.bias.detach() - mean * scale)
        folded.append(layer)
    return folded


@known_as("features.discriminator.DiscriminatorFeatures")
class DiscriminatorFeatures(Extractor):
    """Every chosen layer's rectified maps, max-pooled to grid x grid, concatenated layer by layer.

    Column ((maps of earlier chosen layers) + map) * grid^2 + row * grid + column holds one cell of one map.

    `fit` re-estimates the batch-norm statistics on the images it is given, then folds them into the convolutions. Then
    it estimates the variances that `balance` needs, on at most 2,000 of these images.

    Parameters
    ----------
    discriminator : Discriminator, Path or str
        A `gan.networks.Discriminator`, which is not changed; the path of saved weights; or the name of shipped ones,
        such as "paper-32".
    grid : int, default 4
        Cells along each side; at most the smallest chosen map's size.
    layers : sequence of int, or None, default None
        Indices of the layers to use, from 0, in the order wanted; None is all.
    reflection : str or None, default None
        "max" or "mean", of the features of an image and of its mirror image, so that both have the same; None, as in
        the paper, leaves mirror images out.
    negative : str or None, default None
        "max" or "mean", of the features of a picture and of its negative (255 - pixel), so that dark digits on a light
        ground have the features of light ones on a dark ground; None, as in the paper, leaves negatives out.
    shift : int, default 0
        Pixels; the features are then the largest of the image's and of its moved by as many up, down, left and right,
        each beyond its edges continued by its reflection. 0, as in the paper: of the image alone.
    shift_join : str, default "max"
        "mean" takes the mean of the five in place of the largest.
    power : float, default 1.0
        Of the features' absolute values, their signs kept; above 0 and at most 1. 0.5, the signed square root, draws
        large values in (power normalisation, of Fisher vectors: Perronnin, Sánchez & Mensink, ECCV 2010). 1, as in the
        paper, leaves them as they are.
    balance : bool, default False
        Scale each layer's features so that all layers have the same total variance, the mean of what they had. In the
        paper they are left as they are, and those of the first layer, which is not normalised, hardly count.
    dtype : str, default "bfloat16"
        "bfloat16" or "float32", of the arithmetic and of the features.
    n_statistics : int, default 10000
        At most so many of the fit images are used for the batch-norm statistics, evenly spaced.
    batch_size : int or None, default None
        Images at a time; None chooses for the device.
    device : str, torch.device or None, default None
        None is the GPU where there is one, else the CPU.

    Attributes
    ----------
    layers_ : list of int
        Indices of the layers in use.
    convolutions_ : list of torch.nn.Conv2d
        With batch normalisation folded in.
    scales_ : Tensor (layers,), float32, or None
        What each layer is multiplied by.

    Examples
    --------
    >>> import numpy as np
    >>> from dcgan_features.features import DiscriminatorFeatures
    >>> images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    >>> DiscriminatorFeatures("paper-32").fit_transform(images).shape  # 1,792 maps in 4 x 4 cells
    (4, 28672)
    """

    later: ClassVar[dict[str, Any]] = {"negative": None, "shift_join": "max"}

    def __init__(
        self,
        discriminator: Discriminator | Path | str,
        grid: int = 4,
        layers: Sequence[int] | None = None,
        reflection: str | None = None,
        negative: str | None = None,
        shift: int = 0,
        shift_join: str = "max",
        power: float = 1.0,
        balance: bool = False,
        dtype: str = "bfloat16",
        n_statistics: int = 10_000,
        batch_size: int | None = None,
        device: str | torch.device | None = None,
    ) -> None:
        self.discriminator = discriminator
        self.grid = grid
        self.layers = layers
        self.reflection = reflection
        self.negative = negative
        self.shift = shift
        self.shift_join = shift_join
        self.power = power
        self.balance = balance
        self.dtype = dtype
        self.n_statistics = n_statistics
        self.batch_size = batch_size
        self.device = device

    def fit(self, images: Images, y: object = None) -> Self:
        """Re-estimate the batch-norm statistics on `images`, uint8 (n, size, size, channels). `y` is ignored.

        Raises ValueError for parameters or images that do not suit the network, InputError for unusable weights.
        """
        check_choice("dtype", self.dtype, list(DTYPES))
        for name in ("reflection", "negative"):
            if getattr(self, name) is not None:
                check_choice(name, getattr(self, name), REFLECTIONS)
        check_choice("shift_join", self.shift_join, REFLECTIONS)
        check_counts(
            grid=self.grid,
            n_statistics=self.n_statistics,
            **({} if self.batch_size is None else {"batch_size": self.batch_size}),
        )
        check_pixels(shift=self.shift)
        if not isinstance(self.power, int | float) or not 0 < self.power <= 1:
            raise ValueError(f"power={self.power!r} must be a number above 0 and at most 1")
        images = check_images(images)
        network = self._network()
        spec = network.spec
        self._check_images_suit(images, spec)
        self.layers_ = self._chosen_layers(spec)
        device = choose_device(self.device, self.dtype)
        network = network.to(device)
        sample = evenly_spaced(images, self.n_statistics)
        reestimate_batch_statistics(network, sample, device=device, dtype=DTYPES[self.dtype])
        self.convolutions_ = fold_normalisation(network)[: max(self.layers_) + 1]
        for index, layer in enumerate(self.convolutions_):
            if not (torch.isfinite(layer.weight).all() and torch.isfinite(layer.bias).all()):  # type: ignore[arg-type]
                raise InputError(
                    f"the discriminator's weights or batch statistics of layer {index} are not finite; "
                    "use a checkpoint from before the training diverged"
                )
            layer.to(DTYPES[self.dtype]).to(memory_format=torch.channels_last)
        self.scales_: Tensor | None = None
        maps = sum(spec.discriminator[index].maps for index in self.layers_)
        self._fitted(images, maps * self.grid**2, self.dtype)
        if self.balance:
            self.scales_ = self._balancing_scales(images, spec)
        return self

    def _balancing_scales(self, images: Images, spec: NetworkSpec) -> Tensor:
        """What makes the layers' total variances their mean; 1 for a layer that is the same for all images."""
        features = self.transform_tensor(evenly_spaced(images, _BALANCED))
        widths = [spec.discriminator[index].maps * self.grid**2 for index in self.layers_]
        variances = torch.stack(
            [torch.var(own.float(), 0, correction=0).sum() for own in torch.split(features, widths, dim=1)]
        )
        return torch.where(variances > 0, (variances.mean() / variances).sqrt(), 1.0)

    def fingerprint(self) -> dict[str, Any]:
        """What decides the features, for the feature store: parameters, with the weights in place of a path."""
        return {**self.get_params(deep=False), "discriminator": self._network()}

    def _network(self) -> Discriminator:
        """A copy of the network that may be changed."""
        if isinstance(self.discriminator, Discriminator):
            return copy.deepcopy(self.discriminator).eval()
        if isinstance(self.discriminator, str | Path):
            return load_weights(find_weights(self.discriminator)).discriminator.eval()
        raise ValueError(
            "discriminator must be a gan.networks.Discriminator, the path of saved weights or a name of shipped ones, "
            f"not {type(self.discriminator).__name__}"
        )

    def _check_images_suit(self, images: Images, spec: NetworkSpec) -> None:
        wanted = (spec.image_size, spec.image_size, spec.channels)
        if images.shape[1:] != wanted:
            raise ValueError(f"the network {spec.name} takes images of {wanted}, not {images.shape[1:]}")
        if self.shift >= spec.image_size:
            raise ValueError(f"shift={self.shift} moves images of {spec.image_size} pixels out of sight")

    def _chosen_layers(self, spec: NetworkSpec) -> list[int]:
        sizes = spec.map_sizes()
        layers = list(range(len(sizes))) if self.layers is None else list(self.layers)
        if not layers or len(set(layers)) < len(layers) or any(index not in range(len(sizes)) for index in layers):
            raise ValueError(
                f"layers={self.layers!r} must be different indices of the network's layers, 0 to {len(sizes) - 1}"
            )
        for index in layers:
            if self.grid > sizes[index]:
                raise ValueError(
                    f"grid={self.grid} is finer than layer {index}'s maps, which are {sizes[index]}x{sizes[index]}"
                )
        return layers

    def _block_size(self) -> int:
        on_cuda = self.convolutions_[0].weight.is_cuda
        return self.batch_size or (_CUDA_BATCH if on_cuda else _CPU_BATCH)

    def _transform_block(self, images: Images) -> Tensor:
        device = self.convolutions_[0].weight.device
        pixels = send(as_tensor(images), device)
        with float32_convolutions(device):
            pooled = self._of_shifts(pixels)
            if self.reflection is not None:
                pooled = _joined(pooled, self._of_shifts(pixels.flip(2)), self.reflection)
        if self.power != 1:
            pooled = [signed_power(layer, self.power) for layer in pooled]
        if self.scales_ is not None:
            pooled = [layer * scale for layer, scale in zip(pooled, self.scales_.tolist(), strict=True)]
        return torch.cat(pooled, dim=1)

    def _of_shifts(self, pixels: Tensor) -> list[Tensor]:
        """What `_of_negatives` gives for the images, where `shift` says so joined with that for them moved."""
        pooled = self._of_negatives(pixels)
        if self.shift:
            moves = ((-1, 0), (1, 0), (0, -1), (0, 1))
            moved = [self._of_negatives(move(pixels, down * self.shift, right * self.shift)) for down, right in moves]
            if self.shift_join == "mean":
                pooled = [torch.stack(views).mean(0) for views in zip(pooled, *moved, strict=True)]
            else:
                for one in moved:
                    pooled = _joined(pooled, one, "max")
        return pooled

    def _of_negatives(self, pixels: Tensor) -> list[Tensor]:
        """What `_pooled` gives for the images, where these are wanted joined with that for their negatives."""
        pooled = self._pooled(pixels)
        return pooled if self.negative is None else _joined(pooled, self._pooled(255 - pixels), self.negative)

    def layer_maps(self, images: Images) -> list[Tensor]:
        """The chosen layers' rectified maps before pooling, (n, maps, height, width) each.

        images : uint8 (n, size, size, channels), few enough for all of their maps to fit in memory.
        """
        device = self.convolutions_[0].weight.device
        with torch.inference_mode(), float32_convolutions(device):
            maps = list(self._rectified(send(as_tensor(images), device)))
        return [maps[index] for index in self.layers_]

    def _pooled(self, pixels: Tensor) -> list[Tensor]:
        """The chosen layers' maps, pooled, (n, maps * grid^2) each, of pixels uint8 (n, size, size, channels)."""
        pooled: dict[int, Tensor] = {}
        if pixels.is_cuda:
            hidden = scale_images(pixels).to(self.convolutions_[0].weight.dtype)
            for index, convolution in enumerate(self.convolutions_):
                hidden, pooled[index] = self._on_gpu(convolution, hidden)
        else:
            for index, maps in enumerate(self._rectified(pixels)):
                if index in self.layers_:
                    pooled[index] = pool_to_grid(maps, self.grid).flatten(1)
        return [pooled[index] for index in self.layers_]

    def _rectified(self, pixels: Tensor) -> Iterator[Tensor]:
        """Each layer's maps in turn, the first layer's first."""
        hidden = scale_images(pixels).to(self.convolutions_[0].weight.dtype)
        for convolution in self.convolutions_:
            hidden = functional.leaky_relu_(convolution(hidden), LEAK)
            yield hidden

    def _on_gpu(self, convolution: nn.Conv2d, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """A layer's rectified maps, and these pooled, (n, maps * grid^2)."""
        bias = convolution.bias
        assert bias is not None  # as folded
        maps = functional.conv2d(hidden, convolution.weight, None, convolution.stride, convolution.padding)
        if can_fuse(maps, self.grid):
            from dcgan_features.features.discriminator.fused import rectify_and_pool  # needs Triton

            return maps, rectify_and_pool(maps, bias, LEAK, self.grid)
        maps = functional.leaky_relu_(maps.add_(bias[:, None, None]), LEAK)
        return maps, pool_to_grid(maps, self.grid).flatten(1)


def _joined(pooled: list[Tensor], others: list[Tensor], how: str) -> list[Tensor]:
    """Layer by layer the larger of two views' features, or their mean."""
    return [join_reflection(*pair, how) for pair in zip(pooled, others, strict=True)]


@known_as("features.discriminator.RandomDiscriminator")
class RandomDiscriminator(DiscriminatorFeatures):
    """The control: the same network untrained, its weights N(0, 0.02) drawn from `seed`.

    It learns from the fit images what `DiscriminatorFeatures` does.

    Parameters
    ----------
    network : str or NetworkSpec, default "svhn-32"
        The name of a specification in `gan.spec.SPECS`, or a specification.
    seed : int, default 0
        Of the weights.

    The other parameters are those of `DiscriminatorFeatures`.

    Examples
    --------
    >>> import numpy as np
    >>> from dcgan_features.features import RandomDiscriminator
    >>> images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    >>> RandomDiscriminator("svhn-32", seed=1).fit_transform(images).shape
    (4, 7168)
    """

    def __init__(
        self,
        network: str | NetworkSpec = "svhn-32",
        seed: int = 0,
        grid: int = 4,
        layers: Sequence[int] | None = None,
        reflection: str | None = None,
        negative: str | None = None,
        shift: int = 0,
        shift_join: str = "max",
        power: float = 1.0,
        balance: bool = False,
        dtype: str = "bfloat16",
        n_statistics: int = 10_000,
        batch_size: int | None = None,
        device: str | torch.device | None = None,
    ) -> None:
        self.network = network
        self.seed = seed
        self.grid = grid
        self.layers = layers
        self.reflection = reflection
        self.negative = negative
        self.shift = shift
        self.shift_join = shift_join
        self.power = power
        self.balance = balance
        self.dtype = dtype
        self.n_statistics = n_statistics
        self.batch_size = batch_size
        self.device = device

    def fingerprint(self) -> dict[str, Any]:
        """What decides the features, for the feature store."""
        return {**self.get_params(deep=False), "network": self._network()}

    def _network(self) -> Discriminator:
        if isinstance(self.network, NetworkSpec):
            spec = self.network
        elif self.network in SPECS:
            spec = SPECS[self.network]
        else:
            raise ValueError(str(unknown_name("network", str(self.network), SPECS)))
        return Discriminator(spec, torch.Generator().manual_seed(self.seed)).eval()
