"""What stands on the page: samples by name, which of them are pinned, added and subtracted, and boxes. No widgets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from dcgan_features.data.utils.errors import InputError
from dcgan_features.gan.figures.latent import Arithmetic, Concept, Forget
from dcgan_features.gan.figures.options import numbers

MOST_SHOWN = 60  # samples at a time, as many as a figure takes
MOST_PINNED = 16
MOST_EXEMPLARS = 3  # in a slot, as in the paper
SLOTS = ("A", "B", "C")  # Y = A - B + C

Edges = tuple[int, int, int, int]  # left, top, right, bottom


@dataclass(frozen=True, order=True)
class Name:
    """A sample's name, written "seed:index": with it a sample can always be found again."""

    seed: int
    index: int

    def __str__(self) -> str:
        return f"{self.seed}:{self.index}"


def read_names(text: str, most: int = MOST_SHOWN) -> list[Name]:
    """The samples that a text names, such as "0:3", "7-9" or "2:0-15, 30, 5:1"; a seed holds until the next one.

    Without any seed it is 0. Raises `InputError` for anything else, for none and for more than `most`.
    """
    found: list[Name] = []
    seed = 0
    for part in filter(None, (part.strip() for part in text.split(","))):
        before, colon, indices = part.rpartition(":")
        if colon and re.fullmatch(r"\s*\d{1,12}\s*", before) is None:
            raise InputError(f"'{part}' does not name a sample; write seed:number, such as 0:3 or 2:0-15")
        seed = int(before) if colon else seed
        found += [Name(seed, index) for index in numbers(indices.strip(), "samples")]
    if not found:
        raise InputError("no sample is named; write seed:number, such as 0:3 or 2:0-15")
    if len(found) > most:
        raise InputError(f"{len(found)} samples are too many; name {most} at most")
    return list(dict.fromkeys(found))


def write_names(names: Sequence[Name]) -> str:
    """The shortest text that `read_names` reads as these names, runs of them as ranges."""
    runs: list[list[Name]] = []
    for name in names:
        last = runs[-1][-1] if runs else None
        if last is not None and last.seed == name.seed and last.index + 1 == name.index:
            runs[-1].append(name)
        else:
            runs.append([name])
    return ", ".join(f"{run[0]}-{run[-1].index}" if len(run) > 1 else str(run[0]) for run in runs)


def one_seed(names: Sequence[Name]) -> int:
    """The seed of all names. Raises `InputError` where they have several, which `gan.figures` does not take."""
    seeds = sorted({name.seed for name in names})
    if len(seeds) > 1:
        raise InputError(
            f"python -m gan.figures takes samples of one seed, and these are of the seeds {', '.join(map(str, seeds))}"
        )
    return seeds[0]


