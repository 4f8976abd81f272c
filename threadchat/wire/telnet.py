"""
Removes telnet (RFC 854) from a byte stream, and gives the few answers that a telnet client needs.

Every option is refused. The same request is refused only once, so that two programs cannot refuse each other for ever
(the worry of RFC 1143). Only TIMING-MARK is answered each time: after Ctrl-C, telnet(1) holds its output back until
the answer has come (RFC 860). A peer gets no answers before it has sent IAC.
Sub-negotiations are skipped unread, so NEW-ENVIRON can do no harm. One that is too long ends by itself.
Commands that stand for a key (erase, interrupt) become that key. A terminal without telnet would send the same.
No socket, thread or clock here.
"""

from __future__ import annotations

from enum import Enum
from typing import TypedDict

IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240
AYT = 246  # "are you there"
#: Erase character, erase line, interrupt process: Backspace, Ctrl-U, Ctrl-C.
EC, EL, IP = 247, 248, 244
_KEYS = {EC: 0x08, EL: 0x15, IP: 0x03}
TIMING_MARK = 6
LOWEST_COMMAND = 236  # end of file (RFC 1184)

#: A sub-negotiation that is longer than this counts as ended, so that it cannot swallow a conversation.
MAX_SUBNEGOTIATION_BYTES = 1024


class _State(Enum):
    DATA = 0
    COMMAND = 1  # after IAC
    OPTION = 2  # after IAC and one of DO, DONT, WILL, WONT
    SUBNEGOTIATION = 3
    SUBNEGOTIATION_IAC = 4


class TelnetState(TypedDict):
    """All that a :class:`TelnetFilter` knows."""

    active: bool
    state: int
    verb: int
    refused: list[list[int]]
    skipped: int


class TelnetFilter:
    """Removes telnet commands from what one peer sends. ``active`` says whether the peer has ever sent one."""

    __slots__ = ("_refused", "_skipped_bytes", "_state", "_verb", "active")

    def __init__(self) -> None:
        self.active = False
        self._state = _State.DATA
        self._verb = 0
        self._refused: frozenset[tuple[int, int]] = frozenset()
        self._skipped_bytes = 0

    def state(self) -> TelnetState | None:
        """Return what another filter needs to go on. That is nothing (None) for most peers: they send no commands."""
        if not self.active:
            return None
        return {
            "active": self.active,
            "state": self._state.value,
            "verb": self._verb,
            "refused": [list(refused) for refused in self._refused],
            "skipped": self._skipped_bytes,
        }

    def restore(self, state: TelnetState | None) -> None:
        """Go on where another filter was."""
        if state is None:
            return
        self.active = state["active"]
        self._state = _State(state["state"])
        self._verb = state["verb"]
        self._refused = frozenset((verb, option) for verb, option in state["refused"])
        self._skipped_bytes = state["skipped"]

    def resynchronize(self) -> None:
        """Forget an unfinished command: bytes have been lost in the middle of it."""
        self._state = _State.DATA

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Take *data* as it was read. Return what is left of it for the application, and what to answer."""
        if self._state is _State.DATA and IAC not in data:
            return data, b""
        self.active = True
        text, answers = bytearray(), bytearray()
        position = 0
        while position < len(data):
            if self._state is _State.DATA:
                command = data.find(IAC, position)
                if command < 0:
                    text += data[position:]
                    break
                text += data[position:command]
                position = command
                self._state = _State.COMMAND
            else:
                self._step(data[position], text, answers)
            position += 1
        return bytes(text), bytes(answers)

    def _step(self, byte: int, text: bytearray, answers: bytearray) -> None:
        """Take one *byte* of a command."""
        match self._state:
            case _State.COMMAND if byte in (DO, DONT, WILL, WONT):
                self._verb, self._state = byte, _State.OPTION
            case _State.COMMAND if byte == SB:
                self._skipped_bytes, self._state = 0, _State.SUBNEGOTIATION
            case _State.COMMAND:
                if byte == IAC:
                    text.append(IAC)
                elif byte == AYT:
                    answers += b"* Yes, I am here.\r\n"
                elif byte in _KEYS:
                    text.append(_KEYS[byte])
                elif byte < LOWEST_COMMAND:  # no command: perhaps somebody's ÿ in Latin-1, then a line end
                    text.append(byte)
                self._state = _State.DATA
            case _State.OPTION:
                self._answer(self._verb, byte, answers)
                self._state = _State.DATA
            case _State.SUBNEGOTIATION if byte == IAC:
                self._state = _State.SUBNEGOTIATION_IAC
            case _State.SUBNEGOTIATION_IAC if byte == SE:
                self._state = _State.DATA
            case _:
                self._skipped_bytes += 1
                too_long = self._skipped_bytes > MAX_SUBNEGOTIATION_BYTES
                self._state = _State.DATA if too_long else _State.SUBNEGOTIATION

    def _answer(self, verb: int, option: int, answers: bytearray) -> None:
        if (verb, option) == (DO, TIMING_MARK):
            answers += bytes((IAC, WILL, TIMING_MARK))
            return
        refusal = {DO: WONT, WILL: DONT}.get(verb)
        if refusal and (verb, option) not in self._refused:
            self._refused |= {(verb, option)}
            answers += bytes((IAC, refusal, option))
