-- Conditions that several hunts share; `{{name}}` in a hunt stands for the piece, in brackets.
-- piece: within | records of the run whose flow starts in the time asked about; a long flow has several
run_id = {run:String}
      AND start >= fromUnixTimestamp64Micro({since:Int64}, 'UTC') AND start < fromUnixTimestamp64Micro({until:Int64}, 'UTC')
-- piece: flows_within | flows of the run that start in the time asked about, each once
run_id = {run:String} AND part = 0
      AND start >= fromUnixTimestamp64Micro({since:Int64}, 'UTC') AND start < fromUnixTimestamp64Micro({until:Int64}, 'UTC')
-- piece: to_one_host | no multicast and no broadcast
NOT (dst_ip BETWEEN toIPv6('::ffff:224.0.0.0') AND toIPv6('::ffff:255.255.255.255')) AND dst_ip < toIPv6('ff00::')
-- piece: turned | the server was seen first (no SYN was captured): its low port is the initiator's, or it is UDP's
src_port < 10000 AND dst_port > 10000 AND proto IN (6, 17) AND (proto = 17 OR position(history, 'S') = 0)
-- piece: talked | both ends sent payload
src_payload > 0 AND dst_payload > 0
-- piece: usual | a host's busy hour: the 99 % quantile over its hours in the seven days before the time asked about, three days at least; hours of incidents judged true left out
SELECT
  who, quantileExact(0.99)(lost) AS usual_lost, quantileExact(0.99)(asked) AS usual_asked,
  quantileExact(0.99)(logins) AS usual_logins, quantileExact(0.99)(echoed) AS usual_echoed
FROM (
  SELECT
    host AS who, hour, sumIf(unanswered, direction IN ('outbound', 'internal')) AS lost, sumIf(flows, direction = 'inbound') AS asked,
    sumIf(flows, direction IN ('outbound', 'internal') AND service IN ('ssh', 'rdp', 'telnet', 'smb', 'vnc', 'kerberos', 'smtp', 'ftp', 'pop3', 'imap')) AS logins,
    sumIf(sent + received, service = 'icmp') AS echoed
  FROM hosts_by_hour
  WHERE run_id = {run:String}
    AND hour >= toDateTime(greatest(0, least(intDiv({since:Int64}, 1000000) - 7 * 86400, 4294967295)), 'UTC')
    AND hour < toDateTime(greatest(0, least(intDiv({since:Int64}, 1000000) - 3599, 4294967295)), 'UTC')
    AND (replaceOne(toString(host), '::ffff:', ''), hour) NOT IN (
      SELECT
        host, arrayJoin(arrayMap(at -> toDateTime(at, 'UTC'), range(
          toUInt32(toUnixTimestamp(toStartOfHour(toDateTime(min(first_seen), 'UTC')))), toUInt32(toUnixTimestamp(toDateTime(max(last_seen), 'UTC'))) + 1, 3600)))
      FROM incidents
      WHERE run_id = {run:String} AND incident_id IN (SELECT incident_id FROM current_verdicts WHERE run_id = {run:String} AND verdict = 'true')
      GROUP BY host, incident_id)
  GROUP BY who, hour)
GROUP BY who
HAVING uniqExact(toDate(hour, 'UTC')) >= 3
