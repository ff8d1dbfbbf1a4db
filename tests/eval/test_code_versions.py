"""Classifiers whose fit depends on the way there: a change of their code makes results stale, unless it is told not to.

`code_versions.json` holds, by class, its version and a digest of the code that it is made of. Where a test fails:

    raise `code_version` of the class, if fits may come out otherwise; then, or if they cannot,
    python -m tests.eval.test_code_versions

which writes the digests down anew. Version 1 of SWWAE, M2, TSVM, Perceptron and SupervisedCNN is what the committed
results were measured with: what has changed since are names, checks, and settings that are off by default and then draw
no random numbers.
"""

import ast
import hashlib
import json
from pathlib import Path

import pytest

from dcgan_features import eval as evaluation
from dcgan_features.benchmarks.config.identity import code_of
from dcgan_features.data.utils.identity import PACKAGE

KEPT = Path(__file__).with_name("code_versions.json")
ROOT = Path(evaluation.__file__).parents[1]
LEARNED = ("M2", "Perceptron", "SWWAE", "SupervisedCNN", "TSVM")


def files_of(module, seen):
    """The module's file, and those of `eval` that it imports, and they."""
    path = ROOT / Path(*module.split(".")[1:]).with_suffix(".py")
    if path in seen or not path.exists():
        return seen
    seen.add(path)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{PACKAGE}.eval."):
            files_of(node.module, seen)
    return seen


def code_in(text):
    """A module's lines without docstrings, comments of their own and empty lines."""
    lines = text.splitlines()
    left_out: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            left_out.update(range(node.lineno - 1, node.end_lineno or node.lineno))
    kept = [line for number, line in enumerate(lines) if number not in left_out]
    return "\n".join(line for line in kept if line.strip() and not line.strip().startswith("#"))


def digest_of_code(kind):
    found = hashlib.sha256()
    for path in sorted(files_of(kind.__module__, set())):
        found.update(code_in(path.read_text(encoding="utf-8")).encode())
    return found.hexdigest()


def versions():
    kinds = {name: getattr(evaluation, name) for name in LEARNED}
    return {name: {"version": kind.code_version, "code": digest_of_code(kind)} for name, kind in kinds.items()}


@pytest.mark.parametrize("name", LEARNED)
def test_changed_code_has_another_version_or_is_known_to_change_nothing(name):
    assert versions()[name] == json.loads(KEPT.read_text("utf-8"))[name], (__doc__ or "").split("\n\n")[1]


def test_a_raised_version_is_part_of_the_identity_and_the_first_is_not(monkeypatch):
    assert code_of(evaluation.M2) == "eval.m2.M2"
    monkeypatch.setattr(evaluation.M2, "code_version", 2)
    assert code_of(evaluation.M2) == ["eval.m2.M2", 2]


def test_words_and_comments_are_no_code():
    assert code_in('"""Says."""\n\n# why\nx = 1  # two\n\n\ndef f():\n    """Return."""\n    return x\n') == (
        "x = 1  # two\ndef f():\n    return x"
    )


if __name__ == "__main__":
    KEPT.write_text(json.dumps(versions(), indent=1) + "\n", encoding="utf-8")
    print(f"written: {KEPT.name}")
