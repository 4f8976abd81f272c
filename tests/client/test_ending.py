from __future__ import annotations

import signal

from threadchat.client.ending import ExitCode, name_refused, output_lost, server_gone


def test_exit_codes_are_an_interface() -> None:
    """Scripts depend on these numbers: they never change."""
    assert {code.name: code.value for code in ExitCode} == {
        "LEFT": 0,
        "NO_CONNECTION": 1,
        "USAGE": 2,
        "SERVER_GONE": 3,
        "NAME_REFUSED": 4,
        "OUTPUT_LOST": 5,
        "INTERRUPTED": 128 + signal.SIGINT,
        "TERMINATED": 128 + signal.SIGTERM,
    }


def test_a_lost_server_ends_with_its_reason() -> None:
    ending = server_gone("connection lost: no route to host")

    assert (ending.code, ending.message) == (ExitCode.SERVER_GONE, "connection lost: no route to host")


def test_a_refused_name_ends_with_the_servers_words_and_what_to_do() -> None:
    ending = name_refused("The name John is taken.")

    assert ending.code is ExitCode.NAME_REFUSED
    assert ending.message == "The name John is taken. Nothing was sent: choose another name with --name."


def test_a_full_disk_is_told() -> None:
    ending = output_lost("No space left on device")

    assert ending.code is ExitCode.OUTPUT_LOST
    assert ending.message == "cannot write what is said: No space left on device"
