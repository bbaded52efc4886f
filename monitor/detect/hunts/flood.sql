-- id: flood
-- title: Flood
-- title_ja: 大量パケットによるサービス妨害（フラッド）
-- severity: high
-- attack: T1498.001
-- attack: T1499.001
-- window: 1h
-- identity: host service
-- parameter: min_packets UInt64 1000 | in ten seconds: 100 a second that nobody answers; no service of a town asks so
-- parameter: min_opens UInt64 500 | connections to one port that are begun and not finished, in ten seconds
-- parameter: min_requests UInt64 600 | finished connections to one port in ten seconds; a browser makes six at once
-- parameter: over_usual UInt64 5 | times the connections of ten seconds in the victim's `usual` busy hour: a busy server's rush is that; ten times the floor at most, or a long attack would teach it silence
-- parameter: min_questions UInt64 30 | answered questions a second of one client to one name server, 500 s long
-- reason: {packets:count packet}: {kind} in {seconds:duration}, up to {rate:count} in ten seconds
-- reason_ja: {kind}：{seconds}の間にパケット {packets} 個を受信（10 秒間に最大 {rate} 個）
-- reason if sources: from {sources:count source}, {spoofed}
-- reason_ja: 送信元 {sources} 件（{spoofed}）
-- reason if reflected: {reflected:percent} come from port {answering} of as many hosts: a flood by reflection
-- reason_ja: うち {reflected} は同程度の数のホストのポート {answering} から到来（リフレクション攻撃）
-- false_positive: load tests, and a service that is down while many clients retry
-- false_positive: one-way media or telemetry to a port not in this hunt's list: suppress by host
-- reference: https://attack.mitre.org/techniques/T1498/
-- reference: RFC 4987, TCP SYN Flooding Attacks and Common Mitigations
-- reference: C. Rossow, Amplification Hell: Revisiting Network Protocols for DDoS Abuse, NDSS 2014
-- runbook: docs/runbooks/flood.md
--
-- `form` is the kind as a number: numbers are grouped faster. Host is the victim; peer the busiest source, which may be
-- forged. Counted in slots of ten seconds: a flow's packets over
-- the slots that it lasts. Logs, flow export, traps and media are one-way by nature and left out by port; a packet or two to
-- each of many ports is a scan. Sources are told apart by up to 1,024 of 65,536 cells of addresses, those that sent most: of a
-- flood from millions of forged ones some thousands are looked at, and their number is an estimate.
WITH
  usual AS {{usual}},
  parts AS (
    SELECT
      dst_ip, src_ip, src_port, dst_port, start, end, flow_id, direction,
      multiIf(
        proto = 6 AND src_payload > 0 AND dst_payload > 0, 1,
        proto = 6, 2,
        proto IN (1, 58), 3,
        proto = 17 AND dst_packets > 0, 4,
        proto = 17, 5,
        toUInt16(256 + proto)) AS form,
      if(proto = 6, dst_port, 0) AS port, greatest(duration / 10, 1) AS slots, src_packets,
      if(proto = 6, 1, src_packets / slots) AS load, toStartOfInterval(start, toIntervalSecond(10)) AS slot
    FROM flows
    PREWHERE multiIf(
      proto = 6, src_payload = 0 OR direction != 'outbound',
      proto = 17, dst_packets * 10 <= src_packets OR src_packets >= 500 * {min_questions:UInt64},
      1)
    WHERE {{flows_within}} AND src_packets > 0 AND src_ip != dst_ip
      AND NOT (dst_ip BETWEEN toIPv6('::ffff:224.0.0.0') AND toIPv6('::ffff:239.255.255.255')) AND dst_ip < toIPv6('ff00::')
      AND multiIf(
        proto = 6, position(history, 'S') > 0 AND if(src_payload > 0, dst_payload > 0 AND direction != 'outbound', state IN ('S0', 'SH', 'REJ', 'S1', 'RSTOS0', 'RSTO', 'RSTR', 'OTH')),
        proto = 17, if(dst_packets * 10 <= src_packets,
          dst_port NOT IN (162, 514, 1514, 2055, 4739, 5004, 6343, 9995, 9996) AND service NOT IN ('rtp', 'rtcp', 'quic', 'syslog'),
          dst_port = 53 AND src_packets >= 500 * {min_questions:UInt64} AND src_packets >= {min_questions:UInt64} * duration
            AND src_payload < 55 * src_packets),
        proto IN (1, 58), src_packets > 20 AND (icmp_type IN (0, 8, 128, 129)),
        NOT (proto IN (2, 4, 41, 47, 50, 88, 89, 103, 112)) AND dst_packets * 10 <= src_packets)
  ),
  loaded AS (
    SELECT dst_ip, form, port, slot, sum(toUInt64(1000 * load)) AS milli, count() AS n
    FROM parts
    GROUP BY dst_ip, form, port, slot
    HAVING milli >= 1000 * multiIf(
      form = 1, {min_requests:UInt64}, form = 2, {min_opens:UInt64},
      form = 4, 10 * {min_questions:UInt64}, {min_packets:UInt64})
  ),
  busy AS (
    SELECT dst_ip, form, port, slot, milli, n
    FROM loaded
    LEFT JOIN usual ON usual.who = loaded.dst_ip
    WHERE NOT (form <= 2) OR milli > 1000 * least(
      intDiv({over_usual:UInt64} * usual_asked, 360), 10 * if(form = 2, {min_opens:UInt64}, {min_requests:UInt64}))
  ),
  floods AS (SELECT * FROM parts INNER JOIN busy USING (dst_ip, form, port, slot)),
  victims AS (
    SELECT
      dst_ip, form, port, max(milli) AS most, sum(src_packets) AS received, min(start) AS begun, max(end) AS ended,
      count() AS opened, uniqCombined(src_ip) AS askers, groupArraySorted(10)((start, flow_id)) AS sample
    FROM floods
    GROUP BY dst_ip, form, port
  ),
  cells AS (
    SELECT dst_ip, form, port, cityHash64(src_ip) % 65536 AS cell
    FROM floods
    GROUP BY dst_ip, form, port, cell
    ORDER BY sum(src_packets) DESC, cell
    LIMIT 1024 BY dst_ip, form, port
  ),
  talkers AS (
    SELECT
      dst_ip, form, port, src_ip, sum(src_packets) AS sent, uniqExact(dst_port) AS probes, max(src_port) AS from_port,
      min(src_port) = from_port AS one_port
    FROM floods
    WHERE (dst_ip, form, port, cityHash64(src_ip) % 65536) IN cells
    GROUP BY dst_ip, form, port, src_ip
  )
