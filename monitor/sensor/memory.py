"""The store of a sensor and the way there, opened before privileges are given up and closed within the time to end.

Rows are delivered by the store's writer; what is asked of the store is up to `hunting`.
"""

from __future__ import annotations

import atexit
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from monitor.config import Settings
    from monitor.sensor.signals import Signals
    from monitor.store import Store

MUTE: Final = 5.0
"""Seconds to wait at the start for a server that takes the connection and does not answer."""

THREADS: Final = 2
"""Of an embedded store's questions, which come one after another: more would need more memory under a flood."""

Say = Callable[[str], None]


class Memory:
    """The store and its writer; a server may be away when the sensor starts, rows wait in the spool then."""

    def __init__(self, settings: Settings, signals: Signals, say: Say) -> None:
        """Raises UsageError, StoreError when the store is another's or refuses us, OSError for the spool."""
        from monitor.places import live_writer
        from monitor.sensor import reserve
        from monitor.sensor.logbook import Logbook
        from monitor.store import StoreAwayError, default_spool

        self._settings, self._signals = settings, signals
        self._store: Store | None = None
        self.busy = False
        """Set by whoever could not get its thread back from the store: it is left open then."""
        self._spool = tempfile.TemporaryDirectory(prefix="monitor-spool-") if settings.store.url == "none" else None
        if self._spool is not None:
            kept = settings.store.model_copy(update={"spool": Path(self._spool.name)})
            settings = settings.model_copy(update={"store": kept})
        try:
            self._store = _opened(settings, signals)
        except StoreAwayError as error:
            say(f"{error}; flows wait in the spool")
        if settings.live.reserve_bytes:
            reserve.take(self._store, settings.live.reserve_bytes)
        self.writer = live_writer(settings, self._store)
        self.folder = settings.store.spool or default_spool()
        """What waits for the store is there."""
        self.logbook = Logbook(self.folder)

    def store(self) -> Store:
        """The store; opened now when it was away. Raises StoreError."""
        from monitor.places import ready_store

        if self._store is None:
            self._store = ready_store(self._settings, threads=THREADS)
        return self._store

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._signals.end()  # it may be an exception that ends us
        self.writer.close(max(self._signals.left(), 0.5))
        if kind is None:
            self.logbook.close()
        if self.busy or not self.writer.ended():
            atexit.register(_leave, 0 if kind is None else 1)
            return
        if self._store is not None:
            self._store.close()
        if self._spool is not None:
            self._spool.cleanup()


def _opened(settings: Settings, signals: Signals) -> Store:
    """The store of the settings. Raises StoreError; StoreAwayError too when a server says nothing for MUTE seconds."""
    from monitor.places import ready_store
    from monitor.store import StoreAwayError, embedded_folder

    if embedded_folder(settings.store.url) is not None or settings.store.url == "none":
        return ready_store(settings, threads=THREADS)
    came: list[Store | BaseException] = []

    def ask() -> None:
        try:
            came.append(ready_store(settings, threads=THREADS))
        except BaseException as error:  # noqa: BLE001  (a thread's boundary: raised again below)
            came.append(error)

    asking = threading.Thread(target=ask, name="store", daemon=True)
    asking.start()
    patience = time.monotonic() + MUTE
    while asking.is_alive() and not signals.stop and time.monotonic() < patience:
        asking.join(0.1)
    if not came:
        raise StoreAwayError(f"store {settings.store.url}: takes the connection and does not answer")
    if isinstance(came[0], BaseException):
        raise came[0]
    return came[0]


def _leave(status: int) -> None:
    """End without the interpreter's clearing up: it would take the embedded store from under a thread that is in it."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def own_places(settings: Settings) -> Settings:
    """The settings with folders that the user we become can write; they are made while we may."""
    from monitor.sensor.privileges import CACHE, STATE, check, hand_over

    user = settings.live.user
    if os.geteuid() != 0 or user == "root":
        return settings
    check(user)
    given = settings.store
    own: dict[str, Any] = {}
    if not given.url:
        own["url"] = f"chdb://{STATE / 'store'}"
    if given.spool is None:
        own["spool"] = STATE / "spool"
    if own:
        hand_over(STATE, user)
        settings = settings.model_copy(update={"store": given.model_copy(update=own)})
    if "MONITOR_CACHE_DIR" not in os.environ and "CACHE_DIRECTORY" not in os.environ:
        hand_over(CACHE, user)
        os.environ["MONITOR_CACHE_DIR"] = str(CACHE)
    return settings
