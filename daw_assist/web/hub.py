"""The state of the page, once for all pages that are open: what was last told of each kind, and who is to be told.

    bridge -- Batch --> Hub -- texts --> an Outbox for each page -- its own pace --> page
    page -- ask --> Hub -- answer --> that page's Outbox

Threads: one (the event loop). What takes long, figures and the disk, is done in order in one thread beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import msgspec

from daw_assist.errors import DawAssistError, RequestError
from daw_assist.server.protocol import PlayRequest
from daw_assist.server.server import installed_version
from daw_assist.suggest.view import LiveView, moment_of
from daw_assist.web.bridge import Batch, Bridge
from daw_assist.web.figures import figures_of
from daw_assist.web.history import MOST_ITEMS, Entry, History
from daw_assist.web.history_file import HistoryFile
from daw_assist.web.outbox import Outbox
from daw_assist.web.own_asks import OwnAsks
from daw_assist.web.page_words import PASSED_ON, PageAsk, ask_from, hello, refused, request_from, shaped, text_of
from daw_assist.web.presets import Presets
from daw_assist.web.whole_song import WholeSong

MOST_PAGES: Final = 16
MOST_CLOSED: Final = 8
"""Bars that a moment may bring; then all is told again."""
MOST_WORKING: Final = 64
"""Asks of one page that may be without an answer."""
NOT_KEPT: Final = "history and presets last only as long as daw-assist runs: their folder cannot be used"
_KINDS: Final = ("hello", "gone-server", "gone-live", "view", "status", "figures", "history", "presets")
"""In the order in which a new page is told."""

_log = logging.getLogger(__name__)


class Hub:
    """`folder` None: nothing is kept on the disk."""

    def __init__(self, make_bridge: Callable[[Callable[[Batch], None]], Bridge], folder: Path | None) -> None:
        self._chores = ThreadPoolExecutor(1, "chores")
        self._file = file = None if folder is None else HistoryFile(folder / "history.jsonl")
        write = (lambda entry: None) if file is None else lambda entry: self._chore(self._keep, file, entry)
        self.history = History([] if file is None else file.read(), write)
        self.song = WholeSong()
        self._presets = Presets(None if folder is None else folder / "presets.json")
        self.bridge = make_bridge(self.news)
        self._own = OwnAsks(self.bridge.ask)
        self.view: LiveView | None = None
        self._plan_id: str | None = None
        self._whole: LiveView | None = None
        """The view that pages were told whole, the `_wholes`-th; moments are of it."""
        self._wholes = 0
        self._pages: set[Outbox] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._said: dict[str, str] = {"hello": text_of(hello(installed_version()))}
        self._told_history = -1
        self._figured: tuple[str, Any] | None = None
        self._own_names: Mapping[str, Callable[[Mapping[str, Any]], Awaitable[Any]]] = {
            "regenerate": lambda given: self._own.regenerate(self._seen(), given),
            "fill_between": lambda given: self._own.fill_between(self._seen(), given),
            "suggest_now": lambda given: self._own.suggest_now(self._seen()),
            "restore": lambda given: self._own.restore(self.history.get(str(given.get("id")))),
            "save_preset": self._save_preset,
            "delete_preset": self._delete_preset,
            "load_preset": lambda given: self.bridge.ask("steer", self._presets.get(given.get("name"))),
        }
        self._tell_presets()
        self._tell_history()

    def start(self) -> None:
        """Begin to listen; from within the event loop."""
        self._loop = asyncio.get_running_loop()
        self.bridge.start()

    def stop(self) -> None:
        """End threads and tasks; what is still to be written is written."""
        self.bridge.stop()
        for task in self._tasks:
            task.cancel()
        if self._file is not None:
            self._chore(self._file.flush)
        self._chores.shutdown(wait=True)

    def enter(self) -> Outbox:
        """A page has come: everything that was said so far waits for it. `RequestError` (busy) if there are too many."""
        if len(self._pages) >= MOST_PAGES:
            raise RequestError("busy", f"{MOST_PAGES} pages are open already: close one")
        page = Outbox()
        if self.view is not None:
            self._tell_whole(self.view)
        for kind in _KINDS:
            if kind in self._said:
                page.put(kind, self._said[kind])
        self._pages.add(page)
        self.bridge.eager = True
        return page

    def leave(self, page: Outbox) -> None:
        """It has gone, and no key is held there any more."""
        self._pages.discard(page)
        self._let_go(page)
        self.bridge.eager = bool(self._pages)

    def heard(self, page: Outbox, text: str) -> None:
        """A frame of a page; its answer comes to the page's outbox."""
        try:
            ask = ask_from(text)
        except RequestError as error:
            page.answer(_no(None, error.code, str(error)))
            return
        if page.working >= MOST_WORKING:
            page.answer(_no(ask.id, "busy", "too much is being asked at once: wait a moment"))
            return
        page.working += 1
        task = self._loop.create_task(self._work(page, ask))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def news(self, batch: Batch) -> None:
        """What the bridge brings."""
        for what, line in batch.gone.items():
            if line is None:
                self._said.pop(f"gone-{what}", None)
                for page in self._pages:
                    page.drop(f"gone-{what}")
            else:
                self._tell(f"gone-{what}", {"type": "gone", "what": what, "line": line})
        if batch.status is not None:
            self._tell("status", {"type": "status", "status": shaped(batch.status)})
        for name in batch.controls:
            self.history.controlled(name)
        if batch.view is not None:
            self._show(batch.view)
        if batch.sent or batch.sent_dropped:
            for page in self._pages:
                page.sent(batch.sent, batch.sent_dropped)
        if self.history.version != self._told_history:
            self._tell_history()

    def _show(self, view: LiveView) -> None:
        self.view = view
        self._plan_id = plan_id = self.history.saw(view)
        self.song.saw(view)
        moment = None if self._whole is None else moment_of(self._whole, view)
        if moment is None or len(moment.closed) > MOST_CLOSED:
            self._tell_whole(view)
        else:
            text = text_of({"type": "moment", "moment": self._with_plan_id(shaped(moment))})
            for page in self._pages:
                page.put("moment", text)
        if view.plan is not None and plan_id is not None:
            key = plan_id, view.plan.suggestion.candidates
            if self._figured != key:
                self._figured = key
                self._chore(self._figure, plan_id, view)

    def _tell_whole(self, view: LiveView) -> None:
        """What the moments after it are of."""
        self._wholes += 1
        self._whole = view = msgspec.structs.replace(view, whole=self._wholes)
        for page in self._pages:
            page.drop("moment")
        self._tell("view", {"type": "view", "view": self._with_plan_id(shaped(view))})

    def _with_plan_id(self, told: dict[str, Any]) -> dict[str, Any]:
        if told.get("plan") is not None:
            told["plan"]["id"] = self._plan_id
        return told

    def _let_go(self, page: Outbox) -> None:
        """End what is held by a page that has gone."""
        if page in self._pages or not page.held:
            return
        ends = tuple(bytes((0x80 | channel, pitch, 0)) for channel, pitch in sorted(page.held))
        page.held.clear()
        task = self._loop.create_task(self._play(ends))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _play(self, messages: tuple[bytes, ...]) -> None:
        with contextlib.suppress(DawAssistError):
            await self.bridge.ask("play", PlayRequest(messages))

    def _figure(self, plan_id: str, view: LiveView) -> None:
        """In the thread for chores."""
        if view.plan is None or self._figured != (plan_id, view.plan.suggestion.candidates):
            return  # another one is shown by now
        made = figures_of(view.plan.suggestion, view.heard)
        told = {"type": "figures", "id": plan_id, **made}
        self._loop.call_soon_threadsafe(self._tell, "figures", told)

    def _keep(self, file: HistoryFile, entry: Entry) -> None:
        """In the thread for chores."""
        before = file.fault
        file.append(entry)
        if file.fault != before:
            self._loop.call_soon_threadsafe(self._tell_history)

    def _chore(self, work: Callable[..., None], *given: Any) -> None:
        def done() -> None:
            try:
                work(*given)
            except RuntimeError:
                _log.debug("a chore came after the end")
            except Exception:  # noqa: BLE001 - whatever it is, the chores after it are done
                _log.exception("a chore failed")

        self._chores.submit(done)

    def _tell(self, kind: str, message: Mapping[str, Any]) -> None:
        text = text_of(message)
        self._said[kind] = text
        for page in self._pages:
            page.put(kind, text)

    def _tell_history(self) -> None:
        self._told_history = self.history.version
        fault = NOT_KEPT if self._file is None else self._file.fault
        self._tell("history", {"type": "history", "items": self.history.items()[:MOST_ITEMS], "fault": fault})

    def _tell_presets(self) -> None:
        self._tell("presets", {"type": "presets", "items": self._presets.items()})

    async def _work(self, page: Outbox, ask: PageAsk) -> None:
        try:
            value = await self._done(ask.name, ask.fields)
            if ask.name == "play":
                page.plays(ask.fields["messages"])
                self._let_go(page)
            page.answer(text_of({"type": "answer", "id": ask.id, "ok": True, "value": value}))
        except RequestError as error:
            page.answer(_no(ask.id, error.code, str(error)))
        except DawAssistError as error:
            page.answer(_no(ask.id, "failed", str(error)))
        except Exception:  # noqa: BLE001 - a page always gets its answer
            _log.exception("an ask of the page failed")
            page.answer(_no(ask.id, "internal", "the page's server met an error of its own: see its log"))
        finally:
            page.working -= 1

    async def _done(self, name: str, given: Mapping[str, Any]) -> Any:
        if name in PASSED_ON:
            return shaped(await self.bridge.ask(name, request_from(name, given)))
        own = self._own_names.get(name)
        if own is None:
            raise RequestError(
                "unknown_name", f"there is no ask {name!r}; there are {', '.join((*PASSED_ON, *self._own_names))}"
            )
        return shaped(await own(given))

    async def _save_preset(self, given: Mapping[str, Any]) -> None:
        self._presets.save(given.get("name"), given.get("steer"))
        self._tell_presets()

    async def _delete_preset(self, given: Mapping[str, Any]) -> None:
        self._presets.delete(given.get("name"))
        self._tell_presets()

    def _seen(self) -> LiveView:
        if self.view is None:
            raise refused("no live process has shown anything yet: start daw-assist live")
        return self.view


def _no(ask_id: int | str | None, code: str, line: str) -> str:
    return text_of({"type": "answer", "id": ask_id, "ok": False, "error": {"code": code, "message": line}})
