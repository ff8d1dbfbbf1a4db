"""Errors of other people's code are told by their file and line, ours are not."""

import importlib.util

import pytest

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import home_path, sha256_file
from dcgan_features.data.utils.foreign import blame, place_of


def error_of(tmp_path, code):
    (tmp_path / "mine.py").write_text(f"def work():\n    {code}\n")
    found = importlib.util.spec_from_file_location("mine", tmp_path / "mine.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    with pytest.raises(BaseException) as raised:  # noqa: PT011 (of every kind)
        module.work()
    return raised.value.with_traceback(raised.tb.tb_next)  # without the call in this file


@pytest.mark.parametrize(("code", "sentence"), [
    ("assert 3 == 4, 'images of 64x64'", "mine.py line 2: AssertionError: images of 64x64; mend it"),
    ("assert 3 == 4", "mine.py line 2: AssertionError; mend it"),
    ("import sys; sys.exit(0)", "mine.py line 2 ends the program (SystemExit: 0); have it raise an error or return"),
    ("import json; json.loads('{')", "mine.py line 2: JSONDecodeError"),
    ("raise ValueError('a\\x1b[2J\\nb')", r"mine.py line 2: ValueError: a\x1b[2J b; mend it"),
])  # fmt: skip
def test_their_line_is_named(tmp_path, code, sentence):
    said = blame(error_of(tmp_path, code))
    assert said is not None
    assert sentence in said
    assert "\n" not in said


def test_our_own_lines_are_not_blamed(tmp_path):
    with pytest.raises(InputError) as raised:
        sha256_file(tmp_path / "none")
    assert place_of(raised.value.with_traceback(raised.tb.tb_next)) is None
    assert blame(raised.value) is None
    assert home_path("a", "b").name == "a"
