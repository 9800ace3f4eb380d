"""`python -m daw_assist.watchdog`: silences the out port when the live process dies without a word.

It reads what sounds from its standard input (`midi.sounding`). At the end of the file without GOODBYE it sends a note-off for
each note that sounds, then CC 64 = 0, CC 123 and CC 120 on all channels, and ends. Where to:

    an existing port   the same, found again by its name
    JACK               a new client of the dead one's name, connected to whoever was connected to that; who that is
                       it looks up once a second, and ten times a second while notes pass
    ALSA               to whoever had subscribed (not tried: no sequencer at hand)
    CoreMIDI           a virtual port of the same name; receivers have 0.2 s to find it (not tried: no Mac at hand)

Whatever its account holds at the death was sent by a process that is no more, so a note too many is ended, never too few.
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from daw_assist.errors import PortError
from daw_assist.midi.apis import chosen, look
from daw_assist.midi.ports import MidiOutput
from daw_assist.midi.rtmidi import open_output
from daw_assist.midi.sounding import Account
from daw_assist.midi.subscribers import AlsaSubscribers, JackSubscribers, Nobody, Subscribers

LOOK_S, BUSY_LOOK_S = 1.0, 0.1
"""How often to see who listens: while nothing is played, and while something is."""
READ_S = 0.005
"""The rest between reads: a reader that waits is woken by each write, which costs the sender twice the time (11 for 5 us)."""
BURST, GAP_S = 16, 0.0002
"""As the sender: at most 16 messages at once, then one each 0.2 ms."""

_DEAD_CLIENT_S = 0.25  # JACK takes 0.1 to 0.3 s to remove a dead client (measured), and opens no other meanwhile
_FIND_US_S = 0.2
_SETTLE_S = 0.05
"""Over a period of JACK's: a connection holds from the next one on, and what was sent goes out with the next one."""
_LAST_S = 10  # a MIDI system that hangs must not keep this process for ever
_TRIES, _PAUSE_S = 5, 0.05


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: nothing had to be done, or it was done; 1: the port could not be opened."""
    parser = argparse.ArgumentParser("daw_assist.watchdog")
    parser.add_argument("--api", required=True)
    port = parser.add_mutually_exclusive_group(required=True)
    port.add_argument("--virtual", help="our own port, by the name that its user sees: 'daw-assist out'")
    port.add_argument("--out", help="a port that exists")
    args = parser.parse_args(arguments)
    _outlive()
    subscribers = _subscribers(args.api, args.virtual)
    try:
        account = watch(sys.stdin.fileno(), subscribers)
        return 0 if account is None or account.silent or _silence(args, account, subscribers) else 1
    finally:
        subscribers.close()


def watch(fd: int, subscribers: Subscribers, every_s: float = LOOK_S) -> Account | None:
    """Read until the end: what still sounds at a death, None after a goodbye."""
    account, last_look, next_look = Account(), 0.0, 0.0
    looks = not isinstance(subscribers, Nobody)  # nor could Windows wait for a pipe with `select`
    while True:
        now = time.monotonic()
        if looks and now >= next_look:
            subscribers.look()
            last_look, next_look = now, now + every_s
        if looks and not select.select([fd], [], [], max(0.0, next_look - now))[0]:
            continue
        data = os.read(fd, 65_536)
        if not data:
            return account
        if account.read(data):
            return None
        next_look = min(next_look, last_look + BUSY_LOOK_S)
        time.sleep(READ_S)


def send_paced(send: Callable[[bytes], None], messages: Sequence[bytes]) -> None:
    """All of them, no faster than a port can take them."""
    start = time.monotonic()
    for index, message in enumerate(messages):
        while (early := start + (index - BURST + 1) * GAP_S - time.monotonic()) > 0:
            time.sleep(early)
        send(message)


def _silence(args: argparse.Namespace, account: Account, subscribers: Subscribers) -> bool:
    """End what sounds; False if no port could be opened."""
    if hasattr(signal, "alarm"):
        signal.alarm(_LAST_S)  # the default action ends the process, even inside a driver
    for _ in range(_TRIES):
        try:
            outputs = _open(args, subscribers)
        except PortError:
            time.sleep(_PAUSE_S)
            continue
        for output in outputs:
            with suppress(PortError):
                send_paced(output.send, account.endings())
        time.sleep(_SETTLE_S)
        for output in outputs:
            output.close()
        return True
    return False


def _open(args: argparse.Namespace, subscribers: Subscribers) -> list[MidiOutput]:
    """The outputs to send on, each connected."""
    if args.virtual is None:
        output = open_output("daw-assist watchdog out", args.api, peer=args.out)
        time.sleep(_SETTLE_S)
        return [output]
    sinks = subscribers.look()
    if isinstance(subscribers, JackSubscribers):
        subscribers.wait_until_gone(_DEAD_CLIENT_S)
        output = open_output(args.virtual, "jack")
        subscribers.connect(args.virtual, sinks)
        return [output]
    if sinks:
        return [open_output(args.virtual, args.api, peer=sink) for sink in sinks]
    output = open_output(args.virtual, args.api)
    time.sleep(_FIND_US_S)
    return [output]


def _subscribers(api: str, virtual: str | None) -> Subscribers:
    try:
        system = chosen(api, look())
    except PortError:
        system = api  # its server is down just now
    if virtual is None or system not in ("jack", "alsa"):
        return Nobody()
    if system == "jack":
        return JackSubscribers(f"{virtual}:{virtual.rsplit(' ', 1)[-1]}")
    return AlsaSubscribers(virtual.removesuffix(" out"), virtual)


def _outlive() -> None:
    """Stay when the terminal goes or Ctrl-C is pressed, and hold no folder of the user's."""
    for name in ("SIGINT", "SIGHUP", "SIGBREAK"):
        with suppress(AttributeError, ValueError):  # not on this system
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    with suppress(OSError):
        os.chdir(Path(Path.cwd().anchor))


if __name__ == "__main__":
    sys.exit(main())
