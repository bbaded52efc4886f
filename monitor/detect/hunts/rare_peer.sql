-- id: rare_peer
-- title: Peer or program that nobody here had before
-- title_ja: 初めて・まれな通信先
-- severity: low
-- attack: T1071
-- attack: T1105
-- window: 8d
-- identity: host
-- parameter: baseline_days UInt32 7 | of history before it says anything, flows in half of its hours at least
-- parameter: min_calls UInt64 10 | flows to the new peer: a click on a link is fewer
-- parameter: max_new UInt32 20 | new peers of a host in a day: whoever has more is new itself, or browses
-- reason if peers: {peers:count new peer} outside that no host here had called in {days:count day}, {calls:count flow}: {shown:words}
-- reason_ja: 過去 {days} 日間どの内部ホストも通信していない外部の相手 {peers} 件へ {calls} フロー：{shown}
-- reason if programs: {programs:count new TLS client} (JA4) on this host alone: {prints:words}
-- reason_ja: このホストだけに現れた新しい TLS クライアント（JA4）{programs} 種：{prints}
-- false_positive: new software, a new supplier, a cloud service that moved
-- reference: https://attack.mitre.org/techniques/T1071/
-- reference: JA4 (FoxIO, BSD licence): TLS client fingerprints
-- runbook: docs/runbooks/rare_peer.md
--
-- Host is the inside client, peer the new address with most calls. Read from the table of first sightings. It says nothing
-- until a week is known; what is older than a day is no longer new. An address of which a name was asked that is known is
-- not new.
WITH
  fromUnixTimestamp64Micro({since:Int64}, 'UTC') AS asked_from,
  (SELECT (min(hour), max(hour), uniqExact(hour)) FROM hosts_by_hour WHERE run_id = {run:String}
    AND hour >= toDateTime(greatest(0, least(intDiv({since:Int64}, 1000000) - 86400 * {baseline_days:UInt32}, 4294967295)), 'UTC')
    AND hour < toDateTime(greatest(0, least(intDiv({until:Int64}, 1000000), 4294967295)), 'UTC')) AS known,
  known.2 >= known.1 + toIntervalDay({baseline_days:UInt32}) AND known.3 >= 12 * {baseline_days:UInt32} AS speaks,
  sightings AS (
    SELECT kind, value, min(first) AS begun, max(last) AS ended, uniqExact(host) AS hosts, sum(flows) AS n, min(host) AS only_host
    FROM first_seen
    WHERE run_id = {run:String} AND kind IN ('peer', 'ja4') AND speaks
    GROUP BY kind, value
    HAVING hosts = 1 AND begun >= known.2 - toIntervalDay(1) AND begun >= asked_from
  ),
  recent AS (
    SELECT
      src_ip, dst_ip, ja4, replaceRegexpOne(toString(dst_ip), '^::ffff:', '') AS address, count() AS n, min(start) AS begun, max(end) AS ended,
      max(service) AS spoken, groupArraySorted(10)((start, flow_id)) AS sample
    FROM flows
    WHERE {{flows_within}} AND speaks AND start >= known.2 - toIntervalDay(1) AND direction = 'outbound' AND dst_packets > 0
      AND src_ip IN (SELECT only_host FROM sightings)
    GROUP BY src_ip, dst_ip, ja4
  ),
  news AS (
    SELECT
      src_ip, dst_ip, ja4, n, begun, ended, spoken, sample,
      (src_ip, address) IN (SELECT only_host, value FROM sightings WHERE kind = 'peer' AND n >= {min_calls:UInt64}) AS new_peer,
      ja4 != '' AND (src_ip, ja4) IN (SELECT only_host, value FROM sightings WHERE kind = 'ja4') AS new_print
    FROM recent
    WHERE new_peer OR new_print
  )
SELECT
  src_ip AS host,
  argMax(dst_ip, (new_peer, n, dst_ip)) AS peer,
  toString(argMax(spoken, (new_peer, n, dst_ip))) AS service,
  min(begun) AS first_seen,
  max(ended) AS last_seen,
  sum(n) AS flows,
  0.5 + 0.1 * (peers > 0) + 0.2 * (programs > 0) AS score,
  arrayMap(flow -> flow.2, arraySlice(arraySort(groupArrayArray(sample)), 1, 10)) AS flow_ids,
  uniqExactIf(dst_ip, new_peer) AS peers,
  sumIf(n, new_peer) AS calls,
  uniqExactIf(ja4, new_print) AS programs,
  arraySlice(arraySort(groupUniqArrayIf(replaceRegexpOne(toString(dst_ip), '^::ffff:', ''), new_peer)), 1, 5) AS shown,
  arraySlice(arraySort(groupUniqArrayIf(toString(ja4), new_print)), 1, 3) AS prints,
  toUInt32({baseline_days:UInt32}) AS days,
  if(peers > 0 AND programs > 0, 'medium', 'low') AS severity
FROM news
GROUP BY src_ip
HAVING peers <= {max_new:UInt32} AND (peers > 0 OR programs > 0)
ORDER BY host
