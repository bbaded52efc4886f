"""Every setting of monitor.toml: its type, bounds, default and meaning; all frozen.

What a setting does is up to the stage whose section it is in; reading the file is in `config`. Import it late: pydantic
takes 0.1 s.
"""

from __future__ import annotations

import difflib
import os
from datetime import UTC, date, datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")  # they are sought among all packages

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    model_validator,
)

OTHER_ZONES = ("internet", "home")
"""Zones of addresses that no list names, outside and inside the home networks (`flows/zones.py`)."""


def _network(value: Any) -> IPv4Network | IPv6Network:
    """A network in CIDR notation; bits beyond the prefix are nearly always a slip, so say what was meant."""
    if not isinstance(value, str | IPv4Network | IPv6Network):
        raise ValueError("a network is written as text, such as 10.1.0.0/16")  # noqa: TRY004  (pydantic wants it)
    try:
        return ip_network(value)
    except ValueError as error:
        try:
            meant = ip_network(value, strict=False)
        except ValueError:
            raise ValueError(f"{value!r} is not a network such as 10.1.0.0/16 or 2001:db8::/32") from error
        raise ValueError(f"{value} has bits set beyond its prefix; did you mean {meant}?") from error


Network = Annotated[IPv4Network | IPv6Network, PlainValidator(_network), PlainSerializer(str)]
Seconds = Annotated[float, Field(ge=0, le=30 * 86400)]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
"""A name that is safe in file names, metric labels and SQL."""


class Section(BaseModel):
    """What all sections share: frozen, no unknown keys, defaults checked too."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class CaptureSettings(Section):
    """How packets are read."""

    batch_packets: int = Field(default=32768, ge=1, le=1 << 22, description="Packets that are handed on at a time.")


class FlowSettings(Section):
    """How packets become flows. The time-outs are Zeek's defaults."""

    tcp_attempt: Seconds = Field(default=5.0, description="Seconds until an unanswered TCP attempt ends.")
    tcp_closed: Seconds = Field(default=5.0, description="Seconds that a closed TCP connection waits for late packets.")
    tcp_idle: Seconds = Field(default=300.0, description="Seconds without a packet that end a TCP connection.")
    udp: Seconds = Field(default=60.0, description="Seconds without a packet that end a UDP flow.")
    icmp: Seconds = Field(default=60.0, description="Seconds without a packet that end an ICMP flow.")
    active: Seconds = Field(
        default=1800.0, description="Seconds after which a long flow is reported in parts; 0: never."
    )
    tunnel: Seconds = Field(
        default=60.0,
        description="Seconds after which a tunnel known by its first bytes (WireGuard, OpenVPN, IKE, L2TP, PPTP) is "
        "first reported, so that it is told while it lasts; then after `active`; 0: no sooner than others.",
    )
    max_flows: int = Field(
        default=1_000_000,
        ge=1024,
        le=1 << 26,
        description="Flows held at a time; beyond it the oldest half-open one goes first.",
    )
    dedup: bool = Field(default=True, description="Drop and count packets that a mirror port delivered twice.")
    keep_query: bool = Field(
        default=False, description="Keep the query string in http_uri. It may hold personal information."
    )
    first_payload_memory: int = Field(
        default=128 << 20,
        ge=1 << 20,
        description="Bytes of memory for the first payload of flows; when full, names are missing.",
    )


class ModelSettings(Section):
    """Which model scores the flows."""

    path: str = Field(
        default="default", description="Folder of the model; `default` is the packaged one, `none` scores nothing."
    )


Days = Annotated[int, Field(ge=0, le=3650)]


class RetentionSettings(Section):
    """Days for which live rows are kept, a table; 0: for ever. `monitor db init` and `db migrate` apply them."""

    flows: Days = Field(default=90, description="Flow records.")
    flows_by_minute: Days = Field(
        default=70, description="Sums by minute, service, direction and zones; the audit report asks for two months."
    )
    hosts_by_hour: Days = Field(default=400, description="Sums by hour and inside host.")
    first_seen: Days = Field(default=400, description="Peers, names and JA4 that a host no longer meets.")
    incidents: Days = Field(default=400, description="Events of incidents.")
    sensor_health: Days = Field(
        default=100, description="Measures of the sensors; the audit report asks for two months."
    )
    audit: Days = Field(default=1100, description="Who queried, suppressed, exported.")


