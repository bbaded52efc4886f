"""The main process of `monitor live`: opens what needs privileges, gives them up, and runs workers, store and hunts.

Packets never pass here. The parts are in the other files of this folder; here they get their threads and their order.
"""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from monitor.errors import UsageError
from monitor.lean import load_pyarrow

if TYPE_CHECKING:
    from monitor.alerts import Telemetry
    from monitor.capture import Taps
    from monitor.config import Settings
    from monitor.detect import Event
    from monitor.reading import Account
    from monitor.store import Store

TURN: Final = 0.1
"""Seconds between two looks at workers, interfaces and signals."""
LAST: Final = 6.0
"""Seconds for the flows of the workers to come in at the end."""
LAST_HUNT: Final = 2.0
"""Seconds that a hunt may have taken for another one at the end."""

FIXED: Final = ("live", "store", "metrics", "sensor")
"""Settings that a reload does not change."""

Say = Callable[[str], None]
Told = Callable[["Event"], None]


def run(settings: Settings, *, reload: Callable[[], Settings], say: Say, told: Told, serve: bool) -> Account:
    """Listen until SIGTERM or SIGINT; what became of the packets. SIGHUP: settings are read anew with `reload`.

    `say` takes lines for the log, `told` what becomes of incidents; `serve`: /metrics even without a port
    in the settings. Raises UsageError, CaptureError, StoreError, ModelError, OSError.
    """
    from monitor.capture import RingShape, Taps
    from monitor.places import scoring_model, serve_metrics
    from monitor.sensor.privileges import drop

    load_pyarrow()
    live = settings.live
    if not live.interfaces:
        raise UsageError("no interface is named; give -i NAME, or live.interfaces in the settings")
    with Signals() as signals:
        taps = Taps(
            live.interfaces,
            RingShape(blocks=live.ring_bytes >> 20),
            workers=live.workers,
            promiscuous=live.promiscuous,
            expression=live.filter,
            hardware_time=live.hardware_time,
        )
        try:
            settings = _places(settings)
            user = drop(live.user)
            with serve_metrics(settings, wanted=serve) as telemetry, Memory(settings, say) as memory:
                if telemetry is not None:
                    say(f"metrics: http://{telemetry.exporter.address}:{telemetry.exporter.port}/metrics")
                model = scoring_model(settings)
                sensor = Sensor(settings, taps, memory, telemetry, say, told)
                sensor.use(model)
                return sensor.run(signals, reload, user)
        finally:
            taps.close()


