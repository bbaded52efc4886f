-- id: port_scan
-- title: Port scan of a host
-- title_ja: ホストへのポートスキャン
-- severity: medium
-- attack: T1046
-- window: 24h
-- identity: host
-- parameter: min_ports UInt32 15 | distinct ports of the busiest target; Zeek's and Suricata's usual floor; learned: `usual` calls without an answer
-- parameter: episode_gap UInt32 3600 | seconds without an attempt that end a scan
-- reason: tried {ports:count} {what} of {peer} in {seconds:duration}, without sending any payload
-- reason_ja: {peer} に対し {seconds}の間に{what} {ports} 個を試行（ペイロードの送信なし）
-- reason if closed: {closed:percent} of the attempts were refused or not answered
-- reason_ja: 試行の {closed} は拒否または無応答
-- reason if open_ports: {open_ports:count port} answered: {open_sample}
-- reason_ja: 応答のあったポート {open_ports} 個：{open_sample}
-- reason if usual_calls: that is more than its busy hours have without an answer: {usual_calls:count call}
-- reason_ja: このホストの繁忙時間帯における応答のない通信（{usual_calls} 件）を超過
-- reason if other_targets: the same scan reached {other_targets:count other host}
-- reason_ja: 同じスキャンが他のホスト {other_targets} 台にも到達
-- false_positive: an inventory or vulnerability scanner of ours: suppress it by host
-- false_positive: a monitoring probe that checks many services of one server
-- reference: https://attack.mitre.org/techniques/T1046/
-- reference: J. Jung et al., Fast Portscan Detection Using Sequential Hypothesis Testing, IEEE S&P 2004
-- runbook: docs/runbooks/port_scan.md
--
-- Host is the one who scans. An attempt is a flow that its initiator opened and in which nothing was said: a SYN; a lone
-- FIN, ACK or no flag at all; an unanswered datagram; an unanswered packet of another protocol. Answers to forged
-- packets (SYN-ACK, RST: backscatter) are no attempts: FlowMeter names their receiver the initiator, or they hold a RST.
-- Not attempts either: traceroute's UDP ports, and what looks like the answer of a server whose question was not seen.
WITH
  usual AS {{usual}},
  attempts AS (
    SELECT
      src_ip, dst_ip, proto, dst_port, start, end, flow_id, direction,
      position(history, 'h') > 0 AS open
    FROM flows
    PREWHERE dst_payload = 0
    WHERE {{flows_within}} AND src_packets > 0 AND src_ip != dst_ip
      AND src_ip IN (
        SELECT src_ip FROM flows PREWHERE dst_payload = 0 WHERE {{flows_within}} AND src_packets > 0 AND proto NOT IN (1, 58)
          AND cityHash64(src_ip) % 1048576 IN (
            SELECT cityHash64(src_ip) % 1048576 AS cell FROM flows PREWHERE dst_payload = 0 WHERE {{flows_within}}
            GROUP BY cell HAVING count() >= {min_ports:UInt32})
        GROUP BY src_ip, dst_ip HAVING uniqExact(proto, dst_port) >= {min_ports:UInt32})
      AND {{to_one_host}}
      AND multiIf(
        proto = 6, src_payload = 0 AND dst_payload = 0 AND (
          position(history, 'S') > 0
          OR (src_packets <= 2 AND src_flags IN (0, 1, 16, 17, 41) AND NOT (src_port < 1024 AND dst_port >= 1024))),
        proto = 17, dst_packets = 0 AND src_packets <= 3
          AND dst_port NOT BETWEEN 33434 AND 33534 AND NOT (src_port < 1024 AND dst_port >= 1024),
        proto NOT IN (1, 58), dst_packets = 0,
        0)
  ),
  marked AS (
    SELECT *, start > lagInFrame(start) OVER scanner + toIntervalSecond({episode_gap:UInt32}) AS begins
    FROM attempts
    WINDOW scanner AS (PARTITION BY src_ip ORDER BY start, flow_id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
  ),
  episodes AS (
    SELECT *, sum(begins) OVER (PARTITION BY src_ip ORDER BY start, flow_id ROWS UNBOUNDED PRECEDING) AS episode
    FROM marked
  ),
  targets AS (
    SELECT
      src_ip, episode, dst_ip, uniqExact(proto, dst_port) AS tried, count() AS attempts, countIf(open) AS answers,
      (tried, attempts, dst_ip) AS rank, min(start) AS begun, max(end) AS ended, countIf(proto IN (6, 17)) * 2 > attempts AS by_port, max(direction) AS way,
      groupArraySorted(10)((start, flow_id)) AS sample, arraySort(groupUniqArrayIf(dst_port, open)) AS open_on
    FROM episodes
    GROUP BY src_ip, episode, dst_ip
  )
SELECT
  src_ip AS host,
  argMax(dst_ip, rank) AS peer,
  '' AS service,
  min(begun) AS first_seen,
  max(ended) AS last_seen,
  sum(attempts) AS flows,
  max(tried) AS ports,
  ports / (ports + {min_ports:UInt32}) AS score,
  if(argMax(way, rank) IN ('outbound', 'internal'), 'high', 'medium') AS severity,
  arrayMap(flow -> flow.2, argMax(sample, rank)) AS flow_ids,
  dateDiff('microsecond', first_seen, last_seen) / 1e6 AS seconds,
  1 - sum(answers) / flows AS closed,
  length(argMax(open_on, rank)) AS open_ports,
  arrayStringConcat(arraySlice(argMax(open_on, rank), 1, 10), ', ') AS open_sample,
  if(argMax(by_port, rank), 'ports', 'IP protocols') AS what,
  countIf(tried >= {min_ports:UInt32}) - 1 AS other_targets,
  max(usual_lost) AS usual_calls
FROM targets
LEFT JOIN usual ON usual.who = targets.src_ip
GROUP BY src_ip, episode
HAVING ports >= {min_ports:UInt32} AND ports > least(usual_calls, 10 * {min_ports:UInt32})
ORDER BY host, first_seen
