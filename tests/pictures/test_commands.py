"""`daw-assist picture` and `daw-assist score`: a .mid in, a picture or a score out, or one line that says why not."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest
from PIL import Image

from daw_assist import picture_command, score_command
from daw_assist.errors import MidiFileError, UsageError
from daw_assist.examples import greensleeves
from daw_assist.midi.file import Marker, MidiFile, NewTrack, add_tracks, append_notes, from_song, save_midi
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.pictures import DARK, LIGHT
from daw_assist.score import lines_of_file
from daw_assist.score.symbols import symbols_of
from daw_assist.whole_file import save_whole

BAR = 72


def run(command: ModuleType, *words: object) -> int:
    parser = argparse.ArgumentParser()
    command.add_options(parser)
    done: int = command.run(parser.parse_args([str(word) for word in words]))
    return done


def continued() -> MidiFile:
    """The tune, followed by two bars as `continue` adds them."""
    new = [Note(Ticks(16 * BAR + at * 36), Part.KEYS, 60 + at, Ticks(36), 80) for at in range(4)]
    new += [Note(Ticks(17 * BAR), Part.STRINGS, 50, Ticks(72), 80)]
    return append_notes(from_song(greensleeves()), new)


@pytest.fixture
def tune(tmp_path: Path) -> Path:
    path = tmp_path / "tune.mid"
    save_midi(continued(), path)
    return path


def test_what_continue_added_is_found_in_the_file() -> None:
    found = lines_of_file(continued())
    assert [(line.name, line.part) for line in found.lines] == [("Keys", Part.KEYS), ("Strings", Part.STRINGS)]
    assert len(found.suggested) == 5 and min(note.onset for note in found.suggested) == 16 * BAR
    assert sum(len(line.notes) for line in found.lines) == len(greensleeves().notes) + 5


@pytest.mark.parametrize(("words", "theme"), [((), LIGHT), (("--dark",), DARK)])
def test_a_picture_shows_what_was_added_as_suggested(tune: Path, words: tuple[str, ...], theme: object) -> None:
    out = tune.with_suffix(".png")
    assert run(picture_command, tune, "-o", out, *words) == 0
    with Image.open(out) as image:
        colours = {colour for _, colour in image.convert("RGB").getcolors(1 << 20) or []}
    shown = DARK if theme is DARK else LIGHT
    assert {shown.new_paper, shown.paper, shown.new_mark} <= colours


def test_a_picture_as_svg_has_title_caption_and_the_bars_asked_for(
    tune: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tune.with_suffix(".svg")
    run(picture_command, tune, "-o", out, "--from", 3, "--to", 4, "--title", "A <tune>", "--caption", "seed 7")
    texts = [node.text for node in ElementTree.parse(out).iter("{http://www.w3.org/2000/svg}text")]
    assert {"A <tune>", "seed 7", "3", "4"} <= set(texts) and not {"2", "5", "suggested"} & set(texts)
    assert "tune.svg" in capsys.readouterr().out
    assert sorted(path.name for path in tune.parent.iterdir()) == ["tune.mid", "tune.svg"]


def test_bars_may_be_called_suggested(tune: Path) -> None:
    out = tune.with_suffix(".svg")
    run(picture_command, tune, "-o", out, "--suggested-from", 9)
    rims = [n for n in ElementTree.parse(out).iter("{http://www.w3.org/2000/svg}rect") if n.get("stroke")]
    later = [note for note in greensleeves().notes if note.onset >= 8 * BAR]
    assert len(rims) == len(later) + 5 + 1  # and one in the legend


def test_a_score_marks_the_bar_where_continue_began(tune: Path) -> None:
    out = tune.with_suffix(".musicxml")
    run(score_command, tune, "-o", out, "--seed", 7)
    first = next(ElementTree.parse(out).iter("part"))
    marked = [m.get("number") for m in first.iter("measure") if m.find("direction/direction-type/words") is not None]
    assert marked == ["17"]


@pytest.mark.parametrize("name", ["tune.mxl", "tune.svg", "tune.pdf"])
def test_a_score_is_written_in_every_form(tune: Path, name: str) -> None:
    pytest.importorskip("verovio", reason="verovio is not installed (score extra)")
    pytest.importorskip("reportlab", reason="reportlab is not installed (score extra)")
    out = tune.with_name(name)
    assert run(score_command, tune, "-o", out, "--title", "T") == 0
    assert out.read_bytes()[:4] == {".mxl": b"PK\x03\x04", ".svg": b"<?xm", ".pdf": b"%PDF"}[out.suffix]


def test_of_several_pages_the_second_is_called_so(tmp_path: Path) -> None:
    pytest.importorskip("verovio", reason="verovio is not installed (score extra)")
    song = greensleeves()
    notes = tuple(note.moved(16 * BAR * times) for times in range(6) for note in song.notes)
    save_midi(from_song(type(song)(notes, song.metres, song.tempo)), tmp_path / "long.mid")
    run(score_command, tmp_path / "long.mid", "-o", tmp_path / "long.svg")
    assert {"long.svg", "long-2.svg"} <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("command", [picture_command, score_command])
@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("tune.gif", "cannot tell what to write: give -o a name that ends in .*svg"),
        ("tune", "cannot tell what to write"),
        ("none/tune.svg", "there is no such folder"),
        ("tune.mid/tune.svg", "its folder is a file"),
        ("a.svg", "it is a folder"),
    ],
)
def test_a_name_that_cannot_be_written_is_one_line(tune: Path, command: ModuleType, out: str, words: str) -> None:
    (tune.parent / "a.svg").mkdir()
    with pytest.raises(UsageError, match=words) as told:
        run(command, tune, "-o", tune.parent / out)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("command", [picture_command, score_command])
def test_a_file_that_is_none_and_a_bar_that_is_not_there_are_one_line(tune: Path, command: ModuleType) -> None:
    out = tune.with_suffix(".svg")
    with pytest.raises(MidiFileError, match="there is no such file"):
        run(command, tune.with_name("none.mid"), "-o", out)
    with pytest.raises(UsageError, match=r"tune.mid: the first suggested bar must be in 1\.\.18"):
        run(command, tune, "-o", out, "--suggested-from", 99)
    assert not out.exists()


def test_chord_symbols_are_told_from_names_of_sections() -> None:
    file = from_song(greensleeves())
    for texts, chords in ((("Am", "G", "F#m7b5"), 3), (("A", "B", "A"), 0), (("Verse", "Am", "Chorus"), 0), ((), 0)):
        marked = add_tracks(file, (), [Marker(Ticks(at * BAR), text) for at, text in enumerate(texts)])
        assert len(symbols_of(marked)) == chords
    assert add_tracks(file, [NewTrack("empty", 0, ())]) is file


def test_a_write_that_fails_leaves_the_folder_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.svg"
    path.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UsageError, match=r"a\.svg: cannot be written \(No space left on device\)"):
        save_whole(path, b"new")
    assert path.read_bytes() == b"old" and [one.name for one in tmp_path.iterdir()] == ["a.svg"]


def test_the_commands_load_nothing_heavy_before_they_run() -> None:
    heavy = {"PIL", "verovio", "reportlab", "music21", "numpy", "mido"}
    program = (
        f"import sys, daw_assist.picture_command, daw_assist.score_command; print(*sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == []
