"""Limits as plain arithmetic, with a clock that stands still."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import FakeClock
from threadchat.base.limits import AddressCounter, AddressPacer, TokenBucket, network_of


class TestTokenBucket:
    """A burst, then so many lines a second."""

    def test_a_burst_passes_at_once(self) -> None:
        """And not one line more."""
        bucket = TokenBucket(10.0, 3, FakeClock())
        assert bucket.take(2) == 2
        assert bucket.take(5) == 1
        assert bucket.take(1) == 0

    def test_tokens_come_back_at_the_rate(self) -> None:
        """One at a time."""
        clock = FakeClock()
        bucket = TokenBucket(10.0, 3, clock)
        bucket.take(3)
        clock.advance(0.11)
        assert bucket.take(5) == 1
        clock.advance(0.05)
        assert bucket.take(5) == 0

    def test_silence_saves_no_more_than_a_burst(self) -> None:
        """However long."""
        clock = FakeClock()
        bucket = TokenBucket(10.0, 3, clock)
        clock.advance(1e6)
        assert bucket.take(100) == 3

    def test_waiting_as_long_as_told_is_enough(self) -> None:
        """And nothing is waited for while there are tokens."""
        clock = FakeClock()
        bucket = TokenBucket(4.0, 1, clock)
        assert bucket.wait() == 0.0
        bucket.take(1)
        assert bucket.wait() == pytest.approx(0.25)
        clock.advance(bucket.wait())
        assert bucket.take(1) == 1

    def test_a_rate_of_zero_is_no_limit(self) -> None:
        """Never a wait."""
        bucket = TokenBucket(0.0, 1, FakeClock())
        assert bucket.take(1_000_000) == 1_000_000
        assert bucket.wait() == 0.0

    def test_what_is_spent_and_not_there_is_owed(self) -> None:
        """It is waited for."""
        clock = FakeClock()
        bucket = TokenBucket(10.0, 20, clock)
        bucket.spend(15)
        assert bucket.wait() == 0.0
        bucket.spend(10)
        assert bucket.take(1) == 0
        assert bucket.wait() == pytest.approx(0.6)
        clock.advance(bucket.wait())
        assert bucket.take(2) == 1

    @pytest.mark.parametrize("rate", [0.5, 10.0])
    def test_no_more_is_owed_than_a_second_brings(self, rate: float) -> None:
        """However often and however much is spent: whoever waits that long has a turn again soon."""
        bucket = TokenBucket(rate, 3, FakeClock())
        for _ in range(5):
            bucket.spend(1000)
        assert bucket.wait() == pytest.approx(1.0 + 1.0 / rate)

    def test_without_a_limit_nothing_is_owed(self) -> None:
        """A rate of 0."""
        bucket = TokenBucket(0.0, 1, FakeClock())
        bucket.spend(1000)
        assert bucket.take(5) == 5
        assert bucket.wait() == 0.0

    def test_a_burst_is_at_least_one_line(self) -> None:
        """Else nobody could ever say anything."""
        assert TokenBucket(1.0, 0, FakeClock()).take(5) == 1

    @given(
        st.floats(0.1, 1000.0),
        st.integers(1, 50),
        st.lists(st.tuples(st.floats(0.0, 10.0), st.integers(0, 100)), max_size=50),
    )
    def test_never_more_than_the_burst_and_the_rate(
        self, rate: float, burst: int, asked: list[tuple[float, int]]
    ) -> None:
        """Whoever asks whenever for however much."""
        clock = FakeClock(0.0)
        bucket = TokenBucket(rate, burst, clock)
        taken = 0
        for seconds, wanted in asked:
            clock.advance(seconds)
            got = bucket.take(wanted)
            assert 0 <= got <= wanted
            assert bucket.wait() >= 0.0
            taken += got
        assert taken <= burst + rate * clock.now + 1e-6


class TestAddressCounter:
    """So many connections from one address."""

    def test_the_limit_is_for_each_address(self) -> None:
        """Given back one by one."""
        counter = AddressCounter(2)
        assert [counter.acquire("192.0.2.1") for _ in range(3)] == [True, True, False]
        assert counter.acquire("192.0.2.2")
        counter.release("192.0.2.1")
        assert [counter.acquire("192.0.2.1") for _ in range(2)] == [True, False]

    def test_a_refusal_takes_nothing(self) -> None:
        """As many releases as successful acquires, and everything is free again."""
        counter = AddressCounter(1)
        assert [counter.acquire("2001:db8::1") for _ in range(5)] == [True, False, False, False, False]
        counter.release("2001:db8::1")
        assert counter.acquire("2001:db8::1")

    @pytest.mark.parametrize(
        "address", ["127.0.0.1", "127.0.0.2", "127.255.255.254", "::1", "::ffff:127.0.0.1", "unix"]
    )
    def test_loopback_is_never_limited(self, address: str) -> None:
        """In any of its forms; a unix socket is as local as can be."""
        counter = AddressCounter(1)
        assert all(counter.acquire(address) for _ in range(10))
        counter.release(address)

    @pytest.mark.parametrize("address", ["128.0.0.1", "10.0.0.1", "::ffff:192.0.2.1", "fe80::1%eth0", "::2"])
    def test_everybody_else_is(self, address: str) -> None:
        """Private networks and link-local addresses too."""
        counter = AddressCounter(1)
        assert counter.acquire(address)
        assert not counter.acquire(address)

    def test_a_limit_of_zero_is_none(self) -> None:
        """Nothing is counted."""
        counter = AddressCounter(0)
        assert all(counter.acquire("192.0.2.1") for _ in range(100))
        counter.release("192.0.2.1")

    def test_what_has_gone_is_forgotten(self) -> None:
        """A counter does not remember everybody who ever came."""
        counter = AddressCounter(5)
        for number in range(100):
            counter.acquire(f"192.0.2.{number}")
            counter.release(f"192.0.2.{number}")
        assert len(counter._counts) == 0

    def test_the_limit_holds_under_threads(self) -> None:
        """Eight threads come and go from one address: never more than three are in."""
        counter, lock = AddressCounter(3), threading.Lock()
        inside, most = [0], [0]

        def come_and_go() -> None:
            for _ in range(300):
                if counter.acquire("192.0.2.1"):
                    with lock:
                        inside[0] += 1
                        most[0] = max(most[0], inside[0])
                    with lock:
                        inside[0] -= 1
                    counter.release("192.0.2.1")

        threads = [threading.Thread(target=come_and_go) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert 1 <= most[0] <= 3
        assert [counter.acquire("192.0.2.1") for _ in range(4)] == [True, True, True, False]

    def test_a_network_is_one_address(self) -> None:
        """A whole IPv6 subnet has its number only, as has IPv4 in IPv6's clothes."""
        counter = AddressCounter(2)
        assert [counter.acquire(f"2001:db8::{number}") for number in range(1, 4)] == [True, True, False]
        assert counter.acquire("2001:db8:0:1::1")
        assert [counter.acquire(address) for address in ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1")] == [
            True,
            True,
            False,
        ]
        counter.release("::ffff:192.0.2.1")
        counter.release("2001:db8:0:0:ffff::")
        assert counter.acquire("192.0.2.1")
        assert counter.acquire("2001:db8::4")


