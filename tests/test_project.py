"""Promises that hold for the project as a whole: who imports whom, what is committed, what the documents say."""

import ast
import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections import Counter
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dcgan_features.benchmarks.documents.figures import filled
from dcgan_features.data.utils.files import sha256_file
from dcgan_features.features.exemplar import load_exemplar_weights
from dcgan_features.gan.networks import Discriminator
from dcgan_features.gan.spec import SVHN_32
from dcgan_features.gan.weights_file import load_weights, save_weights

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PREFIX = "dcgan_features."
PACKAGES = ("data", "gan", "features", "eval")
_GAN = tuple(f"gan.{name}" for name in ("spec", "networks", "description", "weights_file", "batch_norm", "samples"))
_RUNNER = tuple(f"benchmarks.{name}" for name in ("config", "records", "reporting", "runner"))
# What the modules under a prefix may import besides each other; of several prefixes the longest one counts.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "data": (),
    "data.utils": (),
    "gan": ("data", "gan"),
    "gan.spec": ("data",),
    "gan.networks": ("data", "gan.spec"),
    "gan.description": ("data", "gan.spec"),
    "gan.weights_file": ("data", "gan.spec", "gan.networks", "gan.description"),
    "gan.batch_norm": ("data", "gan.spec", "gan.networks"),
    "gan.samples": ("data", "gan.spec", "gan.networks"),
    "gan.watching": ("data", *_GAN),
    "gan.training": ("data", *_GAN, "gan.watching"),
    "gan.folders": ("data", "gan.training"),
    "gan.conditional": ("data", *_GAN, "gan.training"),
    "gan.video": ("data", *_GAN, "gan.training"),
    "gan.latent": ("data", *_GAN, "gan.training"),
    "gan.figures": ("data", *_GAN, "gan.training", "gan.latent"),
    "gan.explorer": ("data", *_GAN, "gan.training", "gan.latent", "gan.figures"),
    "features": ("gan", "data.utils"),
    "features.base": ("data.utils",),
    **{f"features.{name}": ("data.utils", "features.base") for name in ("kmeans", "pca", "raw_pixels", "wrappers")},
    "features.discriminator": ("gan", "data.utils", "features.base", "features.kmeans"),
    "features.video": ("gan", "data.utils", "features.base", "features.discriminator"),
    "features.exemplar": ("gan", "data.utils", "features.base", "features.discriminator", "features.kmeans"),
    "features.autoencoder": ("data.utils", "features.base", "features.pca"),
    "features.cache": ("data.utils", "features.base", "features.wrappers"),
    "eval": ("features", "data.utils"),
    "eval.l2svm": ("data.utils",),
    "eval.neural": ("data.utils",),
    "eval.semi_supervised": ("features", "data.utils", "eval.l2svm", "eval.neural"),
    "eval.neighbours": ("data.utils", "eval.l2svm"),
    "eval.protocols": ("data.utils", "eval.l2svm"),
    "benchmarks": (*PACKAGES, "benchmarks"),
    "benchmarks.config": PACKAGES,
    "benchmarks.records": (*PACKAGES, *_RUNNER[:1]),
    "benchmarks.reporting": (*PACKAGES, *_RUNNER[:2]),
    "benchmarks.runner": (*PACKAGES, *_RUNNER[:3]),
    "benchmarks.compare": (*PACKAGES, *_RUNNER, "benchmarks.paired", "benchmarks.curves"),
    **{
        f"benchmarks.{path.parent.name}": (*PACKAGES, *_RUNNER)  # experiments never import each other
        for path in sorted((ROOT / "benchmarks").glob("*/__main__.py"))
        if path.parent.name != "compare"
    },
}
MOST_MODULES, MOST_OF_ONE_PREFIX = 20, 2
# A command begins with the names of data sets; what it gets has no labels.
MAY_ALSO_IMPORT = {"features/exemplar/train.py": ("data.training_images",)}
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
WEIGHTS = sorted((ROOT / "gan" / "weights").glob("*.safetensors"))
EXEMPLAR_WEIGHTS = sorted((ROOT / "features" / "weights").glob("*.safetensors"))
MOST_BYTES = 10 * 10**6


def rule_of(module: str) -> str:
    """The longest of the prefixes in `MAY_IMPORT` that the module lies under."""
    return max((prefix for prefix in MAY_IMPORT if f"{module}.".startswith(f"{prefix}.")), key=len)


