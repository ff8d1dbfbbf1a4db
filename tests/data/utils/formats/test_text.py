"""JSON and YAML: strict, bounded, and under a seal where this project wrote them."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import (
    opened,
    parse_json,
    parse_yaml,
    read_json,
    read_sealed,
    read_tensors,
    read_yaml,
    sealed,
    write_sealed,
)


@pytest.mark.parametrize(("text", "sentence"), [
    ("[" * 100_000, "nested more than"),
    ('{"a":' * 80 + "1" + "}" * 80, "nested more than 64"),
    ('{"a": 1, "b": 2, "a": 3}', "the key 'a' is given twice"),
    ("[1, NaN]", "NaN is no number"),
    ("[-Infinity]", "Infinity is no number"),
    ("[1e999]", "too large"),
    ("1" * 5000, "damaged"),
    ('["\\ud800"]', "half a character"),
    ("{", "damaged"),
    ("", "damaged"),
])  # fmt: skip
def test_what_is_no_json_is_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=rf"a\.json is damaged.*{sentence}|a\.json is damaged"):
        read_json(tmp_path / "a.json")
    with pytest.raises(InputError, match=sentence):
        parse_json(text, "it")


def test_json_that_is_no_text_or_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'{"a":\n "\xff"}')
    with pytest.raises(InputError, match=r"a\.json is not text in UTF-8, first in line 2"):
        read_json(tmp_path / "a.json")
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(InputError, match="is a pipe"):
        read_json(tmp_path / "pipe.json")


def test_whole_json_is_read(tmp_path: Path) -> None:
    value = {"a": [1, 2.5, None, True, "ä"], "b": {"c": {}}, "d": 10**30}
    (tmp_path / "a.json").write_text(json.dumps(value), encoding="utf-8")
    assert read_json(tmp_path / "a.json") == value
    assert parse_json('["\\udcff"]', "names", names=True) == ["\udcff"]


def test_a_seal_covers_every_character(tmp_path: Path) -> None:
    file, value = tmp_path / "a.json", {"spec": {"latent": "normal", "size": 32, "rate": 2e-4}, "n": None, "t": (1, 2)}
    write_sealed(file, value)
    assert read_sealed(file) == json.loads(json.dumps(value))
    whole = file.read_bytes()
    for place in range(len(whole)):
        for bit in (0, 1, 4):
            file.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
            with contextlib.suppress(InputError):
                assert read_sealed(file) == json.loads(json.dumps(value))  # white space may be what changed


def test_what_has_no_seal_is_refused_or_taken() -> None:
    with pytest.raises(InputError, match="it is damaged or was changed since"):
        opened({"a": 1}, "it")
    assert opened({"a": 1}, "it", required=False) == {"a": 1}
    assert opened({"b": 2, **sealed({"a": 1, "b": 2})}, "it") == {"a": 1, "b": 2}
    with pytest.raises(InputError, match="it is damaged or was changed since"):
        opened({**sealed({"a": 1}), "a": 2}, "it", required=False)


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(("text", "sentence"), [
    ("rate: 0.1\nsize: 3\nrate: 0.2", "the key 'rate' is given twice, again in line 3"),
    ("a: {b: 1, b: 2}", "the key 'b' is given twice"),
    ("1: x\n1.0: y", "given twice"),
    (BOMB, "more than 100,000 values"),
    ("a: &a [*a]", "leads in a circle"),
    ("[" * 3000, "nested more than 32"),
    ("a: !!int foo", "foo"),
    ("a: !!timestamp 2001-13-45", ""),
    ("a: !!binary ä", ""),
    ("a: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
    ("a: !!set {b, c}", "a set is nothing that JSON could say"),
    ("a: .inf", "not a finite number"),
    (f"a: {'1' * 5000}", ""),
    (f"a: {'9' * 25}", "too large"),
    ("? [a, b]\n: 1", ""),
    ("a: [1", ""),
    ("a: *b", "undefined alias"),
])  # fmt: skip
def test_what_is_no_yaml_is_a_sentence_at_once(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    begun = time.monotonic()
    with pytest.raises(InputError, match=rf"the recipe .*a\.yaml is not YAML: .*{sentence}"):
        read_yaml(tmp_path / "a.yaml", "recipe")
    assert time.monotonic() - begun < 20  # not the 40 seconds and 1.7 GB that nine levels of aliases took


@pytest.mark.parametrize(("text", "value"), [
    ("a: 1e-4", {"a": 1e-4}), ("a: 2001-13-45", {"a": "2001-13-45"}), ("a: 2001-01-02", {"a": "2001-01-02"}),
    ("x: &x {b: 1}\ny: {<<: *x, b: 2}", {"x": {"b": 1}, "y": {"b": 2}}), ("", None), ("[1, a, null]", [1, "a", None]),
])  # fmt: skip
def test_whole_yaml_is_read(text: str, value: Any) -> None:
    assert parse_yaml(text) == value


def test_yaml_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"a: \xff")
    (tmp_path / "large.yaml").write_bytes(b"# " + b"x" * 2**20)
    for name, sentence in (("a", "not text in UTF-8"), ("large", "more than"), ("none", "does not exist")):
        with pytest.raises(InputError, match=rf"cannot read the table .*{name}\.yaml.*{sentence}"):
            read_yaml(tmp_path / f"{name}.yaml", "table")


def test_tensors_come_back_and_damage_is_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    save_file({"w": torch.arange(6.0).reshape(2, 3)}, file, {"about": "x"})
    tensors, about = read_tensors(file)
    assert torch.equal(tensors["w"], torch.arange(6.0).reshape(2, 3))
    assert about == {"about": "x"}
    whole = file.read_bytes()
    for content in (b"", whole[:5], whole[:-1], b"\xff" * 8 + whole[8:], whole[:9] + b"\xff" + whole[10:]):
        file.write_bytes(content)
        with pytest.raises(InputError, match=r"a\.safetensors is not a safetensors file"):
            read_tensors(file)
