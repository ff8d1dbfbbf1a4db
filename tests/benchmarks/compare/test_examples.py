"""What README and the notebook show, run as it stands there."""

import json
import re
import sys
from pathlib import Path
from typing import Any

from dcgan_features.benchmarks.compare.report import Report

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


def test_the_notebook_runs(here, monkeypatch):
    cells = json.loads((ROOT / "docs/compare.ipynb").read_text(encoding="utf-8"))["cells"]
    names: dict[str, Any] = {"__name__": "notebook"}
    monkeypatch.setitem(sys.modules, "notebook", type(sys)("notebook"))
    for cell in cells:
        assert not cell.get("outputs")
        if cell["cell_type"] == "code":
            code = "".join(cell["source"])
            if "stand_in(n_train" in code:
                code = code.replace("600", "200").replace("300", "80")
            exec(compile(code, "notebook", "exec"), names)
    assert isinstance(names["report"], Report)
    assert len(names["report"].paired) == 6
