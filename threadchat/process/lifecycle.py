"""
The life of a daemon's process: its signals, what it tells systemd, and how it ends.

SIGTERM and SIGINT stop it; SIGHUP reloads the configuration; SIGUSR2 replaces the program, in the same process,
without closing one connection, if a rehearsal says that the new one would start. Where systemd keeps the connections
(FileDescriptorStoreMax=), SIGTERM leaves them to the next process, unless SIGUSR1 came before: then nobody will go on
with them, and they are told goodbye.

All of this is the main thread's. It waits for signals, and in between pets the watchdog and shows a status. What there
is to start and to stop it knows as a :class:`Service` only.
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

#: How long a new program may take to say whether it would start, in seconds. Meanwhile nobody pets the watchdog, which
#: gives us 30 in our unit file.
REHEARSAL_SECONDS = 10.0

#: In the environment of that new program: its addresses are taken, by the one that asks. See :func:`rehearse`.
REHEARSAL = "THREADCHAT_REHEARSAL"

#: Of what it says so much is worth a place in the log, in characters: the end of a traceback.
MAX_PROBLEM = 2000

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class Service(Protocol):
    """What a process is for: daemon.Daemon, which says what these do."""

    @property
    def owned_names(self) -> Sequence[str]:
        """The names of the inherited descriptors that are not systemd's."""

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
        """Let go of what a predecessor has left. Instead of ``start``."""

    def descriptors(self) -> Mapping[str, Sequence[int]]:
        """Return what a service manager is to keep for a successor, by name."""

    def hand_over(self) -> Mapping[str, Sequence[int]]:
        """End, but for what a successor goes on with; return the descriptors that it inherits, by name."""

    def reconfigure(self, config: Config) -> Sequence[str]:
        """Use what can be changed; return what cannot."""

    def traffic(self) -> tuple[int, int, int]:
        """Return how many people, rooms and, so far, messages there are."""


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
    Run a service until it is told to stop; return the exit status. *reread* returns the configuration as it is then.

    A second signal to stop ends the process at once, with the status a shell expects of it.
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
        final = not stored  # nobody would go on with the connections
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
            with _blocked_signals():  # in all its threads, which inherit that: signals are for this one
                self._service.start()
            # What is here now stays: the collector need not look at it again and again. And what a connection is made
            # of makes no cycles: to look for them as often as Python does by itself would be a tenth of the work for
            # a newcomer.
            gc.freeze()
            gc.set_threshold(50_000, 20)
            gc.enable()
        except BaseException as problem:
            self._stopping, self._waiting = True, False
            if isinstance(problem, _Cancelled):
                self._log.info("start_cancelled")
            self._notifier.stopping()
            # What systemd keeps is for its next attempt, unless it has said that there will be none.
            told = {self._signals.get() for _ in range(self._signals.qsize())}
            another = "FDSTORE" in os.environ and self._service.has_predecessor and signal.SIGUSR1 not in told
            if not another:
                self._service.dismiss_stored()
            self._service.stop()
            raise

    def _listen_for_signals(self) -> None:
        for number in _SIGNALS:
            signal.signal(number, self._note)
        # They may have been blocked by whoever has replaced itself with this program.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

    def _next_signal(self, status: _Status) -> int:
        """Wait for a signal; meanwhile, look after the watchdog and the status."""
        beat = self._watchdog.interval_seconds
        tick = min(beat or STATUS_SECONDS, STATUS_SECONDS) if self._notifier.listened_to else None
        while True:
            with contextlib.suppress(queue.Empty):
                return self._signals.get(timeout=tick)
            if beat and (silent := self._watchdog.check()):
                self._log.error("watchdog_not_petted", silent=silent)
            status.show()

    def _store(self) -> bool:
        """Have systemd keep what a successor needs; return whether it does: ``FDSTORE`` says whether it can."""
        for name, fds in self._service.descriptors().items():
            if not self._service.has_predecessor:
                self._notifier.discard(name)  # of one with which nobody can go on
            self._notifier.store(name, *fds)
        # Set by systemd 254 and newer, sd_notify(3), and by our unit file for those before.
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
        """Become the program as it is installed now, with the same arguments and all connections, if it would start."""
        if problem := rehearse(self._placement):
            self._log.error("replace_refused", problem=problem)
            return
        self._log.info("replacing")
        self._notifier.reloading()
        with _blocked_signals():  # until the new program has its handlers
            fds = self._service.hand_over()
            while not self._signals.empty():  # what has come meanwhile is the new program's
                os.kill(os.getpid(), self._signals.get())
            if self._placement:
                release(0, self._placement)
            become(fds, self._service.owned_names, self._notifier.variables())


def rehearse(placement: Placement | None, seconds: float = REHEARSAL_SECONDS) -> str:
    """
    Return why this program's newest version would not start with its arguments; nothing if it would.

    It is loaded, with its configuration, as far as can be done beside this one: without its sockets and workers.
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
    """Replace this process's program by its own newest version, which inherits *fds*. Does not return."""
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
        """Show it, if it was shown long enough ago."""
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
