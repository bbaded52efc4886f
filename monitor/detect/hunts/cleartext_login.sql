-- id: cleartext_login
-- title: Log-in in clear text
-- title_ja: 平文でのログイン
-- severity: low
-- attack: T1552
-- attack: T1040
-- window: 24h
-- identity: host peer service
-- parameter: min_sent UInt64 20 | bytes from the client: a user's name and a password with their commands
-- parameter: anonymous Array(UInt32) [16, 10] | lengths of `USER anonymous` and `USER ftp` with their line ends
-- reason: {flows:count log-in} to {service} of {peer} without encryption: whoever listens has the password
-- reason_ja: {peer} の {service} へ暗号化なしのログイン {flows} 回：盗聴されるとパスワードが漏えい
-- reason if outside: it goes over the Internet
-- reason_ja: インターネットを経由
-- false_positive: anonymous FTP with another name than those two
-- reference: https://attack.mitre.org/techniques/T1552/
-- reference: RFC 8314, Cleartext Considered Obsolete
-- runbook: docs/runbooks/cleartext_login.md
--
-- Host is the client, peer the server. A session that changed to TLS (STARTTLS) has a TLS version and is left out. FTP by
-- anonymous users is told by the length of the first line that the client sends. HTTP's Basic log-in shows where the
-- record has it.
WITH
  sessions AS (
    SELECT
      if({{turned}}, dst_ip, src_ip) AS client, if({{turned}}, src_ip, dst_ip) AS server, service, start, end, flow_id, direction,
      if({{turned}}, dst_payload, src_payload) AS sent, if({{turned}}, dst_len_min, src_len_min) AS bare,
      arrayFirst(size -> size > bare, arrayMap(size -> if({{turned}}, -size, size), arrayFilter((size, place) -> size * if({{turned}}, -1, 1) > 0 AND place > 1, splt_len, arrayEnumerate(splt_len)))) AS first_line
    FROM flows
    WHERE {{flows_within}} AND {{talked}} AND proto = 6 AND service IN ('ftp', 'telnet', 'pop3', 'imap', 'rlogin', 'rexec') AND tls_version = ''
      AND (dst_port NOT IN (993, 995, 990) AND src_port NOT IN (993, 995, 990))
  )
SELECT
  client AS host,
  server AS peer,
  toString(sessions.service) AS service,
  min(start) AS first_seen,
  max(end) AS last_seen,
  count() AS flows,
  0.5 + flows / (2 * (flows + 10)) AS score,
  arrayMap(flow -> flow.2, groupArraySorted(10)((start, flow_id))) AS flow_ids,
  max(direction) IN ('outbound', 'inbound') AS outside,
  if(outside, 'medium', 'low') AS severity
FROM sessions
WHERE sent >= {min_sent:UInt64} AND NOT (sessions.service = 'ftp' AND has({anonymous:Array(UInt32)}, toUInt32(greatest(0, first_line - bare))))
GROUP BY client, server, sessions.service
ORDER BY host, peer, service
