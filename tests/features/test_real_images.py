import os

import pytest
from sklearn.linear_model import RidgeClassifier

from dcgan_features.data.cifar10 import cifar10
from dcgan_features.features import KMeansFeatures, RawPixels

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not os.environ.get("DATA_ROOT"), reason="DATA_ROOT is not set, so there is no CIFAR-10 to read"),
]


@pytest.fixture(scope="module")
def training_images():
    """3,000 training images and their labels; the test images stay out of it."""
    dataset = cifar10(os.environ["DATA_ROOT"], download=False)
    assert dataset.train_labels is not None
    return dataset.train_images[:3000], dataset.train_labels[:3000]


def accuracy(extractor, images, labels):
    features = extractor.fit(images[:2000]).transform(images)
    return RidgeClassifier(alpha=100.0).fit(features[:2000], labels[:2000]).score(features[2000:], labels[2000:])


def test_dictionary_features_beat_pixels_by_far(training_images):
    kmeans = KMeansFeatures(n_units=200, n_patches=20_000, n_iter=5, n_standardise=1000)
    learnt = accuracy(kmeans, *training_images)
    assert kmeans.n_reseeded_ == 0
    assert learnt > accuracy(RawPixels(), *training_images) + 0.15
    assert learnt > 0.45
