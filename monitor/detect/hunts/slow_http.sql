-- id: slow_http
-- title: Connections held open to exhaust a web server
-- title_ja: Web サーバの接続枯渇（低速 HTTP 攻撃）
-- severity: high
-- attack: T1499.002
-- window: 1h
-- identity: host peer
-- parameter: min_held UInt32 20 | connections of one client; a browser opens six a server
-- parameter: min_seconds Float64 15 | for which each is held; a whole request takes well under a second
-- parameter: max_rate Float64 200 | bytes a second that the client sends on each
-- reason: {flows:count connection} of {peer}, each held {held:duration} (median) without a whole request; {asked:bytes} sent on each
-- reason_ja: {peer} への接続 {flows} 件が、要求を完結しないまま各 {held}（中央値）維持（各接続の送信 {asked}）
-- reason if unanswered: {unanswered:percent} were never answered
-- reason_ja: {unanswered} は応答なし
-- false_positive: clients on a very bad line: seldom twenty at once
-- reference: https://attack.mitre.org/techniques/T1499/002/
-- reference: slowhttptest; R. Hansen, Slowloris, 2009
-- runbook: docs/runbooks/slow_http.md
--
-- Host is the server (the victim), peer the client that holds the connections.
SELECT
  dst_ip AS host,
  src_ip AS peer,
  if(max(service) = '', 'http', max(service)) AS service,
  min(start) AS first_seen,
  max(end) AS last_seen,
  count() AS flows,
  flows / (flows + {min_held:UInt32}) AS score,
  arrayMap(flow -> flow.2, groupArraySorted(10)((start, flow_id))) AS flow_ids,
  quantileExact(0.5)(duration) AS held,
  quantileExact(0.5)(src_payload) AS asked,
  countIf(dst_payload = 0) / flows AS unanswered
FROM flows
PREWHERE dst_port IN (80, 443, 8000, 8080, 8443, 8888) AND direction != 'outbound'
WHERE {{flows_within}} AND proto = 6 AND duration >= {min_seconds:Float64} AND position(history, 'S') > 0 AND position(history, 'h') > 0
  AND src_payload > 0 AND src_payload < {max_rate:Float64} * duration AND dst_payload <= if(dst_port IN (443, 8443), 6000, 0)
  AND src_packets >= 5 AND src_iat_max < duration / 2
GROUP BY dst_ip, src_ip, dst_port
HAVING flows >= {min_held:UInt32} AND dateDiff('second', min(start), max(start)) <= 600
ORDER BY host, peer, first_seen
