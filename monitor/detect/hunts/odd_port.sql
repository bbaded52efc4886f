-- id: odd_port
-- title: Protocol on an odd port
-- title_ja: 通常と異なるポートでの通信
-- severity: medium
-- attack: T1571
-- window: 24h
-- identity: host peer service
-- parameter: min_bytes UInt64 100 | payload both ways together: more than a greeting
-- parameter: crowd UInt32 3 | so many hosts that do the same with a peer are software of ours
-- reason: {spoken} on port {port} of {peer}: {flows:count flow}, {out:bytes} sent, {back:bytes} received
-- reason_ja: {spoken}：{peer} のポート {port} で {flows} フロー（送信 {out}、受信 {back}）
-- reason if lasting: over {lasting:duration}
-- reason_ja: {lasting}にわたり継続
-- false_positive: a service of ours that was moved to another port: suppress by peer and port
-- reference: https://attack.mitre.org/techniques/T1571/
-- reference: H. Dreger et al., Dynamic Application-Layer Protocol Analysis, USENIX Security 2006
-- runbook: docs/runbooks/odd_port.md
--
-- Host is the client, peer the server. What is usual where is in the list of services; a port whose service is always
-- known by its first bytes (443, 80, 53, 22 ...) and which carries something else is odd, too.
-- TLS whose client names its server, or whose server shows a certificate for a domain, is how honest services run on
-- ports of their own; so is HTTP of appliances within the segment. What calls an address alone stays.
WITH
  odd AS (
    SELECT
      if({{turned}}, dst_ip, src_ip) AS client, if({{turned}}, src_ip, dst_ip) AS server, if({{turned}}, src_port, dst_port) AS at_port,
      service, direction, start, end, flow_id,
      if({{turned}}, dst_payload, src_payload) AS sent, if({{turned}}, src_payload, dst_payload) AS received,
      service = 'tls' AND (match(server_name, '[a-z]') OR arrayExists(entry -> match(entry, '\\.[a-z]{2,}$'), cert_names)) AS presented
    FROM flows
    WHERE {{within}} AND service_on_odd_port AND {{talked}} AND proto IN (6, 17) AND {{to_one_host}}
      AND NOT (direction = 'inbound' AND NOT {{turned}}) AND NOT (direction = 'internal' AND service = 'http')
  ),
  calls AS (
    SELECT
      client, server, at_port, toString(max(service)) AS named, max(direction) AS way, min(start) AS begun, max(end) AS ended, count() AS n, sum(sent) AS out,
      sum(received) AS back, groupArraySorted(10)((start, flow_id)) AS sample,
      count() OVER (PARTITION BY server, at_port) AS callers
    FROM odd
    GROUP BY client, server, at_port
    HAVING out + back >= {min_bytes:UInt64} AND NOT max(presented)
  )
SELECT
  client AS host,
  server AS peer,
  named AS service,
  begun AS first_seen,
  ended AS last_seen,
  n AS flows,
  0.5 + (out + back) / (2 * (out + back + 100000)) AS score,
  arrayMap(flow -> flow.2, sample) AS flow_ids,
  if(named IN ('', 'unknown'), 'something else than the port stands for', named) AS spoken,
  at_port AS port,
  out,
  back,
  dateDiff('microsecond', first_seen, last_seen) / 1e6 AS lasting,
  if(way = 'internal', 'low', 'medium') AS severity
FROM calls
WHERE callers < {crowd:UInt32}
ORDER BY host, peer, port
