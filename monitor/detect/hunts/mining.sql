-- id: mining
-- title: Mining of crypto currency
-- title_ja: 暗号資産のマイニング
-- severity: high
-- attack: T1496
-- window: 24h
-- identity: host
-- parameter: min_seconds Float64 60 | a miner keeps its connection to the pool
-- parameter: names String minexmr,nanopool,supportxmr,f2pool,ethermine,nicehash,moneroocean,2miners,hashvault,antpool,slushpool,xmrpool,c3pool,herominers | words in names of mining pools
-- reason: Stratum or a pool's port with {peer} port {port} for {seconds:duration}: {out:bytes} sent, {back:bytes} received
-- reason_ja: {peer} のポート {port} と Stratum または採掘プール用ポートの通信が {seconds}継続（送信 {out}、受信 {back}）
-- reason if name: the name asked for was {name}
-- reason_ja: 要求された名前：{name}
-- false_positive: other software on ports 3333 and 14444 whose content is not known
-- reference: https://attack.mitre.org/techniques/T1496/
-- reference: Stratum mining protocol, slushpool.com
-- runbook: docs/runbooks/mining.md
--
-- Host is the miner, peer the pool. Port 4444 alone is Metasploit's as often: see remote_access.
WITH
  pools AS (
    SELECT
      if({{turned}}, dst_ip, src_ip) AS client, if({{turned}}, src_ip, dst_ip) AS server,
      if({{turned}}, src_port, dst_port) AS port, if({{turned}}, dst_payload, src_payload) AS sent,
      if({{turned}}, src_payload, dst_payload) AS received,
      start, end, flow_id, service, lower(server_name) AS asked
    FROM flows
    PREWHERE service = 'mining' OR multiSearchAnyCaseInsensitive(server_name, splitByChar(',', {names:String}))
    WHERE {{within}} AND {{talked}} AND proto = 6
      AND ((service = 'mining' AND dst_port != 4444)
        OR (server_name != '' AND multiSearchAnyCaseInsensitive(server_name, splitByChar(',', {names:String}))))
  )
SELECT
  client AS host,
  argMax(server, (received, server)) AS peer,
  'mining' AS service,
  min(start) AS first_seen,
  max(end) AS last_seen,
  count() AS flows,
  0.5 + seconds / (2 * (seconds + 600)) AS score,
  arrayMap(flow -> flow.2, groupArraySorted(10)((start, flow_id))) AS flow_ids,
  max(pools.port) AS port,
  dateDiff('microsecond', first_seen, last_seen) / 1e6 AS seconds,
  sum(sent) AS out,
  sum(received) AS back,
  max(asked) AS name
FROM pools
GROUP BY client
HAVING seconds >= {min_seconds:Float64}
ORDER BY host
