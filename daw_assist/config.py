"""The configuration file: what the composer set once. TOML, read in one place; flags win over it.

    [live]
    mode = "trade"
    meter = "3/4"

    [hands]
    accept = "cc:66"
    next = "note:10:38"

Where: the file named by the environment variable DAW_ASSIST_CONFIG, else `daw-assist/config.toml` in the user's own
configuration folder. A key that is none is an error that names the nearest one.
"""

from __future__ import annotations

import os
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any

from daw_assist.errors import UsageError
from daw_assist.suggest.hands import ACTIONS, DEFAULT_BINDINGS, Trigger, parse_trigger

VARIABLE = "DAW_ASSIST_CONFIG"
MAX_BYTES = 64 * 1024
LIVE_KEYS: Mapping[str, type | tuple[type, ...]] = MappingProxyType({
    "virtual": str, "in_port": str, "out_port": str, "api": str, "sync": str, "mode": str, "meter": str, "bpm": (int, float),
    "channel": int, "audition_channel": int, "thru": bool, "latency_ms": (int, float), "spp_unit": int, "model": str,
    "chord_model": str, "provider": str, "threads": int, "count_in": int, "bars": int, "candidates": int,
})  # fmt: skip
"""Options of `live` that can be set, and of what kind each is."""


@dataclass(frozen=True, slots=True)
class Config:
    """`live` by the options' names; `bindings` of notes, control changes and program changes to actions."""

    live: Mapping[str, Any] = field(default_factory=dict)
    bindings: Mapping[Trigger, str] = field(default_factory=lambda: dict(DEFAULT_BINDINGS))
    path: Path | None = None
    """Where it was read from; None: there is no file."""


def config_path() -> Path:
    """Where the file is, or would be."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming") / "daw-assist" / "config.toml"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "daw-assist" / "config.toml"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "daw-assist" / "config.toml"


def load(path: Path | None = None) -> Config:
    """What the file says; all defaults where there is none. `UsageError` in one line for what cannot be read."""
    path = path or config_path()
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return Config()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); mend it or move it away") from None
    if len(data) > MAX_BYTES:
        raise UsageError(f"{path}: is over {MAX_BYTES} bytes, which no configuration of ours is; move it away")
    try:
        read = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: is not TOML ({error}); mend it or move it away") from None
    _known(path, "", read, ("live", "hands"))
    return Config(_live(path, read.get("live", {})), _hands(path, read.get("hands", {})), path)


def save_bindings(bindings: Mapping[Trigger, str], path: Path | None = None) -> Path:
    """Write the hands into the file and leave the rest of it as it is, comments too; the file is replaced as a whole.

    `UsageError` if it cannot be written, or what is there is not TOML.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    path = path or config_path()
    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8")) if path.exists() else tomlkit.document()
        hands = tomlkit.table()
        for action in ACTIONS:
            own = [str(trigger) for trigger, meant in bindings.items() if meant == action]
            if own or action in DEFAULT_BINDINGS.values():
                hands[action] = own[0] if len(own) == 1 else own
        document["hands"] = hands
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=".config-", delete=False
        ) as file:
            file.write(tomlkit.dumps(document))
        Path(file.name).replace(path)
    except (OSError, ValueError, TOMLKitError) as error:
        raise UsageError(f"{path}: what was learned cannot be kept ({error})") from None
    return path


def _live(path: Path, read: Any) -> dict[str, Any]:
    if not isinstance(read, dict):
        raise UsageError(f"{path}: live must be a table, [live]")
    _known(path, "live.", read, LIVE_KEYS)
    for key, value in read.items():
        kinds = LIVE_KEYS[key]
        if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not bool):
            wanted = "true or false" if kinds is bool else "a text" if kinds is str else "a number"
            raise UsageError(f"{path}: live.{key} must be {wanted}, not {value!r}")
    return dict(read)


def _hands(path: Path, read: Any) -> dict[Trigger, str]:
    if not isinstance(read, dict):
        raise UsageError(f"{path}: hands must be a table, [hands]")
    _known(path, "hands.", read, ACTIONS)
    found = {trigger: action for trigger, action in DEFAULT_BINDINGS.items() if action not in read}
    for action, said in read.items():
        for text in said if isinstance(said, list) else [said]:
            if not isinstance(text, str):
                raise UsageError(f"{path}: hands.{action} must be a text such as cc:66, not {text!r}")
            try:
                trigger = parse_trigger(text)
                if found.get(trigger, action) != action:
                    raise UsageError(f"{trigger} is {found[trigger]} already")
                found[trigger] = action
            except UsageError as error:
                raise UsageError(f"{path}: hands.{action}: {error}") from None
    return found


def _known(path: Path, prefix: str, read: Mapping[str, Any], known: Any) -> None:
    for key in read:
        if key not in known:
            near = get_close_matches(key, known, 1)
            hint = f"did you mean {prefix}{near[0]}?" if near else f"there are {', '.join(known)}"
            raise UsageError(f"{path}: there is no {prefix}{key}: {hint}")
