"""The protocol as a table, and its bytes.

    request  MessagePack {v, name, id, body}                 DEALER -> ROUTER, one frame
    reply    MessagePack {v, id, ok, body | error{code, message}}   the same way back
    event    frame 1: topic, frame 2: MessagePack {v, topic, body}   PUB -> SUB

`REQUESTS` and `EVENTS` are the whole of it: dispatch, the client's `request`, the documentation and `--help` come from
them, and a new request is one struct, one line and one handler. Every body is a typed struct; what does not fit is
refused with a code of `CODES` and one sentence. It knows nothing of sockets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import fields as fields_of
from typing import Annotated, Any, TypeVar, get_type_hints

import msgspec

from daw_assist.errors import ProtocolError, RequestError, UsageError
from daw_assist.music.bars import Bar
from daw_assist.music.chords import ChordSpan
from daw_assist.music.notes import Note
from daw_assist.music.parts import Part
from daw_assist.music.time import Ticks
from daw_assist.music.voicing import Voicing
from daw_assist.suggest.harmony import HarmonySettings
from daw_assist.suggest.harmony_plan import Harmonization
from daw_assist.suggest.steer import Steer
from daw_assist.suggest.suggestion import Settings, Suggestion
from daw_assist.suggest.view import Choose, Hear, LiveMoment, LiveView, Place
from daw_assist.tokens.asked import part_words

VERSION = 1

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
BarNumber = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31)]
Scalar = bool | int | float | str | None
LiveState = dict[str, Scalar | list[Scalar] | dict[str, Scalar]]
"""What the live process says of itself: counters and states by name, one level of nesting."""

CODES: Mapping[str, str] = {
    "bad_message": "the bytes are not a request envelope",
    "wrong_version": "the envelope's v is not the server's",
    "unknown_name": "there is no request of that name",
    "bad_request": "a field is missing, of a wrong type, or outside its range",
    "busy": "too many requests are waiting for the engine",
    "no_live": "no live process has said anything for 3 seconds",
    "stale": "cancelled, or overtaken by a newer epoch of the same client",
    "engine_down": "the engine process is not running at the moment",
    "engine_restarted": "the engine process died while it worked on the request",
    "engine_slow": "the engine did not answer in time",
    "engine_failed": "the engine met an error of its own",
    "internal": "the server met an error of its own",
    "stopping": "the server is shutting down",
}


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No fields."""


class ContinueRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`bars`: the context, oldest first, at most 64; none: from nothing. `epoch` rises with each newer wish."""

    bars: tuple[Bar, ...] = ()
    settings: Settings = Settings()
    epoch: Count = 0
    first_bar: BarNumber = 0


class FillRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`first`..`last`: which of the `bars` (from 0, at most 64) are to be filled; the notes they hold stay."""

    bars: tuple[Bar, ...]
    first: Annotated[int, msgspec.Meta(ge=0, le=2**31)]
    last: Annotated[int, msgspec.Meta(ge=0, le=2**31)]
    settings: Settings = Settings()
    epoch: Count = 0


class WarmRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """As `continue`, but only the context is read: with the same settings and `first_bar` it is there when that comes."""

    bars: tuple[Bar, ...] = ()
    settings: Settings = Settings()
    epoch: Count = 0
    first_bar: BarNumber = 0


class HarmonizeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Chords for `bars` (at most 64) from the tick `start` on; ticks count from the first bar line.

    Without `heard_until` the bars are a finished phrase; with it, the chord of each slot is chosen from what comes before
    it, and slots after it are predicted. `given` chords stay; `before` is the voicing that sounds just before `start`.
    """

    bars: tuple[Bar, ...]
    settings: HarmonySettings = HarmonySettings()
    epoch: Count = 0
    start: Ticks = Ticks(0)
    heard_until: Ticks | None = None
    given: tuple[ChordSpan, ...] = ()
    before: Voicing | None = None


class CancelRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every request of this client up to and including `epoch`."""

    epoch: Count


class LiveStatusRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Posted by the live process about once a second."""

    state: LiveState


class AcceptRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole candidate, or only its first `bars` bars, or only one `part`."""

    bars: Annotated[int, msgspec.Meta(ge=1, le=16)] | None = None
    part: Part | None = None


class LearnRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of `suggest.hands.ACTIONS`: put it on the next note, control change or program change that is played, or off."""

    action: str


class PlayRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Channel messages of 2 or 3 bytes, as they would come in at the port."""

    messages: Annotated[tuple[bytes, ...], msgspec.Meta(min_length=1, max_length=128)]


class SentRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What has just been sent to the out port, oldest first."""

    messages: tuple[bytes, ...]


class PlaceRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Each candidate's bars; `origin`: the engine's answer that they are or were made from.

    `at`: the first of the heard bars in whose place they are to stand when they are accepted.
    """

    candidates: Annotated[tuple[tuple[Bar, ...], ...], msgspec.Meta(min_length=1, max_length=8)]
    index: Annotated[int, msgspec.Meta(ge=0, le=7)] = 0
    origin: Suggestion | None = None
    at: Count | None = None


class ChooseRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which candidate, from 0."""

    index: Annotated[int, msgspec.Meta(ge=0, le=7)]


class HearRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bars, oldest first, at most 64."""

    bars: tuple[Bar, ...]


_hints = get_type_hints(Steer)
SteerFields = msgspec.defstruct(
    "SteerFields", [(field.name, _hints[field.name], field.default) for field in fields_of(Steer)],
    frozen=True, forbid_unknown_fields=True,
)  # fmt: skip
"""`suggest.steer.Steer` on the wire: a dataclass would take fields that it does not know and lose them."""


class SteerRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every field of `suggest.steer.Steer`; those left out stay as they are."""

    settings: SteerFields  # type: ignore[valid-type]


class Done(msgspec.Struct, frozen=True):
    """It was done, or passed on."""


class Pong(msgspec.Struct, frozen=True):
    """Who answered."""

    server_version: str
    pid: int


class WarmReply(msgspec.Struct, frozen=True):
    """Tokens now in the engine's cache, and how many of them were there before."""

    tokens: int
    reused: int


class EngineStatus(msgspec.Struct, frozen=True):
    """`state`: starting, ready, down or stopped. `token_ms`: median time of one token in the warm-up."""

    state: str
    pid: int | None = None
    model: str | None = None
    sha256: str | None = None
    provider: str | None = None
    parameters: int | None = None
    context_tokens: int | None = None
    token_ms: float | None = None
    restarts: int = 0
    reason: str | None = None
    """Why it went down last."""


class ServerStatus(msgspec.Struct, frozen=True):
    """The present state of everything behind the endpoint."""

    server_version: str
    pid: int
    uptime_s: float
    engine: EngineStatus
    counters: dict[str, int]
    live: LiveState | None = None
    """The last `live_status`, None if none came in the last 3 s."""


class EngineEvent(msgspec.Struct, frozen=True):
    """`change`: starting, ready, down, restarted (ready again after a death) or stopped."""

    change: str
    reason: str | None = None


class NoteEvent(msgspec.Struct, frozen=True):
    """`request` is the id of the `continue` or `fill` that it belongs to; the note's onset counts from its bar.

    `candidate` counts in the order of seeds (its seed is settings.seed + candidate); the answer has them ranked.
    """

    request: int
    epoch: int
    candidate: int
    bar: int
    note: Note


class ControlEvent(msgspec.Struct, frozen=True):
    """What the live process is to do; `bars` and `part` narrow an `accept`, `action` is what is learned."""

    name: str
    bars: int | None = None
    part: Part | None = None
    action: str | None = None
    steer: Steer | None = None
    messages: tuple[bytes, ...] = ()
    place: Place | None = None
    choose: Choose | None = None
    hear: Hear | None = None


@dataclass(frozen=True, slots=True)
class Spec:
    """One line of the table. `max_bytes` bounds the body on the wire."""

    name: str
    request: type[msgspec.Struct]
    reply: type
    sentence: str
    max_bytes: int = 16_384


