"""RoadRunner's own configuration file, unmodified."""

from __future__ import annotations

from pathlib import Path

import pytest

from threadchat.base.errors import ConfigError
from threadchat.config import rr_yaml
from threadchat.config.sections import Config

#: From RoadRunner's documentation of the TCP plugin.
DOCUMENTED = """
server:
  command: "php tcp-worker.php"

tcp:
  servers:
    smtp:
      addr: tcp://127.0.0.1:1025
      delimiter: "\\r\\n" # by default

    server2:
      addr: tcp://127.0.0.1:8889

  pool:
    num_workers: 2
    max_jobs: 0
    allocate_timeout: 60s
    destroy_timeout: 60s

  # The size of the read buffer in MB.
  read_buf_size: 20
"""

#: Everything that we know, and much that we do not.
LARGE = """
version: "3"
rpc:
  listen: tcp://127.0.0.1:6001
logs:
  mode: development
server:
  command: [php, worker.php]
  relay: unix:///tmp/relay.sock
  env:
    - app_env: prod
    - HOME_OF: $HOME
  on_init:
    command: "true"
http:
  address: 127.0.0.1:8080
tcp:
  servers:
    SMTP:
      addr: 127.0.0.1:1025
      delimiter: ""
    Six:
      addr: "[::1]:1026"
    chat:
      addr: ${TC_HOST:-127.0.0.1}:${TC_PORT}
      app: chat
  pool:
    command: "php tcp-worker.php"
    num_workers: ${TC_WORKERS:-3}
    max_jobs: 64
    allocate_timeout: 500000000
    destroy_timeout: 1m30s
    max_queue_size: 10
    debug: false
    dynamic_allocator:
      max_workers: 10
    supervisor:
      watch_tick: 1s
      ttl: 0
      idle_ttl: 10s
      exec_ttl: 1.5s
      max_worker_memory: 100
endure:
  grace_period: 30s
"""


def load(directory: Path, text: str) -> tuple[Config, list[str]]:
    path = directory / ".rr.yaml"
    path.write_text(text)
    loaded = rr_yaml.load(path)
    return loaded.config, loaded.ignored


def test_the_documented_example(tmp_path: Path) -> None:
    """Two servers for workers, with the defaults that RoadRunner has."""
    config, ignored = load(tmp_path, DOCUMENTED)

    assert ignored == []
    assert config.server.command == ("php", "tcp-worker.php")
    assert {name: (server.addr, server.app, server.delimiter) for name, server in config.tcp.servers.items()} == {
        "smtp": (("tcp://127.0.0.1:1025",), "worker", "\r\n"),
        "server2": (("tcp://127.0.0.1:8889",), "worker", "\r\n"),
    }
    pool = config.tcp.pool
    assert (pool.num_workers, pool.max_jobs, pool.allocate_timeout, pool.destroy_timeout) == (2, 0, 60, 60)


def test_all_that_is_known_and_what_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables, bare addresses, numbers of nanoseconds, names in lower case; the rest is left out and named."""
    monkeypatch.setenv("TC_PORT", "7007")
    monkeypatch.setenv("HOME", "/home/rr")
    config, ignored = load(tmp_path, LARGE)
    pool = config.tcp.pool

    assert sorted(ignored) == sorted(["rpc", "logs", "http", "endure", "server.on_init", "tcp.pool.dynamic_allocator"])
    assert config.server.relay == "unix:///tmp/relay.sock"
    assert config.server.env == {"APP_ENV": "prod", "HOME_OF": "/home/rr"}
    assert {name: (server.addr, server.app) for name, server in config.tcp.servers.items()} == {
        "smtp": (("tcp://127.0.0.1:1025",), "worker"),
        "six": (("tcp://[::1]:1026",), "worker"),
        "chat": (("tcp://127.0.0.1:7007",), "chat"),
    }
    assert (pool.command, pool.num_workers, pool.max_jobs) == (("php", "tcp-worker.php"), 3, 64)
    assert (pool.allocate_timeout, pool.destroy_timeout, pool.max_queue_size) == (0.5, 90, 10)
    supervisor = pool.supervisor
    assert (supervisor.watch_tick, supervisor.ttl, supervisor.idle_ttl, supervisor.exec_ttl) == (1, 0, 10, 1.5)
    assert supervisor.max_worker_memory == 100


def test_a_unix_socket_for_rpc_is_used(tmp_path: Path) -> None:
    """The only kind that we have."""
    config, ignored = load(tmp_path, DOCUMENTED + "rpc: {listen: 'unix:///tmp/rpc.sock'}")

    assert (config.rpc.listen, ignored) == ("unix:///tmp/rpc.sock", [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("http: {}", "no section tcp"),
        ("tcp:", "no section tcp"),
        ("- tcp", "no section tcp"),
        ("tcp:\n  servers: [", ".rr.yaml:2: not YAML: expected the node content"),
        ("server: {}\ntcp: {servers: {}}\nserver: {}", ".rr.yaml:1: server: it is there again in line 3"),
        ("tcp:\n  servers:\n    A: {}\n    a: {}", ".rr.yaml:3: tcp.servers.a.addr: field required"),
        ("tcp:\n  servers:\n    SMTP:\n      addr: ftp://x", ".rr.yaml:4: tcp.servers.smtp.addr: 'ftp://x' is no"),
        ("tcp: {servers: {}}", "tcp.servers"),
        ("tcp: {servers: {a: {}}}", "tcp.servers.a.addr"),
        ("tcp: {servers: {a: {addr: 'ftp://x'}}}", "'ftp://x' is no address"),
        ("tcp: {servers: {a: {addr: ':1'}}}", "server.command"),
        (DOCUMENTED.replace("num_workers: 2", "num_workers: 501"), "tcp.pool.num_workers"),
        (DOCUMENTED.replace("allocate_timeout: 60s", "allocate_timeout: soon"), "tcp.pool.allocate_timeout"),
    ],
)
def test_mistakes_are_told_with_their_path(text: str, message: str, tmp_path: Path) -> None:
    """As for a TOML file."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)

    assert message in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Is named."""
    with pytest.raises(ConfigError, match="no such file"):
        rr_yaml.load(tmp_path / ".rr.yaml")
