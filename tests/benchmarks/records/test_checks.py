"""Figures of a result file follow from the predictions beside it, whatever its text says."""

import json

import pytest

from dcgan_features.benchmarks.records.reading import read_row
from dcgan_features.benchmarks.records.rows import read_outline
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import sealed
from tests.campaign.readers import measured_row


@pytest.fixture(params=["accuracy", "error"])
def result(tmp_path, request):
    measured_row(tmp_path, request.param)
    return tmp_path / "t" / "r.json"


def edited(path, change, seal):
    """The file with an edit, under a seal of its own or, as those of earlier versions, without one."""
    content = json.loads(path.read_text())
    del content["seal"]
    change(content["protocols"]["few"])
    path.write_text(json.dumps(sealed(content) if seal else content))


@pytest.mark.parametrize("figure", ["measured", "sd", "pm", "low", "high", "difference"])
def test_a_figure_that_does_not_follow_is_refused(result, figure):
    edited(result, lambda found: found.update({figure: found[figure] + 0.01}), seal=False)
    with pytest.raises(InputError, match=rf"r\.json was changed: the figure '{figure}' of few does not follow"):
        read_row(result)


def test_accuracies_that_are_not_those_of_the_predictions_are_refused(result):
    """All figures agree with one another, and none with what was predicted."""
    from dcgan_features.eval.protocols import NORMAL_QUANTILE, wilson_interval

    def change(found):
        value = 50.0
        low, high = wilson_interval(value, found["test_images"])
        found.update(values=[value] * 3, measured=value, sd=0.0, pm=NORMAL_QUANTILE * 0, low=low, high=high)
        found.update(difference=value - found["published"])

    edited(result, change, seal=True)
    with pytest.raises(InputError, match=r"do not follow from the predictions in r\.npz"):
        read_row(result)
    result.with_suffix(".npz").unlink()  # without them, figures that agree are shown
    assert read_row(result) is not None


def test_accuracies_of_no_number_of_images_and_none_at_all_are_refused(result):
    edited(result, lambda found: found.update(values=[50.1, 60, 70]), seal=False)
    with pytest.raises(InputError, match="the figure 'values' of few"):
        read_row(result)
    edited_path = result.read_text().replace("[50.1, 60, 70]", "[]")
    result.write_text(edited_path)
    with pytest.raises(InputError, match="damaged or of another version"):
        read_row(result)


def test_any_edit_under_a_seal_is_noticed(result):
    text = result.read_text()
    for before, after in (('"images"', '"pictures"'), ("1.5", "2.5"), ('"A row"', '"Another"')):
        assert before in text
        result.write_text(text.replace(before, after))
        with pytest.raises(InputError, match=r"r\.json is damaged or was changed since it was written"):
            read_row(result)


def test_a_result_under_another_name_is_refused(result):
    other = result.with_name("s.json")
    result.rename(other)
    with pytest.raises(InputError, match="it is the result of the row r of the table t"):
        read_row(other)


def test_a_table_with_other_keys_is_no_table(tmp_path):
    (tmp_path / "t.json").write_text('{"title": "", "lines": [], "outline": {}, "sean": ""}')
    with pytest.raises(InputError, match="is not a table of results"):
        read_outline(tmp_path / "t.json")
