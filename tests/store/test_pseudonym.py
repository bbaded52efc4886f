"""Pseudonyms keep prefixes, are reversed by the key's holder alone, and are the same in the SOC's views."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import pytest
from flow_builder import flows
from hypothesis import given
from hypothesis import strategies as st
from incident_events import incident
from sql_statements import statements

from monitor.store import open_store
from monitor.store.pseudonym import Pseudonyms

ROLES = Path(__file__).parents[2] / "deploy" / "clickhouse" / "roles.sql"

KEY = bytes(range(16))
ADDRESSES = st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).filter(lambda a: int(a) >> 32 != 0xFFFF).map(str)


def shared(one: str, two: str) -> int:
    """Bits of the common prefix."""
    first, second = ipaddress.ip_address(one), ipaddress.ip_address(two)
    return first.max_prefixlen - (int(first) ^ int(second)).bit_length()


@given(ADDRESSES)
def test_the_key_reveals_and_another_does_not(address: str) -> None:
    hidden = Pseudonyms(KEY).hide(address)
    assert ipaddress.ip_address(hidden).version == ipaddress.ip_address(address).version
    assert ipaddress.ip_address(Pseudonyms(KEY).reveal(hidden)) == ipaddress.ip_address(address)


@given(st.ip_addresses(v=4).map(str), st.ip_addresses(v=4).map(str), st.integers(0, 32))
def test_addresses_share_the_prefix_that_they_shared(one: str, two: str, bits: int) -> None:
    near = str(ipaddress.IPv4Address(int(ipaddress.IPv4Address(one)) ^ (1 << (32 - bits) >> 1)))
    hide = Pseudonyms(KEY).hide
    for other in (two, near):
        assert shared(hide(one), hide(other)) == shared(one, other)


def test_another_key_gives_other_pseudonyms() -> None:
    hidden = {Pseudonyms(bytes([i] * 16)).hide("10.1.2.3") for i in range(32)}
    assert len(hidden) == 32
    with pytest.raises(ValueError, match="32 hexadecimal digits"):
        Pseudonyms(b"short")


def test_the_siphash_is_the_published_one() -> None:
    """Vectors of the reference implementation (key 00..0f, messages 00.. of 8 and 16 bytes)."""
    hashed = Pseudonyms(KEY)._hash
    assert hashed(bytes(range(8))) == 0x93F5F5799A932462
    assert hashed(bytes(range(16))) == 0x3F2ACC7F57C29BDB


def test_the_socs_views_show_the_same_pseudonyms_and_no_address(tmp_path: Path) -> None:
    names = Pseudonyms(KEY)
    inside, outside, six = "10.0.0.5", "203.0.113.9", "2001:db8::77"
    with open_store(f"chdb://{tmp_path}/store") as store:
        told_by_name = [
            {"server_name": inside}, {"server_name": f"[{six}]"}, {"server_name": "pc-10-0-0-5.town.example"},
            {"dns_query": "5.0.0.10.in-addr.arpa"}, {"dns_query": "www.town.example"},
        ]  # fmt: skip
        store.insert_flows(
            flows(
                {"src_ip": inside, "dst_ip": outside},
                *({"src_ip": six, "dst_ip": inside, **one} for one in told_by_name),
            )
        )
        one = incident(1, host=inside, peer="c2.example", reasons=[f"{inside} called"])
        store.insert_incidents([one])
        run = store._client().command
        for statement in statements(ROLES):
            if statement.split()[1] in ("DATABASE", "TABLE", "OR"):
                here = statement.replace(" DEFINER = monitor_pseudonymiser SQL SECURITY DEFINER", "")
                if "SETTINGS PROFILE" not in here and "QUOTA" not in here:
                    run(here.replace("FROM monitor.", "FROM default."))
        run(f"INSERT INTO monitor_keys.pseudonym VALUES {names.halves}")
        text = "replaceRegexpOne(toString({0}), '^::ffff:', '') AS {0}"
        seen = store.query(
            f"SELECT {text.format('src_ip')}, {text.format('dst_ip')} FROM monitor_soc.flows ORDER BY start, src_port"
        ).to_pylist()
        assert {(row["src_ip"], row["dst_ip"]) for row in seen} == {
            (names.hide(inside), names.hide(outside)),
            (names.hide(six), names.hide(inside)),
        }
        (told,) = store.query("SELECT * FROM monitor_soc.incidents").to_pylist()
        assert (told["host"], told["peer"]) == (names.hide(inside), "c2.example")
        shown = set(store.query("SELECT * FROM monitor_soc.flows").column_names)
        assert {"duration", "src_iat_max"} <= shown
        assert not {"flow_id", "community_id", "community_id_other"} & shown
        asked = store.query("SELECT server_name, dns_query FROM monitor_soc.flows WHERE server_name || dns_query != ''")
        assert sorted(map(tuple, (row.values() for row in asked.to_pylist()))) == [
            ("", "www.town.example"), (names.hide(inside), "")
        ]  # fmt: skip
        assert told["incident_id"] == names.of_incident(one["incident_id"]) != one["incident_id"]
        everything = repr(store.query("SELECT * FROM monitor_soc.flows").to_pylist()) + repr(told)
        for word in (inside, six, "in-addr", "10-0-0-5", one["incident_id"]):
            assert word not in everything
        assert repr(ipaddress.ip_address("::ffff:" + inside).packed)[2:-1] not in everything


def test_the_command_hides_and_reveals_and_notes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from monitor.cli import main

    key, url = tmp_path / "soc.key", f"chdb://{tmp_path}/store"
    key.write_text(KEY.hex() + "\n")
    open_store(url).close()
    hidden = Pseudonyms(KEY).hide("10.0.0.5")
    assert run_command(main, "db", "pseudonym", "--key-file", str(key), "10.0.0.5") == 0
    assert capsys.readouterr().out == f"{hidden}\n"
    assert run_command(main, "db", "pseudonym", "--key-file", str(key), "--reveal", "--store", url, hidden) == 0
    assert capsys.readouterr().out == "10.0.0.5\n"
    assert run_command(main, "db", "pseudonym", "--key-file", str(key), "not-an-address") == 2
    with open_store(url) as store:
        (noted,) = store.query("SELECT action, subject FROM audit").to_pylist()
        store.insert_incidents([told := incident(1)])
    assert noted == {"action": "reveal", "subject": hidden}
    known = Pseudonyms(KEY).of_incident(told["incident_id"])
    assert run_command(main, "db", "pseudonym", "--key-file", str(key), told["incident_id"]) == 0
    assert run_command(main, "db", "pseudonym", "--key-file", str(key), "--reveal", "--store", url, known) == 0
    assert capsys.readouterr().out == f"{known}\n{told['incident_id']}\n"
    assert run_command(main, "db", "pseudonym", "--key-file", str(key), "--reveal", "--store", url, "0" * 16) == 2


def run_command(main: Any, *arguments: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["monitor", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
    return int(ended.value.code or 0)
