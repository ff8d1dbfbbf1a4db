"""Measuring table 3 of the paper: systems one after another, each line written as it is found."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import torch

from dcgan_features.benchmarks.mnist_generated.files import Line, line_of, read_lines, write_picture, write_study
from dcgan_features.benchmarks.mnist_generated.study import (
    PICTURE,
    Images,
    Labels,
    Nearest,
    RealImages,
    Study,
    System,
    choose,
    load_study,
    nearest_label,
    over_generated,
    real_images,
    train,
)
from dcgan_features.benchmarks.records.environment import describe_device
from dcgan_features.benchmarks.reporting.table import WARNING
from dcgan_features.benchmarks.runner.executor import check_writable
from dcgan_features.data import load
from dcgan_features.data.utils.cli import progress
from dcgan_features.data.utils.devices import device_option
from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.data.utils.files import sha256_file
from dcgan_features.data.utils.hashing import digest_of
from dcgan_features.data.utils.locks import locked
from dcgan_features.data.utils.random_streams import stream
from dcgan_features.gan.conditional.networks import generate_classes
from dcgan_features.gan.conditional.training import load_conditional_generator
from dcgan_features.gan.networks import draw_latent


def run_study(
    preset: str | None,
    only: list[str] | None,
    generated: list[int] | None,
    study: str,
    data_root: Path | None,
    device: str | None,
    rerun: bool,
    results: Path | None,
    store: Path,
) -> None:
    """Measure what is not there yet; parameters are those of the command."""
    settings = load_study(study)
    preset, chosen = settings.preset(preset)
    systems = {system.name: system for system in settings.systems}
    for name in only or []:
        if name not in systems:
            raise unknown_name("system", name, systems, f"the study {settings.name}")
    folder = results or Path("results", "" if preset == settings.preset(None)[0] else preset)
    check_writable(folder)
    check_writable(store)
    place = device_option(device)
    real = real_images(load(chosen.dataset, data_root), settings.holdout, settings.seed)
    print(f"{real.about['description']}; {len(real.test_images):,} test images; {place}", flush=True)
    with _alone(folder, settings.name):
        measure = _Measurement(settings, preset, real, place, folder, store / settings.name / preset, rerun)
        for name, system in systems.items():
            if not system.recipes:
                measure.real(system)
            elif not only or name in only:
                measure.gan(system, sorted(set(generated or chosen.generated)))
        measure.finish()


@contextlib.contextmanager
def _alone(folder: Path, name: str) -> Iterator[None]:
    """Keep others from writing the same lines meanwhile."""
    try:
        with locked(folder / f".{name}.lock", timeout=0):
            yield
    except filelock.Timeout:
        raise InputError(f"another process measures {name} in {folder}; wait for it, or give other --results") from None


class _Measurement:
    """Lines of the table, found one after another and written at once; those that are there are kept."""

    def __init__(
        self, study: Study, preset: str, real: RealImages, device: torch.device, folder: Path, store: Path, rerun: bool
    ) -> None:
        self.study, self.preset, self.images, self.device = study, preset, real, device
        self.folder, self.store = folder, store
        kept = [] if rerun else read_lines(folder / f"{study.name}.json")
        self.lines: list[Line] = [line for line in kept if line["data"] == real.title]
        self.control: Nearest | None = None
        self.panels: dict[str, Images] = {}

    def real(self, system: System) -> None:
        """The control: the real images that the GANs see; and all that there are."""
        self.panels[system.title] = _by_class(*self.images.training)
        everything = (self.images.all_images, self.images.all_labels)
        for images, labels in (self.images.training, everything):
            begun = time.perf_counter()
            found = nearest_label(self.images.test_images, images, labels, self.device)
            seconds = time.perf_counter() - begun
            if self.control is None:
                self.control = found
            self._add(
                system, len(images), len(images), found, {}, {"search": seconds}, digest_of({"images": len(images)})
            )

    def gan(self, system: System, counts: list[int]) -> None:
        """One GAN: trained, chosen and measured, as far as that is not done."""
        folder = self.store / system.name
        recipe = system.recipes[self.preset]
        _, training_seconds = train(recipe, self.images, folder, self.device)

        def say(text: str) -> None:
            print(f"{system.title}: {text}", flush=True)

        seed = self.study.seed
        choice = choose(folder, self.images, self.study.choose_with, seed, self.device, say)
        about = {"images_seen": choice.images_seen, "own_statistics": choice.own_statistics}
        weights = sha256_file(choice.weights)
        identity = digest_of({"weights": weights, "seed": seed, "test": self.images.test_digest, **about})
        generator = load_conditional_generator(choice.weights)[0].to(self.device)
        labels = torch.arange(100) % generator.spec.classes
        latent = draw_latent(generator.spec, len(labels), stream(seed, PICTURE))
        self.panels[system.title] = generate_classes(generator, latent, labels, choice.own_statistics).numpy()
        # Figures of other weights are of another experiment.
        self.lines = [line for line in self.lines if line["row"] != system.name or line["identity"] == identity]
        wanted = [count for count in counts if not self._has(system, count)]
        if not wanted:
            return
        queries, file = self.images.test_images, folder / "search.npz"
        searched = over_generated(generator, choice.own_statistics, queries, wanted, seed, file, identity, self.device)
        chosen = {**about, "weights": weights, "held_out_errors": choice.errors}
        with progress(max(wanted), f"searching images of the {system.title}") as advance:
            done = 0
            for count, found, taken in searched:
                advance(count - done)
                done = count
                if found is not None:
                    seconds = {"training": training_seconds, "generation and search": taken}
                    self._add(system, count, len(self.images.kept), found, chosen, seconds, identity)

    def _has(self, system: System, count: int) -> bool:
        return any(line["row"] == system.name and line["images"] == count for line in self.lines)

    def _add(
        self,
        system: System,
        images: int,
        real: int,
        found: Nearest,
        chosen: dict[str, Any],
        seconds: dict[str, float],
        identity: str,
    ) -> None:
        line = line_of(self.study, self.preset, system, self.images, images, real, found, self.control)
        line |= {"device": describe_device(self.device), "chosen": chosen, "seconds": seconds, "identity": identity}
        self.lines = [old for old in self.lines if (old["row"], old["images"]) != (system.name, images)]
        self.lines.append(line)
        print(f"{system.title}, {images:,} images: {line['measured']:.2f}% wrong", flush=True)
        self._write()

    def _write(self) -> None:
        write_study(self.study, self.lines, self.folder)

    def finish(self) -> None:
        """Write everything, and say what it is."""
        self._write()
        stem = self.folder / self.study.name
        write_picture(stem.with_suffix(".png"), self.panels, WARNING if self.images.stand_in else "")
        print(f"written: {stem}.csv, .json, .md and .png")


def _by_class(images: Images, labels: Labels) -> Images:
    """The first images of each class, a class a column, 100 in all where there are ten classes."""
    columns = [images[labels == label][:10] for label in np.unique(labels)]
    rows = min(len(column) for column in columns)
    return np.stack([column[:rows] for column in columns], 1).reshape(-1, *images.shape[1:])
