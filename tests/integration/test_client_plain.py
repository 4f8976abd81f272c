"""The plain client, a real process: the challenge's transcripts in a terminal, and pipes."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import threading

import pytest

from tests.client.servers import Relay, closed_port, echo, sends, sends_and_closes, serving
from tests.client.terminal import COMMAND, client
from tests.running import Running


def pipe(typed: str | bytes, *arguments: object) -> tuple[int, str, str]:
    """Run the client with *typed* on its standard input; return exit code, output and errors."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=typed.encode() if isinstance(typed, str) else typed,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


# The transcripts of the challenge, in a terminal.


def test_step_2_the_echo_client_comes_out_as_printed() -> None:
    """`send: ` and `recv: ` take turns, and quit ends it."""
    with serving(echo) as port, client("localhost", port, "--echo") as user:
        user.expect("send:")
        user.enter("test")
        user.expect("send: test", "recv: test", "send:")
        user.enter("quit")

        assert user.exit_code() == 0
        assert user.lines() == ["send: test", "recv: test", "send: quit"]


def test_step_3_against_an_echo_server_ones_own_line_shows_twice() -> None:
    """The terminal's echo of the keys, the client's of the line, and the network's."""
    with serving(echo) as port, client("localhost", port, "--plain") as user:
        user.expect("name:")
        user.enter("John")
        user.enter("Hi")
        user.expect("name: John", "Hi", "John: Hi", "John: Hi")
        user.enter("exit")

        assert user.exit_code() == 0
        assert user.lines() == ["name: John", "Hi", "John: Hi", "John: Hi", "exit"]


def test_step_4_two_people_talk_as_printed() -> None:
    """The greeting comes after the name, and others' lines as they come."""
    relay = Relay()
    with serving(relay) as port, client("localhost", port, "--plain") as john:
        john.expect("name:")
        john.enter("John")
        john.expect("name: John", "Welcome to the chatroom!")
        with client("localhost", port, "--plain", "--name", "OtherJohn") as other:
            other.expect("Welcome to the chatroom!")
            other.enter("Hi!")
            john.expect_line("OtherJohn: Hi!")
            john.enter("Hey John!")
            john.expect_line("John: Hey John!")
            other.expect_line("John: Hey John!")
            other.enter("Writing a Coding Challenge!")
            john.expect_line("OtherJohn: Writing a Coding Challenge!")
            other.enter("exit")
            assert other.exit_code() == 0
        john.enter("exit")

        assert john.exit_code() == 0
        assert john.lines() == [
            "name: John",
            "Welcome to the chatroom!",
            "OtherJohn: Hi!",
            "Hey John!",
            "John: Hey John!",
            "OtherJohn: Writing a Coding Challenge!",
            "exit",
        ]


# Names.


def test_an_empty_name_is_asked_for_again() -> None:
    """Just as one that cannot be a name, with the reason."""
    with serving(echo) as port, client("localhost", port, "--plain") as user:
        user.expect("name:")
        user.enter("")
        user.expect("name:", "name:")
        user.enter("John Smith")
        user.expect("name:", "name: John Smith", "a name has no spaces and no colon", "name:")
        user.enter("John")
        user.enter("Hi")
        user.expect_line("John: Hi")


@pytest.mark.parametrize("typed", ["", "John\nHi\n"])
def test_without_a_terminal_the_name_is_an_option(typed: str) -> None:
    """Nobody is there to be asked, and the first line is a message."""
    with serving(echo) as port:
        code, output, errors = pipe(typed, "localhost", port)

    assert (code, output) == (2, "")
    assert "Say who is talking with --name NAME: input is no terminal, so nobody can be asked." in errors


def test_the_name_goes_first_where_the_server_asks_for_it() -> None:
    """--name-first: a line of its own, and from then on the server puts it in front."""
    relay = Relay(b"What is your name? ")
    with serving(relay) as port:
        code, output, errors = pipe("Hi\n", "localhost", port, "--name", "John", "--name-first")

    assert (code, errors) == (0, "")
    assert b"".join(relay.heard) == b"John\nHi\n"
    assert sorted(output.splitlines()) == ["John: Hi", "What is your name?"]


