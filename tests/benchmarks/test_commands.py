import subprocess
import sys

import pytest

from dcgan_features.benchmarks.commands import COMMANDS, listed, main, missing


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


@pytest.mark.parametrize("module", ["commands", "compare.__main__", "predict"])
def test_help_imports_nothing_that_takes_seconds(module):
    code = (
        f"import sys; import dcgan_features.benchmarks.{module}; "
        "print([name for name in ('torch', 'sklearn', 'pandas', 'matplotlib') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert found.stdout.strip() == "[]"
