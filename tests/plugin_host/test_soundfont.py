"""The default sound: what it honours, where its notes begin, and that stretches cannot be heard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from plugin_host.errors import SoundError
from plugin_host.events import Floats
from plugin_host.fonts import default_font, open_font, read_font
from plugin_host.midi import Event
from plugin_host.soundfont import SoundFontInstrument
from tests.plugin_host.sounds import RATE, control, dbfs, frequency, notes, program, whole

FLUTE, STRINGS, WOODBLOCK = 73, 48, 115


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture(scope="module")
def font() -> bytes:
    return read_font(default_font())


@pytest.fixture(scope="module")
def synth(font: bytes, pool: ThreadPoolExecutor) -> SoundFontInstrument:
    return SoundFontInstrument(font, pool)


def _played(synth: SoundFontInstrument, events: Sequence[Event], seconds: float = 2.0) -> Floats:
    return whole(synth.stream(sorted(events, key=lambda e: e.seconds), round(seconds * RATE), 10_000))


def _begins(sound: Floats) -> float:
    """Seconds of the first frame that is over a thousandth of full scale."""
    return int(np.argmax(np.abs(sound).max(axis=0) > 1e-3)) / RATE


def test_a_note_begins_within_a_millisecond_of_where_it_stands(synth: SoundFontInstrument) -> None:
    # The sample's own beginning, from a note on the synthesizer's grid: what is left is the synthesizer's error.
    own = _begins(_played(synth, [program(WOODBLOCK), *notes((0.32, 60, 0.2))])) - 0.32
    grid = np.random.default_rng(1)
    errors = []
    for onset in grid.uniform(0.1, 1.5, 25):
        found = _begins(_played(synth, [program(WOODBLOCK), *notes((float(onset), 60, 0.2))]))
        errors.append(found - own - onset)
    assert max(map(abs, errors)) < 0.001, errors
    assert abs(float(np.mean(errors))) < 0.0005


def test_stretches_laid_over_each_other_are_the_whole(font: bytes, pool: ThreadPoolExecutor) -> None:
    played = [(0.4 * i, 48 + (7 * i) % 24, 0.9) for i in range(25)]
    events = sorted(
        [program(STRINGS), control(0, 10, 40), *notes(*played), control(3.1, 7, 70)], key=lambda e: e.seconds
    )
    one, cut = (
        whole(SoundFontInstrument(font, pool, stretch_s=length).stream(events, 14 * RATE, 7_777))
        for length in (60.0, 2.5)
    )
    difference = dbfs(one - cut)
    assert difference < dbfs(one) - 50, (difference, dbfs(one))


def test_the_same_music_is_the_same_sound(synth: SoundFontInstrument) -> None:
    events = [program(STRINGS), *notes((0, 60, 1), (0.5, 67, 1))]
    assert np.array_equal(_played(synth, events), _played(synth, events))


@pytest.mark.parametrize("chunk", [1, 999, 48_000, 200_000])
def test_pieces_have_the_sizes_that_were_asked_for(synth: SoundFontInstrument, chunk: int) -> None:
    frames = 1_500 if chunk == 1 else 96_001
    sizes = [piece.shape for piece in synth.stream(notes((0, 60, 0.5)), frames, chunk)]
    assert sum(size for _, size in sizes) == frames
    assert {size for _, size in sizes[:-1]} <= {chunk}


def test_the_pedal_keeps_notes_sounding(synth: SoundFontInstrument) -> None:
    plain, pedalled = ([program(STRINGS), *more, *notes((0.1, 60, 0.3))] for more in ([], [control(0, 64, 127)]))
    dry, held = _played(synth, plain), _played(synth, [*pedalled, control(1.9, 64, 0)])
    assert dbfs(held, 1.2, 1.8) > dbfs(dry, 1.2, 1.8) + 20


@pytest.mark.parametrize("number", [7, 11])
def test_volume_and_expression_make_it_softer(synth: SoundFontInstrument, number: int) -> None:
    loud, soft = (_played(synth, [program(FLUTE), control(0, number, v), *notes((0, 72, 1))]) for v in (127, 40))
    assert 10 < dbfs(loud, 0, 1) - dbfs(soft, 0, 1) < 40


def test_pan_puts_it_to_the_side(synth: SoundFontInstrument) -> None:
    left = _played(synth, [program(FLUTE), control(0, 10, 0), *notes((0, 72, 1))])
    assert dbfs(left[:1], 0, 1) > dbfs(left[1:], 0, 1) + 3


def test_the_mod_wheel_makes_the_pitch_waver(synth: SoundFontInstrument) -> None:
    straight, wavering = (
        np.std([frequency(sound, at, at + 0.08) for at in np.arange(0.6, 1.4, 0.04)])
        for sound in (
            _played(synth, [program(FLUTE), control(0, 1, wheel), *notes((0, 84, 1.6))]) for wheel in (0, 127)
        )
    )
    assert wavering > 3 * straight


@pytest.mark.parametrize("semitones", [2, 12])
def test_bend_goes_as_far_as_its_range_says(synth: SoundFontInstrument, semitones: int) -> None:
    ranged = [control(0, 101, 0), control(0, 100, 0), control(0, 6, semitones)]
    sound = _played(synth, [program(FLUTE), *ranged, Event(0.5, b"\xe0\x7f\x7f"), *notes((0, 69, 1.6))])
    before, after = frequency(sound, 0.2, 0.45), frequency(sound, 0.8, 1.4)
    assert 12 * np.log2(after / before) == pytest.approx(semitones, abs=0.15)


def test_drums_play_on_the_tenth_channel(synth: SoundFontInstrument) -> None:
    drum = _played(synth, notes((0, 38, 0.2), channel=9))
    piano = _played(synth, notes((0, 38, 0.2)))
    assert dbfs(drum, 0, 0.3) > -60
    assert frequency(drum, 0, 0.2) != pytest.approx(frequency(piano, 0, 0.2), rel=0.1)


def test_a_stretch_that_would_clip_is_as_loud_as_it_is(synth: SoundFontInstrument) -> None:
    chord = [(0.0, pitch, 1.0) for pitch in range(36, 96)]
    once = _played(synth, [program(56), control(0, 7, 127), *notes(*chord[:1], velocity=127)])
    many = _played(synth, [program(56), control(0, 7, 127), *notes(*chord, velocity=127)])
    assert np.abs(many).max() > 1.0
    assert dbfs(many, 0, 1) > dbfs(once, 0, 1) + 12


@pytest.mark.parametrize(
    ("content", "fault"),
    [(None, "cannot be read"), (b"", "no SoundFont"), (b"RIFF\x00\x00\x00\x00WAVE", "no SoundFont"),
     (b"RIFF\xff\xff\x00\x00sfbk", "cut off"), (b"RIFF\x0c\x00\x00\x00sfbkLIST\x00\x00\x00\x00", "cannot be played")],
)  # fmt: skip
def test_what_is_no_font_is_said_in_one_line(
    tmp_path: Path, pool: ThreadPoolExecutor, content: bytes | None, fault: str
) -> None:
    path = tmp_path / "x.sf2"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SoundError, match=fault) as told:
        whole(open_font(path, pool).stream(notes((0, 60, 0.5)), 100, 100))
    assert "\n" not in str(told.value)
    assert "x.sf2" in str(told.value)


def test_a_font_with_random_damage_is_refused_or_played(font: bytes, pool: ThreadPoolExecutor) -> None:
    random = np.random.default_rng(5)
    outcomes = []
    for _ in range(8):
        broken = bytearray(font)
        for at in random.integers(12, len(font), 400):
            broken[at] = int(random.integers(256))
        # Where presets and generators are described: the end of the file.
        for at in random.integers(len(font) - 60_000, len(font), 200):
            broken[at] = int(random.integers(256))
        try:
            sound = whole(SoundFontInstrument(bytes(broken), pool).stream(notes((0, 60, 0.5)), 4_800, 4_800))
            outcomes.append(bool(np.isfinite(sound).all()))
        except SoundError as error:
            outcomes.append("\n" not in str(error))
    assert all(outcomes)
