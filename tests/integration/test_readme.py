"""README.md, followed as it is written, but for the ports, which are free ones here."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import debian
from tests.conftest import Serve
from tests.integration.conftest import ROOT
from tests.terminal import terminal
from threadchat.chat.commands import COMMANDS
from threadchat.config.loading import load
from threadchat.config.sections import Config, Section

DOCUMENT = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """Return all blocks of *language*, in order."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", DOCUMENT, re.DOTALL | re.MULTILINE)
    return [text for written, text in found if written == language]


def serving() -> list[str]:
    """Return every command that starts a daemon by options, without its comment."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [line.split("  #")[0] for line in lines if line.startswith("threadchat serve")]


def test_the_picture_at_the_top_is_one_that_really_happens(serve: Serve) -> None:
    """What alice types is typed into a real telnet, and everything else has to come by itself."""
    telnet = debian.require("telnet")
    chat = serve()
    john = chat.person("John")
    shown = blocks("")[0].splitlines()
    shown = shown[shown.index("Welcome to the chatroom!") :]
    with terminal(telnet, "localhost", str(chat.port)) as alice:
        for line in shown:
            if line.startswith("John: "):
                john.says(line.removeprefix("John: "))
            elif line == "* bob joined":
                bob = chat.person("bob")
            elif line.startswith("bob: "):
                bob.says(line.removeprefix("bob: "))
            elif line in ("/nick alice", "Hi!", "/me is writing a README", "/quit"):
                alice.sendline(line)  # the terminal echoes it
            alice.expect_exact(f"{line}\r\n")
    assert chat.logs("connection_closed")[0]["reason"] == "quit"


def test_it_lists_the_commands_there_are() -> None:
    """By their names and arguments, in the order of /help."""
    (listed,) = [block for block in blocks("") if block.startswith("/help")]
    assert [re.split(r"  +", line)[0] for line in listed.splitlines()] == [command.usage for command in COMMANDS]


@pytest.mark.parametrize("command", serving())
def test_every_way_to_serve_that_it_shows_serves(
    command: str, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = shlex.split(command.replace("~", str(tmp_path)).replace("///tmp", f"//{tmp_path}"))[2:]
    words = [re.sub(r"^(tcp://.*):\d+$", r"\1:0", word) for word in words]
    if "tcp://[::]:0" in words:  # two ports that are the same one cannot both be picked
        words.remove("tcp://[::]:0")
        words.reverse()
        words.remove("--listen")
        words.reverse()
    daemon = serve(*words)
    daemon.logs("listening")
    assert daemon.stop() == 0


def options(section: Section) -> Iterator[str]:
    """Yield the names of all options of *section* and of those in it."""
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from options(value)
        else:
            yield name


def test_the_file_it_shows_has_the_defaults(tmp_path: Path) -> None:
    """As it says. Addresses are the example's own; what is about workers is in another document."""
    (text,) = blocks("toml")
    path = tmp_path / "threadchat.toml"
    path.write_text(text)
    shown = load(path).config
    default = Config()
    lobby = default.tcp.servers["lobby"].model_copy(update={"addr": shown.tcp.servers["lobby"].addr})
    assert shown.tcp.servers["lobby"] == lobby
    assert (shown.daemon, shown.history) == (default.daemon, default.history)
    named = set(re.findall(r"^(\w+) = ", text, re.MULTILINE))
    others = {"echo_sender", "delimiter", "socket_mode", "socket_group", "max_message_bytes"}
    every = {*options(default.daemon), *options(default.history), *options(lobby)}
    assert every - others <= named


def test_what_it_links_to_is_there() -> None:
    """Files, and chapters of files."""
    for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#]+)?(?:#[\w-]+)?\)", document.read_text()):
            assert not target or target.startswith("http") or (document.parent / target).exists(), (document, target)
