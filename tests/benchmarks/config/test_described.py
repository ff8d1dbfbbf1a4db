import pytest

from dcgan_features.benchmarks.config.described import full_settings, is_seeded, units_of, views_of


def measurement(name, weights=None, **settings):
    return {"extractor": {"name": name, "settings": settings}, "weights": weights}


@pytest.mark.parametrize(("described", "units"), [
    (measurement("KMeansFeatures"), 4800),
    (measurement("KMeansFeatures", n_units=1600), 1600),
    (measurement("LayeredKMeansFeatures"), 3200),
    (measurement("LayeredKMeansFeatures", n_units=[40, 50, 60]), 60),
    (measurement("RandomDiscriminator"), 256),
    (measurement("DiscriminatorFeatures", {"file": "x", "network": "paper-32"}), 512),
    (measurement("DiscriminatorFeatures", {"train": {"recipe": {"network": "svhn-32"}}}), 256),
    (measurement("ExemplarCNNFeatures", {"kind": "exemplar-cnn", "network": "large"}), 1024),
    (measurement("ExemplarCNNFeatures", {"kind": "exemplar-cnn", "train": {"recipe": {"network": "8c5-9c5-7f"}}}), 9),
    (measurement("PrincipalComponents"), 600),
    (measurement("RawPixels"), None),
    (measurement("gone.away:Class"), None),
])  # fmt: skip
def test_units_are_the_widest_layers(described, units):
    assert units_of(described) == units


def test_views_are_counted():
    assert views_of(measurement("DiscriminatorFeatures")) == 1
    assert views_of(measurement("DiscriminatorFeatures", reflection="max")) == 2
    assert views_of(measurement("DiscriminatorFeatures", reflection="max", shift=2)) == 10
    assert views_of(measurement("ViewInvariantKMeansFeatures")) == 2  # by default with the flip
    assert views_of(measurement("RawPixels")) == 1
    assert views_of(measurement("ExemplarCNNFeatures", resize=96)) == 1
    inner = {"class": "ExemplarCNNFeatures", "resize": [64, 96]}
    assert views_of(measurement("ViewFeatures", extractor=inner)) == 4
    second = {"network": {"class": "DiscriminatorFeatures"}, "shifts": [[0, 0], [2, 2], [-2, -2]]}
    assert views_of(measurement("SecondOrderFeatures", **second)) == 6


def test_what_has_a_seed():
    assert is_seeded(measurement("KMeansFeatures"))
    assert is_seeded(measurement("DiscriminatorFeatures", {"file": "x"}))
    assert not is_seeded(measurement("RawPixels"))
    assert full_settings({"name": "RawPixels", "settings": {"low": 0.5}}) == {"low": 0.5}
