-- id: beacon
-- title: Regular calls to one peer
-- title_ja: 同一相手への規則的な通信（ビーコン）
-- severity: medium
-- attack: T1071
-- attack: T1573
-- window: 24h
-- further: 15d least_gap=3000
-- identity: host peer service
-- parameter: min_beats UInt32 12 | calls that a rhythm is judged by; fewer agree by chance
-- parameter: min_seconds UInt32 45 | a page that loads is regular for a while too, but not so long
-- parameter: min_score Float64 0.65 | plus 0.5 / sqrt(beats); 30 % jitter with every fifth beat missed scores 0.84
-- parameter: min_steady Float64 0.75 | plus 0.6 / sqrt(beats); of calls at random half are steady
-- parameter: max_hasty Float64 0.02 | share of intervals under 0.4 periods, which jitter of 50 % never makes and chance makes of a quarter; so few of them do instead of the two terms by beats
-- parameter: hasty_beats UInt32 16 | calls from which on that is asked; 0.2 % of the pairs that call 24 times at random pass
-- parameter: max_missed Float64 0.4 | share of beats that may be missing; a longer gap counts as three
-- parameter: min_run UInt32 8 | beats between pauses (over ten periods long) on average: what starts anew is no beacon
-- parameter: min_inside Float64 5 | seconds between calls to an address within the home networks: what is faster is a program that polls a device; a resolver or proxy there passes calls by name on
-- parameter: crowd UInt32 3 | so many hosts with a rhythm to the same peer are told as one, and are software if it has a name
-- parameter: popular UInt32 15 | hosts that have called a name, or an address within, and are not few, if they are also
-- parameter: popular_share Float64 0.01 | this share of all hosts: a service of the house (BAYWATCH's local whitelist)
-- parameter: min_novel Float64 0.8 | share of look-ups under a domain that ask for a new name: others repeat as caches expire
-- parameter: least_gap Float64 0 | seconds between calls on average; above 0 only what few hosts call so seldom is read, of that alone a look over days is cheap
-- parameter: quiet_ports Array(UInt16) [53,67,68,123,137,138,161,162,514,546,547,1900,3702,5353,5355] | regular by nature
-- reason: called {target} {beats:count time} in {seconds:duration}, every {interval:duration} ± {spread:percent}
-- reason_ja: {target} へ {seconds}の間に {beats} 回通信（間隔 {interval} ± {spread}）
-- reason: {steady:percent} of the intervals lie within 45 % of the period, {missed:percent} of the beats are missing
-- reason_ja: 間隔の {steady} が周期の ±45 % 以内、欠けた回は {missed}
-- reason if like_share: {like_share:percent} of the calls send a like amount (about {sent:bytes})
-- reason_ja: 通信の {like_share} は送信量がほぼ同じ（約 {sent}）
-- reason if others: so do {others:words}
-- reason_ja: {others} も同様に通信
-- reason if alone: no other host calls it that often
-- reason_ja: これほど頻繁に通信するホストは他になし
-- false_positive: telemetry, update checks, mail and chat polling: regular, named, and called by many hosts
-- false_positive: devices that report by nature (cameras, sensors, printers): suppress by host and name
-- reference: https://attack.mitre.org/techniques/T1071/
-- reference: P.-M. Bonnefoy et al., BAYWATCH: Robust Beaconing Detection, DSN 2016
-- runbook: docs/runbooks/beacon.md
--
-- Host is the client, peer its server (of a name the latest address). Calls of a client to one port are taken by address
-- and by name (SNI, HTTP host), whichever is more regular. Calls at the same time (less than a twentieth of the upper
-- decile of the intervals) are one beat. The period is the median interval; longer intervals count as missed beats. The
-- score is 0.4 regularity (1 - 2 MAD / period) + 0.4 share of steady intervals + 0.2 share of beats that were made. With
-- these floors 0.3 % of the pairs that call 20 times at random pass, and none of those that call 60 times.
-- Names that many hosts use, by whatever they call them, are left out: a rhythm to them is software that is known here.
-- Calls within the home networks in which nothing is ever said are left out: a service that is down, or a scanner's tries.
-- Clock, name and address services are regular by nature and left out by port; look-ups in the DNS count by registered
-- domain where nearly each asks for another name, which no cache can answer. Calls within one connection: connection_beacon.
-- A live hunt sees twelve calls of a day, so a period of two hours at most. Once an hour it looks over fifteen days (further),
-- at the peers and names alone that first_seen knows to be called seldom, of late, and by fewer hosts than a crowd.
WITH
  seldom AS (
    SELECT host, kind, value
    FROM (
      SELECT host, kind, value, sum(flows) AS calls, min(first) AS earliest, max(last) AS latest, count() OVER (PARTITION BY kind, value) AS callers
      FROM first_seen
      WHERE run_id = {run:String} AND kind IN ('peer', 'name') AND {least_gap:Float64} > 0
      GROUP BY host, kind, value)
    WHERE callers < {crowd:UInt32} AND calls >= {min_beats:UInt32}
      AND dateDiff('second', earliest, latest) >= {least_gap:Float64} * (calls - 1)
      AND latest >= fromUnixTimestamp64Micro({until:Int64} - 5 * 86400000000, 'UTC')
  ),
  popular AS (
    SELECT kind, lower(value) AS value
    FROM first_seen
    WHERE run_id = {run:String} AND kind IN ('peer', 'name')
    GROUP BY kind, value
    HAVING uniqExact(host) >= greatest({popular:UInt32}, {popular_share:Float64} * (
      SELECT uniqExact(host) FROM first_seen WHERE run_id = {run:String} AND kind = 'peer'))
  ),
  pairs AS (
    SELECT
      src_ip, proto, dst_port, dst_ip,
      if(dst_port = 53, cutToFirstSignificantSubdomain(lower(dns_query)), lower(server_name)) AS called,
      uniqExactIf(dns_query, dst_port = 53) AS fresh,
      groupArray((toUnixTimestamp64Micro(start), src_bytes, flow_id)) AS made, max(start) AS latest, max(end) AS ended,
      max(service) AS spoken, max(direction) AS way, max(src_payload) AS said
    FROM flows
    WHERE {{flows_within}} AND proto IN (6, 17) AND src_packets > 0 AND direction != 'inbound'
      AND (NOT has({quiet_ports:Array(UInt16)}, dst_port) OR (dst_port = 53 AND position(dns_query, '.') > 6 AND NOT endsWith(dns_query, '.arpa')))
      AND {{to_one_host}}
      AND NOT (dst_port != 53 AND match(server_name, '[A-Za-z]') AND lower(server_name) IN (SELECT value FROM popular WHERE kind = 'name'))
      AND NOT (direction = 'internal' AND dst_port != 53 AND server_name = '' AND dst_ip IN (SELECT toIPv6OrDefault(value) FROM popular WHERE kind = 'peer'))
      AND ({least_gap:Float64} = 0 OR (src_ip IN (SELECT host FROM seldom)
        AND (dst_ip IN (SELECT toIPv6OrDefault(value) FROM seldom WHERE kind = 'peer') OR server_name IN (SELECT value FROM seldom WHERE kind = 'name'))))
      AND if(proto = 6, position(history, 'S') > 0, NOT (src_port < 1024 AND dst_port >= 1024))
      AND (dst_port = 53 OR {least_gap:Float64} > 0
        OR cityHash64(src_ip, dst_ip, dst_port) IN (
          SELECT cityHash64(src_ip, dst_ip, dst_port) AS pair FROM flows
          WHERE {{flows_within}} AND proto IN (6, 17) AND direction != 'inbound' AND dst_port != 53
          GROUP BY pair HAVING count() >= {min_beats:UInt32})
        OR (server_name != '' AND cityHash64(src_ip, lower(server_name), dst_port) IN (
          SELECT cityHash64(src_ip, lower(server_name), dst_port) AS pair FROM flows
          WHERE {{flows_within}} AND proto IN (6, 17) AND direction != 'inbound' AND server_name != ''
          GROUP BY pair HAVING count() >= {min_beats:UInt32})))
    GROUP BY src_ip, proto, dst_port, dst_ip, called
    HAVING if(dst_port = 53, called != '' AND fresh >= {min_novel:Float64} * count(), called != '' OR count() >= {min_beats:UInt32})
  ),
  rhythms AS (
    SELECT
      src_ip, proto, dst_port, goal.1 AS name, goal.2 AS address, arraySort(groupArrayArray(made)) AS calls,
      calls.1 AS times, calls.2 AS sizes, argMax(dst_ip, (latest, dst_ip)) AS peer_ip, max(ended) AS last_ended,
      arraySlice(calls.3, 1, 10) AS flow_ids,
      max(spoken) AS service, max(way) AS direction, max(said) AS most_said,
      count() OVER (PARTITION BY proto, dst_port, name, address) AS callers
    FROM pairs
    ARRAY JOIN multiIf(
      called = '', [('', dst_ip)], dst_port = 53, [(called, toIPv6('::'))], [('', dst_ip), (called, toIPv6('::'))]) AS goal
    GROUP BY src_ip, proto, dst_port, goal
    HAVING sum(length(made)) >= {min_beats:UInt32}
  ),
  beats AS (
    SELECT
      *, arrayDifference(times) AS between, arrayReduce('quantileExact(0.9)', arrayPopFront(between)) / 20 AS burst,
      arrayFilter((time, gap, place) -> place = 1 OR gap > burst, times, between, arrayEnumerate(times)) AS beat_times,
      arrayPopFront(arrayDifference(beat_times)) AS gaps
    FROM rhythms
    WHERE times[-1] - times[1] >= 1000000 * {min_seconds:UInt32}
  ),
  folded AS (
    SELECT
      *, length(beat_times) AS beats, arrayReduce('quantileExact(0.5)', gaps) AS middle,
      arrayMap(gap -> greatest(1, round(gap / middle)), gaps) AS multiples,
      arrayFilter((gap, multiple) -> multiple = 1, gaps, multiples) AS single,
      arrayReduce('quantileExact(0.5)', single) AS period,
      arrayReduce('quantileExact(0.5)', arrayMap(gap -> abs(gap - period), single)) / period AS spread,
      arrayCount(gap -> abs(gap / period - 1) <= 0.45, single) / length(single) AS steady,
      arrayCount(gap -> gap < 0.4 * middle, gaps) / length(gaps) AS hasty,
      arrayCount(multiple -> multiple > 10, multiples) AS pauses,
      1 - beats / (arraySum(multiple -> least(multiple, 4), multiples) + 1) AS missed,
      0.4 * greatest(0, 1 - 2 * spread) + 0.4 * steady + 0.2 * (1 - missed) AS score,
      arrayReduce('quantileExact(0.5)', sizes) AS sent,
      arrayCount(size -> abs(size / sent - 1) <= 0.1, sizes) / length(sizes) AS alike
    FROM beats
    WHERE length(beat_times) >= {min_beats:UInt32}
  ),
  found AS (
    SELECT *
    FROM folded
    WHERE if(hasty <= {max_hasty:Float64} AND beats >= {hasty_beats:UInt32} AND missed <= 0.35,
        score >= {min_score:Float64} AND steady >= {min_steady:Float64},
        score >= {min_score:Float64} + 0.5 / sqrt(beats) AND steady >= {min_steady:Float64} + 0.6 / sqrt(beats))
      AND missed <= {max_missed:Float64}
      AND NOT (direction = 'internal' AND (most_said = 0 OR (dst_port != 53 AND NOT match(name, '[a-z]') AND period < 1000000 * {min_inside:Float64})))
      AND beats >= {min_run:UInt32} * (pauses + 1)
    ORDER BY src_ip, peer_ip, dst_port, proto, score DESC, name DESC
    LIMIT 1 BY src_ip, peer_ip, dst_port, proto
  ),
  ranked AS (
    SELECT
      *, row_number() OVER (PARTITION BY proto, dst_port, name, address ORDER BY score DESC, src_ip) AS place,
      arraySort(groupArray(replaceOne(toString(src_ip), '::ffff:', '')) OVER (PARTITION BY proto, dst_port, name, address)) AS hosts
    FROM found
  )
SELECT
  src_ip AS host,
  peer_ip AS peer,
  service,
  fromUnixTimestamp64Micro(times[1], 'UTC') AS first_seen,
  last_ended AS last_seen,
  length(times) AS flows,
  score,
  multiIf(
    direction = 'internal' OR (name != '' AND length(hosts) >= {crowd:UInt32}), 'low',
    name = '' AND callers = 1, 'high',
    'medium') AS severity,
  flow_ids,
  concat(if(name = '', replaceOne(toString(peer_ip), '::ffff:', ''), name), if(dst_port = 53, ' in the DNS', concat(' port ', toString(dst_port)))) AS target,
  beats,
  dateDiff('microsecond', first_seen, last_seen) / 1e6 AS seconds,
  period / 1e6 AS interval,
  spread,
  steady,
  missed,
  if(alike >= 0.8, alike, 0) AS like_share,
  sent,
  callers = 1 AS alone,
  arraySlice(arrayFilter(other -> length(hosts) >= {crowd:UInt32} AND toIPv6(other) != src_ip, hosts), 1, 10) AS others
FROM ranked
WHERE length(hosts) < {crowd:UInt32} OR place = 1
ORDER BY host, peer, dst_port, proto
