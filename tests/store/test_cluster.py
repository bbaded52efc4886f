"""On a cluster the same tables are replicated and spread; the engine parses every statement that we would send it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest
from sql_statements import statements

from monitor.flows.schema import COLUMNS
from monitor.store import Store, open_store
from monitor.store.derived import OTHER
from monitor.store.migrations import MIGRATIONS, everything
from monitor.store.records import SCHEMA_VERSIONS
from monitor.store.retention import DAYS, retention
from monitor.store.tables import TABLES, dropping, replacing
from monitor.store.views import SUMMED, sum_up

DEPLOY = Path(__file__).parents[2] / "deploy" / "clickhouse"
CLUSTER = "municipal"


@pytest.fixture(scope="module")
def engine() -> Iterator[Store]:
    with open_store("none") as store:
        yield store


def sent(cluster: str) -> list[str]:
    """Every statement of the store's own that changes something."""
    taken = [step for step in MIGRATIONS if not cluster or step.version >= 5]  # the others are from before clusters
    steps = [statement for step in taken for statement in step.statements(cluster, DAYS)]
    return [
        *SCHEMA_VERSIONS.create(cluster),
        *everything(cluster),
        *steps,
        *retention(DAYS, cluster),
        *(statement for name in ("flows", "incidents") for statement in replacing(name, "('r1', 0)", cluster)),
        *(dropping(name, "('r1', 0)", cluster) for name in (*SUMMED, "flows", "incidents")),
        *(statement for name in SUMMED for statement in sum_up(name, "f.run_id = {run:String}", "{run:String}")),
    ]


@pytest.mark.parametrize("cluster", ["", CLUSTER])
def test_the_engine_parses_every_statement(engine: Store, cluster: str) -> None:
    for statement in [*sent(cluster), *statements(DEPLOY / "roles.sql")]:
        assert engine.query("SELECT formatQuery({text:String}) AS f", {"text": statement}).num_rows == 1


def test_what_is_no_sql_is_not_parsed(engine: Store) -> None:
    with pytest.raises(OSError, match="Syntax error"):
        engine.query("SELECT formatQuery({text:String}) AS f", {"text": "CREATE TABEL x"})


def test_everything_is_made_on_every_node_and_replicated() -> None:
    made = everything(CLUSTER)
    assert all(f"ON CLUSTER '{CLUSTER}'" in statement for statement in made)
    rows = [statement for statement in made if "ENGINE = " in statement and "Distributed" not in statement]
    assert len(rows) == len(TABLES)
    assert all("ENGINE = Replicated" in statement for statement in rows)
    spread = {table.name for table in TABLES if table.shard_by}
    assert {statement.split()[5].removesuffix("_local") for statement in rows if "/{shard}/" in statement} == spread
    assert sum("/all/" in statement for statement in rows) == len(TABLES) - len(spread)


def test_a_hosts_flows_stay_on_one_shard(engine: Store) -> None:
    """Whichever end the inside host is, the sharding key is the same."""
    ends = "toIPv6('10.0.0.5') AS inside, toIPv6('203.0.113.9') AS outside"
    sql = (
        f"SELECT uniqExact({TABLES[0].shard_by}) AS n FROM "
        f"(SELECT {ends}, arrayJoin(['outbound', 'inbound', 'internal']) AS direction, "
        "if(direction = 'inbound', outside, inside) AS src_ip, "
        "if(direction = 'inbound', inside, outside) AS dst_ip)"
    )
    assert engine.query(sql).to_pylist() == [{"n": 1}]


def test_columns_of_both_tables_agree() -> None:
    """The spread table takes its columns from the local one; what is added later goes to both."""
    flows = TABLES[0]
    assert flows.names(CLUSTER) == ("flows_local", "flows")
    assert flows.names() == ("flows",)
    assert [column.name for column in flows.columns] == [column.name for column in (*COLUMNS, *OTHER)]


@pytest.mark.parametrize("file", sorted(DEPLOY.rglob("*.xml")), ids=lambda file: file.name)
def test_the_example_is_whole(file: Path) -> None:
    root = ET.parse(file).getroot()
    assert root.tag == "clickhouse"
    if file.name == "cluster.xml":
        shards = root.findall(f"./remote_servers/{CLUSTER}/shard")
        assert [len(shard.findall("replica")) for shard in shards] == [2, 2]
        assert {macro.tag for macro in root.findall("./macros/*")} == {"cluster", "shard", "replica"}
    if file.name == "system-logs.xml":
        kept = [log for log in root if log.get("remove") != "1"]
        assert all("DELETE" in (log.findtext("ttl") or "") for log in kept)
