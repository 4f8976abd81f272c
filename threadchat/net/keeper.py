"""
Keeps connections open while the process that serves them is replaced, even if it crashes.

Every connection's socket is sent, with SCM_RIGHTS, into a queue that nobody reads. The queue is a socketpair, and
systemd's descriptor store holds its two ends as well. The kernel keeps open what lies in the queue. A successor
inherits the two ends, drains the queue, and has all connections. (If the connections themselves were stored, systemd
would need time that grows with the square of their number: 30 s for 8,000. To keep one here costs one system call,
3 µs.)

A socketpair has two directions, so it is two queues: the nursery and the main queue. New sockets go into the nursery,
one to a message. When the nursery is full, its sockets move to the main queue, 253 to a message. When the queues hold
too many copies of closed connections, all live ones move to the nursery, and the queues swap roles. A socket is sent to
one queue before it is taken out of the other, so a process that dies at any moment loses none. (The exception is where
there is too little room for that: see ``_compact``.)

Any thread may call it. Its one lock is a leaf: only non-blocking calls on the queues are made under it.
Not here: what is known about each connection (ledger.py), and handing the ends over (process/systemd.py).
"""

from __future__ import annotations

import array
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

#: Descriptors that fit in one message: the kernel's SCM_MAX_FD.
_PACK = 253
_ID_BYTES = array.array("Q").itemsize
_RIGHTS_BYTES = socket.CMSG_SPACE(_PACK * array.array("i").itemsize)
#: The size of buffer to ask for. The kernel gives at most net.core.wmem_max (stock: 208 KiB), and doubles that. A
#: message takes 768 bytes of it with one descriptor, and 4.3 KiB with 253. So a stock machine has room for 555 single
#: descriptors in the nursery, and for 24,000 packed ones in the main queue.
_BUFFER_BYTES = 1 << 20


