"""The chat app: one connection's bytes to its session's lines, and who gets what."""

from __future__ import annotations

import pytest

from tests.apps.fakes import FakeConnection
from tests.chat.people import WELCOME, Chat, Person
from tests.fakes import FakeClock, FakeLater
from threadchat.apps.chat import ChatApp
from threadchat.base.errors import CloseReason
from threadchat.base.limits import TokenBucket
from threadchat.chat.room import Later
from threadchat.config.sections import Limits, Server
from threadchat.wire.lines import QUIET_KEYSTROKE_SECONDS, QUIET_SECONDS, LineDecoder
from threadchat.wire.probes import UNCLEAR_SECONDS


class Guest:
    """Somebody behind a connection, in a chat in which ann listens."""

    def __init__(
        self,
        limits: Limits | None = None,
        ask_name: bool = False,
        connect: bool = True,
        later: Later | None = None,
    ) -> None:
        self.chat = Chat(later)
        self.ann: Person = self.chat.enter("ann")
        self.connection = FakeConnection()
        server = Server(addr=("tcp://127.0.0.1:7007",), limits=limits or Limits(), ask_name=ask_name)
        self.app = ChatApp(self.connection(), self.chat.hub, server)
        self.connection.app_state = self.app.state
        if connect:
            self.app.connected()
        self.greeting = self.connection.hears()
        self.ann.hears()

    def sends(self, *reads: bytes) -> None:
        """Send bytes, which arrive as these *reads*."""
        for data in reads:
            self.app.received(data)

    def hears(self) -> list[str]:
        """Return the lines that have come since the last call."""
        return self.connection.hears()

    def ann_hears(self) -> list[str]:
        """Return the lines that ann has heard since the last call."""
        return self.ann.hears()


@pytest.fixture
def guest() -> Guest:
    """A guest who has just come."""
    return Guest()


def test_a_newcomer_is_greeted(guest: Guest) -> None:
    """The first line exactly as configured."""
    assert guest.greeting[0] == WELCOME


def test_lines_are_said_and_counted(guest: Guest) -> None:
    """However they are cut into reads."""
    guest.sends(b"hi\nhow ", b"are you?\r", b"\nbye\n")
    assert guest.ann_hears() == ["guest-2: hi", "guest-2: how are you?", "guest-2: bye"]
    assert guest.app.lines_in == 3


def test_what_is_said_is_safe(guest: Guest) -> None:
    """Escape sequences and bidi controls do not reach another terminal, nor do piles of accents."""
    guest.sends(b"\x1b[31mred\x1b", b"[0m \xe2\x80\xaetxt\n", f"Z{chr(0x301) * 30}!\n".encode())
    assert guest.ann_hears() == ["guest-2: red txt", f"guest-2: Z{chr(0x301) * 5}!"]


def test_old_encodings_are_understood_line_by_line(guest: Guest) -> None:
    """Windows-1252 beside UTF-8, in one read."""
    guest.sends(b"caf\xe9\n\x93quoted\x94\ncaf\xc3\xa9\n")
    assert guest.ann_hears() == ["guest-2: café", "guest-2: “quoted”", "guest-2: café"]


class TestErasing:
    """What somebody erased while typing is not said."""

    @pytest.mark.parametrize(
        ("keys", "said"),
        [
            (b"abc\b\bXY\r\n", "aXY"),
            (b"abc\x7f\x7fXY\r\0", "aXY"),
            (b"abc\xff\xf7\xff\xf7XY\r\n", "aXY"),  # IAC EC
            (b"no\xff\xf8yes\n", "yes"),  # IAC EL
            (b"no\x15yes\r", "yes"),
            (b"one two\x17three\n", "one three"),
            (b"\b\b\b\x7f\x17\x15hi\n", "hi"),
            ("👩‍🚀👍🏽\b\be\u0301\bok\n".encode(), "ok"),
            (b"\x1b[Dok\x1b[C\n", "ok"),  # cursor keys
        ],
    )
    def test_key_by_key(self, guest: Guest, keys: bytes, said: str) -> None:
        """In character mode each read is a key; all at once makes no difference."""
        guest.sends(*[bytes([key]) for key in keys], keys)
        assert guest.ann_hears() == [f"guest-2: {said}"] * 2

    def test_a_line_that_is_erased_altogether_is_not_said(self, guest: Guest) -> None:
        """There is nothing left to say."""
        guest.sends(b"oh", b"\b", b"\b", b"\n")
        assert guest.ann_hears() == []

    def test_another_process_lets_one_erase_what_this_one_has_read(self, guest: Guest) -> None:
        """The unfinished line is as it was typed."""
        guest.sends(b"first\n", b"abc", b"\b")
        after = successor(guest)
        after.sends(b"\b", b"XY\n")
        assert after.ann_hears() == ["guest-2: aXY"]


