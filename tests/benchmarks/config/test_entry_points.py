"""Rows that other packages register, by distributions that are made for the tests."""

import sys
from typing import Any

import pytest

from dcgan_features.benchmarks.config.schema import load_table
from dcgan_features.data.utils.errors import InputError

PLUGIN = """
from pathlib import Path

ROWS = [{"name": "theirs", "title": "Theirs", "extractor": {"class": "plugin_of_tests:Theirs"}}]
ONE = ROWS[0]
FILE = Path(__file__).with_name("rows.yaml")
WRONG = 3
UNKNOWN = [{"name": "theirs", "title": "Theirs", "extracter": {}}]
TAKEN = [{"name": "pixels", "title": "Theirs"}]


class Theirs:
    def transform(self, images):
        return images.mean((1, 2))
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a distribution whose entry point for the table "tiny" leads to one of the plug-in's objects."""

    def make(leads_to, distribution="their-package", table="tiny"):
        folder = tmp_path / "site"
        about = folder / f"{distribution.replace('-', '_')}-1.2.dist-info"
        about.mkdir(parents=True)
        (folder / "plugin_of_tests.py").write_text(PLUGIN)
        (folder / "rows.yaml").write_text(
            "rows:\n  - {name: theirs, title: Theirs, extractor: {class: DiscriminatorFeatures},"
            " weights: {file: nets/w.safetensors}}\n"
        )
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        (about / "entry_points.txt").write_text(f"[dcgan_features.rows]\n{table} = {leads_to}\n")
        monkeypatch.syspath_prepend(folder)
        monkeypatch.delitem(sys.modules, "plugin_of_tests", raising=False)
        return folder

    return make


def names(path):
    return [row.name for row in load_table(path).rows]


@pytest.mark.parametrize("leads_to", ["plugin_of_tests:ROWS", "plugin_of_tests:ONE", "plugin_of_tests:FILE"])
def test_registered_rows_follow_the_tables_own(make_table, install, leads_to):
    path = make_table()
    assert names(path) == ["means", "pixels", "absent"]
    folder = install(leads_to)
    assert names(path) == ["means", "pixels", "absent", "theirs"]
    if leads_to.endswith("FILE"):
        weights: Any = load_table(path).rows[-1].weights
        assert weights.file == str(folder / "nets" / "w.safetensors")


def test_rows_of_other_tables_stay_there(make_table, install):
    install("plugin_of_tests:ROWS", table="other")
    assert names(make_table()) == ["means", "pixels", "absent"]


def test_a_registered_row_is_measured_like_any_other(make_table, install, cli):
    install("plugin_of_tests:ROWS")
    code, out, _ = cli("--table", make_table(), "--only", "theirs")
    assert code == 0
    assert "Theirs" in out


@pytest.mark.parametrize(("leads_to", "sentence"), [
    ("plugin_of_tests:WRONG", "plugin_of_tests:WRONG of their-package 1.2 leads to a int; give a mapping"),
    ("plugin_of_tests:NONE", r"cannot be loaded \(AttributeError: .*mend or uninstall"),
    ("nowhere_at_all:ROWS", r"of their-package 1.2 cannot be loaded \(ModuleNotFoundError"),
    ("plugin_of_tests:UNKNOWN", "unknown key 'extracter' in .*with the rows of .*their-package 1.2.*'extractor'"),
    ("plugin_of_tests:TAKEN", "with the rows of .*their-package 1.2: two rows are named 'pixels'"),
])  # fmt: skip
def test_what_a_package_cannot_register(make_table, install, leads_to, sentence):
    path = make_table()
    install(leads_to)
    with pytest.raises(InputError, match=sentence) as raised:
        load_table(path)
    assert "\n" not in str(raised.value)
