-- id: remote_access
-- title: Remote control of a computer
-- title_ja: 遠隔操作ツールの利用
-- severity: medium
-- attack: T1219
-- attack: T1021.001
-- window: 24h
-- identity: host peer
-- parameter: min_bytes UInt64 20 | payload each way: an answer was given
-- parameter: names String teamviewer.com,anydesk.com,net.anydesk,rustdesk,screenconnect,connectwise,splashtop,logmein,gotomypc,getgo.com,remoteutilities,ammyy,supremocontrol,dwservice,atera.com,parsec.app,aeroadmin,ultraviewer | words in names of remote control services, by the vendors' own domains
-- parameter: ports Array(UInt16) [4899, 4000, 5938, 6568, 5650, 5900, 5901, 4444, 4782, 21116, 8040] | Radmin, NoMachine, TeamViewer, AnyDesk, RMS, VNC, Metasploit, Quasar, RustDesk, ScreenConnect: their defaults
-- reason: {how} with {peer} for {seconds:duration}: {out:bytes} sent, {back:bytes} received
-- reason_ja: {how}：{peer} との通信が {seconds}継続（送信 {out}、受信 {back}）
-- reason if name: the name asked for was {name}
-- reason_ja: 要求された名前：{name}
-- false_positive: the help desk's own tool: suppress it by peer or name
-- reference: https://attack.mitre.org/techniques/T1219/
-- reference: https://lolrmm.io (names and ports of remote management tools)
-- runbook: docs/runbooks/remote_access.md
--
-- Host is the inside end, the client where both are inside. RDP inside the segment is for lateral_movement; here only
-- where it crosses its border.
WITH
  sessions AS (
    SELECT
      if({{turned}}, dst_ip, src_ip) AS client, if({{turned}}, src_ip, dst_ip) AS server,
      if({{turned}}, src_port, dst_port) AS port, if({{turned}}, dst_payload, src_payload) AS sent,
      if({{turned}}, src_payload, dst_payload) AS received,
      start, end, flow_id, direction, service, lower(server_name) AS asked,
      if(server_name = '', '', arrayFirst(word -> position(lower(server_name), word) > 0, splitByChar(',', {names:String}))) AS word
    FROM flows
    PREWHERE service IN ('teamviewer', 'anydesk', 'vnc', 'rdp', 'ica') OR multiSearchAnyCaseInsensitive(server_name, splitByChar(',', {names:String}))
      OR (server_name = '' AND service IN ('unknown', 'tls', 'mining', 'http') AND (has({ports:Array(UInt16)}, src_port) OR has({ports:Array(UInt16)}, dst_port)))
    WHERE {{within}} AND {{talked}} AND proto IN (6, 17)
      AND multiIf(
        service IN ('teamviewer', 'anydesk', 'vnc'), 1,
        service IN ('rdp', 'ica'), direction != 'internal' OR dst_port NOT IN (3389, 1494, 2598) AND src_port NOT IN (3389, 1494, 2598),
        server_name != '', multiSearchAnyCaseInsensitive(server_name, splitByChar(',', {names:String})),
        service IN ('unknown', 'tls', 'mining', 'http') AND (proto = 6 OR service = 'unknown') AND has({ports:Array(UInt16)}, if({{turned}}, src_port, dst_port)), proto = 6,
        0)
  )
SELECT
  if(max(direction) = 'inbound', server, client) AS host,
  if(max(direction) = 'inbound', client, server) AS peer,
  if(max(word) != '' OR max(toString(sessions.service)) IN ('unknown', 'mining'), 'remote', max(toString(sessions.service))) AS service,
  min(start) AS first_seen,
  max(end) AS last_seen,
  count() AS flows,
  0.5 + (out + back) / (2 * (out + back + 100000)) AS score,
  arrayMap(flow -> flow.2, groupArraySorted(10)((start, flow_id))) AS flow_ids,
  multiIf(
    max(word) != '', 'a remote control service', service = 'remote', concat('port ', toString(max(port)), ', a remote control tool''s,'),
    concat(service, ' on port ', toString(max(port)))) AS how,
  dateDiff('microsecond', first_seen, last_seen) / 1e6 AS seconds,
  sum(sent) AS out,
  sum(received) AS back,
  max(asked) AS name,
  if(max(direction) = 'internal' AND max(port) != 4444, 'low', 'medium') AS severity
FROM sessions
GROUP BY client, server
HAVING out >= {min_bytes:UInt64} AND back >= {min_bytes:UInt64}
ORDER BY host, peer
