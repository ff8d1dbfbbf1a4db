"""The examples in the docstrings of the most used public classes."""

import doctest

import pytest

from dcgan_features import eval, features, gan

CLASSES = [
    features.DiscriminatorFeatures,
    features.FeatureStore,
    features.KMeansFeatures,
    features.LayeredKMeansFeatures,
    features.PrincipalComponents,
    features.RandomDiscriminator,
    features.RawPixels,
    features.TorchModuleFeatures,
    eval.NearestNeighbours,
    eval.TSVM,
    gan.Discriminator,
    gan.Generator,
]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_examples_give_what_they_say(kind):
    (test,) = doctest.DocTestFinder(recurse=False).find(kind, kind.__name__, globs={})
    assert test.examples
    failures: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(test, out=failures.append)
    assert result.failed == 0, "".join(failures)
