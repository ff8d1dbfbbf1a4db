"""The networks as data: what each convolution of a generator and a discriminator looks like."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from dcgan_features.data.utils.identity import known_as


@known_as("gan.spec.Convolution")
@dataclass(frozen=True)
class Convolution:
    """One convolution layer: `maps` output channels, a square `kernel`, and its `stride`.

    Padding is (kernel - 1) / 2, so that a stride of 1 keeps the size and a stride of 2 halves it (or, in the
    generator, doubles it).
    """

    maps: int
    kernel: int
    stride: int


_CHOICES = {
    "discriminator_normalisation": ("batch", "spectral", "none"),
    "generator_normalisation": ("batch", "none"),
    "generator_upsampling": ("transposed", "resize"),
}


@known_as("gan.spec.NetworkSpec")
@dataclass(frozen=True)
class NetworkSpec:
    """A DCGAN: a discriminator, a generator and the latent space between them.

    image_size : height and width of the images, in pixels.
    channels : colour channels of the images.
    latent_size : dimensions of z.
    latent : "uniform" for U(-1, 1), "normal" for N(0, 1), each dimension alone.
    discriminator : its convolutions, from the image on; the last maps are flattened into one logit.
    generator_start : (maps, height, width) into which z is projected.
    generator : its transposed convolutions; the last one makes the image.
    logit : whether the discriminator ends in its logit; False where only its leading layers are known.
    discriminator_normalisation : "batch" for batch normalisation of all its convolutions but the first; "spectral" for
        a shift for each map, and weights that are divided by their largest singular values in training; "none" for a
        shift for each map alone.
    generator_normalisation : "batch" for batch normalisation of all layers but the last; "none" for shifts of each map.
    generator_upsampling : "transposed" for transposed convolutions, as in the paper; "resize" for convolutions of maps
        whose pixels are repeated first where the stride is 2, which leave no checkerboard (Odena et al., Deconvolution
        and checkerboard artifacts, Distill 2016).
    """

    name: str
    image_size: int
    channels: int
    latent_size: int
    latent: str
    discriminator: tuple[Convolution, ...]
    generator_start: tuple[int, int, int]
    generator: tuple[Convolution, ...]
    logit: bool = True
    discriminator_normalisation: Literal["batch", "spectral", "none"] = "batch"
    generator_normalisation: Literal["batch", "none"] = "batch"
    generator_upsampling: Literal["transposed", "resize"] = "transposed"

    def __post_init__(self) -> None:
        """Raise ValueError for a normalisation or a way of upsampling that there is none of."""
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                listed = ", ".join(f"'{choice}'" for choice in known[:-1])
                raise ValueError(f"{name} must be {listed} or '{known[-1]}', not {getattr(self, name)!r}")

    def map_sizes(self) -> list[int]:
        """Height (= width) of the maps after each discriminator convolution."""
        sizes, size = [], self.image_size
        for layer in self.discriminator:
            size = -(-size // layer.stride)
            sizes.append(size)
        return sizes

    def feature_count(self, grid: int = 4) -> int:
        """Length of the feature vector when every layer is pooled to a grid x grid of cells."""
        return sum(layer.maps for layer in self.discriminator) * grid * grid

    def truncated(self, layers: int) -> NetworkSpec:
        """The same network with only the first `layers` convolutions of its discriminator, and no logit."""
        name = f"{self.name}-first-{layers}"
        return replace(self, name=name, discriminator=self.discriminator[:layers], logit=False)

    def with_latent(self, size: int | None = None, latent: str | None = None) -> NetworkSpec:
        """The same network with another latent space, which its name then tells; None leaves size or kind as it is."""
        size, latent = size or self.latent_size, latent or self.latent
        if (size, latent) == (self.latent_size, self.latent):
            return self
        return replace(self, name=f"{self.name}-z{size}-{latent}", latent_size=size, latent=latent)

    def to_dict(self) -> dict[str, Any]:
        """The specification as JSON-ready data; `from_dict` reverses it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> NetworkSpec:
        """Build a specification from what `to_dict` wrote. Fields amiss raise TypeError, KeyError or ValueError."""
        fields = dict(fields)
        for key in ("discriminator", "generator"):
            fields[key] = tuple(Convolution(**layer) for layer in fields[key])
        fields["generator_start"] = tuple(fields["generator_start"])
        return cls(**fields)


def _layers(kernel: int, maps: tuple[int, ...], strides: tuple[int, ...]) -> tuple[Convolution, ...]:
    return tuple(Convolution(count, kernel, stride) for count, stride in zip(maps, strides, strict=True))


# Radford, Metz & Chintala (2016), section 5.1; shapes from the authors' released ImageNet parameters.
PAPER_32 = NetworkSpec(
    name="paper-32",
    image_size=32,
    channels=3,
    latent_size=256,
    latent="uniform",
    discriminator=_layers(3, (128, 128, 256, 256, 512, 512), (1, 2, 1, 2, 1, 2)),
    generator_start=(512, 4, 4),
    generator=_layers(3, (512, 256, 256, 128, 128, 3), (2, 1, 2, 1, 2, 1)),
)

