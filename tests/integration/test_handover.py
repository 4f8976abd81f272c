"""Replacing the program by SIGUSR2, without systemd: no connection closes, no line is lost."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.conftest import Serve
from tests.crowd import Crowd
from tests.running import Running


def lively(serve: Serve, directory: Path) -> Running:
    """A chat room that lets its people say as much as they like."""
    config = directory / "lively.toml"
    config.write_text('[tcp.servers.lobby]\naddr = "tcp://127.0.0.1:0"\nlimits = { flood_lines_per_second = 0.0 }\n')
    return serve("--config", str(config))


def test_nobody_in_a_crowd_notices(serve: Serve, tmp_path: Path) -> None:
    """Lines, and halves of lines, are said all the time; each is seen once by each, in one order."""
    chat = lively(serve, tmp_path)
    crowd = Crowd([chat.connect().socket for _ in range(100)])
    try:
        crowd.talks(in_pieces=True)
        for replaced in range(1, 4):
            crowd.talks_for(150)
            chat.process.send_signal(signal.SIGUSR2)
            chat.logs("connections_taken_over", replaced)
        crowd.falls_silent()
        assert crowd.lost() == 0
    finally:
        crowd.leaves()
    assert [event["count"] for event in chat.events("handed_over")] == [100] * 3
    assert not chat.events("connection_failed")
