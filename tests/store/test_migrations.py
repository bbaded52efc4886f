"""A store of any release becomes what a new one is, keeps its rows, and may be interrupted at any statement."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from flow_builder import flows

from monitor.store import Store, open_store
from monitor.store.connection import connect
from monitor.store.folder import StoreFolder
from monitor.store.location import Embedded
from monitor.store.migrations import CURRENT, MIGRATIONS, migrate
from monitor.store.packing import packed
from monitor.store.retention import days_kept
from monitor.store.views import SUMMED, sum_up

GOLDEN = sorted((Path(__file__).parent / "golden").glob("v*.sql"), key=lambda path: int(path.stem[1:]))
SHAPE = """
SELECT name, engine, partition_key, sorting_key, replaceAll(extract(engine_full, 'TTL .*SETTINGS'), '\\n', ' ') AS ttl,
  arraySort(splitByString(', ', extract(engine_full, 'SETTINGS (.*)'))) AS settings,
  (SELECT groupArray((c.name, c.type, c.default_expression)) FROM
    (SELECT * FROM system.columns WHERE database = currentDatabase() ORDER BY table, position) AS c
    WHERE c.table = t.name) AS columns,
  (SELECT arraySort(groupArray((i.name, i.expr, i.type_full))) FROM system.data_skipping_indices AS i
    WHERE i.database = currentDatabase() AND i.table = t.name) AS indices,
  if(engine LIKE '%View', as_select, '') AS view
