"""`python -m daw_assist.web`: the companion page's server. Prints one line, the address to open, when it listens.

The token is never an argument, which other users of the machine could read: it comes in the environment variable
DAW_ASSIST_TOKEN or a file, or is made here.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import re
import secrets
import sys
import threading
from pathlib import Path
from typing import Final

from daw_assist.errors import DawAssistError, UsageError
from daw_assist.server.client import ServerLink
from daw_assist.server.endpoint import endpoint_from, private_folder
from daw_assist.web.app import PageServer, listening_socket, make_app
from daw_assist.web.bridge import TOPICS, Bridge
from daw_assist.web.folders import data_folder
from daw_assist.web.hub import Hub
from daw_assist.web.process import DEFAULT_PORT, TOKEN_VARIABLE

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{22,128}")

SWITCH_S: Final = 0.0005
"""What is made in a thread beside (figures, files) keeps news of the music waiting no longer (Python's own is 5 ms)."""

_log = logging.getLogger("daw_assist.web")


def main(arguments: list[str] | None = None) -> int:
    """Serve until Ctrl-C, SIGTERM, or with --with-parent until stdin ends; 2 for what cannot be meant."""
    args = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        return _serve(args)
    except DawAssistError as error:
        print(f"daw-assist: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="daw_assist.web", description="the companion page's server")
    parser.add_argument("--endpoint", help="of the daw-assist server (default: where it is by itself)")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="at 127.0.0.1; 0: any (default %(default)s)")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help=f"instead of the variable {TOKEN_VARIABLE}")
    parser.add_argument("--with-parent", action="store_true", help="end when stdin does")
    return parser


def _serve(args: argparse.Namespace) -> int:
    token, endpoint = _token(args.token_file), endpoint_from(args.endpoint)
    if not 0 <= args.port <= 65_535:
        raise UsageError(f"--port must be in 0..65535, not {args.port}")
    try:
        listening = listening_socket(args.port)
    except OSError as error:
        raise UsageError(
            f"port {args.port} cannot be had ({error.strerror}): give another with --port, or 0 for any"
        ) from None
    port = listening.getsockname()[1]
    hub = Hub(lambda on_news: Bridge(lambda: ServerLink(endpoint, topics=TOPICS), on_news), _folder())
    server = PageServer(
        make_app(hub, port, token), lambda: print(f"http://127.0.0.1:{port}/#token={token}", flush=True)
    )
    if args.with_parent:
        threading.Thread(target=_end_with_stdin, args=(server,), daemon=True).start()
    sys.setswitchinterval(SWITCH_S)
    server.run([listening])
    return 0


def _token(file: Path | None) -> str:
    given = os.environ.pop(TOKEN_VARIABLE, None)  # the processes that are started here need it not
    if file is not None:
        try:
            given = file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{file}: the token cannot be read ({error})") from None
    if given is None:
        return secrets.token_urlsafe(24)
    if not _TOKEN.fullmatch(given):
        raise UsageError("the token must be 22 to 128 letters, digits, - and _")
    return given


def _folder() -> Path | None:
    """Where history and presets are kept; None if they cannot be."""
    folder = data_folder()
    try:
        return private_folder(folder)
    except UsageError as error:
        _log.warning("history and presets are not kept: %s", error)
        return None


def _end_with_stdin(server: PageServer) -> None:
    with contextlib.suppress(OSError, ValueError):
        while sys.stdin.buffer.read(1024):
            pass
    server.should_exit = True


if __name__ == "__main__":
    sys.exit(main())
