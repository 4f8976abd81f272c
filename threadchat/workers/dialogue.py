"""
One event, one answer: how the daemon knows which event an answer belongs to.

The answer itself does not say. If a worker answers one event twice, all its later answers are off by one: in RoadRunner
its clients then get each other's bytes. There are three kinds of workers, and a dialogue for each:

* A worker built on our SDK is told to number its answers (:class:`NumberedDialogue`).
* A worker built on the PHP library answers the question of the handshake again whenever it comes, but only when the
  worker is back in its loop. By then it has said all it had to say about an event. So it is asked after each event
  (:class:`AskedDialogue`).
* With any other worker, the daemon can only look: bytes that arrive before an event is given are no answer to it
  (:class:`Dialogue`). That is not enough. A worker is often suspended between its two answers, by the very thread that
  its first answer wakes.

A dialogue belongs to the thread that holds its worker, except for :meth:`Dialogue.recall`.
"""

from __future__ import annotations

import contextlib
import json
import os

from threadchat.base.errors import ExecTimeout, FrameError, Unanswered, WorkerCrashed, WorkerError
from threadchat.wire import goridge
from threadchat.wire.goridge import Frame
from threadchat.workers.payload import NUMBER_FRAME, SDK_MARK, pid_frame, read_pid
from threadchat.workers.relay import PipeRelay, Relay, SocketRelay

#: How long a worker that has just answered the question may take to answer it once more, in seconds.
PROOF_SECONDS = 2.0


class EventNotTaken(WorkerCrashed):
    """The worker was of no use before it had the whole event, so another worker can have the event."""


class NoProof(WorkerError):  # noqa: N818
    """The worker did not answer the handshake's question a second time; it is of no use any more."""


class Dialogue:
    """The daemon's side of *relay*, after the handshake, with a worker that is only looked at."""

    #: Whether a worker may be given its next event before it has answered the last one: :meth:`give_ahead`.
    takes_ahead = False

    #: Whether the worker has yet to say that it is done with the last event. If so, :meth:`give` waits for that.
    owes = False

    #: How many options an answer has.
    options = 1

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        #: Send one more event behind the one that it has. Only where ``takes_ahead``. False: there is no room now.
        self.give_ahead = relay.send_now
        #: Take back the first frame that the worker has not begun to read, and return it; b"" if there is none.
        self.recall = relay.recall
        self.problem = ""  # a second answer to an event; the worker is of no use any more

    def give(self, event: bytes, timeout: float | None, *, closing: bool = False) -> None:
        """Give *event*. A *closing* event may go without an answer. Raises EventNotTaken."""
        if self.relay.readable():
            raise EventNotTaken(self.relay.stray())
        self._send(event, timeout)

    def take(self, timeout: float | None) -> Frame:
        """
        Return the answer to the event given. Then look at ``problem``: the worker may have said more.

        Raises Unanswered, after which the worker is still of use; and WorkerCrashed, FrameError and ExecTimeout.
        """
        frame = self.relay.receive(timeout)
        if self.relay.surplus:
            self.problem = "it sent a second frame for one event"
        return frame

    def _send(self, event: bytes, timeout: float | None) -> None:
        try:
            self.relay.send(event, timeout)
        except WorkerCrashed as problem:
            raise EventNotTaken(str(problem)) from None


