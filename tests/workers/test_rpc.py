"""A call and its answer, as frames; the client against the real server is in test_rpc_server.py."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from threadchat.base.errors import RpcError
from threadchat.wire import goridge
from threadchat.wire.goridge import Frame, FrameDecoder
from threadchat.workers.private_socket import listen_privately
from threadchat.workers.rpc import Call, RpcClient, encode_call, read_call

UUID = b'"6b1f5b1e-0000-4000-8000-000000000000"'


def test_a_call_is_packed_as_the_php_library_does() -> None:
    """The worked examples, to the byte."""
    call, answer = Call(1, "tcp.Close", UUID), Call(1, "tcp.Close", b"true")

    assert encode_call(call).hex() == "15082f00000022c6f82a00000100000009000000" + (b"tcp.Close" + UUID).hex()
    assert encode_call(answer).hex() == "15080d00000097a1c32000000100000009000000" + b"tcp.Closetrue".hex()


def test_a_failure_says_so_in_its_flags() -> None:
    """0x48: JSON and ERROR."""
    failed = Call(3, "tcp.Close", b"no", failed=True)
    (frame,) = FrameDecoder().feed(encode_call(failed))

    assert frame.flags == goridge.JSON | goridge.ERROR
    assert read_call(frame) == failed


@pytest.mark.parametrize("frame", [Frame(b"", (1,), goridge.JSON), Frame(b"", (1, 0), goridge.GOB)])
def test_what_is_no_call_is_refused(frame: Frame) -> None:
    """One option, or another codec."""
    with pytest.raises(RpcError):
        read_call(frame)


def test_a_client_waits_for_the_answer_to_its_own_call(tmp_path: Path) -> None:
    """In however many pieces it comes, and whatever comes before it; the end of the daemon is an OSError."""
    with listen_privately(str(tmp_path / "s")) as listener:

        def serve() -> None:
            daemon, _ = listener.accept()
            with daemon:
                daemon.recv(1000)
                answers = encode_call(Call(99, "other", b"1")) + encode_call(Call(1, "x", b"[2]"))
                for start in range(0, len(answers), 7):
                    daemon.sendall(answers[start : start + 7])
                daemon.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=serve, name="daemon")
        thread.start()
        client = RpcClient(f"unix://{tmp_path}/s")
        assert client.call("x", None) == [2]
        with pytest.raises(OSError, match=r"closed the RPC connection|Broken pipe|reset"):
            client.call("x", None)
        client.close()
        thread.join()


def test_nobody_there_is_an_os_error(tmp_path: Path) -> None:
    """Nothing is left open."""
    with pytest.raises(OSError, match="No such file"):
        RpcClient(f"unix://{tmp_path}/s")
