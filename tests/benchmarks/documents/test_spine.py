import pytest

from dcgan_features.benchmarks.documents.spine_picture import LIST, draw, spine
from dcgan_features.data.utils.errors import InputError
from tests.test_project import SPINE


def test_the_files_that_contributing_lists_are_those_of_the_test():
    files = spine(LIST.read_text(encoding="utf-8"))
    assert [file.path for file in files] == SPINE
    assert files[0].imports == ("benchmarks/runner/cli.py",)
    assert all(file.purpose for file in files)
    figure = draw(files)
    arrows = [artist for artist in figure.axes[0].texts if getattr(artist, "arrow_patch", None) is not None]
    assert len(arrows) == sum(len(file.imports) for file in files)


def test_imports_are_read_in_the_code(tmp_path):
    (tmp_path / "a.py").write_text('"""First: the beginning. More."""\nfrom dcgan_features.b import c\n')
    (tmp_path / "b.py").write_text('"""Second."""\nimport os\n')
    first, second = spine("1. [a](a.py): x\n2. [b](b.py): y\n", tmp_path)
    assert (first.purpose, first.imports) == ("First: the beginning", ("b.py",))
    assert second.imports == ()
    with pytest.raises(InputError, match=r"c.py among the spine"):
        spine("1. [c](c.py): z\n", tmp_path)
    with pytest.raises(InputError, match="lists no files"):
        spine("nothing", tmp_path)
