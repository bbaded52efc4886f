"""A suppression hides what it names and nothing beside it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from incident_builder import HOST, at, incident

from monitor.detect import Suppression, hidden_by, in_force

EXPIRES = datetime(2026, 6, 1, tzinfo=UTC)
SHOWN = {"names": ("a.update.example", "update.example"), "ports": (443,), "ja4": ("t13d1516h2_x_y",)}


def suppression(**fields: Any) -> Suppression:
    return Suppression(**{"expires": EXPIRES, "reason": "known", "owner": "soc", **fields})


@pytest.mark.parametrize(
    "asked",
    [
        {"detector": "beacon"},
        {"host": HOST},
        {"host": "10.0.0.0/24"},
        {"host": "10.0.0.5/32"},
        {"peer": "203.0.113.0/24"},
        {"name": "update.example"},
        {"name": "UPDATE.example."},
        {"name": "*.update.example"},
        {"name": "example"},
        {"port": 443},
        {"ja4": "t13d1516h2_x_y"},
        {"detector": "beacon", "host": HOST, "peer": "203.0.113.9", "name": "example", "port": 443},
    ],
)
def test_it_hides_what_it_names(asked: dict[str, Any]) -> None:
    assert suppression(**asked).hides(incident(**SHOWN))


@pytest.mark.parametrize(
    ("asked", "fields"),
    [
        ({"detector": "port_scan"}, {}),
        ({"host": "10.0.0.6"}, {}),
        ({"host": "10.0.1.0/24"}, {}),
        ({"host": "::/0"}, {}),
        ({"host": "203.0.113.9"}, {}),  # that is the peer
        ({"name": "date.example"}, {}),  # no label of its own
        ({"name": "b.update.example"}, {}),
        ({"name": "update.example"}, {"names": ("update.example", "evil.example")}),
        ({"name": "update.example"}, {"names": ()}),
        ({"name": "update.example"}, {"names": ("update.example.evil.example",)}),
        ({"port": 443}, {"ports": (443, 444)}),
        ({"port": 443}, {"ports": ()}),
        ({"ja4": "t13d1516h2_x_y"}, {"ja4": ("other",)}),
        ({"detector": "beacon", "host": "10.0.0.6"}, {}),
        ({"host": HOST}, {"severity": "critical"}),
        ({"host": HOST}, {"host": "not an address"}),
    ],
)
def test_it_hides_nothing_beside_it(asked: dict[str, Any], fields: dict[str, Any]) -> None:
    assert not suppression(**asked).hides(incident(**{**SHOWN, **fields}))


def test_a_critical_one_is_hidden_only_by_its_detectors_name() -> None:
    breach = incident("zone_breach", severity="critical")
    assert not suppression(host=HOST).hides(breach)
    assert suppression(host=HOST, detector="zone_breach").hides(breach)


def test_what_is_still_seen_when_it_expires_is_shown() -> None:
    asked = suppression(host=HOST, expires=at(60))
    assert asked.hides(incident(end=59))
    assert not asked.hides(incident(end=60))


def test_ipv6_networks() -> None:
    asked = suppression(host="2001:db8::/32")
    assert asked.hides(incident(host="2001:db8:1::5"))
    assert not asked.hides(incident(host="2001:db9::5"))
    assert not asked.hides(incident(host=HOST))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "a suppression of everything is none"),
        ({"host": "10.0.0.0/33"}, "host '10.0.0.0/33' is no address or network"),
        ({"peer": "example.com"}, "peer 'example.com' is no address or network"),
        ({"host": HOST, "reason": " "}, "needs its reason"),
        ({"host": HOST, "owner": ""}, "needs its owner"),
        ({"host": HOST, "expires": datetime(2026, 1, 1)}, "needs a zone"),
    ],
)
def test_what_is_none_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        suppression(**fields)


def test_the_log_says_which_are_in_force() -> None:
    """A row an event; the latest of each counts, and one that was ended is gone."""
    kept, ended = suppression(host=HOST), suppression(port=443)

    def row(one: Suppression, event: str, day: int) -> dict[str, Any]:
        names = ("suppression_id", "detector", "host", "peer", "name", "port", "ja4", "expires", "reason", "owner")
        return {**{name: getattr(one, name) for name in names}, "event": event, "recorded": EXPIRES + timedelta(day)}

    rows = [row(ended, "ended", 2), row(kept, "added", 1), row(ended, "added", 1)]
    assert in_force(rows) == [kept]
    assert hidden_by(incident(**SHOWN), in_force(rows)) == kept.suppression_id
    assert hidden_by(incident(**SHOWN), []) == ""
