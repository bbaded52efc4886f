-- id: brute_force
-- title: Password guessing
-- title_ja: パスワードの総当たり・スプレー
-- severity: medium
-- attack: T1110.001
-- attack: T1110.003
-- window: 24h
-- identity: host peer service
-- parameter: min_attempts UInt32 8 | guesses at one log-in service; Slips takes 9 for SSH, Zeek 30 in 30 minutes; learned: `usual` log-ins
-- parameter: min_fast UInt32 30 | like conversations within fast_seconds with a service that is no known log-in
-- parameter: window_seconds UInt32 600 | in which the guesses fall; a script that logs in by the clock is slower
-- parameter: fast_seconds UInt32 60 | the same for services that are no known log-in
-- parameter: max_spread Float64 0.35 | first to third quartile of the sizes, by the median: failed log-ins are alike
-- reason: {attempts:count like attempt} at {what} of {peer} in {seconds:duration}, {asked:bytes} asked and {told:bytes} told each
-- reason_ja: {peer} の {what} へ {seconds}の間に同様の試行 {attempts} 回（毎回 要求 {asked}、応答 {told}）
-- reason if per_flow: several guesses a connection: {flows:count connection} of {lines:count line} each
-- reason_ja: 接続ごとに複数回の試行：接続 {flows} 件、各 {lines} 行
-- reason if usual_calls: that is more than its busy hours have of all log-ins: {usual_calls:count call}
-- reason_ja: このホストの繁忙時間帯における全ログイン（{usual_calls} 回）を超過
-- reason if targets: the same source tried {targets:count other server}
-- reason_ja: 同じ送信元が他のサーバ {targets} 台にも試行
-- false_positive: a script with an old password: the same, and worth mending
-- false_positive: monitoring that logs in each few seconds: suppress by host and peer
-- reference: https://attack.mitre.org/techniques/T1110/
-- reference: Zeek protocols/ssh/detect-bruteforcing.zeek
-- reference: M. Vizvary, J. Vykopal, Flow-Based Detection of RDP Brute-Force Attacks, SPI 2013
-- runbook: docs/runbooks/brute_force.md
--
-- Host is the one who guesses, peer the server. A guess is a short conversation that carries little: what a log-in that
-- fails looks like from outside. Of Kerberos the small answers (errors) count, one name each. Services that talk in lines
-- (SMTP, FTP, POP3, IMAP) take several guesses a connection: many lines, hardly any bytes. Log-ins to web servers and
-- services of unknown names must come faster, and not by the clock.
WITH
  usual AS {{usual}},
  attempts AS (
    SELECT
      src_ip, dst_ip, dst_port, service, start, end, flow_id, direction, src_payload AS asked, dst_payload AS told,
      multiIf(
        service = 'kerberos' OR dst_port = 88, 'kerberos',
        service IN ('smtp', 'ftp', 'pop3', 'imap') OR dst_port IN (21, 25, 110, 143, 587), 'lines',
        service IN ('ssh', 'rdp', 'telnet', 'smb', 'vnc') OR dst_port IN (22, 23, 445, 3389, 5900), 'login',
        'other') AS kind,
      multiIf(
        kind = 'kerberos', dst_payload < 350,
        kind = 'lines' AND src_packets >= 30 AND src_payload < 16 * src_packets, intDiv(src_packets, 10),
        1) AS guesses,
      if(guesses > 1, intDiv(src_packets, 2), 0) AS said
    FROM flows
    WHERE {{flows_within}} AND proto IN (6, 17) AND {{talked}} AND src_payload < 4000 AND dst_payload < 8000
      AND duration < 120 AND src_ip != dst_ip
      AND NOT (dst_port IN (53, 123, 137, 138, 161, 389, 443, 80, 8080, 3128) AND direction = 'outbound') AND service NOT IN ('dns', 'ntp', 'snmp', 'mdns', 'llmnr', 'nbns', 'ldap', 'quic', 'icmp')
      AND multiIf(
        kind = 'lines', src_payload < 1500 AND dst_payload < 4000,
        kind = 'login', service != 'ssh' OR dst_payload < 3000,
        direction != 'outbound')
  ),
  pairs AS (
    SELECT
      src_ip, dst_ip, dst_port, kind, max(service) AS named, max(direction) AS way, countIf(guesses > 0) AS n, sum(guesses) AS tried,
      max(said) AS most_said, min(start) AS begun, max(end) AS ended,
      arraySort(groupArrayIf(toUnixTimestamp64Micro(start), guesses > 0)) AS times,
      quantilesExact(0.25, 0.5, 0.75)(asked) AS asks, quantilesExact(0.25, 0.5, 0.75)(told) AS tells,
      arrayMap(flow -> flow.2, groupArraySorted(10)((start, flow_id))) AS sample
    FROM attempts
    GROUP BY src_ip, dst_ip, dst_port, kind
    HAVING tried >= if(kind = 'other', {min_fast:UInt32}, {min_attempts:UInt32})
      AND if(kind = 'kerberos', tried >= 0.8 * count(),
        asks[3] - asks[1] <= {max_spread:Float64} * asks[2] AND tells[3] - tells[1] <= {max_spread:Float64} * tells[2])
  ),
  found AS (
    SELECT
      *, if(kind = 'other', {min_fast:UInt32}, {min_attempts:UInt32}) AS least_number,
      1000000 * if(kind IN ('other', 'kerberos'), {fast_seconds:UInt32}, {window_seconds:UInt32}) AS within,
      arrayPopFront(arrayDifference(times)) AS gaps, arrayReduce('quantileExact(0.5)', gaps) AS middle,
      arrayCount(gap -> abs(toInt64(gap) - toInt64(middle)) * 10 <= 3 * middle, gaps) / greatest(length(gaps), 1) AS clocked,
      multiIf(kind = 'kerberos', 'Kerberos', named IN ('', 'unknown'), concat('port ', toString(dst_port)), named) AS what
    FROM pairs
    WHERE if(
        n >= least_number,
        arrayExists(
          (first, last) -> last - first <= within,
          arraySlice(times, 1, n - least_number + 1), arraySlice(times, least_number)),
        times[-1] - times[1] <= within)
      AND (kind != 'other' OR clocked < 0.6 OR middle < 200000)
  )
SELECT
  src_ip AS host,
  dst_ip AS peer,
  what AS service,
  begun AS first_seen,
  ended AS last_seen,
  n AS flows,
  what,
  tried AS attempts,
  tried / (tried + least_number) AS score,
  if(way IN ('outbound', 'internal'), 'high', 'medium') AS severity,
  sample AS flow_ids,
  dateDiff('microsecond', first_seen, last_seen) / 1e6 AS seconds,
  asks[2] AS asked,
  tells[2] AS told,
  tried > n AS per_flow,
  most_said AS lines,
  count() OVER (PARTITION BY src_ip, dst_port) - 1 AS targets,
  if(kind = 'other', 0, usual_logins) AS usual_calls
FROM found
LEFT JOIN usual ON usual.who = found.src_ip
WHERE tried > least(usual_calls, 10 * least_number)
ORDER BY host, peer, first_seen, dst_port