class StoreSettings(Section):
    """Where flows and incidents are kept."""

    url: str = Field(
        default="",
        description="chdb:///folder (embedded), http(s)://user@host:port/database, or none. "
        "Empty: embedded, in the user's data folder.",
    )
    batch_rows: int = Field(default=100_000, ge=1, le=10_000_000, description="Rows of an insert.")
    batch_seconds: Seconds = Field(default=2.0, description="Live rows wait no longer than so many seconds.")
    password_file: Path | None = Field(default=None, description="File that holds the password of a server.")
    ca_file: Path | None = Field(
        default=None, description="Certificates of the authorities that an https server may be of; unset: the system's."
    )
    cluster: Literal[""] | Word = Field(
        default="", description="Name of the ClickHouse cluster that the tables are made on; empty: one server."
    )
    spool: Path | None = Field(
        default=None,
        description="Folder in which live rows wait for the store; unset: monitor/spool in the user's state folder.",
    )
    spool_bytes: int = Field(
        default=2 << 30, ge=1 << 20, description="Bytes that may wait in the spool; beyond it new rows are dropped."
    )
    disk_budget: int = Field(
        default=0, ge=0, description="Bytes that the store may take, ClickHouse's own logs included; 0: the disk."
    )
    retention: RetentionSettings = RetentionSettings()


class DetectSettings(Section):
    """What becomes an incident."""

    window: Seconds = Field(
        default=900.0, description="Seconds of event time within which evidence joins one incident."
    )
    quiet: Seconds = Field(default=3600.0, description="Seconds of event time without evidence that close an incident.")
    always_told: Literal["low", "medium", "high", "critical"] = Field(
        default="high",
        description="Severity from which on incidents never wait for the alert budget, nor count in it.",
    )


class MetricsSettings(Section):
    """Prometheus exporter."""

    address: str = Field(default="127.0.0.1", description="Address that serves /metrics.")
    port: int = Field(default=0, ge=0, le=65535, description="Port that serves /metrics; 0: none.")
    hold: Seconds = Field(default=0.0, description="Seconds for which a replay goes on serving /metrics after its end.")
    active_incidents: int = Field(
        default=100,
        ge=0,
        le=10_000,
        description="Most series of monitor_incident_active; those beyond are only counted.",
    )


class EvidenceSettings(Section):
    """Packets kept on disk by `monitor live`, for `monitor carve --incident`. They hold what people wrote."""

    max_bytes: int = Field(default=0, ge=0, description="Bytes on disk, compressed; the oldest go first. 0: keep none.")
    snaplen: int = Field(default=262_144, ge=64, le=262_144, description="Bytes kept of a packet.")
    folder: Path | None = Field(default=None, description="Where; unset: `evidence` beside the spool.")


class LiveSettings(Section):
    """The sensor: `monitor live`."""

    interfaces: tuple[str, ...] = Field(default=(), description="Interfaces to listen to.")
    workers: int = Field(
        default=1, ge=1, le=64, description="Processes that share the packets, each with a flow table."
    )
    filter: str = Field(default="", description="Packets to take, as in pcap-filter(7); empty: all.")
    promiscuous: bool = Field(default=True, description="Take frames that are addressed to others.")
    hardware_time: bool = Field(default=True, description="Use the card's own stamps where it makes any.")
    ring_bytes: int = Field(
        default=64 << 20,
        ge=4 << 20,
        le=4 << 30,
        description="Bytes of the kernel's ring, for each interface and worker.",
    )
    queue_bytes: int = Field(
        default=64 << 20,
        ge=16 << 20,
        le=4 << 30,
        description="Bytes of flows that may wait between a worker and the main process; beyond, the newest are kept.",
    )
    reserve_bytes: int = Field(
        default=3 << 29,
        ge=0,
        le=64 << 30,
        description="Bytes of memory that the main process takes at its start and keeps for batches and hunts: "
        "a flood then needs no more. 0: what is needed at a time.",
    )
    hunt_interval: float = Field(
        default=30.0,
        ge=1,
        le=86400,
        description="Seconds of event time from one run of the hunts to the next; they rest as long as they took.",
    )
    user: str = Field(
        default="nobody", description="User to become after the start as root; no capability is left to it."
    )


