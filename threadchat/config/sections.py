"""
The configuration: typed, frozen sections. Every option is declared once, here, with its default.

Most parts of the daemon get only the section that they need. loading.py makes a configuration from a file.
"""

from __future__ import annotations

import os
import re
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from threadchat.base.addresses import UnixAddress, parse_address
from threadchat.config.values import Addresses, Command, Duration, Environment


class Section(BaseModel):
    """A part of the configuration: frozen, and an unknown key is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Limits(Section):
    """What one server's connections may cost. Sizes in bytes, durations in seconds."""

    max_connections: int = Field(10_000, ge=1)
    when_full: Literal["refuse", "wait"] = "refuse"
    # The two limits by address are not for loopback and unix sockets; 0: no limit.
    max_connections_per_address: int = Field(200, ge=0)
    connections_per_minute_per_address: int = Field(300, ge=0)  # one more has to wait, up to ten seconds
    ipv6_prefix: int = Field(64, ge=1, le=128)  # addresses with so many first bits in common count as one
    max_line_bytes: int = Field(4096, ge=16)
    flood_lines_per_second: float = Field(20.0, ge=0, allow_inf_nan=False)  # 0: off
    flood_burst_lines: int = Field(200, ge=1)
    max_message_bytes: int = Field(64 * 1024 * 1024, ge=1024)  # worker
    idle_timeout: Duration = 0.0  # 0: none
    keepalive_time: Duration = Field(60.0, le=32767)  # after so much silence the peer's machine is asked; 0: never
    keepalive_timeout: Duration = Field(120.0, le=65535)  # after so much silence it counts as gone; 0: the kernel's
    send_queue_bytes: int = Field(262_144, ge=4096)
    send_timeout: Duration = Field(30.0, gt=0)

    @model_validator(mode="after")
    def _asked_before_given_up(self) -> Self:
        if 0 < self.keepalive_timeout <= self.keepalive_time:
            raise ValueError("keepalive_timeout: write a longer time than keepalive_time, after which is asked")
        return self


class Server(Section):
    """One named server: where it listens, and the app it serves there."""

    addr: Addresses  # one address, or a list of them
    app: Literal["chat", "echo", "broadcast", "worker"] = "chat"  # "worker" if the file says anything about workers
    socket_mode: str = ""  # of a unix socket: who may connect; "": "0600", and "0660" if there is a group
    socket_group: str = ""  # of a unix socket: a name or a number; "": the daemon's own
    welcome: str = "Welcome to the chatroom!"  # chat
    ask_name: bool = False  # chat: ask newcomers for a name; their first line is the answer
    echo_sender: bool = True  # broadcast: the sender gets its own bytes too
    delimiter: str = "\r\n"  # worker: what ends a message; it stays part of the message
    limits: Limits = Limits()

    @field_validator("welcome")
    @classmethod
    def _one_line(cls, text: str) -> str:
        if not text.isprintable() or not text:
            raise ValueError("the welcome is one line of printable text")
        return text

    @field_validator("socket_mode")
    @classmethod
    def _octal(cls, text: str) -> str:
        if text and not re.fullmatch(r"0?[0-7]{3}", text):
            raise ValueError('write a mode as for chmod, such as "0660"')
        return text

    @field_validator("delimiter")
    @classmethod
    def _some_delimiter(cls, text: str) -> str:
        return text or "\r\n"

    @property
    def socket_permissions(self) -> int:
        """The mode of a unix socket, as a number."""
        return int(self.socket_mode or ("0660" if self.socket_group else "0600"), 8)


class Supervisor(Section):
    """Limits on a worker's life; 0: no limit. All but ``exec_ttl`` wait until the worker is idle."""

    watch_tick: Duration = Field(5.0, gt=0)
    ttl: Duration = 0.0
    idle_ttl: Duration = 0.0
    exec_ttl: Duration = 0.0
    max_worker_memory: int = Field(0, ge=0)  # MB of resident memory


