from typing import Any, get_args

import pytest
import yaml

from dcgan_features.benchmarks.config.schema import Component, Group, Protocol, Table, load_table
from dcgan_features.data.utils.errors import InputError

DATA: dict[str, Any] = {"dataset": {"source": "stand-in"}, "protocols": {"all-labels": {}}}


def measured(table: Table, row: int, preset: str = "quick") -> Any:
    return table.rows[row].measurement(preset, table.classifier)


def test_the_published_rows_of_cifar10_in_the_papers_order():
    """As printed, but for the Exemplar CNN: 77.4 with 400 labels a class is that of the one with clustered classes."""
    rows = load_table("cifar10").rows
    printed = [
        (row.name, {name: (figure.value, figure.pm) for name, figure in row.published.items()})
        for row in rows
        if row.published
    ]
    assert printed == [
        ("kmeans-1-layer", {"all-labels": (80.6, None), "400-per-class": (63.7, 0.7)}),
        ("kmeans-3-layer", {"all-labels": (82.0, None), "400-per-class": (70.7, 0.7)}),
        ("kmeans-view-invariant", {"all-labels": (81.9, None), "400-per-class": (72.6, 0.7)}),
        ("exemplar-cnn", {"all-labels": (84.3, None), "400-per-class": (76.6, 0.2)}),
        ("exemplar-cnn-clustered", {"400-per-class": (77.4, 0.2)}),
        ("dcgan", {"all-labels": (82.8, None), "400-per-class": (73.8, 0.4)}),
    ]
    weights = measured(load_table("cifar10"), [row.name for row in rows].index("dcgan"), "default").weights
    assert (weights.file, weights.network) == ("paper-32", "paper-32")  # the paper's network, not the small one


@pytest.mark.parametrize("name", ["cifar10", "svhn", "mnist", "reference"])
def test_the_rows_of_the_shipped_tables_read_as_tables_should(name):
    table = load_table(name)
    titles = [row.title for row in table.rows]
    assert max(map(len, titles)) <= 40
    assert len(set(titles)) == len(titles)
    order = [*get_args(Group), None]
    groups = [order.index(row.group) for row in table.rows]
    if name == "cifar10":
        # The preset `controls` brings its own rows of each group, after all others.
        further = [row.measured_in == ["controls"] for row in table.rows]
        assert further == sorted(further)
        assert groups[: further.index(True)] == sorted(groups[: further.index(True)])
        assert None not in {row.group for row in table.rows}
    for row in table.rows:
        assert (row.group == "published") == bool(row.published) or row.group is None
        assert row.control != row.name


def test_names_of_an_earlier_release_are_understood_with_a_note(make_table, capsys):
    row = {"name": "a", "title": "A", "extractor": {"class": "RawPixels"}}
    renamed = {"presets": {"old": "quick"}, "rows": {"b": "a"}}
    table = load_table(make_table(rows=[row], renamed=renamed))
    assert table.preset("old")[0] == "quick"
    assert [found.name for found in table.chosen_rows(["b"])] == ["a"]
    said = capsys.readouterr().err
    assert "the preset old is called quick now" in said
    assert "the row b is called a now" in said
    with pytest.raises(InputError, match=r"unknown row 'c' in .*renamed"):
        load_table(make_table(rows=[row], renamed={"rows": {"b": "c"}}))


def test_the_default_preset_is_the_one_called_so_or_the_first(make_table):
    assert load_table(make_table(presets={"one": DATA, "two": DATA})).preset(None)[0] == "one"
    assert load_table(make_table(presets={"one": DATA, "default": DATA})).preset(None)[0] == "default"


@pytest.mark.parametrize("preset", ["demo", "default", "from-scratch"])
def test_control_and_dcgan_share_network_and_classifier(preset):
    table = load_table("cifar10")
    rows = {row.name: measured(table, index, preset) for index, row in enumerate(table.rows)}
    weights = rows["dcgan"].weights
    network = weights.network or weights.train.recipe["network"]
    assert (network == "paper-32") == (preset != "demo")
    assert rows["random-dcgan"].extractor.settings["network"] == network
    assert rows["random-dcgan"].classifier == rows["dcgan"].classifier


