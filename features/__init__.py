"""Everything that turns images into vectors without labels, and the store that keeps the vectors.

An extractor is a scikit-learn transformer: `fit(images)`, then `transform(images) -> (n, d)`, on uint8 images
(n, height, width, channels). Nothing in this package takes a label.
"""

from features.adapter import TorchModuleFeatures, TransformerFeatures, as_extractor
from features.base import Extractor
from features.discriminator import DiscriminatorFeatures, RandomDiscriminator
from features.exemplar.extractor import ExemplarCNNFeatures
from features.kmeans import KMeansFeatures
from features.layered_kmeans import LayeredKMeansFeatures
from features.pretrained import TimmFeatures, TorchvisionFeatures
from features.principal import PrincipalComponents
from features.raw_pixels import RawPixels
from features.store import FeatureStore
from features.variational import VariationalFeatures
from features.view_invariant import ViewInvariantKMeansFeatures

__all__ = [
    "DiscriminatorFeatures",
    "ExemplarCNNFeatures",
    "Extractor",
    "FeatureStore",
    "KMeansFeatures",
    "LayeredKMeansFeatures",
    "PrincipalComponents",
    "RandomDiscriminator",
    "RawPixels",
    "TimmFeatures",
    "TorchModuleFeatures",
    "TorchvisionFeatures",
    "TransformerFeatures",
    "VariationalFeatures",
    "ViewInvariantKMeansFeatures",
    "as_extractor",
]
