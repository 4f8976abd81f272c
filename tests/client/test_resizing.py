"""
The input line when the terminal changes its size.

The terminal here cuts lines off, as xterm does; tests/integration/test_client_tui.py has one that wraps them.
"""

from __future__ import annotations

import pytest

from tests.client.servers import Relay, serving
from tests.client.terminal import client, input_line

SAID = ["Welcome to the chatroom!", "Ann: one", "Ann: two", "Ann: three"]
NARROW = "the quick brown fox jumps over the lazy dog, and then another 73"
WIDE = "いろはにほへとちりぬるをわかよたれそつねならむうゐのおくやま"


@pytest.mark.parametrize("text", [NARROW, WIDE])
@pytest.mark.parametrize("answers", [True, False])
def test_a_terminal_that_cuts_lines_off_keeps_all_that_was_said(text: str, answers: bool) -> None:
    """And no copy of the input line, though it was longer than the terminal is wide now."""
    relay = Relay()
    with serving(relay) as port, client("localhost", port, "--name", "John") as john:
        if not answers:
            john.is_deaf()
        relay.wait_for_members(1)
        relay.say("".join(f"{line}\n" for line in SAID[1:]).encode())
        john.expect(*SAID, "John:")
        john.type(text)
        john.expect(*SAID, input_line("John: ", text, 80))
        for columns in (60, 40, 70, 30):
            john.resize(columns)
            john.expect(*SAID, input_line("John: ", text, columns))
        john.resize(100)
        john.expect(*SAID, input_line("John: ", text, 100))
        john.enter("!")
        relay.wait_until_heard(f"John: {text}!\n".encode())
