"""Keeping in step: the answer to an event is its answer, or nobody gets it."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from tests.workers import raw
from threadchat.base.errors import FrameError, Unanswered, WorkerCrashed
from threadchat.wire import goridge
from threadchat.wire.goridge import Frame
from threadchat.workers.dialogue import (
    AskedDialogue,
    Dialogue,
    EventNotTaken,
    NoProof,
    NumberedDialogue,
    begin_dialogue,
    shake_hands,
)
from threadchat.workers.payload import pid_frame
from threadchat.workers.relay import PipeRelay, Relay, SocketRelay

DONE = raw.frame(b'{"pid":7}', flags=goridge.CONTROL)
HELLO = raw.reply(b"WRITE", b"hello")
WORLD = raw.reply(b"WRITE", b"world")
ANSWER = Frame(b"WRITEhello", (5,))


def asked(relay: Relay, patience: float = 60.0) -> Dialogue:
    return AskedDialogue(relay, patience)


@contextmanager
def dialogue(kind: Callable[[Relay], Dialogue] = asked) -> Iterator[tuple[Dialogue, int, int]]:
    """Give a dialogue, and the worker's descriptors to read from and to write to."""
    here_read, there_write = os.pipe()
    there_read, here_write = os.pipe()
    relay = PipeRelay(here_read, here_write)
    try:
        yield kind(relay), there_read, there_write
    finally:
        relay.close()
        os.close(there_read)
        os.close(there_write)


def exchanged(daemon: Dialogue, event: bytes, timeout: float | None) -> Frame:
    """Give an event; return the answer."""
    daemon.give(event, timeout)
    return daemon.take(timeout)


def test_the_question_follows_the_event() -> None:
    """In one write; nobody waits for its answer."""
    with dialogue() as (daemon, read_fd, write_fd):
        os.write(write_fd, HELLO)
        assert exchanged(daemon, b"EVENT", None) == ANSWER
        assert os.read(read_fd, 1000) == b"EVENT" + raw.frame(b'{"pid":%d}' % os.getpid(), flags=9)


@pytest.mark.parametrize("pieces", [[HELLO + DONE], [HELLO, DONE], [HELLO + DONE[:5], DONE[5:]]])
def test_all_is_well_when_each_event_has_one_answer(pieces: list[bytes]) -> None:
    """Whether the answer to the question comes with the answer to the event, or later, or in two pieces."""
    with dialogue() as (daemon, read_fd, write_fd):

        def work() -> None:
            for _ in range(3):
                os.read(read_fd, 1000)
                for piece in pieces:
                    os.write(write_fd, piece)

        worker = threading.Thread(target=work, name="worker")
        worker.start()
        for _ in range(3):
            assert exchanged(daemon, b"EVENT", 5) == ANSWER
            assert daemon.problem == ""
        worker.join()


def test_a_second_answer_at_once_is_a_problem() -> None:
    """The first one counts."""
    with dialogue() as (daemon, _, write_fd):
        os.write(write_fd, HELLO + WORLD + DONE)
        assert exchanged(daemon, b"EVENT", 5) == ANSWER
        assert daemon.problem == "it sent a second frame for one event"


def test_a_second_answer_later_is_noticed_before_the_next_event_is_written() -> None:
    """So no other client can get it."""
    with dialogue() as (daemon, read_fd, write_fd):
        os.write(write_fd, HELLO)
        exchanged(daemon, b"EVENT", 5)
        os.read(read_fd, 1000)
        os.write(write_fd, WORLD + DONE)
        with pytest.raises(EventNotTaken, match="second frame"):
            exchanged(daemon, b"NEXT", 5)
        os.set_blocking(read_fd, False)
        with pytest.raises(BlockingIOError):
            os.read(read_fd, 1000)


def test_one_that_comes_back_without_an_answer_is_in_step() -> None:
    """The event has no answer, the next one has its own."""
    with dialogue() as (daemon, _, write_fd):
        os.write(write_fd, DONE)
        with pytest.raises(Unanswered):
            exchanged(daemon, b"EVENT", 5)
        os.write(write_fd, HELLO)
        assert exchanged(daemon, b"EVENT", 5) == ANSWER


