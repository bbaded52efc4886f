"""Reads labels: which captures hold which attacks, and which are ordinary traffic; the file of `monitor evaluate`.

    captures:
      - capture: scan/syn.pcap.xz         # beside this file, or an absolute path; capture or flow file
        class: scan                       # the row of the table that it counts in
        attacks:
          - behaviour: port_scan
            host: 192.168.1.10            # whom an incident must name; of a list, any
            peer: 192.168.1.0/24          # the other end, where it is known: address or network, or a list
            start: 2026-11-23T00:45:09Z   # default: the whole capture
            end: 2026-11-23T00:46:10Z
      - capture: benign/office.pcap.xz    # no attacks: every incident is a false one
        class: benign

What is done with them is up to `campaign`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from monitor.errors import UsageError


def _several(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


def _utc(value: Any) -> Any:
    """A time without a zone is UTC."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


def _address(value: Any) -> str:
    return str(ip_address(value))


def _network(value: Any) -> IPv4Network | IPv6Network:
    return ip_network(value)


Time = Annotated[datetime, BeforeValidator(_utc)]
Address = Annotated[str, BeforeValidator(_address)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Attack(_Part):
    """One thing that happened: who, to whom, what, when."""

    behaviour: str
    hosts: Annotated[tuple[Address, ...], BeforeValidator(_several)] = Field(alias="host", min_length=1)
    """An incident that names any of these names the right host."""
    peers: Annotated[tuple[Network, ...], BeforeValidator(_several)] = Field((), alias="peer")
    """Empty: not known, any will do."""
    start: Time | None = None
    end: Time | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Attack:
        if self.start and self.end and self.end < self.start:
            raise ValueError(f"end {self.end} is before start {self.start}")
        return self


class Labelled(_Part):
    """One capture and what is true of it."""

    capture: Path
    kind: str = Field(alias="class", min_length=1)
    attacks: tuple[Attack, ...] = ()
    complete: bool = False
    """Nothing but the attacks in it is unusual: incidents that are none of them are false."""
    home: tuple[Network, ...] = ()
    """Networks of its own beside RFC 1918 and ULA."""
    hosts: int | None = Field(None, ge=1)
    """Hosts of ordinary traffic; default: home addresses that sent something."""
    hours: float | None = Field(None, gt=0)
    """Hours for which it was recorded; default: its time without silence of more than 15 minutes."""
    weight: float = Field(1.0, gt=0, le=1)
    """Share of its host-hours that count: below 1 for traffic that no people make."""

    @property
    def benign(self) -> bool:
        """Whether incidents in it are false ones."""
        return not self.attacks


class _Labels(_Part):
    captures: tuple[Labelled, ...] = Field(min_length=1)


def read_labels(path: Path) -> list[Labelled]:
    """The labelled captures of a file, with paths as they can be opened.

    Raises UsageError naming the entry and what is wrong with it, OSError.
    """
    import yaml

    try:
        found = yaml.safe_load(path.read_text("utf-8"))
        labels = _Labels.model_validate(found)
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: not YAML: {str(error).splitlines()[0]}") from error
    except ValidationError as error:
        lines = (f"{path}: {'.'.join(map(str, entry['loc'])) or 'file'}: {entry['msg']}" for entry in error.errors())
        raise UsageError("\n".join(lines)) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: {error}") from error
    return [entry.model_copy(update={"capture": path.parent / entry.capture}) for entry in labels.captures]