@dataclass(frozen=True, slots=True)
class EventSpec:
    """One topic and what its events carry."""

    topic: str
    body: type[msgspec.Struct]
    sentence: str


MUSIC_BYTES = 1_000_000

REQUESTS: Mapping[str, Spec] = {
    spec.name: spec
    for spec in (
        Spec("ping", Nothing, Pong, "Say that the server is there; never waits for the engine."),
        Spec("status", Nothing, ServerStatus, "The state of server, engine and live process, with all counters."),
        Spec("continue", ContinueRequest, Suggestion, "Make candidates for the bars that follow.", MUSIC_BYTES),
        Spec("fill", FillRequest, Suggestion, "Make candidates for bars between others.", MUSIC_BYTES),
        Spec(
            "warm", WarmRequest, WarmReply, "Take a context into the engine's cache before it is needed.", MUSIC_BYTES
        ),
        Spec(
            "harmonize",
            HarmonizeRequest,
            Harmonization,
            "Find chords for a melody, and the notes that play them.",
            MUSIC_BYTES,
        ),
        Spec("cancel", CancelRequest, Done, "Give up this client's requests up to an epoch."),
        Spec("live_status", LiveStatusRequest, Done, "The live process says how it is."),
        Spec("accept", AcceptRequest, Done, "Play the candidate shown, from the next bar line."),
        Spec("reject", Nothing, Done, "Throw the candidates away, end what plays of them, and make others."),
        Spec("next", Nothing, Done, "Show the next candidate."),
        Spec("previous", Nothing, Done, "Show the previous candidate."),
        Spec("panic", Nothing, Done, "Silence everything now."),
        Spec("stop_playing", Nothing, Done, "End what the assistant plays, now."),
        Spec("undo", Nothing, Done, "Take the last accept or reject back; what was put away is shown again, and held."),
        Spec("hold", Nothing, Done, "Freeze the suggestion that is shown, or let it go again."),
        Spec("mute", Nothing, Done, "Silence the assistant, or let it be heard again; it goes on in time."),
        Spec("audition", Nothing, Done, "Hear the candidate on a channel of its own, or end that."),
        Spec("tap", Nothing, Done, "A tap of the tempo, for the internal clock."),
        Spec("clock", Nothing, Done, "Start our own clock, or stop it."),
        Spec("learn", LearnRequest, Done, "Put an action on the next note, control or program change that is played."),
        Spec("unlearn", LearnRequest, Done, "Take an action off whatever it is on."),
        Spec("steer", SteerRequest, Done, "Move settings, mode, metre or tempo of the live process."),
        Spec("play", PlayRequest, Done, "MIDI messages, heard as though they came in at the port.", 65_536),
        Spec("place", PlaceRequest, Done, "Show these bars as the suggestion, and hold them.", MUSIC_BYTES),
        Spec("choose", ChooseRequest, Done, "Show the candidate of this place."),
        Spec("hear", HearRequest, Done, "Take bars into what was heard, as a file that is worked on.", MUSIC_BYTES),
        Spec("live_view", LiveView, Done, "The live process shows itself.", MUSIC_BYTES),
        Spec(
            "live_moment",
            LiveMoment,
            Done,
            "The live process shows what is otherwise than in its last view.",
            MUSIC_BYTES,
        ),
        Spec("live_sent", SentRequest, Done, "What the live process has just sent.", 65_536),
        Spec("shutdown", Nothing, Done, "End the server and its engine."),
    )
}

CONTROLS = (
    "accept", "reject", "next", "previous", "panic", "stop_playing", "undo", "hold", "mute", "audition", "tap",
    "clock", "learn", "unlearn", "steer", "play", "place", "choose", "hear",
)  # fmt: skip
"""Requests that are passed on to the live process on the topic `control`."""

EVENTS: Mapping[str, EventSpec] = {
    spec.topic: spec
    for spec in (
        EventSpec("status", ServerStatus, "Once a second, on every change, and at once to each new subscriber."),
        EventSpec("engine", EngineEvent, "The engine process starts, is ready, or went down, and why."),
        EventSpec("note", NoteEvent, "A note of a candidate that is still being made."),
        EventSpec(
            "view", LiveView, "What the live process shows, when it changes, and at once to each new subscriber."
        ),
        EventSpec(
            "moment",
            LiveMoment,
            "What is otherwise than in the last view; at once, too, to each new subscriber of that.",
        ),
        EventSpec("sent", SentRequest, "MIDI messages that the live process has just sent."),
        EventSpec("control", ControlEvent, "What the live process is asked to do."),
    )
}


class Header(msgspec.Struct, frozen=True):
    """What can be read of any version's envelope."""

    v: int
    id: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0


class RequestEnvelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`id` is the client's own, and comes back with the reply."""

    v: int
    name: str
    id: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    body: msgspec.Raw = msgspec.Raw(b"\x80")


class Problem(msgspec.Struct, frozen=True):
    """`code` is one of `CODES` and stable; `message` is one line for people."""

    code: str
    message: str


_ABSENT = msgspec.Raw(b"")


class ReplyEnvelope(msgspec.Struct, frozen=True, omit_defaults=True):
    """`body` when `ok`, else `error`. The id is 0 when the request's could not be read."""

    v: int
    id: int
    ok: bool
    body: msgspec.Raw = _ABSENT
    error: Problem | None = None


class EventEnvelope(msgspec.Struct, frozen=True):
    """The topic stands in front as a frame of its own too, for the subscription filter."""

    v: int
    topic: str
    body: msgspec.Raw


class RefusedError(RequestError):
    """A request that got no further than its envelope; `request_id` is 0 where it could not be read."""

    def __init__(self, code: str, message: str, request_id: int = 0) -> None:
        super().__init__(code, message)
        self.request_id = request_id


S = TypeVar("S")

_encode = msgspec.msgpack.Encoder().encode


def decode(data: bytes | msgspec.Raw, kind: type[S]) -> S:
    """Bytes from outside as a value of `kind`; `ProtocolError` with one line, whatever they are.

    Beside msgspec's own errors: nesting beyond Python's stack, a Metre over 0 (its Bar divides), absurd sizes.
    """
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except (ValueError, TypeError, ArithmeticError, RecursionError, MemoryError) as error:
        raise ProtocolError(_line(error)) from None


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:197] + "..."


def encode_request(name: str, request_id: int, request: msgspec.Struct) -> bytes:
    """The bytes of a request."""
    return _encode(RequestEnvelope(VERSION, name, request_id, msgspec.Raw(_encode(request))))


def decode_request(frame: bytes) -> tuple[Spec, int, msgspec.Struct]:
    """What was asked; `RefusedError` for anything else. The ranges of music are checked elsewhere (`server.limits`)."""
    try:
        header = decode(frame, Header)
    except ProtocolError as error:
        raise RefusedError("bad_message", f"not a MessagePack {{v, name, id, body}} envelope: {error}") from None
    if header.v != VERSION:
        line = f"the message speaks protocol {header.v}, this server {VERSION}: use a client of the same version"
        raise RefusedError("wrong_version", line, header.id)
    try:
        envelope = decode(frame, RequestEnvelope)
    except ProtocolError as error:
        raise RefusedError("bad_message", f"not a request envelope: {error}", header.id) from None
    spec = REQUESTS.get(envelope.name)
    if spec is None:
        line = f"there is no request {envelope.name[:40]!r}; there are {', '.join(REQUESTS)}"
        raise RefusedError("unknown_name", line, header.id)
    if memoryview(envelope.body).nbytes > spec.max_bytes:
        raise RefusedError("bad_request", f"{spec.name}: the body is over {spec.max_bytes} bytes; send less", header.id)
    try:
        return spec, header.id, decode(envelope.body, spec.request)
    except ProtocolError as error:
        raise RefusedError("bad_request", f"{spec.name}: {error}", header.id) from None


def encode_reply(request_id: int, body: Any) -> bytes:
    """The bytes of a good answer."""
    return _encode(ReplyEnvelope(VERSION, request_id, ok=True, body=msgspec.Raw(_encode(body))))


