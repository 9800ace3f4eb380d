"""Archives and a user's folder to packed files: what is kept, what is left out and why, and going on after a stop."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from daw_assist.midi.file import from_song, save_midi
from daw_assist.music.bars import Song
from daw_assist.music.metre import Metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import TempoMap, Ticks
from models_onnx.corpora.build import build
from models_onnx.corpora.pack import Piece, load_pieces, save_pieces
from models_onnx.corpora.readers import midi_files, read_midi_folder
from models_onnx.corpora.reading import CorporaError
from models_onnx.train.data import Corpus

ROOT = Path(__file__).parents[2]


def song(seed: int, length: int = 60, shift: int = 0) -> Song:
    rng = random.Random(seed)
    pitches = [(i * 12, shift + rng.randrange(50, 80), rng.choice((20, 60, 100))) for i in range(length)]
    notes = tuple(Note(Ticks(at), Part.KEYS, pitch, Ticks(12), loud) for at, pitch, loud in pitches)
    return Song(notes, ((Ticks(0), Metre(3, 4)),), TempoMap(((Ticks(0), 90.0),)))


def write(path: Path, seed: int, **more: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_midi(from_song(song(seed, **more)), path)
    return path


def archive(data: Path, name: str, entries: dict[str, dict[str, Any]]) -> None:
    """`<name>.tar.xz` of files written below `data/../<name>`, with their index."""
    folder = data.parent / "raw" / name
    for index, (file, entry) in enumerate(entries.items()):
        write(folder / file, entry.pop("seed", 100 + index), **entry.pop("more", {}))
        entry.update(file=file, corpus=name)
    (folder / "index.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries.values()))
    data.mkdir(exist_ok=True)
    with tarfile.open(data / f"{name}.tar.xz", "w:xz") as tar:
        tar.add(folder, name)


def packed(out: Path) -> dict[str, list[Piece]]:
    return {name: list(load_pieces(out / f"{name}.npz")) for name in ("train", "valid", "test")}


def run(tmp_path: Path, data: Path | None, *folders: Path) -> dict[str, Any]:
    out, scratch = tmp_path / "out", tmp_path / "scratch"
    out.mkdir(exist_ok=True)
    scratch.mkdir(exist_ok=True)
    return build(data, folders, out, scratch, 1)


def test_archives_become_three_files_that_training_reads_and_a_manifest(tmp_path: Path) -> None:
    data = tmp_path / "data"
    archive(
        data, "mutopia",
        {
            "PD/a.mid": {"group": "BrahmsJ", "licence": "PD"},
            "PD/b.mid": {"group": "SchumannR"},
            "PD/short.mid": {"group": "BrahmsJ", "more": {"length": 10}},
            "PD/c.mid": {"group": "ChopinFF"},
        },
    )  # fmt: skip
    archive(data, "openscore-lieder", {"x/twin.mid": {"group": "Brahms,_Johannes", "seed": 101, "more": {"shift": 5}}})
    archive(data, "nottingham", {"x/no.mid": {"group": "n"}})
    told = run(tmp_path, data)
    found = packed(tmp_path / "out")
    assert [p.words.file for p in found["train"]] == ["mutopia/PD/a.mid"]
    assert [p.words.file for p in found["test"]] == ["mutopia/PD/b.mid"]
    words = found["train"][0].words
    assert (words.licence, words.composer, words.bpm, words.style, words.dynamics) == (
        "PD", "brahms", 90.0, "classical", True,
    )  # fmt: skip
    assert told["left_out"] == {
        "mutopia": {"too short": ["PD/short.mid"], "Chopin: stands in nifc-chopin": ["mutopia/PD/c.mid"]}
    }
    assert told["duplicates"] == {"openscore-lieder of mutopia": 1}
    assert set(told["sources"]) == {"mutopia", "openscore-lieder"}
    assert told["sources"]["mutopia"]["train"] == {"pieces": 1, "notes": 60}
    assert json.loads((tmp_path / "out" / "manifest.json").read_text()) == told
    bars = Corpus(tmp_path / "out" / "train.npz").read(0)
    assert tuple(bars) == song(100).bars()


def test_a_part_that_was_read_before_the_stop_is_not_read_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    archive(data, "mutopia", {"a.mid": {"group": "BrahmsJ"}})
    archive(data, "freedoom", {"a.mid": {"group": "d_dm01", "seed": 7}})
    first = run(tmp_path, data)
    parts = tmp_path / "out" / ".parts"
    (mutopia,) = parts.glob("mutopia-*.npz")
    (freedoom,) = parts.glob("freedoom-*.npz")
    save_pieces([], mutopia)  # seen in the result, so it was taken as it stands
    freedoom.unlink()
    again = run(tmp_path, data)
    assert again["sources"]["mutopia"]["train"]["pieces"] == 0
    assert again["sources"]["freedoom"] == first["sources"]["freedoom"]


def test_a_part_of_another_archive_is_read_anew_and_the_old_one_goes(tmp_path: Path) -> None:
    data = tmp_path / "data"
    archive(data, "mutopia", {"a.mid": {"group": "BrahmsJ"}})
    run(tmp_path, data)
    old = set((tmp_path / "out" / ".parts").iterdir())
    archive(data, "mutopia", {"a.mid": {"group": "BrahmsJ"}, "b.mid": {"group": "BrahmsJ"}})
    assert run(tmp_path, data)["sources"]["mutopia"]["train"]["pieces"] == 2
    assert not old & set((tmp_path / "out" / ".parts").iterdir())


def user_folder(tmp_path: Path) -> Path:
    mine = tmp_path / "mine"
    write(mine / "b" / "Two.MIDI", 2)
    write(mine / "one.mid", 1)
    (mine / "broken.mid").write_bytes(b"MThd and then nothing")
    (mine / "notes.txt").write_text("no MIDI")
    (mine / "gone.mid").symlink_to(mine / "nowhere.mid")
    os.mkfifo(mine / "pipe.mid")
    (mine / "loop").symlink_to(mine)
    return mine


def test_a_users_folder_alone_is_packed_and_what_is_unreadable_is_named(tmp_path: Path) -> None:
    mine = user_folder(tmp_path)
    write(mine / "copy.mid", 1)
    write(mine / "tiny.mid", 3, length=3)
    told = run(tmp_path, None, mine)
    found = [piece.words for pieces in packed(tmp_path / "out").values() for piece in pieces]
    assert {words.file for words in found} == {"user/copy.mid", "user/b/Two.MIDI"}
    assert {(words.source, words.style) for words in found} == {("user", "")}
    unreadable = {name for files in told["left_out"]["user"].values() for name in files}
    assert unreadable == {"broken.mid", "gone.mid", "pipe.mid", "tiny.mid"}
    assert told["duplicate_files"] == [["user/one.mid", "user/copy.mid", 1.0]]


def test_a_name_that_is_no_text_stops_nothing(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    write(mine / os.fsdecode(b"caf\xe9.mid"), 1)
    (mine / os.fsdecode(b"n\xe9ant.mid")).write_bytes(b"")
    told = run(tmp_path, None, mine)
    assert sum(source["pieces"] for source in told["outputs"].values()) == 1
    assert len(json.loads((tmp_path / "out" / "manifest.json").read_text())["left_out"]["user"]) == 1


def test_where_there_is_nothing_to_read_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(CorporaError, match=r"no corpus and no \.mid file in .*mine"):
        run(tmp_path, None, tmp_path / "mine")
    assert list((tmp_path / "out").iterdir()) == []


def test_an_archive_that_is_cut_short_or_has_no_index_is_named_in_one_line(tmp_path: Path) -> None:
    data = tmp_path / "data"
    archive(data, "mutopia", {f"{i}.mid": {"group": "BrahmsJ"} for i in range(3)})
    whole = data / "mutopia.tar.xz"
    whole.write_bytes(whole.read_bytes()[:-300])
    with pytest.raises(CorporaError, match=r"mutopia\.tar\.xz cannot be unpacked"):
        run(tmp_path, data)
    whole.unlink()
    (data / "mutopia").mkdir()
    with pytest.raises(CorporaError, match=r"mutopia has no index\.jsonl"):
        run(tmp_path, data)
    done = script(str(data), "-o", str(tmp_path / "out"))
    assert (done.returncode, len(done.stderr.strip().splitlines()[-1:])) == (1, 1)
    assert "Traceback" not in done.stderr


def test_two_folders_are_one_source_with_both_hashes_and_reasons_name_no_path(tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("two", 2)):
        write(tmp_path / name / "a.mid", seed)
        (tmp_path / name / "broken.mid").write_bytes(b"MThd and then nothing")
    told = run(tmp_path, None, tmp_path / "one", tmp_path / "two")
    (source,) = told["sources"].values()
    assert (source["files"], len(source["sha256"].split())) == (4, 2)
    assert list(told["left_out"]["user"].values()) == [["broken.mid", "broken.mid"]]
    assert not any(str(tmp_path) in reason or "broken" in reason for reason in told["left_out"]["user"])


def test_a_stopped_run_leaves_no_half_output_and_goes_on(tmp_path: Path) -> None:
    for i in range(400):
        write(tmp_path / "mine" / f"{i}.mid", i)
    out = tmp_path / "out"
    command = [sys.executable, str(ROOT / "scripts" / "prepare_corpora.py"), "--midi", str(tmp_path / "mine")]
    command += ["-o", str(out), "--jobs", "1"]
    stopped = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True)
    ends = time.monotonic() + 60
    while not (out / ".parts").exists() and stopped.poll() is None and time.monotonic() < ends:
        time.sleep(0.02)
    os.killpg(stopped.pid, signal.SIGINT)
    said = stopped.communicate(timeout=60)[1]
    assert (stopped.returncode, "the same command goes on" in said, "Traceback" in said) == (130, True, False), said
    assert [path.name for path in out.iterdir()] == [".parts"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, timeout=100, check=False).returncode == 0
    assert sorted(path.name for path in out.iterdir()) == [
        ".parts",
        "manifest.json",
        "test.npz",
        "train.npz",
        "valid.npz",
    ]
    assert not [path for path in (out / ".parts").iterdir() if path.suffix not in (".npz", ".json")]


def test_a_folder_is_read_as_bars_by_name_and_the_unreadable_is_left_out(tmp_path: Path) -> None:
    mine = user_folder(tmp_path)
    assert [(file.name, file.bars) for file in read_midi_folder(mine).songs] == [
        ("one.mid", song(1).bars()),
        ("b/Two.MIDI", song(2).bars()),
    ]
    assert [name for name, _ in read_midi_folder(mine).unreadable] == ["broken.mid", "gone.mid", "pipe.mid"]
    assert [path.name for path in midi_files(mine)] == ["broken.mid", "gone.mid", "one.mid", "pipe.mid", "Two.MIDI"]


def script(*args: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, str(ROOT / "scripts" / "prepare_corpora.py"), *args]
    return subprocess.run(
        program, capture_output=True, text=True, timeout=100, cwd=ROOT, env={**os.environ, "COLUMNS": "80"}
    )


def test_public_lists_every_source_with_its_licence_and_origin() -> None:
    done = script("--public")
    assert done.returncode == 0, done.stderr
    for said in ("nifc-polish", "c040362", "CC BY 4.0", "nottingham", "GPL-3.0", "benchmarks only"):
        assert said in done.stdout
    assert "  origin   github.com/pl-wnifc/humdrum-polish-scores c040362 (polishscores.org)\n" in done.stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [((), "--midi DIR"), (("-o", "x"), "--midi DIR"), (("nowhere", "-o", "x"), "nowhere is not a folder")],
)
def test_a_call_that_cannot_be_meant_says_what_to_give(args: tuple[str, ...], said: str) -> None:
    done = script(*args)
    assert done.returncode == 2
    assert said in done.stderr
