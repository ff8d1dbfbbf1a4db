"""The figures of the sampler, each a function from a generator and a choice of samples to a `Sheet`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.random_streams import raw_words
from dcgan_features.gan.figures.grid import Cell, Row, Sheet
from dcgan_features.gan.figures.options import cells, in_rows, names
from dcgan_features.gan.latent.ablation import ForgottenObject, fit_object, images_without
from dcgan_features.gan.latent.directions import Directions
from dcgan_features.gan.latent.paths import (
    SPREAD,
    along,
    around,
    closed_walk,
    combine,
    combine_pixels,
    evenly,
    turn_vector,
)
from dcgan_features.gan.latent.sampler import CONTROL, LatentSampler

NAMED = "Under each sample stands its name, seed:number."
Number = Annotated[int, Field(ge=0)]
Numbers = Annotated[list[Number], Field(min_length=1, max_length=60)]


class Concept(BaseModel):
    """Samples that share what `name` says; three in the paper."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    samples: Numbers


class Arithmetic(BaseModel):
    """plus - minus + also gives `result`, or so one hopes. spread : half the width of the noise around it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    plus: Concept
    minus: Concept
    also: Concept
    result: str
    seed: Number = 0
    spread: Annotated[float, Field(ge=0, allow_inf_nan=False)] = SPREAD


class Turn(BaseModel):
    """Samples facing either way (four in the paper), and those to be turned, in `steps` up to `reach` both ways."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    left: Numbers
    right: Numbers
    samples: Numbers
    names: Annotated[list[str], Field(min_length=2, max_length=2)] = ["left", "right"]
    seed: Number = 0
    steps: Annotated[int, Field(ge=2, le=15)] = 7
    reach: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0


