-- id: long_connection
-- title: Connection that lasts for hours
-- title_ja: 長時間続く外部接続
-- severity: low
-- attack: T1071
-- attack: T1571
-- window: 24h
-- identity: host peer service
-- parameter: min_seconds Float64 7200 | two hours; RITA's scale begins at one, Slips warns at 25 minutes
-- parameter: over_usual Float64 4 | times that, learned: for a peer that the host had answers from three days before the time asked about already
-- parameter: min_bytes UInt64 100 | payload each way: something was said
-- parameter: crowd UInt32 3 | so many hosts that keep a connection to a peer are software of ours
-- parameter: push_ports Array(UInt16) [993, 5222, 5223, 5228, 5229, 5230, 8883] | mail and push services, which wait for hours by nature
-- reason: one connection to {target} for {lasting:duration}: {out:bytes} sent, {back:bytes} received
-- reason_ja: {target} との同一接続が {lasting}継続（送信 {out}、受信 {back}）
-- reason if known: the host has known that address for days: it was held to {over_usual:ratio} times the time of a new one
-- reason_ja: 数日前から通信実績のある相手のため、新規の相手の {over_usual} 倍の時間で判定
-- reason if nameless: it asked for no name, and nobody else keeps one to that address
-- reason_ja: 名前の指定はなく、他にこの相手と接続を維持するホストもなし
-- false_positive: push, chat and remote work: mostly named, or on ports of their own
-- reference: https://attack.mitre.org/techniques/T1071/
-- reference: RITA, long connections (activecountermeasures.com)
-- runbook: docs/runbooks/long_connection.md
--
-- Host is the inside end. The parts of a flow that the meter reported on its way are taken together. Other hunts speak of
-- VPN, Tor, mining and remote control.
WITH
  whole AS (
    SELECT
      src_ip, dst_ip, src_port, dst_port, proto, min(start) AS begun, max(end) AS ended, max(service) AS spoken,
      max(server_name) AS name, sum(src_payload) AS out, sum(dst_payload) AS back, max(flow_id) AS id, count() AS n
    FROM flows
    PREWHERE duration >= 600 AND direction = 'outbound' AND proto IN (6, 17)
    WHERE {{within}} AND {{to_one_host}}
      AND NOT has({push_ports:Array(UInt16)}, dst_port) AND dst_port NOT IN (53, 123)
      AND service NOT IN ('ntp', 'dns', 'wireguard', 'openvpn', 'ike', 'tor', 'mining', 'teamviewer', 'anydesk', 'stun', 'mqtt')
    GROUP BY src_ip, dst_ip, src_port, dst_port, proto
    HAVING dateDiff('second', begun, ended) >= {min_seconds:Float64} AND out >= {min_bytes:UInt64} AND back >= {min_bytes:UInt64}
  ),
  usual AS (
    SELECT host AS who, value AS known_peer
    FROM first_seen
    WHERE run_id = {run:String} AND kind = 'peer' AND host IN (SELECT src_ip FROM whole)
    GROUP BY host, value
    HAVING toUnixTimestamp64Micro(min(first)) <= {since:Int64} - 3 * 86400000000
  ),
  crowded AS (
    SELECT
      *, (src_ip, replaceOne(toString(dst_ip), '::ffff:', '')) IN (SELECT who, known_peer FROM usual) AS is_known, count() OVER (PARTITION BY dst_ip, dst_port) AS flows_to, length(groupUniqArray(src_ip) OVER (PARTITION BY dst_ip, dst_port)) AS callers
    FROM whole
  )
SELECT
  src_ip AS host,
  dst_ip AS peer,
  toString(max(spoken)) AS service,
  min(begun) AS first_seen,
  max(ended) AS last_seen,
  sum(n) AS flows,
  max(dateDiff('microsecond', begun, ended)) / 1e6 AS lasting,
  lasting / (lasting + {min_seconds:Float64}) AS score,
  arraySlice(arraySort(groupArray(id)), 1, 10) AS flow_ids,
  concat(if(max(name) = '', replaceOne(toString(dst_ip), '::ffff:', ''), max(name)), ' port ', toString(dst_port)) AS target,
  sum(crowded.out) AS out,
  sum(crowded.back) AS back,
  max(name) = '' AS nameless,
  max(is_known) AS known,
  {over_usual:Float64} AS over_usual,
  if(nameless, 'medium', 'low') AS severity
FROM crowded
WHERE callers < {crowd:UInt32} AND dateDiff('second', begun, ended) >= {min_seconds:Float64} * if(is_known, {over_usual:Float64}, 1)
GROUP BY src_ip, dst_ip, dst_port
ORDER BY host, peer, dst_port
