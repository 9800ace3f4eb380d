"""`daw-assist picture`: a .mid in, its piano roll out, as PNG or SVG."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from daw_assist.errors import UsageError
from daw_assist.midi.file import load_midi, to_song
from daw_assist.pictures import DARK, LIGHT, laid_out, png_bytes, roll_of, svg_text
from daw_assist.score.lines import lines_of_file
from daw_assist.score.symbols import symbols_of
from daw_assist.whole_file import check_target, printable_name, save_whole

SUFFIXES = (".png", ".svg")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `picture`."""
    parser.add_argument("source", type=Path, metavar="IN.mid")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT.png|.svg")
    parser.add_argument("--from", dest="first", type=int, metavar="BAR", help="first bar, counted from 1")
    parser.add_argument("--to", dest="last", type=int, metavar="BAR", help="last bar, included")
    parser.add_argument(
        "--suggested-from", type=int, metavar="BAR",
        help="bars from here on are shown as suggested (default: what `daw-assist continue` added)",
    )  # fmt: skip
    parser.add_argument("--dark", action="store_true", help="light on dark")
    parser.add_argument("--title", help="what stands over it (default: the name of the file)")
    parser.add_argument("--caption", default="", help="what stands beneath it, such as seed and model")


def run(args: argparse.Namespace) -> int:
    """Draw the file; 0. `UsageError` for a name or a bar that cannot be meant, `MidiFileError` for the file."""
    check_target(args.out, SUFFIXES)
    file = load_midi(args.source)
    song = to_song(file, args.source.name)
    new = () if args.suggested_from is not None else lines_of_file(file).suggested
    taken = {(note.onset, note.part, note.pitch) for note in new}
    kept = tuple(note for note in song.notes if (note.onset, note.part, note.pitch) not in taken)
    title = args.source.stem if args.title is None else args.title
    try:
        roll = roll_of(
            type(song)(kept, song.metres, song.tempo), suggested_from=args.suggested_from, suggested=new,
            first=args.first, last=args.last, chords=symbols_of(file), title=title, caption=args.caption,
        )  # fmt: skip
    except UsageError as error:
        raise UsageError(f"{printable_name(Path(args.source.name))}: {error}") from error
    picture = laid_out(roll, DARK if args.dark else LIGHT)
    if args.out.suffix.lower() == ".png":
        save_whole(args.out, png_bytes(picture))
    else:
        save_whole(args.out, svg_text(picture, f"piano roll of {title}" if title else "piano roll").encode())
    if picture.told:
        print(f"{printable_name(args.out)}: {picture.told}; choose with --from and --to", file=sys.stderr)
    print(f"{printable_name(args.out)}: {picture.width} x {picture.height} pixels")
    return 0
