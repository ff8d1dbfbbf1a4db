"""Writing on file systems that refuse one thing or another, and locks that are not there."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import atomic_path, home_path, sha256_file, shortened, write_text, writing
from dcgan_features.data.utils.locks import locked

CJK = "\u6f22" * 80  # 240 bytes


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EBADF])
def test_a_folder_that_cannot_be_flushed_is_no_failure(tmp_path, monkeypatch, number):
    flushed = os.fsync

    def refuse(descriptor):
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(number, os.strerror(number))
        flushed(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)
    write_text(tmp_path / "a", "text")
    assert (tmp_path / "a").read_text() == "text"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_disk_that_fails_while_flushing_is_said(tmp_path, monkeypatch):
    def fail(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(InputError, match="the disk is full"):
        write_text(tmp_path / "a", "text")
    assert not list(tmp_path.iterdir())


def test_names_as_long_as_a_file_system_takes(tmp_path):
    for name in (CJK, "x" * 255):
        write_text(tmp_path / name, "text")
        assert (tmp_path / name).read_text() == "text"
    with pytest.raises(InputError, match="longer than the file system allows"):
        write_text(tmp_path / (CJK + "x" * 30), "text")
    assert shortened(CJK, 100) == "\u6f22" * 33
    assert shortened("abc", 3) == "abc"


def test_a_file_that_may_not_be_read_is_not_a_folder_that_may_not_be_written(tmp_path):
    file = tmp_path / "weights"
    file.write_text("x")
    with pytest.raises(InputError, match=r"weights may not be read or written; change its permissions"), writing("out"):
        raise PermissionError(errno.EACCES, "Permission denied", str(file))
    with pytest.raises(InputError, match="cannot write out: the folder may not be written to"), writing("out"):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path))


def test_no_home(monkeypatch):
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda number: (_ for _ in ()).throw(KeyError(number)))
    with pytest.raises(InputError, match="needs a home folder, and there is none; set HOME, or set CACHE"):
        home_path("~/.cache", "set CACHE")
    assert home_path("data", "set CACHE") == Path("data")


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_without_locks_the_work_goes_on(tmp_path, monkeypatch, caplog, number):
    def refuse(descriptor, how):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locked(tmp_path / "below" / ".lock", timeout=0):
        write_text(tmp_path / "a", "text")
    assert number == errno.ENOSYS or "has no locks" in caplog.text  # that one filelock knows another way for


def test_a_pipe_has_no_digest(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is a pipe"):
        sha256_file(tmp_path / "pipe")


def test_nothing_is_left_after_an_exception(tmp_path):
    def half():
        with atomic_path(tmp_path / "a") as temporary:
            temporary.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        half()
    assert not list(tmp_path.iterdir())