class AskedDialogue(Dialogue):
    """
    With a worker that answers the handshake's question at any time. *patience*: seconds it may be busy after an answer.

    Over pipes, the question goes with the event, in one write. Nobody waits for the answer to it: that is read when the
    worker is needed next. Over a socket, the question goes out after the worker has answered the event. There a worker
    can look for more frames while it handles an event (``Worker::getPayload()``), and would swallow the question.

    CLOSE always goes with the question, because RoadRunner's own example leaves it unanswered. The answer to the
    question then comes first, which shows at once that the event has none.
    """

    def __init__(self, relay: Relay, patience: float) -> None:
        super().__init__(relay)
        self._patience = patience
        self._asks_later = isinstance(relay, SocketRelay)
        self._asked_already = False
        self._question = pid_frame(os.getpid(), asks=True)

    def give(self, event: bytes, timeout: float | None, *, closing: bool = False) -> None:
        """Wait until the last question has been answered, then give *event*. Raises EventNotTaken."""
        if self.owes:
            self._settle(self._patience if timeout is None else min(timeout, self._patience))
        self._asked_already = closing or not self._asks_later
        self._send(event + self._question if self._asked_already else event, timeout)

    def take(self, timeout: float | None) -> Frame:
        """Return the answer to the event. Raises Unanswered if the answer to the question comes first."""
        relay = self.relay
        frame = relay.receive(timeout)
        if not self._asked_already:
            with contextlib.suppress(WorkerCrashed):  # after its answer: the next event will show it
                relay.send(self._question, self._patience)
        elif frame.flags & goridge.CONTROL:
            raise Unanswered("it went on to the next event without an answer")
        self.owes = True
        if relay.surplus:
            self._look_at_surplus()
        return frame

    def _settle(self, timeout: float) -> None:
        """
        Read the answer to the last question. If anything else comes first, the worker is out of step.

        The wait has a limit, because a worker may do much after its answer, or may have swallowed the question.
        Raises EventNotTaken.
        """
        self.owes = False
        try:
            frame = self.relay.receive(timeout)
        except ExecTimeout as problem:
            raise EventNotTaken(f"it is still busy with the last event: {problem}") from None
        except (WorkerCrashed, FrameError) as problem:
            raise EventNotTaken(str(problem)) from None
        if not frame.flags & goridge.CONTROL:
            raise EventNotTaken("it sent a second frame for one event")
        if self.relay.surplus:
            raise EventNotTaken("it sent a frame that nobody asked for")

    def _look_at_surplus(self) -> None:
        following = self.relay.next_frame()
        if following and following.flags & goridge.CONTROL:
            self.owes = False
            following = self.relay.next_frame()
        if following or not self.owes:  # half a frame may be the beginning of the answer that is owed
            self.problem = "it sent a second frame for one event" if following or self.relay.surplus else ""


class NumberedDialogue(Dialogue):
    """With a worker built on our SDK: each answer has the number of its event. The first event is number 1."""

    options = 2

    def __init__(self, relay: Relay) -> None:
        super().__init__(relay)
        self._events = 0  # how many have been answered
        relay.send(NUMBER_FRAME)
        self.takes_ahead = isinstance(relay, PipeRelay) and relay.make_recallable()

    def give(self, event: bytes, timeout: float | None, *, closing: bool = False) -> None:
        """Give *event*. Raises EventNotTaken."""
        self._send(event, timeout)

    def take(self, timeout: float | None) -> Frame:
        """Return the answer to the oldest event without one. A second answer to an earlier event is dropped."""
        expected = (self._events + 1) & 0xFFFFFFFF
        while True:
            frame = self.relay.receive(timeout)
            number = frame.options[-1] if frame.options else 0
            if number == expected:
                self._events = expected
                return frame
            if number == 0 or number > expected:
                raise FrameError(f"it answered event {number} instead of {expected}")
            self.problem = "it sent a second frame for one event"


def shake_hands(relay: Relay, timeout: float) -> Frame:
    """Ask a new worker who it is; return its answer. Raises ExecTimeout, WorkerViolation, FrameError."""
    relay.send(pid_frame(os.getpid(), asks=True), timeout)
    answer = relay.receive(timeout)
    read_pid(answer)
    return answer


def begin_dialogue(relay: Relay, answer: Frame, patience: float) -> Dialogue:
    """Find out how the worker that gave *answer* to the handshake can be kept in step. Raises NoProof."""
    if SDK_MARK in json.loads(answer.payload):
        return NumberedDialogue(relay)
    try:
        shake_hands(relay, PROOF_SECONDS)
    except (WorkerError, FrameError) as problem:
        raise NoProof(str(problem)) from None
    return AskedDialogue(relay, patience)
