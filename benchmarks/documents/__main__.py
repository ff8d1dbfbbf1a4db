"""`python -m benchmarks.documents`: measured figures into README and docs; `figures` says where in them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dcgan_features.data.utils.cli import run
from dcgan_features.data.utils.errors import InputError

app = typer.Typer(add_completion=False)


@app.command()
def documents(
    files: Annotated[list[Path], typer.Argument(help="Markdown files to bring up to date.")],
    results: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("results"),
) -> None:
    """Put the measured figures into documents."""
    from dcgan_features.benchmarks.documents.figures import filled  # late, as it imports PyTorch: --help is quick
    from dcgan_features.data.utils.files import write_text
    from dcgan_features.data.utils.formats import read_text

    for path in files:
        if not path.is_file():
            raise InputError(f"there is no file {path}; name Markdown files")
        before = read_text(path)
        after = filled(before, results, str(path))
        if after != before:
            write_text(path, after)
            print(f"written: {path}")


if __name__ == "__main__":
    run(app)
