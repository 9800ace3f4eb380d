"""`daw-assist continue`: a .mid in, the same followed by new bars out."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from daw_assist.cli import main
from daw_assist.examples import greensleeves
from daw_assist.midi.file import from_song, load_midi, save_midi, seconds_of, to_song
from daw_assist.midi.smf import FileEvent, MidiFile
from daw_assist.midi.smf_notes import sounded
from daw_assist.music.bars import Song
from daw_assist.music.keys import parse_key
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part, part_of
from daw_assist.music.time import TempoMap, Ticks

TINY = ["--model", "tiny-fp32", "--provider", "cpu"]


@pytest.fixture
def tune(tmp_path: Path) -> Path:
    """Sixteen bars of 6/8 with a text and a controller that are nobody's business but the composer's."""
    file = from_song(greensleeves())
    first, *rest = file.tracks
    odd = (FileEvent(0, b"\xff\x01with love"), FileEvent(0, bytes((0xB3, 7, 99))))
    path = tmp_path / "tune.mid"
    save_midi(MidiFile(1, file.ppq, ((*odd, *first), *rest)), path)
    return path


def run(*arguments: str | Path) -> int:
    """The exit code, however it comes."""
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as end:
        return int(end.code or 0)


def test_the_tune_is_unchanged_and_new_notes_come_only_after_it(tune: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mid"
    assert run("continue", tune, "-o", out, "--seed", "1", "--bars", "2", "--candidates", "1", *TINY) == 0
    before, after = load_midi(tune), load_midi(out)
    assert after.tracks[: len(before.tracks)] == before.tracks
    assert (after.ppq, after.format) == (before.ppq, 1)
    added = [event for track in after.tracks[len(before.tracks) :] for event in track if event.data[0] & 0xF0 == 0x90]
    start = 16 * 3 * before.ppq
    assert added
    assert all(start <= event.tick < start + 2 * 3 * before.ppq for event in added)
    assert to_song(after).metres == ((0, Metre(6, 8)),)
    assert seconds_of(after) > seconds_of(before)
    assert {path.name for path in tmp_path.iterdir()} == {"tune.mid", "out.mid"}


def test_each_candidate_has_its_file_and_the_best_has_the_name(
    tune: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.mid"
    assert run("continue", tune, "-o", out, "--seed", "3", "--bars", "2", "--candidates", "3", "--json", *TINY) == 0
    told = json.loads(capsys.readouterr().out)
    names = [f"out.{number}.mid" for number in (1, 2, 3)]
    assert {path.name for path in tmp_path.iterdir()} == {"tune.mid", "out.mid", *names}
    assert out.read_bytes() == (tmp_path / "out.1.mid").read_bytes()
    assert (told["file"], told["seed"], told["model"]) == (str(out), 3, "tiny-fp32")
    assert 0 < told["heard_bars"] <= 16
    assert set(told["milliseconds"]) == {"encode", "prefill", "decode", "rank"}
    assert told["settings"]["bars"] == 2
    for candidate, name in zip(told["candidates"], names, strict=True):
        assert Path(candidate["file"]).name == name
        assert candidate["bars"] == [17, 18]
        assert candidate["notes"] == sum(note[0] >= 16 * 72 * 20 for note in sounding(tmp_path / name).elements())
    assert sorted(candidate["seed"] for candidate in told["candidates"]) == [3, 4, 5]


def test_the_same_seed_makes_the_same_file_and_none_makes_a_new_one_that_is_told(
    tune: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def made(name: str, *more: str) -> bytes:
        assert run("continue", tune, "-o", tmp_path / name, "--bars", "2", "--candidates", "1", *TINY, *more) == 0
        return (tmp_path / name).read_bytes()

    assert made("a.mid", "--seed", "5") == made("b.mid", "--seed", "5")
    capsys.readouterr()
    made("c.mid", "--json")
    seed = json.loads(capsys.readouterr().out)["seed"]
    assert made("d.mid", "--seed", str(seed)) == (tmp_path / "c.mid").read_bytes()


def test_the_key_holds_for_what_is_new(tune: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mid"
    assert run("continue", tune, "-o", out, "--seed", "1", "--key", "Eb major", "--candidates", "1", *TINY) == 0
    new = {note.pitch % 12 for note in to_song(load_midi(out)).notes if note.onset >= 16 * 72}
    assert new <= parse_key("Eb").pitch_classes
    assert new


def test_out_may_be_the_file_that_was_read(tune: Path) -> None:
    before = load_midi(tune)
    assert run("continue", tune, "-o", tune, "--seed", "1", "--candidates", "1", *TINY) == 0
    assert load_midi(tune).tracks[: len(before.tracks)] == before.tracks
    assert len(load_midi(tune).tracks) > len(before.tracks)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (["--bars", "0"], "bars must be in 1..16, not 0"),
        (["--bars", "17"], "bars must be in 1..16, not 17"),
        (["--candidates", "9"], "candidates must be in 1..8, not 9"),
        (["--temperature", "0"], "temperature must be in 0.1..2.0, not 0.0"),
        (["--temperature", "nan"], "temperature must be in 0.1..2.0, not nan"),
        (["--top-p", "1.5"], "top_p must be in 0.01..1.0, not 1.5"),
        (["--density", "8"], "density must be in 0..7, not 8"),
        (["--seed", "-1"], "seed must be"),
        (["--key", "H"], "key 'H' is not one we know"),
        (["--style", "polka-metal"], "there is no style 'polka-metal': choose from"),
        (["--polyphony", "9"], "polyphony must be in 0..7, not 9"),
        (["--register", "-1"], "register must be in 0..7, not -1"),
        (["--similarity", "1.5"], "similarity must be in 0.0..1.0, not 1.5"),
        (["--parts", "keys,kazoo"], "there is no part 'kazoo': choose from voice, lead"),
        (["--parts", ","], "no part may play"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_meant_is_told_in_one_line(
    tune: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: list[str], words: str
) -> None:
    refused(capsys, tmp_path, 2, words, "continue", tune, "-o", tmp_path / "out.mid", *option, *TINY)


def refused(capsys: pytest.CaptureFixture[str], folder: Path, code: int, words: str, *arguments: str | Path) -> None:
    """Run it: the code, one line on stderr with these words, and the folder as it was."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert run(*arguments) == code
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith("daw-assist: ")
    assert error.count("\n") == 1
    assert words in error
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_file_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, tmp_path, 1, "none.mid", "continue", tmp_path / "none.mid", "-o", tmp_path / "out.mid", *TINY)


