"""The send queue: a FIFO of bytes, whatever the pieces that come and go."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from threadchat.net.send_queue import SendQueue


@given(st.lists(st.binary(min_size=1), min_size=1), st.lists(st.integers(min_value=1, max_value=50)))
def test_bytes_leave_in_the_order_they_came(data: list[bytes], sends: list[int]) -> None:
    """However little the kernel takes at a time; and they are counted."""
    queue, sent = SendQueue(0.0), b""
    for piece in data:
        queue.append(piece)
    whole = b"".join(data)
    for count in [*sends, *[1 << 30] * len(data)]:
        assert queue.bytes == len(whole) - len(sent)
        if queue.bytes:
            taken = bytes(queue.head()[:count])
            sent += taken
            queue.advance(len(taken), 0.0)
    assert sent == whole
    assert queue.bytes == 0


def test_what_is_appended_while_sending_comes_last() -> None:
    """A piece half sent stays in front."""
    queue = SendQueue(0.0)
    queue.append(b"first")
    queue.advance(2, 0.0)
    queue.append(b"second")
    assert bytes(queue.head()) == b"rst"
    queue.advance(3, 0.0)
    assert bytes(queue.head()) == b"second"


def test_pieces_are_shared_not_copied() -> None:
    """A thousand stalled readers of one batch hold it once."""
    data = b"x" * 1000
    queue = SendQueue(0.0)
    queue.append(data)
    assert queue.head().obj is data


def test_progress_is_when_something_was_taken() -> None:
    """Appending is none."""
    queue = SendQueue(10.0)
    queue.append(b"abc")
    assert queue.progress_at == 10.0
    queue.advance(1, 20.0)
    assert queue.progress_at == 20.0