@pytest.mark.parametrize(
    ("address", "prefix", "network"),
    [
        ("192.0.2.1", 64, "192.0.2.1"),
        ("::ffff:192.0.2.1", 64, "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", 64, "2001:db8:1:2::/64"),
        ("2001:db8:1:2:3:4:5:6", 48, "2001:db8:1::/48"),
        ("2001:db8::1", 128, "2001:db8::1/128"),
        ("fe80::1%eth0", 64, "fe80::/64"),
        ("::2", 64, "::/64"),
        ("127.0.0.1", 64, None),
        ("::1", 64, None),
        ("::ffff:127.0.0.9", 64, None),
        ("unix", 64, None),
    ],
)
def test_what_an_address_is_counted_as(address: str, prefix: int, network: str | None) -> None:
    """Its network; what is local is not counted."""
    assert network_of(address, prefix) == network


class TestAddressPacer:
    """So many connections a minute from one network."""

    def test_a_minutes_worth_may_come_at_once(self) -> None:
        """A room full of people whose server has been away; then each one waits a little longer than the last."""
        pacer = AddressPacer(60, FakeClock())
        assert [pacer.admit("192.0.2.1") for _ in range(60)] == [0.0] * 60
        assert [pacer.admit("192.0.2.1") for _ in range(3)] == pytest.approx([1.0, 2.0, 3.0])

    def test_who_would_wait_too_long_is_refused_until_some_time_has_passed(self) -> None:
        """A refusal counts for nothing, so patience helps."""
        clock = FakeClock()
        pacer = AddressPacer(60, clock)
        waits = [pacer.admit("192.0.2.1") for _ in range(100)]
        assert waits[60:70] == pytest.approx([float(number) for number in range(1, 11)])
        assert set(waits[70:]) == {None}
        clock.advance(5.0)
        assert [pacer.admit("192.0.2.1") for _ in range(6)][4:] == [pytest.approx(10.0), None]
        clock.advance(1000.0)
        assert pacer.admit("192.0.2.1") == 0.0

    def test_nobody_pays_for_others(self) -> None:
        """Other networks come in as ever; the addresses of one subnet are one."""
        pacer = AddressPacer(2, FakeClock())
        assert [pacer.admit(f"2001:db8::{number}") for number in range(4)] == [0.0, 0.0, None, None]
        assert pacer.admit("2001:db8:0:1::") == 0.0
        assert pacer.admit("192.0.2.1") == 0.0

    @pytest.mark.parametrize("address", ["127.0.0.1", "::1", "unix"])
    def test_what_is_local_never_waits(self, address: str) -> None:
        """However much comes."""
        pacer = AddressPacer(1, FakeClock())
        assert {pacer.admit(address) for _ in range(1000)} == {0.0}

    def test_zero_is_no_limit(self) -> None:
        """Also from now on."""
        pacer = AddressPacer(1, FakeClock())
        pacer.admit("192.0.2.1")
        pacer.per_minute = 0
        assert {pacer.admit("192.0.2.1") for _ in range(1000)} == {0.0}

    def test_those_who_have_made_up_are_forgotten(self) -> None:
        """A million addresses take no more memory than those of the last moments, and those who came often are kept."""
        clock = FakeClock()
        pacer = AddressPacer(300, clock)
        for _ in range(300):
            pacer.admit("198.51.100.1")
        for number in range(20_000):
            clock.advance(0.001)
            pacer.admit(f"192.0.{number >> 8}.{number & 255}")
        assert len(pacer._even_at) < 3000
        assert "198.51.100.1" in pacer._even_at

    @given(st.integers(1, 1000), st.lists(st.floats(0.0, 5.0), max_size=200))
    def test_never_more_than_the_burst_and_the_rate(self, per_minute: int, pauses: list[float]) -> None:
        """Whenever they come, they are let in no faster than that."""
        clock = FakeClock(0.0)
        pacer = AddressPacer(per_minute, clock)
        let_in = []
        for pause in pauses:
            clock.advance(pause)
            wait = pacer.admit("192.0.2.1")
            if wait is not None:
                assert 0.0 <= wait <= pacer.MAX_WAIT_SECONDS
                let_in.append(clock.now + wait)
        for count, when in enumerate(let_in, 1):
            assert count <= per_minute + when * per_minute / 60 + 1e-6
