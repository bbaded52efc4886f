-- id: zone_breach
-- title: Traffic between zones that no conduit allows
-- title_ja: 許可されていないゾーン間通信
-- severity: critical
-- attack: T1599
-- window: 1h
-- identity: host
-- parameter: conduits String [] | what monitor.toml allows, as JSON; `detect/zones.py` writes it
-- parameter: episode_gap UInt32 3600 | seconds without a breach that end an incident
-- reason: {main_way:count flow} from zone {src_zone} to zone {dst_zone}, which no conduit allows, opened by {opener:address}
-- reason_ja: ゾーン {src_zone} からゾーン {dst_zone} へ、許可された経路のない通信 {main_way} フロー（開始元 {opener}）
-- reason: the first was to {target}
-- reason_ja: 最初の宛先は {target}
-- reason if answered: {answered:count} of {flows:count flow} {answered_were} answered: {sent:bytes} sent, {received:bytes} back
-- reason_ja: {flows} フローのうち {answered} フローに応答あり（送信 {sent}、受信 {received}）
-- reason if silent: none was answered: something blocks it, or nobody is there
-- reason_ja: 応答なし（途中で遮断、または相手が不在）
-- reason if other_peers: {other_peers:count other host} on the far side
-- reason_ja: 相手側の他のホスト {other_peers} 台
-- reason if other_ways: also {other_ways:words}
-- reason_ja: ほかに {other_ways}
-- false_positive: a conduit that is meant to be, but is not in monitor.toml
-- false_positive: a network that is listed under the wrong zone, or under none
-- reference: https://attack.mitre.org/techniques/T1599/
-- reference: IEC 62443-3-2 (zones and conduits)
-- reference: 総務省 地方公共団体における情報セキュリティポリシーに関するガイドライン (三層の対策)
-- runbook: docs/runbooks/zone_breach.md
--
-- Host is the end at home: the initiator, unless that is on the Internet. An unanswered attempt counts as well. A zone
-- that no list names is not policed against another such one. Multicast, broadcast, link-local and unspecified addresses
-- belong to no zone. A conduit also covers the answers to what it allows: what comes the other way and cannot have been
-- opened there (TCP whose opening was not seen, datagrams from the conduit's port, ICMP replies and errors).
WITH
  JSONExtract({conduits:String},
    'Array(Tuple(src String, dst String, via Array(Tuple(low IPv6, high IPv6)), ports Array(UInt16)))') AS allowed,
  crossing AS (
    SELECT
      start, end, flow_id, src_ip, dst_ip, src_zone, dst_zone, proto, src_port, dst_port, src_bytes, dst_bytes,
      dst_packets > 0 AS has_answer,
      multiIf(
        proto = 6, position(history, 'S') = 0 AND position(history, 'h') = 0,
        proto = 1, icmp_type IN (0, 3, 11, 12),
        proto = 58, icmp_type IN (1, 2, 3, 4, 129),
        1) AS may_be_answer,
      proto IN (1, 58) OR (src_port < 1024 AND dst_port >= 1024) AS from_service
    FROM flows
    WHERE run_id = {run:String}
      AND start >= fromUnixTimestamp64Micro({since:Int64}, 'UTC') AND start < fromUnixTimestamp64Micro({until:Int64}, 'UTC')
      AND src_zone != dst_zone AND (src_zone NOT IN ('home', 'internet', '') OR dst_zone NOT IN ('home', 'internet', ''))
      AND NOT (dst_ip BETWEEN toIPv6('::ffff:224.0.0.0') AND toIPv6('::ffff:255.255.255.255')) AND dst_ip < toIPv6('fe80::')
      AND src_ip < toIPv6('fe80::') AND src_ip NOT IN (toIPv6('::'), toIPv6('::ffff:0.0.0.0'))
      AND NOT (src_ip BETWEEN toIPv6('::ffff:169.254.0.0') AND toIPv6('::ffff:169.254.255.255'))
      AND NOT (dst_ip BETWEEN toIPv6('::ffff:169.254.0.0') AND toIPv6('::ffff:169.254.255.255'))
  ),
  breaches AS (
    SELECT
      *, if(src_zone = 'internet', dst_ip, src_ip) AS host_ip, if(src_zone = 'internet', src_ip, dst_ip) AS peer_ip
    FROM crossing
    WHERE NOT arrayExists(
      c -> (empty(c.via) OR arrayExists(n -> src_ip BETWEEN n.low AND n.high OR dst_ip BETWEEN n.low AND n.high, c.via))
        AND (
          (c.src = src_zone AND c.dst = dst_zone AND (empty(c.ports) OR has(c.ports, dst_port)))
          OR (c.src = dst_zone AND c.dst = src_zone AND may_be_answer
            AND (if(empty(c.ports) OR proto IN (1, 58), from_service OR proto = 6, has(c.ports, src_port))))),
      allowed)
  ),
  marked AS (
    SELECT *, start > lagInFrame(start) OVER host_time + toIntervalSecond({episode_gap:UInt32}) AS begins
    FROM breaches
    WINDOW host_time AS (PARTITION BY host_ip ORDER BY start, flow_id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
  ),
  episodes AS (
    SELECT *, sum(begins) OVER (PARTITION BY host_ip ORDER BY start, flow_id ROWS UNBOUNDED PRECEDING) AS episode
    FROM marked
  ),
  ways AS (
    SELECT
      host_ip, episode, src_zone, dst_zone, uniqExact(flow_id) AS crossings, (crossings, src_zone, dst_zone) AS rank,
      uniqExactIf(flow_id, has_answer) AS answers, min(start) AS begun, max(end) AS ended,
      sum(src_bytes) AS bytes_out, sum(dst_bytes) AS bytes_back, groupUniqArray(peer_ip) AS far,
      min((start, flow_id, src_ip, peer_ip, dst_ip, proto, dst_port)) AS first_one,
      groupArraySorted(10)((NOT has_answer, start, flow_id)) AS sample
    FROM episodes
    GROUP BY host_ip, episode, src_zone, dst_zone
  )
SELECT
  host_ip AS host,
  argMax(first_one, rank).4 AS peer,
  '' AS service,
  min(begun) AS first_seen,
  max(ended) AS last_seen,
  sum(crossings) AS flows,
  toFloat64(1) AS score,
  arrayMap(flow -> flow.3, arraySlice(arraySort(groupArrayArray(sample)), 1, 10)) AS flow_ids,
  max(rank).1 AS main_way,
  max(rank).2 AS src_zone,
  max(rank).3 AS dst_zone,
  argMax(first_one, rank).3 AS opener,
  concat(
    multiIf(argMax(first_one, rank).6 = 6, 'tcp', argMax(first_one, rank).6 = 17, 'udp',
      argMax(first_one, rank).6 IN (1, 58), 'icmp', concat('protocol ', toString(argMax(first_one, rank).6))),
    if(argMax(first_one, rank).6 IN (6, 17, 132), concat(' port ', toString(argMax(first_one, rank).7)), ''),
    ' of ', replaceRegexpOne(toString(argMax(first_one, rank).5), '^::ffff:([0-9]+[.])', '\\1')) AS target,
  sum(answers) AS answered,
  if(answered = 1, 'was', 'were') AS answered_were,
  answered = 0 AS silent,
  sum(bytes_out) AS sent,
  sum(bytes_back) AS received,
  length(arrayDistinct(groupArrayArray(far))) - 1 AS other_peers,
  arrayMap(way -> concat(way.2, ' → ', way.3), arraySlice(arrayReverseSort(groupArray(rank)), 2, 5)) AS other_ways
FROM ways
GROUP BY host_ip, episode
ORDER BY host, first_seen
