"""Every reader of the tree, each with small whole files."""

from __future__ import annotations

import gzip
import hashlib
import importlib
import json
import struct
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import yaml
from PIL import Image

from dcgan_features.benchmarks.config import search as trials
from dcgan_features.benchmarks.config.external import read_specification
from dcgan_features.benchmarks.config.schema import load_table
from dcgan_features.benchmarks.config.studies import STUDIES
from dcgan_features.benchmarks.mnist_generated import files as generated
from dcgan_features.benchmarks.mnist_generated import study as generated_study
from dcgan_features.benchmarks.records.predictions import predictions_of, write_predictions
from dcgan_features.benchmarks.records.reading import read_row
from dcgan_features.benchmarks.records.rows import (
    Outline,
    ProtocolResult,
    RowOutline,
    RowResult,
    read_outline,
    write_row,
)
from dcgan_features.benchmarks.reporting.html.compared import compared_views
from dcgan_features.benchmarks.reporting.html.csv_file import read_lines
from dcgan_features.benchmarks.reporting.html.pictures import picture_views
from dcgan_features.benchmarks.reporting.html.speed import speed_views
from dcgan_features.benchmarks.reporting.table import write_table
from dcgan_features.benchmarks.runner.progress import _former
from dcgan_features.data import svhn
from dcgan_features.data.folder import folder, npy
from dcgan_features.data.mnist import read_idx, read_part
from dcgan_features.data.picture_cache import cached_folder
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import keep_array, kept_array, write_sealed
from dcgan_features.data.utils.formats.sound import read_sound, write_sound
from dcgan_features.data.video.folder import clip_folder
from dcgan_features.eval.protocols import NORMAL_QUANTILE, wilson_interval
from dcgan_features.features import FeatureStore, RawPixels
from dcgan_features.features.exemplar.networks import ExemplarNetwork
from dcgan_features.features.exemplar.recipe import read_exemplar_recipe
from dcgan_features.features.exemplar.weights import load_exemplar_weights, save_exemplar_weights
from dcgan_features.features.precomputed import read_array, read_features
from dcgan_features.gan.conditional.networks import ConditionalGenerator
from dcgan_features.gan.conditional.training import KIND, load_conditional_generator
from dcgan_features.gan.figures.history import Grids
from dcgan_features.gan.figures.latent import Arithmetic
from dcgan_features.gan.figures.options import read_choice
from dcgan_features.gan.networks import Discriminator, Generator
from dcgan_features.gan.released_weights import load_theano
from dcgan_features.gan.training.adversarial import AdversarialTraining
from dcgan_features.gan.training.checkpoint import read_state, restore_state, save_state
from dcgan_features.gan.training.recipe import read_recipe
from dcgan_features.gan.weights_file import load_weights, save_weights, write_tensors
from tests.campaign.damage import BYTES, JSON, TEXT, YAML
from tests.campaign.trial import Reader
from tests.gan.tiny import DATA, TINY, tiny_images, tiny_recipe
from tests.gan.tiny_conditional import TINY as TINY_CONDITIONAL

SIZE = 8  # pixels along a side
EXEMPLAR = "4c5-4c5-6f"


class Values(NamedTuple):
    """Arrays as what came of a file: their forms, and the bytes of them."""

    form: str
    content: bytes


def values(*arrays: Any) -> Values:
    forms = [(array.shape, str(array.dtype)) for array in map(np.asarray, arrays)]
    return Values(repr(forms), b"".join(np.ascontiguousarray(array).tobytes() for array in arrays))


def network_values(*networks: Any) -> Values:
    tensors = [tensor for network in networks for tensor in network.state_dict().values()]
    shown = " ".join(repr(getattr(network, "spec", "")) for network in networks)
    found = values(*(tensor.numpy() for tensor in tensors))
    return Values(f"{shown} {found.form}", found.content)


