"""The time of imports is measured in processes of their own."""

from dcgan_features.benchmarks.speed import imports


def test_what_is_timed_is_a_process_that_imports_nothing_before(monkeypatch):
    seen, times = [], iter([(3.0, 9.0), (2.0, 1.0), (4.0, 3.0), (2.0, 1.0)] * 2)

    def once(name):
        seen.append(name)
        return next(times)

    monkeypatch.setattr(imports, "_once", once)
    assert imports.import_times(3)["L2SVM"] == {
        "torch_seconds": 2.0,
        "seconds_beyond": 1.0,
        "over_torch": 0.5,
        "first_seconds_beyond": 9.0,
    }
    assert seen == ["L2SVM"] * 4 + ["LogisticProbe"] * 4


def test_both_times_of_a_real_import():
    first, second = imports._once("L2SVM")
    assert first > 0
    assert second > 0
