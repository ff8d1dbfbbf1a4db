"""The command from its arguments to the page, and who can reach it."""

import socket
import sys
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

from dcgan_features.data.utils.cli import run
from dcgan_features.data.utils.errors import InputError
from dcgan_features.gan.explore import app, free_port


def ended(monkeypatch, capsys, *arguments):
    """Run the command; its exit code and what it said."""
    monkeypatch.setattr(sys, "argv", ["explore", *map(str, arguments)])
    with pytest.raises(SystemExit) as ending:
        run(app)
    said = capsys.readouterr()
    assert said.out == ""  # no page
    return ending.value.code, said.err


@pytest.mark.parametrize("kind", ["missing", "damaged", "empty folder"])
def test_a_bad_checkpoint_gets_one_sentence(monkeypatch, capsys, tmp_path, checkpoint, kind):
    pytest.importorskip("nicegui", reason="NiceGUI is not installed; it comes with the extra 'explore'")
    path = tmp_path / kind
    if kind == "damaged":
        path = tmp_path / "weights.safetensors"
        path.write_bytes(checkpoint.read_bytes()[:-9])
        path.with_suffix(".json").write_bytes(checkpoint.with_suffix(".json").read_bytes())
    elif kind == "empty folder":
        path.mkdir()
    code, said = ended(monkeypatch, capsys, path, "--no-browser")
    assert code == 2
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert str(tmp_path) in said


def test_without_nicegui_the_command_says_what_to_install(monkeypatch, capsys, checkpoint):
    monkeypatch.setitem(sys.modules, "nicegui", None)
    code, said = ended(monkeypatch, capsys, checkpoint)
    assert code == 2
    assert "pip install 'nicegui>=3'" in said
    assert said.count("\n") == 1


def test_a_taken_port_is_refused_and_a_free_one_found():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"--port {port}"):
            free_port(port)
    assert free_port(port) == port
    assert free_port(0) > 0


def status(address, **headers):
    """The code and the headers of what a request gets."""
    try:
        with urlopen(Request(address, headers=headers), timeout=60) as answer:
            return answer.status, answer.headers
    except HTTPError as error:
        return error.code, error.headers


def test_only_this_machine_and_the_page_itself_reach_the_server(explorer):
    address, folder = explorer
    code, headers = status(address)
    assert code == 200
    assert headers["Content-Security-Policy"].startswith("default-src 'self'")
    port = urlsplit(address).port
    if sys.platform == "linux":  # where all of 127.0.0.0/8 is this machine
        with socket.socket() as other, pytest.raises(ConnectionRefusedError):
            other.connect(("127.0.0.2", port))
    assert status(address, Host="elsewhere.example")[0] == 400
    socket_address = f"{address}/_nicegui_ws/socket.io/?EIO=4&transport=polling"
    assert status(socket_address, Origin="http://elsewhere.example")[0] == 400
    assert status(socket_address, Origin=address)[0] == 200
    assert list(folder.iterdir()) == []  # nothing is left where it was started
