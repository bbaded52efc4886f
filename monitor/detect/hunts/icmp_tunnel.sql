-- id: icmp_tunnel
-- title: Data hidden in pings
-- title_ja: ICMP トンネル（ping に隠した通信）
-- severity: high
-- attack: T1095
-- attack: T1572
-- window: 24h
-- identity: host peer
-- parameter: min_packets UInt64 20 | echo messages; a person's ping sends four to ten
-- parameter: min_bytes UInt64 1000 | of all those messages; learned: the ICMP bytes of a `usual` busy hour of the host, ten times this at most
-- parameter: min_spread Float64 12 | standard deviation of their length in bytes; that of a ping is 0
-- parameter: min_command UInt64 256 | bytes of an echo request when both ends ask the other: orders, not pings
-- reason: {packets:count echo message} to and from {peer} in {seconds:duration}, {sent:bytes} there and {received:bytes} back
-- reason_ja: {peer} との間で {seconds}の間に ICMP エコー {packets} 件（送信 {sent}、受信 {received}）
-- reason if spread: their length varies by {spread:bytes}; an honest ping sends the same again and again
-- reason_ja: 長さのばらつきは {spread}（通常の ping は毎回同じ内容を送信）
-- reason if both: both ends send requests of {mean:bytes} to each other
-- reason_ja: 双方が互いに {mean} の要求を送信
-- reason if usual_bytes: that is more than all ICMP of its busy hours: {usual_bytes:bytes}
-- reason_ja: このホストの繁忙時間帯における ICMP の総量（{usual_bytes}）を超過
-- reason if unasked: {unasked:count more answer} than requests
-- reason_ja: 応答が要求より {unasked} 件多い
-- false_positive: path MTU tests vary in length: short, and to one's own router
-- reference: https://attack.mitre.org/techniques/T1095/
-- reference: RFC 792: an echo reply returns the data of the request
-- runbook: docs/runbooks/icmp_tunnel.md
--
-- Host is the end at home; of two at home the one that asked first, or, where both ask, the one that was asked first: it
-- takes the orders. Echo requests and replies of a pair are taken together.
WITH
  usual AS {{usual}},
  echoes AS (
    SELECT
      if((src_ip < dst_ip), src_ip, dst_ip) AS one, if((src_ip < dst_ip), dst_ip, src_ip) AS other, src_ip, dst_ip, direction,
      src_packets, dst_packets, src_payload, dst_payload, src_len_std, dst_len_std, start, end, flow_id, icmp_type
    FROM flows
    WHERE {{within}} AND proto IN (1, 58) AND icmp_type IN (0, 8, 128, 129) AND src_payload + dst_payload > 0
      AND {{to_one_host}}
  ),
  ends AS (
    SELECT
      one, other, argMin((if(direction = 'inbound', dst_ip, src_ip), dst_ip, direction = 'internal'), (start, flow_id)) AS first_pair,
      min(start) AS begun, max(end) AS ended, count() AS n, sum(src_packets + dst_packets) AS all_packets,
      sum(if(src_ip = one, src_payload, dst_payload)) AS one_sent, sum(if(src_ip = one, dst_payload, src_payload)) AS other_sent,
      max(greatest(src_len_std, dst_len_std)) AS varies, uniqExactIf(src_ip, icmp_type IN (8, 128)) = 2 AS both_ask,
      sum(src_payload) / greatest(sum(src_packets), 1) AS mean_size,
      sum(toInt64(dst_packets) - toInt64(src_packets)) AS more_back, groupArraySorted(10)((start, flow_id)) AS sample
    FROM echoes
    GROUP BY one, other
  )
SELECT
  if(both_ask AND first_pair.3, first_pair.2, first_pair.1) AS host,
  if(host = one, other, one) AS peer,
  'icmp' AS service,
  begun AS first_seen,
  ended AS last_seen,
  n AS flows,
  all_packets AS packets,
  if(both_ask AND varies < {min_spread:Float64}, 0.6, packets / (packets + {min_packets:UInt64})) AS score,
  arrayMap(flow -> flow.2, sample) AS flow_ids,
  dateDiff('microsecond', first_seen, last_seen) / 1e6 AS seconds,
  if(host = one, one_sent, other_sent) AS sent,
  if(host = one, other_sent, one_sent) AS received,
  if(varies >= {min_spread:Float64}, toUInt64(varies), 0) AS spread,
  both_ask AS both,
  usual_echoed AS usual_bytes,
  toUInt64(mean_size) AS mean,
  if(more_back > 5, more_back, 0) AS unasked
FROM ends
LEFT JOIN usual ON usual.who = first_pair.1
WHERE (packets >= {min_packets:UInt64} AND varies >= {min_spread:Float64} AND one_sent + other_sent >= {min_bytes:UInt64}
    AND one_sent + other_sent > least(usual_bytes, 10 * {min_bytes:UInt64}))
  OR (both_ask AND mean_size >= {min_command:UInt64} AND packets >= 4)
ORDER BY host, first_seen