def no_more_than_was_damaged(before: Values, now: Values, changed: int) -> bool:
    """Whether the same forms hold at most so many other bytes: damage must not shift what lies behind it."""
    if before.form != now.form or len(before.content) != len(now.content):
        return changed > len(before.content)  # another file altogether
    return sum(a != b for a, b in zip(before.content, now.content, strict=True)) <= changed


def all_readers(root: Path) -> Iterator[Reader]:
    """Every reader, its files made below `root` when it is asked for."""
    generator = np.random.default_rng(0)
    for make in (
        _images, _mnist, _idx, _mat, _recut, _features, _pictures, _picture_cache, _kept, _theano, _weights,
        _exemplar_weights, _conditional_weights, _checkpoint, _grids, _store, _results, _predictions, _outline, _trials,
        _seconds, _tables, _recipes, _choices, _specification, _study, _search, _views, _sounds, _films,
    ):  # fmt: skip
        place = root / make.__name__.strip("_")
        place.mkdir(parents=True)
        yield from make(place, generator)


def _images(place: Path, generator: np.random.Generator) -> Iterator[Reader]:
    file = place / "images.npy"
    np.save(file, generator.integers(0, 256, (20, SIZE, SIZE, 3), dtype=np.uint8))
    yield Reader("images, .npy", lambda: values(npy(file).train_images), [file], BYTES, False, no_more_than_was_damaged)


def _mnist(place: Path, generator: np.random.Generator) -> Iterator[Reader]:
    arrays = {f"{part}_x": generator.integers(0, 256, (12, 28, 28), dtype=np.uint8) for part in ("train", "test")}
    arrays |= {f"{part}_y": np.arange(12, dtype=np.uint8) % 10 for part in ("train", "test")}
    for name, save in (("stored", np.savez), ("compressed", np.savez_compressed)):
        file = place / f"{name}.npz"
        save(file, **arrays)  # type: ignore[arg-type]

        def read(file: Path = file) -> Any:
            made = read_part(file)
            return values(made.train_images, made.train_labels, made.test_images, made.test_labels)

        yield Reader(f"MNIST's part, {name} .npz", read, [file], BYTES, True)


def _idx(place: Path, generator: np.random.Generator) -> Iterator[Reader]:
    content = b"\0\0\x08\x03" + struct.pack(">III", 6, 28, 28) + generator.integers(0, 256, 6 * 784, np.uint8).tobytes()
    for name, whole in (("images-idx3-ubyte", content), ("images-idx3-ubyte.gz", gzip.compress(content))):
        file = place / name
        file.write_bytes(whole)
        yield Reader(
            f"MNIST's {name}", partial(_read_idx, file), [file], BYTES, name.endswith("gz"),
            no_more_than_was_damaged,
        )  # fmt: skip


def _mat(place: Path, generator: np.random.Generator) -> Iterator[Reader]:
    from scipy.io import savemat

    file = place / "train_32x32.mat"
    X = generator.integers(0, 256, (32, 32, 3, 3), dtype=np.uint8)
    savemat(file, {"X": X, "y": np.array([[1], [10], [3]], np.uint8)}, do_compression=True)
    yield Reader("SVHN's .mat", lambda: values(*svhn.read(file)), [file], BYTES, False)


def _recut(place: Path, generator: np.random.Generator) -> Iterator[Reader]:
    file, arrays = place / "svhn_recut.npz", {}
    for part in ("train", "test"):
        arrays[f"{part}_images"] = generator.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
        arrays[f"{part}_labels"] = np.arange(6, dtype=np.uint8)
        arrays[f"{part}_house"] = np.arange(6, dtype=np.int32)
    np.savez(file, **arrays)  # type: ignore[arg-type]
    digests = {key: svhn._digest(array) for key, array in arrays.items()}

    def read() -> Any:
        kept, svhn._RECUT_SHA256 = svhn._RECUT_SHA256, digests
        try:
            made = svhn.read_recut(file)
        finally:
            svhn._RECUT_SHA256 = kept
        return values(made.train_images, made.train_labels, made.test_images, made.test_labels)

    yield Reader("SVHN cut again, .npz", read, [file], BYTES)