# Pipes.


def test_each_message_is_one_write() -> None:
    """A server that takes one read for one message sees name, text and line end together."""
    relay = Relay()
    with serving(relay) as port, client("localhost", port, "--plain", "--name", "John") as user:
        for text in ("Hi", "there"):
            user.enter(text)
            relay.wait_until_heard(f"John: {text}\n".encode())

        assert relay.heard == [b"John: Hi\n", b"John: there\n"]


def test_piped_input_is_all_sent_and_all_answers_shown_before_leaving() -> None:
    """A quarter of a million bytes through an echo server: every line out, every line back."""
    typed = "".join(f"line {number} {'x' * 80}\n" for number in range(2500))
    with serving(echo) as port:
        code, output, errors = pipe(typed, "127.0.0.1", port, "--name", "John")

    expected = sorted(f"John: {line}" for line in typed.splitlines())
    assert (code, errors) == (0, "")
    assert sorted(output.splitlines()) == sorted(expected * 2)


def test_a_server_that_is_slow_to_read_still_gets_everything() -> None:
    """The client does not go while its machine still holds what the server has not taken."""
    go = threading.Event()
    received: list[bytes] = []

    def slow(connection: socket.socket) -> None:
        go.wait()
        while data := connection.recv(65536):
            received.append(data)

    typed = b"x" * 1000 + b"\n"
    with serving(slow) as port:
        process = subprocess.Popen(
            [*COMMAND, "localhost", str(port), "--name", "J"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        feeder = threading.Thread(target=process.communicate, args=(typed * 10_000,))
        feeder.start()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1.5)  # longer than the client waits for answers
        go.set()
        feeder.join()

    assert process.returncode == 0
    assert sum(map(len, received)) == 10_000 * len(b"J: " + typed)


def test_exit_in_a_pipe_still_shows_the_answer() -> None:
    """The transcript of step 3, typed by a program."""
    with serving(echo) as port:
        assert pipe("Hi\nexit\nnever said\n", "localhost", port, "--name", "John") == (
            0,
            "John: Hi\nJohn: Hi\n",
            "",
        )


def test_echo_mode_works_in_a_pipe() -> None:
    """Every line is answered before the next is sent."""
    with serving(echo) as port:
        code, output, errors = pipe("one\ntwo\n", "localhost", port, "--echo")

    assert (code, errors) == (0, "")
    assert output == "send: recv: one\nsend: recv: two\nsend: \n"


def test_a_reader_who_has_seen_enough_ends_the_client_quietly() -> None:
    """As in `threadchat-client … | head -1`: no traceback, no complaint."""
    with serving(sends(b"x\n" * 100_000)) as port:
        process = subprocess.Popen(
            [*COMMAND, "localhost", str(port), "--name", "John"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdin
        assert process.stdout
        assert process.stderr
        with process.stdin, process.stderr:
            process.stdout.readline()
            process.stdout.close()

            assert process.wait(timeout=30) == 0
            assert process.stderr.read() == b""


# threadchat itself.


def test_a_script_speaks_under_its_name_and_no_other(chat: Running) -> None:
    """Its line is the first that anybody hears of it, but for its coming."""
    alice = chat.person("alice")
    code, _, errors = pipe("Note: backup done\n", "127.0.0.1", chat.port, "--name", "cron")

    assert (code, errors) == (0, "")
    alice.waits_for("cron: Note: backup done")
    alice.waits_for("* cron left")


@pytest.mark.parametrize(
    ("name", "refusal"), [("Alice", "The name Alice is taken."), ("admin", "The name admin is reserved.")]
)
def test_a_script_that_cannot_have_its_name_says_nothing_and_code_4(chat: Running, name: str, refusal: str) -> None:
    """It can try again with another one, and nothing is said twice."""
    alice = chat.person("alice")
    code, _, errors = pipe("Hi\n", "127.0.0.1", chat.port, "--name", name)

    assert code == 4
    assert errors == f"threadchat-client: {refusal} Nothing was sent: choose another name with --name.\n"
    bob = chat.person("bob")
    bob.says("after")
    assert not any(": " in line for line in alice.waits_for("bob: after"))


def test_a_refused_name_in_plain_lines_is_told_before_the_first_word(chat: Running) -> None:
    """A person can take another one."""
    alice = chat.person("alice")
    with client("127.0.0.1", chat.port, "--plain", "--name", "alice") as user:
        user.expect_line("* The name alice is taken.")
        user.enter("Hi")
        user.expect_line("guest-2: Hi")
        alice.waits_for("guest-2: Hi")


# How it ends.


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["127.0.0.1"], r"cannot connect to 127\.0\.0\.1 port \d+: Connection refused"),
        (["no-such-host.invalid"], r"cannot connect to no-such-host\.invalid port \d+: .+"),
        (["a..b"], r"cannot connect to a\.\.b port \d+: .+"),
        (["unix:///nowhere/at/all"], r"cannot connect to /nowhere/at/all: No such file or directory"),
    ],
)
def test_no_connection_is_one_line_and_code_1(arguments: list[str], complaint: str) -> None:
    """The line says where and why."""
    code, output, errors = pipe("Hi\n", *arguments, closed_port(), "--name", "John")

    assert (code, output) == (1, "")
    assert re.fullmatch(rf"threadchat-client: {complaint}\n", errors)


