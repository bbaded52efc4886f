-- id: upload
-- title: Unusual upload
-- title_ja: 異常な外部送信（アップロード）
-- severity: high
-- attack: T1048
-- attack: T1567
-- window: 24h
-- identity: host peer
-- parameter: min_bytes UInt64 5000000 | payload to one address outside in an hour; a form or a mail has less
-- parameter: min_ratio Float64 10 | bytes sent for each received: the reverse of browsing
-- parameter: min_share Float64 0.5 | of all that the host sent outside in that hour
-- parameter: many_bytes UInt64 100000000 | in an hour, whatever else the host sends (Slips' rule for uploads)
-- parameter: day_bytes UInt64 20000000 | payload to one address in a day, in pieces: four times the hour's floor
-- parameter: day_hours UInt8 6 | different hours in which pieces left: what is over sooner is the hour's matter
-- parameter: over_usual Float64 5 | times the host's own busiest earlier hour, where a day or more is known of it
-- parameter: crowd UInt32 5 | others here that send to a service (20 kB at once) before it has a usual of its own
-- parameter: over_others Float64 5 | times what nine in ten of the others send to it
-- reason: sent {sent:bytes} to {target} within {lasting}, and received {received:bytes}
-- reason_ja: {target} へ {lasting}以内に {sent} を送信、{received} を受信
-- reason: that is {share:percent} of what it sent outside in that time
-- reason_ja: 同じ時間内の外部への送信量の {share}
-- reason if usual: the most that it had sent to one address in that time before was {usual:bytes}
-- reason_ja: これまでの同じ長さの時間における 1 宛先への最大送信量は {usual}
-- reason if others_usual: nine in ten of the others who send there send at most {others_usual:bytes}
-- reason_ja: 同じ宛先へ送信する他のホストの 9 割は {others_usual} 以下
-- reason if unknown: nothing is known of what it sends usually: less than a day was seen
-- reason_ja: 観測が 1 日未満のため、普段の送信量は不明
-- false_positive: cloud storage, backup and video conferences: suppress by name
-- false_positive: staff who publish or hand in large files
-- reference: https://attack.mitre.org/techniques/T1048/
-- reference: M. Marchetti et al., Analysis of High Volumes of Network Traffic for APT Detection, Computer Networks 2016
-- runbook: docs/runbooks/upload.md
--
-- Host is the inside end, peer where it goes. Hours are those of the clock; a host of which more than a day is known must
-- exceed its own busiest hour several times. So must who sends to a service that others here send to as well exceed them. What leaves in small pieces shows by the day: the sum of hours that are each
-- too small.
WITH
  hours AS (
    SELECT
      src_ip, dst_ip, toStartOfHour(start) AS hour, sum(src_payload) AS out, sum(dst_payload) AS back, count() AS n,
      min(start) AS begun, max(end) AS ended, max(service) AS spoken, max(server_name) AS name, argMax(flow_id, (src_payload, flow_id)) AS biggest
    FROM flows
    PREWHERE src_payload >= 20000 AND direction = 'outbound'
    WHERE {{within}} AND src_payload > dst_payload AND proto IN (6, 17)
      AND {{to_one_host}} AND service NOT IN ('wireguard', 'openvpn', 'ike', 'smtp', 'dns')
    GROUP BY src_ip, dst_ip, hour
  ),
  slots AS (
    SELECT *, 'an hour' AS lasting, hour AS slot, 1 AS busy, out AS most FROM hours
    UNION ALL
    SELECT
      src_ip, dst_ip, min(hours.hour), sum(hours.out), sum(hours.back), sum(hours.n), min(hours.begun), max(hours.ended), max(hours.spoken),
      max(hours.name), argMax(hours.biggest, (hours.out, hours.biggest)), 'a day', toStartOfDay(hours.hour) AS slot, count(), max(hours.out)
    FROM hours
    GROUP BY src_ip, dst_ip, slot
  ),
  customers AS (
    SELECT
      if(name = '', toString(dst_ip), name) AS goal, lasting, arrayReverseSort(groupArray(out)) AS sizes,
      toUInt32(ceil(length(sizes) / 10)) AS tenth, sizes[tenth] AS upper, sizes[tenth + 1] AS lower
    FROM slots
    GROUP BY goal, lasting
    HAVING uniqExact(src_ip) > {crowd:UInt32}
  ),
  ranked AS (
    SELECT
      *, sum(out) OVER (PARTITION BY src_ip, lasting, slot) AS all_out,
      max(out) OVER (PARTITION BY src_ip, lasting ORDER BY slot ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before,
      min(hour) OVER (PARTITION BY src_ip) AS known_since
    FROM slots
  )
SELECT
  src_ip AS host,
  dst_ip AS peer,
  toString(spoken) AS service,
  begun AS first_seen,
  ended AS last_seen,
  n AS flows,
  sent / (sent + {min_bytes:UInt64}) AS score,
  [biggest] AS flow_ids,
  out AS sent,
  back AS received,
  lasting,
  if(name = '', replaceOne(toString(dst_ip), '::ffff:', ''), name) AS target,
  out / all_out AS share,
  slot >= known_since + toIntervalDay(1) AS known,
  if(known, before, 0) AS usual,
  NOT known AS unknown,
  if(out >= customers.upper, customers.lower, customers.upper) AS others_usual,
  if(sent >= {many_bytes:UInt64}, 'high', 'medium') AS severity
FROM ranked
LEFT JOIN customers ON customers.goal = if(ranked.name = '', toString(ranked.dst_ip), ranked.name) AND customers.lasting = ranked.lasting
WHERE if(lasting = 'an hour', sent >= {min_bytes:UInt64}, sent >= {day_bytes:UInt64} AND busy >= {day_hours:UInt8} AND most < {min_bytes:UInt64})
  AND sent >= {min_ratio:Float64} * received
  AND (share >= {min_share:Float64} OR sent >= {many_bytes:UInt64})
  AND sent >= {over_usual:Float64} * usual
  AND sent >= {over_others:Float64} * others_usual
ORDER BY host, peer, first_seen
