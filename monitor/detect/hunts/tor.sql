-- id: tor
-- title: Tor
-- title_ja: Tor（匿名化通信）
-- severity: high
-- attack: T1090.003
-- window: 24h
-- identity: host peer
-- parameter: min_bytes UInt64 5000 | payload each way: ten cells of 514 bytes (tor-spec 0.2)
-- parameter: names String torproject.org,.onion,snowflake.,bridges.tor | words in names of Tor's own services
-- reason: Tor with {peer} port {port} for {seconds:duration}: {out:bytes} sent, {back:bytes} received
-- reason if name: the name asked for was {name}
-- false_positive: other software on port 9001 whose content is not known
-- reference: https://attack.mitre.org/techniques/T1090/003/
-- reference: Tor Protocol Specification, 0.2 and 2
-- runbook: docs/runbooks/tor.md
--
-- Host is the client, peer the relay or bridge.
WITH
  circuits AS (
    SELECT
      if({{turned}}, dst_ip, src_ip) AS client, if({{turned}}, src_ip, dst_ip) AS server,
      if({{turned}}, src_port, dst_port) AS port, if({{turned}}, dst_payload, src_payload) AS sent,
      if({{turned}}, src_payload, dst_payload) AS received,
      start, end, flow_id, lower(server_name) AS asked
    FROM flows
    WHERE {{within}} AND {{talked}} AND proto = 6
      AND (service = 'tor' OR (server_name != '' AND multiSearchAnyCaseInsensitive(server_name, splitByChar(',', {names:String}))))
  )
SELECT
  client AS host,
  server AS peer,
  'tor' AS service,
  min(start) AS first_seen,
  max(end) AS last_seen,
  count() AS flows,
  0.5 + back / (2 * (back + 100000)) AS score,
  arrayMap(flow -> flow.2, groupArraySorted(10)((start, flow_id))) AS flow_ids,
  max(circuits.port) AS port,
  dateDiff('microsecond', first_seen, last_seen) / 1e6 AS seconds,
  sum(sent) AS out,
  sum(received) AS back,
  max(asked) AS name
FROM circuits
GROUP BY client, server
HAVING out >= {min_bytes:UInt64} AND back >= {min_bytes:UInt64}
ORDER BY host, peer
