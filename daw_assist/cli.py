"""`daw-assist <command>`: reads the command line, calls `app`, turns errors into one line. Thin."""

from __future__ import annotations

import argparse
import logging
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

from daw_assist import (
    app,
    beside,
    config,
    demo,
    doctor,
    live_command,
    picture_command,
    plugins_command,
    render_command,
    score_command,
)
from daw_assist.bench import command as bench
from daw_assist.errors import DawAssistError, UsageError
from daw_assist.music.parts import PART_NAMES
from daw_assist.server.server import installed_version
from daw_assist.suggest.harmony import COMPLEXITIES, PATTERNS, RHYTHMS, VOICE_NAMES, HarmonySettings
from daw_assist.suggest.modes import Mode
from daw_assist.suggest.steer import SYNCS
from daw_assist.suggest.suggestion import Settings
from daw_assist.tokens.asked import part_words
from models_onnx.manifest import ModelError as ModelFault
from plugin_host.errors import SoundError

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0, 2 for usage, 1 for anything else, with one line on stderr."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        # What is set in the configuration file is what a flag that is not given means.
        defaults = config.load().live if "live" in given[:2] else {}
        args = _parser(defaults).parse_args(given)
        logging.basicConfig(level=logging.DEBUG if args.verbose else logging.WARNING, format="%(name)s: %(message)s")
        run: Command = args.run
        return run(args)
    except UsageError as error:
        print(f"daw-assist: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 1
    except (DawAssistError, ModelFault, SoundError) as error:
        print(f"daw-assist: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"daw-assist: {error.filename or 'the system'}: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, like every other error."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _cores(text: str) -> int:
    count = int(text)
    if count < 0:
        raise argparse.ArgumentTypeError(f"cores must be 0 or more, not {count}")
    return count


def _parser(live_defaults: Mapping[str, Any] = MappingProxyType({})) -> argparse.ArgumentParser:
    parser = _Parser(prog="daw-assist", description="An AI co-composer that plays along inside any DAW.")
    parser.add_argument("--version", action="version", version=f"daw-assist {installed_version()}")
    parser.add_argument("--verbose", action="store_true", help="say more on stderr")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _demo(commands)
    _preset(_live(commands), live_defaults)
    _server(commands)
    _continue(commands)
    _fill(commands)
    _harmonize(commands)
    _sound(commands)
    _models(commands)
    return parser


def _preset(parser: _Parser, values: Mapping[str, Any]) -> None:
    """Defaults from the configuration file, judged as if they had been typed."""
    for action in parser._actions:
        if action.dest not in values:
            continue
        value = values[action.dest]
        try:
            value = action.type(str(value)) if callable(action.type) else value
        except (ValueError, argparse.ArgumentTypeError) as error:
            raise UsageError(f"{config.config_path()}: live.{action.dest}: {error}") from None
        if action.choices is not None and value not in action.choices:
            there = ", ".join(map(str, action.choices))
            raise UsageError(f"{config.config_path()}: live.{action.dest} must be one of {there}, not {value!r}")
        parser.set_defaults(**{action.dest: value})


def _model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default=app.DEFAULT_MODEL, help="name (see `daw-assist models`) or folder")
    parser.add_argument("--provider", choices=("auto", "cuda", "cpu"), default="auto")
    parser.add_argument("--threads", type=_cores, default=0, help="cores for the model (0: as many as are best here)")


def _settings_options(parser: argparse.ArgumentParser, bars: bool = True) -> None:
    usual = Settings()
    if bars:
        parser.add_argument("--bars", type=int, default=usual.bars, help="bars to make, 1..16 (default %(default)s)")
    parser.add_argument("--candidates", type=int, default=usual.candidates, help="how many, 1..8 (default %(default)s)")
    parser.add_argument("--seed", type=int, help="the same seed gives the same notes (default: a new one, told)")
    parser.add_argument(
        "--temperature", type=float, default=usual.temperature, help="0.1 safe .. 2 wild (default %(default)s)"
    )
    parser.add_argument("--top-p", type=float, default=usual.top_p, help="nucleus, 0.01..1 (default %(default)s)")
    parser.add_argument("--style", help="e.g. song, dance, piano, rock")
    parser.add_argument("--key", help='scale lock, e.g. "G" or "F# minor" (default: any pitch)')
    parser.add_argument("--density", type=int, help="0 empty .. 7 very dense")
    parser.add_argument("--polyphony", type=int, help="0 empty, 1 a single line .. 7 five voices and more")
    parser.add_argument("--register", type=int, help="0 lowest .. 7 highest")
    parser.add_argument("--loudness", type=int, help="0 softest .. 7 loudest")
    parser.add_argument("--syncopation", type=int, help="0 on the beat .. 7 off it")
    parser.add_argument(
        "--similarity", type=float,
        help="0 away from the given music .. 1 its motifs over and over (default: 0.5, as learned)",
    )  # fmt: skip
    rest = "those heard" if bars else "those in these bars that are not locked"
    rest += "" if bars else "; without --lock, parts not named here stay as they are"
    parser.add_argument(
        "--parts", type=part_words, metavar="PART,PART",
        help=f"who may play, with commas between: {', '.join(PART_NAMES)} (default: {rest})",
    )  # fmt: skip


def _settings(args: argparse.Namespace) -> Settings:
    seed = secrets.randbelow(2**31) if args.seed is None else args.seed
    # A file tells its own tempo, a live session its clock's; `fill` has its bars from the range.
    asked = {
        field.name: getattr(args, field.name)
        for field in fields(Settings)
        if field.name in args and field.name != "bpm"
    }
    return Settings(**asked | {"seed": seed})


SOURCE = "a .mid, or a recording (.wav .flac .mp3 .ogg .aiff) of something hummed or played"


def _audio_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("with a recording")
    group.add_argument(
        "--bpm", dest="audio_bpm", type=float, help="its tempo in quarters a minute (default: found by its rhythm)"
    )
    group.add_argument("--meter", dest="audio_meter", metavar="METER", help="its metre (default: 4/4)")
    group.add_argument(
        "--voices", choices=("auto", "single", "many"), default="auto",
        help="single: a hum, one line; many: chords, two hands (default: as it sounds)",
    )  # fmt: skip


def _continue(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser("continue", help="a .mid or a recording in, the same followed by new bars out")
    parser.add_argument("source", type=Path, metavar="IN", help=SOURCE)
    _audio_options(parser)
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT.mid")
    parser.add_argument("--json", action="store_true", help="print what was done as JSON on stdout")
    _settings_options(parser)
    _model_options(parser)
    render_command.add_audio_options(parser)
    parser.set_defaults(run=lambda a: app.run_continue(a, _settings(a)))


def _fill(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser("fill", help="a .mid in, the same with new music in some of its bars out")
    parser.add_argument("source", type=Path, metavar="IN", help=SOURCE)
    _audio_options(parser)
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT.mid")
    parser.add_argument(
        "--from", dest="first", type=int, required=True, metavar="BAR", help="first bar, counted from 1"
    )
    parser.add_argument("--to", dest="last", type=int, required=True, metavar="BAR", help="last bar, included")
    parser.add_argument(
        "--lock", type=part_words, default=(), metavar="PART,PART",
        help="parts that stay as they are, with commas between; those neither locked nor named with --parts are emptied "
        "in these bars (with --parts alone they stay)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print what was done as JSON on stdout")
    _settings_options(parser, bars=False)
    _model_options(parser)
    render_command.add_audio_options(parser)
    parser.set_defaults(run=lambda a: app.run_fill(a, _settings(a)))


def _harmonize(commands: argparse._SubParsersAction[_Parser]) -> None:
    usual = HarmonySettings()
    parser = commands.add_parser(
        "harmonize", help="a .mid with a melody in, the same with chords or three more voices out",
        description="Your tracks stay as they are; what is new comes in tracks of its own, and the chord symbols as markers.",
    )  # fmt: skip
    parser.add_argument("source", type=Path, metavar="IN", help=SOURCE)
    _audio_options(parser)
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT.mid")
    parser.add_argument(
        "--as", dest="kind", choices=("chords", "satb"), required=True,
        help="chords under the melody, or four voices of which it is one",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print what was done as JSON on stdout")
    parser.add_argument(
        "--melody", type=str.lower, metavar="PART",
        help=f"who has the melody: {', '.join(PART_NAMES[:-1])} (default: a voice or lead, else the highest notes of all)",
    )  # fmt: skip
    parser.add_argument("--key", help='e.g. "G" or "F# minor" (default: the key that the melody is in)')
    parser.add_argument(
        "--temperature", type=float, default=usual.temperature, help="0.05 plain .. 2 daring (default %(default)s)"
    )
    parser.add_argument("--seed", type=int, help="the same seed gives the same notes (default: a new one, told)")
    parser.add_argument(
        "--candidates", type=int, default=usual.candidates, help="how many, 1..8, the best first (default %(default)s)"
    )
    parser.add_argument(
        "--live", action="store_true",
        help="decide each chord or voice from the melody before it alone, as when playing along",
    )  # fmt: skip
    _chord_options(parser, usual)
    voices = parser.add_argument_group("with --as satb")
    voices.add_argument("--given", choices=VOICE_NAMES, help=f"which voice the melody is (default {usual.given})")
    parser.add_argument("--model", help="name (see `daw-assist models`) or folder (default: chords, or voices)")
    parser.add_argument("--provider", choices=("auto", "cuda", "cpu"), default="auto")
    parser.add_argument("--threads", type=_cores, default=0, help="cores for the model (0: one)")
    render_command.add_audio_options(parser)
    parser.set_defaults(run=lambda a: app.run_harmonize(a, _harmony_settings(a)))


def _chord_options(parser: argparse.ArgumentParser, usual: HarmonySettings) -> None:
    group = parser.add_argument_group("with --as chords")
    group.add_argument(
        "--chords", metavar="LINE",
        help='chords that stay, bar by bar; the rest is filled: "C | Am F | C / / G7 | ?" (/ goes on, ? leaves open), '
        "or from-file: those that stand as markers in IN.mid",
    )  # fmt: skip
    group.add_argument("--rhythm", choices=RHYTHMS, help=f"how often the chord may change (default {usual.rhythm})")
    group.add_argument(
        "--complexity", choices=COMPLEXITIES, help=f"the richest kind of chord (default {usual.complexity})"
    )
    group.add_argument("--style", help="e.g. jazz, folk; one that the model learned")
    group.add_argument("--pattern", choices=PATTERNS, help=f"how the chords are played (default {usual.pattern})")
    group.add_argument("--register", type=int, help=f"where they lie, 0 lowest .. 7 highest (default {usual.register})")
    group.add_argument("--density", type=int, help=f"0 few, long notes .. 7 many, all voices (default {usual.density})")


def _sound(commands: argparse._SubParsersAction[_Parser]) -> None:
    for name, told, add_options, run in (
        ("render", "a .mid in, sound out: .wav, .flac, .mp3 or .ogg", render_command.add_options, render_command.run),
        (
            "play", "a .mid on the sound output, as `render` would write it",
            render_command.add_play_options, render_command.run_play,
        ),
        ("picture", "a .mid in, its piano roll as .png or .svg out", picture_command.add_options, picture_command.run),
        ("score", "a .mid in, its notation as .musicxml, .svg or .pdf out", score_command.add_options, score_command.run),
        (
            "plugins", "the VST3/AU plug-ins of this machine, and which of them work",
            plugins_command.add_options, plugins_command.run,
        ),
    ):  # fmt: skip
        parser = commands.add_parser(name, help=told)
        add_options(parser)
        parser.set_defaults(run=run)


_FOR_CHORDS = ("chords", "rhythm", "complexity", "style", "pattern", "register", "density")
_FOR_VOICES = ("given",)


def _harmony_settings(args: argparse.Namespace) -> HarmonySettings:
    """`UsageError` for an option of the other kind, which would do nothing."""
    idle, of = (_FOR_CHORDS, "chords") if args.kind == "satb" else (_FOR_VOICES, "satb")
    for name in idle:
        if getattr(args, name) is not None:
            raise UsageError(f"--{name} is for --as {of}: leave it out with --as {args.kind}")
    seed = secrets.randbelow(2**31) if args.seed is None else args.seed
    asked = {field.name: getattr(args, field.name) for field in fields(HarmonySettings)}
    return HarmonySettings(**{name: value for name, value in asked.items() if value is not None} | {"seed": seed})


def _demo(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser("demo", help="a shipped tune is played as though live; no DAW, no MIDI system needed")
    parser.add_argument(
        "--out", type=Path, default=Path(), help="folder for demo.mid, demo.wav and demo.png (default: here)"
    )
    parser.add_argument("--bpm", type=float, help="default 132; with --web 100")
    parser.add_argument("--seed", type=int, default=7)
    _web_option(parser)
    _model_options(parser)
    parser.set_defaults(run=_run_demo)


def _run_demo(args: argparse.Namespace) -> int:
    """The tune, or (`--web`) `live` with a page and without MIDI, opened in the browser."""
    if args.web is None:
        return demo.run_demo(args.out, args.bpm or 132.0, args.seed, args.model, args.provider, args.threads)
    words = ["live", "--web", str(args.web), "--no-midi", "--sync", "internal", "--model", args.model]
    words += [
        "--provider",
        args.provider,
        "--threads",
        str(args.threads),
        "--seed",
        str(args.seed),
        "--bpm",
        str(args.bpm or 100.0),
    ]
    live = _parser().parse_args(words)
    live.browse = True
    return _run_live(live)


def _live(commands: argparse._SubParsersAction[_Parser]) -> _Parser:
    parser = commands.add_parser("live", help="play along: virtual MIDI ports, following the DAW's clock")
    parser.add_argument(
        "--virtual", default="daw-assist", metavar="NAME", help="name of the virtual ports (default %(default)s)"
    )
    parser.add_argument("--in", dest="in_port", metavar="PORT", help="listen on an existing port instead")
    parser.add_argument("--out", dest="out_port", metavar="PORT", help="play to an existing port instead")
    parser.add_argument("--api", choices=("auto", "alsa", "jack", "coremidi", "winmm"), default="auto")
    parser.add_argument(
        "--sync", choices=SYNCS, default="auto",
        help="auto: MIDI clock, else JACK's transport, else our own clock once it is tapped; link: Ableton Link, over the "
        "local network (default %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--count-in", type=int, default=0, metavar="BARS", help="with --sync internal: clicks before bar 1"
    )
    parser.add_argument(
        "--bpm", type=float, default=120.0, help="tempo of the internal clock, and a first guess for the DAW's"
    )
    parser.add_argument("--meter", default="4/4", help="MIDI clock does not say it (default %(default)s)")
    parser.add_argument(
        "--mode", choices=[str(mode) for mode in Mode], default=str(Mode.CONTINUE),
        help="continue: bars that follow, when accepted; trade: --bars bars you, as many it, in turn; harmonize: chords "
        "under what you play; accompany: chords, bass and drums under it; fill: bars between others (default %(default)s)",
    )  # fmt: skip
    parser.add_argument("--fill", metavar="BARS", help="with --mode fill: which bars of the song, such as 5-6")
    parser.add_argument("--accept-cc", type=int, help="control change that accepts (default 66, or as it was learned)")
    parser.add_argument("--reject-cc", type=int, help="control change that rejects (default 67, or as it was learned)")
    parser.add_argument("--channel", type=int, default=1, help="channel of what is played, 1..16, for pitched parts")
    parser.add_argument("--route", metavar="PART=CH,...", help="channels of single parts, such as bass=2,drums=10")
    parser.add_argument(
        "--audition-channel", type=int, default=16, help="channel on which a candidate is tried (default %(default)s)"
    )
    parser.add_argument("--thru", action="store_true", help="send what you play on to the out port")
    parser.add_argument(
        "--spp-unit", type=int, choices=(6, 1), default=6, help="1 for Ardour before 7.4, which counts clocks"
    )
    parser.add_argument("--latency-ms", type=float, default=0.0, help="send this much early")
    parser.add_argument("--from", dest="tune", type=Path, metavar="TUNE.mid", help="play a file as though live")
    parser.add_argument(
        "--accept-bar", type=int, help="with --from: accept in this bar of the tune (default: its last)"
    )
    parser.add_argument("--endpoint", help="server to use or start (default: a private one)")
    _web_option(parser)
    parser.add_argument("--no-midi", action="store_true", help="with --web: no ports, the page is keyboard and sound")
    _settings_options(parser)
    _live_chord_options(parser)
    _model_options(parser)
    parser.set_defaults(run=_run_live, temperature=None, browse=False)
    return parser


def _web_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--web", type=int, nargs="?", const=0, metavar="PORT",
        help="the companion page too, on 127.0.0.1 (default port: one that is free)",
    )  # fmt: skip


def _live_chord_options(parser: argparse.ArgumentParser) -> None:
    usual = HarmonySettings()
    group = parser.add_argument_group(
        "with --mode harmonize",
        "Chords sound from the first notes on, without being accepted; accept and reject turn them on and off. Of the "
        "options above, --seed, --key and --style are for the chords then, and so are --temperature (0.05 plain .. 2 "
        f"daring, default {usual.temperature}), --register (where they lie, 0 lowest .. 7 highest, default "
        f"{usual.register}) and --density (0 few, long notes .. 7 many, all voices, default {usual.density}).",
    )
    group.add_argument("--rhythm", choices=RHYTHMS, help=f"how often the chord may change (default {usual.rhythm})")
    group.add_argument(
        "--complexity", choices=COMPLEXITIES, help=f"the richest kind of chord (default {usual.complexity})"
    )
    group.add_argument("--pattern", choices=PATTERNS, help=f"how the chords are played (default {usual.pattern})")
    group.add_argument("--chord-model", default="chords", metavar="MODEL", help="name or folder (default %(default)s)")


_CHORDS_ONLY = ("rhythm", "complexity", "pattern")
_CHORDS = (*_CHORDS_ONLY, "key", "style", "temperature", "register", "density")
_PLANS_ONLY = ("polyphony", "loudness", "syncopation", "similarity", "parts", "tune")


def _run_live(args: argparse.Namespace) -> int:
    read, mode = config.load(), Mode(args.mode)
    idle = _PLANS_ONLY if mode.has_chords else _CHORDS_ONLY
    for name in idle:
        if getattr(args, name) is not None:
            option = "from" if name == "tune" else name
            raise UsageError(f"--{option} is not for --mode {args.mode}: leave it out, or choose another mode")
    if args.tune and mode is not Mode.CONTINUE:
        raise UsageError(f"--from is for --mode continue, not {args.mode}")
    seed = secrets.randbelow(2**31) if args.seed is None else args.seed
    asked = {name: getattr(args, name) for name in _CHORDS if mode.has_chords and getattr(args, name) is not None}
    if mode is Mode.ACCOMPANY:
        asked.pop("style", None)  # it is the drummer's
        asked.setdefault("pattern", "bass+chord")
    harmony = HarmonySettings(**asked, seed=seed)
    if mode.has_chords:
        settings = Settings(seed=seed, bars=args.bars, style=args.style if mode is Mode.ACCOMPANY else None)
        return live_command.run_live(args, settings, read, harmony)
    if args.temperature is None:
        args.temperature = Settings().temperature
    args.seed = seed
    if args.tune:
        return demo.play_file(args, _settings(args))
    return live_command.run_live(args, _settings(args), read, harmony)


def _server(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser("serve", help="the engine server alone (ZeroMQ)")
    parser.add_argument("--endpoint", help="ipc:///path or tcp://127.0.0.1:port (default: a private ipc socket)")
    parser.add_argument("--chord-model", default="chords", metavar="MODEL", help="name or folder (default %(default)s)")
    _model_options(parser)
    parser.set_defaults(run=lambda a: beside.run_serve(a.endpoint, a.model, a.provider, a.threads, a.chord_model))
    ask = commands.add_parser(
        "ask", help="one request to a running server, JSON out", epilog=app.protocol_table(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    ask.add_argument("name", metavar="NAME")
    ask.add_argument("fields", nargs="*", metavar="key=value")
    ask.add_argument("--endpoint")
    ask.add_argument("--timeout", type=float, default=30.0, help="seconds (default %(default)s)")
    ask.set_defaults(run=lambda a: app.run_ask(a.name, a.fields, a.endpoint, a.timeout))


def _models(commands: argparse._SubParsersAction[_Parser]) -> None:
    models = commands.add_parser("models", help="what is installed: size, precision, data licence, scores")
    models.add_argument("name", nargs="?")
    models.set_defaults(run=lambda a: app.run_models(a.name))
    export = commands.add_parser("export", help="a training checkpoint to ONNX model folders (needs the train extra)")
    export.add_argument("checkpoint", type=Path)
    export.add_argument("-o", "--out", type=Path, required=True)
    export.add_argument("--name", default="small")
    export.add_argument("--precision", nargs="+", choices=("fp32", "fp16", "int8"), default=["fp32", "int8"])
    export.add_argument("--corpora", type=Path, help="packed corpora (scripts/prepare_corpora.py) to verify it on")
    export.set_defaults(run=lambda a: app.run_export(a.checkpoint, a.out, a.name, a.precision, a.corpora))
    bench.add_commands(commands.add_parser("bench", help="measure on this machine"))
    checks = commands.add_parser("doctor", help="what works on this machine, and what to do about the rest")
    doctor.add_options(checks)
    checks.set_defaults(run=doctor.run)
    ports = commands.add_parser("ports", help="the MIDI ports of this machine")
    ports.add_argument("--api", choices=("auto", "alsa", "jack", "coremidi", "winmm"), default="auto")
    ports.set_defaults(run=lambda a: app.run_ports(a.api))


if __name__ == "__main__":
    sys.exit(main())
