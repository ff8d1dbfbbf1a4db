"""Generator and discriminator: their shapes, training, and weights on disk."""

from gan.checkpoint import LoadedNetworks, load_weights, save_weights
from gan.networks import Discriminator, Generator, draw_latent, scale_images, unscale_images
from gan.samples import sample_grid
from gan.spec import SPECS, Convolution, NetworkSpec
from gan.statistics import reestimate_batch_statistics
from gan.theano import load_theano

__all__ = [
    "SPECS",
    "Convolution",
    "Discriminator",
    "Generator",
    "LoadedNetworks",
    "NetworkSpec",
    "draw_latent",
    "load_theano",
    "load_weights",
    "reestimate_batch_statistics",
    "sample_grid",
    "save_weights",
    "scale_images",
    "unscale_images",
]
