from dcgan_features.benchmarks.reporting.html.speed import speed_views
from dcgan_features.data.utils.files import write_json


def test_what_is_large_in_a_row_comes_after_the_table(tmp_path):
    parts = {"convolutions": 0.5, "optimiser": 0.2, "linear layers": 0.2, "everything else": 0.1}
    rows = [
        {"network": name, "seconds": {"bfloat16": 0.25, "float32": 0.5}, "parts": parts,
         "convolutions": [{"convolution": "3x3", "gflop": 2.0, "forward": 1234.5}]}
        for name in ("first", "second")
    ]  # fmt: skip
    write_json(tmp_path / "train-gpu.json", {"measured": rows, "commit": "0123456789ab", "versions": {"torch": "2"}})
    (view,) = speed_views(tmp_path)
    table, *rest = view["parts"]
    assert table["table"]["columns"] == ["Network", "Seconds"]
    assert table["table"]["rows"] == [(name, "bfloat16 0.25, float32 0.5") for name in ("first", "second")]
    shares, convolutions = "shares of the time", "convolutions one by one, GFLOP/s"
    assert [part["title"] for part in rest] == [
        f"{name}: {what}" for name in ("first", "second") for what in (shares, convolutions)
    ]
    assert rest[0]["facts"][1] == ("Optimiser", "0.2")
    assert rest[3]["table"] == {
        "columns": ["Convolution", "GFLOP", "Forward"], "rows": [("3x3", "2.000", "1,234")],
        "numeric": [False, True, True],
    }  # fmt: skip
