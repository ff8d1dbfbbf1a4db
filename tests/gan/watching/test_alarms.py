import math

import pytest

from dcgan_features.gan.watching.alarms import (
    IN_A_ROW,
    MONITORS,
    WARM_UP,
    Alarm,
    Monitor,
    Reading,
    deviations,
    is_healthy,
    new_alarms,
)


def readings(name, values):
    return [Reading(100 * number, {name: value}) for number, value in enumerate(values)]


def limit(name):
    found = MONITORS[name].untrained
    assert found is not None
    return found


def test_a_value_is_compared_with_the_best_median_of_three():
    values = [10.0, 8.0, 16.0, 14.0, 99.0, 4.0]
    found = deviations(readings("rank/1", values))
    assert found[:WARM_UP] == [{}, {}]
    best_so_far = [9.0, 10.0, 14.0, 16.0]  # of two values the median is their mean
    expected = [math.log(reference / value) for reference, value in zip(best_so_far, values[WARM_UP:], strict=True)]
    assert [own["rank/1"] for own in found[WARM_UP:]] == pytest.approx(expected)


def test_what_is_bad_when_high_and_shares_as_differences():
    shares = deviations(readings("dead/2", [0.1, 0.1, 0.2, 0, 0, 0.5]))
    assert [own["dead/2"] for own in shares[WARM_UP:]] == pytest.approx([0.1, -0.1, -0.1, 0.5])
    norms = deviations(readings("spectral_norm/1", [2, 2, 2, 3, 3, 6]))
    assert norms[-1]["spectral_norm/1"] == pytest.approx(math.log(3))
    assert MONITORS["rank"].of_past([]) is None


def test_what_drifts_is_compared_with_what_it_was_some_readings_before():
    monitor = Monitor("the norm of {where}", "high", "ratio", "recent")
    values = [float(value) for value in range(1, 21)]
    assert monitor.of_past(values[:1]) == 1
    assert monitor.of_past(values[:5]) == 1.5  # the first two
    assert monitor.of_past(values[:10]) == 3  # eight before the eleventh, and its neighbours
    assert monitor.of_past(values) == 13
    assert "where 13 it was not long before" in monitor.sentence("2", 40, 13, 1000)
    drifting = readings("spectral_norm/1", [1.02**number for number in range(200)])
    assert not any(new_alarms(drifting[:count], []) for count in range(1, 200))


def test_an_alarm_takes_two_readings_in_a_row_and_is_given_once():
    bad = math.exp(-1.1 * limit("rank")) * 10
    series = readings("rank/3", [10, 10, 10, 10, bad, 10, bad, bad, bad])
    heard: list[Alarm] = []
    for count in range(1, len(series) + 1):
        heard += new_alarms(series[:count], [alarm.key for alarm in heard])
    assert IN_A_ROW == 2
    assert [(alarm.key, alarm.images) for alarm in heard] == [("rank/3", 700)]
    assert heard[0].reason == (
        f"after 700 images the effective rank of the features of layer 3 is {bad:.3g}, "
        "where 10 was the best of this run"
    )


def test_healthy_is_what_is_well_within_its_limit():
    near, well = (10 * math.exp(-share * limit("rank")) for share in (0.6, 0.4))
    assert is_healthy(readings("rank/1", [10]))
    assert not is_healthy(readings("rank/1", [10, 10]))  # not judged
    assert is_healthy(readings("rank/1", [10, 10, well]))
    assert not is_healthy(readings("rank/1", [10, 10, near]))
    assert is_healthy(readings("checkerboard", [1, 1, 99]))


def test_of_a_gradient_the_reason_names_the_network():
    high = math.exp(1.1 * limit("gradient"))
    (alarm,) = new_alarms(readings("gradient/generator", [1, 1, 1, 1, high, high]), [])
    assert "the norm of the gradient of the generator is" in alarm.reason


def test_every_monitor_warns_of_what_is_worse_alone():
    for name, monitor in MONITORS.items():
        if monitor.untrained is not None:
            better, worse = (0.9, 0.1) if monitor.worse == "low" else (0.1, 0.9)
            step = monitor.untrained * 1.1
            if monitor.scale == "ratio":
                better, worse = (math.exp(step), 1.0) if monitor.worse == "low" else (1.0, math.exp(step))
            assert new_alarms(readings(name, [better] * 5 + [worse] * 2), []), name
            assert not new_alarms(readings(name, [worse] * 5 + [better] * 2), []), name


def test_a_run_from_trained_weights_has_closer_limits():
    for name, monitor in MONITORS.items():
        assert (monitor.limit is None) == (monitor.untrained is None), name
        assert (monitor.limit or 0) <= (monitor.untrained or 0)
    between = math.exp(0.5 * (MONITORS["spectral_norm"].limit or 0) + 0.5 * limit("spectral_norm"))
    series = readings("spectral_norm/1", [1, 1, 1, 1, between, between])
    assert new_alarms(series, [], untrained=False)
    assert not new_alarms(series, [], untrained=True)
    half = [1, 1, math.sqrt(between)]
    assert is_healthy(readings("spectral_norm/1", half), untrained=True)
    assert not is_healthy(readings("spectral_norm/1", half), untrained=False)
