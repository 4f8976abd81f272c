"""The configuration: what holds where nothing is said."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from pydantic import ValidationError

from threadchat.config.sections import Config, Limits, Server

ADDR = {"addr": "tcp://127.0.0.1:7007"}


class TestApps:
    """What a server is for that names no app: workers, if the file says anything about them."""

    @pytest.mark.parametrize(
        ("tables", "app"),
        [
            ({}, "chat"),
            ({"server": {}, "pool": {"supervisor": {}}}, "chat"),  # as the file we ship
            ({"server": {"command": "x"}}, "worker"),
            ({"server": {"command": ""}}, "chat"),
            ({"pool": {"command": "x"}}, "worker"),
            ({"server": {"command": "x"}, "pool": {}}, "worker"),
            ({"server": {"command": "x"}, "pool": {"num_workers": 2}}, "worker"),
        ],
    )
    def test_a_server_without_an_app(self, tables: dict[str, Any], app: str) -> None:
        tcp = {"servers": {"a": ADDR, "b": {**ADDR, "app": "echo"}}, "pool": tables.pop("pool", {})}
        servers = Config.model_validate({**tables, "tcp": tcp}).tcp.servers
        assert (servers["a"].app, servers["b"].app) == (app, "echo")

    @pytest.mark.parametrize("pool", [{"num_workers": 2}, {"supervisor": {"ttl": "1h"}}])
    def test_workers_that_nobody_can_start_are_told(self, pool: dict[str, Any]) -> None:
        """A forgotten command must not put a chat room on somebody's mail port."""
        with pytest.raises(ValidationError, match=r"say in server\.command what to start"):
            Config.model_validate({"tcp": {"servers": {"smtp": ADDR}, "pool": pool}})


@pytest.mark.parametrize(
    ("options", "mode"),
    [({}, 0o600), ({"socket_group": "chat"}, 0o660), ({"socket_mode": "0666"}, 0o666), ({"socket_mode": "640"}, 0o640)],
)
def test_a_unix_socket_is_its_owners_unless_something_is_said(options: dict[str, str], mode: int) -> None:
    assert Server.model_validate({"addr": "unix:///run/chat.sock", **options}).socket_permissions == mode


class TestDefaults:
    """What holds where nothing is said."""

    def test_without_a_file_it_is_the_chat_room(self) -> None:
        """On the challenge's port, for this machine only."""
        config = Config()
        assert config.daemon.stop_timeout == 5.0
        (lobby,) = config.tcp.servers.items()
        assert lobby == ("lobby", Server(addr=("tcp://127.0.0.1:7007",)))

    def test_a_server_needs_an_address_only(self) -> None:
        """The rest is as documented."""
        lobby = Config.model_validate({"tcp": {"servers": {"lobby": {"addr": "tcp://127.0.0.1:7007"}}}}).tcp.servers[
            "lobby"
        ]
        assert lobby.app == "chat"
        assert lobby.welcome == "Welcome to the chatroom!"
        assert lobby.echo_sender
        assert not lobby.ask_name

    def test_limits_are_as_documented(self) -> None:
        """Names and values of the design's section 6."""
        assert Limits().model_dump() == {
            "max_connections": 10000,
            "when_full": "refuse",
            "max_connections_per_address": 200,
            "connections_per_minute_per_address": 300,
            "ipv6_prefix": 64,
            "max_line_bytes": 4096,
            "flood_lines_per_second": 20.0,
            "flood_burst_lines": 200,
            "max_message_bytes": 67108864,
            "idle_timeout": "0s",
            "keepalive_time": "60s",
            "keepalive_timeout": "120s",
            "send_queue_bytes": 262144,
            "send_timeout": "30s",
        }


@pytest.mark.parametrize(
    ("limits", "good"),
    [
        ({"keepalive_time": "10s", "keepalive_timeout": "10s"}, False),
        ({"keepalive_timeout": "30s"}, False),
        ({"keepalive_time": "0s", "keepalive_timeout": "30s"}, True),
        ({"keepalive_time": "1h", "keepalive_timeout": "0s"}, True),
        ({"keepalive_time": "24h"}, False),
        ({"ipv6_prefix": 129}, False),
        ({"ipv6_prefix": 48}, True),
    ],
)
def test_limits_that_contradict_each_other_are_a_mistake(limits: dict[str, object], good: bool) -> None:
    """A peer is asked before it is given up, and the kernel has limits of its own."""
    with contextlib.nullcontext() if good else pytest.raises(ValidationError):
        Limits.model_validate(limits)


def test_a_configuration_is_frozen() -> None:
    """Nobody changes it behind another's back."""
    with pytest.raises(ValidationError):
        Config().daemon.stop_timeout = 1.0  # type: ignore[misc]  # mypy knows it, too
