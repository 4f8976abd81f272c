"""From files to configurations and back: every mistake with its path, and the round trip."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadchat.base.errors import ConfigError
from threadchat.config.loading import dump, load, parse
from threadchat.config.sections import Config

LOBBY = '[tcp.servers.lobby]\naddr = "tcp://127.0.0.1:7007"\n'


def parsed(text: str) -> Config:
    """Return the configuration that the TOML *text* describes."""
    return parse(tomllib.loads(text))


def problems(text: str) -> list[str]:
    """Return what is wrong with the TOML *text*."""
    with pytest.raises(ConfigError) as refusal:
        parsed(text)
    return list(refusal.value.problems)


class TestMistakes:
    """Every one is found, with its path, in a sentence."""

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("prot = 1\n" + LOBBY, "prot: unknown key; known here: daemon, server, rpc, history, tcp"),
            ("[deamon]\n" + LOBBY, "deamon: unknown key; did you mean daemon?"),
            (LOBBY + "adr = 1\n", "tcp.servers.lobby.adr: unknown key; did you mean addr?"),
            (
                LOBBY + "[tcp.servers.lobby.limits]\nmax_conections = 1\n",
                "tcp.servers.lobby.limits.max_conections: unknown key; did you mean max_connections?",
            ),
            (
                LOBBY + "[tcp.server.x]\n",
                "tcp.server: unknown key; did you mean servers?",
            ),
            ("[daemon]\nstop_timeot = '1s'\n", "daemon.stop_timeot: unknown key; did you mean stop_timeout?"),
            ("[tcp.servers.lobby]\n", "tcp.servers.lobby.addr: field required"),
            ("[tcp]\n", "tcp.servers: field required"),
            (
                LOBBY + "app = 'chatt'\n",
                "tcp.servers.lobby.app: input should be 'chat', 'echo', 'broadcast' or 'worker'",
            ),
            (LOBBY + "echo_sender = 1\n", "tcp.servers.lobby.echo_sender: input should be a valid boolean"),
            (LOBBY + 'welcome = """two\nlines"""\n', "tcp.servers.lobby.welcome: the welcome is one line"),
            (LOBBY + 'welcome = ""\n', "tcp.servers.lobby.welcome: the welcome is one line of printable text"),
            (LOBBY + 'welcome = "\u202e"\n', "tcp.servers.lobby.welcome: the welcome is one line"),
            (
                LOBBY + "socket_mode = '999'\n",
                'tcp.servers.lobby.socket_mode: write a mode as for chmod, such as "0660"',
            ),
            (LOBBY + "socket_mode = 'rw'\n", "tcp.servers.lobby.socket_mode: write a mode as for chmod"),
            ("tcp = 1\n", "tcp: this is a section with options of its own, not a value"),
            ("[tcp]\nservers = 1\n", "tcp.servers: this is a section with options of its own, not a value"),
            (
                "tcp.servers.smtp.addr = 'unix://s'\n[tcp.pool]\nnum_workers = 1\n",
                "tcp.servers.smtp: it is for workers: say in server.command what to start",
            ),
            (LOBBY + "[daemon]\nstop_timeout = 5\n", "daemon.stop_timeout: write a duration with its unit"),
            ("[tcp.servers.a]\naddr = '7007'\n", "tcp.servers.a.addr: '7007' is no address: write tcp://"),
            ("[tcp.servers.a]\naddr = []\n", "tcp.servers.a.addr: write an address, or a list of addresses"),
            ("[tcp.servers.a]\naddr = ['unix:///a', 1]\n", "tcp.servers.a.addr: write an address, or a list"),
        ],
    )
    def test_a_mistake_is_told_with_its_path(self, text: str, problem: str) -> None:
        """And with what was probably meant."""
        (told,) = problems(text)
        assert told.startswith(problem)

    @pytest.mark.parametrize(
        ("limit", "problem"),
        [
            ("max_connections = 0", "greater than or equal to 1"),
            ("max_connections = true", "valid integer"),
            ("max_connections = '5'", "valid integer"),
            ("max_connections = 1.5", "valid integer"),
            ("when_full = 'drop'", "'refuse' or 'wait'"),
            ("max_connections_per_address = -1", "greater than or equal to 0"),
            ("max_line_bytes = 15", "greater than or equal to 16"),
            ("flood_lines_per_second = -0.1", "greater than or equal to 0"),
            ("flood_lines_per_second = inf", "finite"),
            ("flood_lines_per_second = nan", ""),
            ("flood_burst_lines = 0", "greater than or equal to 1"),
            ("idle_timeout = '5'", "write a duration"),
            ("idle_timeout = '-5s'", "write a duration"),
            ("send_queue_bytes = 4095", "greater than or equal to 4096"),
            ("send_timeout = '0s'", "greater than 0"),
        ],
    )
    def test_a_limit_out_of_bounds_is_told(self, limit: str, problem: str) -> None:
        """Nothing is clamped or guessed."""
        (told,) = problems(LOBBY + f"[tcp.servers.lobby.limits]\n{limit}\n")
        assert told.startswith(f"tcp.servers.lobby.limits.{limit.split(' ', maxsplit=1)[0]}: ")
        assert problem in told

    def test_all_mistakes_are_told_at_once(self) -> None:
        """Nobody likes to find them one by one."""
        text = LOBBY + "app = 'x'\nfoo = 1\n[tcp.servers.lobby.limits]\nmax_connections = 0\n[tcp.servers.b]\n[c]\n"
        assert {problem.split(":")[0] for problem in problems(text)} == {
            "tcp.servers.lobby.app",
            "tcp.servers.lobby.foo",
            "tcp.servers.lobby.limits.max_connections",
            "tcp.servers.b.addr",
            "c",
        }

    def test_a_file_without_servers_is_told(self) -> None:
        """It would do nothing."""
        (told,) = problems("[tcp.servers]\n")
        assert told.startswith("tcp.servers: ")


class TestFiles:
    """What is read from disk."""

    def test_a_file_is_read(self, tmp_path: Path) -> None:
        """UTF-8, as TOML is."""
        path = tmp_path / "threadchat.toml"
        path.write_text(LOBBY + 'welcome = "Grüezi!"\n', "utf-8")
        assert load(path).config.tcp.servers["lobby"].welcome == "Grüezi!"

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            (b"# one\nnot toml\n", ":2: not TOML: expected '=' after a key"),
            (b"a = 1\na = 2\n", ":2: not TOML: "),
            (b"not = [toml", ":1: not TOML: "),
            (b"\xff\xfe", ": not a text in UTF-8: invalid start byte at byte 0"),
        ],
    )
    def test_a_file_that_is_not_toml_is_told(self, tmp_path: Path, content: bytes, problem: str) -> None:
        """With its name, and the line."""
        path = tmp_path / "threadchat.toml"
        path.write_bytes(content)
        with pytest.raises(ConfigError) as refusal:
            load(path)
        assert str(refusal.value).startswith(f"{path}{problem}")

    def test_a_mistake_is_told_with_its_line(self, tmp_path: Path) -> None:
        """What is missing, with the line of its section."""
        path = tmp_path / "threadchat.toml"
        path.write_text("# mine\n\n[tcp.servers.lobby]\nlimits = { max_connections = 0 }\n")
        with pytest.raises(ConfigError) as refusal:
            load(path)
        missing, limit = refusal.value.problems
        assert missing == f"{path}:3: tcp.servers.lobby.addr: field required"
        assert limit.startswith(f"{path}:4: tcp.servers.lobby.limits.max_connections: ")

    def test_a_file_that_cannot_be_read_is_told(self, tmp_path: Path) -> None:
        """With its name and the reason."""
        with pytest.raises(ConfigError, match=r"missing\.toml: no such file or directory"):
            load(tmp_path / "missing.toml")
        with pytest.raises(ConfigError, match="is a directory"):
            load(tmp_path)


DURATIONS = st.sampled_from(["1ms", "500ms", "30s", "1m30s", "1000000s", "0.1s", "36h"])
LIMITS = st.fixed_dictionaries(
    {},
    optional={
        "max_connections": st.integers(1, 10**6),
        "when_full": st.sampled_from(["refuse", "wait"]),
        "max_connections_per_address": st.integers(0, 1000),
        "max_line_bytes": st.integers(16, 10**6),
        "flood_lines_per_second": st.floats(0, 1e6),
        "flood_burst_lines": st.integers(1, 10**6),
        "idle_timeout": DURATIONS,
        "send_queue_bytes": st.integers(4096, 10**9),
        "send_timeout": DURATIONS,
    },
)
ADDRESSES = st.sampled_from(["tcp://127.0.0.1:7007", "tcp://[::1]:0", "tcp://:1", "unix:///run/chat.sock"])
SERVERS = st.fixed_dictionaries(
    {"addr": st.one_of(ADDRESSES, st.lists(ADDRESSES, min_size=1))},
    optional={
        "app": st.sampled_from(["chat", "echo", "broadcast"]),
        "welcome": st.text(min_size=1).filter(str.isprintable),
        "ask_name": st.booleans(),
        "echo_sender": st.booleans(),
        "limits": LIMITS,
    },
)


@given(st.dictionaries(st.text(min_size=1, max_size=10), SERVERS, min_size=1, max_size=3), DURATIONS)
def test_the_effective_configuration_can_be_read_again(servers: dict[str, Any], stop_timeout: str) -> None:
    """What ``check`` prints is a configuration file that means the same."""
    config = parse({"daemon": {"stop_timeout": stop_timeout}, "tcp": {"servers": servers}})
    assert parsed(dump(config)) == config


def test_the_effective_configuration_says_everything() -> None:
    """Defaults and all, in the units that it is written in."""
    text = dump(parsed(LOBBY))
    assert 'addr = "tcp://127.0.0.1:7007"' in text
    assert 'send_timeout = "30s"' in text
    assert 'stop_timeout = "5s"' in text
    assert "[tcp.servers.lobby.limits]" in text


def test_it_does_not_speak_of_workers_where_there_are_none() -> None:
    """But what somebody has said about them stays."""
    assert [line for line in dump(parsed(LOBBY)).splitlines() if line in ("[server]", "[rpc]", "[tcp.pool]")] == []
    assert "num_workers = 3" in dump(parsed(LOBBY + "app = 'chat'\n[tcp.pool]\nnum_workers = 3\n"))
    assert 'delimiter = "' in dump(parsed(LOBBY + "app = 'worker'\n[server]\ncommand = 'x'\n"))


def test_several_addresses_stay_several() -> None:
    """One server, two doors."""
    config = parsed('[tcp.servers.lobby]\naddr = ["tcp://127.0.0.1:7007", "unix:///run/chat.sock"]\n')
    assert config.tcp.servers["lobby"].addr == ("tcp://127.0.0.1:7007", "unix:///run/chat.sock")
