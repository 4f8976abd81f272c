"""An event on its way."""

from __future__ import annotations

import os

import pytest

from threadchat.workers.job import Job


@pytest.mark.parametrize(("size", "fits"), [(4096, True), (4097, False)])
def test_a_small_event_fits_into_a_pipe_at_once(size: int, fits: bool) -> None:
    """All of it or nothing, says pipe(7)."""
    job = Job(bytes(size), None, lambda _: None)
    assert job.fits is fits
    read_fd, write_fd = os.pipe()
    try:
        os.set_blocking(write_fd, False)
        while True:
            try:
                written = os.write(write_fd, job.event)
            except BlockingIOError:
                break
            if written < size:
                assert not fits
    finally:
        os.close(read_fd)
        os.close(write_fd)