class Conduit(Section):
    """A way from one zone to another that is allowed."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, populate_by_name=True)

    src: Word = Field(alias="from", description="Zone that opens the connection.")
    dst: Word = Field(alias="to", description="Zone that answers.")
    via: tuple[Network, ...] = Field(default=(), description="Only these hosts at either end; empty: all.")
    ports: tuple[Annotated[int, Field(ge=0, le=65535)], ...] = Field(
        default=(), description="Only these ports of the zone that answers; empty: all."
    )
    reason: str = Field(default="", max_length=200, description="Why it is allowed, for the audit.")

    @model_validator(mode="after")
    def _two_zones(self) -> Conduit:
        if self.src == self.dst:
            raise ValueError(f"a conduit joins two zones; both ends of this one are {self.src!r}")
        return self


def _moment(value: Any) -> Any:
    """A day, or a time without a zone, is UTC."""
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


class SuppressionSettings(Section):
    """Incidents that are known to be harmless: hidden until a date. All that is given must hold."""

    detector: str = Field(default="", max_length=64, description="Only incidents of this detector; empty: of any.")
    host: Network | None = Field(default=None, description="Only with this host, or one of this network.")
    peer: Network | None = Field(default=None, description="Only with this peer, or one of this network.")
    name: str = Field(default="", max_length=253, description="Only when all names are this domain or below it.")
    port: int = Field(default=0, ge=0, le=65535, description="Only when all flows go to this port; 0: any.")
    ja4: str = Field(default="", max_length=64, description="Only when all clients have this JA4.")
    expires: Annotated[AwareDatetime, BeforeValidator(_moment)] = Field(
        description="From then on it hides nothing (UTC)."
    )
    reason: str = Field(min_length=1, max_length=500, description="Why it may be hidden.")
    owner: str = Field(min_length=1, max_length=100, description="Who answers for it.")

    @model_validator(mode="after")
    def _asks_something(self) -> SuppressionSettings:
        if not any((self.detector, self.host, self.peer, self.name, self.port, self.ja4)):
            raise ValueError("a suppression of everything is none: give detector, host, peer, name, port or ja4")
        return self

    def scopes(self) -> dict[str, Any]:
        """Its fields, networks as text."""
        return {name: str(value or "") if name in ("host", "peer") else value for name, value in dict(self).items()}


class Settings(Section):
    """All settings of monitor.toml."""

    sensor: Word = Field(default="sensor", description="Name of this sensor, in each row and incident.")
    alert_budget: float = Field(
        default=10.0, gt=0, le=10_000, description="Incidents a day that the operators can handle."
    )
    home_networks: tuple[Network, ...] = Field(
        default=(), description="Networks of ours beside RFC 1918 and ULA: the segment's public prefixes."
    )
    capture: CaptureSettings = CaptureSettings()
    flows: FlowSettings = FlowSettings()
    model: ModelSettings = ModelSettings()
    store: StoreSettings = StoreSettings()
    detect: DetectSettings = DetectSettings()
    metrics: MetricsSettings = MetricsSettings()
    live: LiveSettings = LiveSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    zones: dict[Word, tuple[Network, ...]] = Field(
        default={}, description="Networks of each zone, by its name; `internet` and `home` are all other addresses."
    )
    conduits: tuple[Conduit, ...] = Field(
        default=(), description="Ways between zones that are allowed; all others are breaches."
    )
    suppressions: tuple[SuppressionSettings, ...] = Field(
        default=(), description="Incidents that are hidden, beside those of `monitor incidents suppress`."
    )

    @model_validator(mode="after")
    def _conduits_join_known_zones(self) -> Settings:
        for conduit in self.conduits:
            for zone in (conduit.src, conduit.dst):
                if zone not in (*self.zones, *OTHER_ZONES):
                    near = difflib.get_close_matches(zone, [*self.zones, *OTHER_ZONES], n=1)
                    raise ValueError(
                        f"conduit names the unknown zone {zone!r}" + (f"; did you mean {near[0]!r}?" if near else "")
                    )
        return self
