"""Generator and discriminator: their shapes, training, and weights on disk."""

from typing import TYPE_CHECKING

from dcgan_features.data.utils.lazy import exports_of

if TYPE_CHECKING:
    from dcgan_features.gan.batch_norm import reestimate_batch_statistics
    from dcgan_features.gan.networks import Discriminator, Generator, draw_latent, scale_images, unscale_images
    from dcgan_features.gan.released_weights import convert_theano, load_theano
    from dcgan_features.gan.samples import sample_grid
    from dcgan_features.gan.spec import SPECS, Convolution, NetworkSpec
    from dcgan_features.gan.weights_file import LoadedNetworks, load_weights, save_weights
else:
    __getattr__, __dir__ = exports_of(__name__, __file__)

__all__ = [
    "SPECS",
    "Convolution",
    "Discriminator",
    "Generator",
    "LoadedNetworks",
    "NetworkSpec",
    "convert_theano",
    "draw_latent",
    "load_theano",
    "load_weights",
    "reestimate_batch_statistics",
    "sample_grid",
    "save_weights",
    "scale_images",
    "unscale_images",
]
