"""--dry-run: what it says is what would happen, and it leaves no trace."""

from dcgan_features import data
from tests.benchmarks.conftest import MEANS
from tests.benchmarks.spies import notes


def traces(folder):
    return {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}


def test_a_dry_run_says_what_would_run_and_writes_nothing(cli, make_table, tmp_path):
    rows = [
        {"name": "a", "title": "A", "extractor": {"class": MEANS, "notes": str(tmp_path / "log")}, "minutes": 2},
        {"name": "b", "title": "B", "extractor": {"class": "RawPixels"}, "minutes": 3},
        {"name": "c", "title": "C", "published": {"all-labels": {"value": 60.0}}},
        {"name": "d", "title": "D", "extractor": {"class": MEANS}, "weights": {"file": "none.safetensors"}},
    ]
    table = make_table(rows=rows)
    before = traces(tmp_path)
    code, out, err = cli("--table", table, "--dry-run")
    assert (code, err) == (0, "")
    assert traces(tmp_path) == before
    assert "a: to be measured, about 2 min 00 s; features to be computed" in out
    assert "c: shown as published, not measured" in out
    assert "d: cannot be measured" in out
    assert "in all about 5 min 00 s" in out
    assert "besides those of a, b, whose number is not known beforehand" in out
    assert "are free" in out
    assert "nothing was run or written" in out


def test_a_dry_run_knows_what_is_cached_and_how_much_disk_is_needed(cli, make_table, tmp_path):
    rows = [{"name": "b", "title": "B", "extractor": {"class": "RawPixels"}}]
    cli("--table", make_table(rows=rows))
    kept = traces(tmp_path)
    _, out, _ = cli("--table", make_table(rows=rows), "--dry-run")
    assert "b: measured already" in out
    assert "nothing to measure" in out
    assert "of disk" not in out
    rows[0]["classifier"] = {"class": "L2SVMCV", "Cs": [0.5]}
    _, out, _ = cli("--table", make_table(rows=rows), "--dry-run")
    assert "measured with other settings or code" in out
    assert "features are in the store" in out
    assert "features need 0.0 MiB of disk" in out
    more = {"dataset": {"source": "stand-in", "n_train": 260, "n_test": 100}, "protocols": {"all-labels": {}}}
    _, out, _ = cli("--table", make_table(rows=rows, presets={"quick": more}), "--dry-run")
    assert f"features to be computed, {360 * 3072 * 4 / 2**20:.1f} MiB" in out
    assert {path: stamp for path, stamp in traces(tmp_path).items() if path in kept and path.name != "tiny.yaml"} == {
        path: stamp for path, stamp in kept.items() if path.name != "tiny.yaml"
    }


def test_a_dry_run_of_a_rerun_keeps_a_damaged_result(cli, make_table, tmp_path):
    rows = [{"name": "b", "title": "B", "extractor": {"class": "RawPixels"}}]
    cli("--table", make_table(rows=rows))
    path = tmp_path / "results" / "tiny" / "b.json"
    path.write_text("{")
    code, out, _ = cli("--table", make_table(rows=rows), "--rerun", "--dry-run")
    assert code == 0
    assert "b: to be measured" in out
    assert path.read_text() == "{"


def test_a_dry_run_downloads_nothing(cli, make_table, tmp_path, monkeypatch):
    def absent(root, download):
        assert not download
        raise data.InputError("far-away is not in the folder: pass --data-root")

    monkeypatch.setitem(data.LOADERS, "far-away", absent)
    presets = {"quick": {"dataset": {"source": "far-away"}, "protocols": {"all-labels": {}}}}
    log = tmp_path / "log"
    rows = [{"name": "a", "title": "A", "extractor": {"class": MEANS, "notes": str(log)}, "minutes": 90}]
    code, out, _ = cli("--table", make_table(rows=rows, presets=presets), "--dry-run")
    assert code == 0
    assert "the images are not here" in out
    assert "far-away is not in the folder" in out
    assert "in all about 1 h 30 min" in out
    assert not log.exists() or notes(log) == []


def test_features_of_another_network_are_not_taken_for_a_size(cli, make_table):
    """The shipped result of the same extractor is of the small network; the paper's has four times its features."""
    row = {"name": "dcgan-small", "title": "A", "extractor": {"class": "DiscriminatorFeatures"}}
    for network, known in (("svhn-32", True), ("paper-32", False)):
        train = {"recipe": {"network": network, "images": 64, "batch_size": 32}}
        table = make_table(name="cifar10", rows=[{**row, "weights": {"train": train}}])
        _, out, _ = cli("--table", table, "--dry-run")
        assert ("the network to be trained and features to be computed, 4.8 MiB" in out) == known
        assert ("besides those of dcgan" in out) != known
