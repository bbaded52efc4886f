-- id: program_download
-- title: Program fetched without encryption
-- title_ja: 平文 HTTP によるプログラムの取得
-- severity: medium
-- attack: T1105
-- attack: T1204.002
-- attack: T1189
-- window: 24h
-- identity: host peer
-- parameter: min_bytes UInt64 2000 | answered: a message that there is no such file has less
-- parameter: programs String exe,dll,scr,com,pif,cpl,msi,jar,class,ps1,psm1,vbs,vbe,jse,wsf,hta,bat,cmd,lnk,sh,elf,apk | endings of files that run when opened (Outlook's list of blocked attachments, and those of other systems)
-- parameter: tools String powershell,curl/,wget,python-,certutil,go-http-client,winhttp,java/,libwww-perl,bitsadmin,microsoft bits | words in the user agents of scripts and of what downloads for them (ATT&CK T1105, lolbas-project.github.io)
-- parameter: vendors String windowsupdate.com,microsoft.com,msftconnecttest.com,office.net,apple.com,google.com,gvt1.com,mozilla.org,mozilla.net,adobe.com,oracle.com,java.com,debian.org,ubuntu.com,kaspersky.com,trendmicro.com,symantec.com,symantecliveupdate.com,mcafee.com,avast.com,eset.com,sophosxl.net | publishers whose updates come over HTTP and are signed
-- parameter: crowd UInt32 10 | hosts that fetch from a name by the same agent, which is no browser: software that is kept up to date so here
-- reason: fetched {file} ({back:bytes}) from {target} over HTTP without encryption
-- reason_ja: {target} から {file}（{back}）を暗号化なしの HTTP で取得
-- reason if program: the name is that of a program or a script
-- reason_ja: プログラムまたはスクリプトを示す名前
-- reason if by_tool: asked for by {agent}, not by a browser
-- reason_ja: 要求元はブラウザーではなく {agent}
-- reason if literal: from a bare address: no name was asked for
-- reason_ja: 名前を使わず IP アドレスを直接指定
-- reason if many: {many:count file} in all from there
-- reason_ja: 同じ相手から取得したファイルは計 {many} 件
-- false_positive: installers and drivers that a maker still offers without encryption: add its domain to vendors
-- false_positive: administrators' scripts within the segment: suppress by host and peer
-- reference: https://attack.mitre.org/techniques/T1105/
-- reference: L. Invernizzi et al., Nazca: Detecting Malware Distribution in Large-Scale Networks, NDSS 2014
-- runbook: docs/runbooks/program_download.md
--
-- Host is the client, peer the server. Enough is one of three: a program from the Internet whose publisher is not known
-- to update so; anything that Java fetches from the Internet (the loader of an exploit kit); anything that a script fetches
-- from a bare address, or a program from one.
WITH
  fetched AS (
    SELECT
      src_ip, dst_ip, dst_port, direction, start, end, flow_id, dst_payload, lower(server_name) AS name, lower(user_agent) AS agent_text,
      http_uri, substring(http_uri, 1, 60) AS shown, lower(extract(http_uri, '\\.([A-Za-z0-9]{2,5})(?:$|[;?])')) AS ending,
      has(splitByChar(',', {programs:String}), ending) AS is_program,
      match(name, '^[0-9.]+$|^\\[?[0-9a-f:]*:[0-9a-f:]*\\]?$') AS is_literal,
      multiSearchAny(agent_text, splitByChar(',', {tools:String})) AS is_tool, position(agent_text, 'java/') > 0 AS is_java
    FROM flows
    PREWHERE service = 'http' AND proto = 6 AND (
      has(splitByChar(',', {programs:String}), lower(extract(http_uri, '\\.([A-Za-z0-9]{2,5})(?:$|[;?])')))
      OR position(lower(user_agent), 'java/') > 0 OR match(lower(server_name), '^[0-9.]+$|^\\[?[0-9a-f:]*:[0-9a-f:]*\\]?$'))
    WHERE {{flows_within}} AND direction != 'inbound' AND dst_payload >= {min_bytes:UInt64}
      AND http_method IN ('GET', 'POST') AND http_status NOT BETWEEN 300 AND 599
  )
SELECT
  src_ip AS host,
  dst_ip AS peer,
  'http' AS service,
  min(start) AS first_seen,
  max(end) AS last_seen,
  count() AS flows,
  0.5 + 0.15 * max(is_program) + 0.15 * max(is_literal) + 0.15 * max(is_tool) AS score,
  arrayMap(flow -> flow.2, groupArraySorted(10)((start, flow_id))) AS flow_ids,
  argMax(shown, (is_program, dst_payload, flow_id)) AS file,
  sum(dst_payload) AS back,
  concat(if(max(name) = '', replaceOne(toString(dst_ip), '::ffff:', ''), max(name)), ' port ', toString(max(dst_port))) AS target,
  max(is_program) AS program,
  max(is_tool) AS by_tool,
  substring(max(if(is_tool, agent_text, '')), 1, 40) AS agent,
  max(is_literal) AS literal,
  if(uniqExact(http_uri) > 1, uniqExact(http_uri), 0) AS many,
  multiIf(max(direction) = 'internal', 'low', program + by_tool + literal >= 2, 'high', 'medium') AS severity
FROM fetched
WHERE NOT arrayExists(vendor -> name = vendor OR endsWith(name, concat('.', vendor)), splitByChar(',', {vendors:String}))
  AND (is_literal OR position(agent_text, 'mozilla') > 0 OR (name, agent_text) NOT IN (
    SELECT lower(server_name) AS name, lower(user_agent) AS agent_text FROM flows
    PREWHERE service = 'http'
    WHERE {{flows_within}} AND server_name != '' AND user_agent != '' AND http_status BETWEEN 200 AND 299
    GROUP BY name, agent_text
    HAVING uniqExact(src_ip) >= {crowd:UInt32}))
  AND ((is_literal AND (is_program OR is_tool)) OR (direction != 'internal' AND (is_program OR is_java)))
GROUP BY src_ip, dst_ip
ORDER BY host, peer