def test_one_that_is_still_busy_does_not_get_the_next_event() -> None:
    """It has answered, but has not come back."""
    with dialogue() as (daemon, _, write_fd):
        os.write(write_fd, HELLO)
        exchanged(daemon, b"EVENT", 5)
        with pytest.raises(EventNotTaken, match="still busy"):
            exchanged(daemon, b"NEXT", 0.01)


def test_one_that_has_swallowed_the_question_is_not_waited_for_for_ever() -> None:
    """Even if it has all the time in the world for an event: another worker gets the next one."""
    with dialogue(partial(asked, patience=0.01)) as (daemon, _, write_fd):
        os.write(write_fd, HELLO)
        assert exchanged(daemon, b"EVENT", None) == ANSWER
        with pytest.raises(EventNotTaken, match="still busy"):
            exchanged(daemon, b"EVENT", None)


@pytest.fixture
def over_a_socket() -> Iterator[tuple[Dialogue, socket.socket]]:
    """A dialogue, and the worker's end of its socket."""
    here, there = socket.socketpair()
    relay = SocketRelay(here)
    with there:
        yield AskedDialogue(relay, 60.0), there
        relay.close()


def test_over_a_socket_it_is_asked_when_it_has_answered(over_a_socket: tuple[Dialogue, socket.socket]) -> None:
    """What lies there while it handles the event it could take for a command to it (Worker::getPayload())."""
    daemon, worker = over_a_socket
    daemon.give(b"EVENT", None)
    assert worker.recv(1000) == b"EVENT"
    worker.sendall(HELLO)
    assert daemon.take(None) == ANSWER
    assert worker.recv(1000) == pid_frame(os.getpid(), asks=True)
    worker.sendall(DONE)
    daemon.give(b"NEXT", None)
    assert worker.recv(1000) == b"NEXT"


def test_over_a_socket_an_unanswered_close_is_noticed_as_well(over_a_socket: tuple[Dialogue, socket.socket]) -> None:
    """So it is asked with the event."""
    daemon, worker = over_a_socket
    daemon.give(b"CLOSE", None, closing=True)
    assert worker.recv(1000) == b"CLOSE" + pid_frame(os.getpid(), asks=True)
    worker.sendall(DONE)
    with pytest.raises(Unanswered):
        daemon.take(None)


def test_one_that_dies_after_its_answer_has_answered(over_a_socket: tuple[Dialogue, socket.socket]) -> None:
    """The next event is not for it."""
    daemon, worker = over_a_socket
    daemon.give(b"EVENT", None)
    worker.recv(1000)
    worker.sendall(HELLO)
    worker.close()
    assert daemon.take(None) == ANSWER
    with pytest.raises(EventNotTaken):
        daemon.give(b"NEXT", None)


def numbered(number: int, body: bytes = b"hello") -> bytes:
    """Pack an answer as the SDK does."""
    return raw.frame(b"WRITE" + body, (5, number))


def test_one_built_on_the_sdk_is_told_to_number_its_answers_and_not_asked() -> None:
    """Events look the same as to any other."""
    with dialogue(NumberedDialogue) as (daemon, read_fd, write_fd):
        assert os.read(read_fd, 1000) == raw.frame(b'{"number":true}', flags=9)
        for number in (1, 2):
            os.write(write_fd, numbered(number))
            assert exchanged(daemon, b"EVENT", 5) == Frame(b"WRITEhello", (5, number))
            assert os.read(read_fd, 1000) == b"EVENT"


def test_a_second_answer_with_the_number_of_the_first_is_dropped() -> None:
    """At once or later: the event after that gets its own. But the worker is of no more use."""
    with dialogue(NumberedDialogue) as (daemon, _, write_fd):
        os.write(write_fd, numbered(1) + numbered(1, b"again"))
        assert exchanged(daemon, b"EVENT", 5).payload == b"WRITEhello"
        os.write(write_fd, numbered(2, b"world"))
        assert exchanged(daemon, b"NEXT", 5).payload == b"WRITEworld"
        assert daemon.problem == "it sent a second frame for one event"


