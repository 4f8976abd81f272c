"""
The chat room, by clients that other people wrote.

Each shape they come in, byte for byte: what others see must not depend on it.
"""

from __future__ import annotations

import pytest

from tests.running import Running


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([b"hello there"], id="no newline ever"),
        pytest.param([b"hello", b" there"], id="no newline ever, in two segments"),
        pytest.param([b"hello there", b"\n"], id="text and line end in two segments"),
        pytest.param([b"hello there" + bytes(1013)], id="NUL-padded fixed buffer"),
        pytest.param([b"hello there\n" + bytes(1012)], id="line in a NUL-padded fixed buffer"),
        pytest.param([b"hello there\r\n"], id="CRLF"),
        pytest.param([b"hello there\r", b"\n"], id="CRLF over two segments"),
        pytest.param([b"hello there\r"], id="bare CR"),
        pytest.param([b"hello there\r\x00"], id="CR NUL (RFC 854)"),
        pytest.param([bytes([byte]) for byte in b"hello there\n"], id="one byte at a time"),
        pytest.param([bytes([byte]) for byte in b"hello there"], id="one byte at a time, no newline ever"),
        pytest.param([bytes([byte]) for byte in b"hellp\x7fo there\r"], id="key by key, a mistake erased, ended by CR"),
        pytest.param([b"hi\xff\xf8hello\xff\xf7\xff\xf7lo there\r\n"], id="erased with telnet's commands"),
        pytest.param([b"\x1b[1mhello\x1b[0m there\n"], id="in bold"),
        pytest.param([b"\n\n\r\nhello there\n\n"], id="blank lines around"),
        pytest.param([b"\xff\xfb\x1f\xff\xfd\x03hello \xff\xf1there\r\n"], id="telnet negotiation in between"),
        pytest.param([b"\xff", b"\xfb", b"\x1fhello there\r\n"], id="telnet negotiation over segments"),
    ],
)
def test_what_others_see_does_not_depend_on_how_it_is_sent(chat: Running, pieces: list[bytes]) -> None:
    """Every shape of one message arrives as the same one line."""
    alice, bob = chat.person("alice"), chat.guest()
    for piece in pieces:
        bob.sends(piece)
    alice.sees("guest-2: hello there")
    # Nothing else came of it: the next thing alice sees is what comes next.
    carol = chat.person("carol")
    carol.says("next")
    alice.sees("carol: next")


def test_two_messages_in_one_segment_are_two_lines(chat: Running) -> None:
    """A segment is not a message."""
    alice, bob = chat.person("alice"), chat.person("bob")
    bob.sends(b"one\ntwo\nthr")
    bob.sends(b"ee\n")
    alice.sees("bob: one", "bob: two", "bob: three")


def test_a_client_that_puts_its_name_in_front_is_seen_once_under_that_name(chat: Running) -> None:
    """``John: Hi`` makes a guest John, and everybody sees it as it was meant; commands work behind it too."""
    alice, john = chat.person("alice"), chat.guest()
    john.says("John: Hi")
    john.sees("* You are now John")
    alice.sees("John: Hi")
    john.says("John: How are you?")
    alice.sees("John: How are you?")
    john.says("without it")
    alice.sees("John: without it")
    john.says("John: /who")
    john.sees("* 2 in lobby: alice and John")


def test_the_name_as_the_first_line_is_that_guests_first_words(chat: Running) -> None:
    """Without being asked, a bare name is no more than something said."""
    alice, bob = chat.person("alice"), chat.guest()
    bob.says("Bob")
    alice.sees("guest-2: Bob")


@pytest.mark.parametrize("style", ["Ann:hello", "[Ann]:hello", "Ann> hello", "<REGISTER>:Ann", '{"from": "Ann"}'])
def test_other_prefixes_are_shown_as_said(chat: Running, style: str) -> None:
    """No guessing."""
    alice, ann = chat.person("alice"), chat.guest()
    ann.says(style)
    alice.sees(f"guest-2: {style}")


def test_a_client_that_leaves_without_reading_is_heard(chat: Running) -> None:
    """Its last line is delivered, though the greeting it never read makes its kernel send a reset."""
    alice = chat.person("alice")
    for number in range(20):
        hasty = chat.connect()
        hasty.says(f"number {number}")
        hasty.leaves()
        alice.sees_matching(rf"guest-\d+: number {number}")


@pytest.mark.parametrize("farewell", ["/quit", "/EXIT", "/Quit now"])
def test_a_farewell_ends_the_connection_politely(chat: Running, farewell: str) -> None:
    """In any case; a bare word is just a word."""
    alice, bob = chat.person("alice"), chat.person("bob")
    bob.says("quit")
    bob.says(farewell)
    bob.sees("* Goodbye!")
    bob.is_gone_quietly()
    alice.sees("bob: quit")
    alice.waits_for("* bob left")
    assert chat.logs("connection_closed")[0]["reason"] == "quit"
