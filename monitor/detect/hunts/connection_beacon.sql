-- id: connection_beacon
-- title: Regular calls within one connection
-- title_ja: 1 つの接続の中での規則的な通信（ビーコン）
-- severity: medium
-- attack: T1071
-- attack: T1573
-- window: 24h
-- identity: host peer service
-- parameter: min_gaps UInt8 3 | pauses among the first sixteen packets that show the period
-- parameter: min_seconds Float64 60 | a page that loads is regular for a while too
-- parameter: min_beats Float64 8 | periods that the connection lasts
-- parameter: max_spread Float64 0.35 | median deviation of those pauses by the period
-- parameter: max_packets Float64 12 | packets of the client a period: a question, not a film
-- parameter: max_pause Float64 6 | periods that the client is silent at most: the rhythm holds to the end
-- parameter: min_said Float64 32 | bytes of the client a period where the server never says anything: a keep-alive has one
-- parameter: usual Array(UInt16) [22, 25, 53, 123, 139, 143, 389, 445, 993, 1433, 1521, 3306, 3389, 5222, 5223, 5228, 5432, 5900, 6379, 8883] | services that keep a connection alive by nature
-- reason: within one connection to {target} something is sent every {period:duration} ± {spread:percent}, {beats:count time} in {seconds:duration}
-- reason_ja: {target} との同一接続内で {seconds}の間に {beats} 回、規則的に送信（間隔 {period} ± {spread}）
-- reason: {packets:ratio} packets of the client a period, {out:bytes} sent and {back:bytes} received in all
-- reason_ja: 周期ごとのクライアントのパケットは {packets} 個、合計で送信 {out}、受信 {back}
-- false_positive: chat, push and dashboards that poll over one connection
-- reference: https://attack.mitre.org/techniques/T1071/
-- reference: MITRE Caldera's sandcat and Gh0st RAT: beacons over a connection that stays open
-- runbook: docs/runbooks/connection_beacon.md
--
-- Host is the client, peer its server. Only the first sixteen packets are known one by one: their pauses of over a second
-- give the period (the server may say nothing: it need not have orders); that the client never pauses for much longer, and sends only a few packets a period, says that it goes on.
WITH
  pauses AS (
    SELECT
      src_ip, dst_ip, dst_port, service, direction, start, end, flow_id, duration, src_packets, src_payload, dst_payload,
      server_name, src_iat_max, arrayFilter(gap -> gap >= 1000000, splt_iat) AS gaps,
      arrayReduce('quantileExact(0.5)', gaps) AS middle,
      arrayReduce('quantileExact(0.5)', arrayMap(gap -> abs(toInt64(gap) - toInt64(middle)), gaps)) / middle AS deviation,
      1e6 * duration / middle AS periods
    FROM flows
    PREWHERE duration >= {min_seconds:Float64} AND proto IN (6, 17)
    WHERE {{flows_within}} AND src_payload > 0 AND dst_packets > 0 AND {{to_one_host}}
      AND direction != 'inbound' AND NOT has({usual:Array(UInt16)}, dst_port) AND src_packets < duration * 12
      AND (direction != 'internal' OR service IN ('http', 'tls', 'unknown')) AND length(gaps) >= {min_gaps:UInt8}
  )
SELECT
  src_ip AS host,
  dst_ip AS peer,
  toString(pauses.service) AS service,
  min(start) AS first_seen,
  max(end) AS last_seen,
  count() AS flows,
  0.5 + max(periods) / (2 * (max(periods) + 4 * {min_beats:Float64})) AS score,
  arrayMap(flow -> flow.2, groupArraySorted(10)((start, flow_id))) AS flow_ids,
  concat(if(max(server_name) = '', replaceOne(toString(dst_ip), '::ffff:', ''), max(server_name)), ' port ', toString(dst_port)) AS target,
  argMax(middle, (periods, flow_id)) / 1e6 AS period,
  argMax(deviation, (periods, flow_id)) AS spread,
  toUInt64(max(periods)) AS beats,
  dateDiff('microsecond', first_seen, last_seen) / 1e6 AS seconds,
  argMax(src_packets / periods, (periods, flow_id)) AS packets,
  sum(src_payload) AS out,
  sum(dst_payload) AS back,
  multiIf(max(direction) = 'internal', 'low', max(server_name) = '', 'medium', 'low') AS severity
FROM pauses
WHERE deviation <= {max_spread:Float64} AND periods >= {min_beats:Float64} AND src_packets BETWEEN 0.8 * periods AND {max_packets:Float64} * periods
  AND (dst_payload > 0 OR src_payload >= {min_said:Float64} * periods) AND 1e6 * src_iat_max <= {max_pause:Float64} * middle
GROUP BY src_ip, dst_ip, dst_port, pauses.service
ORDER BY host, peer, dst_port, service
