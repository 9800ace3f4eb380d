"""What the page says and is told: JSON <-> the program's values. Pure.

    note    [onset, part, pitch, duration, velocity]     part: index into the hello's `parts`
    bar     {"length": ticks, "metre": "4/4", "notes": [note ...]}

Everything from the page is checked for its shape here and for its ranges by the server; every refusal is one line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

from daw_assist.errors import RequestError, UsageError
from daw_assist.music.bars import Bar
from daw_assist.music.keys import SCALES, Key
from daw_assist.music.metre import Metre, parse_metre
from daw_assist.music.notes import Note
from daw_assist.music.parts import PART_NAMES, Part, program_of
from daw_assist.music.time import Ticks
from daw_assist.server.limits import MAX_CONTEXT_NOTES, check_context
from daw_assist.server.protocol import REQUESTS, PlaceRequest, PlayRequest
from daw_assist.suggest.hands import ACTIONS
from daw_assist.suggest.harmony import COMPLEXITIES, PATTERNS, RHYTHMS
from daw_assist.suggest.modes import Mode
from daw_assist.suggest.steer import CLEARABLE
from daw_assist.suggest.suggestion import MAX_BARS, MAX_CANDIDATES, Settings
from daw_assist.suggest.view import MOST_HEARD
from daw_assist.tokens.asked import BPM_RANGE
from daw_assist.tokens.vocab import STYLES

DRUM_PROGRAM: Final = 128
"""What the page calls the drum kit among programs 0..127."""
PASSED_ON: Final = (
    "accept", "reject", "next", "previous", "choose", "panic", "stop_playing", "undo", "hold", "mute", "audition", "tap",
    "clock", "learn", "unlearn", "steer", "play", "place",
)  # fmt: skip
"""Asks of the page that go to the live process as they are."""
RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "bars": (1, MAX_BARS), "candidates": (1, MAX_CANDIDATES), "temperature": (0.1, 2.0), "top_p": (0.01, 1.0),
    "density": (0, 7), "polyphony": (0, 7), "register": (0, 7), "loudness": (0, 7), "syncopation": (0, 7),
    "similarity": (0.0, 1.0), "bpm": BPM_RANGE,
}  # fmt: skip
"""Lowest and highest of each setting that is a number (`tokens.asked` is the judge)."""

Byte = Annotated[int, msgspec.Meta(ge=0, le=255)]
PageNote = tuple[int, int, int, int, int]


class PageAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`id` is the page's own and comes back with the answer."""

    type: Literal["ask"]
    id: Annotated[int, msgspec.Meta(ge=0, le=2**53)] | Annotated[str, msgspec.Meta(max_length=64)]
    name: Annotated[str, msgspec.Meta(max_length=40)]
    fields: dict[str, Any] = {}


