-- id: horizontal_scan
-- title: Sweep of many hosts for one service
-- title_ja: 多数のホストに対する同一サービスの探索（スイープ）
-- severity: medium
-- attack: T1046
-- attack: T1018
-- window: 24h
-- identity: host
-- parameter: min_hosts UInt32 15 | distinct hosts asked for the same port; below Zeek's 25, as silence is asked for too; learned: `usual` calls without an answer
-- parameter: min_silent Float64 0.8 | share of those hosts with which the scanner exchanged no payload
-- parameter: min_rate Float64 6 | hosts a minute; slower is a device without a way out that tries its servers in turn
-- parameter: min_many UInt32 100 | so many hosts are a sweep at any rate
-- parameter: max_polled Float64 0.8 | share of the hosts that answer and are asked again and again: a monitor knows whom it asks, a sweep asks once
-- parameter: poll_minutes UInt32 4 | minutes in which a host is asked, or for which one flow asks it, before it counts as polled
-- parameter: episode_gap UInt32 3600 | seconds without an attempt that end a sweep
-- reason: asked {hosts:count host} for {service} in {seconds:duration}, {silent:percent} of them without exchanging payload
-- reason_ja: {seconds}の間にホスト {hosts} 台の {service} へ接続を試行（{silent} はペイロードのやり取りなし）
-- reason if closed: {closed:percent} of the hosts refused or did not answer
-- reason_ja: 対象ホストの {closed} は拒否または無応答
-- reason if others: the same sweep asked for {others:words}
-- reason_ja: 同じ探索で {others} も対象
-- reason if usual_calls: that is more than its busy hours have without an answer: {usual_calls:count call}
-- reason_ja: このホストの繁忙時間帯における応答のない通信（{usual_calls} 件）を超過
-- reason: the busiest target was {peer} with {peer_flows:count attempt}
-- reason_ja: 最多の対象は {peer}（試行 {peer_flows} 回）
-- false_positive: monitoring in its first minutes, or of hosts that are mostly off: suppress it by host
-- false_positive: peer-to-peer software whose old peers are gone, when they share a port
-- reference: https://attack.mitre.org/techniques/T1018/
-- reference: Zeek policy/misc/scan.zeek: 25 hosts in 5 minutes
-- runbook: docs/runbooks/horizontal_scan.md
--
-- Host is the one who sweeps. A host was asked in vain when nothing was said: a SYN without payload after it, a datagram
-- without an answer; an echo request counts either way. Answers to forged packets are no questions (see port_scan), nor
-- are calls to an address that the host had looked up in the DNS: a sweep goes by number. What has fewer than min_many
-- hosts and keeps min_rate lies within two slots of min_many / min_rate minutes, half of it in one: others are not sorted.
WITH
  usual AS {{usual}},
  suspects AS (
    SELECT src_ip, proto, port
    FROM (
      SELECT src_ip, proto, if(proto IN (1, 58), 0, dst_port) AS port, count() AS in_slot
      FROM flows
      PREWHERE src_payload = 0 OR dst_payload = 0 OR proto IN (1, 58)
      WHERE {{flows_within}} AND src_packets > 0 AND (proto NOT IN (1, 58) OR icmp_type IN (8, 128))
        AND cityHash64(src_ip) % 1048576 IN (
          SELECT cityHash64(src_ip) % 1048576 AS cell FROM flows WHERE {{flows_within}} GROUP BY cell HAVING count() >= {min_hosts:UInt32})
      GROUP BY src_ip, proto, port, intDiv(toUnixTimestamp(start), toUInt32(60 * {min_many:UInt32} / {min_rate:Float64})))
    GROUP BY src_ip, proto, port
    HAVING sum(in_slot) >= {min_hosts:UInt32}
      AND (sum(in_slot) >= {min_silent:Float64} * {min_many:UInt32} OR max(in_slot) >= {min_silent:Float64} * {min_hosts:UInt32} / 2)
  ),
  questions AS (
    SELECT
      src_ip, dst_ip, proto, if(proto IN (1, 58), 0, dst_port) AS port, start, end, flow_id, direction,
      dst_packets > 0 AND (proto != 6 OR position(history, 'h') > 0) AS answered,
      proto NOT IN (1, 58) AND src_payload > 0 AND dst_payload > 0 AS talked
    FROM flows
    WHERE {{flows_within}} AND src_packets > 0 AND src_ip != dst_ip
      AND {{to_one_host}}
      AND multiIf(
        proto = 6, position(history, 'S') > 0,
        proto = 17, NOT (src_port < 1024 AND dst_port >= 1024) AND dst_port NOT BETWEEN 33434 AND 33534,
        proto = 1, icmp_type = 8,
        proto = 58, icmp_type = 128,
        0)
  ),
  marked AS (
    SELECT *, start > lagInFrame(start) OVER sweeper + toIntervalSecond({episode_gap:UInt32}) AS begins
    FROM questions
    WHERE (src_ip, proto, port) IN suspects AND cityHash64(src_ip, dst_ip) NOT IN (
        SELECT cityHash64(src_ip, toIPv6OrDefault(arrayJoin(dns_answers))) FROM flows
        WHERE run_id = {run:String} AND notEmpty(dns_answers) AND src_ip IN (SELECT src_ip FROM suspects)
          AND start >= fromUnixTimestamp64Micro({since:Int64}, 'UTC') - toIntervalDay(1)
          AND start < fromUnixTimestamp64Micro({until:Int64}, 'UTC'))
    WINDOW sweeper AS (PARTITION BY src_ip ORDER BY start, flow_id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
  ),
  episodes AS (
    SELECT *, sum(begins) OVER (PARTITION BY src_ip ORDER BY start, flow_id ROWS UNBOUNDED PRECEDING) AS episode
    FROM marked
  ),
  targets AS (
    SELECT
      src_ip, episode, proto, port, dst_ip, count() AS attempts, max(answered) AS has_answered, max(talked) AS has_talked,
      min(start) AS begun, max(end) AS ended, min((start, flow_id)) AS first_flow, max(direction) AS way,
      greatest(uniqExact(toStartOfMinute(start)), max(dateDiff('minute', start, end))) AS minutes
    FROM episodes
    GROUP BY src_ip, episode, proto, port, dst_ip
  ),
  sweeps AS (
    SELECT
      src_ip, episode,
      multiIf(proto = 6, concat('tcp/', toString(port)), proto = 17, concat('udp/', toString(port)), 'icmp echo') AS target,
      count() AS asked, (asked, target) AS rank, min(begun) AS first_begun, max(ended) AS last_ended,
      sum(attempts) AS all_attempts, countIf(NOT has_talked) / asked AS in_vain, countIf(NOT has_answered) / asked AS refused,
      countIf(way IN ('outbound', 'internal')) / asked AS from_home, countIf(way = 'inbound') / asked AS from_outside,
      max((attempts, -toUnixTimestamp64Micro(begun), dst_ip)) AS busiest, groupArraySorted(10)(first_flow) AS sample
    FROM targets
    GROUP BY src_ip, episode, proto, port
    HAVING asked >= {min_hosts:UInt32} AND in_vain >= {min_silent:Float64}
      AND countIf(has_answered AND minutes >= {poll_minutes:UInt32}) < {max_polled:Float64} * asked
      AND (asked >= {min_many:UInt32}
        OR asked >= {min_rate:Float64} * dateDiff('second', min(begun), max(begun)) / 60)
  )
SELECT
  src_ip AS host,
  argMax(busiest, rank).3 AS peer,
  argMax(target, rank) AS service,
  min(first_begun) AS first_seen,
  max(last_ended) AS last_seen,
  sum(all_attempts) AS flows,
  max(asked) AS hosts,
  hosts / (hosts + {min_hosts:UInt32}) AS score,
  argMax(multiIf(from_home > 0.5, 'high', from_outside > 0.5, 'low', 'medium'), rank) AS severity,
  arrayMap(flow -> flow.2, argMax(sample, rank)) AS flow_ids,
  dateDiff('microsecond', first_seen, last_seen) / 1e6 AS seconds,
  argMax(in_vain, rank) AS silent,
  argMax(refused, rank) AS closed,
  argMax(busiest, rank).1 AS peer_flows,
  arrayMap(sweep -> sweep.2, arraySlice(arrayReverseSort(groupArray(rank)), 2, 5)) AS others,
  max(usual_lost) AS usual_calls
FROM sweeps
LEFT JOIN usual ON usual.who = sweeps.src_ip
GROUP BY src_ip, episode
HAVING hosts > least(usual_calls, 10 * {min_hosts:UInt32})
ORDER BY host, first_seen
