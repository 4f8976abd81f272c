"""Goridge frames: the specification's examples byte by byte, and any frames in any pieces."""

from __future__ import annotations

from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from threadchat.base.errors import FrameError
from threadchat.wire import goridge
from threadchat.wire.goridge import Frame, FrameDecoder, encode, encode_with_context

CONTEXT = (
    b'{"remote_addr":"127.0.0.1:54321","server":"server1","uuid":"6b1f5b1e-0000-4000-8000-000000000000","event":"DATA"}'
)
CLOSE_CALL = b'tcp.Close"6b1f5b1e-0000-4000-8000-000000000000"'

#: Bytes that RoadRunner's own PHP library packed, with what they mean.
EXAMPLES = {
    "handshake": (
        "13090c0000005f0c46730000" + b'{"pid":1234}'.hex(),
        Frame(b'{"pid":1234}', flags=goridge.CONTROL | goridge.JSON),
    ),
    "pid reply": (
        "13010c0000009e4736430000" + b'{"pid":4321}'.hex(),
        Frame(b'{"pid":4321}', flags=goridge.CONTROL),
    ),
    "stop": (
        "13090d0000003a6bfacb0000" + b'{"stop":true}'.hex(),
        Frame(b'{"stop":true}', flags=goridge.CONTROL | goridge.JSON),
    ),
    "data event": (
        "1400770000000b796ddf000071000000" + CONTEXT.hex() + b"ping\r\n".hex(),
        Frame(CONTEXT + b"ping\r\n", (len(CONTEXT),)),
    ),
    "continue": ("140008000000c1c931ec000008000000434f4e54494e5545", Frame(b"CONTINUE", (8,))),
    "write": ("14000b0000002f6684fe0000050000005752495445706f6e670d0a", Frame(b"WRITEpong\r\n", (5,))),
    "write and close": (
        "14000f00000078f1e67100000a0000005752495445434c4f53456279650d0a",
        Frame(b"WRITECLOSEbye\r\n", (10,)),
    ),
    "close": ("1400050000001c115b1e000005000000434c4f5345", Frame(b"CLOSE", (5,))),
    "error": ("134004000000881e11e30000626f6f6d", Frame(b"boom", flags=goridge.ERROR)),
    "replace me": (
        "14000d000000f339efdb00000d0000007b2273746f70223a747275657d",
        Frame(b'{"stop":true}', (13,)),
    ),
    "pong": ("13000000000096d180340800", Frame(b"", stream=goridge.PONG)),
    "end your stream": ("13000000000096d180340200", Frame(b"", stream=goridge.STOP)),
    "two options": (
        "15040b0000004a1358c00000640000002923000068656c6c6f20776f726c64",
        Frame(b"hello world", (100, 9001), goridge.RAW),
    ),
    "rpc call": (
        "15082f00000022c6f82a00000100000009000000" + CLOSE_CALL.hex(),
        Frame(CLOSE_CALL, (1, 9), goridge.JSON),
    ),
    "rpc answer": (
        "15080d00000097a1c32000000100000009000000" + b"tcp.Closetrue".hex(),
        Frame(b"tcp.Closetrue", (1, 9), goridge.JSON),
    ),
}

frames = st.builds(
    Frame,
    payload=st.binary(max_size=80),
    options=st.lists(st.integers(0, 2**32 - 1), max_size=10).map(tuple),
    flags=st.integers(0, 255),
    stream=st.integers(0, 15),
)


@pytest.mark.parametrize("name", EXAMPLES)
def test_packs_and_unpacks_as_the_php_library_does(name: str) -> None:
    """Each worked example is produced and understood to the byte."""
    packed, frame = bytes.fromhex(EXAMPLES[name][0]), EXAMPLES[name][1]

    assert encode(*frame) == packed
    assert FrameDecoder().feed(packed) == [frame]


def test_an_event_is_its_context_then_its_body() -> None:
    """The short way to pack an event gives the bytes of the worked example."""
    assert encode_with_context(CONTEXT, b"ping\r\n") == bytes.fromhex(EXAMPLES["data event"][0])


@settings(max_examples=200)
@given(sent=st.lists(frames, max_size=6), cuts=st.lists(st.integers(1, 40), min_size=1, max_size=40))
def test_any_frames_survive_any_cuts(sent: list[Frame], cuts: list[int]) -> None:
    """However the bytes are cut, the same frames come out, in order, and nothing is left over."""
    stream = b"".join(encode(*frame) for frame in sent)
    decoder, received, at = FrameDecoder(), list[Frame](), 0
    while at < len(stream):
        size = cuts[at % len(cuts)]
        received += decoder.feed(stream[at : at + size])
        at += size

    assert received == sent
    assert decoder.pending_bytes == 0


def test_an_unfinished_frame_is_pending() -> None:
    """What has come of a frame can be seen, and is not a frame yet."""
    packed = encode(b"hello", (5,))
    decoder = FrameDecoder()

    assert decoder.feed(packed[:-1]) == []
    assert decoder.pending_bytes == len(packed) - 1
    assert decoder.feed(packed[-1:]) == [Frame(b"hello", (5,))]


@settings(max_examples=60)
@given(at=st.integers(0, 9), bit=st.integers(0, 7))
def test_a_flipped_bit_in_the_checked_header_is_noticed(at: int, bit: int) -> None:
    """No single wrong bit in the first ten bytes goes unnoticed."""
    packed = bytearray(encode(b"hello", (5,)))
    packed[at] ^= 1 << bit
    with pytest.raises(FrameError):
        FrameDecoder().feed(bytes(packed))


def test_text_instead_of_a_frame_is_quoted_in_the_error() -> None:
    """A worker that prints to its standard output can be found by what it printed."""
    with pytest.raises(FrameError, match=r"Could not open input file: nowhere\.php"):
        FrameDecoder().feed(b"Could not open input file: nowhere.php\n")


def test_another_version_is_accepted() -> None:
    """As on the Go side, the version nibble is not looked at; the CRC is right, so the frame is."""
    checked = b"\x24\x00\x05\x00\x00\x00"
    crc = crc32(checked).to_bytes(4, "little")

    frames = FrameDecoder().feed(checked + crc + b"\x00\x00" + b"\x05\x00\x00\x00" + b"CLOSE")

    assert frames == [Frame(b"CLOSE", (5,))]


def test_a_length_over_the_limit_is_refused_before_the_payload_comes() -> None:
    """Nobody can make the decoder wait for, or hold, more than its limit."""
    decoder = FrameDecoder(max_payload_bytes=4)
    with pytest.raises(FrameError, match="limit of 4"):
        decoder.feed(encode(b"hello")[: goridge.HEADER_BYTES])


@pytest.mark.parametrize("words", [0, 2, 14, 15])
def test_an_impossible_header_length_is_refused(words: int) -> None:
    """A header is 3 to 13 words long, whatever its CRC says."""
    checked = bytes([0x10 | words, 0, 0, 0, 0, 0])
    with pytest.raises(FrameError):
        FrameDecoder().feed(checked + crc32(checked).to_bytes(4, "little") + b"\x00\x00")


@pytest.mark.parametrize("impossible", [{"options": range(11)}, {"options": [2**32]}, {"flags": 256}, {"stream": -1}])
def test_what_no_header_can_say_is_a_value_error(impossible: dict[str, object]) -> None:
    """Eleven options, or a number that does not fit its field."""
    with pytest.raises(ValueError, match=r"at most 10 options|not a frame"):
        encode(b"", **impossible)  # type: ignore[arg-type]