class PageBar(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bar as the page writes it."""

    length: Annotated[int, msgspec.Meta(ge=1)]
    metre: Annotated[str, msgspec.Meta(max_length=8)]
    notes: Annotated[list[PageNote], msgspec.Meta(max_length=MAX_CONTEXT_NOTES)] = []


class _PlaceFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    candidates: Annotated[list[list[PageBar]], msgspec.Meta(min_length=1, max_length=MAX_CANDIDATES)]
    index: Annotated[int, msgspec.Meta(ge=0, le=MAX_CANDIDATES - 1)] = 0


class _PlayFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    messages: Annotated[list[Annotated[list[Byte], msgspec.Meta(max_length=3)]], msgspec.Meta(max_length=128)]


T = TypeVar("T")

_to_json = msgspec.json.Encoder().encode


def text_of(message: Mapping[str, Any]) -> str:
    """A message as one text frame; numbers that JSON lacks become null."""
    return _to_json(message).decode()


def converted(value: Any, kind: type[T], what: str) -> T:
    """`value` (of decoded JSON) as `kind`; `RequestError` (bad_request) in one line for anything else."""
    try:
        return msgspec.convert(value, kind)
    except (ValueError, TypeError, RecursionError) as error:
        raise refused(f"{what}: {error}") from None


def decoded(data: str | bytes | bytearray, kind: type[T], what: str) -> T:
    """JSON text as `kind`; `RequestError` (bad_request) in one line for anything else."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (ValueError, TypeError, RecursionError, MemoryError) as error:
        raise refused(f"{what}: {error}") from None


def refused(line: str) -> RequestError:
    """A refusal of what cannot be meant."""
    one = " ".join(line.split())
    return RequestError("bad_request", one if len(one) <= 300 else one[:297] + "...")


def shaped(value: Any) -> Any:
    """A value of the program as JSON values: bars and notes in the shapes above, structs and dataclasses by field."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Bar):
        return bar_shape(value)
    if isinstance(value, tuple | list):
        return [shaped(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): shaped(item) for key, item in value.items()}
    if isinstance(value, bytes):
        return list(value)
    if isinstance(value, Metre):
        return str(value)
    if isinstance(value, Note):
        return [value.onset, int(value.part), value.pitch, value.duration, value.velocity]
    if isinstance(value, msgspec.Struct):
        told = {name: getattr(value, name) for name in value.__struct_fields__}
        return {name: shaped(given) for name, given in told.items() if given is not msgspec.UNSET}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: shaped(getattr(value, field.name)) for field in fields(value)}
    raise TypeError(f"{type(value).__name__} has no shape for the page")


def bar_shape(bar: Bar) -> dict[str, Any]:
    """A bar for the page."""
    notes = [[note.onset, int(note.part), note.pitch, note.duration, note.velocity] for note in bar.notes]
    return {"length": bar.length, "metre": str(bar.metre), "notes": notes}


def bars_from(value: Any) -> tuple[Bar, ...]:
    """Bars of the page (decoded JSON, or `PageBar`s), notes in order, in ranges that music could hold; else `RequestError`."""
    bars = tuple(_bar(index, page) for index, page in enumerate(converted(value, list[PageBar], "bars")))
    check_context(bars)
    return bars


def _bar(index: int, page: PageBar) -> Bar:
    try:
        metre = parse_metre(page.metre)
        notes = sorted(Note(Ticks(on), Part(who), pitch, Ticks(long), v) for on, who, pitch, long, v in page.notes)
    except UsageError as error:
        raise refused(f"bar {index}: {error}") from None
    except ValueError:
        raise refused(f"bar {index}: parts are numbers in 0..{len(Part) - 1}") from None
    return Bar(metre, tuple(notes), Ticks(page.length))


def ask_from(text: str) -> PageAsk:
    """A frame of the page; `RequestError` for what is none."""
    return decoded(text, PageAsk, "a message must be {type: ask, id, name, fields}")


def request_from(name: str, given: Mapping[str, Any]) -> msgspec.Struct:
    """The request of the protocol that one of `PASSED_ON` stands for; `RequestError` if the fields do not fit."""
    if name == "play":
        played = converted(dict(given), _PlayFields, name)
        return PlayRequest(tuple(bytes(message) for message in played.messages))
    if name == "place":
        put = converted(dict(given), _PlaceFields, name)
        return PlaceRequest(tuple(bars_from(bars) for bars in put.candidates), put.index)
    values = dict(given)
    if name == "accept" and isinstance(values.get("part"), str):
        values["part"] = _part(values["part"])
    if name == "steer" and isinstance(values.get("settings"), dict):
        values["settings"] = _with_nulls_cleared(values["settings"])
    return converted(values, REQUESTS[name].request, name)


def _part(name: str) -> int:
    if name not in PART_NAMES:
        raise refused(f"there is no part {name[:24]!r}; there are {', '.join(PART_NAMES)}")
    return PART_NAMES.index(name)


def _with_nulls_cleared(settings: dict[str, Any]) -> dict[str, Any]:
    """To JSON, null is a value: a wish that is set to it is left to the model again."""
    nulls = [name for name, value in settings.items() if value is None and name in CLEARABLE]
    if not nulls:
        return settings
    left = {name: value for name, value in settings.items() if name not in nulls}
    return left | {"clear": [*(left.get("clear") or ()), *nulls]}


def hello(version: str) -> dict[str, Any]:
    """What a page must know before anything else."""
    return {
        "type": "hello",
        "version": version,
        "parts": list(PART_NAMES),
        "programs": [DRUM_PROGRAM if part is Part.DRUMS else program_of(part) for part in Part],
        "styles": list(STYLES),
        "keys": [str(Key(tonic, mode)) for mode in SCALES if mode != "chromatic" for tonic in range(12)],
        "actions": list(ACTIONS),
        "modes": [str(mode) for mode in Mode],
        "most_heard": MOST_HEARD,
        "harmony": {"rhythm": list(RHYTHMS), "complexity": list(COMPLEXITIES), "pattern": list(PATTERNS)},
        "clearable": list(CLEARABLE),
        "ranges": {name: list(span) for name, span in RANGES.items()},
        "defaults": shaped(Settings()),
    }
