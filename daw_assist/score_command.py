"""`daw-assist score`: a .mid in, its notation out, as MusicXML or as engraved pages."""

from __future__ import annotations

import argparse
from pathlib import Path

from daw_assist.errors import UsageError
from daw_assist.midi.file import MidiFile, load_midi, to_song
from daw_assist.music.bars import Song
from daw_assist.music.metre import bar_lines
from daw_assist.music.notes import Note
from daw_assist.music.time import Ticks
from daw_assist.score import Sheet, lines_of_file, musicxml_bytes, mxl_bytes, sheet_of
from daw_assist.score.engrave import pages
from daw_assist.score.pdf import pdf_bytes
from daw_assist.score.symbols import symbols_of
from daw_assist.whole_file import check_target, printable_name, save_whole

SUFFIXES = (".musicxml", ".mxl", ".svg", ".pdf")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `score`."""
    parser.add_argument("source", type=Path, metavar="IN.mid")
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="OUT.musicxml|.mxl|.svg|.pdf",
        help="MusicXML, or pages (those need the score extra); of several SVG pages the second is OUT-2.svg",
    )  # fmt: skip
    parser.add_argument(
        "--suggested-from", type=int, metavar="BAR",
        help="a double bar and a word stand before this bar (default: where what `daw-assist continue` added begins)",
    )  # fmt: skip
    parser.add_argument("--title", help="what stands over it (default: the name of the file)")
    parser.add_argument("--seed", type=int, help="the suggestion's, to be told beside the word")


def run(args: argparse.Namespace) -> int:
    """Write the file down; 0. `UsageError` for what cannot be meant, `MidiFileError` for the file."""
    check_target(args.out, SUFFIXES)
    file = load_midi(args.source)
    try:
        sheet = _sheet(file, to_song(file, args.source.name), args)
    except UsageError as error:
        raise UsageError(f"{printable_name(Path(args.source.name))}: {error}") from error
    written = _write(sheet, args.out)
    names = ", ".join(printable_name(path) for path in written[:3]) + (" ..." if len(written) > 3 else "")
    players = len(sheet.players)
    print(f"{names}: {len(sheet.lines)} bars, {players} instrument{'s' if players > 1 else ''}")
    return 0


def _sheet(file: MidiFile, song: Song, args: argparse.Namespace) -> Sheet:
    found = lines_of_file(file)
    first = args.suggested_from
    if first is None and found.suggested:
        first = _bar_of(song, found.suggested[0])
    return sheet_of(
        found.lines, song.metres, song.tempo, suggested_from=first,
        suggested_text="suggested" if args.seed is None else f"suggested (seed {args.seed})",
        chords=symbols_of(file), title=args.source.stem if args.title is None else args.title,
    )  # fmt: skip


def _bar_of(song: Song, note: Note) -> int:
    """The bar in which a note starts, counted from 1."""
    return sum(1 for _ in bar_lines(song.metres, Ticks(note.onset + 1)))


def _write(sheet: Sheet, out: Path) -> list[Path]:
    """The files that were written: each whole; of pages all are made before the first is written."""
    suffix = out.suffix.lower()
    if suffix in (".musicxml", ".mxl"):
        save_whole(out, musicxml_bytes(sheet) if suffix == ".musicxml" else mxl_bytes(sheet))
        return [out]
    staves = sum(len(player.staves) for player in sheet.players)
    made = pages(musicxml_bytes(sheet), staves, crop=suffix == ".svg")
    if suffix == ".pdf":
        save_whole(out, pdf_bytes(made, sheet.title))
        return [out]
    paths = [out, *(out.with_name(f"{out.stem}-{number}{out.suffix}") for number in range(2, len(made) + 1))]
    for path, page in zip(paths, made, strict=True):
        save_whole(path, page.encode())
    return paths
