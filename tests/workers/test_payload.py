"""Events, verdicts and control frames: their exact form, and what else a worker may send."""

from __future__ import annotations

import json

import pytest

from threadchat.base.errors import WorkerReported, WorkerViolation
from threadchat.wire import goridge
from threadchat.wire.goridge import Frame, encode_with_context
from threadchat.workers.payload import (
    REPLACE_ME,
    STOP_FRAME,
    EventContext,
    ReplaceMe,
    Reply,
    Verdict,
    pid_frame,
    read_pid,
    read_reply,
)


def test_a_context_is_the_compact_json_that_roadrunner_sends() -> None:
    """Four keys in a fixed order, no spaces."""
    context = EventContext("127.0.0.1:54321", "server1", "6b1f5b1e-0000-4000-8000-000000000000")

    assert context.data == (
        b'{"remote_addr":"127.0.0.1:54321","server":"server1",'
        b'"uuid":"6b1f5b1e-0000-4000-8000-000000000000","event":"DATA"}'
    )
    assert (len(context.connected), len(context.data), len(context.close)) == (118, 113, 114)
    assert json.loads(context.close)["event"] == "CLOSE"


def test_a_context_is_escaped_as_go_does() -> None:
    """Any server name survives, and none can end the JSON."""
    context = EventContext("@", 'a"<&>\u2028é', "u")

    assert json.loads(context.connected)["server"] == 'a"<&>\u2028é'
    assert b"\\u003c\\u0026\\u003e\\u2028\xc3\xa9" in context.connected


def test_control_frames_are_those_of_the_recorded_session() -> None:
    """To the byte."""
    assert STOP_FRAME.hex() == "13090d0000003a6bfacb0000" + b'{"stop":true}'.hex()
    assert encode_with_context(REPLACE_ME, b"").hex() == "14000d000000f339efdb00000d000000" + b'{"stop":true}'.hex()
    assert pid_frame(30971, asks=True).hex() == "13090d0000003a6bfacb0000" + b'{"pid":30971}'.hex()
    assert pid_frame(31012, asks=False).hex() == "13010d000000fb208afb0000" + b'{"pid":31012}'.hex()


@pytest.mark.parametrize("verdict", Verdict)
def test_each_verdict_is_a_word_before_the_body(verdict: Verdict) -> None:
    """The option says where the word ends."""
    word = verdict.value.encode()
    assert read_reply(Frame(word + b"body", (len(word),))) == Reply(verdict, b"body")


@pytest.mark.parametrize("word", [b"", b"continue", b"WRITE ", b"{}", b'{"stop":false}', b"null", b"\xff"])
def test_what_is_no_verdict_closes(word: bytes) -> None:
    """As in RoadRunner, unknown words mean CLOSE."""
    assert read_reply(Frame(word + b"", (len(word),))).verdict is Verdict.CLOSE


@pytest.mark.parametrize("flags", [goridge.JSON, goridge.CONTROL, goridge.RAW])
def test_other_flags_do_not_matter(flags: int) -> None:
    """RoadRunner takes replies flagged JSON or CONTROL, so we do."""
    assert read_reply(Frame(b"CONTINUE", (8,), flags)).verdict is Verdict.CONTINUE


@pytest.mark.parametrize(
    "frame",
    [Frame(b"WRITE"), Frame(b"WRITE", (5, 5)), Frame(b"WRITE", (6,)), Frame(b"WRITE", (5,), stream=goridge.STREAM)],
)
def test_what_is_no_reply_is_a_violation(frame: Frame) -> None:
    """No option word or two, an option beyond the payload, a stream."""
    with pytest.raises(WorkerViolation):
        read_reply(frame)


def test_an_error_frame_is_the_workers_own_message() -> None:
    """Also if it is not UTF-8."""
    with pytest.raises(WorkerReported, match="boom\ufffd"):
        read_reply(Frame(b"boom\xff", flags=goridge.ERROR))


def test_a_worker_can_ask_to_be_replaced() -> None:
    """With the stop command as context and no body."""
    with pytest.raises(ReplaceMe):
        read_reply(Frame(b'{"stop":true}', (13,)))


@pytest.mark.parametrize("payload", [b'{"pid":0}', b'{"pid":-1}', b'{"pid":"x"}', b"{}", b"[]", b"pid", b"\xff"])
def test_an_answer_to_the_handshake_without_a_pid_is_refused(payload: bytes) -> None:
    """The pid is a number above 0, and comes in a control frame."""
    with pytest.raises(WorkerViolation):
        read_pid(Frame(payload, flags=goridge.CONTROL))
    with pytest.raises(WorkerViolation):
        read_pid(Frame(b'{"pid":1}'))


def test_the_pid_is_read() -> None:
    """What else is in the answer does not matter."""
    assert read_pid(Frame(b'{"pid":31012,"more":1}', flags=goridge.CONTROL)) == 31012
