"""
The life of a daemon's process: its signals, what it tells systemd, and how it ends.

SIGTERM and SIGINT stop it. SIGHUP reloads the configuration. SIGUSR2 replaces the program, in the same process, if a
rehearsal says that the new program would start. No connection is closed then, except those of worker servers.

Where systemd keeps the connections (FileDescriptorStoreMax=), SIGTERM and SIGINT leave them to the next process. If
SIGUSR1 came before, there will be no next process, and the connections are told goodbye.

All of this runs in the main thread. It waits for signals, and in between pets the watchdog and shows a status. It knows
what there is to start and to stop only as a :class:`Service`.
"""

from __future__ import annotations

import contextlib
import gc
import os
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from queue import SimpleQueue
from types import FrameType
from typing import Protocol

from threadchat.base.errors import ConfigError
from threadchat.base.log import Log, log_uncaught, lost_lines
from threadchat.config.sections import Config
from threadchat.process.processor import Placement, release, settle
from threadchat.process.systemd import Notifier, hand_down, listen_fds, owned_names
from threadchat.process.watchdog import Watchdog

STATUS_SECONDS = 5.0

#: How long a new program may take to say whether it would start, in seconds. Nobody pets the watchdog meanwhile; our
#: unit file sets that to 30 seconds.
REHEARSAL_SECONDS = 10.0

#: A variable in the environment of that new program. It says that the addresses are taken by the program that asks. See
#: :func:`rehearse`.
REHEARSAL = "THREADCHAT_REHEARSAL"

#: The log gets the last so many characters of the new program's errors: enough for the end of a traceback.
MAX_PROBLEM = 2000

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class Service(Protocol):
    """What a process runs: daemon.Daemon. More about each method is there."""

    @property
    def owned_names(self) -> Sequence[str]:
        """The names of the listeners that this process, or a predecessor, has bound itself."""

    @property
    def has_predecessor(self) -> bool:
        """Whether this process goes on with what another one has left."""

    def start_workers(self) -> None:
        """Start what takes long, and may be cancelled."""

    def start(self) -> None:
        """Serve."""

    def stop(self) -> None:
        """End everything."""

    def dismiss_stored(self) -> None:
        """Let go of what a predecessor has left. Called instead of ``start``."""

    def descriptors(self) -> Mapping[str, Sequence[int]]:
        """Return the descriptors that a service manager is to keep for a successor, by name."""

    def hand_over(self) -> Mapping[str, Sequence[int]]:
        """End all but what a successor goes on with; return the descriptors that it inherits, by name."""

    def reconfigure(self, config: Config) -> Sequence[str]:
        """Use the options that can be changed now; return those that need a restart."""

    def traffic(self) -> tuple[int, int, int]:
        """Return how many people and rooms there are, and how many messages there have been so far."""


class Build(Protocol):
    """Makes the service, which binds its addresses."""

    def __call__(
        self,
        config: Config,
        log: Log,
        inherited: Mapping[str, Sequence[int]],
        watchdog: Watchdog,
        placement: Placement | None,
        owned: Collection[str],
        /,
    ) -> Service:
        """Raises ListenError."""


def run(build: Build, config: Config, log: Log, reread: Callable[[], Config] | None = None) -> int:
    """
    Run a service until it is told to stop; return the exit status. *reread* reads the configuration again.

    A second signal to stop ends the process at once, with the status that a shell expects then (128 and its number).
    """
    return Lifecycle(build, config, log, reread).run()


class _Cancelled(BaseException):
    """A signal to stop came before the daemon was ready. Raised by its handler, like KeyboardInterrupt."""