def test_protocols_of_the_presets():
    table = load_table("cifar10")
    found = table.protocols_of("default")
    assert found["all-labels"].holdout == 10_000
    drawn = found["400-per-class"]
    assert (drawn.per_class, drawn.draws, drawn.folds) == (400, 10, 5)
    assert table.protocols_of("demo")["all-labels"].holdout == 800
    assert table.presets["demo"].dataset.source == "stand-in"
    assert {table.presets[name].dataset.source for name in ("default", "small", "from-scratch")} == {"cifar10"}
    assert table.preset(None)[0] == "default"
    assert (table.preset("quick")[0], table.preset("paper")[0]) == ("default", "from-scratch")  # as in 0.1.0


def test_numbers_without_a_point_are_numbers(make_table):
    path = make_table(classifier={"class": "L2SVMCV", "Cs": "CS"})
    path.write_text(path.read_text().replace("CS", "[1e-4, 2.5E+3, .5e1, 1_000, 1e]"))
    assert load_table(path).classifier.settings["Cs"] == [1e-4, 2500.0, 5.0, 1000, "1e"]


def test_presets_replace_settings_and_add_deviations(make_table):
    base = {"class": "KMeansFeatures", "n_units": 9, "alpha": 0.5}
    row: dict[str, Any] = {
        "name": "a", "title": "A", "extractor": base, "deviations": ["one"],
        "presets": {"quick": {"extractor": {"class": "KMeansFeatures", "n_units": 3}, "deviations": ["two"]}},
    }  # fmt: skip
    table = load_table(make_table(rows=[row]))
    got = measured(table, 0)
    assert got.extractor == Component(name="KMeansFeatures", settings={"n_units": 3, "alpha": 0.5})
    assert got.deviations == ["one", "two"]
    row["presets"]["quick"]["extractor"] = {"class": "RawPixels"}
    other = measured(load_table(make_table(rows=[row])), 0)
    assert other.extractor == Component(name="RawPixels")


def test_a_row_may_be_measured_in_some_presets_only(make_table):
    row: dict[str, Any] = {
        "name": "a", "title": "A", "deviations": ["one"], "presets": {"large": {"extractor": {"class": "RawPixels"}}},
    }  # fmt: skip
    table = load_table(make_table(rows=[row], presets={"small": DATA, "large": DATA}))
    assert measured(table, 0, "small") is None
    assert measured(table, 0, "large").extractor == Component(name="RawPixels")
    assert measured(table, 0, "large").deviations == ["one"]
    row = {"name": "a", "title": "A", "extractor": {"class": "RawPixels"}, "measured_in": ["large"]}
    table = load_table(make_table(rows=[row], presets={"small": DATA, "large": DATA}))
    assert measured(table, 0, "small") is None
    assert measured(table, 0, "large").extractor == Component(name="RawPixels")


def test_hold_outs_are_possible_with_drawn_labels_and_folds_with_few():
    def protocol(**keys):
        return Protocol(title="x", **keys)

    assert protocol(per_class=1000, draws=3, holdout=2000).holdout == 2000
    assert protocol(per_class=3, holdout=5).folds == 5  # not used
    assert protocol(per_class=3, folds=3).folds == 3
    assert protocol(per_class=1).per_class == 1  # for classifiers that choose nothing