def _features(place: Path, generator: np.random.Generator) -> Iterator[Reader]:
    for name, save in (("stored", np.savez), ("compressed", np.savez_compressed)):
        file = place / f"{name}.npz"
        save(file, train=generator.normal(size=(20, 5)), test=generator.normal(size=(8, 5)), train_labels=np.arange(20))

        def read(file: Path = file) -> Any:
            found = read_features(file)
            return values(found["train"], found["test"], read_array(file, "train_labels", optional=True))

        yield Reader(f"features, {name} .npz", read, [file], BYTES)


def _pictures(place: Path, generator: np.random.Generator) -> Iterator[Reader]:
    image = Image.fromarray(generator.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8))
    for kind in ("png", "jpg", "gif", "tif", "webp", "bmp"):
        root = place / kind
        root.mkdir()
        file = root / f"a.{kind}"
        image.save(file)
        image.save(root / "b.bmp")
        yield Reader(f"pictures, .{kind}", partial(_read_folder, root), [file], BYTES, False)


def _sounds(place: Path, generator: np.random.Generator) -> Iterator[Reader]:
    for kind in ("wav", "flac"):
        file = place / f"tone.{kind}"
        write_sound(file, np.sin(np.arange(1500) / 9) * generator.uniform(0.5, 1, 1500) / 2, 8000)
        yield Reader(f"sound, .{kind}", partial(_read_sound, file), [file], BYTES, False)


def _read_sound(file: Path) -> Values:
    sound, rate = read_sound(file)
    found = values(sound)
    return Values(f"{rate} {found.form}", found.content)


def _films(place: Path, generator: np.random.Generator) -> Iterator[Reader]:
    av: Any = importlib.import_module("av")
    file = place / "films" / "film.mp4"
    file.parent.mkdir()
    with av.open(str(file), "w") as container:
        stream: Any = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for image in generator.integers(0, 256, (12, 32, 32, 3), dtype=np.uint8):
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    yield Reader("film, .mp4", lambda: values(clip_folder(file.parent, 4, 16).frames), [file], BYTES, False)