class Pool(Section):
    """The worker processes, by RoadRunner's names: one pool for all servers whose app is "worker"."""

    command: Command = ()  # (): server.command
    num_workers: int = Field(0, ge=0, le=500)  # 0: one for each CPU
    max_jobs: int = Field(0, ge=0)  # events after which a worker is replaced; 0: never
    max_queue_size: int = Field(0, ge=0)  # events queued or executing; 0: no limit
    allocate_timeout: Duration = Field(60.0, gt=0)  # for a worker to start, and for an event to get one
    destroy_timeout: Duration = 60.0  # for the whole pool to stop
    reset_timeout: Duration = 60.0  # for busy workers when all are replaced
    close_timeout: Duration = Field(10.0, gt=0)  # for an answer to CLOSE, if there is no exec_ttl; not in RoadRunner
    debug: bool = False  # a fresh process for every event
    supervisor: Supervisor = Supervisor()

    @property
    def size(self) -> int:
        """How many workers there shall be."""
        return self.num_workers or os.cpu_count() or 1


class Tcp(Section):
    """The servers, by name."""

    servers: dict[str, Server] = Field(min_length=1)
    pool: Pool = Pool()
    read_buf_size: int = Field(1, ge=0, le=100)  # MB; an option of RoadRunner's, without effect here: reads are small

    @property
    def needs_pool(self) -> bool:
        """Whether any server is for workers."""
        return any(server.app == "worker" for server in self.servers.values())


class Spawn(Section):
    """How worker processes are started (RoadRunner's section ``server``)."""

    command: Command = ()
    relay: str = "pipes"
    env: Environment = {}
    user: str = ""
    group: str = ""

    @field_validator("relay")
    @classmethod
    def _some_relay(cls, text: str) -> str:
        if text != "pipes":
            parse_address(text)
        return text


class Rpc(Section):
    """Where workers and ``threadchat workers`` reach this daemon, if it has workers."""

    listen: str = ""  # unix:///PATH; "": a path of its own in the runtime directory

    @field_validator("listen")
    @classmethod
    def _unix(cls, text: str) -> str:
        if text and not isinstance(parse_address(text), UnixAddress):
            raise ValueError("write unix:///PATH: who may call is who may open that file")
        return text


class History(Section):
    """What is kept of what is said: in a state directory, or else in memory."""

    state: str = ""  # a directory; "": systemd's ($STATE_DIRECTORY), or else memory, 32 MiB for all rooms
    lines: int = Field(10_000, ge=1)  # of talk in each room: months of a team's talk, 1 MB, 10 ms for a search
    age: Duration = 0.0  # anything older is forgotten; 0: nothing is too old
    durability: Literal["process", "power"] = "process"  # history outlives kill -9, or also a power cut (slow)
    replay: int = Field(20, ge=0)  # lines of talk that newcomers see: a screen


class Daemon(Section):
    """The daemon's process."""

    one_processor: bool = True  # stay on one, which is faster: see process/processor.py
    stop_timeout: Duration = 5.0  # for goodbyes and for what is still queued, when stopping


class Config(Section):
    """The whole configuration."""

    daemon: Daemon = Daemon()
    server: Spawn = Spawn()
    rpc: Rpc = Rpc()
    history: History = History()
    tcp: Tcp = Tcp(servers={"lobby": Server(addr=("tcp://127.0.0.1:7007",))})

    @model_validator(mode="before")
    @classmethod
    def _default_app(cls, data: Any) -> Any:
        """
        Make "worker" the app of servers that name none, if the file has a command for workers or an option of tcp.pool.

        A section that is there but empty does not count.
        """
        match data:
            case {"tcp": {"servers": dict(servers), **tcp}}:
                spawn = data.get("server")
                command = isinstance(spawn, dict) and spawn.get("command")
                if command or _says_anything(tcp.get("pool", {})):
                    servers = {
                        name: {"app": "worker", **server} if isinstance(server, dict) else server
                        for name, server in servers.items()
                    }
                    return {**data, "tcp": {**tcp, "servers": servers}}
        return data

    @model_validator(mode="after")
    def _command_for_workers(self) -> Self:
        if self.server.command or self.tcp.pool.command:
            return self
        for name, server in self.tcp.servers.items():
            if server.app == "worker":
                raise ValueError(
                    f"tcp.servers.{name}: it is for workers: say in server.command what to start, such as "
                    '"python worker.py"; or give it another app, such as app = "chat"'
                )
        return self


def _says_anything(table: Any) -> bool:
    """Whether there is any option in *table* or its sub-tables."""
    return any(map(_says_anything, table.values())) if isinstance(table, dict) else True
