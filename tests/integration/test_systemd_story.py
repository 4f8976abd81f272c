"""threadchat as a service of a real systemd: started, restarted, killed, hung, reloaded and stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.box import Box, BoxError
from tests.crowd import Crowd
from tests.talker import Talker
from tests.waiting import until

SERVICE = "threadchat.service"
CONFIG = "/etc/threadchat/threadchat.toml"
PORT = 7007

#: Nobody is slowed down; the rest is as shipped.
LIVELY = '[tcp.servers.lobby]\naddr = "tcp://127.0.0.1:1"\nwelcome = "%s"\nlimits = { flood_lines_per_second = 0.0 }\n'
WELCOME = "Welcome to the chatroom!"

#: What a crash may cost: as many lines, each to everybody, as can have been read and not yet been sent in that moment.
LAST_WORDS = 10

#: Makes a deliverer hang for ever when somebody says so: what a bug could do.
HANG = """
import threading
from threadchat.chat import room
send_posts = room.send_posts
def hang(batch, own, members):
    if any("please hang" in post.event.text for post in batch):
        threading.Event().wait()
    return send_posts(batch, own, members)
room.send_posts = hang
"""


@pytest.fixture(scope="module")
def machine(box: Box, stage: Path) -> Box:
    """A box with threadchat installed as ``make install`` does it."""
    for path in ("/opt/threadchat", "/etc/threadchat"):
        box.copy(stage / path[1:], path)
    for unit in (SERVICE, "threadchat.socket", "threadchat@.socket"):
        box.copy(stage / "etc/systemd/system" / unit, f"/etc/systemd/system/{unit}")
    return box


@pytest.fixture
def service(machine: Box) -> Iterator[Box]:
    """The box, with nothing but the socket unit started."""
    machine.write(CONFIG, LIVELY % WELCOME)
    machine.systemctl("daemon-reload")
    machine.systemctl("start", "threadchat.socket")
    yield machine
    machine.systemctl("stop", "threadchat.socket", SERVICE)
    machine.systemctl("reset-failed", check=False)


def status(box: Box, key: str) -> str:
    return box.show(SERVICE, key)[key]


def is_another(box: Box, pid: str) -> bool:
    """Whether another process serves now."""
    return status(box, "ActiveState") == "active" and status(box, "MainPID") != pid


def greeted(box: Box, host: str = "127.0.0.1") -> Talker:
    talker = Talker(box.connect(PORT, host))
    talker.sees(WELCOME)
    talker.sees_matching(r"\* You are guest-\d+, .*")
    return talker


def test_the_first_telnet_starts_it(service: Box) -> None:
    """On either of its addresses; the configuration's is not used."""
    assert status(service, "ActiveState") == "inactive"
    with greeted(service) as alice, greeted(service, "::1") as bob:
        assert status(service, "ActiveState") == "active"
        bob.says("hello")
        alice.sees("guest-2: hello")
        until(lambda: status(service, "StatusText").startswith("2 people in 1 rooms, "), "a status")


def test_a_crowd_is_restarted_and_killed(service: Box) -> None:
    """Five restarts lose nothing at all; three crashes the last words at most; no connection ends, ever."""
    crowd = Crowd([service.connect(PORT) for _ in range(200)])
    lost = 0
    try:
        for way in ("restart", "restart", "kill", "restart", "kill", "restart", "kill", "restart"):
            crowd.talks(in_pieces=way == "restart")
            crowd.talks_for(150)
            if way == "restart":
                service.systemctl("restart", SERVICE)
            else:
                killed = status(service, "MainPID")
                service.systemctl("kill", "--signal=KILL", SERVICE)
                until(partial(is_another, service, killed), "another process")
            crowd.falls_silent()
            lost, lost_before = crowd.lost(), lost
            assert lost - lost_before <= (0 if way == "restart" else LAST_WORDS * len(crowd.people))
    finally:
        crowd.leaves()


def test_a_crash_shows_nobody_a_line_twice(service: Box) -> None:
    """Nor somebody who has only listened, and so has given no reason to note how far they have got."""
    with greeted(service) as alice, greeted(service) as bob:
        for line in ("one", "two", "three"):
            bob.says(line)
        name = alice.sees_matching(r"(guest-\d+): one")[1]
        alice.sees(f"{name}: two", f"{name}: three")
        killed = status(service, "MainPID")
        service.systemctl("kill", "--signal=KILL", SERVICE)
        until(partial(is_another, service, killed), "another process")
        bob.says("four")
        alice.sees(f"{name}: four")


