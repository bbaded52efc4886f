-- id: lateral_movement
-- title: Spread from host to host
-- title_ja: 組織内での横展開
-- severity: high
-- attack: T1021.002
-- attack: T1021.001
-- attack: T1021.004
-- attack: T1021.006
-- attack: T1210
-- window: 24h
-- identity: host
-- parameter: min_hosts UInt32 4 | neighbours asked on one port of administration that are no servers for it
-- parameter: servers_clients UInt32 3 | other hosts that use a server before it counts as one
-- parameter: poll_minutes UInt32 4 | different minutes in which a neighbour is asked, answers and is told nothing: that is a monitor's check
-- parameter: seconds UInt32 900 | in which they are asked; a person who helps out sees fewer
-- parameter: ports Array(UInt16) [22, 135, 139, 445, 3389, 5985, 5986, 5900] | SSH, RPC, SMB, RDP, WinRM, VNC
-- reason: asked {hosts:count neighbour} for {service} within {lasting:duration}; {reached:count} of them answered
-- reason_ja: {lasting}以内に内部ホスト {hosts} 台の {service} へ接続を試行（うち {reached} 台が応答）
-- reason if others: and for {others:words}
-- reason_ja: {others} へも接続を試行
-- reason if talked: with {talked:count} of them it exchanged data, {bytes:bytes} in all
-- reason_ja: うち {talked} 台とデータを送受信（合計 {bytes}）
-- false_positive: software distribution, backup and inventory: suppress by host
-- false_positive: administrators at work: their hosts should be few and known
-- reference: https://attack.mitre.org/tactics/TA0008/
-- reference: A. Fawaz et al., Lateral Movement Detection Using Distributed Data Fusion, SRDS 2016
-- runbook: docs/runbooks/lateral_movement.md
--
-- Host is the one who spreads, peer the neighbour with most bytes. What several others use on that port is a server and
-- does not count. Connections whose opening was not captured count when both ends speak.
WITH
  calls AS (
    SELECT
      src_ip, dst_ip, dst_port, min(start) AS begun, max(end) AS ended, count() AS n, sum(src_bytes + dst_bytes) AS volume,
      max(position(history, 'h') > 0 OR {{talked}}) AS has_answered, max({{talked}}) AS has_talked,
      uniqExact(toStartOfMinute(start)) AS minutes, max(src_payload) AS said, min((start, flow_id)) AS first_flow
    FROM flows
    PREWHERE has({ports:Array(UInt16)}, dst_port) AND proto = 6
    WHERE {{flows_within}} AND direction IN ('internal', 'external')
      AND if(position(history, 'S') > 0, 1, {{talked}} AND src_port >= 1024) AND {{to_one_host}} AND src_ip != dst_ip
    GROUP BY src_ip, dst_ip, dst_port
  ),
  known AS (
    SELECT *, count() OVER (PARTITION BY dst_ip, dst_port) AS clients FROM calls
  ),
  spread AS (
    SELECT
      src_ip, dst_port, count() AS asked, countIf(has_answered) AS answering, countIf(has_talked) AS talking,
      sum(n) AS all_flows, sum(volume) AS moved, min(begun) AS first_begun, max(ended) AS last_ended,
      max((has_talked, volume, dst_ip)) AS busiest, groupArraySorted(10)(first_flow) AS sample, arraySort(groupArray(toUnixTimestamp(begun))) AS times
    FROM known
    WHERE clients <= {servers_clients:UInt32} AND NOT (has_answered AND said = 0 AND minutes >= {poll_minutes:UInt32})
    GROUP BY src_ip, dst_port
    HAVING asked >= {min_hosts:UInt32} AND answering > 0
      AND arrayExists(
        (first, last) -> last - first <= {seconds:UInt32},
        arraySlice(times, 1, asked - {min_hosts:UInt32} + 1), arraySlice(times, {min_hosts:UInt32}))
  )
SELECT
  src_ip AS host,
  argMax(busiest, (asked, dst_port)).3 AS peer,
  concat('tcp/', toString(argMax(dst_port, (asked, dst_port)))) AS service,
  min(first_begun) AS first_seen,
  max(last_ended) AS last_seen,
  sum(all_flows) AS flows,
  max(asked) AS hosts,
  hosts / (hosts + {min_hosts:UInt32}) AS score,
  arrayMap(flow -> flow.2, argMax(sample, (asked, dst_port))) AS flow_ids,
  dateDiff('microsecond', first_seen, last_seen) / 1e6 AS lasting,
  max(answering) AS reached,
  max(talking) AS talked,
  sum(moved) AS bytes,
  arrayMap(port -> concat('tcp/', toString(port.2)), arraySlice(arrayReverseSort(groupArray((asked, dst_port))), 2, 5)) AS others
FROM spread
GROUP BY src_ip
ORDER BY host