FROM system.tables AS t WHERE database = currentDatabase() AND name NOT IN ('schema_versions') ORDER BY name
"""


def released(golden: Path, place: Path) -> None:
    """A store as that release made it, with two live flows, one replayed flow and an incident."""
    with StoreFolder(place) as folder:
        client = connect(Embedded(folder.path), create=True)
        for statement in re.split(r";\n", re.sub(r"^--.*\n", "", golden.read_text())):
            if statement.strip():
                client.command(statement)
        for version in range(1, int(golden.stem[1:]) + 1):
            client.command(f"INSERT INTO schema_versions VALUES ({version}, 'released', now())")
        had = client.query_arrow("SELECT name FROM system.columns WHERE table = 'flows'", use_strings=True)
        columns = had["name"].to_pylist()
        flow_batch = flows(
            {"start": 0, "src_ip": "10.0.0.5", "dst_ip": "203.0.113.9", "server_name": "a.example"},
            {
                "start": 3600,
                "src_ip": "10.0.0.5",
                "dst_ip": "203.0.113.9",
                "community_id": "1:other",
                "src_iat_max": 2.5,
            },
            {"start": -1e9, "run_id": "old", "src_ip": "10.0.0.6"},
        )
        assert flow_batch.num_rows == 3
        if "community_id_other" in columns:
            flow_batch = packed(flow_batch)
        names = ", ".join(name for name in flow_batch.schema.names if name in columns)
        client.command(f"INSERT INTO flows ({names}) SELECT {names} FROM Python(flow_batch)")
        for name in SUMMED if int(golden.stem[1:]) >= 3 else ():  # as publishing a run does
            for statement in sum_up(name, "f.run_id = 'old'", "'old'"):
                client.command(statement)
        client.command(
            "INSERT INTO incidents (incident_id, event, recorded, detector, severity, host, first_seen, reasons) "
            "VALUES ('i1', 'opened', now(), 'beacon', 'high', '10.0.0.5', '2026-01-01 00:00:00', ['x'])"
        )
        client.close()


def shape(store: Store) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = store.query(SHAPE).to_pylist()
    return rows


def test_every_release_has_a_golden_state() -> None:
    assert [path.stem for path in GOLDEN] == [f"v{step.version}" for step in MIGRATIONS[:-1]]


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.stem)
def test_an_old_store_becomes_what_a_new_one_is(golden: Path, tmp_path: Path) -> None:
    community_id = flows({"src_ip": "10.0.0.5", "dst_ip": "203.0.113.9"})["community_id"][0].as_py()
    with open_store(f"chdb://{tmp_path}/new") as store:
        new = shape(store)
    released(golden, tmp_path / "old")
    with open_store(f"chdb://{tmp_path}/old", create=False) as store:
        assert store.schema.version == int(golden.stem[1:])
        assert not store.schema.ready
    with open_store(f"chdb://{tmp_path}/old") as store:
        assert store.schema.version == CURRENT
        assert shape(store) == new
        assert store.query("SELECT run_id, count() AS n FROM flows GROUP BY run_id ORDER BY run_id").to_pylist() == [
            {"run_id": "", "n": 2},
            {"run_id": "old", "n": 1},
        ]
        assert store.query("SELECT host, reasons, state, hash FROM current_incidents").to_pylist() == [
            {"host": "10.0.0.5", "reasons": ["x"], "state": "", "hash": ""}
        ]
        assert store.query("SELECT sum(flows) AS n FROM flows_by_minute").to_pylist() == [{"n": 3}]
        told = store.query("SELECT community_id, duration, src_iat_max, src_len_mean FROM flows ORDER BY start DESC")
        assert told.to_pylist()[:2] == [
            {"community_id": "1:other", "duration": 0.5, "src_iat_max": 2.5, "src_len_mean": 0.0},
            {"community_id": community_id, "duration": 0.5, "src_iat_max": 0.0, "src_len_mean": 0.0},
        ]
        kept = store.query("SELECT community_id_other, length(shape_other) AS n FROM flows ORDER BY start DESC")
        packing = 16 if golden.stem == "v5" else 0  # looks at the number of packets, too
        assert kept.to_pylist()[:2] == [
            {"community_id_other": "1:other", "n": 16},
            {"community_id_other": "", "n": packing},
        ]
        seen = store.query("SELECT value, flows FROM first_seen WHERE run_id = '' ORDER BY kind, value").to_pylist()
        assert seen == [{"value": "a.example", "flows": 1}, {"value": "203.0.113.9", "flows": 2}]


def test_a_migration_keeps_retention(tmp_path: Path) -> None:
    released(GOLDEN[3], tmp_path / "old")
    with open_store(f"chdb://{tmp_path}/old", create=False) as store:
        store.retain({"flows": 7, "first_seen": 30})
        kept = days_kept(store._client())
        assert (kept["flows"], kept["first_seen"]) == (7, 30)
        assert store.migrate().ready
        assert days_kept(store._client()) == kept


class _Cut:
    """A connection that is lost after so many statements."""

    def __init__(self, client: Any, statements: int) -> None:
        self.query_arrow, self._client, self._left = client.query_arrow, client, statements

    def command(self, *given: Any) -> None:
        self._left -= 1
        if self._left < 0:
            raise ConnectionResetError
        self._client.command(*given)


@pytest.mark.parametrize(("release", "stops"), [(1, (15, 30)), (3, (2, 4, 8))])
def test_a_migration_cut_short_anywhere_is_taken_up_again(release: int, stops: tuple[int, ...], tmp_path: Path) -> None:
    sums = "SELECT sum(flows) AS n FROM flows_by_minute WHERE run_id = ''"
    for stop in stops:
        released(GOLDEN[release - 1], tmp_path / f"old{stop}")
        with open_store(f"chdb://{tmp_path}/old{stop}", create=False) as store:
            with pytest.raises(ConnectionResetError):
                migrate(_Cut(store._client(), stop))  # type: ignore[arg-type]
            assert not store.status().ready
            assert store.migrate().ready
            assert store.query(sums).to_pylist() == [{"n": 2}]
            store.insert_flows(flows({"start": 1}))
            assert store.query(sums).to_pylist() == [{"n": 3}]
            assert store.query("SELECT count() AS n FROM flows WHERE community_id = '1:other'").to_pylist() == [
                {"n": 1}
            ]
