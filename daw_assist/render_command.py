"""`render`, and the sound that other commands write beside their .mid: options, progress, what is told."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress as Bar

from daw_assist.errors import UsageError
from daw_assist.midi.file import MidiFile, load_midi
from daw_assist.render import Rendered, Sound, check_sound, listen_to, render_midi
from daw_assist.server.server import installed_version
from plugin_host.job import FORMATS, RATES, Progress
from plugin_host.rack import DEFAULT_DBTP, DEFAULT_LUFS, Channel, Master, Rack, load_rack


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `render`."""
    parser.add_argument("source", type=Path, metavar="IN.mid")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT", help=f"a {', '.join(FORMATS)} file")
    parser.add_argument("--json", action="store_true", help="print what was done as JSON on stdout")
    add_sound_options(parser)
    parser.add_argument("--title", help="tag (default: the name of the file)")


def add_sound_options(parser: argparse.ArgumentParser) -> None:
    """How `render` makes and writes the sound."""
    group = _rack_options(parser)
    group.add_argument("--loudness", metavar="LUFS", help=f"-60 to -5, or off (default {DEFAULT_LUFS:g})")
    group.add_argument("--stems", action="store_true", help="a file for each part too")
    group.add_argument("--rate", type=int, default=48_000, choices=RATES, metavar="HZ", help="default %(default)s")
    group.add_argument("--bits", type=int, choices=(16, 24, 32), help=".wav, .flac: default 24; 32 is floating point")
    group.add_argument("--quality", help='.mp3: V0 to V9 or "320 kbps"; .ogg: "192 kbps" and so on; .flac: 0 to 8')


def _rack_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    group = parser.add_argument_group(
        "sound", "PART= before a value says for whom (a track's name, or keys, bass, drums ...); without it, for all."
    )
    group.add_argument("--rack", type=Path, metavar="RACK.toml", help="instruments, gains, pans and effects by part")
    group.add_argument("--plugin", action="append", default=[], metavar="[PART=]X.vst3", help="a VST3 or AU instrument")
    group.add_argument("--preset", action="append", default=[], metavar="[PART=]P", help="of the plug-in")
    group.add_argument(
        "--soundfont", action="append", default=[], metavar="[PART=]F.sf2", help="instead of the one within"
    )
    group.add_argument("--ceiling", type=float, metavar="DBTP", help=f"true peak, -20 to 0 (default {DEFAULT_DBTP:g})")
    group.add_argument("--tail", type=float, metavar="S", help="seconds after the last event (default: until silent)")
    return group


def add_play_options(parser: argparse.ArgumentParser) -> None:
    """The options of `play`."""
    parser.add_argument("source", type=Path, metavar="IN.mid")
    parser.add_argument("--device", metavar="NAME", help="the sound output (default: the system's own)")
    _rack_options(parser)
    parser.set_defaults(loudness=None, stems=False, rate=48_000, bits=None, quality=None)


def run_play(args: argparse.Namespace) -> int:
    """`play`: what `render` would write, on the sound output; Ctrl-C ends it."""
    with _progress() as on_progress:
        listen_to(load_midi(args.source), args.source.name, sound_of(args), args.device, on_progress)
    return 0


def add_audio_options(parser: argparse.ArgumentParser) -> None:
    """What the commands that write a .mid need to write its sound too."""
    group = parser.add_argument_group("sound")
    group.add_argument(
        "--audio", type=Path, metavar="FILE", help=f"the result as sound too: a {', '.join(FORMATS)} file"
    )
    group.add_argument("--rack", type=Path, metavar="RACK.toml", help="with --audio: as for `render`")


def audio_wanted(args: argparse.Namespace) -> Sound | None:
    """How `--audio` is to sound, before anything is composed; `UsageError` if it cannot be."""
    if args.audio is None:
        if args.rack is not None:
            raise UsageError("--rack is for --audio: say where the sound is to go, or leave it out")
        return None
    if args.audio.resolve() in (args.source.resolve(), args.out.resolve()):
        raise UsageError(
            f"--audio {args.audio} is another file of this command, which would be lost: choose another name"
        )
    sound = Sound(rack=Rack() if args.rack is None else load_rack(args.rack))
    check_sound(args.audio, sound)
    return sound


def add_audio(args: argparse.Namespace, sound: Sound | None, told: dict[str, Any]) -> str | None:
    """The sound of what a command wrote, said where it comes from in its tags; what was made joins `told`."""
    if sound is None:
        return None
    tags = {"title": args.out.stem} | tags_of_suggestion(told) | tags_of_tool()
    made = render_shown(load_midi(args.out), args.out.name, args.audio, replace(sound, tags=tags))
    told["audio"] = made.told()
    return told_line(made)


