"""Where talk is missing in a room: everything up to some number was trimmed, and there are gaps after it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from threadchat.chat.history import Gap


@dataclass(frozen=True, slots=True)
class Holes:
    """A value that never changes, so any thread may look at the current one."""

    trimmed: int = 0  # the number of the newest line of talk that was trimmed
    gaps: tuple[Gap, ...] = ()  # in order, all after ``trimmed``, not touching each other

    def with_gap(self, gap: Gap) -> Holes:
        """Return these holes and *gap*, which begins after all others do."""
        if gap.last <= self.trimmed:
            return self
        if self.gaps and gap.first <= self.gaps[-1].last + 1:
            first, last = self.gaps[-1]
            return replace(self, gaps=(*self.gaps[:-1], Gap(first, max(last, gap.last))))
        return replace(self, gaps=(*self.gaps, gap))

    def without_talk_up_to(self, number: int) -> Holes:
        """Return the holes after talk up to this *number* was trimmed."""
        if number <= self.trimmed:
            return self
        return Holes(number, tuple(gap for gap in self.gaps if gap.last > number))

    def between(self, after: int, upto: int) -> list[Gap]:
        """Return the parts of the holes between *after*, exclusive, and *upto*, inclusive."""
        found: list[Gap] = []
        for first, last in (Gap(1, self.trimmed), *self.gaps):
            gap = Gap(max(first, after + 1), min(last, upto))
            if gap.first > gap.last:
                continue
            if found and gap.first == found[-1].last + 1:
                gap = Gap(found.pop().first, gap.last)
            found.append(gap)
        return found