def _picture_cache(place: Path, generator: np.random.Generator) -> Iterator[Reader]:
    root, cache = place / "pictures", place / "cache"
    root.mkdir()
    for number in range(4):
        Image.fromarray(generator.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(root / f"{number}.png")

    def read() -> Any:
        return values(cached_folder(root, SIZE, cache=cache).images)

    read()
    (entry,) = cache.iterdir()
    array, about = entry / "pictures.npy", entry / "pictures.json"
    yield Reader("picture cache, finished", read, [array, about], (*BYTES, *JSON))
    # As a killed process leaves it, with all decoded but for the last note.
    part, position = entry / "decoding.part", entry / "decoding.json"
    said, whole = json.loads(about.read_text()), array.read_bytes()
    header = whole[: -3 * SIZE * SIZE * said["pictures"]]
    done = whole[len(header) : len(header) + 3 * SIZE * SIZE * 2]
    part.write_bytes(header + done)
    half = {"listing": said["listing"], "done": 2, "failures": [], "pixels": hashlib.sha256(done).hexdigest()}
    write_sealed(position, half, indent=None)

    def clean() -> None:
        for file in (array, about):
            file.unlink(missing_ok=True)

    clean()
    yield Reader("picture cache, half decoded", read, [part, position], (*BYTES, *JSON), clean=clean)


def _kept(place: Path, generator: np.random.Generator) -> Iterator[Reader]:
    file, array = place / "unique.npy", generator.integers(0, 256, (9, SIZE, SIZE, 3), dtype=np.uint8)

    def read() -> Any:
        found = kept_array(file, array.dtype, array.shape)
        return values(array if found is None else found)  # what is not kept is made again

    keep_array(file, [array], array.dtype, array.shape)
    yield Reader("cache of near-duplicates", read, [file, file.with_suffix(".json")], (*BYTES, *JSON))


def _theano(place: Path, generator: np.random.Generator) -> Iterator[Reader]:
    shapes = [tensor.shape for _, tensor in Discriminator(TINY).named_parameters()]
    order = [0, 1, 3, 4, 2, 5, 6, 7]  # kernels, then gain and shift of the same layer
    names = [name for name, _ in Discriminator(TINY).named_parameters()]
    del order
    wanted = ["convolutions.0.weight"]
    for layer in (1, 2):
        wanted += [f"convolutions.{layer}.weight", f"normalisations.{layer}.weight", f"normalisations.{layer}.bias"]
    wanted.append("logit.weight")
    files = []
    for position, name in enumerate(wanted, 1):
        shape = tuple(shapes[names.index(name)])
        array = generator.normal(size=shape[::-1] if len(shape) == 2 else shape).astype(np.float32)
        files.append(place / f"9_discrim_params.jl_{position:02d}.npy")
        np.save(files[-1], array)
    yield Reader(
        "the authors' arrays", lambda: network_values(load_theano(place, "tiny").discriminator), files, BYTES, False
    )


def _weights(place: Path, generator: np.random.Generator) -> Iterator[Reader]:
    source = torch.Generator().manual_seed(0)
    networks = Discriminator(TINY, source), Generator(TINY, source)
    about = {"recipe": tiny_recipe().model_dump(), "data": DATA, "images_seen": 160, "batches": 10}
    path = save_weights(place / "w", *networks, about)

    def read() -> Any:
        loaded = load_weights(path)
        return *network_values(loaded.discriminator, loaded.generator), json.dumps(loaded.metadata, sort_keys=True)

    yield Reader("weights, .json", read, [path.with_suffix(".json")], JSON)
    yield Reader("weights, .safetensors", read, [path], BYTES)


def _exemplar_weights(place: Path, generator: np.random.Generator) -> Iterator[Reader]:
    path = save_exemplar_weights(place / "w", ExemplarNetwork(EXEMPLAR, 4, torch.Generator().manual_seed(0)), {})

    def read() -> Any:
        network, about = load_exemplar_weights(path)
        return *network_values(network), json.dumps(about, sort_keys=True)

    yield Reader("Exemplar-CNN's weights", read, [path, path.with_suffix(".json")], (*BYTES, *JSON))


def _conditional_weights(place: Path, generator: np.random.Generator) -> Iterator[Reader]:
    made = ConditionalGenerator(TINY_CONDITIONAL, torch.Generator().manual_seed(0))
    tensors = {f"generator.{name}": tensor for name, tensor in made.state_dict().items() if "num_batches" not in name}
    path = write_tensors(place / "w", tensors, {"kind": KIND, "network": TINY_CONDITIONAL.name}, torch.float32)

    def read() -> Any:
        network, about = load_conditional_generator(path)
        return *network_values(network), json.dumps(about, sort_keys=True)

    yield Reader("conditional GAN's weights", read, [path, path.with_suffix(".json")], (*BYTES, *JSON))


def _checkpoint(place: Path, generator: np.random.Generator) -> Iterator[Reader]:
    path = place / "checkpoint.safetensors"
    recipe = tiny_recipe(averaging=0.5, rotation=1.0)
    training = AdversarialTraining(recipe, tiny_images())
    training.step()
    save_state(path, training, DATA, 1.0)

    def read() -> Any:
        about, tensors = read_state(path)
        again = AdversarialTraining(recipe, tiny_images())
        restore_state(path, again, about, tensors)
        return (
            *network_values(again.discriminator, again.generator),
            json.dumps(about, sort_keys=True),
            again.steps_done,
        )

    yield Reader("checkpoint", read, [path], (*BYTES, *BYTES, *TEXT))


def _grids(place: Path, generator: np.random.Generator) -> Iterator[Reader]:
    file = place / "samples" / "00000010.png"
    file.parent.mkdir()
    Image.fromarray(generator.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(file)
    about = {"recipe": tiny_recipe().model_dump(), "data": DATA, "images_seen": 160, "batches": 10}
    path = save_weights(place / "weights", Discriminator(TINY), None, about)

    def read() -> Any:
        grids = Grids.of(place)
        return [values(np.asarray(grids.open(step, 4))) for step in grids.files], repr(grids)

    yield Reader("sample history", read, [file], BYTES, False)
    yield Reader("a run's weights.json", read, [path.with_suffix(".json")], JSON)


def _store(place: Path, generator: np.random.Generator) -> Iterator[Reader]:
    images = generator.integers(0, 256, (12, SIZE, SIZE, 3), dtype=np.uint8)

    def read() -> Any:
        return values(FeatureStore(place).get(RawPixels(), images, images).numpy())

    read()
    (entry,) = [path for path in place.iterdir() if path.is_dir()]
    yield Reader("feature store", read, [entry / "features.bin", entry / "header.json"], (*BYTES, *JSON))


def measured_row(place: Path, metric: str = "accuracy") -> RowResult:
    """A result whose figures are those of predictions that it keeps."""
    draw = np.random.default_rng(1)
    truth = draw.integers(0, 3, 40)
    predicted = np.where(draw.random((3, 40)) < 0.7, truth, draw.integers(0, 3, (3, 40)))
    accuracies = (predicted == truth).mean(1) * 100
    found = [float(100 - value if metric == "error" else value) for value in accuracies]
    sd, mean = float(np.std(found, ddof=1)), float(np.mean(found))
    ends = wilson_interval(float(accuracies.mean()), len(truth))
    low, high = sorted(100 - end if metric == "error" else end for end in ends)
    summary = ProtocolResult(
        metric=metric, published=50.5, published_pm=None, measured=mean, difference=mean - 50.5, sd=sd,
        pm=NORMAL_QUANTILE * sd, low=low, high=high, values=found, chosen=[{}] * 3, labels=9, test_images=40,
        seconds=1.5, draw_digests=["a" * 64] * 3,
    )  # fmt: skip
    digest = write_predictions(place, "t", "r", truth, {"few": predicted})
    result = RowResult(
        format=1, identity="b" * 64, table="t", row="r", title="A row", preset="quick", stand_in=False, data="images",
        data_note="of a test", unlabelled="images", protocols={"few": summary},
        features={"count": 12, "dtype": "float32"}, seconds={"few": 1.5}, peak_gib=0.5, peak_device_gib=None,
        device="cpu, 1 threads", seeds={"draws": 0}, digests={"data": "c" * 64, "weights": None, "predictions": digest},
        settings={"measurement": {"extractor": {"name": "X", "settings": {"a": 1.5}}}}, commit=None,
        versions={"torch": "2"}, deviations=["of a test"], finished="2026-01-02T03:04:05+00:00",
    )  # fmt: skip
    write_row(place, result)
    return result


def _results(place: Path, generator: np.random.Generator) -> Iterator[Reader]:
    for metric in ("accuracy", "error"):
        folder_of = place / metric
        measured_row(folder_of, metric)
        file = folder_of / "t" / "r.json"
        yield Reader(f"result of a row ({metric}), .json", partial(_read_row, file), [file], JSON)
    # As results of earlier versions are, without a seal: figures follow from the predictions; words do not.
    older = place / "older"
    measured_row(older)
    file = older / "t" / "r.json"
    content = json.loads(file.read_text())
    del content["seal"]
    file.write_text(json.dumps(content, indent=2))

    def figures() -> Any:
        found = read_row(file)
        return None if found is None else [
            (item.measured, item.sd, item.low, item.high, item.values) for item in found.protocols.values()
        ]  # fmt: skip

    yield Reader(
        "older result without a seal: its figures", figures, [file], JSON, False,
        lambda before, now, changed: now is None or now == [],
    )  # fmt: skip


def _read_row(file: Path) -> str:
    return _dump(read_row(file))


def _read_idx(file: Path) -> Values:
    return values(read_idx(file))


def _read_folder(root: Path) -> Values:
    return values(folder(root, SIZE).train_images)


def _dump(result: RowResult | None) -> str:
    if result is None:
        raise InputError("there is no result")  # the row is measured again
    return result.model_dump_json()


def _predictions(place: Path, generator: np.random.Generator) -> Iterator[Reader]:
    result = measured_row(place)

    def read() -> Any:
        found = predictions_of(place, result)
        return values(found.truth, *found.by_protocol.values())

    yield Reader("predictions, .npz", read, [place / "t" / "r.npz"], BYTES)


def _outline(place: Path, generator: np.random.Generator) -> Iterator[Reader]:
    result = measured_row(place)
    row = RowOutline(name="r", title="A row", units=None, citation="", note="", published={"few": {"value": 50.5}})  # type: ignore[dict-item]
    made = Outline(
        format=1, name="t", title="A table", metric="accuracy", preset="quick", protocols=["few"],
        titles={"few": "few labels"}, rows=[row],
    )  # fmt: skip
    write_table(made, {"r": result}, place)
    yield Reader(
        "outline of a table, .json", lambda: read_outline(place / "t.json").model_dump_json(), [place / "t.json"], JSON
    )


def _trials(place: Path, generator: np.random.Generator) -> Iterator[Reader]:
    file = place / "trials.jsonl"
    search = trials.Search(space={"C": [1.0, 2.0, 3.0]})

    def read() -> Any:
        found = trials.run_search(search, lambda settings: [10.0 * settings["C"]], file)
        return [(trial.settings, trial.errors) for trial in found]

    read()
    yield Reader("trials of a search, .jsonl", read, [file], JSON)


def _seconds(place: Path, generator: np.random.Generator) -> Iterator[Reader]:
    file = place / "seconds.json"
    write_sealed(file, {"seconds": 12.5})
    # What is not known any more counts as nothing, and the longer of two times is kept.
    yield Reader("remembered seconds, .json", lambda: _former(file), [file], JSON, False, lambda _, now, __: now == 0.0)


TABLE: dict[str, Any] = {
    "name": "tiny",
    "title": "A tiny table",
    "classifier": {"class": "L2SVMCV", "Cs": [0.1, 1.0]},
    "protocols": {"all": {"title": "all labels", "holdout": 50}, "few": {"title": "few", "per_class": 5, "draws": 3}},
    "presets": {"quick": {"dataset": {"source": "stand-in", "n_train": 250}, "protocols": {"all": {}, "few": {}}}},
    "rows": [
        {"name": "pixels", "title": "Pixels", "published": {"few": {"value": 50.5, "pm": 0.3}},
         "extractor": {"class": "RawPixels"}, "search": {"space": {"C": {"log_uniform": [0.1, 10.0]}}, "trials": 3}},
    ],
}  # fmt: skip


def _tables(place: Path, generator: np.random.Generator) -> Iterator[Reader]:
    file = place / "tiny.yaml"
    file.write_text(yaml.safe_dump(TABLE, sort_keys=False))
    yield Reader("table, .yaml", lambda: load_table(file).model_dump_json(), [file], YAML, False)


def _recipes(place: Path, generator: np.random.Generator) -> Iterator[Reader]:
    file = place / "recipe.yaml"
    file.write_text(
        "network: svhn-32\nimages: 1000\nlearning_rate: 2e-4\nflips: true\nbeta1: 0.5\nsample_every: null\n"
    )
    yield Reader("recipe, .yaml", lambda: read_recipe(file).model_dump_json(), [file], YAML, False)
    other = place / "exemplar.yaml"
    other.write_text("network: small\nseeds: 100\nsamples: 1000\nlearning_rate: 1e-3\n")
    yield Reader(
        "Exemplar-CNN's recipe, .yaml", lambda: read_exemplar_recipe(other).model_dump_json(), [other], YAML, False
    )


def _choices(place: Path, generator: np.random.Generator) -> Iterator[Reader]:
    from dcgan_features.gan.figures.options import EXAMPLES

    file = place / "choice.yaml"
    file.write_bytes((EXAMPLES / "faces-arithmetic.yaml").read_bytes())
    yield Reader(
        "choice of a figure, .yaml", lambda: read_choice(Arithmetic, str(file)).model_dump_json(), [file], YAML, False
    )


def _specification(place: Path, generator: np.random.Generator) -> Iterator[Reader]:
    file = place / "specification"
    file.write_text("mine.py:Colours,width=8,names=[a, b],flips=true,rate=1e-4")

    def read() -> Any:
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise InputError("no command line") from None
        return read_specification(text).model_dump_json()

    def without_pipes() -> Any:
        if not file.is_file():
            raise InputError("no command line")
        return read()

    yield Reader("specification of a command line", without_pipes, [file], TEXT, False)


def _study(place: Path, generator: np.random.Generator) -> Iterator[Reader]:
    file = place / "study.json"
    lines = [{"row": "gan", "images": 100, "measured": 4.25}]
    write_sealed(file, {"format": generated.FORMAT, "study": "s", "lines": lines})
    yield Reader("lines of the MNIST check, .json", lambda: json.dumps(_some(generated.read_lines(file))), [file], JSON)
    shipped = place / "study.yaml"
    shipped.write_bytes((STUDIES / "mnist-generated.yaml").read_bytes())
    yield Reader("study, .yaml", lambda: generated_study.load_study(shipped).model_dump_json(), [shipped], YAML, False)


def _some(lines: list[Any]) -> list[Any]:
    if not lines:
        raise InputError("there are no lines")  # all is measured again
    return lines


def _search(place: Path, generator: np.random.Generator) -> Iterator[Reader]:
    file, nearest = (
        place / "nearest.npz",
        generated_study.Nearest(np.arange(6, dtype=np.float32), np.arange(6, dtype=np.int64)),
    )
    generated_study._write_search(file, "i" * 64, 100, nearest, 2.0)

    def read() -> Any:
        images, found, seconds = generated_study._read_search(file, "i" * 64, 6)
        if found is None:  # the search begins anew
            raise InputError("there is no search")
        return images, seconds, values(found.distances, found.labels)

    yield Reader("search of the MNIST check, .npz", read, [file], BYTES)


def _views(place: Path, generator: np.random.Generator) -> Iterator[Reader]:
    """What the page takes besides results, which is left out where it cannot be read."""
    compared = place / "compare" / "t-comparison" / "comparison.json"
    figures = {"measured": 50.0, "sd": 1.0, "low": 48.0, "high": 52.0}
    pair = {
        "extractor": "a",
        "reference": "b",
        "protocol": "few",
        "difference": 1.0,
        "low": 0.5,
        "high": 1.5,
        "verdict": "x",
    }
    entry = {"name": "a", "title": "A", "protocols": {"few": figures}}
    write_sealed(compared, {"title": "T", "stand_in": False, "extractors": [entry], "pairs": [pair]})
    left_out = lambda _, now, __: now == "[]"  # noqa: E731
    yield Reader("comparison, .json", lambda: json.dumps(compared_views(place, {})), [compared], JSON, False, left_out)
    speed = place / "speed" / "svm.json"
    write_sealed(speed, {"measured": [{"seconds": 1.5, "rows": 100}], "commit": "c", "versions": {"torch": "2"}})
    yield Reader("speed, .json", lambda: json.dumps(speed_views(place / "speed")), [speed], JSON, False, left_out)
    table = place / "t-labels.csv"
    table.write_text("row,measured\na,50.0\n")
    yield Reader("curves, .csv", lambda: json.dumps(read_lines(table)), [table], TEXT, False)
    picture = place / "figure.png"
    Image.fromarray(generator.integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(picture)
    yield Reader("pictures of the page", lambda: json.dumps(picture_views(place)), [picture], BYTES, False)
