-- id: beacon
-- title: Regular calls to one peer
-- title_ja: 同一相手への規則的な通信（ビーコン）
-- severity: medium
-- attack: T1071
-- attack: T1573
-- window: 24h
-- identity: host peer service
-- parameter: min_beats UInt32 12 | calls that a rhythm is judged by; fewer agree by chance
-- parameter: min_seconds UInt32 120 | a page that loads is regular for a while too
-- parameter: min_score Float64 0.65 | plus 0.5 / sqrt(beats); 30 % jitter with every fifth beat missed scores 0.84
-- parameter: min_steady Float64 0.75 | plus 0.6 / sqrt(beats); of calls at random half are steady
-- parameter: max_missed Float64 0.4 | share of beats that may be missing; a pause counts as three
-- parameter: quiet_ports Array(UInt16) [53,67,68,123,137,138,161,162,514,546,547,1900,3702,5353,5355] | regular by nature
-- reason: called {target} {beats:count} times in {seconds:duration}, every {interval:duration} ± {spread:percent}
-- reason: {steady:percent} of the intervals lie within 45 % of the period, {missed:percent} of the beats are missing
-- reason if like_share: {like_share:percent} of the calls send a like amount (about {sent:bytes})
-- reason if alone: no other host of ours calls it
-- false_positive: telemetry, update checks, mail and chat polling: regular, named, and called by many hosts
-- false_positive: devices that report by nature (cameras, sensors, printers): suppress by host and name
-- reference: https://attack.mitre.org/techniques/T1071/
-- reference: P.-M. Bonnefoy et al., BAYWATCH: Robust Beaconing Detection, DSN 2016
-- runbook: docs/runbooks/beacon.md
--
-- Host is the client, peer its server (the busiest address of a name). Calls of a client to one port are taken by address
-- and by name (SNI, HTTP host), whichever is more regular. Calls at the same time (less than a tenth of the upper decile
-- of the intervals) are one beat. The period is the median interval; longer intervals count as missed beats. The score is
-- 0.4 regularity (1 - 2 MAD / period) + 0.4 share of steady intervals + 0.2 share of beats that were made. With these
-- floors 1-2 % of pairs that call at random 20 times pass, none of those that call 100 times.
-- Clock, name and address services are regular by nature and left out by port. Keep-alive calls within one connection,
-- or within one UDP flow, are not seen here.
WITH
  calls AS (
    SELECT
      src_ip, dst_ip, proto, dst_port, lower(server_name) AS name, start, end, direction, service, flow_id, src_bytes,
      community_id
    FROM flows
    WHERE run_id = {run:String}
      AND start >= fromUnixTimestamp64Micro({since:Int64}, 'UTC') AND start < fromUnixTimestamp64Micro({until:Int64}, 'UTC')
      AND part = 0 AND proto IN (6, 17) AND src_packets > 0 AND direction != 'inbound'
      AND NOT has({quiet_ports:Array(UInt16)}, dst_port)
      AND NOT (dst_ip BETWEEN toIPv6('::ffff:224.0.0.0') AND toIPv6('::ffff:255.255.255.255')) AND dst_ip < toIPv6('ff00::')
      AND NOT (proto = 17 AND src_port < 1024 AND dst_port >= 1024)
      AND (proto = 17 OR position(history, 'S') > 0)
  ),
  rhythms AS (
    SELECT src_ip, proto, dst_port, '' AS name, dst_ip AS address, arraySort(groupArray(toUnixTimestamp64Micro(start))) AS times
    FROM calls
    GROUP BY src_ip, proto, dst_port, dst_ip
    HAVING count() >= {min_beats:UInt32}
    UNION ALL
    SELECT src_ip, proto, dst_port, name, toIPv6('::') AS address, arraySort(groupArray(toUnixTimestamp64Micro(start))) AS times
    FROM calls
    WHERE name != ''
    GROUP BY src_ip, proto, dst_port, name
    HAVING count() >= {min_beats:UInt32}
  ),
  beats AS (
    SELECT
      src_ip, proto, dst_port, name, address, length(times) AS flows, arrayDifference(times) AS between,
      arrayReduce('quantileExact(0.9)', arrayPopFront(between)) / 10 AS burst,
      arrayFilter((time, gap, place) -> place = 1 OR gap > burst, times, between, arrayEnumerate(times)) AS beat_times,
      arrayPopFront(arrayDifference(beat_times)) AS gaps
    FROM rhythms
    WHERE times[-1] - times[1] >= 1000000 * {min_seconds:UInt32}
  ),
  folded AS (
    SELECT
      src_ip, proto, dst_port, name, address, flows, length(gaps) + 1 AS beats,
      arrayReduce('quantileExact(0.5)', gaps) AS middle,
      arrayMap(gap -> greatest(1, round(gap / middle)), gaps) AS multiples,
      arrayFilter((gap, multiple) -> multiple = 1, gaps, multiples) AS single,
      arrayReduce('quantileExact(0.5)', single) AS period,
      arrayReduce('quantileExact(0.5)', arrayMap(gap -> abs(gap - period), single)) / period AS spread,
      arrayCount(gap -> abs(gap / period - 1) <= 0.45, single) / length(single) AS steady,
      1 - beats / (arraySum(multiple -> least(multiple, 4), multiples) + 1) AS missed,
      0.4 * greatest(0, 1 - 2 * spread) + 0.4 * steady + 0.2 * (1 - missed) AS score
    FROM beats
    WHERE length(gaps) + 1 >= {min_beats:UInt32}
  ),
  regular AS (
    SELECT src_ip, proto, dst_port, name, address, flows, beats, period, spread, steady, missed, score
    FROM folded
    WHERE score >= {min_score:Float64} + 0.5 / sqrt(beats)
      AND steady >= {min_steady:Float64} + 0.6 / sqrt(beats)
      AND missed <= {max_missed:Float64}
  ),
  ends AS (
    SELECT
      src_ip, proto, dst_port, regular.name AS key_name, address, dst_ip, count() AS seen,
      min(start) AS begun, max(end) AS ended, any(direction) AS way, max(service) AS spoken,
      groupArray(src_bytes) AS sizes, groupArraySorted(10)((start, community_id)) AS sample
    FROM calls
    INNER JOIN regular USING (src_ip, proto, dst_port)
    WHERE if(regular.name = '', dst_ip = address, calls.name = regular.name)
    GROUP BY src_ip, proto, dst_port, key_name, address, dst_ip
  ),
  described AS (
    SELECT
      src_ip, proto, dst_port, key_name AS name, address, argMax(dst_ip, (seen, dst_ip)) AS busiest,
      argMax(way, (seen, dst_ip)) AS direction, argMax(spoken, (seen, dst_ip)) AS service,
      min(begun) AS first_seen, max(ended) AS last_seen, arrayReduce('quantileExact(0.5)', groupArrayArray(sizes) AS all_sizes) AS sent,
      arrayCount(size -> abs(size / sent - 1) <= 0.1, all_sizes) / length(all_sizes) AS alike,
      arrayDistinct(arrayMap(flow -> flow.2, arraySlice(arraySort(groupArrayArray(sample)), 1, 10))) AS community_ids
    FROM ends
    GROUP BY src_ip, proto, dst_port, key_name, address
  ),
  callers AS (
    SELECT proto, dst_port, dst_ip AS busiest, uniqExact(src_ip) AS hosts
    FROM calls
    WHERE dst_ip IN (SELECT busiest FROM described)
    GROUP BY proto, dst_port, dst_ip
  )
SELECT
  src_ip AS host,
  busiest AS peer,
  service,
  first_seen,
  last_seen,
  flows,
  score,
  multiIf(direction = 'internal', 'low', name = '' AND hosts = 1, 'high', 'medium') AS severity,
  community_ids,
  concat(if(name = '', replaceOne(toString(busiest), '::ffff:', ''), name), ' port ', toString(dst_port)) AS target,
  beats,
  dateDiff('microsecond', first_seen, last_seen) / 1e6 AS seconds,
  period / 1e6 AS interval,
  spread,
  steady,
  missed,
  if(alike >= 0.8, alike, 0) AS like_share,
  sent,
  hosts = 1 AS alone
FROM regular
INNER JOIN described USING (src_ip, proto, dst_port, name, address)
INNER JOIN callers USING (proto, dst_port, busiest)
ORDER BY host, peer, dst_port, proto, score DESC, name DESC
LIMIT 1 BY host, peer, dst_port, proto
