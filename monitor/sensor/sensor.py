"""The main process of `monitor live`: opens what needs privileges, gives them up, and runs workers, store and hunts.

Packets never pass here. The parts are in the other files of this folder; here they get their threads and their order.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from monitor.errors import UsageError
from monitor.lean import load_pyarrow

if TYPE_CHECKING:
    from monitor.alerts import Telemetry
    from monitor.capture import Taps
    from monitor.config import Settings
    from monitor.detect import Event
    from monitor.reading import Account
    from monitor.sensor.memory import Memory
    from monitor.sensor.signals import Signals

TURN: Final = 0.1
"""Seconds between two looks at workers, interfaces and signals."""
FOR_STORE: Final = 2.5
"""Of the seconds to end in, those that the workers leave to the store and the hunts."""
FOR_SPOOL: Final = 0.5
"""Of these, the ones that the store and the hunts leave to the spool."""

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
    from monitor.sensor import reserve
    from monitor.sensor.memory import Memory, own_places
    from monitor.sensor.privileges import drop
    from monitor.sensor.signals import Signals

    live = settings.live
    if live.reserve_bytes:
        reserve.keep()
    load_pyarrow()
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
            settings = own_places(settings)
            user = drop(live.user)
            with serve_metrics(settings, wanted=serve) as telemetry, Memory(settings, signals, say) as memory:
                if telemetry is not None:
                    say(f"metrics: http://{telemetry.exporter.address}:{telemetry.exporter.port}/metrics")
                model = scoring_model(settings)
                if memory.logbook.killed is not None:
                    say(str(memory.logbook.killed))
                sensor = Sensor(settings, taps, memory, telemetry, say, told)
                sensor.use(model)
                sensor.run(signals, reload, user)
            return sensor.health.account()
        finally:
            taps.close()


class Sensor:
    """Workers, recorder and hunts of one run, wired together."""

    def __init__(
        self, settings: Settings, taps: Taps, memory: Memory, telemetry: Telemetry | None, say: Say, told: Told
    ) -> None:
        from monitor.sensor.crew import Crew
        from monitor.sensor.diary import Diary
        from monitor.sensor.health import Health
        from monitor.sensor.hunting import Hunting
        from monitor.sensor.recorder import Recorder

        self._settings, self._taps, self._telemetry, self._say = settings, taps, telemetry, say
        self.crew = Crew(settings, taps)
        if memory.logbook.killed is not None:
            self.crew.losses.flows_killed = memory.logbook.killed.flows
        self._memory = memory
        self.recorder = Recorder(self.crew, memory.writer, None, telemetry)
        self.hunting = Hunting(settings, memory.store, telemetry, told)
        self.health = Health(settings, taps, self.crew, self.recorder)
        self.diary = Diary(settings.sensor, memory.store, self.health, memory.folder)
        self._ending = threading.Event()
        self._hunts_over = threading.Event()
        self._failed: BaseException | None = None

    def use(self, model: Any) -> None:
        """Score with this model from now on."""
        self.recorder.model = model
        if model is not None and self._telemetry is not None:
            self._telemetry.model(model)

    def run(self, signals: Signals, reload: Callable[[], Settings], user: str) -> None:
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
            self.health.look()
            self._memory.logbook.note(self.health.held(), self.health.waiting())
            if time.monotonic() - looked >= 1.0:
                looked = time.monotonic()
                self._look()
        self._end(recording, hunting, signals)

    def _look(self) -> None:
        for change in self._taps.look():
            self._say(change.what)
            if change.reopened:
                self.crew.give()
                self.health.abandon()
        if self._telemetry is not None:
            self.health.show(self._telemetry)

    def _end(self, recording: threading.Thread, hunting: threading.Thread, signals: Signals) -> None:
        """Let the workers hand over their flows, store them, hunt once more; what is too slow is left undone."""
        self._say("stopping: flows are handed over and stored")
        signals.end()
        self._hunts_over.set()
        self.crew.stop()
        while signals.left(reserved=FOR_STORE) and not self.crew.ended():
            time.sleep(TURN / 2)
        self._ending.set()
        recording.join(signals.left(reserved=FOR_SPOOL))
        self.recorder.over = True
        recording.join(FOR_SPOOL)
        self.crew.write_off()
        stored = self._memory.writer.flush(signals.left(reserved=FOR_SPOOL))
        hunting.join(signals.left(reserved=FOR_SPOOL))
        if stored and self._failed is None and not hunting.is_alive():
            hunting = self._thread(self._last_hunts, "last hunts")
            hunting.join(signals.left(reserved=FOR_SPOOL))
        elif not hunting.is_alive():
            self.diary.note()
        if hunting.is_alive():
            self._memory.busy = True
            self._say("the hunts do not end in time; the next start hunts among the same flows")
        self.health.look()
        self._look()
        if self._failed is not None:
            raise self._failed

    def _hunt(self) -> None:
        rest = TURN
        while not self._hunts_over.wait(rest):
            event_time, rest = int(self.crew.totals()["event_time"]), TURN
            if self.hunting.due(event_time):
                began = time.monotonic()
                self._hunt_until(event_time)
                rest = max(TURN, time.monotonic() - began)  # on a large store they must leave it time for other work
            if self.diary.due():
                self._write_diary()

    def _last_hunts(self) -> None:
        self._write_diary()
        self._hunt_until(self.health.last_packet() + 1)

    def _write_diary(self) -> None:
        from monitor.store import StoreError

        try:
            self.diary.write()
        except StoreError as error:
            self._say(f"health: {error}")

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
