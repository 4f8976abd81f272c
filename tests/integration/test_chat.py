"""The chat room, by those who talk in it: real processes, plain sockets."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import Serve
from tests.running import Running


def test_a_line_goes_to_everybody_but_the_one_who_said_it(chat: Running) -> None:
    """Alice does not see her own line: the next thing she sees is Bob's."""
    alice, bob, carol = chat.person("alice"), chat.person("bob"), chat.person("carol")
    alice.says("hi")
    bob.sees("alice: hi")
    carol.sees("alice: hi")
    bob.says("hello")
    alice.sees("bob: hello")
    carol.sees("bob: hello")


def test_the_greeting_is_the_first_line_exactly(chat: Running) -> None:
    """What a client sees first does not depend on what others say meanwhile."""
    alice = chat.guest()
    for _ in range(20):
        alice.says("talking all the time")
        newcomer = chat.connect()
        assert newcomer.line() == "Welcome to the chatroom!"


def test_who_has_seen_the_greeting_is_in_the_room(chat: Running) -> None:
    """Whatever is said from then on reaches them."""
    alice = chat.guest()
    for number in range(30):
        newcomer = chat.connect()
        assert newcomer.line() == "Welcome to the chatroom!"
        alice.says(f"number {number}")
        newcomer.waits_for(f"guest-1: number {number}")


def test_comings_and_goings_are_announced(chat: Running) -> None:
    """Those who are there learn who came, is called otherwise, and left."""
    alice = chat.person("alice")
    bob = chat.guest()
    assert alice.line() == "* guest-2 joined"
    bob.says("/nick bob")
    assert alice.line() == "* guest-2 is now bob"
    bob.leaves()
    assert alice.line() == "* bob left"


def test_many_joining_at_once_are_one_line(chat: Running) -> None:
    """A hundred joins are announced in far fewer lines, and nobody is forgotten in them."""
    alice = chat.person("alice")
    crowd = [chat.connect() for _ in range(100)]
    joined = lines = 0
    while joined < len(crowd):
        words = alice.line().split()
        assert words[-1] == "joined"
        joined += int(words[1]) if words[2] == "people" else 1
        lines += 1
    assert joined == len(crowd)
    assert lines <= 25


def test_rooms_are_apart(chat: Running) -> None:
    """A line stays in its room; /join moves a talker, and both rooms are told."""
    alice, bob, carol = chat.person("alice"), chat.person("bob"), chat.person("carol")
    alice.says("/join garden")
    alice.sees("* You are in garden, alone.")
    bob.waits_for("* alice left for garden")
    carol.says("/join garden")
    carol.sees("* You are in garden, with alice.")
    alice.says("only here")
    carol.sees("alice: only here")
    carol.says("/rooms")
    carol.sees("* 2 rooms: garden (2) and lobby (1)")
    carol.says("/who")
    carol.sees("* 2 in garden: alice and carol")
    bob.says("/msg alice over here")
    bob.sees("[to alice] over here")
    alice.waits_for("[from bob] over here")


def test_nobody_speaks_under_a_name_that_another_holds(chat: Running) -> None:
    """Neither by command nor by prefix, in whatever case or script."""
    alice, mallory = chat.person("Alice"), chat.guest()
    for name in ("Alice", "ALICE", "\u0410lice", "A\u200blice"):
        mallory.says(f"/nick {name}")
        mallory.sees_matching(r"\* (The name .* is taken.*|A name has .* only, not U\+200B ZERO WIDTH SPACE\.)")
    mallory.says("Alice: it is me")
    mallory.sees("* The name Alice is taken. You are still guest-2.")
    alice.waits_for("guest-2: Alice: it is me")