def test_a_deliverer_that_hangs_gets_the_daemon_restarted(service: Box) -> None:
    """And nobody is disconnected: only what hung is lost. The log says where it hung."""
    (library,) = (service.root / "opt/threadchat/lib").glob("python3*/site-packages")
    drop_in = f"/etc/systemd/system/{SERVICE}.d/watchdog.conf"
    service.write(drop_in, "[Service]\nWatchdogSec=2\n")
    (library / "hang.py").write_text(HANG)
    (library / "hang.pth").write_text("import hang\n")
    try:
        service.systemctl("daemon-reload")
        with greeted(service) as alice, greeted(service) as bob:
            before = status(service, "MainPID")
            alice.says("please hang")
            until(lambda: status(service, "NRestarts") == "1", "the watchdog to bite")
            bob.says("still here?")
            alice.sees("guest-2: still here?")
        assert status(service, "MainPID") != before
        said = service.journal(SERVICE)
        assert '"silent": ["deliverer of lobby"]' in said
        assert "in hang" in said
    finally:
        (library / "hang.pth").unlink()
        (service.root / drop_in[1:]).unlink()


def test_a_reload_changes_texts_and_limits_and_refuses_mistakes(service: Box) -> None:
    """Whoever is there stays; a wrong configuration is an error of the reload, and changes nothing."""
    with greeted(service):
        before = status(service, "MainPID")
        service.write(CONFIG, LIVELY % "Nice to see you!")
        service.systemctl("reload", SERVICE)
        until(lambda: '"event": "reloaded"' in service.journal(SERVICE), "the reload")
        with Talker(service.connect(PORT)) as bob:
            bob.sees("Nice to see you!")
        service.write(CONFIG, "[tcp.servers.lobby]\nadr = 1\n")
        with pytest.raises(BoxError):
            service.systemctl("reload", SERVICE)
        assert "tcp.servers.lobby.adr: unknown key" in service.journal(SERVICE, "--priority=err")
        with Talker(service.connect(PORT)) as carol:
            carol.sees("Nice to see you!")
        assert status(service, "MainPID") == before


def test_a_stop_says_goodbye(service: Box) -> None:
    """Unlike a restart. The next visitor starts it again, and is alone."""
    with greeted(service) as alice:
        service.systemctl("restart", SERVICE)
        alice.says("/who")
        alice.sees("* 1 in lobby: guest-1")
        service.systemctl("stop", SERVICE)
        alice.waits_for("* The server is shutting down. Goodbye!")
        alice.is_gone_quietly()
    with Talker(service.connect(PORT)) as bob:
        bob.sees(WELCOME)
        bob.sees_matching(r"\* You are guest-\d+, alone in lobby\..*")


def test_the_journal_holds_json(service: Box) -> None:
    """A line an event, from start to stop, with the priority of its level and the time of the journal."""
    with greeted(service):
        service.systemctl("stop", SERVICE)
    lines = service.journal(SERVICE, "--output=json").splitlines()
    entries = [json.loads(line) for line in lines]
    pid = [entry["_PID"] for entry in entries if entry.get("_COMM") == "threadchat"][-1]
    mine = [entry for entry in entries if entry["_PID"] == pid]
    events = [json.loads(entry["MESSAGE"]) for entry in mine]
    assert events[-1] == {"event": "stopped", "level": "info", "forced": 0}
    priorities = {"info": "6", "warning": "4"}
    assert [entry["PRIORITY"] for entry in mine] == [priorities[event["level"]] for event in events]


def test_one_more_listener_is_opened_without_closing_a_connection(service: Box) -> None:
    """By a restart of the service, once its socket unit is enabled; it closes with the first listener."""
    more = '[tcp.servers.ops]\naddr = "tcp://127.0.0.1:1"\napp = "chat"\n'
    override = "/etc/systemd/system/threadchat@ops.socket.d/override.conf"
    with greeted(service) as alice:
        service.write(CONFIG, LIVELY % WELCOME + more)
        service.write(override, "[Socket]\nListenStream=127.0.0.1:7008\n")
        service.systemctl("enable", "threadchat@ops.socket")
        service.systemctl("restart", SERVICE)
        with Talker(service.connect(7008)) as bob:
            bob.sees(WELCOME)
            bob.says("hello")
            alice.sees_matching(r"guest-\d+: hello")
    service.systemctl("stop", "threadchat.socket", SERVICE)
    with pytest.raises(ConnectionRefusedError):
        service.connect(7008)
    service.systemctl("disable", "threadchat@ops.socket")
    (service.root / override[1:]).unlink()
