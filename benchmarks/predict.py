"""`python -m benchmarks.predict`: classes and scores of pictures, by a probe that `benchmarks.compare --save` kept."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

import typer

from dcgan_features.data.utils.cli import run

app = typer.Typer(add_completion=False)


@app.command()
def predict(
    probe: Annotated[Path, typer.Argument(help="Folder of the kept probe.")],
    pictures: Annotated[Path, typer.Argument(help="A folder of pictures, subfolders included, or one picture.")],
    output: Annotated[Path, typer.Option(help="The CSV to write.")] = Path("predictions.csv"),
    device: Annotated[str | None, typer.Option(help="cpu or cuda; by default a GPU if there is one.")] = None,
    store: Annotated[Path, typer.Option(help="Folder of features and trained networks.")] = Path("feature-store"),
) -> None:
    """Write the class of each picture, and a score of each class, as CSV."""
    from dcgan_features.benchmarks.compare.keeping import load_probe
    from dcgan_features.data.labelled.pictures import Form, pictures_of_files
    from dcgan_features.data.listing import list_pictures
    from dcgan_features.data.utils.cli import progress
    from dcgan_features.data.utils.errors import InputError
    from dcgan_features.data.utils.files import atomic_path

    kept = load_probe(probe, device, store)
    height, width = kept.about.shape[:2]
    if height != width:
        raise InputError(
            f"the probe takes images of {width}x{height}, and only square ones can be made of pictures here"
        )
    files = [pictures] if pictures.is_file() else list_pictures(pictures).files
    form = Form(height, kept.about.fit)  # type: ignore[arg-type]  # it checks it
    images = pictures_of_files(files, form, pictures.resolve().name, progress)
    if kept.about.shape[2] == 1:
        raise InputError("the probe was fitted to grey images, and pictures are read in colour; fit one to pictures")
    scores = kept.scores(images)
    root = pictures.parent if pictures.is_file() else pictures
    with atomic_path(output) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "label", *kept.classes])
        for path, row in zip(files, scores, strict=True):
            name = path.relative_to(root).as_posix()
            writer.writerow([name, kept.classes[int(row.argmax())], *(f"{value:.6g}" for value in row)])
    print(f"written: {output}, {len(files):,} pictures")


if __name__ == "__main__":
    run(app)