@dataclass
class State:
    """What one visitor of the page has chosen.

    shown : the samples of the grid. pinned : in the order in which they were pinned. slots : the exemplars in A, B
    and C. boxes : (sample, edges in pixels, right and bottom not included). maps : how many are dropped; None: all.
    The rest is what the controls stand at.
    """

    shown: list[Name] = field(default_factory=lambda: read_names("0:0-15"))
    pinned: list[Name] = field(default_factory=list)
    slots: dict[str, list[Name]] = field(default_factory=lambda: {slot: [] for slot in SLOTS})
    steps: int = 8
    place: float = 0.0
    moved: Name | None = None
    amounts: list[float] = field(default_factory=list)
    direction_layer: int = 0
    boxes: list[tuple[Name, Edges]] = field(default_factory=list)
    thing: str = "object"
    maps: int | None = None
    filter_layer: int | None = None
    filter_map: int = 0

    def show_next(self) -> None:
        """As many samples as are shown, further on in the seed of the last one."""
        last = self.shown[-1]
        self.shown = [Name(last.seed, last.index + 1 + index) for index in range(len(self.shown))]

    def show_seed(self, seed: int) -> None:
        """As many samples as are shown, the first of another seed."""
        self.shown = [Name(seed, index) for index in range(len(self.shown))]

    def toggle_pin(self, name: Name) -> None:
        """Pin a sample, or unpin it. Raises `InputError` where there is no room."""
        if name in self.pinned:
            self.pinned.remove(name)
        elif len(self.pinned) == MOST_PINNED:
            raise InputError(f"{MOST_PINNED} samples are pinned; unpin one first")
        else:
            self.pinned.append(name)

    def toggle_exemplar(self, slot: str, name: Name) -> None:
        """Put a sample into a slot, or take it out. Raises `InputError` where the slot is full."""
        exemplars = self.slots[slot]
        if name in exemplars:
            exemplars.remove(name)
        elif len(exemplars) == MOST_EXEMPLARS:
            raise InputError(f"{slot} holds {MOST_EXEMPLARS} exemplars; take one out first")
        else:
            exemplars.append(name)

    @property
    def complete(self) -> bool:
        """Whether each slot holds an exemplar."""
        return all(self.slots.values())

    def add_box(self, name: Name, edges: Sequence[float], size: int) -> None:
        """Remember a box on a sample of `size` x `size` pixels. Raises `InputError` for one that does not lie in it."""
        left, top, right, bottom = (round(edge) for edge in edges)
        if not (0 <= left < right <= size and 0 <= top < bottom <= size):
            raise InputError(f"a box must have left < right and top < bottom, from 0 to {size} pixels")
        if (name, (left, top, right, bottom)) not in self.boxes:
            self.boxes.append((name, (left, top, right, bottom)))

    @property
    def boxable(self) -> list[Name]:
        """The samples on which boxes are drawn: those pinned, and those that were when they got a box."""
        return list(dict.fromkeys([*self.pinned, *(name for name, _ in self.boxes)]))

    def walked(self) -> list[Name]:
        """The samples of the walk. Raises `InputError` where there are too few."""
        if len(self.pinned) < 2:
            raise InputError("a walk needs at least two pinned samples; pin them among the samples")
        return self.pinned

    def arithmetic(self) -> Arithmetic:
        """The choice that `python -m gan.figures arithmetic` takes. Raises `InputError` where it cannot."""
        self.check_slots()
        seed = one_seed([name for exemplars in self.slots.values() for name in exemplars])
        plus, minus, also = (Concept(name=slot, samples=[name.index for name in self.slots[slot]]) for slot in SLOTS)
        return Arithmetic(plus=plus, minus=minus, also=also, result="Y", seed=seed)

    def check_slots(self) -> None:
        """Raise `InputError` unless each slot holds an exemplar."""
        if not self.complete:
            empty = [slot for slot, exemplars in self.slots.items() if not exemplars]
            raise InputError(f"nothing is in {' and '.join(empty)} yet; put pinned samples into A, B and C")

    def forgetting(self) -> Forget:
        """The choice that `python -m gan.figures forget` takes. Raises `InputError` where it cannot."""
        if not self.boxes:
            raise InputError("there is no box yet; draw one around the object on a pinned sample")
        seed = one_seed([*(name for name, _ in self.boxes), *self.shown])
        return Forget(
            thing=self.thing,
            boxes=[(name.index, *edges) for name, edges in self.boxes],
            samples=[name.index for name in self.shown],
            seed=seed,
            maps=None if self.maps is None else [self.maps],
        )

    def settings(self, checkpoint: str, network: str) -> dict[str, Any]:
        """All of it, JSON-ready, every sample by its name."""
        return {
            "checkpoint": checkpoint,
            "network": network,
            "shown": [str(name) for name in self.shown],
            "pinned": [str(name) for name in self.pinned],
            "arithmetic": {slot: [str(name) for name in exemplars] for slot, exemplars in self.slots.items()},
            "walk": {"steps": self.steps, "place": self.place},
            "directions": {
                "sample": None if self.moved is None else str(self.moved),
                "layer": self.direction_layer,
                "amounts": self.amounts,
            },
            "forget": {
                "thing": self.thing,
                "boxes": [[str(name), *edges] for name, edges in self.boxes],
                "maps": self.maps,
            },
            "filters": {"layer": self.filter_layer, "map": self.filter_map},
        }
