-- id: odd_certificate
-- title: Encryption that nobody vouches for
-- title_ja: 身元を示さない証明書による暗号通信
-- severity: medium
-- attack: T1573.002
-- attack: T1587.003
-- window: 24h
-- identity: host peer
-- parameter: min_bytes UInt64 200 | payload each way: hands were shaken
-- parameter: crowd UInt32 3 | so many hosts that do the same with a peer are software of ours
-- parameter: kits String asyncrat,dcrat,venomrat,quasar,sxn server,orcus,bitrat,xworm,pupy,meterpreter,cobalt strike,mythic,sliver,covenant,multiplayer,internet widgits | words in the certificates that kits of remote control make for themselves
-- reason: TLS with {peer} port {port}: no name was asked for, and the certificate {shown}
-- reason_ja: {peer} のポート {port} と TLS 通信：名前の指定がなく、証明書の名義は {shown}
-- reason if by_kit: {by_kit} is what a known kit of remote control writes into its certificates
-- reason_ja: {by_kit} は既知の遠隔操作ツールが証明書に書き込む文字列
-- reason: {flows:count connection}, {out:bytes} sent, {back:bytes} received
-- reason_ja: 接続 {flows} 件（送信 {out}、受信 {back}）
-- false_positive: appliances and their makers' clouds with certificates of their own: suppress by peer
-- reference: https://attack.mitre.org/techniques/T1573/002/
-- reference: M. Piskozub et al., MalAlert, CCS 2019; abuse.ch SSL Blacklist (certificates of remote control kits)
-- runbook: docs/runbooks/odd_certificate.md
--
-- Host is the client, peer its server outside. Certificates show up to TLS 1.2 alone. A certificate is odd when none of its
-- names is a domain (a word, a number, an address that is not the server's); RDP's are by nature and left out. So is a
-- server whose address the host had looked up, or that it also calls by name: an old client, or a browser that tries once more.
WITH
  odd AS (
    SELECT
      src_ip, dst_ip, dst_port, start, end, flow_id, src_payload, dst_payload,
      replaceOne(toString(dst_ip), '::ffff:', '') AS address, lower(arrayStringConcat(cert_names, ', ')) AS names,
      arrayFirst(word -> position(names, word) > 0, splitByChar(',', {kits:String})) AS kit
    FROM flows
    PREWHERE notEmpty(cert_names) AND proto = 6 AND NOT match(server_name, '[a-z]')
    WHERE {{within}} AND direction IN ('outbound', 'external') AND service != 'rdp'
      AND src_payload >= {min_bytes:UInt64} AND dst_payload >= {min_bytes:UInt64}
      AND NOT arrayExists(entry -> match(entry, '[.][A-Za-z][A-Za-z0-9-]+$') OR entry = address, cert_names)
  ),
  servers AS (
    SELECT
      src_ip, dst_ip, max(dst_port) AS port, min(start) AS begun, max(end) AS ended, count() AS n, sum(src_payload) AS sent, sum(dst_payload) AS got,
      max(kit) AS by_kit, max(names) AS all_names, groupArraySorted(10)((start, flow_id)) AS sample,
      count() OVER (PARTITION BY dst_ip) AS callers
    FROM odd
    GROUP BY src_ip, dst_ip
  )
SELECT
  src_ip AS host,
  dst_ip AS peer,
  'tls' AS service,
  begun AS first_seen,
  ended AS last_seen,
  n AS flows,
  if(by_kit = '', 0.6, 0.9) AS score,
  arrayMap(flow -> flow.2, sample) AS flow_ids,
  port,
  concat('is for ', substring(all_names, 1, 60)) AS shown,
  by_kit,
  sent AS out,
  got AS back,
  if(by_kit = '', 'medium', 'high') AS severity
FROM servers
WHERE callers < {crowd:UInt32} AND (by_kit != '' OR (
  (src_ip, dst_ip) NOT IN (
    SELECT src_ip, toIPv6OrDefault(arrayJoin(dns_answers)) FROM flows
    WHERE {{flows_within}} AND notEmpty(dns_answers) AND src_ip IN (SELECT src_ip FROM odd))
  AND (src_ip, dst_ip) NOT IN (
    SELECT src_ip, dst_ip FROM flows
    WHERE {{flows_within}} AND server_name != '' AND dst_ip IN (SELECT dst_ip FROM odd) AND match(server_name, '[a-z]'))))
ORDER BY host, peer
