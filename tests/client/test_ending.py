from __future__ import annotations

import signal

from threadchat.client.ending import ExitCode, server_gone


def test_exit_codes_are_an_interface() -> None:
    """Scripts depend on these numbers: they never change."""
    assert {code.name: code.value for code in ExitCode} == {
        "LEFT": 0,
        "NO_CONNECTION": 1,
        "USAGE": 2,
        "SERVER_GONE": 3,
        "INTERRUPTED": 128 + signal.SIGINT,
        "TERMINATED": 128 + signal.SIGTERM,
    }


def test_a_lost_server_ends_with_its_reason() -> None:
    ending = server_gone("connection lost: no route to host")

    assert (ending.code, ending.message) == (ExitCode.SERVER_GONE, "connection lost: no route to host")
