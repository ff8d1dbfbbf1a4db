"""Comparing proposals on anybody's labelled images, under probes in the place of a table's protocols."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dcgan_features.benchmarks.compare.extraction import Place
from dcgan_features.benchmarks.compare.finished import finished_candidates, is_finished
from dcgan_features.benchmarks.compare.keeping import Origin, keep_probe
from dcgan_features.benchmarks.compare.measure import PRESET, is_measured, measure
from dcgan_features.benchmarks.compare.probes import Choice, Probe, choice_for, make_probes
from dcgan_features.benchmarks.compare.proposals import Proposal, Surroundings, propose, table_and_path, title_of
from dcgan_features.benchmarks.compare.result import Candidate, Compared
from dcgan_features.benchmarks.compare.run import BROUGHT, pairs_of
from dcgan_features.benchmarks.compare.settings import Settings
from dcgan_features.benchmarks.config.images import LabelledDataset, labelled, load_dataset
from dcgan_features.benchmarks.runner.executor import check_writable
from dcgan_features.data.dataset import Dataset
from dcgan_features.data.labelled.load import Limit, from_arrays, keep_labels, labelled_images, limited
from dcgan_features.data.labelled.pictures import Form
from dcgan_features.data.utils.cli import progress
from dcgan_features.data.utils.devices import device_option
from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.data.utils.files import home_path

PROBES = ("l2-svm",)


@dataclass(frozen=True)
class Request:
    """What is compared on what, and how; see `benchmarks.compare.compare`.

    data : as `labelled_images` and `from_arrays` take it, or a `Dataset`; None is the data set of the table's preset.
    """

    data: Any = None
    size: int | None = None
    limit: int | None = None
    probes: Sequence[str] = PROBES
    settings: Settings = field(default_factory=Settings)
    table: str | Path = "cifar10"
    preset: str | None = None
    data_root: Path | None = None
    device: str | None = None
    results: Path = Path("results")
    store: Path = Path("feature-store")
    resume: bool = True
    save: Path | None = None

    @property
    def form(self) -> Form:
        """How pictures are brought to a size."""
        return Form(self.size, self.settings.fit)

    @property
    def most(self) -> Limit | None:
        """How many images are taken at most."""
        if self.limit is None and self.settings.test_limit is not None:
            raise InputError("test_limit goes with a limit of training images; give --limit, or leave it out")
        return None if self.limit is None else Limit(self.limit, self.settings.test_limit)

    @property
    def seed(self) -> int:
        """Of splits, hold-outs and wrong labels."""
        return self.settings.seed

    def made_probes(self) -> list[Probe]:
        """The probes asked for. Raises `InputError` for what cannot be."""
        own = self.settings
        return make_probes(self.probes, own.C, own.k, own.standardise, own.rate, own.label_noise, own.logistic_C)


def check_without_probes(request: Request) -> None:
    """Raise `InputError` for what goes with images or probes of one's own, where a table's protocols are measured."""
    given = {"size": request.size, "limit": request.limit} | request.settings.model_dump(
        include={"C", "logistic_C", "k", "rate", "standardise", "label_noise", "test_limit", "labelled"}
    )
    for name, value in given.items():
        if value not in (None, [], False):
            raise InputError(f"{name} goes with data or a probe; give one of them, or leave it out")


@dataclass(frozen=True)
class Prepared:
    """A request looked into: images, probes and place, before anything is extracted."""

    request: Request
    dataset: LabelledDataset
    probes: list[Probe]
    around: Surroundings
    place: Place


def prepare_comparison(request: Request) -> Prepared:
    """Load the images and check the probes. Raises `InputError` for what cannot be used."""
    probes = request.made_probes()
    if request.settings.curve or request.settings.protocol:
        raise InputError("curve and protocol go with a table's own protocols; leave them out with --data or --probe")
    table, path = table_and_path(request.table)
    preset, chosen = table.preset(request.preset)
    if request.data is None:
        if request.size is not None:
            raise InputError("a size goes with --data: a table's images are as the table has them; leave it out")
        dataset: Dataset = limited(load_dataset(chosen.dataset, request.data_root), request.most, request.seed)
    else:
        dataset = _dataset(request)
    checked = labelled(keep_labels(dataset, request.settings.labelled, request.seed))
    device, store = str(device_option(request.device)), home_path(request.store, "give --store in full").resolve()
    around = Surroundings(table, path, preset, checked, device, store, request.data_root)
    results = home_path(request.results, "give --results in full").resolve() / BROUGHT
    slug = re.sub(r"[^a-z0-9]+", "-", checked.name.lower()).strip("-")[:40] or "images"
    place = Place(f"{slug}-{checked.digest[:8]}", results, store, device, request.seed)
    check_writable(results / place.table)
    check_writable(store)
    return Prepared(request, checked, probes, around, place)


def _dataset(request: Request) -> Dataset:
    data = request.data
    if isinstance(data, Dataset):
        return limited(data, request.most, request.seed)
    if isinstance(data, str | Path):
        return labelled_images(data, request.form, request.seed, request.most, request.data_root, progress)
    if request.size is not None:
        raise InputError("arrays have their size; leave size out, or resize them first")
    return from_arrays(data, seed=request.seed, limit=request.most)


def compare_labelled(given: Sequence[Any] | Mapping[str, Any], request: Request, verbose: bool = True) -> Compared:
    """Measure what is not measured yet, in this process, and compare."""
    ready = prepare_comparison(request)
    dataset, place = ready.dataset, ready.place
    own = dict(given) if isinstance(given, Mapping) else [item for item in given if not is_finished(item)]
    outside = [] if isinstance(given, Mapping) else [item for item in given if is_finished(item)]
    finished = [each for text in outside for each in finished_candidates(text, dataset, ready.probes, place)]
    proposals = propose(own, ready.around) if own or not finished else []
    choice = choice_for(dataset, request.seed)
    if verbose:
        print("\n".join(_said(ready, proposals)), flush=True)
    candidates, failed, bad_input = list(finished), {}, True
    for proposal in proposals:
        try:
            result, predictions = measure(proposal, dataset, ready.probes, choice, place, request.resume)
            candidates.append(Candidate(proposal.name, proposal.title, proposal.external, result, predictions))
        except (InputError, ValueError) as error:
            failed[proposal.title] = " ".join(str(error).split())
        except MemoryError:
            failed[proposal.title], bad_input = "there was not enough memory; give fewer images by a limit", False
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            failed[proposal.title], bad_input = f"unexpected {type(error).__name__}: {error}", False
    if request.save is not None:
        _keep(ready, [each for each in proposals if each.title not in failed], choice, request.save)
    references = _references(ready, proposals, candidates)
    protocols = {probe.name: probe.title for probe in ready.probes}
    preset = PRESET if request.data is not None else ready.around.preset
    return Compared(
        name=place.table,
        title=dataset.title if request.data is not None else ready.around.table.title,
        source=_source(dataset),
        table=None,
        preset=preset,
        dataset=dataset,
        protocols=protocols,
        candidates=candidates,
        references=references,
        pairs=[pair for pair in pairs_of(candidates, references) if pair.protocol in protocols],
        failed=failed,
        bad_input=bad_input,
        curves=[],
        folder=place.results / f"{place.table}-comparison",
    )


def _keep(ready: Prepared, proposals: list[Proposal], choice: Choice, folder: Path) -> None:
    """Write each proposal's fitted probes: into the folder itself where there is one, else into one for each."""
    request = ready.request
    data = str(request.data) if isinstance(request.data, str | Path) else None
    own = request.settings
    origin = Origin(
        data,
        request.size,
        own.fit,
        own.seed,
        request.limit,
        own.test_limit,
        own.labelled,
        str(request.table),
        ready.around.preset,
    )
    kept = [probe for probe in ready.probes if not probe.noise]
    several = len(proposals) * len(kept) > 1
    for proposal in proposals:
        for probe in kept:
            place = folder / proposal.name / probe.name if several else folder
            keep_probe(place, proposal, ready.dataset, probe, choice, ready.place, origin)
            print(f"kept: {place}", flush=True)


