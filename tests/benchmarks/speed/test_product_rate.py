import itertools

import pytest
import torch

from dcgan_features.benchmarks.speed.product_rate import seconds_in_turn


def test_each_work_has_its_own_time(monkeypatch):
    clock = [5.0]
    monkeypatch.setattr("dcgan_features.benchmarks.speed.product_rate.time.perf_counter", lambda: clock[0])

    def takes(duration):
        def work():
            clock[0] += duration

        return work

    times = seconds_in_turn([takes(1.0), takes(0.0), takes(3.0)], torch.device("cpu"))
    assert times == [1.0, 0.0, 3.0]


def test_a_gpu_is_waited_for_before_the_first_work_and_after_the_last_only(monkeypatch):
    happened = []

    class Event:
        """The time at which the GPU is done; here it is as many milliseconds as events were recorded before."""

        clock = itertools.count()

        def __init__(self, enable_timing):
            assert enable_timing

        def record(self):
            self.time = next(self.clock)
            happened.append("event")

        def elapsed_time(self, later):
            return 2.0 * (later.time - self.time)

    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: happened.append("wait"))
    monkeypatch.setattr(torch.cuda, "Event", Event)
    works = [lambda: happened.append("first"), lambda: happened.append("second")]
    assert seconds_in_turn(works, torch.device("cuda")) == pytest.approx([0.002, 0.002])
    assert happened == ["wait", "event", "first", "event", "second", "event", "wait"]
