"""The study from trainings to results."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dcgan_features.benchmarks.records.environment import describe_device, environment
from dcgan_features.benchmarks.video.files import read_results, write_results
from dcgan_features.benchmarks.video.motion import View, chances, compared, probe_clips, run_probe, truths
from dcgan_features.benchmarks.video.pictures import SHOWN
from dcgan_features.benchmarks.video.prediction import (
    METRICS,
    Predictor,
    Values,
    black,
    copy_last,
    differences,
    mean_over_clips,
    measure,
)
from dcgan_features.benchmarks.video.settings import SYSTEMS, Preset, Study
from dcgan_features.data.utils.cli import progress
from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.data.utils.files import sha256_file
from dcgan_features.data.utils.hashing import digest_of
from dcgan_features.data.video.clips import Clips, Frames
from dcgan_features.data.video.sources import MOVING, official_test_clips
from dcgan_features.features import ClipFeatures, RandomDiscriminator
from dcgan_features.gan.description import read_description
from dcgan_features.gan.video.networks import ClipGenerator
from dcgan_features.gan.video.recipe import make_video_recipe
from dcgan_features.gan.video.training import PredictionRun, predict
from dcgan_features.gan.video.weights import load_video_weights

_SHORT = {"dcgan": "DCGAN", "l2": "L2 twin", "copy": "last frame", "black": "black"}
_TASKS = {"direction": "Direction", "speed": "Speed", "pictures": "Both pictures"}


class Measurement:
    """One preset: networks trained in a folder each, then measured together.

    Raises `InputError` for a source of clips that is not there, or recipes whose clips do not go together.
    """

    def __init__(
        self, study: Study, name: str, preset: Preset, data_root: Path | None, device: torch.device, store: Path
    ) -> None:
        self.study, self.name, self.preset, self.device, self.store = study, name, preset, device, store
        if preset.source not in MOVING:
            raise unknown_name("source of clips", preset.source, MOVING, f"the study {study.name}")
        self.moving = MOVING[preset.source](data_root)
        self.recipes = {
            system: make_video_recipe({"seed": study.seed, **preset.recipes[system]}, f"the recipe of '{system}'")
            for system in SYSTEMS
        }
        spec = self.spec = self.recipes["dcgan"].spec
        for system, recipe in self.recipes.items():
            if (recipe.spec.length, recipe.spec.size, recipe.spec.given) != (spec.length, spec.size, spec.given):
                raise InputError(f"'{system}' is of other clips than 'dcgan'; give networks of the same frames")
        if self.recipes["l2"].spec != spec or self.recipes["l2"].clips != self.recipes["dcgan"].clips:
            raise InputError("'l2' is not the twin of 'dcgan'; give both the same network and number of clips")
        official = official_test_clips(data_root) if preset.source == "moving-mnist" else None
        self.test_clips: Clips = official or self.moving.clips(
            "test", preset.test_clips, study.test_seed, spec.length, spec.size
        )

    def train(self) -> None:
        """Train each system, or go on with it, or find it finished."""
        for system, recipe in self.recipes.items():
            clips = self.moving.clips("train", recipe.clips, recipe.seed, recipe.spec.length, recipe.spec.size)
            run = PredictionRun(recipe, clips, self.store / system, self.device)
            done = run.training.steps_done
            if done < recipe.steps or not (run.out / "weights.json").exists():
                resumed = f", resuming after batch {done:,}" if done else ""
                print(f"training {system}: {recipe.clips:,} clips of {clips.description}{resumed}", flush=True)
                run.finish()

    @property
    def identity(self) -> str:
        """The digest of all that decides the figures."""
        weights = [sha256_file(self.store / system / "weights.safetensors") for system in SYSTEMS]
        probe = self.preset.probe.model_dump()
        return digest_of([weights, self.test_clips.digest, probe, self.study.test_seed])

    def finish(self, stem: Path, rerun: bool) -> str:
        """Measure what is not measured, write `<stem>.*`, and say what was found.

        What is measured already is read, and its page and pictures are made again.
        """
        identity = self.identity
        generators = {name: load_video_weights(self.store / name).generator.to(self.device) for name in ("dcgan", "l2")}
        predictors: dict[str, Predictor] = {name: _predictor(generators[name]) for name in generators}
        predictors["copy"] = copy_last(self.spec.predicted)
        shown = self.test_clips.take(np.arange(min(SHOWN, len(self.test_clips))))
        made = {_SHORT[name]: predictor(shown[:, : self.spec.given]) for name, predictor in predictors.items()}
        content = None if rerun else read_results(stem.with_suffix(".json"))
        said = "measured already; --rerun measures again"
        if content is None or content["identity"] != identity:
            content = self._measured(predictors | {"black": black(self.spec.predicted)}, generators["dcgan"])
            said = _said(content)
        write_results(stem, content, shown, made)
        return f"{said}\nwritten: {stem}.json, .md, .png and .gif"

    def _measured(self, predictors: dict[str, Predictor], generator: ClipGenerator) -> dict[str, Any]:
        """All figures, and what made them."""
        begun = time.perf_counter()
        with progress(len(self.test_clips), "predicting test clips") as advance:
            figures = measure(predictors, self.test_clips, self.spec.given, advance)
        return {
            "study": self.study.name,
            "preset": self.name,
            "title": self.study.title if not self.moving.stand_in else "Moving shapes (stand-in)",
            "stand_in": self.moving.stand_in,
            "identity": self.identity,
            "prediction": self._prediction(figures, generator),
            "motion": self._motion(),
            "published": [item.model_dump() for item in self.study.published] if not self.moving.stand_in else [],
            "read_in": self.study.read_in if not self.moving.stand_in else "nothing on these clips",
            "differs": self.study.differs if not self.moving.stand_in else "the clips are synthetic",
            "trainings": {system: self._training(system) for system in SYSTEMS},
            "device": describe_device(self.device),
            "seconds": round(time.perf_counter() - begun, 1),
            **environment(),
        }

    def _prediction(self, figures: dict[str, dict[str, Values]], generator: ClipGenerator) -> dict[str, Any]:
        parameters = sum(parameter.numel() for parameter in generator.parameters())
        systems = [
            {
                "name": name,
                "title": self.study.titles[name],
                "short": _SHORT[name],
                "parameters": parameters if name in ("dcgan", "l2") else None,
                **{metric: asdict(mean_over_clips(own[metric])) for metric in METRICS},
                "by_frame": {metric: own[metric].mean(0).tolist() for metric in METRICS},
            }
            for name, own in figures.items()
        ]
        return {
            "clips": len(self.test_clips),
            "description": self.test_clips.description,
            "digest": self.test_clips.digest,
            "given": self.spec.given,
            "predicted": self.spec.predicted,
            "systems": systems,
            "differences": [{**asdict(item), "better": item.better} for item in differences(figures, "dcgan")],
        }

    def _motion(self) -> dict[str, Any]:
        probe, length = self.preset.probe, self.spec.window
        motions = probe_clips(self.moving, probe, self.study.test_seed, length, self.spec.size)
        device = str(self.device)
        clip, frame = (str(self.store / system) for system in ("dcgan", "frames"))
        views = {
            "clip": View("Clips", ClipFeatures(clip, device=device), "all"),
            "untrained": View("Clips, untrained", RandomDiscriminator(self.spec.judge, device=device), "all"),
            "frame": View("Single frame", ClipFeatures(frame, device=device), "middle"),
            "still": View("Single frame, shown as a clip", ClipFeatures(clip, device=device), "still"),
            "mean": View(f"Single frames, mean of {length}", ClipFeatures(frame, device=device), "mean"),
            "each": View(f"Single frames, {length} side by side", ClipFeatures(frame, device=device), "each"),
        }
        classes = len(self.moving.classes)
        with progress(len(views), "probing features") as advance:
            found = run_probe(views, motions, probe, classes, advance)
        comparisons = compared(found, views, "clip", truths(motions[1], classes))
        return {
            "train": probe.train,
            "test": probe.test,
            "length": length,
            "speeds": list(probe.speeds),
            "kind": "digits" if not self.moving.stand_in else "shapes",
            "tasks": _TASKS,
            "chance": chances(probe, classes),
            "views": [{"name": name, "title": views[name].title, **own.about()} for name, own in found.items()],
            "differences": [
                {
                    "first": views["clip"].title,
                    "second": views[second].title,
                    "task": task,
                    "difference": item.difference,
                    "low": item.low,
                    "high": item.high,
                    "p_value": item.p_value,
                }
                for second, tasks in comparisons.items()
                for task, item in tasks.items()
            ],
        }

    def _training(self, system: str) -> dict[str, Any]:
        described, metadata = read_description(self.store / system / "weights.json")
        return {
            "recipe": metadata["recipe"],
            "data": metadata["data"]["description"],
            "clips_seen": described.images_seen,
            "batches": described.batches,
            "weights": described.sha256,
        }


def _predictor(generator: ClipGenerator) -> Predictor:
    def predicted(given: Frames) -> Frames:
        return predict(generator, given)

    return predicted


def _said(content: dict[str, Any]) -> str:
    """The figures in a few lines."""
    lines = [
        f"{system['title']}: squared error {system['squared_error']['value']:.2f} a frame, "
        f"SSIM {system['ssim']['value']:.4f}, PSNR {system['psnr']['value']:.2f} dB"
        for system in content["prediction"]["systems"]
    ]
    for view in content["motion"]["views"]:
        accuracy = ", ".join(f"{task} {found['value']:.1f}%" for task, found in view["accuracy"].items())
        lines.append(f"{view['title']}: {accuracy}")
    return "\n".join(lines)