class Forget(BaseModel):
    """Boxes around an object, and what to do with the maps found; see `gan.latent.ablation`.

    boxes : (number of the sample, left, top, right, bottom). samples : shown before and after.
    maps : how many of those of positive weight are dropped, one row of pictures for each number; by default all.
    draw : decides the negatives, and the maps that are dropped as a control.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    thing: str
    boxes: Annotated[list[tuple[Number, int, int, int, int]], Field(min_length=1, max_length=500)]
    samples: Numbers
    seed: Number = 0
    layer: Number | None = None
    maps: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1, max_length=6)] | None = None
    draw: Number = 0


def samples_sheet(sampler: LatentSampler, seed: int, indices: Sequence[int], columns: int = 10) -> Sheet:
    """Samples in rows."""
    found = cells(sampler.images(sampler.latent(seed, indices)), names(seed, indices))
    return Sheet(f"Samples of {_name(sampler)}", in_rows(found, columns), note=NAMED)


def walk_sheet(sampler: LatentSampler, seed: int, indices: Sequence[int], steps: int) -> Sheet:
    """A walk from each sample to the next, and from the last to the first; a row each."""
    if len(indices) < 2:
        raise InputError("a walk needs at least two samples; give such as --samples 0-8")
    kind = sampler.spec.latent
    points = closed_walk(sampler.latent(seed, indices), steps, kind)
    rows = []
    for number, way in enumerate(points):
        start, end = indices[number], indices[(number + 1) % len(indices)]
        captions = [f"{seed}:{start}", *(f"{step}/{steps}" for step in range(1, steps))]
        rows.append(Row(cells(sampler.images(way), captions), f"{seed}:{start} to {seed}:{end}"))
    how = "straight lines" if kind == "uniform" else "great circles"
    note = f"{NAMED} Between two samples: the part of the way, along {how} in z. The walk is closed."
    return Sheet(f"A walk through the latent space of {_name(sampler)}", rows, note=note)


def arithmetic_sheet(sampler: LatentSampler, choice: Arithmetic) -> Sheet:
    """Exemplars, their means, the result with its neighbours, and the same arithmetic on pixels."""
    concepts = [choice.plus, choice.minus, choice.also]
    latents = [sampler.latent(choice.seed, concept.samples) for concept in concepts]
    exemplars = [sampler.images(latent) for latent in latents]
    results = cells(sampler.images(around(combine(*latents), choice.seed, 8, choice.spread)))
    results = [
        Cell(cell.image, "Y" if index == 4 else f"Y + U(±{choice.spread})") for index, cell in enumerate(results)
    ]
    width = max(len(concept.samples) for concept in concepts)
    rows = []
    for number, (sign, concept) in enumerate(zip("+-+", concepts, strict=True)):
        shown: list[Cell | None] = [*cells(exemplars[number], names(choice.seed, concept.samples))]
        shown += [None] * (width - len(shown))
        shown += cells(sampler.images(latents[number].mean(0, keepdim=True)), ["image of the mean z"])
        shown += results[3 * number : 3 * number + 3]
        if number == 1:
            shown += cells(combine_pixels(*exemplars)[None], ["pixels only"])
        rows.append(Row(shown, f"{sign} {concept.name}"))
    columns = ["exemplars", *[""] * (width - 1), "mean", f"= {choice.result}?", "", "", "control"]
    title = f"{choice.plus.name} - {choice.minus.name} + {choice.also.name}".replace("\n", " ")
    note = f"{NAMED} Right: the result Y amid 8 others near it, and the same arithmetic on the exemplars' pixels."
    return Sheet(title, rows, columns, note, {width, width + 1, width + 4})


def turn_sheet(sampler: LatentSampler, choice: Turn) -> Sheet:
    """The exemplars of either side, their means and what lies between, and samples carried along the vector."""
    left, right = (sampler.latent(choice.seed, side) for side in (choice.left, choice.right))
    turn = turn_vector(left, right)
    amounts = evenly(-choice.reach, choice.reach, choice.steps)
    rows = [
        Row(cells(sampler.images(points), names(choice.seed, side)), name)
        for points, side, name in zip((left, right), (choice.left, choice.right), choice.names, strict=True)
    ]
    between = along(left.mean(0, keepdim=True), turn, evenly(0.0, 1.0, choice.steps))[0]
    captions = ["mean", *[""] * (choice.steps - 2), "mean"]
    rows.append(Row(cells(sampler.images(between), captions), f"mean {choice.names[0]} to\nmean {choice.names[1]}"))
    for index, points in zip(
        choice.samples, along(sampler.latent(choice.seed, choice.samples), turn, amounts), strict=True
    ):
        captions = [f"{choice.seed}:{index}" + (f" {amount:+.2f}" if amount else "") for amount in amounts]
        rows.append(Row(cells(sampler.images(points), captions), f"{choice.seed}:{index}"))
    note = f"{NAMED} The number after it: how much of the vector from mean to mean is added to its z."
    return Sheet(f"From {choice.names[0]} to {choice.names[1]}", rows, note=note)


def directions_sheet(
    sampler: LatentSampler, found: Directions, seed: int, indices: Sequence[int], steps: int = 5, reach: float = 2.0
) -> Sheet:
    """Each direction from -reach to +reach standard deviations, on each of the samples, side by side."""
    amounts = evenly(-reach, reach, steps)
    latent = sampler.latent(seed, indices)
    rows = []
    for number, (step, part) in enumerate(zip(found.steps, found.variance, strict=True), 1):
        shown: list[Cell] = []
        for index, points in zip(indices, along(latent, step, amounts), strict=True):
            captions = [f"{seed}:{index}" + (f" {amount:+g} sd" if amount else "") for amount in amounts]
            shown += cells(sampler.images(points), captions)
        rows.append(Row(shown, f"direction {number}\n{100 * part:.1f}%"))
    note = (
        f"{NAMED} Left: the part of the variance of layer {found.layer} that the component explains.\n"
        "Directions are principal components of the layer's maps, carried back to z by least squares: no label is used."
    )
    return Sheet(
        f"Directions found without labels in {_name(sampler)}",
        rows,
        (),
        note,
        range(steps, len(indices) * steps, steps),
    )


def forget_sheet(sampler: LatentSampler, choice: Forget, columns: int = 10) -> tuple[Sheet, ForgottenObject]:
    """Some of the boxed samples, and samples before and after the maps of the thing are dropped."""
    boxed = sorted({box[0] for box in choice.boxes})
    latent = sampler.latent(choice.seed, boxed)
    boxes = [(boxed.index(sample), left, top, right, bottom) for sample, left, top, right, bottom in choice.boxes]
    found = fit_object(sampler, latent, boxes, choice.layer, choice.draw)
    speaking = found.maps()
    if not speaking:
        raise InputError("no map speaks for what is in the boxes; draw more of them, or closer ones")
    framed = [
        Cell(image, f"{choice.seed}:{number}", [box[1:] for box in choice.boxes if box[0] == number])
        for number, image in zip(boxed, sampler.images(latent), strict=True)
    ]
    rows = [Row(row.cells, "boxes") for row in in_rows(framed[: 2 * columns], columns)]
    dropped = {f"without\n{len(speaking[:most])} maps": speaking[:most] for most in choice.maps or [len(speaking)]}
    others = [index for index in range(len(found.weights)) if index not in speaking]
    count = min(max(map(len, dropped.values())), len(others))
    dropped[f"control: without\n{count} other maps"] = [
        others[index] for index in np.argsort(raw_words(len(others), choice.draw, CONTROL))[:count]
    ]
    for start in range(0, len(choice.samples), columns):
        part = choice.samples[start : start + columns]
        shown = sampler.latent(choice.seed, part)
        rows.append(Row(cells(sampler.images(shown), names(choice.seed, part)), "before"))
        for title, maps in dropped.items():
            rows.append(Row(cells(images_without(sampler, shown, maps, found.layer)), title))
    note = (
        f"{NAMED} {len(choice.boxes)} boxes on {len(boxed)} samples, {found.positions} positions inside; "
        f"{len(speaking)} of the {len(found.weights)} maps of layer {found.layer} have positive weight.\n"
        "Maps are dropped everywhere, those of the largest weight first; the control drops maps of negative weight."
    )
    return Sheet(f"Forgetting: {choice.thing}", rows, note=note), found


def _name(sampler: LatentSampler) -> str:
    """The network, and what it was trained on as far as the weights say."""
    seen = sampler.images_seen
    return sampler.spec.name + ("" if seen is None else f" after {seen:,} images")
