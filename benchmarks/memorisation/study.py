"""Whether a generator copies its training images: nearest neighbours of its samples beside those of unseen images.

For every sample and every held-out image the nearest and the second nearest training image are found, in pixels and in
features. A generator that has learned what the images have in common makes samples as far from the training images as
unseen ones are. Two figures tell a copy:

- the distance to the nearest training image (as in Meehan, Chaudhuri & Dasgupta 2020, "A non-parametric test to detect
  data-copying in generative models"): samples nearer than held-out images are. But smooth samples are near to whatever
  there is, copied or not;
- that distance over the distance to the second nearest, which smoothness leaves as it is: a copy is much nearer to one
  training image than to all others. Samples count as copies where it is below that of 99% of the held-out images.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from dcgan_features.eval.neighbours import NearestSearch
from dcgan_features.features import DiscriminatorFeatures, RandomDiscriminator
from dcgan_features.features.base import Extractor
from dcgan_features.gan.networks import Discriminator

Images = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float64]

TAIL = 0.01  # of the held-out images lies below the threshold for a copy
RESAMPLES = 2000
SPACES = 3  # in which copies are looked for
REFERENCE_BLOCK = 2048  # training images whose features are in memory at a time
PLANTED, NOISE = 0.05, 8.0  # share of samples replaced by training images; standard deviation in grey levels
GRID = 2  # cells along each side to which maps are pooled: 1,792 features of the 32 x 32 networks
_CONTROL = 20  # purpose of random numbers
Say = Callable[[float], None]


@dataclass(frozen=True)
class Found:
    """Of each query, the distances to the nearest and second nearest training image, and the nearest's index."""

    first: Values
    second: Values
    index: npt.NDArray[np.int64]

    @property
    def ratio(self) -> Values:
        """First over second distance, 0..1; 0 where both are 0."""
        return np.divide(self.first, self.second, out=np.zeros_like(self.first), where=self.second > 0)

    def __getitem__(self, rows: Any) -> Found:
        return Found(self.first[rows], self.second[rows], self.index[rows])

    def with_replaced(self, rows: npt.NDArray[np.int64], others: Found) -> Found:
        """The same, but these rows are of others."""
        parts = []
        for name in ("first", "second", "index"):
            values = getattr(self, name).copy()
            values[rows] = getattr(others, name)
            parts.append(values)
        return Found(*parts)


