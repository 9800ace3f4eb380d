"""The commands that are no live process: what each needs is built here, and what it did is told."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Console
from rich.progress import Progress

from daw_assist.errors import UsageError
from daw_assist.music.notes import Note
from daw_assist.render_command import add_audio, audio_wanted
from daw_assist.server.client import Client
from daw_assist.server.protocol import request_from_text, table_text
from daw_assist.suggest.harmony import HarmonySettings
from daw_assist.suggest.suggestion import Settings
from models_onnx import manifest as models

if TYPE_CHECKING:
    from daw_assist.audio_in import ListenFor
    from daw_assist.engine.worker import LoadedModel
    from daw_assist.pipeline import OnNote

DEFAULT_MODEL = models.DEFAULT_MODEL
MOST_FAULTS = 8
"""Faults of a candidate that are told to people; programs get all of them."""


def protocol_table() -> str:
    """Every request, for `ask --help`."""
    return table_text()


def run_continue(args: argparse.Namespace, settings: Settings) -> int:
    """`continue`: the path on files, in this process."""
    from daw_assist.offline import continue_file

    sound = audio_wanted(args)
    with _progress(settings.candidates, settings.bars) as on_note:
        told = continue_file(args.source, args.out, settings, _loader(args), on_note, _listen(args))
    return _told(told, args.json, add_audio(args, sound, told))


def run_fill(args: argparse.Namespace, settings: Settings) -> int:
    """`fill`: as `continue`, between bars."""
    from daw_assist.offline import fill_file

    span, sound = (args.first, args.last), audio_wanted(args)
    with _progress(settings.candidates, args.last - args.first + 1) as on_note:
        told = fill_file(args.source, args.out, span, args.lock, settings, _loader(args), on_note, _listen(args))
    return _told(told, args.json, add_audio(args, sound, told))


def run_harmonize(args: argparse.Namespace, settings: HarmonySettings) -> int:
    """`harmonize`: chords or voices to a melody in a file, in this process."""
    from daw_assist.harmonize import LoadedChords, LoadedVoices
    from daw_assist.harmonize_file import chords_file, satb_file, told_lines

    sound = audio_wanted(args)
    with _waiting("harmonizing"):
        if args.kind == "satb":
            told = satb_file(
                args.source, args.out, settings,
                lambda: LoadedVoices.open(args.model or "voices", args.provider, args.threads),
                melody=args.melody, live=args.live, listen=_listen(args),
            )  # fmt: skip
        else:
            told = chords_file(
                args.source, args.out, settings,
                lambda: LoadedChords.open(args.model or "chords", args.provider, args.threads),
                melody=args.melody, chords=args.chords, live=args.live, listen=_listen(args),
            )  # fmt: skip
    heard = add_audio(args, sound, told)
    if args.json:
        print(json.dumps(told))
        return 0
    print("\n".join([*told_lines(told), *([heard] if heard else [])]))
    return _told_faults(told)


def _listen(args: argparse.Namespace) -> ListenFor:
    """What was said of a recording."""
    from daw_assist.audio_in import ListenFor

    return ListenFor(args.audio_bpm, args.audio_meter, args.voices)


def _loader(args: argparse.Namespace) -> Callable[[], LoadedModel]:
    """Loading takes seconds and the imports for it too: not before the rest is known to be in order."""

    def load() -> LoadedModel:
        from daw_assist.engine.worker import LoadedModel

        return LoadedModel(args.model, args.provider, args.threads)

    return load


@contextmanager
def _waiting(what: str) -> Iterator[None]:
    """Something that turns on stderr; nothing where there is no terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(what):
        yield


@contextmanager
def _progress(candidates: int, bars: int) -> Iterator[OnNote]:
    """A bar on stderr over candidates x bars, moved on by the notes that are made; nothing where there is no terminal."""
    reached: dict[int, int] = {}
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task("composing", total=max(1, candidates * bars))

        def on_note(candidate: int, bar: int, note: Note) -> None:
            if reached.get(candidate) != bar:
                reached[candidate] = bar
                shown.update(task, completed=sum(reached.values()))

        yield on_note


def _told(told: dict[str, Any], as_json: bool, heard: str | None) -> int:
    """What was done, for people or for programs."""
    if as_json:
        print(json.dumps(told))
        return 0
    if "heard" in told:
        print(told["heard"]["line"])
    best = told["candidates"][0]
    first, last = best["bars"]
    which = f"bar {first} is" if first == last else f"bars {first}-{last} are"
    changed = f"; {best['removed']} notes went, {best['notes']} came" if "locked" in told else ""
    print(f"{told['file']}: {which} new{changed} (seed {told['seed']}, {told['model']})")
    if heard:
        print(heard)
    return _told_faults(told)


def _told_faults(told: dict[str, Any]) -> int:
    """What the checks found in the best candidate, on stderr; 0, for it is no failure."""
    faults = told["candidates"][0]["faults"]
    if faults:
        more = [f"and {len(faults) - MOST_FAULTS} more"] if len(faults) > MOST_FAULTS else []
        shown = "; ".join([*faults[:MOST_FAULTS], *more])
        print(f"the best of {len(told['candidates'])} has faults: {shown}", file=sys.stderr)
    return 0


def run_ask(name: str, fields: Sequence[str], endpoint: str | None, timeout_s: float) -> int:
    """`ask`: one request, its answer as JSON."""
    if not 0 < timeout_s < 86_400:
        raise UsageError(f"timeout must be over 0 and under 86400 seconds, not {timeout_s}")
    for field in fields:
        if "=" not in field:
            raise UsageError(
                f"{field!r} is no field: write name=value, and quote what has a blank in it (key='F# minor')"
            )
    pairs = dict(field.partition("=")[::2] for field in fields)
    request = request_from_text(name, pairs)
    with Client(endpoint) as client:
        answer = client.send(name, request, timeout_s)
    print(msgspec.json.encode(answer).decode())
    return 0


def run_models(name: str | None) -> int:
    """`models`: a table for each family, or one manifest as JSON."""
    from daw_assist.model_tables import manifest_of, tables

    if name is not None:
        print(json.dumps(dataclasses.asdict(manifest_of(name)), indent=1))
        return 0
    console = Console()
    for table in tables():
        console.print(table)
    return 0


def run_export(checkpoint: Path, out: Path, name: str, precisions: Sequence[str], corpora: Path | None) -> int:
    """`export`: a checkpoint to model folders, verified on packed `corpora`, or on the tune that ships."""
    try:
        from models_onnx.export_flow import export_model, table
    except ImportError as error:
        raise UsageError("export needs the package onnx: pip install 'daw-assist[train]'") from error
    Console().print(table(export_model(checkpoint, out, name, precisions, corpora)))
    return 0


def run_ports(api: str) -> int:
    """`ports`: what the MIDI system shows."""
    from daw_assist.midi.rtmidi import list_ports

    found = list_ports(api)
    for kind, names in (("inputs", found.inputs), ("outputs", found.outputs)):
        print(f"{kind}: {', '.join(names) or 'none'}")
    return 0