class Sensor:
    """Workers, recorder and hunts of one run, wired together."""

    def __init__(
        self, settings: Settings, taps: Taps, memory: Memory, telemetry: Telemetry | None, say: Say, told: Told
    ) -> None:
        from monitor.sensor.crew import Crew
        from monitor.sensor.health import Health
        from monitor.sensor.hunting import Hunting
        from monitor.sensor.recorder import Recorder

        self._settings, self._taps, self._telemetry, self._say = settings, taps, telemetry, say
        self.crew = Crew(settings, taps)
        self._memory = memory
        self.recorder = Recorder(self.crew, memory.writer, None, telemetry)
        self.hunting = Hunting(settings, memory.store, telemetry, told)
        self.health = Health(settings, taps, self.crew, self.recorder)
        self._ending = threading.Event()
        self._hunts_over = threading.Event()
        self._failed: BaseException | None = None

    def use(self, model: Any) -> None:
        """Score with this model from now on."""
        self.recorder.model = model
        if model is not None and self._telemetry is not None:
            self._telemetry.model(model.version, model.card)

    def run(self, signals: Signals, reload: Callable[[], Settings], user: str) -> Account:
        """From the start of the workers to their end."""
        try:
            self.crew.start()
            while not signals.stop and not self._ready():
                time.sleep(TURN)
            if not signals.stop:
                self._taps.open()
                self.crew.give()
                names = ", ".join(tap.name for tap in self._taps.taps)
                count = len(self.crew.members)
                self._say(f"listening on {names} as {user}, {count} worker{'s' if count > 1 else ''}")
                self._listen(signals, reload)
        finally:
            self.crew.close()
        return self.health.account()

    def _ready(self) -> bool:
        from monitor.errors import InputError

        try:
            return self.crew.ready()
        except RuntimeError as error:
            raise InputError(str(error)) from error

    def _listen(self, signals: Signals, reload: Callable[[], Settings]) -> None:
        recording = self._thread(lambda: self.recorder.run(self._ending.is_set), "store")
        hunting = self._thread(self._hunt, "hunts")
        looked = 0.0
        while not signals.stop and self._failed is None:
            time.sleep(TURN)
            for line in self.crew.watch():
                self._say(line)
            if signals.take_hangup():
                self._reload(reload)
            if time.monotonic() - looked >= 1.0:
                looked = time.monotonic()
                self._look()
        self._end(recording, hunting)

    def _look(self) -> None:
        for change in self._taps.look():
            self._say(change.what)
            if change.reopened:
                self.crew.give()
        self.health.look()
        if self._telemetry is not None:
            self.health.show(self._telemetry)

    def _end(self, recording: threading.Thread, hunting: threading.Thread) -> None:
        """Let the workers hand over their flows, store them, hunt once more when that is quick."""
        self._say("stopping: flows are handed over and stored")
        self._hunts_over.set()
        self.crew.stop()
        deadline = time.monotonic() + LAST
        while time.monotonic() < deadline and not self.crew.ended():
            time.sleep(TURN / 2)
        self._ending.set()
        recording.join(max(deadline - time.monotonic(), 1.0))
        stored = self._memory.writer.flush(max(deadline - time.monotonic(), 1.0))
        hunting.join(0.5)
        if stored and self._failed is None and not hunting.is_alive() and self.hunting.seconds < LAST_HUNT:
            self._hunt_until(self.health.last_packet() + 1)
        self._look()
        if self._failed is not None:
            raise self._failed

    def _hunt(self) -> None:
        while not self._hunts_over.wait(TURN):
            event_time = int(self.crew.totals()["event_time"])
            if self.hunting.due(event_time):
                self._hunt_until(event_time)

    def _hunt_until(self, event_time: int) -> None:
        from monitor.store import StoreError

        try:
            self.hunting.run(event_time, self.recorder.model)
        except StoreError as error:
            self._say(f"hunts: {error}")

    def _reload(self, reload: Callable[[], Settings]) -> None:
        """Take over settings and model; what is wrong with them leaves the old ones in force."""
        from monitor.config import ConfigError
        from monitor.model import ModelError
        from monitor.places import scoring_model

        try:
            fresh = reload()
            model = scoring_model(fresh)
        except (ConfigError, ModelError) as error:
            self._say(f"reload: {error}; the settings before stay in force")
            return
        fixed = [name for name in FIXED if getattr(fresh, name) != getattr(self._settings, name)]
        if fixed:
            self._say(f"reload: {', '.join(fixed)} changed; that wants a new start")
        self._settings = fresh
        self.hunting.settings = fresh
        self.crew.renew(fresh)
        self.use(model)
        self._say("reload: settings, zones and model are in force")

    def _thread(self, work: Callable[[], None], name: str) -> threading.Thread:
        def guarded() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001  (a thread's boundary: raised again in the main one)
                self._failed = error

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        thread.start()
        return thread


class Memory:
    """The store and the way there; a server may be away when the sensor starts, rows wait in the spool then."""

    def __init__(self, settings: Settings, say: Say) -> None:
        """Raises UsageError, StoreError when the store is another's or refuses us, OSError for the spool."""
        from monitor.places import live_writer, ready_store
        from monitor.store import StoreAwayError

        self._settings = settings
        self._store: Store | None = None
        self._spool = tempfile.TemporaryDirectory(prefix="monitor-spool-") if settings.store.url == "none" else None
        if self._spool is not None:
            kept = settings.store.model_copy(update={"spool": Path(self._spool.name)})
            settings = settings.model_copy(update={"store": kept})
        try:
            self._store = ready_store(settings)
        except StoreAwayError as error:
            say(f"{error}; flows wait in the spool")
        self.writer = live_writer(settings, self._store)

    def store(self) -> Store:
        """The store; opened now when it was away. Raises StoreError."""
        from monitor.places import ready_store

        if self._store is None:
            self._store = ready_store(self._settings)
        return self._store

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *_: object) -> None:
        self.writer.close(1.0)
        if self._store is not None:
            self._store.close()
        if self._spool is not None:
            self._spool.cleanup()


def _places(settings: Settings) -> Settings:
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


class Signals:
    """SIGTERM and SIGINT as a wish to stop, SIGHUP as one to reload; a second SIGINT ends at once."""

    def __init__(self) -> None:
        self.stop = False
        self._hangup = False

    def __enter__(self) -> Signals:
        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        self._before = {number: signal.signal(number, self._note) for number in numbers}
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _note(self, number: int, frame: object) -> None:
        if number == signal.SIGHUP:
            self._hangup = True
            return
        if self.stop and number == signal.SIGINT:
            signal.signal(number, self._before[signal.Signals(number)])
        self.stop = True

    def take_hangup(self) -> bool:
        """Whether a SIGHUP came since the last call."""
        came, self._hangup = self._hangup, False
        return came
