"""What README and the notebook show, run as it stands there."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

from dcgan_features.benchmarks.compare.report import Report
from dcgan_features.data.synthetic.stand_in import stand_in

ROOT = Path(__file__).parents[3]


def test_the_readme_on_a_folder_of_pictures(folder, here):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", text, re.S) if 'data="pictures"' in block)
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    (here / "woods").rename("pictures")
    found: dict[str, Any] = {}
    exec(code, found)
    assert isinstance(found["report"], Report)
    assert set(found["report"].table["extractor"]) == {"mine", "pixels"}


def run_notebook(name, monkeypatch, smaller):
    """Run the cells of a notebook in docs/, with some of its words replaced; the names that it leaves."""
    cells = json.loads((ROOT / "docs" / name).read_text(encoding="utf-8"))["cells"]
    names: dict[str, Any] = {"__name__": "notebook"}
    monkeypatch.setitem(sys.modules, "notebook", type(sys)("notebook"))
    code = "\n".join("".join(cell["source"]) + "\n" for cell in cells if cell["cell_type"] == "code")
    for word, other in smaller.items():
        assert word in code
        code = code.replace(word, other)
    assert not any(cell.get("outputs") for cell in cells)
    exec(compile(code, "notebook", "exec"), names)
    return names


def test_the_notebook_runs(here, monkeypatch):
    names = run_notebook("compare.ipynb", monkeypatch, {"n_train=600": "n_train=200", "n_test=300": "n_test=80"})
    assert isinstance(names["report"], Report)
    assert len(names["report"].paired) == 6


def test_the_lesson_runs(here, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    smaller = {"600_000": "512", "LABELS, TEST = 500, 1000": "LABELS, TEST = 200, 60", '"stand-in"': '"few.npy"'}
    smaller["losses.png"] = "real.png"  # four minibatches are fewer than a line of the log
    np.save("few.npy", stand_in(n_train=250, n_test=1).train_images)
    names = run_notebook("lesson.ipynb", monkeypatch, smaller)
    assert list(names["report"].table["extractor"].unique()) == ["trained", "untrained", "pixels"]
    assert names["wrong"].table["protocol"].str.contains("noise0.33").sum() == 6
    assert (names["few"].table["draws"] == 1).all()
