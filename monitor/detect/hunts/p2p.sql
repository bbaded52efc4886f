-- id: p2p
-- title: Peer-to-peer network
-- title_ja: P2P 通信（ファイル共有など）
-- severity: medium
-- attack: T1090
-- attack: T1105
-- window: 24h
-- identity: host
-- parameter: min_known UInt32 3 | peers, when the protocol is known by its content
-- parameter: min_peers UInt32 20 | addresses outside on ports of their own choosing; a person's programs talk to few
-- parameter: min_ports UInt32 15 | different ports among those: servers share a few
-- parameter: seconds UInt32 3600 | in which they are reached
-- parameter: min_answered Float64 0.1 | share of peers that answer: below that it is a scan
-- reason: {peers:count peer} outside on {ports:count port} in {lasting:duration}, {answered:percent} of them answered
-- reason_ja: {lasting}の間に外部の相手 {peers} 台、ポート {ports} 個と通信（{answered} が応答）
-- reason if known: the protocol is {known}
-- reason_ja: プロトコルは {known}
-- false_positive: games, telephony and video conferences between people: few peers, short
-- reference: https://attack.mitre.org/techniques/T1090/
-- reference: T. Karagiannis et al., Transport Layer Identification of P2P Traffic, IMC 2004
-- runbook: docs/runbooks/p2p.md
--
-- Host is the inside end, peer the one with most bytes. A peer is an outside address on a high port that no service owns;
-- peers choose their ports, so that there are nearly as many ports as peers. Connections from outside count alike.
WITH
  contacts AS (
    SELECT
      if(direction = 'inbound', dst_ip, src_ip) AS home, if(direction = 'inbound', src_ip, dst_ip) AS away,
      if(direction = 'inbound', src_port, dst_port) AS far_port, intDiv(toUnixTimestamp(start), {seconds:UInt32}) AS slot,
      service IN ('bittorrent', 'gnutella', 'edonkey') AS named, if(named, toString(service), '') AS spoken,
      src_bytes + dst_bytes AS bytes, src_packets > 0 AND dst_packets > 0 AND (proto = 17 OR if(named, src_payload + dst_payload > 0, {{talked}})) AS answers, start, end, flow_id
    FROM flows
    WHERE {{flows_within}} AND proto IN (6, 17) AND direction IN ('outbound', 'inbound') AND {{to_one_host}}
      AND (service IN ('bittorrent', 'gnutella', 'edonkey')
        OR (service IN ('unknown', 'rtp', 'stun') AND src_port >= 1024 AND dst_port >= 1024
          AND server_name = '' AND dst_port NOT IN (3128, 3389, 4500, 5222, 5223, 5228, 8080, 8443, 8888, 51820)))
  ),
  peers AS (
    SELECT
      home, slot, away, min(far_port) AS one_port, max(named) AS is_named, max(spoken) AS word, sum(bytes) AS volume,
      max(answers) AS has_answered, count() AS n, min(start) AS begun, max(end) AS ended, min((start, flow_id)) AS first_flow
    FROM contacts
    GROUP BY home, slot, away
  ),
  slots AS (
    SELECT
      home, slot, count() AS reached, uniqExact(one_port) AS different, countIf(is_named) AS known_peers, max(word) AS known_word,
      countIf(has_answered) AS answering, sum(n) AS all_flows, min(begun) AS first_begun, max(ended) AS last_ended,
      max((volume, away)) AS biggest, groupArraySorted(10)(first_flow) AS sample
    FROM peers
    GROUP BY home, slot
    HAVING (known_peers >= {min_known:UInt32} OR (reached >= {min_peers:UInt32} AND different >= {min_ports:UInt32}))
      AND answering >= {min_answered:Float64} * reached AND answering >= 3
  )
SELECT
  home AS host,
  max(biggest).2 AS peer,
  if(max(known_word) = '', 'p2p', max(known_word)) AS service,
  min(first_begun) AS first_seen,
  max(last_ended) AS last_seen,
  sum(all_flows) AS flows,
  max(reached) AS peers,
  greatest(peers / (peers + {min_peers:UInt32}), 0.75 * (max(known_word) != '')) AS score,
  arrayMap(flow -> flow.2, arraySlice(arraySort(groupArrayArray(sample)), 1, 10)) AS flow_ids,
  max(different) AS ports,
  dateDiff('microsecond', first_seen, last_seen) / 1e6 AS lasting,
  sum(answering) / sum(reached) AS answered,
  max(known_word) AS known
FROM slots
GROUP BY home
ORDER BY host
