"""Parts shared out to threads: all of them, once, in an order that repeats, and torch's setting left as it was."""

import threading

import pytest
import torch

from dcgan_features.eval.l2svm.threads import as_tasks, in_stages, share_out


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_every_part_is_worked_on_once_and_in_the_same_share_each_time(threads):
    shares = share_out(list(range(7)), list)
    assert sorted(part for share in shares for part in share) == list(range(7))
    assert len(shares) == threads
    assert share_out(list(range(7)), list) == shares


def test_each_thread_computes_alone_and_the_setting_comes_back(threads):
    def work(parts):
        return threading.get_ident(), torch.get_num_threads()

    seen = share_out([1, 2, 3], work)
    assert all(count == 1 for _, count in seen)
    assert torch.get_num_threads() == threads


def test_an_error_in_a_thread_is_raised_and_the_setting_comes_back(threads):
    def work(parts):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        share_out([1, 2, 3], work)
    assert torch.get_num_threads() == threads


def test_one_part_needs_no_thread(threads):
    assert share_out([5], lambda parts: (threading.current_thread() is threading.main_thread(), list(parts))) == [
        (True, [5])
    ]


def test_one_item_of_one_part_needs_no_thread(threads):
    seen = in_stages([1], lambda part: [threading.current_thread()], lambda first: (first, threading.current_thread()))
    assert seen == [(threading.main_thread(), threading.main_thread())]


def test_items_of_parts_come_in_order_and_errors_are_raised(threads):
    assert in_stages([2, 0, 3], range, lambda item: item * 10) == [0, 10, 0, 10, 20]
    assert in_stages([3], range, lambda item: item * 10) == [0, 10, 20]
    assert in_stages([0], range, lambda item: item * 10) == []

    def work(item):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        in_stages([2], range, work)


def test_no_thread_that_computes_is_a_daemon_which_would_crash_inside_torch_when_python_ends(threads):
    def is_daemon(part):
        thread = threading.current_thread()
        return thread is not threading.main_thread() and thread.daemon

    assert not any(share_out([1, 2, 3], is_daemon))
    assert not any(as_tasks([1, 2, 3], is_daemon))