def imports(source: str) -> list[str]:
    """All modules, and names in modules, that Python code imports, wherever in it."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and "import" in ast.unparse(node.func) and node.args:
            name = node.args[0]
            found += [name.value] if isinstance(name, ast.Constant) and isinstance(name.value, str) else []
    return found


def forbidden_imports(source: str, module: str, also: tuple[str, ...] = ()) -> list[str]:
    """Our modules that `source`, which is `module` and may also import `also`, imports but may not.

    Those that it imports by the names of their folders, not as parts of `dcgan_features`, are among them.
    """
    found = imports(source)
    bare = [name for name in found if name.split(".")[0] in MAY_IMPORT]
    ours = [name.removeprefix(PREFIX) for name in found if name.startswith(PREFIX)]
    allowed = (rule_of(module), *MAY_IMPORT[rule_of(module)], *also)
    return bare + [name for name in ours if not any(f"{name}.".startswith(f"{room}.") for room in allowed)]


@pytest.mark.parametrize("prefix", MAY_IMPORT)
def test_modules_import_only_what_they_may(prefix):
    place = ROOT / prefix.replace(".", "/")
    files = [place.with_suffix(".py")] if place.with_suffix(".py").exists() else sorted(place.rglob("*.py"))
    assert files
    wrong = {}
    for name in (file.relative_to(ROOT).as_posix() for file in files):
        module = name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        if rule_of(module) == prefix:
            wrong[name] = forbidden_imports((ROOT / name).read_text("utf-8"), module, MAY_ALSO_IMPORT.get(name, ()))
    assert {file: names for file, names in wrong.items() if names} == {}


@pytest.mark.parametrize(
    ("module", "source", "expected"),
    [
        (
            "features.pretrained",
            "from dcgan_features.data.utils.errors import InputError\nimport dcgan_features.gan.spec",
            [],
        ),
        ("features.pca", "from dcgan_features.data import InputError", ["data.InputError"]),
        ("features.pca", "from dcgan_features import data", ["data"]),
        ("features.pca", "from data.utils import files", ["data.utils.files"]),
        ("data.folder", "def late():\n    from dcgan_features.gan.spec import SPECS", ["gan.spec.SPECS"]),
        ("eval", "import numpy, dcgan_features.data.cifar10", ["data.cifar10"]),
        ("data.folder", "import importlib\nimportlib.import_module('dcgan_features.gan')", ["gan"]),
        ("gan", "from evaluation import data\nfrom . import eval", []),
        ("data.utils.files", "from dcgan_features.data.dataset import Dataset", ["data.dataset.Dataset"]),
        ("gan.networks", "from dcgan_features.gan.samples import sample_grid", ["gan.samples.sample_grid"]),
        (
            "benchmarks.records.rows",
            "from dcgan_features.benchmarks.runner.job import Job",
            ["benchmarks.runner.job.Job"],
        ),
        ("benchmarks.curves.x", "from dcgan_features.benchmarks import paired", ["benchmarks.paired"]),
        ("benchmarks.compare.x", "from dcgan_features.benchmarks import paired", []),
        ("benchmarks.paired", "from dcgan_features.benchmarks.runner.job import Job", []),
    ],
)
def test_forbidden_imports_are_found(module, source, expected):
    assert forbidden_imports(source, module) == expected


def test_no_module_imports_itself_by_way_of_others():
    modules = {
        file.relative_to(ROOT).as_posix().removesuffix(".py").removesuffix("/__init__").replace("/", "."): file
        for top in {name.split(".")[0] for name in MAY_IMPORT}
        for file in (ROOT / top).rglob("*.py")
    }
    graph: dict[str, set[str]] = {}
    for module, file in modules.items():
        found = [name.removeprefix(PREFIX) for name in imports(file.read_text("utf-8")) if name.startswith(PREFIX)]
        parents = [name if name in modules else name.rpartition(".")[0] for name in found]
        graph[module] = {name for name in parents if name in modules}
    assert len(graph) > 100
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the modules


FOLDERS = sorted(
    {file.parent for top in {name.split(".")[0] for name in MAY_IMPORT} for file in (ROOT / top).rglob("*.py")}
)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_folder_can_be_read_at_a_glance(folder):
    """Few modules; and those that share the word before their first underscore would be a folder of their own."""
    names = [file.stem for file in folder.glob("*.py") if not file.stem.startswith("__")]
    assert len(names) <= MOST_MODULES
    words = Counter(name.partition("_")[0] for name in names if "_" in name)
    assert {word: count for word, count in words.items() if count > MOST_OF_ONE_PREFIX} == {}


# What a reader follows from `python -m benchmarks.cifar10` to a fitted SVM and a printed row; as in CONTRIBUTING.
SPINE = [
    "benchmarks/cifar10.py",
    "benchmarks/runner/cli.py",
    "benchmarks/runner/executor.py",
    "benchmarks/runner/plan.py",
    "benchmarks/runner/worker.py",
    "benchmarks/runner/protocol.py",
    "benchmarks/runner/resolve.py",
    "benchmarks/runner/job.py",
    "benchmarks/config/schema.py",
    "benchmarks/reporting/console.py",
]


def test_the_spine_is_short_and_goes_in_one_direction():
    """Each file of it is imported by one before it, and imports none before it."""
    assert len(SPINE) <= 10
    contributing = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert re.findall(r"^\d+\. \[(benchmarks/[\w/]+\.py)\]", contributing, re.M) == SPINE
    modules = [PREFIX + name.removesuffix(".py").replace("/", ".") for name in SPINE]
    imported = [imports((ROOT / name).read_text("utf-8")) for name in SPINE]
    for number, module in enumerate(modules):
        reached = [name for names in imported[:number] for name in names]
        assert number == 0 or any(name.startswith(f"{module}.") for name in reached), module
        back = [name for name in imported[number] if name.startswith(tuple(f"{other}." for other in modules[:number]))]
        assert back == [], module


def test_few_values_are_asserted_to_be_there():
    """What is resolved has no optional field, so that nothing has to be asserted of it."""
    asserted = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in (ROOT / "benchmarks").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Assert) and ast.unparse(node.test).endswith("is not None")
    ]
    assert len(asserted) <= 5, asserted


def test_every_folder_with_modules_is_a_package():
    top = {file.parent.name for file in ROOT.glob("*/__init__.py")} - {"tests", "dcgan_features"}
    assert top == {name for name in MAY_IMPORT if "." not in name}
    folders = {file.parent for name in top for file in (ROOT / name).rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []


@pytest.fixture(scope="module")
def tracked():
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout, so which files are tracked is not known")
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_no_tracked_file_is_large(tracked):
    assert [str(file) for file in tracked if file.stat().st_size > MOST_BYTES] == []


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param(r"(?<![\w.~/-])/(?:root|home|work|opt|tmp|mnt|Users)/\w", id="path of one machine"),
        pytest.param(r"pypi\.org|pythonhosted\.org|(?<!no-emit)-index-url|find-links", id="package index"),
        pytest.param(r"https?://[^/\s\"']*@", id="address with a password"),
    ],
)
def test_no_tracked_file_names_a_machine_or_a_package_index(tracked, pattern):
    found = []
    for file in tracked:
        for number, line in enumerate(file.read_bytes().split(b"\n"), 1):
            if file != Path(__file__) and re.search(pattern.encode(), line):
                found.append(f"{file.relative_to(ROOT)}:{number}")
    assert found == []


@pytest.mark.parametrize("path", EXEMPLAR_WEIGHTS, ids=lambda path: path.stem)
def test_shipped_exemplar_weights_say_what_they_were_trained_on(path):
    network, described = load_exemplar_weights(path.stem)
    assert re.fullmatch(rf"exemplar-{network.architecture}(-\d+)?", path.stem)
    assert path.stat().st_size <= MOST_BYTES
    assert described["samples_seen"] > 0
    assert described["hours"] > 0
    assert "images" in described["data"]["description"]


@pytest.mark.skipif(not WEIGHTS, reason="no weights are shipped")
@pytest.mark.parametrize("path", WEIGHTS, ids=lambda path: path.stem)
def test_shipped_weights_are_what_their_json_describes(path):
    described = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert described["sha256"] == sha256_file(path)
    assert path.stat().st_size <= MOST_BYTES
    assert load_weights(path).spec.name == described["spec"]["name"]


def pinned(name: str) -> dict[str, Requirement]:
    """The versions in a constraints file; everything that is not a name, a version, a marker or a hash fails."""
    lines = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    versions: dict[str, Requirement] = {}
    for line in lines:
        requirement, *hashes = line.split(" --hash=")
        assert hashes, line
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest.strip()) for digest in hashes), line
        parsed = Requirement(requirement)
        assert parsed.url is None
        assert not parsed.extras
        assert re.fullmatch(r"==[\w.]+", str(parsed.specifier)), line
        versions[canonicalize_name(parsed.name)] = parsed
    return versions


def test_constraints_hold_versions_and_hashes_of_all_that_is_needed():
    versions = pinned("constraints.txt")
    needed = [
        *PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"]["dev"],
        *PROJECT["project"]["optional-dependencies"]["explore"],
        *PROJECT["build-system"]["requires"],
    ]
    for requirement in map(Requirement, needed):
        found = versions[canonicalize_name(requirement.name)]
        (version,) = found.specifier
        assert found.marker is None, found
        assert requirement.specifier.contains(version.version), found
    assert set(pinned("constraints-uv.txt")) == {"uv"}


def test_the_build_back_end_is_stated_once():
    lines = (ROOT / "constraints-build.in").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == PROJECT["build-system"]["requires"]


def documented(pattern: str) -> list[tuple[str, str]]:
    """(document, match) for every match of the pattern in what the documents show as code."""
    found = []
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S) + re.findall(r"^ {4}(.*)$", text, re.M)
        blocks += re.findall(r"`([^`\n]+)`", text)
        for block in blocks:
            found += [(document.name, match.strip()) for match in re.findall(pattern, block, re.M)]
    return sorted(set(found))


COMMANDS = documented(r"\b(?:python|torchrun [^\n]*?) -m ((?:gan|features|eval|benchmarks|data)\b[^#\n]*)") + [
    ("Makefile", command)
    for command in re.findall(r"/python -m (benchmarks.*)", (ROOT / "Makefile").read_text(encoding="utf-8"))
]


@pytest.mark.parametrize(("document", "command"), COMMANDS)
def test_documented_commands_exist_and_take_their_options(document, command):
    name, *arguments = shlex.split(command)
    module = import_module(f"{PREFIX}{name}")
    if not hasattr(module, "app"):
        module = import_module(f"{PREFIX}{name}.__main__")
    parsed = typer.main.get_command(module.app)
    if hasattr(parsed, "commands"):
        name, *arguments = arguments
        parsed = parsed.commands[name]
    elif not arguments:
        assert parsed.params  # named in passing: its options may be required
        return
    parsed.make_context(name, arguments)  # parses, and raises for what it does not know


@pytest.mark.parametrize(("document", "target"), documented(r"^make ([a-z]+)"))
def test_documented_make_targets_exist(document, target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)


def test_the_two_commands_of_the_readme_are_documented():
    assert {"demo", "test"} <= {target for document, target in documented(r"^make ([a-z]+)") if document == "README.md"}


@pytest.mark.parametrize(
    ("document", "target"),
    sorted({(file, link) for file in DOCUMENTS for link in re.findall(r"\]\((?!http)([^)#]+)", file.read_text())}),
)
def test_links_lead_to_files(document, target):
    assert (document.parent / target).exists()


def test_the_python_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    """The examples as they stand, with an untrained network in the place of the reader's trained one."""
    texts = [
        (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/training.md", "docs/comparing.md")
    ]
    blocks = [block for text in texts for block in re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)]
    blocks = [block for block in blocks if 'data="pictures"' not in block]  # tests/benchmarks/compare/test_examples.py
    monkeypatch.chdir(tmp_path)
    save_weights(Path("runs/photographs/weights"), Discriminator(SVHN_32), None, {})
    results = []
    for block in blocks:
        names: dict[str, Any] = {}
        exec(compile(block, "README.md", "exec"), names)
        results.append(names)
    assert float(capsys.readouterr().out) > 0.1  # chance
    vectors, colours = ([names[key] for names in results if key in names] for key in ("vectors", "Colours"))
    assert vectors[0].shape == (256, 7168)
    for kind in colours:
        assert kind().transform(np.zeros((3, 32, 32, 3), np.uint8)).shape == (3, 96)
    assert len(colours) == 2  # README's, and that of the page on comparing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_figures_in_documents_are_those_of_the_results(document):
    """`python -m benchmarks.documents` would change nothing."""
    text = document.read_text(encoding="utf-8")
    assert filled(text, ROOT / "results") == text


def test_the_site_builds(tmp_path):
    """Every page is in the menu and every link leads somewhere, or `strict` would refuse."""
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    pages = {path.parent.name for path in tmp_path.rglob("index.html")} | {"index"}
    assert {path.stem for path in (ROOT / "docs").glob("*.md")} <= pages
