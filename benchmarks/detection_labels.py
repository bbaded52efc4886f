"""Labels for `monitor evaluate` out of the shared captures' labels.tsv and the lab's own ground truth.

labels.tsv says who attacked whom in words; whom an incident must name follows from the class (DESIGN §5: scans and
guessing name the one who does it, floods the victim, all else the inside client). No capture is treated by its name,
but for three kinds of row that are no attack captures: bulk look-ups, scatter of a flood elsewhere, and decoding tests.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import yaml

from monitor.evaluation.labels import Labelled
from monitor.evaluation.scenario import addresses, at_home, home_hosts

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
TOWN = ROOT / "tests" / "lab" / "town.yaml"
OFFICE = ROOT / "build" / "lab" / "office.pcapng"

BY_ATTACKER = ("scan", "bruteforce")
NOT_ATTACKS = ("benign", "protocols", "flowlogs")
BULK_WEIGHT = 0.02
"""Bulk DNS look-ups are most of the benign flows, and nobody's behaviour: they count a fiftieth."""

_ADDRESS = re.compile(
    r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?:/\d{1,2})?(?![\d.])|(?<![\w:])[0-9a-f]{1,4}(?::+[0-9a-f]{1,4}){2,7}"
)
_ENDING = re.compile(r"(?<=[ ,(])\.(\d{1,3})(?=\D|$)")


def shared(tables: Any) -> Iterator[Labelled]:
    """A label a capture; `tables` gives the flow table of a path, for captures whose host labels.tsv does not name."""
    with (DATA / "labels.tsv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if row["class"] not in NOT_ATTACKS or row["class"] == "benign":
                yield Labelled.model_validate(_entry(row, tables))


def benign() -> list[Labelled]:
    """The ordinary captures alone."""
    with (DATA / "labels.tsv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["class"] == "benign"]
    return [Labelled.model_validate(_entry(row, None)) for row in rows]


def lab() -> Labelled:
    """The recording of the lab town: what its ground truth does not name is ordinary."""
    truth = yaml.safe_load(TOWN.read_text("utf-8"))
    attacks = [
        {name: one[name] for name in ("behaviour", "host", "peer", "start", "end")} for one in truth["behaviours"]
    ]
    return Labelled.model_validate(
        {"capture": TOWN.parent / "town.pcapng.xz", "class": "lab", "complete": True, "attacks": attacks}
    )


def office() -> list[Labelled]:
    """The recording of the office without attacks (`make lab-benign`), where it has been made."""
    return [Labelled.model_validate({"capture": OFFICE, "class": "lab benign"})] if OFFICE.exists() else []


def written(labels: list[Labelled], path: Path) -> None:
    """Write them as the file that `monitor evaluate` reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = [entry.model_dump(mode="json", by_alias=True, exclude_defaults=True) for entry in labels]
    path.write_text(yaml.safe_dump({"captures": entries}, sort_keys=False), "utf-8")


def _entry(row: dict[str, str], tables: Any) -> dict[str, Any]:
    path, kind = DATA / row["path"], row["class"]
    if kind == "benign":
        bulk = "no user behaviour" in row["ground_truth"]
        return {
            "capture": path,
            "class": "benign: bulk DNS" if bulk else "benign",
            "weight": BULK_WEIGHT if bulk else 1.0,
        }
    if "hard negative" in row["ground_truth"]:
        return {"capture": path, "class": "hard negative", "hosts": 1}
    attackers, victims = _addresses(row["attacker_ips"]), _addresses(row["victim_ips"])
    if kind in BY_ATTACKER:
        hosts, peers = attackers, victims
        if "many" in row["attacker_ips"]:
            hosts = addresses(tables(path), "src")
    else:
        hosts, peers = victims, attackers
        if kind == "malware":  # a worm's own host attacks in turn
            hosts = [*victims, *(one for one in attackers if at_home(one) and one in _addresses(row["ground_truth"]))]
    hosts = [one for one in hosts if "/" not in one] or _busiest(path, row, tables)
    public = [f"{one}" for one in hosts if not at_home(one)] if kind not in BY_ATTACKER else []
    attack: dict[str, Any] = {"behaviour": kind, "host": list(dict.fromkeys(hosts))}
    if peers:
        attack["peer"] = [str(ip_network(one, strict=False)) for one in peers]
    return {"capture": path, "class": kind, "attacks": [attack], "home": public}


def _busiest(path: Path, row: dict[str, str], tables: Any) -> list[str]:
    """The host that the words name, else the home address with most flows, else the initiator of most."""
    table = tables(path)
    named = [one for one in _addresses(row["ground_truth"]) if one in addresses(table) and at_home(one)]
    found = named or home_hosts(table) or addresses(table, "src")
    return found[:1] or ["0.0.0.0"]


def _addresses(text: str) -> list[str]:
    """Addresses and networks in words; ".143" after an address is its neighbour."""
    found = [one for one in _ADDRESS.findall(text) if _valid(one)]
    if found and "." in found[0]:
        prefix = found[0].split("/")[0].rsplit(".", 1)[0]
        found += [f"{prefix}.{ending}" for ending in _ENDING.findall(text) if _valid(f"{prefix}.{ending}")]
    return list(dict.fromkeys(found))


def _valid(text: str) -> bool:
    try:
        ip_network(text, strict=False) if "/" in text else ip_address(text)
    except ValueError:
        return False
    return True