class TestCtrlC:
    """Ctrl-C is answered with the way out, once."""

    @pytest.mark.parametrize("keys", [b"\x03", b"\xff\xf4\xff\xfd\x06", b"^C\n", b"hel\x03"])
    def test_however_it_comes(self, guest: Guest, keys: bytes) -> None:
        """As a key, as telnet's interrupt, as two characters; nobody else notices."""
        guest.sends(b"hi\n", keys)
        guest.sends(b"\x03", b"\xff\xf4")
        assert guest.connection.data.count(b"* /quit leaves.") == 1
        assert guest.ann_hears() == ["guest-2: hi"]
        assert guest.connection.reason is None


class TestClientsOfAllKinds:
    """The shapes that other people's clients come in."""

    def test_no_line_end_ever(self, guest: Guest) -> None:
        """Silence ends the message."""
        guest.sends(b"hello")
        assert guest.ann_hears() == []
        assert guest.app.patience == QUIET_SECONDS
        guest.app.quiet()
        assert guest.ann_hears() == ["guest-2: hello"]
        assert guest.app.patience is None

    def test_text_and_line_end_in_two_segments(self, guest: Guest) -> None:
        """One line, not two; also if there is silence in between."""
        guest.sends(b"one", b"\n", b"two", b"\n")
        assert guest.ann_hears() == ["guest-2: one", "guest-2: two"]

    def test_a_fixed_buffer_padded_with_nul(self, guest: Guest) -> None:
        """The text is said, the padding is not."""
        guest.sends(b"hello".ljust(1024, b"\0"), b"again".ljust(1024, b"\0"))
        assert guest.ann_hears() == ["guest-2: hello", "guest-2: again"]

    def test_one_byte_at_a_time(self, guest: Guest) -> None:
        """A telnet in character mode."""
        guest.sends(*[bytes([byte]) for byte in b"John: hi\r\n"])
        assert guest.ann_hears() == ["* guest-2 is now John", "John: hi"]

    def test_the_name_as_the_first_line(self) -> None:
        """Where the listener asks for it."""
        guest = Guest(ask_name=True)
        guest.sends(b"John\n", b"hi\n")
        assert guest.ann_hears() == ["* guest-2 is now John", "John: hi"]

    def test_a_line_unfinished_at_the_end_is_said(self, guest: Guest) -> None:
        """``printf hello | nc``; then the talker is gone."""
        guest.sends(b"hello")
        guest.app.closed(CloseReason.EOF)
        assert guest.ann_hears() == ["guest-2: hello", "* guest-2 left"]

    @pytest.mark.parametrize("reason", [CloseReason.RESET, CloseReason.SHUTDOWN, CloseReason.PROTOCOL])
    def test_a_line_unfinished_when_cut_off_is_not_said(self, guest: Guest, reason: CloseReason) -> None:
        """Nobody knows how it would have gone on."""
        guest.sends(b"I hate yo")
        guest.app.closed(reason)
        assert guest.ann_hears() == ["* guest-2 left"]


class TestTelnet:
    """Clients that speak telnet."""

    def test_lines_to_a_telnet_client_end_in_crlf_once_it_has_shown_to_be_one(self, guest: Guest) -> None:
        """And never before; its commands are refused, not said."""
        guest.ann.says("hi")
        assert guest.connection.data == b"ann: hi\n"
        guest.connection.hears()
        guest.sends(b"\xff\xfd\x01hel", b"lo\r\n")
        assert guest.connection.data == b"\xff\xfc\x01"
        guest.connection.pieces.clear()
        assert guest.ann_hears() == ["guest-2: hello"]
        guest.ann.says("hi")
        assert guest.connection.data == b"ann: hi\r\n"

    def test_who_never_sent_iac_gets_none(self, guest: Guest) -> None:
        """Not one byte of telnet."""
        guest.sends(b"hello\n/help\n/nosuch\n")
        assert b"\xff" not in guest.connection.data


