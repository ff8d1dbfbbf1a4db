"""Everything that turns images into vectors without labels, and the store that keeps the vectors.

An extractor is a scikit-learn transformer: `fit(images)`, then `transform(images) -> (n, d)`, on uint8 images
(n, height, width, channels). Nothing in this package takes a label.
"""

from typing import TYPE_CHECKING

from dcgan_features.data.utils.lazy import exports_of

if TYPE_CHECKING:
    from dcgan_features.features.autoencoder.variational import VariationalFeatures
    from dcgan_features.features.base import Extractor
    from dcgan_features.features.cache.store import FeatureStore
    from dcgan_features.features.contrast import ContrastFeatures
    from dcgan_features.features.discriminator.extractor import DiscriminatorFeatures, RandomDiscriminator
    from dcgan_features.features.discriminator.second_order import SecondOrderFeatures
    from dcgan_features.features.exemplar.extractor import ExemplarCNNFeatures
    from dcgan_features.features.kmeans.layered import LayeredKMeansFeatures
    from dcgan_features.features.kmeans.single_layer import KMeansFeatures
    from dcgan_features.features.kmeans.view_invariant import ViewInvariantKMeansFeatures
    from dcgan_features.features.pca import PrincipalComponents
    from dcgan_features.features.pretrained import TimmFeatures, TorchvisionFeatures
    from dcgan_features.features.raw_pixels import RawPixels
    from dcgan_features.features.video.extractor import ClipFeatures
    from dcgan_features.features.views import ViewFeatures
    from dcgan_features.features.wrappers import TorchModuleFeatures, TransformerFeatures, as_extractor
else:
    __getattr__, __dir__ = exports_of(__name__, __file__)

__all__ = [
    "ClipFeatures",
    "ContrastFeatures",
    "DiscriminatorFeatures",
    "ExemplarCNNFeatures",
    "Extractor",
    "FeatureStore",
    "KMeansFeatures",
    "LayeredKMeansFeatures",
    "PrincipalComponents",
    "RandomDiscriminator",
    "RawPixels",
    "SecondOrderFeatures",
    "TimmFeatures",
    "TorchModuleFeatures",
    "TorchvisionFeatures",
    "TransformerFeatures",
    "VariationalFeatures",
    "ViewFeatures",
    "ViewInvariantKMeansFeatures",
    "as_extractor",
]