@dataclass(frozen=True)
class Share:
    """A figure with its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """Samples beside held-out images.

    nearer : probability that a sample is nearer to the training images than a held-out image is. nearer_ratio : the
    same of first over second distance. median : of the samples' distances over that of the held-out images'. copies :
    percent of the samples below the threshold that 99% of the held-out images are above; 1 is expected. floor : lower
    end of the interval of copies, corrected for the number of spaces in which they are looked for.
    """

    nearer: Share
    nearer_ratio: Share
    median: Share
    copies: Share
    floor: float

    @property
    def copied(self) -> bool:
        """Whether more samples look like copies than unseen images do."""
        return self.floor > 100 * TAIL


@dataclass(frozen=True)
class Space:
    """Where distances are measured. transform : images to vectors or, for pixels, to themselves."""

    title: str
    transform: Callable[[Images], Any]


def spaces(discriminator: Discriminator, images: Images, device: torch.device) -> dict[str, Space]:
    """Pixels, the checkpoint's own discriminator's features, and those of an untrained one that has not seen images."""
    own = DiscriminatorFeatures(discriminator, grid=GRID, dtype="float32", device=str(device))
    untrained = RandomDiscriminator(discriminator.spec.name, grid=GRID, dtype="float32", device=str(device))
    found = {"pixels": Space("pixels", lambda block: block)}
    extractors: dict[str, tuple[str, Extractor]] = {
        "discriminator": ("features of its discriminator", own),
        "untrained": ("features of an untrained discriminator", untrained),
    }
    for name, (title, extractor) in extractors.items():
        found[name] = Space(title, extractor.fit(images).transform)
    return found


def neighbours(space: Space, queries: list[Images], training: Images, device: torch.device, say: Say) -> list[Found]:
    """The two nearest training images of every image of several sets. say : told of training images done."""
    vectors = np.concatenate([np.asarray(space.transform(images)).reshape(len(images), -1) for images in queries])
    search = NearestSearch(vectors, 2, device)
    for block in _blocks(training):
        search.update(space.transform(block))
        say(len(block))
    distances, indices = search.result()
    found = Found(distances[:, 0], distances[:, 1], indices[:, 0])
    bounds = np.cumsum([0, *(len(images) for images in queries)])
    return [found[start:stop] for start, stop in itertools.pairwise(bounds)]


def _blocks(images: Images) -> Iterator[Images]:
    for start in range(0, len(images), REFERENCE_BLOCK):
        yield np.array(images[start : start + REFERENCE_BLOCK])  # copied: may be read-only


def compare_found(samples: Found, held_out: Found, seed: int = 0) -> Comparison:
    """Samples beside held-out images; 95% intervals by resampling both (percentile bootstrap).

    The training images are taken as they are: the intervals say nothing of other training images.
    """
    random = np.random.Generator(np.random.PCG64([seed, _CONTROL]))
    sizes = len(samples.first), len(held_out.first)
    distances, ratios = _Ranked(samples.first, held_out.first), _Ranked(samples.ratio, held_out.ratio)
    table = [_figures(distances, ratios, *(np.arange(size) for size in sizes))]
    table += [
        _figures(distances, ratios, *(random.integers(size, size=size) for size in sizes)) for _ in range(RESAMPLES)
    ]
    ends = np.quantile(np.array(table[1:]), [0.025, 0.975, 0.025 / SPACES], axis=0)
    nearer, ratio, median, copies = (Share(*map(float, parts)) for parts in zip(table[0], *ends[:2], strict=True))
    return Comparison(nearer, ratio, median, copies, float(ends[2, -1]))


class _Ranked:
    """The values of samples and of held-out images as places among all that occur, so that resampling only counts."""

    def __init__(self, ours: Values, theirs: Values) -> None:
        self.values, places = np.unique(np.concatenate([ours, theirs]), return_inverse=True)
        self.ours, self.theirs = places[: len(ours)], places[len(ours) :]

    def counts(
        self, ours: npt.NDArray[np.int64], theirs: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """How often each value occurs among the chosen samples and the chosen held-out images."""
        size = len(self.values)
        return np.bincount(self.ours[ours], minlength=size), np.bincount(self.theirs[theirs], minlength=size)


def _figures(
    distances: _Ranked, ratios: _Ranked, ours: npt.NDArray[np.int64], theirs: npt.NDArray[np.int64]
) -> tuple[float, float, float, float]:
    """The four figures of a `Comparison`, of these rows of the samples and of the held-out images."""
    near, near_held = distances.counts(ours, theirs)
    alike, alike_held = ratios.counts(ours, theirs)
    medians = [distances.values[_place(counts, 0.5)] for counts in (near, near_held)]
    median = float(medians[0] / medians[1]) if medians[1] > 0 else float(medians[0] > 0)
    copies = 100 * float(alike[: _place(alike_held, TAIL)].sum()) / len(ours)
    return probability_below(near, near_held), probability_below(alike, alike_held), median, copies


def _place(counts: npt.NDArray[np.int64], share: float) -> int:
    """The first value up to which there are at least this share of the counts."""
    return int(np.searchsorted(np.cumsum(counts), share * counts.sum()))


def probability_below(ours: npt.NDArray[np.int64], theirs: npt.NDArray[np.int64]) -> float:
    """Probability that one of ours is below one of theirs, ties half; counts of each value, in ascending order.

    It is the area under the ROC curve.
    """
    above = theirs.sum() - np.cumsum(theirs) + theirs / 2
    return float((ours * above).sum() / (ours.sum() * theirs.sum()))


def plant(training: Images, count: int, seed: int) -> Images:
    """`count` training images under faint noise, as a generator that copies would make them: uint8."""
    random = np.random.Generator(np.random.PCG64([seed, _CONTROL, 1]))
    chosen = np.sort(random.choice(len(training), count, replace=False))
    noisy = training[chosen] + random.normal(0, NOISE, (count, *training.shape[1:]))
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def common(images: Images, training: Images) -> int:
    """How many of the images are, to the byte, among the training images."""
    known = {block.tobytes() for block in training}
    return sum(image.tobytes() in known for image in images)
