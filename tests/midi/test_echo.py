"""Echoes and players, with instants moved by hand. Times in ms here."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from daw_assist.clock import NS_PER_MS, HostNs
from daw_assist.midi.echo import PROOF, EchoDetector
from daw_assist.midi.message import control, is_note_off, is_note_on, key_of, note_off

Happening = tuple[float, str, bytes]
"""(ms, "sent" or "echo" or "player", message)."""


def note_on(pitch: int, velocity: int = 80, channel: int = 0) -> bytes:
    return bytes((0x90 | channel, pitch, velocity))


def run(happenings: list[Happening], detector: EchoDetector | None = None) -> list[tuple[float, str, bytes, bool]]:
    """What came in, in order, and whether it was dropped."""
    detector = detector or EchoDetector()
    judged = []
    for ms, kind, message in sorted(happenings, key=lambda happening: happening[0]):
        at = HostNs(round(ms * NS_PER_MS))
        if kind == "sent":
            detector.sent(message, at)
        else:
            judged.append((ms, kind, message, detector.is_echo(message, at)))
    return judged


def music(random_: random.Random, length_ms: float, gap_ms: float = 125.0, first_ms: float = 0.0) -> list[Happening]:
    """Chords and single notes; each pitch ends before it is struck again."""
    found: list[Happening] = []
    at = first_ms
    while at < first_ms + length_ms:
        for pitch in random_.sample(range(48, 84), random_.choice((1, 1, 2, 3))):
            found.append((at, "sent", note_on(pitch, random_.randint(40, 110))))
            found.append((at + gap_ms * random_.uniform(0.3, 0.95), "sent", note_off((0, pitch))))
        at += gap_ms
    return found


def echoed(
    happenings: list[Happening], random_: random.Random, least: float = 1.0, most: float = 30.0
) -> list[Happening]:
    return [(ms + random_.uniform(least, most), "echo", message) for ms, _, message in happenings]


def hanging(judged: list[tuple[float, str, bytes, bool]]) -> set[tuple[int, int]]:
    """What a listener who gets only what passes believes to sound at the end."""
    held = set()
    for _, _, message, dropped in judged:
        if not dropped and (key := key_of(message)) is not None:
            (held.add if is_note_on(message) else held.discard)(key)
    return held


def test_an_echo_is_muted_within_a_quarter_of_a_second_and_fifty_messages() -> None:
    for seed in range(100):
        random_ = random.Random(seed)
        sent = music(random_, 4_000.0, gap_ms=random_.choice((10.0, 25.0, 60.0)))
        detector = EchoDetector()
        judged = run([*sent, *echoed(sent, random_)], detector)
        passed_on = [ms for ms, _, message, dropped in judged if is_note_on(message) and not dropped]
        assert len(passed_on) < PROOF
        assert passed_on[-1] - judged[0][0] <= 250.0
        assert sum(not dropped for *_, dropped in judged) <= 50
        assert detector.echoes_muted == sum(dropped for *_, dropped in judged)
        assert detector.mutings == 1
        assert not hanging(judged)


def test_an_echo_of_slow_music_is_muted_after_three_notes() -> None:
    random_ = random.Random(1)
    sent = [(500.0 * n + extra, "sent", message) for n in range(20)
            for extra, message in ((0.0, note_on(60 + n % 12)), (400.0, note_off((0, 60 + n % 12))))]  # fmt: skip
    judged = run([*sent, *echoed(sent, random_)])
    assert [dropped for *_, message, dropped in judged if is_note_on(message)] == [False] * 3 + [True] * 17
    assert not hanging(judged)


def test_controllers_that_return_are_an_echo_too() -> None:
    sent = [(5.0 * n, "sent", control(0, 1, n)) for n in range(100)]
    judged = run([*sent, *echoed(sent, random.Random(1), 8.0, 8.5)])
    assert [dropped for *_, dropped in judged] == [False] * 3 + [True] * 97


def unison(random_: random.Random, sent: list[Happening], exact: float) -> list[Happening]:
    """A player along with us: 40 +- 20 ms after us, with velocities of his own but for a share that is ours by chance."""
    found: list[Happening] = []
    for ms, _, message in sent:
        at = ms + max(0.5, random_.gauss(40.0, 20.0))
        if is_note_on(message):
            own = max(1, min(127, message[2] + random_.choice((-1, 1)) * random_.randint(1, 30)))
            if random_.random() < exact:
                own, at = message[2], ms + random_.uniform(1.0, 30.0)
            found.append((at, "player", note_on(message[1], own)))
        else:
            found.append((at, "player", message))
    return found


def test_a_player_in_unison_is_never_muted() -> None:
    for seed in range(100):
        random_ = random.Random(seed)
        sent = music(random_, 60_000.0, gap_ms=random_.choice((125.0, 250.0, 400.0)))
        detector = EchoDetector()
        run([*sent, *unison(random_, sent, exact=0.0)], detector)
        assert detector.mutings == detector.echoes_muted == 0


def test_a_player_who_hits_our_velocity_once_in_twenty_notes_is_not_muted() -> None:
    for seed in range(100):
        random_ = random.Random(1_000 + seed)
        sent = music(random_, 60_000.0, gap_ms=random_.choice((125.0, 250.0, 400.0)))
        detector = EchoDetector()
        run([*sent, *unison(random_, sent, exact=0.05)], detector)
        assert detector.mutings == 0


def test_a_player_beside_an_echo_keeps_his_own_notes() -> None:
    random_ = random.Random(3)
    sent = music(random_, 10_000.0)
    own: list[Happening] = []
    for n in range(60):
        pitch = 20 + n % 20  # none of ours
        own += [(160.0 * n, "player", note_on(pitch)), (160.0 * n + 100.0, "player", note_off((0, pitch)))]
    judged = run([*sent, *echoed(sent, random_), *own])
    assert not any(dropped for _, kind, _, dropped in judged if kind == "player")
    assert sum(dropped for _, kind, _, dropped in judged if kind == "echo") > 200


def test_a_player_may_strike_what_we_play_with_another_velocity_while_echoes_are_muted() -> None:
    random_ = random.Random(4)
    sent = music(random_, 10_000.0)
    own = unison(random_, [happening for happening in sent if happening[0] > 2_000.0], exact=0.0)
    judged = run([*sent, *echoed(sent, random_), *own])
    struck = [dropped for _, kind, message, dropped in judged if kind == "player" and is_note_on(message)]
    assert struck and not any(struck)
    assert not hanging(judged)


def test_muting_ends_when_messages_stop_returning_and_begins_again_with_them() -> None:
    random_ = random.Random(5)
    first, second, third = (music(random_, 3_000.0, first_ms=4_000.0 * n) for n in range(3))
    detector = EchoDetector()
    run([*first, *echoed(first, random_)], detector)
    assert detector.muted
    run(second, detector)
    detector.is_echo(note_on(1), HostNs(7_900 * NS_PER_MS))
    assert not detector.muted
    run([*third, *echoed(third, random_)], detector)
    assert detector.muted
    assert detector.mutings == 2


def test_one_channel_that_a_host_passes_on_is_enough() -> None:
    random_ = random.Random(6)
    sent = music(random_, 3_000.0)
    elsewhere = [(ms + 1.0, kind, bytes((message[0] | 1, *message[1:]))) for ms, kind, message in sent]
    judged = run([*sent, *elsewhere, *echoed(sent, random_)])
    assert sum(not dropped for *_, message, dropped in judged if is_note_on(message)) < PROOF


def test_with_thru_a_loop_comes_to_rest() -> None:
    detector = EchoDetector()
    under_way: list[tuple[float, bytes]] = []
    for n in range(8):
        under_way += [(300.0 * n, note_on(60 + n)), (300.0 * n + 250.0, note_off((0, 60 + n)))]
    rounds = 0
    while under_way:
        rounds += 1
        assert rounds < 1_000
        under_way.sort()
        ms, message = under_way.pop(0)
        at = HostNs(round(ms * NS_PER_MS))
        if not detector.is_echo(message, at):
            detector.sent(message, at)
            under_way.append((ms + 10.0, message))
    assert rounds < 100


def test_a_controller_that_the_player_moves_to_and_fro_through_us_is_no_echo() -> None:
    detector = EchoDetector()
    for n in range(30):
        at = HostNs(n * 5 * NS_PER_MS)
        message = control(0, 1, 64 + n % 2)
        assert not detector.is_echo(message, at)
        detector.sent(message, HostNs(at + NS_PER_MS // 2))
    assert not detector.muted


def test_a_pedal_that_was_let_through_is_lifted_even_if_that_equals_what_we_sent() -> None:
    random_ = random.Random(7)
    sent = music(random_, 2_000.0)
    pedal: list[Happening] = [
        (2_100.0, "player", control(0, 64, 127)), (2_500.0, "sent", control(0, 64, 0)), (2_510.0, "player", control(0, 64, 0)),
    ]  # fmt: skip
    detector = EchoDetector()
    judged = run([*sent, *echoed(sent, random_), *pedal], detector)
    assert detector.muted
    assert not any(dropped for _, kind, _, dropped in judged if kind == "player")


def test_clock_and_channel_mode_are_never_judged() -> None:
    detector = EchoDetector()
    for n in range(100):
        for message in (b"\xf8", b"\xfa", control(0, 120, 0), control(0, 123, 0), b"\xf0\x7d\xf7", b""):
            detector.sent(message, HostNs(n * NS_PER_MS))
            assert not detector.is_echo(message, HostNs(n * NS_PER_MS + 1))
    assert not detector.muted


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.integers(2, 40))
def test_whatever_happens_nothing_hangs_and_no_note_off_of_a_note_that_passed_is_missing(
    seed: int, share: float, exact: float, pitches: int
) -> None:
    """The echo comes and goes in mid-note, loses messages, and the player plays the same pitches exactly with us."""
    random_ = random.Random(seed)
    sent: list[Happening] = []
    for pitch in range(40, 40 + pitches):
        at = random_.uniform(0.0, 100.0)
        while at < 3_000.0:
            end = at + random_.uniform(5.0, 200.0)
            sent += [(at, "sent", note_on(pitch, random_.choice((64, 80)))), (end, "sent", note_off((0, pitch)))]
            at = end + random_.uniform(1.0, 200.0)
    came = [e for e in echoed(sent, random_) if random_.random() < share]
    for pitch in range(40, 40 + pitches):
        ours = [happening for happening in sent if happening[2][1] == pitch and random_.random() < exact]
        held = False
        for ms, _, message in sorted(ours, key=lambda happening: happening[0]):  # alternately on and off, as fingers do
            if is_note_on(message) != held:
                came.append((ms + random_.uniform(0.0, 30.0), "player", message))
                held = not held
        if held:
            came.append((3_500.0, "player", note_off((0, pitch))))
    judged = run([*sent, *came])
    passed: Counter[tuple[int, int]] = Counter()
    for _, _, message, dropped in judged:
        key = key_of(message)
        assert key is not None
        if is_note_on(message) and not dropped:
            passed[key] += 1
        elif is_note_off(message) and passed[key]:
            assert not dropped
            passed[key] -= 1
    unguarded = hanging([(ms, kind, message, False) for ms, kind, message, _ in judged])
    assert hanging(judged) <= unguarded  # of an on whose off the echo's way has lost
