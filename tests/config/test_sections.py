"""The configuration: what holds where nothing is said."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from threadchat.config.sections import Config, Limits, Server


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
            "max_connections_per_address": 0,
            "max_line_bytes": 4096,
            "flood_lines_per_second": 20.0,
            "flood_burst_lines": 200,
            "max_message_bytes": 67108864,
            "idle_timeout": "0s",
            "send_queue_bytes": 262144,
            "send_timeout": "30s",
        }


def test_a_configuration_is_frozen() -> None:
    """Nobody changes it behind another's back."""
    with pytest.raises(ValidationError):
        Config().daemon.stop_timeout = 1.0  # type: ignore[misc]  # mypy knows it, too
