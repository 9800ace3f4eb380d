"""What a live evening sounds like, on paper: a tune is played to the assistant by a virtual clock, with the shipped models.

    python scripts/listen_live.py [--mode trade --mode accompany] [--bars 12] [--midi FOLDER] [--seed 1]

Prints the bars as piano rolls, the player's and the assistant's (a .mid of each mode goes to --midi FOLDER). An answer comes
as many milliseconds after its question as the engine took for it, so what is late on this machine is late here.
"""

from __future__ import annotations

import argparse
import heapq
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from daw_assist.bench.modes import tune  # noqa: E402 - after the path to the rig
from daw_assist.clock import NS_PER_MS, HostNs  # noqa: E402
from daw_assist.engine.messages import Harmonize  # noqa: E402
from daw_assist.engine.worker import Chords, LoadedModel  # noqa: E402
from daw_assist.live import AnyAsk  # noqa: E402
from daw_assist.live_plans import Ask  # noqa: E402
from daw_assist.midi.file import from_song, save_midi  # noqa: E402
from daw_assist.midi.message import is_note_on, key_of  # noqa: E402
from daw_assist.music.bars import Bar, Song  # noqa: E402
from daw_assist.music.metre import Metre  # noqa: E402
from daw_assist.music.notes import Note  # noqa: E402
from daw_assist.music.parts import DRUM_CHANNEL, Part  # noqa: E402
from daw_assist.music.quantise import quantise  # noqa: E402
from daw_assist.music.time import Ticks  # noqa: E402
from daw_assist.pipeline import suggest  # noqa: E402
from daw_assist.show import text_roll  # noqa: E402
from daw_assist.suggest.hands import Hands  # noqa: E402
from daw_assist.suggest.harmony import HarmonySettings  # noqa: E402
from daw_assist.suggest.harmony_plan import HarmonyAsk  # noqa: E402
from daw_assist.suggest.modes import Mode  # noqa: E402
from daw_assist.suggest.suggestion import Settings  # noqa: E402
from tests.evening import Evening  # noqa: E402

BAR = 96
BASS_CHANNEL = 1


class Session(Evening):
    """An evening with the real models."""

    def __init__(
        self, model: LoadedModel, chords: Chords, mode: Mode, settings: Settings, harmony: HarmonySettings
    ) -> None:
        super().__init__(bars=settings.bars, step_ms=4, hands=Hands(channels={Part.BASS: BASS_CHANNEL}))
        performance = self.performance
        performance.plans.settings = settings
        assert performance.harmony is not None
        performance.harmony.settings = harmony
        performance._set_mode(mode, self.clock.now())
        self._model, self._chord_model = model, chords

    def _engine(self, ask: AnyAsk, now: HostNs) -> None:
        began = time.perf_counter()
        act: Callable[[], Any]
        if isinstance(ask, HarmonyAsk):
            fields = {
                name: getattr(ask, name)
                for name in ("epoch", "bars", "settings", "start", "heard_until", "given", "before")
            }
            answer = self._chord_model.answer(Harmonize(ticket=1, client=b"", **fields)).harmonization

            def act() -> None:
                self.performance.harmonized(answer, self.clock.now())
        elif isinstance(ask, Ask):
            made = suggest(ask.bars, ask.settings, self._model, ask.epoch, ask.first_bar)

            def act() -> None:
                self.performance.offer(made)
        else:
            return
        took = round((time.perf_counter() - began) * 1e9)
        heapq.heappush(self._queue, (now + took, next(self._order), act))


def perform(session: Session, mode: Mode, bars: int, turn: int) -> tuple[list[Bar], list[Bar]]:
    """The player's bars and the assistant's."""
    mine: list[Note] = []
    session.start()
    for note in tune(0, bars, 0):
        if mode is Mode.TRADE and (note.onset // BAR) // turn % 2:
            continue
        mine.append(Note(Ticks(note.onset), Part.KEYS, note.pitch, Ticks(note.length), 80))
        session.at(note.onset, lambda p=note.pitch: session.say(bytes((0x90, p, 80))))
        session.at(note.onset + note.length - 0.5, lambda p=note.pitch: session.say(bytes((0x80, p, 0))))
    session.to(bars)
    session.stop()
    session.run_until(session.clock.now() + 500 * NS_PER_MS)
    struck: dict[tuple[int, int], tuple[float, int]] = {}
    theirs: list[tuple[float, Part, int, float, int]] = []
    for at, message in session.port.sent:
        key, tick = key_of(message), (at - session.origin) / session.tick_ns
        if key is None:
            continue
        if is_note_on(message):
            struck[key] = (tick, message[2])
        elif key in struck:
            onset, velocity = struck.pop(key)
            part = {DRUM_CHANNEL: Part.DRUMS, BASS_CHANNEL: Part.BASS}.get(key[0], Part.KEYS)
            theirs.append((onset, part, key[1], tick - onset, velocity))
    return _bars(mine, bars), _bars(quantise(theirs), bars)


def _bars(notes: Any, count: int) -> list[Bar]:
    made = list(Song(tuple(sorted(notes))).bars())
    return [*made, *(Bar(Metre()) for _ in range(count - len(made)))][:count]


def main() -> None:
    """Each mode in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", action="append", choices=("trade", "harmonize", "accompany"))
    parser.add_argument("--bars", type=int, default=12)
    parser.add_argument("--turn", type=int, default=2, help="bars of a turn in trade (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", default="small-int8")
    parser.add_argument("--style", default="rock", help="of the drums (default %(default)s)")
    parser.add_argument("--midi", type=Path, help="folder for a .mid of each")
    args = parser.parse_args()
    model, chords = LoadedModel(args.model, "cpu"), Chords("chords", "cpu")
    for name in args.mode or ("trade", "accompany"):
        mode = Mode(name)
        settings = Settings(bars=args.turn, seed=args.seed)
        if mode is Mode.ACCOMPANY:
            settings = Settings(seed=args.seed, style=args.style)
        session = Session(model, chords, mode, settings, HarmonySettings(seed=args.seed))
        mine, theirs = perform(session, mode, args.bars, args.turn)
        status = session.performance.status()
        print(f"\n## {name}, seed {args.seed}: hit rate {status['hit_rate']}, late {status['late_dropped']}\n")
        for start in range(0, args.bars, 4):
            print(f"bars {start + 1}-{start + 4}, the player:")
            print("\n".join(text_roll(mine[start : start + 4])))
            for part in sorted({note.part for bar in theirs for note in bar.notes}):
                own = [
                    Bar(bar.metre, tuple(n for n in bar.notes if n.part is part)) for bar in theirs[start : start + 4]
                ]
                print(f"the assistant, {part.name.lower()}:")
                print("\n".join(text_roll(own)))
        if args.midi is not None:
            args.midi.mkdir(parents=True, exist_ok=True)
            notes = [n.moved(BAR * i) for own in (mine, theirs) for i, bar in enumerate(own) for n in bar.notes]
            save_midi(from_song(Song(tuple(sorted(notes)))), args.midi / f"{name}.mid")


if __name__ == "__main__":
    main()
