"""`daw-assist continue`: a .mid in, the same followed by new bars out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from daw_assist.cli import main
from daw_assist.examples import greensleeves
from daw_assist.midi.file import from_song, load_midi, save_midi, seconds_of, to_song
from daw_assist.midi.smf import FileEvent, MidiFile
from daw_assist.music.bars import Song
from daw_assist.music.keys import parse_key
from daw_assist.music.metre import Metre

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
        notes = to_song(load_midi(tmp_path / name)).notes
        assert candidate["notes"] == sum(note.onset >= 16 * 72 for note in notes)
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
        (["--style", "polka-metal"], "there is no style 'polka-metal': choose one of"),
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
    refused(capsys, tmp_path, 1, "cannot be written", "continue", tune, "-o", out, "--candidates", "1", *TINY)


@pytest.mark.parametrize(
    "arguments", [[], ["continue"], ["dance"], ["continue", "a.mid", "-o", "b.mid", "--bars", "x"]]
)
def test_a_command_line_that_cannot_be_read_ends_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    assert "usage: daw-assist" in capsys.readouterr().err
