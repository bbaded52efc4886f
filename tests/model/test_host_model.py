"""Forests over windows: usual hours keep to the budget, a strange one is found with the reason that was planted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from synthetic_flows import ordinary

from monitor.model import Model, Source, TrainSettings, WindowSession, load, train
from monitor.model.host_features import _COLUMNS_READ, WINDOW_FEATURES
from monitor.model.host_model import WIDTHS

HOSTS = 40


def windows(seed: int, hours: int = 24, **planted: float) -> dict[int, pa.Table]:
    """A day of a network's windows; `planted` columns are put into the very last one of each width."""
    out = {}
    for width in WIDTHS:
        random = np.random.default_rng((seed, width))
        count = hours * 3600 // width * HOSTS // (12 if width == 300 else 1)
        columns = {name: random.poisson(8, count).astype(float) for name in _COLUMNS_READ}
        columns |= {name: random.lognormal(9, 1, count) for name in ("sent_bytes", "received_bytes", "usual_bytes")}
        columns |= {
            name: np.zeros(count) for name in ("unusual_hour", "odd_flows", "rare_clients", "new_peers", "pings")
        }
        columns["failures"] = np.minimum(random.poisson(1, count), columns["flows"]).astype(float)
        for name, value in planted.items():
            columns[name][-1] = value
        hour = np.arange(count) * hours // count
        out[width] = pa.table({
            **columns,
            "window": hour * 3600,
            "host": pa.array([bytes(15) + bytes([n % HOSTS]) for n in range(count)], pa.binary(16)),
            "strangeness": random.standard_cauchy(count).clip(-3, 3),
        })  # fmt: skip
    return out


@pytest.fixture(scope="module")
def site() -> Model:
    """One network for 6 days."""
    sources = [Source(f"day {day}", [ordinary(1_500, seed=day)]) for day in range(6)]
    sessions = [WindowSession(f"day {day}", windows(day)) for day in range(6)]
    return train(sources, TrainSettings(trees=48, samples=64), windows=lambda: sessions)


def test_the_budget_is_shared_between_flows_and_windows(site: Model) -> None:
    assert site.hosts is not None
    services = site.card["services"]
    flows = sum(cut * services[name]["flows_per_day"] for name, cut in site.p_cuts(10).items())
    hours = site.host_cut(10) * site.hosts.host_hours_per_day
    assert flows + hours == pytest.approx(10, rel=1e-3)


def test_usual_hours_alarm_about_as_often_as_the_budget_says(site: Model) -> None:
    assert site.hosts is not None
    alarms = sum(len(site.hosts.strange(windows(100 + day), cut=0.01)) for day in range(3))
    hours = 3 * 24 * HOSTS
    assert alarms <= 2 * 0.01 * hours + 10


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        ({"flows": 5e3, "peers": 4e3, "ports": 900.0, "failures": 4.9e3}, ("called", "opened", "failed", "98 %")),
        ({"sent_bytes": 5e12, "largest_upload": 5e12, "longest": 3e4}, ("sent", "moved", "had a connection", "100 %")),
        ({"lookups": 9e3, "names": 9e3, "unknown_names": 9e3, "dns_sent": 9e6}, ("looked up", "sent 1 kB a look-up")),
    ],
)
def test_a_strange_hour_is_found_and_says_why(site: Model, planted: dict[str, float], said: tuple[str, ...]) -> None:
    assert site.hosts is not None
    found = site.hosts.strange(windows(200, **planted), cut=0.02)
    told = [one for one in found if one.host == bytes(15) + bytes([HOSTS - 1]) and one.hour == 23 * 3600]
    assert told, "the planted hour is among the strangest fiftieth"
    assert told[0].reasons[0].startswith(said), told[0].reasons


def test_doing_less_than_others_makes_no_hour_stranger(site: Model) -> None:
    """A host with next to no peers is none to look at; the forest alone finds it as rare as one with a thousand."""
    assert site.hosts is not None
    place = [feature.name for feature in WINDOW_FEATURES].index("peers")
    usual = min(float(forest.low[place]) for forest in site.hosts.forests.values())
    assert usual > 1
    assert site.hosts.strange(windows(200, peers=0.0), cut=1.0) == site.hosts.strange(
        windows(200, peers=usual), cut=1.0
    )


def test_it_is_saved_and_loaded_whole(site: Model, tmp_path: Path) -> None:
    site.save(tmp_path)
    again = load(tmp_path)
    assert again.hosts is not None
    assert site.hosts is not None
    assert again.hosts.strange(windows(7, peers=4000.0), 0.02) == site.hosts.strange(windows(7, peers=4000.0), 0.02)
    assert again.host_cut(10) == pytest.approx(site.host_cut(10), rel=1e-3)


def test_too_few_windows_make_a_model_without_them() -> None:
    few = train([Source("day", [ordinary(1_500, seed=1)])], TrainSettings(trees=10, samples=64), windows=list)
    assert few.hosts is None
    assert "host_windows" not in few.card
    assert few.host_cut(10) == 0.0
