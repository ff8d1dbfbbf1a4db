"""Searches run, and what they found as JSON, pictures and a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dcgan_features import data
from dcgan_features.benchmarks.overlap.search import nearest
from dcgan_features.benchmarks.overlap.study import RESULTS, Found, Hit, Overlap, Pair, found_path, hits_of
from dcgan_features.benchmarks.records.environment import environment
from dcgan_features.benchmarks.reporting.markdown import markdown_table
from dcgan_features.data.dataset import Dataset, Images
from dcgan_features.data.utils.cli import progress
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import write_text
from dcgan_features.data.utils.formats import write_sealed
from dcgan_features.data.utils.hashing import array_digest
from dcgan_features.gan.figures.grid import Cell, Row, Sheet, write_sheet

SIZE = 32  # pixels along a side, to which smaller images are padded; grey ones get three equal channels
_SHOWN, _WIDE = 48, 12  # pairs in a picture, and in one of its rows

_EXPLANATION = (
    "Every corpus that is learnt from without labels is searched for every table's test images: all pairs are "
    "compared, and the five nearest of each test image more closely. Likeness is the mean of two correlations: over "
    "16 x 16 cells, whitened with the corpus' principal directions, and of the details, the best over moves of two "
    "pixels; 1 is the same image. Natural images are searched for flipped test images too. Left out: images that are "
    "at least so alike; `data/near_test/` lists them, and `data.training_images` leaves them out. A threshold for "
    "natural images leaves many out by mere suspicion, which costs nothing; digits of different people are as alike "
    "as some natural images that are the same, so that theirs is where the pairs are the same picture."
)


def search_pair(pair: Pair, data_root: Path | None, results: Path) -> Found:
    """Search a corpus for the test images of a data set, and write what was found; nothing is left out beforehand."""
    corpus, tested = (data.load(name, data_root) for name in (pair.corpus, pair.test))
    if tested.test_images is None:
        raise InputError(f"{pair.test} has no test images; name a data set that has")
    images, test = _alike(corpus, corpus.train_images), _alike(tested, tested.test_images)
    with progress(len(test), pair.name) as advance:
        hits = hits_of(nearest(test, images, mirror=pair.mirror, least=pair.leave_out, report=advance), pair.leave_out)
    found = Found(
        pair=pair,
        corpus_images=len(images),
        test_images=len(test),
        corpus_digest=array_digest(corpus.train_images),
        test_digest=array_digest(tested.test_images),
        hits=hits,
        **environment(),
    )
    write_sealed(found_path(results, pair), found.model_dump())
    picture = found_path(results, pair).with_suffix(".png")
    if hits:
        write_sheet(picture, _sheet(found, test, images), scale=2)
    else:
        picture.unlink(missing_ok=True)
    return found


def _alike(dataset: Dataset, images: Images) -> Images:
    """The images as all others are, of 32 x 32 pixels and three channels."""
    if images.shape[1:] == (SIZE, SIZE, 3):
        return images
    return data.adapted(images, SIZE, 3)


def _sheet(found: Found, test: Images, corpus: Images) -> Sheet:
    """The pairs that are most alike, then others over the whole range of likeness; test images on the left."""
    first, others = found.hits[: _SHOWN // 2], found.hits[_SHOWN // 2 :]
    spread = np.unique(np.linspace(0, len(others) - 1, min(len(others), _SHOWN // 2)).astype(int))
    shown = [*first, *(others[index] for index in spread)]
    cells = [_cell(hit, test, corpus) for hit in shown]
    rows = [Row(cells[start : start + _WIDE]) for start in range(0, len(cells), _WIDE)]
    return Sheet(
        f"{found.pair.corpus} searched for the test images of {found.pair.test}: {len(found.hits):,} pairs",
        rows,
        note="Test image, training image of the corpus, likeness: the most alike, then others down to the last.",
    )


def _cell(hit: Hit, test: Images, corpus: Images) -> Cell:
    own = test[hit.test][:, ::-1] if hit.mirrored else test[hit.test]
    return Cell(np.concatenate([own, np.array(corpus[hit.image])], 1), f"{hit.likeness:.2f}")


def write_page(study: Overlap, found: Sequence[Found], results: Path) -> Path:
    """Write `overlap.md`; returns its path."""
    headings = ["Corpus", "Images", "Test images of", "Left out from", "Images left out", "The most alike"]
    cells = [
        [
            item.pair.corpus,
            f"{item.corpus_images:,}",
            f"{item.pair.test} ({item.test_images:,})",
            f"{item.pair.leave_out:g}",
            f"{len({hit.image for hit in item.hits}):,}",
            f"{item.hits[0].likeness:.2f}" if item.hits else "",
        ]
        for item in found
    ]
    own = [item for item in found if item.pair.corpus == item.pair.test]
    text = ["# Test images in the corpora", "", _EXPLANATION, "", *markdown_table(headings, cells, (0, 2))]
    for item in own:
        least = max(study.duplicates, item.pair.leave_out)
        count = len(item.test_images_at(least))
        text += [
            "",
            f"Of {item.pair.test}'s test images {count:,} are at least {least:g} like one of its training images.",
        ]
    for item in found:
        if item.hits:
            text += ["", f"![{item.pair.corpus} searched for {item.pair.test}]({RESULTS}/{item.pair.name}.png)"]
    path = results / "overlap.md"
    write_text(path, "\n".join(text) + "\n")
    return path
