"""What is searched for what, and what the searches found, on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dcgan_features.benchmarks.config.strict import Name, Strict
from dcgan_features.benchmarks.overlap.search import Nearest
from dcgan_features.data.near_test_images import FOLDER, near_test_images
from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.data.utils.formats import read_sealed, read_yaml, write_sealed
from dcgan_features.data.utils.settings import first_mistake

STUDY = Path(__file__).parents[1] / "studies" / "overlap.yaml"
RESULTS = "overlap"  # folder of the results
HOW = "at least as like a test image as benchmarks/studies/overlap.yaml says; see results/overlap.md"

Likeness = Annotated[float, Field(gt=0, le=1)]


class Pair(Strict):
    """A corpus, of which the training images are searched, and whose test images they are searched for.

    leave_out : likeness from which an image of the corpus is left out. mirror : search for flipped test images too.
    """

    place: ClassVar[str] = "a pair"
    corpus: Name
    test: Name
    leave_out: Likeness
    mirror: bool = True

    @property
    def name(self) -> str:
        """As options and files have it."""
        return f"{self.corpus}-for-{self.test}"


class Overlap(Strict):
    """All searches. duplicates : likeness from which a test image counts as a near-duplicate of a training image."""

    place: ClassVar[str] = "the searches"
    duplicates: Likeness
    pairs: Annotated[list[Pair], Field(min_length=1)]

    def chosen(self, only: list[str]) -> list[Pair]:
        """The pairs named, or all. Raises `InputError` for an unknown name."""
        for name in only:
            if name not in [pair.name for pair in self.pairs]:
                raise unknown_name("search", name, [pair.name for pair in self.pairs])
        return [pair for pair in self.pairs if not only or pair.name in only]


class Hit(BaseModel):
    """A test image, the image of the corpus that is like it, how much, and whether one of them is flipped."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    test: int
    image: int
    likeness: float
    mirrored: bool


class Found(BaseModel):
    """What one search found.

    corpus_images, test_images : their numbers. corpus_digest, test_digest : SHA-256 of them.
    hits : all pairs among the five nearest that are at least as alike as `leave_out` says, the most alike first.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    pair: Pair
    corpus_images: int
    test_images: int
    corpus_digest: str
    test_digest: str
    hits: list[Hit]
    commit: str | None
    source_tree: str | None
    versions: dict[str, str]

    def test_images_at(self, likeness: float) -> list[int]:
        """The test images with a hit of at least that likeness, ascending."""
        return sorted({hit.test for hit in self.hits if hit.likeness >= likeness})


def load_overlap(path: Path = STUDY) -> Overlap:
    """The searches in a YAML file. Raises `InputError` where it says something that they cannot."""
    try:
        return Overlap.model_validate(read_yaml(path, "list of searches"), context={"path": path})
    except ValidationError as error:
        raise InputError(f"{path}: {first_mistake(error, 'the searches')}") from None


def hits_of(nearest: Nearest, least: float) -> list[Hit]:
    """The pairs of at least that likeness, the most alike first."""
    rows, ranks = np.nonzero(nearest.likeness >= least)
    order = np.argsort(-nearest.likeness[rows, ranks], kind="stable")
    return [
        Hit(
            test=int(row),
            image=int(nearest.image[row, rank]),
            likeness=round(float(nearest.likeness[row, rank]), 4),
            mirrored=bool(nearest.mirrored[row, rank]),
        )
        for row, rank in zip(rows[order], ranks[order], strict=True)
    ]


def found_path(results: Path, pair: Pair) -> Path:
    """Where the result of a search lies."""
    return results / RESULTS / f"{pair.name}.json"


def read_found(results: Path, pair: Pair) -> Found | None:
    """The result of a search; None where there is none. Raises `InputError` for a damaged one."""
    path = found_path(results, pair)
    if not path.exists():
        return None
    try:
        return Found.model_validate(read_sealed(path))
    except ValidationError as error:
        raise InputError(f"{path} is damaged: {first_mistake(error)}; search again") from None


def write_lists(found: list[Found], folder: Path = FOLDER) -> list[Path]:
    """Write, of each corpus, which images are left out for any table; returns the lists that leave out others now."""
    written = []
    for corpus in dict.fromkeys(item.pair.corpus for item in found):
        own = [item for item in found if item.pair.corpus == corpus]
        path = folder / f"{corpus}.json"
        content = {
            "corpus": corpus,
            "images": own[0].corpus_images,
            "digest": own[0].corpus_digest,
            "how": HOW,
            "left_out": sorted({hit.image for item in own for hit in item.hits}),
        }
        before = near_test_images(corpus) if folder == FOLDER else None
        if before is None or before.left_out != content["left_out"]:
            written.append(path)
        write_sealed(path, content)
    return written
