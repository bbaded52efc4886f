"""TCP as Zeek sees it, from packets built by hand; each test says what the analyst would be told wrongly."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from conversations import CLIENT, CPORT, MS, SECOND, SERVER, SPORT, Talk, flows, only
from packets import START, tcp


def mapped(address: str) -> bytes:
    """An IPv4 address as a record has it."""
    return int(ip_address("::ffff:" + address)).to_bytes(16)


TALKS = {
    "S0": (Talk().c("S"), "S"),
    "S0 retried": (Talk().c("S").wait(SECOND).c("S", seq=1000).wait(2 * SECOND).c("S", seq=1000), "S"),
    "S1": (Talk().shake(), "ShA"),
    "S1 without the last ACK": (Talk().c("S").s("SA"), "Sh"),
    "S1 with data": (Talk().shake().c("PA", b"hello").s("A").s("PA", b"world"), "ShADad"),
    "SF": (Talk().shake().c("PA", b"GET").s("PA", b"OK").c("FA").s("FA").c("A"), "ShADdFf"),
    "SF by the responder": (Talk().shake().s("PA", b"220").c("A").s("FA").c("FA").s("A"), "ShAdfFa"),
    "REJ": (Talk().c("S").s("RA", seq=0), "Sr"),
    "REJ answered by RST": (Talk().c("S").s("RA", seq=0).c("R"), "SrR"),
    "S2": (Talk().shake().c("FA").s("A"), "ShAFa"),
    "S3": (Talk().shake().s("FA").c("A"), "ShAf"),
    "RSTO": (Talk().shake().c("PA", b"hello").c("RA"), "ShADR"),
    "RSTO after a FIN": (Talk().shake().s("FA").c("RA"), "ShAfR"),
    "RSTR": (Talk().shake().c("PA", b"hello").s("RA"), "ShADr"),
    "RSTR after a FIN": (Talk().shake().c("FA").s("RA"), "ShAFr"),
    "RSTOS0": (Talk().c("S").c("R"), "SR"),
    "RSTRH": (Talk().s("SA").s("R"), "^hr"),
    "SH": (Talk().c("S").c("FA"), "SF"),
    "SHR": (Talk().s("SA").s("FA"), "^hf"),
    "OTH mid-stream": (Talk().c("PA", b"hello").s("A").s("PA", b"world").c("A"), "DadA"),
    "OTH SYN-ACK alone": (Talk().s("SA"), "^h"),
    "SF simultaneous open": (Talk().c("S").s("S").c("SA", seq=1000).s("SA", seq=5000).c("FA").s("FA"), "SsHhFf"),
}
"""State first in the name; what is said; Zeek's history of it."""


@pytest.mark.parametrize("name", TALKS)
def test_states_and_history(name: str) -> None:
    """A wrong state turns a scan into traffic, or a broken server into an attack."""
    talk, history = TALKS[name]
    flow = only(talk)
    assert (flow["state"], flow["history"]) == (name.split()[0], history)
    assert (flow["src_ip"], flow["dst_ip"]) == (mapped(CLIENT), mapped(SERVER))
    assert (flow["src_port"], flow["dst_port"]) == (CPORT, SPORT)


def test_all_states_occur() -> None:
    """The list above leaves none of Zeek's words out."""
    words = "S0 S1 SF REJ S2 S3 RSTO RSTR RSTOS0 RSTRH SH SHR OTH"
    assert {name.split()[0] for name in TALKS} == set(words.split())


def test_syn_ack_first_swaps() -> None:
    """With the SYN lost, the server would be called the client: an inbound flow instead of an outbound one."""
    flow = only(Talk().s("SA").c("A").c("PA", b"GET").s("PA", b"x" * 900))
    assert (flow["src_ip"], flow["src_port"], flow["dst_port"]) == (mapped(CLIENT), CPORT, SPORT)
    assert (flow["src_packets"], flow["dst_packets"]) == (2, 2)
    assert (flow["src_payload"], flow["dst_payload"]) == (3, 900)
    assert flow["splt_len"] == [-40, 40, 43, -940]


def test_history_marks_odd_flags() -> None:
    """Packets that no stack sends are a scanner's signature."""
    assert only(Talk().c("SF"))["history"] == "Q"
    assert only(Talk().c("SR"))["history"] == "Q"
    assert only(Talk().c("S").c("FR"))["history"] == "SI"