SELECT
  dst_ip AS host,
  argMax(src_ip, (sent, src_ip)) AS peer,
  multiIf(form = 5, 'udp', form = 3, 'icmp', form = 4, 'dns', port > 0, concat('tcp/', toString(port)), 'ip') AS service,
  min(begun) AS first_seen,
  max(ended) AS last_seen,
  max(opened) AS flows,
  max(received) AS packets,
  max(most) / (max(most) + 1000 * multiIf(form = 1, {min_requests:UInt64}, form = 2, {min_opens:UInt64}, {min_packets:UInt64})) AS score,
  arrayMap(flow -> flow.2, max(sample)) AS flow_ids,
  multiIf(form = 1, 'finished connections', form = 2, 'half-open connections', form = 3, 'ICMP', form = 4, 'DNS questions', form = 5, 'UDP', concat('IP protocol ', toString(form - 256))) AS kind,
  dateDiff('microsecond', first_seen, last_seen) / 1e6 AS seconds,
  toUInt64(max(most) / 1000) AS rate,
  if(max(askers) > 1, max(askers), 0) AS sources,
  if(max(askers) > 100, 'many of them forged or reflectors', 'which may be forged') AS spoofed,
  argMax(from_port, (sent, src_ip)) AS answering,
  if(form = 5 AND count() >= 20, countIf(one_port AND from_port < 50000) / count(), 0) AS alike,
  if(alike >= 0.8 AND uniqExact(from_port) * 5 < count(), alike, 0) AS reflected
FROM talkers
INNER JOIN victims USING (dst_ip, form, port)
GROUP BY dst_ip, form, port
HAVING NOT (form = 5 AND count() < 5 AND max(probes) > 0.5 * flows AND packets < 4 * flows)
ORDER BY host, first_seen, kind, service