def run(args: argparse.Namespace) -> int:
    """`render`."""
    sound = sound_of(args)
    if args.out.resolve() == args.source.resolve():
        raise UsageError(f"{args.out} is the input, which would be lost: choose another name for -o")
    tags = {"title": args.title or args.source.stem} | tags_of_tool()
    made = render_shown(load_midi(args.source), args.source.name, args.out, replace(sound, tags=tags))
    if args.json:
        print(json.dumps(made.told()))
    else:
        print(told_line(made))
    return 0


def sound_of(args: argparse.Namespace) -> Sound:
    """What the sound options mean; `UsageError` for what they cannot."""
    rack = Rack() if args.rack is None else load_rack(args.rack)
    for option, field in (("plugin", "plugin"), ("preset", "preset"), ("soundfont", "soundfont")):
        rack = _with_choices(rack, getattr(args, option), field)
    return Sound(
        rack=replace(rack, master=_master(rack.master, args.loudness, args.ceiling)),
        stems=args.stems,
        tail_s=args.tail,
        rate=args.rate,
        bits=args.bits,
        quality=args.quality,
    )


def _with_choices(rack: Rack, given: Sequence[str], field: str) -> Rack:
    """`PART=value` or `value` put over what the rack says."""
    parts = dict(rack.parts)
    for text in given:
        part, has_part, value = text.partition("=")
        key, value = (part.casefold(), value) if has_part and not Path(text).exists() else ("default", text)
        if not value:
            raise UsageError(f"--{field} {text}: there is nothing after the =")
        value = str(Path(value).expanduser())
        channel = parts.get(key, Channel())
        if field == "preset" and channel.plugin is None:
            raise UsageError(
                f"--preset {text} is for a plug-in: say which with --plugin {'' if key == 'default' else f'{key}='}X.vst3"
            )
        cleared: dict[str, Any] = {"plugin": {"soundfont": None}, "soundfont": {"plugin": None, "preset": None}}.get(
            field, {}
        )
        parts[key] = replace(channel, **(cleared | {field: value}))
    return replace(rack, parts=parts)


def _master(master: Master, loudness: str | None, ceiling: float | None) -> Master:
    if loudness is not None:
        try:
            wanted = None if loudness == "off" else float(loudness)
        except ValueError:
            raise UsageError(f"--loudness must be a number from -60 to -5, or off, not {loudness!r}") from None
        if wanted is not None and not -60 <= wanted <= -5:
            raise UsageError(f"--loudness must be from -60 to -5, or off, not {loudness}")
        master = replace(master, loudness_lufs=wanted)
    if ceiling is not None:
        if not -20 <= ceiling <= 0:
            raise UsageError(f"--ceiling must be from -20 to 0, not {ceiling:g}")
        master = replace(master, ceiling_dbtp=ceiling)
    return master


def tags_of_tool() -> dict[str, str]:
    """The tag every file has."""
    return {"encoder": f"daw-assist {installed_version()}"}


def tags_of_suggestion(told: dict[str, Any]) -> dict[str, str]:
    """Where the music comes from, of what `continue` and the like tell."""
    best = told["candidates"][0]
    sha = str(told.get("sha256", ""))[:12]
    return {"comment": f"model {told['model']} {sha}, seed {best.get('seed', told['seed'])}".replace(" ,", ",")}


def save_sound(source: Path, target: Path, tags: dict[str, str]) -> str:
    """A .mid that was just written, as sound beside it; one line of how it came out."""
    sound = Sound(tags=tags | tags_of_tool())
    return told_line(render_shown(load_midi(source), source.name, target, sound))


def render_shown(file: MidiFile, name: str, target: Path, sound: Sound) -> Rendered:
    """Render with a bar on stderr."""
    with _progress() as on_progress:
        return render_midi(file, name, target, sound, on_progress)


def told_line(made: Rendered) -> str:
    """One line for a musician."""
    report = made.report
    seconds = report.frames / report.rate
    loud = "too short to measure" if report.lufs is None else f"{report.lufs:.1f} LUFS"
    peak = "silent" if report.peak_dbtp is None else f"peak {report.peak_dbtp:.1f} dBTP"
    stems = f", {len(made.stems)} stems beside it" if made.stems else ""
    return f"{made.path}: {int(seconds // 60)}:{seconds % 60:04.1f}, {loud}, {peak}, {report.synthesizer}{stems}"


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    """A bar on stderr; nothing where there is no terminal."""
    console = Console(stderr=True)
    with Bar(console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task("starting", total=1.0)

        def on_progress(told: Progress) -> None:
            shown.update(task, description=told.doing, completed=told.share)

        yield on_progress