@pytest.mark.parametrize(("change", "sentence"), [
    ({"titel": "x"}, r"unknown key 'titel' in .*tiny.yaml, the table: did you mean 'title'"),
    ({"rows": [{"name": "a", "title": "A", "extracter": {}}]}, "unknown key 'extracter' .*a row.*'extractor'"),
    ({"protocols": {"x": {"title": "x", "per_clas": 3}}}, "unknown key 'per_clas' .*a protocol.*'per_class'"),
    ({"rows": [{"name": "a", "title": "A", "published": {"all-lables": {"value": 3}}}]}, "did you mean 'all-labels'"),
    ({"rows": [{"name": "a", "title": "A", "published": {"all-labels": {"value": 300}}}]}, "less than or equal to 100"),
    ({"rows": [{"name": "a", "title": "A", "presets": {"quik": {}}}]}, "unknown preset 'quik'.*'quick'"),
    ({"rows": [{"name": "a", "title": "A"}, {"name": "a", "title": "B"}]}, "two rows are named 'a'"),
    ({"rows": []}, "rows: list should have at least 1 item"),
    ({"rows": [{"name": "a", "title": "A", "extractor": {"n_units": 3}}]}, "must be a mapping with the key 'class'"),
    ({"rows": [{"name": "../a", "title": "A"}]}, "rows.0.name: string should match pattern"),
    ({"presets": {}}, "there is no preset"),
    ({"presets": {"p": {"dataset": {"source": "stand-in"}, "protocols": {"all": {}}}}}, "unknown protocol 'all'"),
    ({"presets": {"p": {"dataset": {"source": "stand-in"}, "protocols": {"all-labels": {"foldz": 3}}}}}, "'folds'"),
    ({"protocols": {"x": {"title": "x", "draws": 3}}}, "'draws' goes with 'per_class'"),
    ({"protocols": {"x": {"title": "x", "per_class": 3}}}, "5 folds cannot be made of 3 labels a class; .* 2 to 3"),
    ({"presets": {"p": {**DATA, "curve": ["all-lables"]}}}, "unknown protocol 'all-lables' in .*a curve.*'all-labels'"),
    ({"presets": {"p": {**DATA, "curve": ["all-labels"] * 2}}}, "a curve names 'all-labels' twice"),
    ({"rows": [{"name": "a", "title": "A", "weights": {}}]}, "give either 'file' or 'train'"),
])  # fmt: skip
def test_what_a_table_cannot_say(make_table, change, sentence):
    with pytest.raises(InputError, match=sentence) as raised:
        load_table(make_table(**change))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("content", "sentence"), [("a: [", "is not YAML"), ("just words", "holds no 'key: value'")])
def test_files_that_are_no_tables(tmp_path, content, sentence):
    path = tmp_path / "t.yaml"
    path.write_text(content)
    with pytest.raises(InputError, match=sentence):
        load_table(path)
    with pytest.raises(InputError, match="cannot read the table"):
        load_table(tmp_path / "absent.yaml")
    with pytest.raises(InputError, match=r"unknown table 'cifar11'.*'cifar10'"):
        load_table("cifar11")


def test_the_shipped_table_survives_a_round_trip():
    table = load_table("cifar10")
    assert Table.model_validate(yaml.safe_load(table.model_dump_json(exclude_unset=True))) == table


def test_rows_are_chosen_by_name_group_and_pattern():
    table = load_table("cifar10")
    names = [row.name for row in table.rows]

    def chosen(*only):
        return [row.name for row in table.chosen_rows(list(only))]

    assert chosen() == names
    assert chosen("dcgan") == ["dcgan"]  # a row, not a pattern of the others
    assert chosen("dcgan*", "raw-pixels") == [
        name for name in names if name.startswith("dcgan") or name == "raw-pixels"
    ]
    assert chosen("published") == [row.name for row in table.rows if row.group == "published"]
    baselines = chosen("baselines")
    assert {"kmeans-1-layer", "kmeans-3-layer", "exemplar-cnn", "raw-pixels", "random-dcgan"} <= set(baselines)
    assert not {"dcgan", "dcgan-small", "second-order-rotations"} & set(baselines)
    with pytest.raises(InputError, match="did you mean 'baselines'"):
        chosen("baseline")
    with pytest.raises(InputError, match="unknown row 'x\\*'"):
        chosen("x*")
