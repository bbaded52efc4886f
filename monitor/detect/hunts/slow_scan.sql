-- id: slow_scan
-- title: Slow scan
-- title_ja: 低速スキャン
-- severity: medium
-- attack: T1046
-- attack: T1595
-- window: 24h
-- identity: host
-- parameter: min_ports UInt32 15 | different ports of one host tried in vain in a day, as for port_scan
-- parameter: min_hosts UInt32 25 | hosts asked in vain for one port in a day; Zeek's number, over a day
-- parameter: min_gap Float64 60 | seconds between tries (median): what is faster is for the other scan hunts
-- parameter: max_talked UInt32 5 | conversations of a source from which on it is a client with some dead ends
-- reason: {tries:count attempt} in {seconds:duration}, one in {gap:duration}: {ports:count port} of {hosts:count host}, nothing said on any
-- reason_ja: {seconds}の間に {gap}に 1 回の割合で試行 {tries} 回：ホスト {hosts} 台のポート {ports} 個、いずれもデータなし
-- reason if closed: {closed:percent} were refused or not answered
-- reason_ja: {closed} は拒否または無応答
-- false_positive: a device without a way out that tries its maker's servers: named hosts, few ports
-- reference: https://attack.mitre.org/techniques/T1046/
-- reference: S. Staniford et al., Practical Automated Detection of Stealthy Portscans, JCS 2002
-- runbook: docs/runbooks/slow_scan.md
--
-- Host is the one who scans, peer the host of which it tried most ports. Only sources that never reached anything count:
-- a source that talks is a client with some dead ends. Answers to forged packets are no tries (see port_scan).
WITH
  tries AS (
    SELECT
      src_ip, dst_ip, if(proto = 6, dst_port, 100000 + dst_port) AS port, count() AS n,
      max(position(history, 'h') > 0 AND proto = 6) AS open, min(start) AS begun, max(end) AS ended, max(direction) AS way,
      min((start, flow_id)) AS first_flow
    FROM flows
    WHERE {{flows_within}} AND src_packets > 0 AND src_ip != dst_ip AND {{to_one_host}} AND direction != 'outbound'
      AND src_ip IN (
        SELECT src_ip FROM flows
        WHERE {{flows_within}} AND cityHash64(src_ip) % 1048576 IN (
          SELECT cityHash64(src_ip) % 1048576 AS cell FROM flows PREWHERE dst_payload = 0 WHERE {{flows_within}}
          GROUP BY cell HAVING count() >= {min_ports:UInt32})
        GROUP BY src_ip
        HAVING countIf(dst_payload = 0 AND direction != 'outbound' AND src_packets <= 6) >= {min_ports:UInt32} AND countIf({{talked}}) < {max_talked:UInt32})
      AND src_packets <= 6 AND src_payload < 600 AND multiIf(
        proto = 6, position(history, 'S') > 0 AND src_payload = 0 AND dst_payload = 0,
        proto = 17, dst_packets = 0 AND dst_port NOT BETWEEN 33434 AND 33534 AND NOT (src_port < 1024 AND dst_port >= 1024)
          AND dst_port NOT IN (53, 67, 123, 137, 138, 161, 162, 514, 1900, 5353, 5355),
        0)
    GROUP BY src_ip, dst_ip, port
  ),
  asked AS (
    SELECT *, count() OVER (PARTITION BY src_ip, dst_ip) AS at_host, count() OVER (PARTITION BY src_ip, port) AS at_port
    FROM (SELECT *, count() OVER (PARTITION BY src_ip) AS all_targets FROM tries)
    WHERE all_targets >= {min_ports:UInt32}
  ),
  sources AS (
    SELECT
      src_ip, sum(n) AS all_tries, count() AS targets, uniqExact(port) AS ports, uniqExact(dst_ip) AS hosts,
      max((at_host, dst_ip)) AS busiest, max(at_port) AS widest,
      arraySort(groupArray(toUnixTimestamp64Micro(begun))) AS times, countIf(NOT open) / count() AS refused, min(begun) AS first_begun,
      max(ended) AS last_ended, max(way) AS direction, groupArraySorted(10)(first_flow) AS sample
    FROM asked
    GROUP BY src_ip
    HAVING busiest.1 >= {min_ports:UInt32} OR widest >= {min_hosts:UInt32}
  )
SELECT
  src_ip AS host,
  busiest.2 AS peer,
  '' AS service,
  first_begun AS first_seen,
  last_ended AS last_seen,
  all_tries AS flows,
  targets AS tries,
  targets / (targets + {min_ports:UInt32}) AS score,
  arrayMap(flow -> flow.2, sample) AS flow_ids,
  if(direction = 'internal', 'high', 'medium') AS severity,
  ports,
  hosts,
  refused AS closed,
  dateDiff('microsecond', first_seen, last_seen) / 1e6 AS seconds,
  arrayReduce('quantileExact(0.5)', arrayPopFront(arrayDifference(times))) / 1e6 AS gap
FROM sources
WHERE gap >= {min_gap:Float64}
ORDER BY host