@pytest.mark.parametrize(
    "arguments",
    [
        ["localhost", "0"],
        ["localhost", "x"],
        ["localhost:7007", "7008", "--name", "J"],
        ["localhost:x", "--name", "J"],
        ["--name", "a:b"],
        ["--name", ""],
        ["--echo", "--name", "J"],
        ["--no"],
    ],
)
def test_wrong_usage_is_code_2(arguments: list[str]) -> None:
    """Before any connection is made."""
    code, output, errors = pipe("", *arguments)

    assert (code, output) == (2, "")
    assert "Traceback" not in errors


@pytest.mark.parametrize("mode", [["--plain", "--name", "John"], ["--echo"]])
def test_a_server_that_goes_is_one_line_and_code_3(mode: list[str]) -> None:
    """At once: nobody has to press Enter first."""
    with serving(sends_and_closes(b"Bye")) as port, client("localhost", port, *mode) as user:
        assert user.exit_code() == 3
        assert "threadchat-client: the server closed the connection" in user.written.decode()
        assert b"Traceback" not in user.written


def test_leaving_by_the_servers_own_command_is_no_failure() -> None:
    """/quit goes to the server as it is, and its closing is what was asked for."""
    heard = []

    def behaviour(connection: socket.socket) -> None:
        heard.append(connection.recv(100))
        connection.sendall(b"* Goodbye!\n")

    with serving(behaviour) as port, client("localhost", port, "--plain", "--name", "John") as user:
        user.enter("/quit")

        assert user.exit_code() == 0
        assert user.lines() == ["/quit", "* Goodbye!"]
        assert heard == [b"/quit\n"]


@pytest.mark.parametrize("mode", [["--plain"], ["--plain", "--name", "John"], ["--echo"]])
@pytest.mark.parametrize(
    ("key", "code", "shown"), [("\x03", 130, "threadchat-client: interrupted"), ("\x04", 0, "exit")]
)
def test_ctrl_c_and_ctrl_d_end_it_with_one_line(mode: list[str], key: str, code: int, shown: str) -> None:
    """At any prompt, and the terminal is as it was. Ctrl-D looks like `exit`."""
    with serving(sends(b"Hello\n")) as port, client("localhost", port, *mode) as user:
        prompt = {"--echo": "send:"}.get(mode[-1], "name:" if len(mode) == 1 else "Hello")
        user.expect_line(prompt)
        user.type(key)

        assert user.exit_code() == code
        assert [line.removeprefix(f"{prompt} ") for line in user.lines()].count(shown) == 1
        assert b"Traceback" not in user.written
        assert user.terminal_settings() == user.settings


