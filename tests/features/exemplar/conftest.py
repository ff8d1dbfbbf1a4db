import pytest

from dcgan_features.features.exemplar import training


@pytest.fixture(autouse=True)
def few_samples_for_the_scale(monkeypatch):
    """Nearly all the time of making a tiny training goes into the mean and deviation of its pixels."""
    monkeypatch.setattr(training, "_SCALE_SAMPLES", 128)
