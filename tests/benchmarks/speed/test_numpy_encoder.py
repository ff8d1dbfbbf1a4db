import numpy as np
import pytest

from dcgan_features.benchmarks.speed.numpy_encoder import NumpyEncoder
from dcgan_features.data.synthetic.stand_in import stand_in
from dcgan_features.features import KMeansFeatures


@pytest.mark.parametrize(("encoder", "algorithm"), [("threshold", "gain-shape"), ("triangle", "euclidean")])
def test_the_numpy_encoder_computes_the_same_features(encoder, algorithm):
    images = stand_in(n_train=60, n_test=1).train_images[:, :16, :16]
    extractor = KMeansFeatures(
        30, n_patches=1000, n_iter=2, encoder=encoder, algorithm=algorithm, standardise=False, dtype="float32"
    ).fit(images)
    features = extractor.transform(images[:7])
    np.testing.assert_allclose(NumpyEncoder(extractor).transform(images[:7]), features, rtol=1e-3, atol=1e-2)
