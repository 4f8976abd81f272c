"""Where in a file an option stands."""

from __future__ import annotations

from threadchat.config.source import NOWHERE, Source, toml_lines

FILE = """\
# a comment
[tcp.servers.lobby]
addr = [
    "tcp://127.0.0.1:7007",  # [not.a.section]
    "unix:///run/chat.sock",
]
welcome = \"\"\"
[daemon]
stop_timeout = 1\"\"\"
limits = { max_connections = 3 }

  [daemon]
stop_timeout = "5s"
[server]
env."a.b" = "c"
"""


def test_every_key_has_the_line_where_it_begins() -> None:
    """Sections, values of several lines, tables in a line, dotted keys."""
    assert toml_lines(FILE) == {
        ("tcp",): 2,
        ("tcp", "servers"): 2,
        ("tcp", "servers", "lobby"): 2,
        ("tcp", "servers", "lobby", "addr"): 3,
        ("tcp", "servers", "lobby", "welcome"): 7,
        ("tcp", "servers", "lobby", "limits"): 10,
        ("tcp", "servers", "lobby", "limits", "max_connections"): 10,
        ("daemon",): 12,
        ("daemon", "stop_timeout"): 13,
        ("server",): 14,
        ("server", "env"): 15,
        ("server", "env", "a.b"): 15,
    }


def test_a_sentence_is_told_with_its_place() -> None:
    """What has no line is told with that of its section, or with the file alone."""
    source = Source("x.toml", {("tcp",): 1, ("tcp", "pool"): 4})
    assert source.say(("tcp", "pool"), "no") == "x.toml:4: tcp.pool: no"
    assert source.say(("tcp", "pool", "size", 0), "no") == "x.toml:4: tcp.pool.size.0: no"
    assert source.say(("rpc",), "no") == "x.toml: rpc: no"
    assert source.say((), "no") == "x.toml: no"
    assert NOWHERE.say(("tcp", "pool"), "no") == "tcp.pool: no"