@pytest.mark.parametrize(
    "data", [b"", b"MThd", b"\x00" * 200, b"RIFF" + b"x" * 50], ids=["empty", "cut", "zeros", "other"]
)
def test_a_broken_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes) -> None:
    (tmp_path / "broken.mid").write_bytes(data)
    refused(capsys, tmp_path, 1, "broken.mid", "continue", tmp_path / "broken.mid", "-o", tmp_path / "out.mid", *TINY)


def test_a_folder_is_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, tmp_path, 1, tmp_path.name, "continue", tmp_path, "-o", tmp_path / "out.mid", *TINY)


def test_a_file_without_notes_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_midi(from_song(Song(())), tmp_path / "still.mid")
    words = "still.mid: there is no note in it"
    refused(capsys, tmp_path, 2, words, "continue", tmp_path / "still.mid", "-o", tmp_path / "out.mid", *TINY)


def test_a_model_that_is_not_there_is_told_with_those_that_are(
    tune: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "no model 'huge': installed are"
    refused(capsys, tmp_path, 1, words, "continue", tune, "-o", tmp_path / "out.mid", "--model", "huge")


@pytest.mark.parametrize("where", ["nowhere/out.mid", "taken"])
def test_an_output_that_cannot_be_written_is_told(
    tune: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    (tmp_path / "taken").mkdir()
    out = tmp_path / where
    refused(
        capsys, tmp_path, 1, "cannot be written", "continue", tune, "-o", out, "--candidates", "1", "--model", "none"
    )


@pytest.mark.parametrize(
    "arguments", [[], ["continue"], ["dance"], ["continue", "a.mid", "-o", "b.mid", "--bars", "x"]]
)
def test_a_command_line_that_cannot_be_read_ends_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("daw-assist") and error.count("\n") == 1 and " --help)" in error


def told(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    assert run(*arguments, "--json", *TINY) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_model_is_told_the_tempo_at_the_end_if_somebody_wrote_one(
    tune: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.mid"
    assert told(capsys, "continue", tune, "-o", out, "--bars", "1")["settings"]["bpm"] == pytest.approx(132, abs=0.01)
    file = load_midi(tune)
    unsaid = tuple(tuple(event for event in track if event.data[:2] != b"\xff\x51") for track in file.tracks)
    save_midi(MidiFile(1, file.ppq, unsaid), tmp_path / "unsaid.mid")
    assert told(capsys, "continue", tmp_path / "unsaid.mid", "-o", out, "--bars", "1")["settings"]["bpm"] is None


def test_a_part_that_is_asked_for_comes_with_a_channel_and_a_program_of_its_own(tune: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mid"
    made = run("continue", tune, "-o", out, "--parts", "BASS, drums", "--candidates", "1", "--seed", "1", *TINY)
    assert made == 0
    new = [note for note in to_song(load_midi(out)).notes if note.onset >= 16 * 72]
    assert {note.part for note in new} == {Part.BASS, Part.DRUMS}


# Between bars


@pytest.fixture
def band(tmp_path: Path) -> Path:
    """Eight bars in two tempos for keys and bass on one track and drums on another, with text, lyrics and controllers."""

    def notes(part: Part, pitch: int, step: int) -> list[Note]:
        return [Note(Ticks(t), part, pitch + t // step % 5, Ticks(step), 64) for t in range(0, 8 * 96, step)]

    song = Song(
        tuple(sorted([*notes(Part.KEYS, 60, 12), *notes(Part.BASS, 36, 24), *notes(Part.DRUMS, 36, 24)])),
        ((Ticks(0), Metre(4, 4)),), TempoMap(((Ticks(0), 100.0), (Ticks(300), 150.0))),
    )  # fmt: skip
    file = from_song(song)
    conductor, keys, bass, drums = file.tracks
    extras = [FileEvent(480 * beat + 7, data) for beat in range(32) for data in (b"\xff\x05la", bytes((0xB0, 1, beat)))]
    joined = sorted([*keys[:-1], *bass[:-1], *extras], key=lambda event: event.tick)
    path = tmp_path / "band.mid"
    save_midi(MidiFile(1, file.ppq, (conductor, (*joined, keys[-1]), drums)), path)
    return path


def notes_of(path: Path) -> Counter[Note]:
    return Counter(to_song(load_midi(path)).notes)


def sounding(path: Path) -> Counter[tuple[int, int, int, int, int, int]]:
    """Every note in the file's own ticks: onset, end, channel, program, pitch, velocity."""
    tracks = load_midi(path).tracks
    return Counter((n.onset, n.end, n.channel, n.program, n.pitch, n.velocity) for own in tracks for n in sounded(own))


def others(path: Path) -> list[list[FileEvent]]:
    """All that is no note, track by track."""
    return [
        [e for e in own if e.data[0] & 0xE0 != 0x80 and e.data[:2] != b"\xff\x2f"] for own in load_midi(path).tracks
    ]


@pytest.mark.parametrize("lock", [[], ["bass"], ["drums", "keys"]])
def test_outside_the_bars_and_in_locked_parts_nothing_changes(
    band: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], lock: list[str]
) -> None:
    out = tmp_path / "out.mid"
    words = ["--lock", ",".join(lock)] if lock else []
    found = told(
        capsys, "fill", band, "-o", out, "--from", "3", "--to", "5", *words, "--seed", "3", "--candidates", "2"
    )
    locked = {Part[name.upper()] for name in lock}
    start, end = 2 * 96 * 20, 5 * 96 * 20
    before = sounding(band)
    kept = Counter(n for n in before.elements() if not start <= n[0] < end or part_of(n[3], n[2]) in locked)
    for candidate in found["candidates"]:
        after = sounding(tmp_path / candidate["file"])
        assert not kept - after
        new = after - kept
        assert new
        assert all(
            start <= onset < end and part_of(program, channel) not in locked for onset, _, channel, program, *_ in new
        )
        assert (candidate["bars"], candidate["notes"]) == ([3, 5], new.total())
        assert candidate["removed"] == before.total() - kept.total()
        assert others(tmp_path / candidate["file"]) == others(band)
        assert isinstance(candidate["faults"], list)
    assert found["locked"] == sorted(lock, key=lambda name: Part[name.upper()])
    assert found["settings"]["bpm"] == pytest.approx(100, abs=0.01)
    assert out.read_bytes() == (tmp_path / "out.1.mid").read_bytes()


def test_who_may_play_in_the_bars_can_be_named_and_the_key_holds(band: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mid"
    words = ["--parts", "strings", "--key", "Eb", "--lock", "bass,drums"]
    assert (
        run("fill", band, "-o", out, "--from", "2", "--to", "3", *words, "--candidates", "1", "--seed", "2", *TINY) == 0
    )
    new = notes_of(out) - notes_of(band)
    assert {note.part for note in new} == {Part.STRINGS}
    assert {note.pitch % 12 for note in new} <= parse_key("Eb").pitch_classes
    assert not [note for note in notes_of(out) if note.part is Part.KEYS and 96 <= note.onset < 288]


def test_the_same_seed_fills_the_same_file(band: Path, tmp_path: Path) -> None:
    for name in ("a.mid", "b.mid"):
        words = ["--from", "8", "--to", "8", "--candidates", "1", "--seed", "4"]
        assert run("fill", band, "-o", tmp_path / name, *words, *TINY) == 0
    assert (tmp_path / "a.mid").read_bytes() == (tmp_path / "b.mid").read_bytes()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--from", "3", "--to", "9"], "bars 3..9 cannot be filled: there are bars 1..8"),
        (["--from", "0", "--to", "2"], "bars 0..2 cannot be filled: there are bars 1..8"),
        (["--from", "5", "--to", "4"], "bars 5..4 cannot be filled: the first comes after the last"),
        (["--from", "1", "--to", "99999999999"], "there are bars 1..8"),
        (["--from", "1", "--to", "2", "--lock", "kazoo"], "there is no part 'kazoo': choose from voice"),
        (["--from", "1", "--to", "2", "--lock", "brass"], "does not play in band.mid; there are keys, bass, drums"),
        (["--from", "1", "--to", "2", "--lock", "keys,bass,drums"], "every part of band.mid is locked"),
        (["--from", "1", "--to", "2", "--lock", "keys", "--parts", "keys"], "keys is locked and is to play"),
        (["--from", "1", "--to", "2", "--density", "9"], "density must be in 0..7, not 9"),
    ],
)  # fmt: skip
def test_a_fill_that_cannot_be_meant_is_told_in_one_line(
    band: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], line: str
) -> None:
    refused(capsys, tmp_path, 2, line, "fill", band, "-o", tmp_path / "out.mid", *words, *TINY)


def test_empty_bars_are_filled_by_who_plays_around_them(tmp_path: Path) -> None:
    ends = [*range(0, 96, 12), *range(3 * 96, 4 * 96, 12)]
    song = Song(tuple(Note(Ticks(t), Part.WINDS, 70, Ticks(12), 80) for t in ends))
    save_midi(from_song(song), tmp_path / "gap.mid")
    out = tmp_path / "out.mid"
    words = ["--from", "2", "--to", "3", "--candidates", "1", "--seed", "1"]
    assert run("fill", tmp_path / "gap.mid", "-o", out, *words, *TINY) == 0
    new = notes_of(out) - notes_of(tmp_path / "gap.mid")
    assert new
    assert all(96 <= note.onset < 288 and note.part is Part.WINDS for note in new)


def test_a_fill_onto_its_own_input_is_refused_before_a_model_is_looked_for(
    band: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--from", "1", "--to", "2", "--model", "none"]
    refused(capsys, tmp_path, 2, "choose another name for -o", "fill", band, "-o", band, *words)
    refused(
        capsys, tmp_path, 2, "band.mid: bars 1..9", "fill", band, "-o", tmp_path / "x.mid", *words[:3], "9", *words[4:]
    )


def test_who_names_the_parts_that_are_to_play_and_locks_none_keeps_the_others(
    band: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.mid"
    words = ["--from", "3", "--to", "4", "--parts", "KEYS", "--candidates", "1", "--seed", "2"]
    assert told(capsys, "fill", band, "-o", out, *words)["locked"] == ["bass", "drums"]
    changed = (notes_of(band) - notes_of(out)) + (notes_of(out) - notes_of(band))
    assert {note.part for note in changed} == {Part.KEYS}
    assert run("fill", band, "-o", out, *words, *TINY) == 0
    line = capsys.readouterr().out
    assert re.search(r"bars 3-4 are new; 16 notes went, \d+ came", line)


def test_fewer_cores_than_none_are_refused(tune: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("continue", tune, "-o", tune, "--threads", "-1") == 2
    assert "cores must be 0 or more, not -1" in capsys.readouterr().err


def test_similarity_without_an_echo_is_refused_and_the_file_is_named(
    tune: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "tune.mid: model tiny-fp32 has no echo"
    refused(capsys, tmp_path, 2, words, "continue", tune, "-o", tmp_path / "o.mid", "--similarity", "1", *TINY)
