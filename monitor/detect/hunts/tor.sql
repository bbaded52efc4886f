-- id: tor
-- title: Tor
-- title_ja: Tor（匿名化通信）
-- severity: high
-- attack: T1090.003
-- window: 24h
-- identity: host peer
-- parameter: min_bytes UInt64 5000 | payload each way: ten cells of 514 bytes (tor-spec 0.2)
-- parameter: ports Array(UInt16) [9001] | the ORPort of torrc(5), where relays listen unless told otherwise
-- parameter: names String torproject.org,.onion,snowflake.,bridges.tor | words in names of Tor's own services
-- reason: Tor with {peer} port {port} for {seconds:duration}: {out:bytes} sent, {back:bytes} received
-- reason_ja: {peer} のポート {port} と Tor の通信が {seconds}継続（送信 {out}、受信 {back}）
-- reason if name: the name asked for was {name}
-- reason_ja: 要求された名前：{name}
-- reason if made_up: a name that nobody registered, as Tor makes one up for each connection
-- reason_ja: 登録されていない名前（Tor が接続ごとに作る名前の特徴）
-- false_positive: other TLS on port 9001 whose client names no server
-- reference: https://attack.mitre.org/techniques/T1090/003/
-- reference: Tor Protocol Specification, 0.2 and 2; made-up names: crypto_random_hostname(8, 20, "www.", ".com" or ".net")
-- runbook: docs/runbooks/tor.md
--
-- Host is the client, peer the relay or bridge. Known by its service, by the names of its own services, and by its TLS:
-- the client asks for www.<base32>.com and the relay's certificate (TLS 1.2) is for another, www.<base32>.net; on the
-- relays' own port the made-up name, or none at all, is enough.
WITH
  circuits AS (
    SELECT
      if({{turned}}, dst_ip, src_ip) AS client, if({{turned}}, src_ip, dst_ip) AS server,
      if({{turned}}, src_port, dst_port) AS port, if({{turned}}, dst_payload, src_payload) AS sent,
      if({{turned}}, src_payload, dst_payload) AS received,
      start, end, flow_id, lower(server_name) AS asked,
      match(asked, '^www\\.[a-z2-7]{8,20}\\.com$') AS random_name,
      has({ports:Array(UInt16)}, port) AND direction != 'internal' AS or_port
    FROM flows
    PREWHERE proto = 6 AND (service = 'tor' OR (service = 'tls' AND server_name = '')
      OR multiSearchAnyCaseInsensitive(server_name, splitByChar(',', {names:String}))
      OR (length(server_name) BETWEEN 16 AND 28 AND endsWith(lower(server_name), '.com')))
    WHERE {{within}} AND {{talked}}
      AND (service = 'tor'
        OR (server_name != '' AND multiSearchAnyCaseInsensitive(server_name, splitByChar(',', {names:String})))
        OR (service = 'tls' AND or_port AND (random_name OR server_name = ''))
        OR (random_name AND arrayExists(named -> match(named, '^www\\.[a-z2-7]{8,20}\\.net$'), cert_names)))
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
  max(asked) AS name,
  countIf(random_name) > 0 AS made_up
FROM circuits
GROUP BY client, server
HAVING out >= {min_bytes:UInt64} AND back >= {min_bytes:UInt64}
ORDER BY host, peer