class Keeper:
    """
    The queues that hold the connections; :attr:`ends` are the two descriptors to store and to hand over.

    A kept socket must be *forgotten* before its descriptor is closed. It must be ended by ``shutdown``, not by
    ``close``: the kept copy would hold it open for the peer.
    """

    #: So many copies of closed connections may stay in the queues, plus half as many as there are live connections.
    STALE = 250

    def __init__(self, ends: tuple[socket.socket, socket.socket]) -> None:
        self._ends = ends
        self._lock = threading.Lock()
        # What is sent into ends[0] is read from ends[1], and the reverse. A queue has the number of the end that its
        # sockets are sent into.
        self._nursery, self._main = 0, 1
        self._young: dict[int, socket.socket] = {}  # in the nursery
        self._settled: dict[int, socket.socket] = {}  # in the main queue
        self._stale = 0
        self._full = False  # nothing will fit until a connection is forgotten

    @classmethod
    def create(cls, buffer_bytes: int = _BUFFER_BYTES) -> Keeper:
        """Return a keeper with empty queues."""
        ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in ends:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
        return cls(ends)

    @classmethod
    def adopt(cls, fds: Sequence[int]) -> Keeper:
        """Return the keeper whose :attr:`ends` were inherited as *fds*, in any order. :meth:`drain` it first."""
        first, second = (socket.socket(fileno=fd) for fd in fds)
        return cls((first, second))

    @property
    def ends(self) -> tuple[int, int]:
        return self._ends[0].fileno(), self._ends[1].fileno()

    def keep(self, id: int, sock: socket.socket) -> bool:
        """
        Keep *sock*, which the successor will know as *id* (64 bits; unique as long as the queues live).

        Returns False if there is no room: this connection can be served, but ends with this process. There is no room
        when the buffers are full of packed messages, or when more descriptors are in flight than the user's
        ``RLIMIT_NOFILE`` allows, unix(7).
        """
        with self._lock:
            if self._full:
                return False
            self._young[id] = sock
            if self._send(self._nursery, [(id, sock)]) or self._settle() or self._compact():
                return True
            self._young.pop(id, None)
            self._full = True
            return False

    def forget(self, id: int) -> None:
        """Let go of connection *id*; its copy is dropped some time later. An unknown *id* is ignored."""
        with self._lock:
            if self._young.pop(id, None) is None and self._settled.pop(id, None) is None:
                return
            self._full = False
            self._stale += 1
            if self._stale > self.STALE + (len(self._settled) + len(self._young)) // 2:
                self._compact()

    def drain(self) -> dict[int, socket.socket]:
        """
        Take over what a predecessor left: return its connections by id, kept as before.

        Some may have ended since, or long ago. If this process has no descriptor left for a connection, it is lost.
        """
        with self._lock:
            for queue in (0, 1):  # there and back: whatever the predecessor was doing, every socket passes by
                for id, sock in self._move(queue, 1 - queue):
                    if self._settled.setdefault(id, sock) is not sock:
                        sock.close()
            self._nursery, self._main = 1, 0
            self._compact()
            return self._settled | self._young

    def close(self) -> None:
        """Close this process's ends. That also lets go of every copy, unless the ends are stored elsewhere."""
        for end in self._ends:
            end.close()

    def _settle(self) -> bool:
        """Move the nursery's sockets to the main queue; return whether all fitted. Caller holds the lock."""
        if self._send_packed(self._main, self._young):
            return False
        self._discard(self._nursery)
        self._settled |= self._young
        self._young.clear()
        return True

    def _compact(self) -> bool:
        """
        Rid the queues of stale copies; return whether all live ones fitted. Caller holds the lock.

        For 10,000 connections it takes a few milliseconds, once for every 5,000 that are closed. Where the limits leave
        no room for two copies of each, the sockets are in no queue for that time, and a crash loses them.
        """
        left = self._young if not self._settle() else self._send_packed(self._nursery, self._settled)
        self._discard(self._main)
        if left:
            self._discard(self._nursery)
            live = self._settled | self._young
            self._young = self._send_packed(self._nursery, live)
            self._settled = {id: sock for id, sock in live.items() if id not in self._young}
            left = self._send_packed(self._main, self._young)
        self._nursery, self._main = self._main, self._nursery
        self._stale = 0
        return not left

    def _send_packed(self, queue: int, kept: Mapping[int, socket.socket]) -> dict[int, socket.socket]:
        """Send *kept* into *queue*, packed; return those that did not fit. Caller holds the lock."""
        left: dict[int, socket.socket] = {}
        rest = iter(kept.items())
        while pack := list(islice(rest, _PACK)):
            if not self._send(queue, pack):
                left.update(pack)
        return left

    def _send(self, queue: int, pack: Sequence[tuple[int, socket.socket]]) -> bool:
        """Send one message; return whether it fitted. Caller holds the lock."""
        ids = array.array("Q", [id for id, _ in pack])
        fds = array.array("i", [sock.fileno() for _, sock in pack])
        try:
            self._ends[queue].sendmsg([ids], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)], socket.MSG_DONTWAIT)
        except OSError:  # EAGAIN: the buffer is full; ETOOMANYREFS: too many in flight; ENOBUFS, ENOMEM
            return False
        return True

    def _discard(self, queue: int) -> None:
        """Empty *queue*. The kernel closes the descriptors, as nobody receives them. Caller holds the lock."""
        try:
            while True:
                self._ends[1 - queue].recv(1, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return

    def _move(self, queue: int, other: int) -> Iterator[tuple[int, socket.socket]]:
        """Move what is in *queue* to the *other*; yield what passes by. Caller holds the lock."""
        reader = self._ends[1 - queue]
        look = socket.MSG_PEEK | socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC
        while True:
            try:
                # MSG_PEEK duplicates the descriptors. (Not socket.recv_fds, which drops its flags in CPython 3.11.)
                data, rights, _, _ = reader.recvmsg(_PACK * _ID_BYTES, _RIGHTS_BYTES, look)
            except BlockingIOError:
                return
            ids = array.array("Q", data)
            fds = array.array("i", b"".join(descriptors for _, _, descriptors in rights))
            pack = [(id, socket.socket(fileno=fd)) for id, fd in zip(ids, fds, strict=False)]
            self._send(other, pack)
            reader.recv(1, socket.MSG_DONTWAIT)
            yield from pack