def test_nothing_that_drives_a_terminal_reaches_another_one(chat: Running) -> None:
    """Escapes, controls, C1, bidirectional overrides and line separators are gone; text and TAB are not."""
    alice, bob = chat.person("alice"), chat.person("bob")
    alice.sends("red\x1b[31m \x07bell \x9b2J \u202etxt.exe \u2028 next\tcafé 👩‍🚀\n".encode())
    bob.sees("alice: red bell  txt.exe  next\tcafé 👩‍🚀")
    alice.sends(b"caf\xe9 \x93quoted\x94\n")
    bob.sees("alice: café “quoted”")


def test_nobody_can_write_the_servers_lines(chat: Running) -> None:
    """Nor a private message: whatever is said has its talker in front."""
    alice, mallory = chat.person("alice"), chat.person("The")
    mallory.says("/me server is shutting down. Goodbye!")
    mallory.says("[from bob] psst")
    mallory.sends(b"hi\r* The server is shutting down.\n")
    alice.sees("** The server is shutting down. Goodbye!", "The: [from bob] psst", "The: hi")
    alice.sees("The: * The server is shutting down.")
    mallory.says("/join lоbby")
    mallory.sees("* The room lоbby looks like lobby: say /join lobby, or choose another name.")


def test_a_web_browser_and_a_tls_client_get_one_clear_line(chat: Running) -> None:
    """They have come to the wrong port, and are told so instead of being left waiting."""
    for hello, word in ((b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"web"), (b"\x16\x03\x01\x02\x00\x01\x00", b"TLS")):
        lost = chat.guest()
        lost.sends(hello)
        (said,) = [line for line in lost.rest().splitlines() if not line.endswith((b"joined", b"left"))]
        assert word in said
    assert {event["reason"] for event in chat.logs("connection_closed", 2)} == {"wrong_protocol"}


def test_asking_for_a_name(serve: Serve, tmp_path: Path) -> None:
    """A listener with ``ask_name`` takes the first line for the name; who answers otherwise is heard as a guest."""
    config = tmp_path / "ask.toml"
    config.write_text('[tcp.servers.lobby]\naddr = "tcp://127.0.0.1:0"\nask_name = true\nwelcome = "Hello there."\n')
    chat = serve("--config", str(config))
    alice = chat.connect()
    alice.sees("Hello there.")
    alice.sees_matching(r"\* You are guest-1, .*")
    alice.sees("* What is your name?")
    alice.says("two words")
    alice.sees_matching(r"\* A name has letters.* You are still guest-1\. /nick NAME changes that\.")
    alice.says("/nick alice")
    alice.sees("* You are now alice")
    bob = chat.connect()
    bob.says("bob")
    bob.waits_for("* You are now bob")
    bob.says("hi")
    alice.waits_for("bob: hi")
    program = chat.connect()
    program.says("<REGISTER>:Carol")
    program.says("hello")
    alice.waits_for("guest-3: hello")


def test_the_chat_on_ipv6_and_on_a_unix_socket_is_the_same_chat(serve: Serve, tmp_path: Path) -> None:
    """Every chat listener is a door to one room; a unix socket's file goes when the daemon does."""
    path = tmp_path / "chat.sock"
    chat = serve("--listen", "tcp://127.0.0.1:0", "--listen", "tcp://[::1]:0", "--listen", f"unix://{path}")
    chat.logs("listening", 3)
    alice = chat.person("alice")
    bob = chat.connect_to(str(path))
    bob.waits_for("Welcome to the chatroom!")
    bob.says("bob: hello from a file")
    alice.waits_for("bob: hello from a file")
    assert chat.addresses[1].startswith("tcp://[::1]:")
    chat.stop()
    assert not path.exists()


def test_a_silent_connection_costs_little_memory(serve: Serve) -> None:
    """Most of it is its thread's stack, and what is called deep down in that, once, stays there."""
    chat = serve()
    guests = [chat.guest() for _ in range(100)]
    before = chat.resident_bytes()
    guests += [chat.guest() for _ in range(300)]
    assert (chat.resident_bytes() - before) / 300 < 25 * 1024
    assert chat.threads() > len(guests)
