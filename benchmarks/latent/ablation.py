"""How often a forgotten shape is gone and the rest of the image is kept (Radford et al., 2016, section 6.3.1).

The maps that draw the shape are found from boxes around it on a few images, and dropped on others. The boxes are not
drawn by hand as the paper's: the judge says where each shape is and how large. Whether it is gone, no judge of shapes
can say; pixels can: how far those in the box differ from the ground, which is the median colour of the image's border.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dcgan_features.benchmarks.latent.classifier import Images, Judgement
from dcgan_features.benchmarks.latent.measure import Measure, Randomness, mean, resampled, share
from dcgan_features.gan.latent.ablation import Box, fit_object, images_without
from dcgan_features.gan.latent.sampler import LatentSampler

PART = "forgetting"
BOXED = 150  # samples on which the maps are found, as in the paper
GONE_BELOW = 0.5  # of the contrast before
KEPT_WITHIN = 16.0  # grey levels, root mean square
WEIGHTED, STRONGEST = "all maps of positive weight dropped", "an eighth, those of largest weight, dropped"
RANDOM = "as many random maps dropped"
GONE, KEPT, BOTH, CONTRAST, CHANGE = (
    "the shape is gone",
    "the rest is kept",
    "gone, and the rest kept",
    "contrast left in the box, mean",
    "change outside the box, grey levels, mean",
)


def boxes_of(judgement: Judgement, size: int) -> NDArray[np.int64]:
    """Left, top, right, bottom of the square around each judged shape, cut to the image: (n, 4)."""
    edges = [
        (judgement.x - judgement.size, np.floor),
        (judgement.y - judgement.size, np.floor),
        (judgement.x + judgement.size, np.ceil),
        (judgement.y + judgement.size, np.ceil),
    ]
    return np.stack([np.clip(rounding(edge), 0, size) for edge, rounding in edges], 1).astype(np.int64)


def inside(boxes: NDArray[np.int64], size: int) -> NDArray[np.bool_]:
    """Which pixels the boxes hold, (n, size, size)."""
    place = np.arange(size)
    rows = (place >= boxes[:, 1, None]) & (place < boxes[:, 3, None])
    columns = (place >= boxes[:, 0, None]) & (place < boxes[:, 2, None])
    result: NDArray[np.bool_] = rows[:, :, None] & columns[:, None, :]
    return result


def contrasts(images: Images, held: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Root mean square distance of the pixels in the box from the ground's colour, in grey levels, (n,)."""
    border = np.ones(images.shape[1:3], bool)
    border[1:-1, 1:-1] = False
    ground = np.median(images[:, border], axis=1)
    return _rms(images - ground[:, None, None], held)


def _rms(values: NDArray[np.float64], held: NDArray[np.bool_]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = np.sqrt(((values**2).mean(3) * held).sum((1, 2)) / np.maximum(held.sum((1, 2)), 1))
    return result


def measure_forgetting(
    sampler: LatentSampler, seed: int, judgement: Judgement, n: int, draws: int, rng: Randomness
) -> list[Measure]:
    """Maps found on the first samples of `seed` whose place and size the judge is sure of, dropped on `n` more of them.

    judgement : of the samples of `seed` from 0 on. draws : of random maps, each for an equal share of the images.
    """
    size = sampler.spec.image_size
    sure = np.flatnonzero(judgement.sure_of("x", "y", "size"))
    fitted, tested = sure[:BOXED], sure[BOXED : BOXED + n]
    if len(tested) == 0:
        return []
    edges = boxes_of(judgement, size)
    boxes: list[Box] = []
    for place, row in enumerate(fitted):
        left, top, right, bottom = (int(edge) for edge in edges[row])
        boxes.append((place, left, top, right, bottom))
    found = fit_object(sampler, sampler.latent(seed, fitted.tolist()), boxes)
    z, held = sampler.latent(seed, tested.tolist()), inside(edges[tested], size)
    before, total = sampler.images(z), len(found.weights)
    measures = []
    for most in (None, max(total // 8, 1)):
        chosen = found.maps(most)
        random = [
            images_without(sampler, part, rng.permutation(total)[: len(chosen)].tolist(), found.layer)
            for part in z.tensor_split(min(draws, len(z)))
        ]
        for how, images in (
            (WEIGHTED if most is None else STRONGEST, images_without(sampler, z, chosen, found.layer)),
            (RANDOM, np.concatenate(random)),
        ):
            measures += _read(f"{how} ({len(chosen)} of {total})", before, images, held, rng)
    return measures


def _read(how: str, before: Images, images: Images, held: NDArray[np.bool_], rng: Randomness) -> list[Measure]:
    left = contrasts(images, held) / np.maximum(contrasts(before, held), 1e-9)
    change = _rms(images.astype(np.float64) - before, ~held)
    gone, kept = left < GONE_BELOW, change < KEPT_WITHIN
    return [
        *(share(PART, what, how, cases) for what, cases in ((GONE, gone), (KEPT, kept), (BOTH, gone & kept))),
        resampled(PART, CONTRAST, how, [left * 100], mean, rng, "%"),
        resampled(PART, CHANGE, how, [change], mean, rng),
    ]
