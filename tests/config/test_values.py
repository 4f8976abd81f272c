"""Values as they are written in a configuration."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadchat.config.sections import Limits
from threadchat.config.values import parse_duration


class TestDurations:
    """As Go writes them."""

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("0s", 0.0),
            ("500ms", 0.5),
            ("30s", 30.0),
            ("1.5s", 1.5),
            ("1m30s", 90.0),
            ("2h", 7200.0),
            ("1h1m1s", 3661.0),
        ],
    )
    def test_a_duration_is_so_many_seconds(self, text: str, seconds: float) -> None:
        """Numbers with units, one after the other."""
        assert parse_duration(text) == pytest.approx(seconds)

    @pytest.mark.parametrize(
        "value", ["", "5", "s", "-1s", "1 s", "1d", "1s!", "1s 2", "+1s", "1,5s", 5, 5.0, None, ["5s"]]
    )
    def test_anything_else_is_shown_how_to_write_it(self, value: object) -> None:
        """A number without a unit, too."""
        with pytest.raises(ValueError, match="write a duration with its unit"):
            parse_duration(value)

    @given(st.floats(0.0, 1e9, exclude_min=True))
    def test_every_duration_survives_the_round_trip(self, seconds: float) -> None:
        """Exactly, however long or short."""
        text = Limits.model_construct(idle_timeout=seconds).model_dump()["idle_timeout"]
        assert parse_duration(text) == seconds
