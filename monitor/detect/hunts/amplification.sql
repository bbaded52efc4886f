-- id: amplification
-- title: Server of ours misused for a flood by reflection
-- title_ja: 自組織サーバの踏み台（リフレクション攻撃）
-- severity: high
-- attack: T1498.002
-- window: 1h
-- identity: host peer
-- parameter: min_answers UInt64 1000 | answers to one address in an hour
-- parameter: min_factor Float64 5 | bytes answered for each asked; ordinary DNS answers are twice to four times as long
-- parameter: min_rate Float64 5 | answers a second while it lasts
-- parameter: services Array(UInt16) [17, 19, 53, 69, 111, 123, 137, 161, 389, 520, 1434, 1900, 3283, 3702, 5093, 5683, 10001, 11211, 27015, 37810, 47808] | UDP services that answer more than they are asked (US-CERT TA14-017A)
-- reason: {peer} sent {answers:count answer} to {host} on port {port}, {back:bytes} for {out:bytes} asked ({factor:ratio} times as much)
-- reason_ja: {peer} のポート {port} から {host} へ応答 {answers} 件を送信：要求 {out} に対し応答 {back}（{factor} 倍）
-- reason: the asker is most likely forged: it is the victim, and our server the means
-- reason_ja: 要求元は詐称とみられる（要求元が被害者、自組織のサーバが踏み台）
-- false_positive: a public name server of ours with large zones, and a busy client of it
-- reference: https://attack.mitre.org/techniques/T1498/002/
-- reference: US-CERT TA14-017A, UDP-Based Amplification Attacks
-- reference: C. Rossow, Amplification Hell: Revisiting Network Protocols for DDoS Abuse, NDSS 2014
-- runbook: docs/runbooks/amplification.md
--
-- Host is the address outside that the answers flood (the victim), peer our server. What floods us is for flood.
SELECT
  src_ip AS host,
  dst_ip AS peer,
  concat('udp/', toString(dst_port)) AS service,
  min(start) AS first_seen,
  max(end) AS last_seen,
  count() AS flows,
  answers / (answers + {min_answers:UInt64}) AS score,
  arrayMap(flow -> flow.2, groupArraySorted(10)((start, flow_id))) AS flow_ids,
  sum(dst_packets) AS answers,
  sum(src_payload) AS out,
  sum(dst_payload) AS back,
  back / greatest(out, 1) AS factor,
  dst_port AS port
FROM flows
WHERE {{within}} AND proto = 17 AND direction = 'inbound' AND has({services:Array(UInt16)}, dst_port) AND dst_payload > src_payload
  AND {{to_one_host}}
GROUP BY src_ip, dst_ip, dst_port
HAVING answers >= {min_answers:UInt64} AND factor >= {min_factor:Float64}
  AND answers >= {min_rate:Float64} * dateDiff('second', first_seen, last_seen)
ORDER BY host, peer, port