def _references(ready: Prepared, proposals: list[Proposal], candidates: list[Candidate]) -> list[str]:
    """Names of those that the others are compared with: as asked for, else rows of the table, else the first."""
    titles = {each.title: each.name for each in candidates}
    titles |= {each.name: each.name for each in candidates}
    known = (
        titles
        | {proposal.title: proposal.name for proposal in proposals}
        | {each.name: each.name for each in proposals}
    )
    for text in ready.request.settings.reference:
        if title_of(text) not in known:
            raise unknown_name("reference", text, known, "what is compared")
    asked = [titles[text] for text in ready.request.settings.reference if text in titles]
    rows = [each.name for each in candidates if not each.external]
    return list(dict.fromkeys(asked or rows[:1] or [each.name for each in candidates[:1]]))


def _said(ready: Prepared, proposals: list[Proposal]) -> list[str]:
    dataset = ready.dataset
    lines = [f"{dataset.title}: {_source(dataset)}", f"probes: {', '.join(probe.title for probe in ready.probes)}"]
    for proposal in proposals:
        done = ready.request.resume and is_measured(proposal, dataset, ready.probes, ready.place)
        lines.append(f"{proposal.title}: {'measured already' if done else 'to be measured'}")
    lines.append(f"results: {ready.place.results / ready.place.table}; features: {ready.place.store / 'features'}")
    return lines


def _source(dataset: LabelledDataset) -> str:
    height, width, channels = dataset.train_images.shape[1:]
    kind = "grey" if channels == 1 else "colour"
    classes = len(np.unique(dataset.train_labels[dataset.train_labels >= 0]))
    return (
        f"{len(dataset.train_images):,} training and {len(dataset.test_images):,} test images of {classes} classes, "
        f"{kind}, "
        f"{width}x{height}; {dataset.note}"
    )
