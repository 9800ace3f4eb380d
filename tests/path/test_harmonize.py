"""`daw-assist harmonize`: a .mid with a melody in, the same with chords or voices and chord symbols out."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest

from daw_assist.cli import main
from daw_assist.examples import greensleeves
from daw_assist.harmonize import LoadedChords, LoadedVoices, changes, chords_under, voices_around
from daw_assist.midi.file import FileEvent, MidiFile, from_song, load_midi, markers_of, save_midi, to_song
from daw_assist.music.bars import Bar, Song
from daw_assist.music.chords import ChordSpan, parse_chord
from daw_assist.music.melody_line import melody_of
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.suggest.harmony import HarmonySettings
from models_onnx.chords_inputs import Floats, Ints
from models_onnx.chords_spec import SUBSLICES, ChordsSpec
from models_onnx.harmony_files import installed_harmony
from models_onnx.voices_spec import SYMBOLS, symbol_of

TRIADS = {"": (0, 4, 7), "m": (0, 3, 7)}
MIDDLES = (71, 65, 58, 50)
"""MIDI pitches around which the four voices of the fake lie."""


class ChordsByEar:
    """A `ChordModel` without weights: triads that hold what sounds in the slot, and a little chance."""

    spec = ChordsSpec(("", "m"), ("folk",))

    def run(self, melody: Floats, places: Ints, known: Ints, told: Ints, words: Ints) -> tuple[Floats, Floats]:
        sounding = melody[..., : 12 * SUBSLICES].reshape(*melody.shape[:2], SUBSLICES, 12).mean(2)
        logits = np.zeros((*melody.shape[:2], self.spec.classes), np.float32)
        for root in range(12):
            for quality, steps in TRIADS.items():
                held = sounding[..., [(root + step) % 12 for step in steps]].sum(-1)
                logits[..., self.spec.class_of(root, quality)] = 4 * held
        low = np.zeros((*melody.shape[:2], 12), np.float32)
        low[..., 0] = 1
        return logits, low


class VoicesByHabit:
    """A `VoicesModel` without weights: each voice stays where it lies and likes the white keys."""

    reads_bars = False

    def begin(self, given: Ints, struck: Ints, phases: Ints, rows: int = 1, ends: bool = True) -> VoicesByHabit:
        self.rows = rows
        return self

    def step(self) -> None: ...

    def cell(self, voice: int, now: Ints) -> tuple[Floats, Floats]:
        logits = np.full((self.rows, SYMBOLS), -9.0, np.float32)
        for pitch in range(30, 88):
            white = pitch % 12 in (0, 2, 4, 5, 7, 9, 11)
            logits[:, symbol_of(pitch)] = 3 * white - abs(pitch - MIDDLES[voice])
        return logits, np.zeros(self.rows, np.float32)

    def close(self, now: Ints, struck: Ints) -> None: ...


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "real_models" in request.fixturenames:
        return
    chords = LoadedChords(ChordsByEar(), "by-ear", {"chords": "0" * 64}, ("folk",))
    voices = LoadedVoices(VoicesByHabit(), "by-habit", {"step": "1" * 64})
    monkeypatch.setattr(LoadedChords, "open", lambda *asked: chords)
    monkeypatch.setattr(LoadedVoices, "open", lambda *asked: voices)


@pytest.fixture
def real_models() -> None:
    """Loading is as it is outside tests."""


@pytest.fixture
def tune(tmp_path: Path) -> Path:
    """Sixteen bars of 6/8, with a text and a controller that are nobody's business but the composer's."""
    file = from_song(greensleeves())
    first, *rest = file.tracks
    odd = (FileEvent(0, b"\xff\x01with love"), FileEvent(0, bytes((0xB3, 7, 99))), FileEvent(0, b"\xff\x06Verse"))
    path = tmp_path / "tune.mid"
    save_midi(MidiFile(1, file.ppq, ((*odd, *first), *rest)), path)
    return path


def saved(path: Path, notes: Sequence[tuple[int, int, int]], part: Part = Part.VOICE, metre: str = "4/4") -> Path:
    """A file of (onset, pitch, duration)."""
    upper, _, lower = metre.partition("/")
    song = Song(
        tuple(sorted(Note(Ticks(on), part, pitch, Ticks(length), 80) for on, pitch, length in notes)),
        ((Ticks(0), Metre(int(upper), int(lower))),),
    )
    save_midi(from_song(song), path)
    return path


SCALE = [(24 * at, pitch, 24) for at, pitch in enumerate((60, 62, 64, 65, 67, 69, 71, 72) * 2)]


def run(*arguments: str | Path) -> int:
    """The exit code, however it comes; without a seed it is 7, so that nothing here is left to chance."""
    seed = () if "--seed" in arguments else ("--seed", "7")
    try:
        return main(["harmonize", *(str(argument) for argument in (*arguments, *seed))])
    except SystemExit as end:
        return int(end.code or 0)


def told(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    assert run(*arguments, "--json") == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def tracks_by_name(path: Path) -> dict[str, mido.MidiTrack]:
    return {track.name: track for track in mido.MidiFile(path).tracks}


def sounding_at_end(path: Path) -> set[tuple[int, int]]:
    """(channel, pitch) of notes that nobody ends."""
    held: set[tuple[int, int]] = set()
    for track in mido.MidiFile(path).tracks:
        for message in track:
            if message.type == "note_on" and message.velocity:
                assert (message.channel, message.note) not in held, "a pitch is struck while it sounds"
                held.add((message.channel, message.note))
            elif message.type in ("note_off", "note_on"):
                held.discard((message.channel, message.note))
    return held


# The path on values


def test_chords_come_best_first_and_differ_from_each_other() -> None:
    bars = melody_of(greensleeves().bars())
    made = chords_under(bars, HarmonySettings(candidates=4, temperature=1.0), ChordsByEar())
    assert len(made) == 4
    assert len({changes(one.harmony.chords) for one in made}) == 4
    ranks = [(len(one.harmony.faults), one.harmony.nats) for one in made]
    assert ranks == sorted(ranks)
    for one in made:
        assert len(one.harmony.bars) == len(bars)
        assert set(one.milliseconds) == {"choose", "play"}
        again = chords_under(bars, HarmonySettings(candidates=1, temperature=1.0, seed=one.harmony.seed), ChordsByEar())
        assert again[0].harmony == one.harmony


def test_where_all_chords_are_given_there_is_one_way() -> None:
    bars = (Bar(Metre(), (Note(Ticks(0), Part.VOICE, 60, Ticks(96), 80),)),) * 2
    given = [ChordSpan(Ticks(0), Ticks(96), parse_chord("C")), ChordSpan(Ticks(96), Ticks(96), parse_chord("Am"))]
    made = chords_under(bars, HarmonySettings(candidates=5), ChordsByEar(), given)
    assert [list(one.harmony.chords) for one in made] == [given]


def test_the_three_voices_are_told_apart_and_their_chords_are_named() -> None:
    bars = melody_of(greensleeves().bars())
    (one,) = voices_around(bars, HarmonySettings(candidates=1, given="alto"), VoicesByHabit())
    assert [line.name for line in one.lines] == ["soprano", "tenor", "bass"]
    assert one.harmony.chords
    assert one.harmony.chords[0].onset == 0
    assert set(one.milliseconds) == {"voices", "label"}


# Files


@pytest.mark.parametrize("kind", ["chords", "satb"])
def test_the_files_own_tracks_are_unchanged_and_nothing_is_left_sounding(tune: Path, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "out.mid"
    assert run(tune, "-o", out, "--as", kind, "--seed", "1", "--candidates", "1") == 0
    before, after = load_midi(tune), load_midi(out)
    assert after.tracks[: len(before.tracks)] == before.tracks
    assert to_song(after).metres == to_song(before).metres
    assert sounding_at_end(out) == set()
    assert {path.name for path in tmp_path.iterdir()} == {"tune.mid", "out.mid"}


def test_chords_and_bass_stand_in_tracks_of_their_own_with_markers(
    tune: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.mid"
    best = told(capsys, tune, "-o", out, "--as", "chords", "--seed", "1", "--candidates", "1")["candidates"][0]
    tracks = tracks_by_name(out)
    for name in ("Chords", "Bass"):
        struck = [m for m in tracks[name] if m.type == "note_on"]
        assert len(struck) == best["notes"][name]
    markers = markers_of(load_midi(out), "Chord symbols")
    assert [[m.tick // 72 + 1, m.tick % 72, m.text] for m in markers] == best["chords"]
    assert all(parse_chord(m.text) is not None for m in markers[1:])
    changing = [text for _, _, text in best["chords"]]
    assert all(a != b for a, b in pairwise(changing))


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("soprano", ["Alto", "Tenor", "Bass"]),
        ("bass", ["Soprano", "Alto", "Tenor"]),
        ("tenor", ["Soprano", "Alto", "Bass"]),
    ],
)
def test_each_new_voice_is_a_track_on_its_own_channel_that_sounds_like_the_melody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given: str, names: list[str]
) -> None:
    tune = saved(tmp_path / "tune.mid", [(on, pitch - 12 * (given == "bass"), length) for on, pitch, length in SCALE])
    out = tmp_path / "out.mid"
    best = told(capsys, tune, "-o", out, "--as", "satb", "--given", given, "--candidates", "1")["candidates"][0]
    assert list(best["notes"]) == names
    tracks = tracks_by_name(out)
    assert [name for name in tracks if name in names] == names
    channels = {m.channel for name in names for m in tracks[name] if m.type == "note_on"}
    assert len(channels) == 3
    assert {m.program for name in names for m in tracks[name] if m.type == "program_change"} == {52}
    assert best["chords"]


def test_each_candidate_has_its_file_and_the_best_has_the_name(
    tune: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.mid"
    found = told(capsys, tune, "-o", out, "--as", "chords", "--seed", "3", "--temperature", "1.5")
    names = [f"out.{number}.mid" for number in (1, 2, 3)]
    assert {path.name for path in tmp_path.iterdir()} == {"tune.mid", "out.mid", *names}
    assert out.read_bytes() == (tmp_path / "out.1.mid").read_bytes()
    assert (found["file"], found["seed"], found["model"]) == (str(out), 3, "by-ear")
    assert found["sha256"] == {"chords": "0" * 64}
    assert found["settings"]["as"] == "chords" and found["settings"]["rhythm"] == "half"
    assert [Path(one["file"]).name for one in found["candidates"]] == names
    for one in found["candidates"]:
        assert set(one) == {"file", "seed", "nats", "faults", "chords", "line", "notes", "milliseconds"}


@pytest.mark.parametrize("kind", ["chords", "satb"])
def test_the_same_seed_makes_the_same_files_and_none_makes_a_new_one_that_is_told(
    tune: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    def made(name: str, *more: str) -> bytes:
        assert run(tune, "-o", tmp_path / name, "--as", kind, "--candidates", "2", *more) == 0
        return (tmp_path / name).read_bytes()

    assert made("a.mid", "--seed", "5") == made("b.mid", "--seed", "5")
    capsys.readouterr()
    asked = ("harmonize", tune, "-o", tmp_path / "c.mid", "--as", kind, "--candidates", "2", "--json")
    assert main([str(argument) for argument in asked]) == 0
    seed = json.loads(capsys.readouterr().out)["seed"]
    assert made("d.mid", "--seed", str(seed)) == (tmp_path / "c.mid").read_bytes()


def test_people_are_told_the_chords_bar_by_bar_and_the_line_can_be_given_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tune = saved(tmp_path / "tune.mid", SCALE)
    assert run(tune, "-o", tmp_path / "a.mid", "--as", "chords", "--candidates", "1", "--seed", "2") == 0
    first, line = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r".*a\.mid: Chords \(\d+ notes\), Bass \(\d+ notes\) in 4 bars \(seed 2, by-ear\)", first)
    assert run(tune, "-o", tmp_path / "b.mid", "--as", "chords", "--candidates", "1", "--chords", line) == 0
    assert capsys.readouterr().out.splitlines()[1] == line


# Chords of the user


def test_given_chords_are_kept_as_they_are_spelled_and_the_rest_is_filled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tune, out = saved(tmp_path / "tune.mid", SCALE), tmp_path / "out.mid"
    asked = ("--as", "chords", "--chords", "C | ? | Gb7 / / C#m7b5", "--candidates", "2")
    for one in told(capsys, tune, "-o", out, *asked)["candidates"]:
        chords = one["chords"]
        assert [1, 0, "C"] in chords and [3, 0, "Gb7"] in chords and [3, 72, "C#m7b5"] in chords
        assert any(bar == 4 for bar, _, _ in chords)
        assert not [1 for bar, tick, _ in chords if bar == 3 and 0 < tick < 72]


def test_chords_come_from_the_markers_of_the_file_and_are_not_written_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tune, out = saved(tmp_path / "tune.mid", SCALE), tmp_path / "out.mid"
    file = load_midi(tune)
    own = tuple(
        FileEvent(tick, b"\xff\x06" + text) for tick, text in ((0, b"Verse"), (2, b"C"), (1920, b"A#7"), (3840, b"?"))
    )
    save_midi(MidiFile(1, file.ppq, ((*own, FileEvent(3840, b"\xff\x2f")), *file.tracks)), tune)
    best = told(capsys, tune, "-o", out, "--as", "chords", "--chords", "from-file")["candidates"][0]
    assert best["chords"][:2] == [[1, 0, "C"], [2, 0, "A#7"]]
    assert best["chords"][2][:2] == [3, 0]
    texts = [m.text for track in mido.MidiFile(out).tracks for m in track if m.type == "marker"]
    assert texts.count("C") - [text for _, _, text in best["chords"][2:]].count("C") == 1
    assert texts.count("A#7") == 1


def test_what_was_written_is_read_back_as_chords_that_stay(
    tune: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = told(capsys, tune, "-o", tmp_path / "a.mid", "--as", "chords", "--seed", "1", "--candidates", "1")
    melody = ("--melody", "lead") if first["melody"] == "lead" else ()
    second = told(
        capsys, tmp_path / "a.mid", "-o", tmp_path / "b.mid", "--as", "chords", "--chords", "from-file", *melody
    )
    assert second["candidates"][0]["chords"] == first["candidates"][0]["chords"]


# Other files


@pytest.mark.parametrize("kind", ["chords", "satb"])
@pytest.mark.parametrize("metre", ["7/8", "3/4", "12/8", "5/4", "2/2", "8/4", "1/32"])
def test_other_metres_and_a_short_last_bar_are_harmonized_to_the_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, metre: str
) -> None:
    tune, out = saved(tmp_path / "tune.mid", SCALE, metre=metre), tmp_path / "out.mid"
    found = told(capsys, tune, "-o", out, "--as", kind, "--candidates", "1")
    assert sounding_at_end(out) == set()
    end = sum(bar.length for bar in to_song(load_midi(tune)).bars())
    new = [note for note in to_song(load_midi(out)).notes if note.part in (Part.KEYS, Part.BASS, Part.VOICE)]
    assert end - 96 * 2 < max(note.end for note in new) <= max(end, 16 * 24)
    assert found["bars"] >= 1


def test_the_melody_can_be_named_and_drums_are_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    notes = [
        Note(Ticks(on), part, pitch, Ticks(length), 80)
        for on, pitch, length in SCALE
        for part in (Part.KEYS, Part.DRUMS)
    ]
    low = [Note(n.onset, Part.STRINGS, n.pitch - 12, n.duration, 80) for n in notes if n.part is Part.KEYS]
    save_midi(from_song(Song(tuple(sorted([*notes, *low])))), tmp_path / "band.mid")
    out = tmp_path / "out.mid"
    assert told(capsys, tmp_path / "band.mid", "-o", out, "--as", "chords")["melody"] == "all"
    found = told(capsys, tmp_path / "band.mid", "-o", out, "--as", "satb", "--melody", "STRINGS", "--given", "tenor")
    assert found["melody"] == "strings"


def test_a_melody_that_rings_on_over_the_last_bar_line_keeps_its_chord(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tune = saved(tmp_path / "tune.mid", [(0, 60, 96), (96, 64, 288)])
    assert told(capsys, tune, "-o", tmp_path / "out.mid", "--as", "chords")["bars"] == 4


def test_a_note_that_was_left_hanging_is_harmonized_for_a_few_bars_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tune = saved(tmp_path / "tune.mid", [(0, 60, 96), (96, 64, 24 * 4 * 900)])
    assert told(capsys, tune, "-o", tmp_path / "out.mid", "--as", "chords")["bars"] <= 10


# Refusals: one line, and nothing written


def refused(capsys: pytest.CaptureFixture[str], folder: Path, code: int, words: str, *arguments: str | Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert run(*arguments) == code
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith("daw-assist")
    assert error.count("\n") == 1
    assert words in error
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--temperature", "0"], "temperature must be in 0.05..2.0, not 0.0"),
        (["--candidates", "9"], "candidates must be in 1..8, not 9"),
        (["--seed", "-1"], "seed must be in"),
        (["--register", "8"], "register must be in 0..7, not 8"),
        (["--density", "-1"], "density must be in 0..7, not -1"),
        (["--key", "H"], "key 'H' is not one we know"),
        (["--style", "metal"], "model by-ear has no style 'metal': choose from folk"),
        (["--chords", "C | H"], "tune.mid: chords, bar 2: chord 'H' is not one we know"),
        (["--chords", "C || G"], "chords, bar 2: it is empty"),
        (["--chords", "C |" * 40], "chords are given for 40 bars, and there are 16"),
        (["--chords", "from-file"], "none of its 1 markers is a chord symbol"),
        (["--melody", "kazoo"], "there is no part 'kazoo': choose from voice"),
        (["--melody", "brass"], "brass cannot be the melody: choose from the pitched parts that play"),
        (["--melody", "drums"], "drums cannot be the melody"),
        (["--given", "alto"], "--given is for --as satb: leave it out with --as chords"),
        (["--pattern", "waltz"], "invalid choice: 'waltz'"),
        (["--rhythm", "never"], "invalid choice: 'never'"),
    ],
)
def test_what_cannot_be_meant_is_told_in_one_line(
    tune: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    refused(capsys, tmp_path, 2, words, tune, "-o", tmp_path / "out.mid", "--as", "chords", *options)


@pytest.mark.parametrize(
    "option", [["--chords", "C"], ["--pattern", "block"], ["--register", "0"], ["--style", "folk"]]
)
def test_an_option_for_chords_is_not_taken_in_silence_with_voices(
    tune: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    words = f"{option[0]} is for --as chords: leave it out with --as satb"
    refused(capsys, tmp_path, 2, words, tune, "-o", tmp_path / "out.mid", "--as", "satb", *option)


def test_the_input_is_never_overwritten(tune: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, tmp_path, 2, "is the input, which stays as it is", tune, "-o", tune, "--as", "chords")
    shutil.copy(tune, tmp_path / "out.2.mid")
    words = "out.2.mid would overwrite the input"
    refused(capsys, tmp_path, 2, words, tmp_path / "out.2.mid", "-o", tmp_path / "out.mid", "--as", "satb")


@pytest.mark.parametrize(
    ("notes", "part", "words"),
    [
        ([], Part.VOICE, "there is no note in it, so there is no melody to harmonize"),
        (SCALE, Part.DRUMS, "only drums play in it, so there is no melody to harmonize"),
        ([(0, 60, 24), (96 * 1001, 60, 24)], Part.VOICE, "it has over 1000 bars"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["chords", "satb"])
def test_a_file_without_a_melody_or_with_too_much_is_told(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    notes: list[tuple[int, int, int]],
    part: Part,
    words: str,
    kind: str,
) -> None:
    tune = saved(tmp_path / "tune.mid", notes, part)
    refused(capsys, tmp_path, 2, f"tune.mid: {words}", tune, "-o", tmp_path / "out.mid", "--as", kind)


@pytest.mark.parametrize("data", [b"", b"MThd", b"\x00" * 200], ids=["empty", "cut", "zeros"])
def test_a_broken_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes) -> None:
    (tmp_path / "broken.mid").write_bytes(data)
    refused(capsys, tmp_path, 1, "broken.mid", tmp_path / "broken.mid", "-o", tmp_path / "out.mid", "--as", "chords")


@pytest.mark.parametrize("kind", ["chords", "satb"])
@pytest.mark.usefixtures("real_models")
def test_a_model_that_is_not_there_is_told(
    tune: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    words = "no harmonization model 'huge': installed are"
    refused(capsys, tmp_path, 1, words, tune, "-o", tmp_path / "out.mid", "--as", kind, "--model", "huge")


def test_an_output_that_cannot_be_written_is_told(
    tune: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(capsys, tmp_path, 1, "cannot be written", tune, "-o", tmp_path / "nowhere/out.mid", "--as", "chords")


def test_live_chords_do_not_depend_on_what_comes_after_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = [(on, pitch if on < 192 else pitch + 6, length) for on, pitch, length in SCALE]

    def chords(notes: list[tuple[int, int, int]]) -> list[Any]:
        tune = saved(tmp_path / "tune.mid", notes)
        asked = ("--as", "chords", "--live", "--seed", "4", "--candidates", "1", "--rhythm", "bar")
        return list(told(capsys, tune, "-o", tmp_path / "out.mid", *asked)["candidates"][0]["chords"])

    before = [[chord for chord in chords(notes) if chord[0] <= 3] for notes in (SCALE, other)]
    assert before[0] == before[1]


@pytest.mark.parametrize("kind", ["chords", "satb"])
def test_a_file_with_changed_bytes_is_harmonized_or_refused_and_never_half_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    whole, chance = saved(tmp_path / "whole.mid", SCALE).read_bytes(), random.Random(4)
    codes = set()
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        source, out = tmp_path / "changed.mid", tmp_path / "out.mid"
        source.write_bytes(data)
        out.unlink(missing_ok=True)
        codes.add(code := run(source, "-o", out, "--as", kind, "--candidates", "1"))
        assert out.exists() == (code == 0)
        if code == 0:
            load_midi(out)
        error = capsys.readouterr().err
        assert code == 0 or error.count("\n") == 1
    assert codes >= {0, 1}


@pytest.mark.parametrize("kind", ["chords", "satb"])
@pytest.mark.usefixtures("real_models")
def test_the_models_that_ship_harmonize_a_tune(
    tune: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    if {"chords": "chords", "satb": "voices"}[kind] not in installed_harmony():
        pytest.skip(f"no model for {kind} is installed")
    found = told(capsys, tune, "-o", tmp_path / "out.mid", "--as", kind, "--seed", "1", "--candidates", "1")
    assert all(len(sha) == 64 for sha in found["sha256"].values())
    assert found["candidates"][0]["chords"]
    assert all(found["candidates"][0]["notes"].values())


def test_a_long_piece_is_read_in_windows_and_keeps_what_is_given() -> None:
    bars = melody_of(greensleeves().bars()) * 12
    given = [ChordSpan(Ticks(bar * 72), Ticks(72), parse_chord("Bb7")) for bar in (0, 60, 64, 70, 130, 191)]
    made = chords_under(bars, HarmonySettings(candidates=1), ChordsByEar(), given)[0].harmony
    assert [span.onset for span in made.chords[1:]] == [span.end for span in made.chords[:-1]]
    assert (made.chords[0].onset, made.chords[-1].end) == (0, sum(bar.length for bar in bars))
    assert set(given) <= set(made.chords)