def encode_error(request_id: int, code: str, message: str) -> bytes:
    """The bytes of a refusal."""
    return _encode(ReplyEnvelope(VERSION, request_id, ok=False, error=Problem(code, message)))


def encode_event(topic: str, body: msgspec.Struct) -> list[bytes]:
    """The two frames of an event."""
    return [topic.encode(), _encode(EventEnvelope(VERSION, topic, msgspec.Raw(_encode(body))))]


def decode_reply(frame: bytes) -> ReplyEnvelope:
    """A reply whose body is still raw; `ProtocolError` for anything else."""
    reply = decode(frame, ReplyEnvelope)
    if reply.v != VERSION:
        raise ProtocolError(
            f"the server speaks protocol {reply.v}, this client {VERSION}: use the same version for both"
        )
    if bool(memoryview(reply.body).nbytes) is not reply.ok or (reply.error is None) is not reply.ok:
        raise ProtocolError("a reply must hold a body when ok, an error otherwise")
    return reply


def decode_event(frame: bytes) -> tuple[str, msgspec.Struct]:
    """Topic and body of an event; `ProtocolError` for anything else."""
    event = decode(frame, EventEnvelope)
    spec = EVENTS.get(event.topic)
    if event.v != VERSION or spec is None:
        raise ProtocolError(f"event {event.topic[:40]!r} of protocol {event.v} is not one we know (ours is {VERSION})")
    return event.topic, decode(event.body, spec.body)


def request_from_text(name: str, fields: Mapping[str, str]) -> msgspec.Struct:
    """The request from `key=value` words (lists and objects in JSON); `UsageError` if they do not fit.

    Where a request has settings, they are words too: `density=3 parts=keys,bass`. A number of `bars` is the setting, for
    the music is a list.
    """
    spec = spec_of(name)
    takes_settings = "settings" in spec.request.__struct_fields__
    try:
        values: dict[str, Any] = {}
        asked: dict[str, Any] = {}
        for key, text in fields.items():
            value = msgspec.json.decode(text) if text[:1] in "[{" else text
            if key == "part" and isinstance(value, str) and value.upper() in Part.__members__:
                value = int(Part[value.upper()])
            own = key in spec.request.__struct_fields__ and not (key == "bars" and isinstance(value, str))
            if own or not takes_settings:
                values[key] = value
            else:
                asked[key] = part_words(value) if key in ("parts", "clear") and isinstance(value, str) else value
        if asked:
            values["settings"] = {**values.get("settings", {}), **_settings_of(spec.request, asked)}
        return msgspec.convert(values, spec.request, strict=False)
    except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
        known = ", ".join(spec.request.__struct_fields__) or "no fields"
        raise UsageError(f"{name} cannot be asked like that: {_line(error)}; it takes {known}") from None


def _settings_of(request: type[msgspec.Struct], asked: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that are named; `ValueError` for a name that is none of this request's."""
    kind = next(field.type for field in msgspec.structs.fields(request) if field.name == "settings")
    known = set(getattr(kind, "__struct_fields__", ())) or {field.name for field in fields_of(kind)}
    for name in asked:
        if name not in known:
            raise ValueError(f"there is no field or setting {name[:24]!r}; settings are {', '.join(sorted(known))}")
    return dict(asked)


def spec_of(name: str) -> Spec:
    """The line of the table; `UsageError` if there is none."""
    spec = REQUESTS.get(name)
    if spec is None:
        raise UsageError(f"there is no request {name[:40]!r}; there are {', '.join(REQUESTS)}")
    return spec


def table_text() -> str:
    """The table for `--help` and the documentation, one request or event a line."""
    lines = [
        f"{spec.name:<13} {', '.join(spec.request.__struct_fields__) or '-':<34} {spec.sentence}"
        for spec in REQUESTS.values()
    ]
    events = [f"{event.topic:<13} {'event':<34} {event.sentence}" for event in EVENTS.values()]
    return "\n".join(lines + events)
