"""The front door: `dcgan-features`, whose sub-commands are the modules that `python -m` runs, listed in one place."""

from __future__ import annotations

import difflib
import importlib.util
import runpy
import sys
from collections.abc import Sequence
from dataclasses import dataclass

PACKAGE = "dcgan_features"


@dataclass(frozen=True)
class Command:
    """A command. module : that `python -m` runs in a clone, below the package. summary : what it does, in a line."""

    module: str
    summary: str


COMMANDS = {
    "compare": Command("benchmarks.compare", "compare extractors on your own pictures or beside a table's rows"),
    "probe-effect": Command("benchmarks.compare.probe_effect", "how much of a comparison is due to the probe"),
    "predict": Command("benchmarks.predict", "classes of pictures by a probe that compare kept"),
    "cifar10": Command("benchmarks.cifar10", "measure table 1: CIFAR-10"),
    "svhn": Command("benchmarks.svhn", "measure table 2: SVHN with 1,000 labels"),
    "mnist": Command("benchmarks.mnist", "measure the digits' table"),
    "report": Command("benchmarks.report", "results as Markdown, CSV, LaTeX and one HTML page"),
    "paired": Command("benchmarks.paired", "do two measured rows differ?"),
    "precision": Command("benchmarks.precision", "what training in bfloat16 costs"),
    "curves": Command("benchmarks.curves", "accuracy by number of labels"),
    "layers": Command("benchmarks.layers", "accuracy by layer"),
    "latent": Command("benchmarks.latent", "directions, walks and arithmetic in the latent space"),
    "stability": Command("benchmarks.stability", "which trainings fail, and what warns of it?"),
    "disentanglement": Command("benchmarks.disentanglement", "latent spaces by size, in the field's measures"),
    "memorisation": Command("benchmarks.memorisation", "do samples repeat training images?"),
    "mnist-generated": Command("benchmarks.mnist_generated", "do generated digits teach a classifier?"),
    "looks": Command("benchmarks.looks", "when were test figures looked at?"),
    "overlap": Command("benchmarks.overlap", "are test images in the corpora, and what is that worth?"),
    "speech": Command("benchmarks.speech", "spoken digits from spectrograms, on known and unknown speakers"),
    "select": Command("benchmarks.select", "choose features on training images"),
    "video": Command("benchmarks.video", "predicted frames, and what features of clips know of motion"),
    "speed": Command("benchmarks.speed", "how fast each part is on this machine"),
    "train": Command("gan.train", "train a DCGAN"),
    "train-video": Command("gan.video", "train a network that continues clips"),
    "near-duplicates": Command("gan.near_duplicates", "find images that are nearly alike"),
    "figures": Command("gan.figures", "pictures of a trained GAN"),
    "explore": Command("gan.explore", "a trained GAN in the browser"),
    "train-exemplar": Command("features.exemplar.train", "train an exemplar-CNN"),
}


def listed(program: str) -> str:
    """The commands, a line each."""
    width = max(map(len, COMMANDS))
    lines = [f"Usage: {program} COMMAND [OPTIONS]; {program} COMMAND --help says more.", ""]
    lines += [f"  {name:{width}}  {command.summary}" for name, command in COMMANDS.items()]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None, program: str = "dcgan-features") -> None:
    """Run the command that the first argument names, with the others; without any, list the commands."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help"):
        print(listed(program))
        return
    name, *rest = given
    if name not in COMMANDS:
        close = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.0)[0]
        print(f"error: unknown command '{name}': did you mean '{close}'? ({', '.join(COMMANDS)})", file=sys.stderr)
        raise SystemExit(2)
    module = f"{PACKAGE}.{COMMANDS[name].module}"
    sys.argv = [f"{program} {name}", *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def missing() -> list[str]:
    """Names of commands whose module is not there; none, unless one was moved and not renamed here."""
    return [name for name, item in COMMANDS.items() if importlib.util.find_spec(f"{PACKAGE}.{item.module}") is None]