class Lifecycle:
    """One service, from its first signal to its last."""

    def __init__(self, build: Build, config: Config, log: Log, reread: Callable[[], Config] | None) -> None:
        gc.disable()  # until there is something to collect, see _start
        self._log = log
        self._reread = reread
        self._signals: SimpleQueue[int] = SimpleQueue()
        self._stopping = False
        self._waiting = False  # for workers to start: may be cancelled
        self._notifier = Notifier.from_environment()
        self._watchdog = Watchdog(self._notifier.pet, self._notifier.watchdog_seconds)
        inherited = listen_fds()
        self._placement = settle() if config.daemon.one_processor else None
        self._service = build(config, log, inherited, self._watchdog, self._placement, owned_names())
        log_uncaught(log)

    def run(self) -> int:
        """Serve; return the exit status."""
        try:
            self._start()
        except _Cancelled:
            return 0
        stored = self._store()
        self._notifier.ready()
        final = not stored  # if nothing is stored, nobody would go on with the connections
        status = _Status(self._service, self._notifier)
        while True:
            match self._next_signal(status):
                case signal.SIGHUP:
                    self._reload()
                case signal.SIGUSR1:
                    final = True
                case signal.SIGUSR2:
                    self._replace()
                case number:
                    self._stop(signal.Signals(number).name, final)
                    return 0

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            if self._stopping:
                os._exit(128 + number)
            if self._waiting:
                self._stopping = True
                raise _Cancelled
        self._signals.put(number)

    def _start(self) -> None:
        """Start the daemon, or give up. Raises _Cancelled, and what the daemon raises."""
        try:
            self._waiting = True
            self._listen_for_signals()
            self._service.start_workers()
            self._waiting = False
            with _blocked_signals():  # all its threads inherit that, so signals come to this one
                self._service.start()
            # The objects that exist now stay, so the collector need not look at them again and again. The objects of a
            # connection make no cycles. To look for cycles as often as Python does by default would be a tenth of the
            # work for a newcomer.
            gc.freeze()
            gc.set_threshold(50_000, 20)
            gc.enable()
        except BaseException as problem:
            self._stopping, self._waiting = True, False
            if isinstance(problem, _Cancelled):
                self._log.info("start_cancelled")
            self._notifier.stopping()
            # What systemd keeps is for its next attempt, unless it has said (SIGUSR1) that there will be none.
            told = {self._signals.get() for _ in range(self._signals.qsize())}
            another = "FDSTORE" in os.environ and self._service.has_predecessor and signal.SIGUSR1 not in told
            if not another:
                self._service.dismiss_stored()
            self._service.stop()
            raise

    def _listen_for_signals(self) -> None:
        for number in _SIGNALS:
            signal.signal(number, self._note)
        # A predecessor that has become this program has left them blocked.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

    def _next_signal(self, status: _Status) -> int:
        """Wait for a signal. Meanwhile, look after the watchdog and the status."""
        beat = self._watchdog.interval_seconds
        tick = min(beat or STATUS_SECONDS, STATUS_SECONDS) if self._notifier.listened_to else None
        while True:
            with contextlib.suppress(queue.Empty):
                return self._signals.get(timeout=tick)
            if beat and (silent := self._watchdog.check()):
                self._log.error("watchdog_not_petted", silent=silent)
            status.show()

    def _store(self) -> bool:
        """Have systemd keep what a successor needs; return whether it does. ``FDSTORE`` is set where it can."""
        for name, fds in self._service.descriptors().items():
            if not self._service.has_predecessor:
                self._notifier.discard(name)  # from a predecessor that nobody can go on with
            self._notifier.store(name, *fds)
        # systemd 254 and newer set FDSTORE, sd_notify(3). Our unit file sets it for older ones.
        return self._notifier.barrier() and "FDSTORE" in os.environ

    def _stop(self, why: str, final: bool) -> None:
        self._stopping = True
        self._notifier.stopping()
        self._log.info("stopping", signal=why)
        if final:
            self._service.stop()
        else:
            self._service.hand_over()
            os._exit(0)  # thousands of threads wait where they are: the kernel ends them faster than Python does

    def _reload(self) -> None:
        self._notifier.reloading()
        try:
            if self._reread is None:
                self._log.warning("reload_without_file")
                return
            try:
                config = self._reread()
            except ConfigError as problem:
                self._log.error("reload_refused", problems=problem.problems)
                return
            self._log.info("reloaded", needs_restart=self._service.reconfigure(config))
        finally:
            self._notifier.ready()

    def _replace(self) -> None:
        """Become the program as it is installed now, with the same arguments and the connections, if it would start."""
        if problem := rehearse(self._placement):
            self._log.error("replace_refused", problem=problem)
            return
        self._log.info("replacing")
        self._notifier.reloading()
        with _blocked_signals():  # until the new program has its handlers
            fds = self._service.hand_over()
            while not self._signals.empty():  # signals that came meanwhile are for the new program
                os.kill(os.getpid(), self._signals.get())
            if self._placement:
                release(0, self._placement)
            become(fds, self._service.owned_names, self._notifier.variables())


def rehearse(placement: Placement | None, seconds: float = REHEARSAL_SECONDS) -> str:
    """
    Return why the newest version of this program would not start with the same arguments; "" if it would.

    The new version loads itself and its configuration. It opens no sockets and starts no workers, as these would be in
    the way of this process.
    """
    command = [sys.executable, *sys.orig_argv[1:], "--dry-run"]
    environment = {**os.environ, REHEARSAL: "1"}
    try:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
    except OSError as problem:
        return str(problem)
    if placement:
        release(process.pid, placement)
    try:
        _, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return f"it does not start within {seconds:g} s"
    if process.returncode == 0:
        return ""
    return errors.decode("utf-8", "replace").strip()[-MAX_PROBLEM:] or f"it ends with status {process.returncode}"


def become(fds: Mapping[str, Sequence[int]], owned: Collection[str], variables: Mapping[str, str]) -> None:
    """Replace this process's program by the newest version of it, which inherits *fds*. Does not return."""
    os.execve(sys.executable, sys.orig_argv, {**os.environ, **variables, **hand_down(fds, owned)})  # noqa: S606


@contextlib.contextmanager
def _blocked_signals() -> Iterator[None]:
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


class _Status:
    """What ``systemctl status`` shows, kept up to date."""

    def __init__(self, service: Service, notifier: Notifier) -> None:
        self._service = service
        self._notifier = notifier
        self._shown_at = time.monotonic()
        self._messages = 0

    def show(self) -> None:
        """Show it, unless it was shown less than ``STATUS_SECONDS`` ago."""
        now = time.monotonic()
        if (passed := now - self._shown_at) < STATUS_SECONDS:
            return
        people, rooms, messages = self._service.traffic()
        rate = (messages - self._messages) / passed
        self._shown_at, self._messages = now, messages
        text = f"{people} people in {rooms} rooms, {rate:.1f} messages/s"
        if lost := lost_lines():
            text += f", log lines lost: {lost}"
        self._notifier.status(text)
