import pytest

from dcgan_features.benchmarks.records.figures import interval, rounded, with_pm


def test_figures_are_rounded_once():
    assert rounded(0.4649) == "0.46"  # not 0.465 first, which would become 0.47
    assert rounded(81.4949, 1) == "81.5"
    assert rounded(1.304, sign=True) == "+1.30"
    assert rounded(-0.001) == "0.00"
    assert rounded(-0.001, sign=True) == "+0.00"
    assert interval(-1.26, 0.44, 1, sign=True) == "-1.3 to +0.4"


@pytest.mark.parametrize(
    ("value", "pm", "digits", "text"),
    [
        (2.4, 0.02, 1, "2.40 ±0.02"),
        (73.8, 0.4, 1, "73.8 ±0.4"),
        (50.0, 0.0, 1, "50.0 ±0.0"),
        (60.2149, 0.4649, 2, "60.21 ±0.46"),
    ],
)
def test_a_figure_with_its_spread(value, pm, digits, text):
    assert with_pm(value, pm, digits) == text