@pytest.mark.parametrize("mode", [["--plain"], ["--plain", "--name", "John"], ["--echo"]])
def test_sigterm_ends_it_with_one_line_too(mode: list[str]) -> None:
    """Whatever it is waiting for."""
    with serving(sends(b"Hello\n")) as port, client("localhost", port, *mode) as user:
        user.expect_line({"--echo": "send:"}.get(mode[-1], "name:" if len(mode) == 1 else "Hello"))
        user.signal(signal.SIGTERM)

        assert user.exit_code() == 143, user.written
        assert user.lines()[-1] == "threadchat-client: terminated"
        assert b"Traceback" not in user.written


def test_sigterm_in_a_script_is_told_on_stderr() -> None:
    """While a pipe is open and nothing is in it."""
    with serving(sends(b"Hello\n")) as port:
        process = subprocess.Popen(
            [*COMMAND, "localhost", str(port), "--name", "John"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout
        process.stdout.readline()
        process.terminate()
        _, errors = process.communicate()

    assert (process.returncode, errors) == (143, b"threadchat-client: terminated\n")


@pytest.mark.parametrize("mode", [["--name", "John"], ["--echo"]])
def test_a_full_disk_is_one_line_and_code_5(mode: list[str]) -> None:
    """What is said there is lost, and nobody may think otherwise."""
    with serving(echo) as port, open("/dev/full", "w") as full:
        done = subprocess.run(
            [*COMMAND, "localhost", str(port), *mode],
            input=b"Hi\n",
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )

    assert done.returncode == 5
    assert done.stderr == b"threadchat-client: cannot write what is said: No space left on device\n"


def test_a_chat_server_is_no_echo_server_and_ctrl_d_ends_it() -> None:
    """Also while an answer is waited for."""
    relay = Relay()
    with serving(relay) as port, client("localhost", port, "--echo") as user:
        user.expect("send:")
        user.enter("Hi")
        user.expect(
            "send: Hi",
            "recv: Welcome to the chatroom!",
            "(that is not what was sent: this may be no echo server)",
            "send:",
        )
        user.enter("Hi?")
        relay.wait_until_heard(b"Hi?\n")
        user.type("\x04")

        assert user.exit_code() == 0


def test_ctrl_d_is_heard_while_an_answer_is_waited_for() -> None:
    """The echo client waits for a server that never answers, but not for its user."""
    relay = Relay(b"")
    with serving(relay) as port, client("localhost", port, "--echo") as user:
        user.enter("anybody?")
        relay.wait_until_heard(b"anybody?\n")
        user.type("\x04")

        assert user.exit_code() == 0
        assert not any("no answer" in line for line in user.lines())


def test_sigint_while_waiting_for_an_answer_is_heard() -> None:
    """The echo client waits for a server that never answers, but not for its user."""
    relay = Relay(b"")
    with serving(relay) as port, client("localhost", port, "--echo") as user:
        user.enter("anybody?")
        relay.wait_until_heard(b"anybody?\n")
        user.signal(signal.SIGINT)

        assert user.exit_code() == 130
        assert b"Traceback" not in user.written


# What servers send.


def test_nothing_a_server_sends_reaches_the_terminal_raw() -> None:
    """Titles, colours, cursor movements and bidirectional overrides are gone, whole."""
    evil = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x1b[0m \x1b[10;10Hmoved\x9b1m \u202edlrow\x85\x08\x7f\n"
    with serving(sends_and_closes(evil.encode())) as port:
        code, output, _ = pipe("", "localhost", port, "--name", "John")

    assert code in (0, 3)
    assert output == "red moved dlrow\n"


def test_ipv6_addresses_are_hosts_too() -> None:
    """With and without brackets, and with the port behind them."""
    with serving(echo, host="::1") as port:
        for where in (["::1", port], ["[::1]", port], [f"[::1]:{port}"], [f"tcp://[::1]:{port}"]):
            assert pipe("Hi\n", *where, "--name", "J") == (0, "J: Hi\nJ: Hi\n", "")


def test_addresses_are_understood_as_the_server_prints_them() -> None:
    """To be copied from its log."""
    with serving(echo) as port:
        for where in (f"127.0.0.1:{port}", f"tcp://127.0.0.1:{port}"):
            assert pipe("Hi\n", where, "--name", "J") == (0, "J: Hi\nJ: Hi\n", "")
