"""Stamps of messages that are taken out of a queue now and then."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daw_assist.clock import NS_PER_SECOND, HostNs
from daw_assist.midi.arrivals import DRIFT, Arrivals

US = 1_000


@given(
    gaps_us=st.lists(st.integers(0, 2_000_000), min_size=1, max_size=60),
    waits_us=st.lists(st.integers(0, 900), min_size=60, max_size=60),
)
def test_a_stamp_is_never_later_than_the_look_and_off_by_no_more_than_the_shortest_wait_so_far(
    gaps_us: list[int], waits_us: list[int]
) -> None:
    arrivals, came = Arrivals(), 5 * NS_PER_SECOND
    shortest, elapsed = float(NS_PER_SECOND), 0.0
    for number, (gap, wait) in enumerate(zip(gaps_us, waits_us, strict=False)):
        came += gap * US if number else 0
        elapsed += (gap + 900) * US
        at = arrivals.stamp(gap / 1e6 if number else 0.0, HostNs(came + wait * US))
        shortest = min(shortest, wait * US)
        assert came - 1 <= at <= came + wait * US + 1
        assert at - came <= shortest + elapsed * DRIFT + 1


def test_a_slower_port_clock_is_followed() -> None:
    arrivals = Arrivals()
    host = 0.0
    for _ in range(3_600 * 10):
        host += 0.1 * NS_PER_SECOND
        at = arrivals.stamp(0.1 * (1 - 5e-4), HostNs(round(host)))
    assert abs(at - host) < 2_000_000


def test_after_a_sleep_of_the_machine_the_stamp_is_the_look() -> None:
    arrivals = Arrivals()
    arrivals.stamp(0.0, HostNs(NS_PER_SECOND))
    eight_hours = HostNs(8 * 3600 * NS_PER_SECOND)
    assert arrivals.stamp(0.02, eight_hours) == eight_hours
