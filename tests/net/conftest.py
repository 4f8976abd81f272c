"""What the tests of connections share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.net.sockets import Ends, connected, running_flusher
from threadchat.net.flusher import Flusher
from threadchat.net.handover import Handover


@pytest.fixture
def flusher() -> Iterator[Flusher]:
    """A flusher that runs."""
    with running_flusher() as flusher:
        yield flusher


@pytest.fixture
def ends(flusher: Flusher) -> Iterator[Ends]:
    """A connection with tiny buffers and no limits to speak of."""
    with connected(flusher) as ends:
        yield ends


@pytest.fixture
def handover() -> Iterator[Handover]:
    """One that keeps nothing yet."""
    handover = Handover.create()
    yield handover
    handover.close()
