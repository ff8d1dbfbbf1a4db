import ast
import subprocess
import sys
from pathlib import Path

import pytest

from dcgan_features.benchmarks.commands import COMMANDS, listed, main, missing

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "sklearn", "pandas", "matplotlib", "scipy", "numba")


def apps() -> list[str]:
    """Every module that can be run and takes `--help`: it ends its typer app by `run`."""
    found = []
    for folder in ("benchmarks", "gan", "features", "data"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            text = file.read_text(encoding="utf-8")
            if 'if __name__ == "__main__":' in text and "run(app" in ast.unparse(ast.parse(text)):
                name = file.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
                found.append(name.removesuffix(".__main__"))
    return found


def test_every_command_is_there():
    assert missing() == []
    assert all(name in listed("x") for name in COMMANDS)


def test_an_unknown_command_is_a_sentence(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["comparison"])
    assert caught.value.code == 2
    assert "did you mean 'compare'" in capsys.readouterr().err


def test_a_command_gets_its_arguments():
    code = "from dcgan_features.benchmarks.commands import main; main(['predict', '--help'])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert found.returncode == 0
    assert "folder of pictures" in found.stdout.lower()


def test_commands_are_looked_for_where_they_are():
    assert {item.module for item in COMMANDS.values()} <= set(apps())


@pytest.mark.parametrize("module", ["benchmarks.commands", *apps()])
def test_help_imports_nothing_that_takes_seconds(module):
    code = (
        f"import runpy, sys; sys.argv = ['x', '--help']\n"
        f"try: runpy.run_module('dcgan_features.{module}', run_name='__main__')\n"
        f"except SystemExit: pass\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert found.stdout.splitlines()[-1] == "[]", found.stderr
