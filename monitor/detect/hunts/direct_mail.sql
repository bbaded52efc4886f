-- id: direct_mail
-- title: Mail sent past our mail server
-- title_ja: メールサーバを経由しないメール送信
-- severity: medium
-- attack: T1048.003
-- attack: T1071.003
-- window: 24h
-- identity: host peer
-- parameter: min_bytes UInt64 20 | bytes from the client: it said more than hello
-- parameter: min_clients UInt32 1 | hosts from which a mail server of ours takes mail
-- reason: {flows:count connection} to {service} of {peer} outside: {out:bytes} sent, {back:bytes} received
-- reason_ja: 外部の {peer} の {service} へ接続 {flows} 件（送信 {out}、受信 {back}）
-- reason if servers: the same host wrote to {servers:count other server}
-- reason_ja: 同じホストが他のサーバ {servers} 台へもメールを送信
-- false_positive: a program with a mail account of its own: let it use the town's mail server
-- false_positive: a mail server of ours that only sends: suppress it by host
-- reference: https://attack.mitre.org/techniques/T1048/003/
-- reference: M3AAWG, Managing Port 25 for Residential or Dynamic IP Space, 2005
-- runbook: docs/runbooks/direct_mail.md
--
-- Host is the inside end. Who takes mail from others is a mail server, and left out.
WITH
  mails AS (
    SELECT src_ip, dst_ip, direction, start, end, flow_id, src_payload, dst_payload
    FROM flows
    PREWHERE (service = 'smtp' OR dst_port IN (25, 465, 587, 2525)) AND proto = 6
    WHERE {{flows_within}} AND {{talked}} AND service IN ('smtp', 'tls', 'unknown') AND {{to_one_host}}
  ),
  senders AS (
    SELECT
      src_ip, dst_ip, count() AS n, min(start) AS begun, max(end) AS ended, sum(src_payload) AS sent, sum(dst_payload) AS received,
      groupArraySorted(10)((start, flow_id)) AS sample
    FROM mails
    WHERE direction = 'outbound'
      AND src_ip NOT IN (SELECT dst_ip FROM mails WHERE direction != 'outbound' GROUP BY dst_ip HAVING uniqExact(src_ip) >= {min_clients:UInt32})
    GROUP BY src_ip, dst_ip
    HAVING sent >= {min_bytes:UInt64}
  )
SELECT
  src_ip AS host,
  argMax(dst_ip, (sent, dst_ip)) AS peer,
  'smtp' AS service,
  min(begun) AS first_seen,
  max(ended) AS last_seen,
  sum(n) AS flows,
  0.5 + out / (2 * (out + 1000000)) AS score,
  arrayMap(flow -> flow.2, arraySlice(arraySort(groupArrayArray(sample)), 1, 10)) AS flow_ids,
  sum(sent) AS out,
  sum(received) AS back,
  count() - 1 AS servers
FROM senders
GROUP BY src_ip
ORDER BY host