# With twice the maps everywhere: four times the work and the parameters.
PAPER_32_WIDE = replace(
    PAPER_32,
    name="paper-32-wide",
    discriminator=_layers(3, (256, 256, 512, 512, 1024, 1024), (1, 2, 1, 2, 1, 2)),
    generator_start=(1024, 4, 4),
    generator=_layers(3, (1024, 512, 512, 256, 256, 3), (2, 1, 2, 1, 2, 1)),
)

# With spectral normalisation in place of batch normalisation in the discriminator; see `gan.training.spectral_norm`.
PAPER_32_SPECTRAL = replace(PAPER_32, name="paper-32-spectral", discriminator_normalisation="spectral")

# Section 5.2; shapes and the Gaussian z from the authors' released SVHN parameters.
SVHN_32 = NetworkSpec(
    name="svhn-32",
    image_size=32,
    channels=3,
    latent_size=100,
    latent="normal",
    discriminator=_layers(5, (64, 128, 256), (2, 2, 2)),
    generator_start=(256, 4, 4),
    generator=_layers(5, (128, 64, 3), (2, 2, 2)),
)

# With a quarter of the maps, for studies of training itself: about a sixteenth of the work. Then without batch
# normalisation in the discriminator, or in both networks, and with spectral normalisation in its place.
SVHN_32_NARROW = replace(
    SVHN_32,
    name="svhn-32-narrow",
    discriminator=_layers(5, (16, 32, 64), (2, 2, 2)),
    generator_start=(64, 4, 4),
    generator=_layers(5, (32, 16, 3), (2, 2, 2)),
)
SVHN_32_NARROW_PLAIN = replace(SVHN_32_NARROW, name="svhn-32-narrow-plain", discriminator_normalisation="none")
SVHN_32_NARROW_BARE = replace(SVHN_32_NARROW_PLAIN, name="svhn-32-narrow-bare", generator_normalisation="none")
SVHN_32_QUARTER_SPECTRAL = replace(
    SVHN_32_NARROW, name="svhn-32-quarter-spectral", discriminator_normalisation="spectral"
)

# The same for one channel, as log-mel spectrograms have it (`features.audio`), with the uniform z of section 4.
SPECTROGRAM_32 = replace(
    SVHN_32,
    name="spectrogram-32",
    channels=1,
    latent="uniform",
    generator=_layers(5, (128, 64, 1), (2, 2, 2)),
)

# SVHN_32 with half of the maps and spectral normalisation: a quarter of the work, for studies that train many.
SVHN_32_NARROW_SPECTRAL = replace(
    SVHN_32,
    name="svhn-32-narrow-spectral",
    discriminator_normalisation="spectral",
    discriminator=_layers(5, (32, 64, 128), (2, 2, 2)),
    generator_start=(128, 4, 4),
    generator=_layers(5, (64, 32, 3), (2, 2, 2)),
)

# Section 4.1 and figure 1: the LSUN bedroom network.
LSUN_64 = NetworkSpec(
    name="lsun-64",
    image_size=64,
    channels=3,
    latent_size=100,
    latent="uniform",
    discriminator=_layers(5, (128, 256, 512, 1024), (2, 2, 2, 2)),
    generator_start=(1024, 4, 4),
    generator=_layers(5, (512, 256, 128, 3), (2, 2, 2, 2)),
)

# The same with 5/16 of the maps: a tenth of the work, and both networks fit a small file.
LSUN_64_NARROW = NetworkSpec(
    name="lsun-64-narrow",
    image_size=64,
    channels=3,
    latent_size=100,
    latent="uniform",
    discriminator=_layers(5, (40, 80, 160, 320), (2, 2, 2, 2)),
    generator_start=(320, 4, 4),
    generator=_layers(5, (160, 80, 40, 3), (2, 2, 2, 2)),
)

# And with resize-convolutions in the generator.
LSUN_64_NARROW_RESIZE = replace(LSUN_64_NARROW, name="lsun-64-narrow-resize", generator_upsampling="resize")

_NARROW = (SVHN_32_NARROW, SVHN_32_NARROW_PLAIN, SVHN_32_NARROW_BARE, SVHN_32_QUARTER_SPECTRAL)
SPECS: dict[str, NetworkSpec] = {
    spec.name: spec
    for spec in (
        *(PAPER_32, PAPER_32_WIDE, PAPER_32_SPECTRAL, SVHN_32, SPECTROGRAM_32),
        *(*_NARROW, SVHN_32_NARROW_SPECTRAL),
        *(LSUN_64, LSUN_64_NARROW, LSUN_64_NARROW_RESIZE),
    )
}
