"""`python -m gan.explore`: the latent space of a trained generator, on a page that this machine alone can open."""

from __future__ import annotations

import importlib.util
import socket
from typing import Annotated

import typer

from dcgan_features.data.utils.cli import run
from dcgan_features.data.utils.errors import InputError
from dcgan_features.gan.figures.options import Checkpoint, Device, open_sampler

HOST = "127.0.0.1"  # no other machine can connect

app = typer.Typer(add_completion=False)


def free_port(port: int) -> int:
    """The port if it is free, or any free one for 0. Raises `InputError` where it is taken or may not be used."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((HOST, port))
        except OSError as error:
            raise InputError(f"--port {port} cannot be used ({error.strerror}); leave it out to take any") from error
        number: int = trial.getsockname()[1]
        return number


@app.command()
def explore(
    checkpoint: Checkpoint,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0 is any free one.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
    device: Device = None,
) -> None:
    """Explore a generator's latent space in the browser: sample, walk, add and subtract, forget, see filters."""
    if importlib.util.find_spec("nicegui") is None:
        raise InputError("the explorer needs NiceGUI, which is not installed; run: pip install 'nicegui>=3'")
    from dcgan_features.gan.explorer.server import serve

    sampler = open_sampler(checkpoint, device)
    serve(sampler, checkpoint, HOST, free_port(port), browser)


if __name__ == "__main__":
    run(app, "run the same command again")
