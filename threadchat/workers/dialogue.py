"""
One event, one answer: how the daemon knows that an answer is the answer to the event it gave.

Nothing in an answer says so, and a worker that answers one event twice is off by one from then on: in RoadRunner
its clients get each other's bytes. To look whether something waits to be read before the next event is written is
not enough: the worker is often suspended between its two answers, by the very thread that its first one wakes.

So after each event the daemon asks the question of the handshake again. Every worker that is built on the PHP library
answers it whenever it comes, which is when it is back in its loop, after all it had to say about the event. The
next event is written when that answer has come. Nobody waits for it: it is read when the worker is needed next.
The SDK answers once by itself and is not asked. A worker that does not understand the question is only looked at.

The question goes with the event, in one write. Not so over a socket: there a worker can look for more while it handles
an event (``Worker::getPayload()``), and would swallow it; so it is asked when it has answered. But for CLOSE, which
RoadRunner's own example leaves unanswered: that the question is answered instead is how this is noticed at once.

A dialogue belongs to whoever holds its worker.
"""

from __future__ import annotations

import contextlib
import json
import os
from enum import Enum

from threadchat.errors import ExecTimeout, FrameError, Unanswered, WorkerCrashed, WorkerError
from threadchat.wire import goridge
from threadchat.wire.goridge import Frame
from threadchat.workers.payload import SDK_MARK, pid_frame, read_pid
from threadchat.workers.relay import Relay, SocketRelay

#: How long a worker that has just answered the question may take to answer it once more, in seconds.
PROOF_SECONDS = 2.0


class Proof(Enum):
    """What there is to know that a worker is done with an event."""

    SDK = "the SDK answers each event once"
    ASKED = "it answers the question of the handshake at any time"
    NONE = "nothing"


class EventNotTaken(WorkerCrashed):
    """The worker was of no use even before it had the whole event: another can have it."""


class NoProof(WorkerError):  # noqa: N818
    """The worker did not answer the handshake's question a second time; it is of no use any more."""


class Dialogue:
    """The daemon's side of *relay*, after the handshake. *patience*: seconds that it may be busy after an answer."""

    def __init__(self, relay: Relay, proof: Proof, patience: float) -> None:
        self.relay = relay
        self._patience = patience
        self._asked = proof is Proof.ASKED
        self._asks_later = isinstance(relay, SocketRelay)
        self._asked_already = False
        self._looked_at = proof is Proof.NONE
        self._question = pid_frame(os.getpid(), asks=True)
        self._owes = False  # the answer to the last question
        self.problem = ""  # a second answer to the last event

    @property
    def owes(self) -> bool:
        """Whether :meth:`give` would wait for the worker: it has not said yet that it is done with the last event."""
        return self._owes

    def give(self, event: bytes, timeout: float | None, *, closing: bool = False) -> None:
        """Give *event*; *closing*: it is one that may go without an answer. Raises EventNotTaken."""
        relay = self.relay
        try:
            if self._owes:
                self._settle(self._patience if timeout is None else min(timeout, self._patience))
            elif self._looked_at and relay.readable():
                raise EventNotTaken(relay.stray())
            self._asked_already = self._asked and (closing or not self._asks_later)
            relay.send(event + self._question if self._asked_already else event, timeout)
        except (WorkerCrashed, FrameError) as problem:
            raise EventNotTaken(str(problem)) from None

    def take(self, timeout: float | None) -> Frame:
        """
        Return the answer to the event given. Look at ``problem`` then: the worker may have said more.

        Raises Unanswered, after which all is well; and WorkerCrashed, FrameError and ExecTimeout.
        """
        relay = self.relay
        frame = relay.receive(timeout)
        if self._asked:
            if not self._asked_already:
                with contextlib.suppress(WorkerCrashed):  # since it has answered: whoever gives it an event will see
                    relay.send(self._question, self._patience)
            elif frame.flags & goridge.CONTROL:
                raise Unanswered("it went on to the next event without an answer")
            self._owes = True
        if relay.surplus:
            self._look_at_surplus()
        return frame

    def _settle(self, timeout: float) -> None:
        """
        Read the answer to the last question. If anything comes before it, the worker is out of step.

        A worker that does much after its answer, or has swallowed the question, is not waited for for ever.
        """
        self._owes = False
        try:
            frame = self.relay.receive(timeout)
        except ExecTimeout as problem:
            raise EventNotTaken(f"it is still busy with the last event: {problem}") from None
        if not frame.flags & goridge.CONTROL:
            raise EventNotTaken("it sent a second frame for one event")
        if self.relay.surplus:
            raise EventNotTaken("it sent a frame that nobody asked for")

    def _look_at_surplus(self) -> None:
        following = self.relay.next_frame()
        if self._asked and following and following.flags & goridge.CONTROL:
            self._owes = False
            following = self.relay.next_frame()
        if following or not self._owes:  # half a frame may be the beginning of the answer that is owed
            self.problem = "it sent a second frame for one event" if following or self.relay.surplus else ""


def shake_hands(relay: Relay, timeout: float) -> Frame:
    """Ask a new worker who it is; return its answer. Raises ExecTimeout, WorkerViolation, FrameError."""
    relay.send(pid_frame(os.getpid(), asks=True), timeout)
    answer = relay.receive(timeout)
    read_pid(answer)
    return answer


def prove(relay: Relay, answer: Frame) -> Proof:
    """Find out how the worker that gave *answer* to the handshake can be kept in step. Raises NoProof."""
    if SDK_MARK in json.loads(answer.payload):
        return Proof.SDK
    try:
        shake_hands(relay, PROOF_SECONDS)
    except (WorkerError, FrameError) as problem:
        raise NoProof(str(problem)) from None
    return Proof.ASKED