def test_flags_are_gathered_per_side() -> None:
    """A Christmas-tree scan shows in `src_flags` alone."""
    flow = only(Talk().c("FPU").s("RA"))
    assert (flow["src_flags"], flow["dst_flags"]) == (0x29, 0x14)


def test_retransmission_is_not_counted_twice() -> None:
    """A lossy link would look like an upload twice its size."""
    talk = Talk().shake().c("PA", b"x" * 1000).c("PA", b"x" * 1000, seq=1001).s("A")
    flow = only(talk)
    assert (flow["src_payload"], flow["src_retransmits"], flow["missed_bytes"]) == (1000, 1, 0)
    assert flow["history"] == "ShADTa"
    assert flow["src_bytes"] == 40 + 40 + 2 * 1040


def test_partial_retransmission_counts_the_new_bytes() -> None:
    """A segment that repeats 600 bytes and brings 400 new ones is 400 bytes of payload."""
    flow = only(Talk().shake().c("PA", b"x" * 1000).c("PA", b"x" * 1000, seq=1401))
    assert (flow["src_payload"], flow["src_retransmits"]) == (1400, 0)


def test_last_segment_sent_again_with_fin() -> None:
    """A FIN on a repeated segment takes a sequence number, but is no byte of payload."""
    talk = Talk().shake().c("PA", b"x" * 100).c("FPA", b"x" * 100, seq=1001)
    flow = only(talk)
    assert (flow["src_payload"], flow["src_retransmits"], flow["missed_bytes"]) == (100, 1, 0)


def test_repeated_fin_is_a_retransmission_without_bytes() -> None:
    flow = only(Talk().shake().c("PA", b"x").c("FA").c("FA", seq=1002))
    assert (flow["src_payload"], flow["src_retransmits"], flow["state"]) == (1, 1, "S2")


@pytest.mark.parametrize("isn", [2**32 - 1, 2**32 - 2, 2**32 - 500, 2**32 - 1001, 2**31 - 500])
def test_sequence_numbers_wrap(isn: int) -> None:
    """Every long or unlucky connection would report gigabytes of gaps."""
    talk = Talk(isn=(isn, 2**32 - 300)).shake()
    for _ in range(3):
        talk.c("PA", b"x" * 500).s("PA", b"y" * 700)
    talk.lose("c", 100).c("PA", b"x" * 400).c("PA", b"z" * 100, seq=(isn + 1501) % 2**32)
    flow = only(talk.c("FA").s("FA").c("A"))
    assert (flow["src_payload"], flow["dst_payload"]) == (2000, 2100)
    assert (flow["missed_bytes"], flow["src_retransmits"], flow["src_out_of_order"]) == (0, 0, 1)
    assert flow["state"] == "SF"


def test_gap_is_missed() -> None:
    """Loss before the sensor must be told, and the bytes count as sent, as in Zeek's orig_bytes."""
    flow = only(Talk().shake().s("PA", b"x" * 1000).lose("s", 3000).s("PA", b"x" * 500))
    assert (flow["dst_payload"], flow["missed_bytes"], flow["dst_out_of_order"]) == (4500, 3000, 0)
    assert "g" in flow["history"]


def test_gap_filled_later_is_out_of_order() -> None:
    """Reordering is not loss."""
    talk = Talk().shake().lose("c", 300).c("PA", b"x" * 200).c("PA", b"x" * 200, seq=1001).c("PA", b"x" * 100, seq=1201)
    flow = only(talk)
    assert (flow["src_payload"], flow["missed_bytes"]) == (500, 0)
    assert (flow["src_out_of_order"], flow["src_retransmits"]) == (2, 0)


def test_gap_filled_in_the_middle_and_twice() -> None:
    """Bytes that fill a gap count once; the same bytes again are a retransmission."""
    talk = Talk().shake().lose("c", 900).c("PA", b"x" * 100)
    talk.c("PA", b"x" * 300, seq=1301).c("PA", b"x" * 300, seq=1301)
    flow = only(talk)
    assert (flow["src_payload"], flow["missed_bytes"]) == (1000, 600)
    assert (flow["src_out_of_order"], flow["src_retransmits"]) == (1, 1)


