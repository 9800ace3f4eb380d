"""Wishes under a name: kept in one JSON file, as the page gives them to `steer`."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from pathlib import Path
from typing import Any, Final

import msgspec

from daw_assist.errors import RequestError
from daw_assist.server.limits import check_steer
from daw_assist.server.protocol import SteerRequest
from daw_assist.suggest.modes import Mode
from daw_assist.suggest.steer import CLEARABLE, Steer
from daw_assist.web.page_words import refused, request_from, shaped

MOST_PRESETS: Final = 100
MOST_NAME: Final = 60
MOST_BYTES: Final = 1_000_000

_log = logging.getLogger(__name__)


class Presets:
    """Threads: one (the event loop); a file this small is written at once."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._items: dict[str, dict[str, Any]] = _read(path) if path is not None else {}

    def items(self) -> dict[str, dict[str, Any]]:
        """All, in the order of their names."""
        return dict(sorted(self._items.items(), key=lambda item: item[0].casefold()))

    def get(self, name: Any) -> SteerRequest:
        """As a request; what the preset does not name is left to the model. `RequestError` (not_found) if there is none."""
        if not isinstance(name, str) or name not in self._items:
            raise RequestError("not_found", "there is no preset of that name")
        said = self._items[name]
        return _steer(said | {"clear": [wish for wish in CLEARABLE if wish not in said]})

    def save(self, name: Any, steer: Any) -> None:
        """Keep it, instead of the old one of that name; `RequestError` for what is no name or no wish."""
        if not isinstance(name, str) or not 1 <= len(name.strip()) <= MOST_NAME or not name.isprintable():
            raise refused(f"a preset's name has 1 to {MOST_NAME} letters")
        if name.strip() not in self._items and len(self._items) >= MOST_PRESETS:
            raise refused(f"there are {MOST_PRESETS} presets already: delete one first")
        request = _steer(steer)
        said = {key: value for key, value in shaped(request.settings).items() if value not in (None, [])}
        if said.get("mode") == Mode.FILL:  # which bars are filled is of one song
            said = {key: value for key, value in said.items() if key not in ("mode", "fill")}
        self._put({**self._items, name.strip(): said})

    def delete(self, name: Any) -> None:
        """Forget it; `RequestError` (not_found) if there is none."""
        self.get(name)
        self._put({key: value for key, value in self._items.items() if key != name})

    def _put(self, items: dict[str, dict[str, Any]]) -> None:
        if self._path is not None:
            file = None
            try:
                with tempfile.NamedTemporaryFile("wb", dir=self._path.parent, prefix=".presets-", delete=False) as file:
                    file.write(msgspec.json.format(msgspec.json.encode(items), indent=1))
                Path(file.name).replace(self._path)
            except OSError as error:
                if file is not None:
                    with contextlib.suppress(OSError):
                        Path(file.name).unlink()
                raise RequestError("not_kept", f"the preset cannot be kept ({error.strerror or error})") from None
        self._items = items


def _steer(given: Any) -> SteerRequest:
    request = request_from("steer", {"settings": given})
    assert isinstance(request, SteerRequest)
    check_steer(Steer(**msgspec.structs.asdict(request.settings)))
    return request


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """What is in the file; nothing where it is not ours to read."""
    try:
        with path.open("rb") as file:
            items = msgspec.json.decode(file.read(MOST_BYTES), type=dict[str, dict[str, Any]])
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        _log.warning("%s: the presets cannot be read (%s)", path, error)
        return {}
    found = {}
    for name, given in items.items():
        try:
            _steer(given)
        except RequestError as error:
            _log.warning("%s: a preset is left out: %s", path.name, error)
            continue
        found[name] = given
    return dict(list(found.items())[:MOST_PRESETS])
