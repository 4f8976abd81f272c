"""
Starts workers: the command, its environment, its relay, the handshake.

``launch`` may be called by many threads at once, each for its own worker. ``close`` makes the threads that still wait
for a handshake give up. The pool (pool.py) decides how many workers there are.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import threadchat
from threadchat.base.errors import ExecTimeout, FrameError, WorkerError, WorkerStartError
from threadchat.base.log import Log
from threadchat.config.sections import Spawn
from threadchat.process.processor import Placement, release
from threadchat.wire.goridge import Frame
from threadchat.workers.dialogue import Dialogue, NoProof, begin_dialogue, shake_hands
from threadchat.workers.process import WorkerProcess
from threadchat.workers.relay import PipeRelay, Relay
from threadchat.workers.relay_listener import RelayListener
from threadchat.workers.watch import Watch

_NOT_PROVABLE = "a second answer to one event may be taken for the answer to the next"


def resolve(command: Sequence[str]) -> tuple[str, ...]:
    """
    Return the words that are run for *command*: ``python`` and ``python3`` mean the interpreter that runs the daemon.

    Only that interpreter is known to have threadchat.sdk. There may be another one on PATH, or none.
    """
    program, *arguments = command
    return (sys.executable if program in ("python", "python3") else program, *arguments)


class Launcher:
    """
    Starts workers. *command* wins over the one in *server*; *rpc* is the address for RR_RPC. Workers run with
    *placement* (processor.py), or with the daemon's own if there is none.

    The threads of :class:`Watch` and :class:`RelayListener` start here and end in ``close``.
    """

    def __init__(
        self,
        server: Spawn,
        log: Log,
        command: Sequence[str] = (),
        rpc: str = "",
        placement: Placement | None = None,
    ) -> None:
        self.command = tuple(command or server.command)
        self._server = server
        self._log = log
        self._placement = placement
        self._provable = True  # until one worker shows otherwise; all run the same program
        self._environment = _environment(server, rpc)
        self._lock = threading.Lock()
        self._starting: set[subprocess.Popen[bytes]] = set()
        self._closed = False
        self._listener = RelayListener(server.relay) if server.relay != "pipes" else None
        self._watch = Watch(log)

    def launch(self, timeout: float, max_jobs: int) -> WorkerProcess:
        """
        Start a worker, and return it when it has said who it is.

        Raises WorkerStartError, with the reason; if the worker says nothing, after *timeout* seconds.
        """
        try:
            return self._launch(timeout, max_jobs, provable=self._provable)
        except NoProof as problem:
            if self._provable:
                self._provable = False
                self._log.warning("workers_not_provable", problem=str(problem), consequence=_NOT_PROVABLE)
            return self._launch(timeout, max_jobs, provable=False)

    def watch(self, worker: WorkerProcess, exited: Callable[[WorkerProcess], None]) -> None:
        """Have *exited* called, in the thread worker-log, when *worker* exits."""
        self._watch.add_exit(worker.pid, lambda: exited(worker))

    def close(self) -> None:
        """Give up on workers that are starting, and end the threads. To be called when no worker is left."""
        self.cancel()
        if self._listener:
            self._listener.close()
        self._watch.close()

    def cancel(self) -> None:
        """Start no more workers, and give up on those that are starting."""
        with self._lock:
            self._closed = True
            for process in self._starting:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    @property
    def _named(self) -> str:
        return f"worker {subprocess.list2cmdline(self.command)!r}"

    def _launch(self, timeout: float, max_jobs: int, *, provable: bool) -> WorkerProcess:
        process, relay = self._start()
        try:
            if relay:
                answer = _shake_hands(relay, timeout)
            else:
                relay, answer = self._accept(process, timeout)
            dialogue = begin_dialogue(relay, answer, timeout) if provable else Dialogue(relay)
            return WorkerProcess(process, dialogue, max_jobs)
        except WorkerError as problem:
            text = _end(process, problem)
            if relay:
                relay.close()
            if isinstance(problem, NoProof):
                raise NoProof(text) from None
            raise WorkerStartError(f"{self._named}: {text}") from None
        finally:
            with self._lock:
                self._starting.discard(process)

    def _start(self) -> tuple[subprocess.Popen[bytes], Relay | None]:
        ours: list[int] = []
        stderr_read, stderr_write = os.pipe()
        theirs = [stderr_write]
        stdin = stdout = subprocess.DEVNULL
        if self._listener is None:
            stdin, our_write = os.pipe()
            our_read, stdout = os.pipe()
            ours, theirs = [our_read, our_write], [stdin, stdout, stderr_write]
        try:
            process = self._popen(stdin, stdout, stderr_write)
        except OSError as problem:
            for fd in (stderr_read, *ours):
                os.close(fd)
            raise WorkerStartError(f"{self._named}: {problem.strerror}: {problem.filename}") from None
        finally:
            for fd in theirs:
                os.close(fd)
        self._watch.add_stderr(process.pid, stderr_read)
        return process, PipeRelay(*ours) if ours else None

    def _popen(self, stdin: int, stdout: int, stderr: int) -> subprocess.Popen[bytes]:
        who: dict[str, Any] = {}
        if self._server.user:
            who["user"] = self._server.user
        if self._server.group:
            who["group"] = self._server.group
        before = signal.pthread_sigmask(signal.SIG_SETMASK, ())  # a worker would inherit what our threads block
        try:
            process = subprocess.Popen(
                resolve(self.command),
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=self._environment,
                process_group=0,  # Ctrl-C is for the daemon only, which ends its workers itself
                **who,
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if self._placement:
            release(process.pid, self._placement)
        with self._lock:
            self._starting.add(process)
            if self._closed:
                process.kill()
        return process

    def _accept(self, process: subprocess.Popen[bytes], timeout: float) -> tuple[Relay, Frame]:
        assert self._listener is not None
        return self._listener.wait(process.pid, timeout, lambda: process.poll() is None)


def _shake_hands(relay: Relay, timeout: float) -> Frame:
    try:
        return shake_hands(relay, timeout)
    except ExecTimeout:
        raise WorkerStartError(f"it did not say who it is within {timeout:g} s (allocate_timeout)") from None
    except FrameError as problem:
        raise WorkerStartError(f"it wrote to its standard output: {problem}") from None


def _environment(server: Spawn, rpc: str) -> Mapping[str, str]:
    """Return a worker's environment, filled in RoadRunner's order: a later entry wins."""
    environment = dict(os.environ, RR_RELAY=server.relay)
    if rpc:
        environment["RR_RPC"] = rpc
    environment.update(server.env)
    environment["RR_VERSION"] = threadchat.__version__
    environment["RR_MODE"] = "tcp"
    return environment


def _end(process: subprocess.Popen[bytes], problem: WorkerError) -> str:
    """End a process that failed to become a worker; return a sentence about it."""
    try:
        status = process.wait(0.2)  # it may be about to exit, and its status may say why
    except subprocess.TimeoutExpired:
        status = None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if isinstance(problem, WorkerStartError) or status is None:
        return str(problem)
    if status == 0:
        return "it exited with status 0 before it said who it is: a worker waits for events (docs/workers.md)"
    how = f"exited with status {status}" if status > 0 else f"was killed by signal {-status}"
    return f"it {how} before it said who it is: look for worker_stderr in the log, or run the command by hand"