def test_many_gaps_are_all_missed() -> None:
    """A bad mirror loses every other packet; a bounded list of gaps must not forget bytes."""
    talk = Talk().shake()
    for _ in range(50):
        talk.lose("s", 100).s("PA", b"x" * 100)
    flow = only(talk)
    assert (flow["dst_payload"], flow["missed_bytes"]) == (10_000, 5_000)


def test_ack_for_data_never_seen() -> None:
    """One direction lost before the sensor: what the other side acknowledges was sent, and we missed it."""
    flow = only(Talk().shake().s("PA", b"x" * 100).lose("s", 4000).c("A").s("PA", b"y" * 100).c("A"))
    assert (flow["dst_payload"], flow["missed_bytes"]) == (4200, 4000)


def test_ack_ahead_of_its_data_is_not_loss() -> None:
    """Two mirror ports do not keep order between directions."""
    talk = Talk().shake().lose("s", 100).c("A").s("PA", b"x" * 100, seq=5001).s("PA", b"x" * 50)
    flow = only(talk)
    assert (flow["dst_payload"], flow["missed_bytes"], flow["dst_out_of_order"]) == (150, 0, 1)


def test_a_forged_sequence_number_hides_nothing() -> None:
    """One packet with a wild sequence number must not stop the count of what follows: that would hide an upload."""
    for jump in (2**30, 2**31 - 5, 2**31 + 5, -(2**30)):
        talk = Talk().shake().c("PA", b"x" * 100).c("PA", b"!", seq=(1101 + jump) % 2**32)
        for _ in range(20):
            talk.c("PA", b"x" * 1000)
        flow = only(talk)
        assert 20_100 <= flow["src_payload"] <= 20_110, jump
        assert flow["missed_bytes"] <= 10


def test_keep_alive_is_no_data() -> None:
    """A connection that is only kept alive would show retransmissions and payload."""
    talk = Talk().shake().c("PA", b"hello").s("A")
    for _ in range(5):
        talk.wait(45 * SECOND).c("A", b"\0", seq=1005).s("A").wait(SECOND).c("A", seq=1005).s("A")
    flow = only(talk)
    assert (flow["src_payload"], flow["src_retransmits"], flow["missed_bytes"]) == (5, 0, 0)


def test_zero_windows() -> None:
    """A receiver that stalls its sender (a slow server, or a slow-read attack) shows as such."""
    talk = Talk().shake().c("PA", b"x").s("A", window=0).wait(SECOND).c("A", b"\0", seq=1001).s("A", window=0)
    flow = only(talk.s("A").c("RA", window=0))
    assert (flow["src_zero_windows"], flow["dst_zero_windows"]) == (0, 2)
    assert "w" in flow["history"]


def test_rtt_is_that_of_the_handshake() -> None:
    """SYN to the ACK of the SYN-ACK; a SYN that was repeated does not add its wait."""
    flow = only(Talk().c("S", after=20 * MS).s("SA", after=5 * MS).c("A"))
    assert flow["rtt"] == pytest.approx(0.025)
    again = only(Talk().c("S", after=SECOND).c("S", seq=1000, after=20 * MS).s("SA", after=5 * MS).c("A"))
    assert again["rtt"] == pytest.approx(0.025)
    assert again["src_retransmits"] == 1
    assert only(Talk().c("PA", b"x").s("A").c("A"))["rtt"] == 0


def test_data_with_the_syn_counts() -> None:
    """TCP Fast Open: the request travels with the SYN."""
    flow = only(Talk().c("S", b"GET /").s("SA").c("A"))
    assert (flow["src_payload"], flow["missed_bytes"], flow["state"]) == (5, 0, "S1")


def test_port_reuse_after_close_starts_a_flow() -> None:
    """Two connections on the same ports would be one with impossible totals."""
    talk = Talk().shake().c("PA", b"one").c("FA").s("FA").c("A")
    again = Talk(isn=(900_000, 800_000), start=talk.now + MS).shake().c("PA", b"second").c("FA").s("FA").c("A")
    first, second = flows(talk.packets + again.packets)
    assert [first["src_payload"], second["src_payload"]] == [3, 6]
    assert [first["state"], second["state"]] == ["SF", "SF"]
    assert first["end_reason"] == second["end_reason"] == 3
    assert first["flow_id"] != second["flow_id"]
    assert first["community_id"] == second["community_id"]