class TestWrongProtocols:
    """Programs that have come to the wrong port."""

    @pytest.mark.parametrize(
        ("first", "word"),
        [
            (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "web server"),
            (b"OPTIONS * HTTP/1.0\r\n\r\n", "web server"),
            (b"\x16\x03\x01\x02\x00\x01\x00", "TLS"),
            (b"\0\0\0\xa4\xffSMBr\0\0\0\0\x08\x01\x40", "text"),
            (b"NICK x\r\nUSER x 0 * :x\r\n", "IRC"),
        ],
    )
    def test_they_get_one_clear_line_and_are_closed(self, guest: Guest, first: bytes, word: str) -> None:
        """Nothing of theirs is said, in however many reads it comes, and nobody is told that they came or left."""
        for cut in (len(first), 1, len(first) // 2):
            lost = Guest(later=FakeLater(FakeClock()))
            for data in (first[:cut], first[cut:]):
                if lost.connection.reason is None and data:
                    lost.sends(data)
            (told,) = lost.hears()
            assert told.startswith("* ")
            assert word in told
            assert lost.connection.reason is CloseReason.WRONG_PROTOCOL
            lost.app.closed(CloseReason.WRONG_PROTOCOL)
            assert lost.ann_hears() == []

    def test_later_it_is_talk(self, guest: Guest) -> None:
        """People may quote HTTP, and begin with a verb."""
        guest.sends(b"GET well soon\n", b"GET / HTTP/1.1\n")
        assert guest.ann_hears() == ["guest-2: GET well soon", "guest-2: GET / HTTP/1.1"]
        assert guest.connection.reason is None

    @pytest.mark.parametrize("rest", [b" me a coffee\n", b"ting late\n"])
    def test_what_might_have_been_a_greeting_is_said_as_soon_as_it_is_none(self, guest: Guest, rest: bytes) -> None:
        """Nothing of it is lost."""
        guest.sends(b"GET", rest)
        assert guest.ann_hears() == [f"guest-2: GET{rest.decode().rstrip()}"]

    def test_what_stays_unclear_is_said_after_a_pause(self, guest: Guest) -> None:
        """A client without line ends says a word in capitals; then it is any client."""
        guest.sends(b"NICK")
        assert guest.app.patience == UNCLEAR_SECONDS
        guest.app.quiet()
        assert guest.app.patience == QUIET_SECONDS
        guest.app.quiet()
        assert guest.ann_hears() == ["guest-2: NICK"]

    def test_what_stays_unclear_is_said_at_the_end(self, guest: Guest) -> None:
        """``printf HELLO | nc``."""
        guest.sends(b"HELLO")
        guest.app.closed(CloseReason.EOF)
        assert guest.ann_hears() == ["guest-2: HELLO", "* guest-2 left"]

    def test_keys_stay_keys(self, guest: Guest) -> None:
        """Who types in capitals, a key at a time, is waited for as for anybody who types."""
        guest.sends(*[bytes([byte]) for byte in b"HOW"])
        guest.app.quiet()
        assert guest.app.patience == QUIET_KEYSTROKE_SECONDS
        guest.sends(*[bytes([byte]) for byte in b" are you\r\n"])
        assert guest.ann_hears() == ["guest-2: HOW are you"]

    def test_a_telnet_client_is_answered_at_once(self, guest: Guest) -> None:
        """However its commands are cut into reads; it speaks no other protocol."""
        guest.sends(b"\xff", b"\xfd", b"\x01")
        assert guest.connection.data == b"\xff\xfc\x01"
        guest.sends(b"hi\r\n")
        assert guest.ann_hears() == ["guest-2: hi"]

    def test_a_successor_goes_on_looking(self, guest: Guest) -> None:
        """With what has come so far."""
        guest.sends(b"GET / HT")
        for rest, heard in ((b"TP/1.1\r\n\r\n", []), (b"ML\n", ["guest-2: GET / HTML"])):
            after = successor(guest)
            after.sends(rest)
            assert after.ann_hears() == heard
            assert (after.connection.reason is CloseReason.WRONG_PROTOCOL) == (not heard)

    def test_what_flood_control_holds_back_meanwhile_is_kept_for_a_successor(self) -> None:
        """All of the first reads, in order."""
        guest = Guest(Limits(flood_lines_per_second=1.0, flood_burst_lines=1))
        guest.connection.sleep = park  # type: ignore[method-assign]
        with pytest.raises(Parked):
            guest.sends(b"NICK x\r\nNICK y\r\n", b"hello\n")
        assert guest.ann_hears() == ["guest-2: NICK x"]
        assert successor(guest).ann_hears() == ["guest-2: NICK y", "guest-2: hello"]

    def test_a_crash_says_none_of_the_first_reads_twice(self, guest: Guest) -> None:
        """What has been said is not in the state any more."""
        guest.sends(b"NICK x\r\n", b"hello\n")
        assert guest.ann_hears() == ["guest-2: NICK x", "guest-2: hello"]
        assert successor(guest).ann_hears() == []


class TestLongLines:
    """Lines over the limit, which is counted in bytes."""

    def test_an_overlong_line_is_told_once_and_costs_itself_only(self) -> None:
        """With the limit; what came before and after is said."""
        guest = Guest(Limits(max_line_bytes=16))
        guest.sends(b"before\n" + b"x" * 17, b"x" * 1000, b"x\nafter\n")
        assert guest.hears() == ["* That line was not said: it is longer than 16 bytes."]
        assert guest.ann_hears() == ["guest-2: before", "guest-2: after"]
        assert guest.connection.reason is None

    def test_endless_data_ends_the_connection(self) -> None:
        """With the reason."""
        guest = Guest(Limits(max_line_bytes=16))
        guest.sends(b"x" * (16 * LineDecoder.ENDLESS_FACTOR + 1))
        (told,) = guest.hears()
        assert told == "* Goodbye: a line has at most 16 bytes, and yours does not end."
        assert guest.connection.reason is CloseReason.PROTOCOL


class TestFloodControl:
    """A talker over the limit is slowed by not being read, never cut."""

    def test_a_burst_passes_and_more_of_it_is_slowed(self) -> None:
        """Every line is said in the end, in order."""
        guest, clock = Guest(), FakeClock()
        guest.app._flood = TokenBucket(1000.0, 3, clock)
        slept: list[float] = []

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            clock.advance(seconds + 1e-6)

        guest.connection.sleep = sleep  # type: ignore[method-assign]
        guest.sends(b"".join(b"%d\n" % number for number in range(5)))
        assert guest.ann_hears() == [f"guest-2: {number}" for number in range(5)]
        assert len(slept) == 2
        assert all(0 < seconds <= 0.001 for seconds in slept)
        assert guest.connection.reason is None

    def test_a_topic_costs_as_much_as_a_name(self) -> None:
        """Everybody is told of it."""
        guest, clock = Guest(), FakeClock()
        guest.app._flood = TokenBucket(20.0, 200, clock)
        guest.connection.sleep = lambda seconds: clock.advance(seconds + 1e-6)  # type: ignore[method-assign]
        start = clock.now
        guest.sends(*[b"/topic %d\n" % number for number in range(20)])
        assert 9.0 < clock.now - start < 12.0

    def test_within_the_burst_nobody_is_slowed(self) -> None:
        """A paste is no flood."""
        guest = Guest(Limits(flood_lines_per_second=0.001, flood_burst_lines=200))
        guest.sends(b"line\n" * 200)
        assert len(guest.ann_hears()) == 200
        assert guest.connection.slept == []

    def test_what_everybody_is_told_costs_more_than_talk(self) -> None:
        """Renaming and room-hopping pass like talk at first; then there is one a second. Nobody is cut."""
        guest, clock = Guest(), FakeClock()
        guest.app._flood = TokenBucket(20.0, 200, clock)
        guest.connection.sleep = lambda seconds: clock.advance(seconds + 1e-6)  # type: ignore[method-assign]
        start = clock.now
        guest.sends(*[b"/nick n%d\n" % number for number in range(1, 10)], b"hi\n")
        assert clock.now == start
        guest.sends(b"".join([b"/join den\n/join lobby\n"] * 30), b"/nick back\nhi\n")
        assert 57 <= clock.now - start <= 64
        assert guest.ann_hears()[-1] == "back: hi"
        assert guest.connection.reason is None

    def test_a_line_is_said_once_though_a_command_before_it_was_saved(self) -> None:
        """A crash between the two loses the line rather than say it twice."""
        guest = Guest()
        guest.sends(b"one\n/nick eve\ntwo\nthree\n")
        assert guest.ann_hears()[-2:] == ["eve: two", "eve: three"]
        assert guest.connection.saved[-1]["held"] == []

    def test_what_is_refused_or_private_costs_a_line(self) -> None:
        """Nobody was told anything."""
        guest = Guest(Limits(flood_lines_per_second=0.001, flood_burst_lines=200))
        guest.sends(b"/nick ann\n" * 60, b"/who\n" * 60, b"/me waves\n" * 60)
        assert guest.connection.slept == []

    def test_a_paste_full_of_addresses_is_no_row_of_commands(self) -> None:
        """It is said as one piece."""
        guest = Guest()
        guest.sends(b"hi\n")
        guest.ann.sink.pieces.clear()
        guest.sends(b"see http://example.org/x\nand/or this\n")
        assert len(guest.ann.sink.pieces) == 1

    def test_it_can_be_turned_off(self) -> None:
        """With a rate of 0."""
        guest = Guest(Limits(flood_lines_per_second=0.0, flood_burst_lines=1))
        guest.sends(b"line\n" * 5000)
        assert len(guest.ann_hears()) == 5000
        assert guest.connection.slept == []

    def test_a_talker_who_is_slowed_does_not_hold_up_a_shutdown(self) -> None:
        """What has not been said by then is not."""
        guest = Guest(Limits(flood_lines_per_second=0.001, flood_burst_lines=1))
        guest.connection.reason = CloseReason.SHUTDOWN
        guest.sends(b"one\ntwo\n")
        assert guest.ann_hears() == ["guest-2: one"]

    def test_the_last_unfinished_line_is_said_without_delay(self) -> None:
        """There is nothing left to be slowed: the talker is gone."""
        guest = Guest(Limits(flood_lines_per_second=0.001, flood_burst_lines=1))
        guest.sends(b"one\n", b"two")
        guest.connection.reason = CloseReason.EOF
        guest.app.closed(CloseReason.EOF)
        assert guest.connection.slept == []
        assert guest.ann_hears() == ["guest-2: one", "guest-2: two", "* guest-2 left"]


def test_quit_ends_the_connection(guest: Guest) -> None:
    """With a goodbye."""
    guest.sends(b"/quit\n")
    assert guest.hears() == ["* Goodbye!"]
    assert guest.connection.reason is CloseReason.QUIT


def test_what_the_server_says_of_the_connection_is_a_notice(guest: Guest) -> None:
    """A line of its own."""
    guest.app.notify("The server is shutting down. Goodbye!")
    assert guest.hears() == ["* The server is shutting down. Goodbye!"]


def test_listeners_of_one_chat_are_doors_to_the_same_rooms(guest: Guest) -> None:
    """Whoever comes in by another one is there."""
    other = FakeConnection()
    app = ChatApp(other(), guest.chat.hub, Server(addr=("unix:///run/chat.sock",), welcome="Mind the step!"))
    app.connected()
    assert other.hears()[0] == "Mind the step!"
    app.received(b"Bob: hi\n")
    assert guest.hears()[-1] == "Bob: hi"


class Parked(BaseException):
    """Stands for a thread that goes on no more."""


def park(seconds: float) -> None:
    """Take the place of a connection's sleep, and be parked there."""
    raise Parked


def successor(guest: Guest, intact: bool = True) -> Guest:
    """Another process's guest, who was *guest*, as of the last state saved."""
    after = Guest(connect=False)
    after.app.restore(guest.connection.saved[-1], intact)
    assert after.connection.hears() == after.ann_hears() == []
    after.app.resumed()
    return after


def test_another_process_goes_on_with_name_room_and_half_a_line(guest: Guest) -> None:
    """Nobody is told, and no prefix is said twice."""
    guest.sends(b"John: Hi\nJohn: how ")
    after = successor(guest)
    after.sends(b"are you?\n")
    assert after.ann_hears() == ["John: how are you?"]
    assert after.app.lines_in == 2


def test_half_a_line_is_dropped_if_more_of_it_has_been_lost(guest: Guest) -> None:
    """Never are the halves of two lines one."""
    guest.sends(b"first\n", b"no")
    after = successor(guest, intact=False)
    after.sends(b"next\n")
    assert after.ann_hears() == ["guest-2: next"]


def test_an_ordinary_line_is_not_worth_saving(guest: Guest) -> None:
    """The way of a line is as short as without."""
    guest.sends(b"one\n")
    before = len(guest.connection.saved)
    guest.sends(b"two\n", b"three\nfour\n")
    assert len(guest.connection.saved) == before


def test_what_is_held_back_is_saved_before_it_is_said() -> None:
    """So that a crash loses a line rather than say it twice."""
    guest = Guest(Limits(flood_lines_per_second=1.0, flood_burst_lines=2))
    guest.connection.sleep = park  # type: ignore[method-assign]
    with pytest.raises(Parked):
        guest.sends(b"1\n2\n3\n4\n")
    assert guest.ann_hears() == ["guest-2: 1", "guest-2: 2"]
    assert guest.connection.saved[-1]["held"] == ["3", "4"]
    assert successor(guest).ann_hears() == ["guest-2: 3", "guest-2: 4"]


def test_who_missed_something_in_a_crash_is_told(guest: Guest) -> None:
    """On a line of its own: what came last may have been half a line."""
    guest.app.missed()
    assert guest.hears() == ["", "* Some lines may be missing here."]