@pytest.mark.parametrize("answer", [numbered(2), HELLO, DONE])
def test_an_answer_to_nothing_is_an_error(answer: bytes) -> None:
    """To an event that is yet to come, and without a number."""
    with dialogue(NumberedDialogue) as (daemon, _, write_fd):
        os.write(write_fd, answer)
        with pytest.raises(FrameError, match="instead of 1"):
            exchanged(daemon, b"EVENT", 5)


def test_two_events_may_be_with_it_and_be_answered_in_one_piece() -> None:
    """It reads them one at a time all the same."""
    with dialogue(NumberedDialogue) as (daemon, read_fd, write_fd):
        assert daemon.takes_ahead
        os.read(read_fd, 1000)
        daemon.give(b"ONE", None)
        assert daemon.give_ahead(b"TWO")
        assert [os.read(read_fd, 1000) for _ in range(2)] == [b"ONE", b"TWO"]
        os.write(write_fd, numbered(1, b"one") + numbered(2, b"two"))
        assert [daemon.take(5).payload for _ in range(2)] == [b"WRITEone", b"WRITEtwo"]
        assert daemon.problem == ""


def test_what_it_has_not_begun_to_read_can_be_taken_back() -> None:
    """Then it never gets it."""
    with dialogue(NumberedDialogue) as (daemon, read_fd, _):
        os.read(read_fd, 1000)
        daemon.give(b"ONE", None)
        daemon.give_ahead(b"TWO")
        os.read(read_fd, 1000)
        assert daemon.recall() == b"TWO"
        assert daemon.recall() == b""
        daemon.give_ahead(b"THREE")
        assert os.read(read_fd, 1000) == b"THREE"


def test_over_a_socket_nothing_is_given_ahead() -> None:
    """It could not be taken back."""
    here, there = socket.socketpair()
    with there:
        daemon = NumberedDialogue(SocketRelay(here))
        assert not daemon.takes_ahead
        assert daemon.recall() == b""
        daemon.relay.close()


def test_one_that_cannot_be_asked_is_looked_at() -> None:
    """What waits to be read before an event is nobody's answer."""
    with dialogue(Dialogue) as (daemon, _, write_fd):
        os.write(write_fd, HELLO)
        with pytest.raises(EventNotTaken, match="nobody asked for"):
            exchanged(daemon, b"EVENT", 5)


def test_one_that_dies_with_the_event_took_it() -> None:
    """So it is not given to another."""
    with dialogue() as (daemon, _, write_fd):
        os.write(write_fd, HELLO[:9])
        os.close(write_fd)
        with pytest.raises(WorkerCrashed) as caught:
            exchanged(daemon, b"EVENT", 5)
        os.dup2(os.open(os.devnull, os.O_WRONLY), write_fd)

    assert caught.type is WorkerCrashed


@pytest.mark.parametrize(
    ("answer", "again", "kind"),
    [
        (b'{"pid":7}', DONE, AskedDialogue),
        (b'{"pid":7,"threadchat":true}', b"", NumberedDialogue),
    ],
)
def test_the_kind_of_worker_is_found_at_the_start(answer: bytes, again: bytes, kind: type[Dialogue]) -> None:
    """The SDK says so itself, others are asked a second time."""
    with dialogue() as (daemon, _, write_fd):
        os.write(write_fd, raw.frame(answer, flags=goridge.CONTROL))
        frame = shake_hands(daemon.relay, 5)
        os.write(write_fd, again)
        assert type(begin_dialogue(daemon.relay, frame, 60.0)) is kind


@pytest.mark.parametrize("again", [HELLO, b"Notice: what is this?", raw.frame(b"{}", flags=goridge.CONTROL)])
def test_one_that_understands_the_question_once_cannot_be_asked(again: bytes) -> None:
    """It takes it for an event, or for nonsense."""
    with dialogue() as (daemon, _, write_fd):
        os.write(write_fd, again)
        with pytest.raises(NoProof):
            begin_dialogue(daemon.relay, Frame(b'{"pid":7}', flags=goridge.CONTROL), 60.0)