def test_port_reuse_the_other_way_round() -> None:
    """The new connection's initiator is who sent its SYN, whatever the old one's was."""
    talk = Talk().shake().c("FA").s("FA").c("A")
    talk.s("S", seq=70_000, ack=0).c("SA", seq=80_000, ack=70_001)
    first, second = flows(talk)
    assert (first["src_ip"], second["src_ip"]) == (mapped(CLIENT), mapped(SERVER))
    assert second["state"] == "S1"


def test_syn_sent_again_after_a_reset_is_the_same_attempt() -> None:
    """Windows tries three times after a RST: one rejected connection, not three."""
    talk = Talk().c("S").s("RA", seq=0)
    for _ in range(2):
        talk.wait(500 * MS).c("S", seq=1000).s("RA", seq=0)
    flow = only(talk)
    assert (flow["state"], flow["src_packets"], flow["dst_packets"]) == ("REJ", 3, 3)


def test_late_packets_after_close_make_no_ghost() -> None:
    """A last ACK or a RST after the FINs would be a flow of its own: half-open, odd, and false."""
    talk = Talk().shake().c("PA", b"x").c("FA").s("FA").c("A")
    talk.wait(2 * SECOND).s("FA", seq=5001).c("A").wait(3 * SECOND).c("RA").s("R")
    flow = only(talk)
    assert flow["state"] == "SF"
    assert flow["src_packets"] + flow["dst_packets"] == len(talk.packets)


def test_packets_after_a_reset_stay_in_the_flow() -> None:
    """Data still under way when the RST came is no new connection."""
    flow = only(Talk().shake().c("PA", b"x").s("RA").c("PA", b"yy").s("R"))
    assert (flow["state"], flow["src_payload"]) == ("RSTR", 3)


def test_one_sided_traffic_is_told_as_such() -> None:
    """A mirror that misses one direction: no state can be had, but the bytes can."""
    asked = only(Talk().c("S").c("A").c("PA", b"GET").c("FA"))
    assert (asked["dst_packets"], asked["src_payload"]) == (0, 3)
    answered = only(Talk().s("SA").s("PA", b"x" * 100).s("FA"))
    assert (answered["src_packets"], answered["dst_payload"], answered["src_ip"]) == (0, 100, mapped(CLIENT))


def test_half_closed_connection_stays_open() -> None:
    """After the client's FIN the server may send for minutes: one flow, not two."""
    talk = Talk().shake().c("PA", b"x").c("FA").s("A")
    for _ in range(4):
        talk.wait(60 * SECOND).s("PA", b"y" * 10).c("A")
    flow = only(talk)
    assert (flow["state"], flow["dst_payload"]) == ("S2", 40)


def test_fragments_of_a_segment_are_its_bytes() -> None:
    """A segment in IP fragments is payload too, or an upload could be hidden in them."""
    from packets import TCP, ethernet, ip, tcp_segment

    segment = tcp_segment(CLIENT, SERVER, CPORT, SPORT, "PA", b"x" * 1000, seq=1001, ack=5001)
    talk = Talk().shake()
    pieces = [segment[:520], segment[520:]]
    frames = [
        ethernet(ip(CLIENT, SERVER, TCP, pieces[0], ident=9, more_fragments=True)),
        ethernet(ip(CLIENT, SERVER, TCP, pieces[1], ident=9, fragment_offset=520)),
    ]
    packets = talk.packets + [(talk.now + i, frame) for i, frame in enumerate(frames)]
    flow = only([*packets, (talk.now + 10, tcp(SERVER, CLIENT, SPORT, CPORT, "A", seq=5001, ack=2001))])
    assert (flow["src_payload"], flow["missed_bytes"], flow["src_packets"]) == (1000, 0, 4)


def test_initiator_is_the_first_to_speak_mid_stream() -> None:
    """Without a SYN there is nothing better; documented in DESIGN §4."""
    flow = only(
        [(START, tcp(SERVER, CLIENT, SPORT, CPORT, "PA", b"x")), (START + 1, tcp(CLIENT, SERVER, CPORT, SPORT))]
    )
    assert flow["src_ip"] == mapped(SERVER)
