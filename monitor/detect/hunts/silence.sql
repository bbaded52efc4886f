-- id: silence
-- title: Host, service or sensor that stopped
-- title_ja: 通信の途絶（ホスト・サービス・センサー）
-- severity: medium
-- attack: T1489
-- attack: T1562
-- window: 8d
-- identity: host service
-- parameter: min_hours UInt32 72 | of history before it says anything
-- parameter: min_present Float64 0.97 | share of those hours in which it was heard: what sleeps at night is not missed
-- parameter: quiet_hours UInt32 2 | whole hours without a flow; the first may be short of data
-- parameter: quiet_minutes UInt32 15 | without a flow of a sensor
-- reason: {what} has not been heard since {since_when}, {quiet:duration} ago; before, it was heard in {present:percent} of {hours:count hour}
-- reason_ja: {what}の通信が {since_when} 以降途絶（{quiet}経過）、それ以前は {hours} 時間のうち {present} で観測
-- false_positive: planned work, a host that was taken away: suppress by host, with an expiry
-- false_positive: a mirror port that was changed: many hosts fall silent at once
-- reference: https://attack.mitre.org/techniques/T1489/
-- reference: RFC 5982 (mediation): a collector must tell no traffic from no data
-- runbook: docs/runbooks/silence.md
--
-- Host is the one that stopped, peer the same. Read from the hourly sums. Now is the end of the time asked about, or of
-- the data when that is earlier.
WITH
  toDateTime(greatest(0, least(intDiv({since:Int64}, 1000000), 4294967295)), 'UTC') AS from_when,
  toDateTime(greatest(0, least(intDiv({until:Int64}, 1000000), 4294967295)), 'UTC') AS to_when,
  (SELECT (min(hour), max(hour)) FROM hosts_by_hour WHERE run_id = {run:String} AND hour >= from_when AND hour < to_when) AS known,
  least(to_when, known.2 + toIntervalHour(1)) AS now_is,
  dateDiff('hour', known.1, now_is) >= {min_hours:UInt32} AS speaks,
  heard AS (
    SELECT host, '' AS part, 3600 AS unit, uniqExact(hour) AS present, max(hour) AS last, min(hour) AS first
    FROM hosts_by_hour
    WHERE run_id = {run:String} AND speaks AND hour >= from_when AND hour < to_when AND direction != 'external' AND sent > 0
    GROUP BY host
    UNION ALL
    SELECT host, toString(service), 3600, uniqExact(hour), max(hour), min(hour)
    FROM hosts_by_hour
    WHERE run_id = {run:String} AND speaks AND hour >= from_when AND hour < to_when AND direction = 'inbound' AND sent > 0
      AND service NOT IN ('', 'unknown', 'icmp')
    GROUP BY host, service
    UNION ALL
    SELECT toIPv6('::'), toString(sensor), 300, uniqExact(toStartOfFiveMinutes(minute)) AS present, toStartOfFiveMinutes(max(minute)), toStartOfFiveMinutes(min(minute))
    FROM flows_by_minute
    WHERE run_id = {run:String} AND speaks AND minute >= from_when AND minute < to_when
    GROUP BY sensor
  ),
  stopped AS (
    SELECT
      host AS who, part, last, unit, host = toIPv6('::') AS is_sensor, present * unit / 3600 AS present_hours,
      (dateDiff('second', first, last) + unit) / 3600 AS span, last + toIntervalSecond(unit) AS until_then
    FROM heard
    WHERE span >= {min_hours:UInt32} AND present_hours >= {min_present:Float64} * span
      AND now_is >= until_then + toIntervalSecond(if(is_sensor, 60 * {quiet_minutes:UInt32}, 3600 * {quiet_hours:UInt32}))
  )
SELECT
  who AS host,
  who AS peer,
  part AS service,
  fromUnixTimestamp64Micro(toInt64(toUnixTimestamp(last)) * 1000000, 'UTC') AS first_seen,
  fromUnixTimestamp64Micro(toInt64(toUnixTimestamp(now_is)) * 1000000, 'UTC') AS last_seen,
  toUInt64(0) AS flows,
  0.5 + quiet / (2 * (quiet + 86400)) AS score,
  CAST([], 'Array(UInt64)') AS flow_ids,
  multiIf(is_sensor, concat('the sensor ', part), part = '', 'the host', concat('its service ', part)) AS what,
  formatDateTime(until_then, '%F %H:%i UTC', 'UTC') AS since_when,
  dateDiff('second', until_then, now_is) AS quiet,
  present_hours / span AS present,
  toUInt64(span) AS hours,
  if(is_sensor, 'high', 'medium') AS severity
FROM stopped
WHERE part = '' OR is_sensor OR who NOT IN (SELECT who FROM stopped WHERE part = '')
ORDER BY host, service
