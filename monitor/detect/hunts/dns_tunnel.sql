-- id: dns_tunnel
-- title: Data hidden in DNS
-- title_ja: DNS トンネル（DNS に隠した通信）
-- severity: high
-- attack: T1071.004
-- attack: T1572
-- attack: T1048.003
-- window: 24h
-- identity: host peer
-- parameter: min_steady UInt64 50 | questions from one source port; RFC 5452 has a resolver change it for each
-- parameter: min_mean Float64 55 | bytes a question of such a flow: names of 26 to 37 characters; usual ones have 18
-- parameter: min_long UInt32 10 | questions with over long_bytes each
-- parameter: long_bytes UInt64 128 | a question with a name of about a hundred characters
-- parameter: min_names UInt32 40 | different names under one registered domain
-- parameter: min_label Float64 10 | mean length of what stands before that domain
-- parameter: min_texts UInt32 40 | questions under one registered domain for records that carry text back; a mail server asks each domain a few times
-- parameter: text_names UInt32 15 | different names among those: polls repeat one name, orders and data need others
-- parameter: text_types String TXT,NULL,KEY,PRIVATE,HINFO | record types that can carry what one likes
-- parameter: min_novel Float64 0.8 | share of questions that ask for a name not asked before: nothing can be cached
-- reason: {questions:count question} {under}to {peer} in {seconds:duration}, {mean:count byte} each on average
-- reason_ja: {peer} へ {seconds}の間に{under}照会 {questions} 件（平均 {mean} バイト）
-- reason if names: {names:count different name}, {label:count character} before the domain on average, such as {example}
-- reason_ja: 異なる名前 {names} 件、ドメインより前は平均 {label} 文字、例：{example}
-- reason if steady: from one source port, as a program that speaks DNS itself
-- reason_ja: 送信元ポートが一定（DNS を直接扱うプログラムの特徴）
-- reason if odd_types: record types {odd_types:words}
-- reason_ja: レコード種別：{odd_types}
-- false_positive: look-ups of reputation services (virus scanners, mail block lists): suppress by name
-- false_positive: a forwarder with a fixed source port, and long names
-- reference: https://attack.mitre.org/techniques/T1071/004/
-- reference: K. Born, D. Gustafson, Detecting DNS Tunnels Using Character Frequency Analysis, 2010
-- reference: G. Farnham, Detecting DNS Tunneling, SANS 2013
-- runbook: docs/runbooks/dns_tunnel.md
--
-- Host is the client, peer the name server that it asks (the far end is behind it). Four signs, each enough: one UDP flow
-- with many long questions; many very long questions; many new names under one domain; fewer of them when all ask
-- for text. What answers questions of others
-- is a resolver and left out: its clients are named.
WITH
  questions AS (
    SELECT
      if({{turned}} AND src_port = 53, dst_ip, src_ip) AS client, if({{turned}} AND src_port = 53, src_ip, dst_ip) AS server,
      if({{turned}} AND src_port = 53, dst_packets, src_packets) AS asked,
      if({{turned}} AND src_port = 53, dst_payload, src_payload) AS asked_bytes,
      start, end, flow_id, if({{turned}} AND src_port = 53, dst_port, src_port) AS port, lower(dns_query) AS query, dns_type,
      cutToFirstSignificantSubdomain(query) AS domain, length(query) - length(domain) AS label
    FROM flows
    WHERE {{within}} AND proto IN (6, 17) AND (dst_port = 53 OR src_port = 53 OR service = 'dns')
      AND dst_port NOT IN (137, 5353, 5355) AND {{talked}}
  ),
  told AS (
    SELECT
      *, dns_type NOT IN ('A', 'AAAA', 'HTTPS', 'PTR', '') AS is_odd, endsWith(query, '.arpa') AS is_address,
      domain != '' AND NOT is_address AND NOT endsWith(query, '.local') AS is_name,
      arrayJoin(arrayFilter(one -> one != '', [
        if(asked >= 10, 'one port', ''),
        if(asked_bytes > {long_bytes:UInt64} * asked AND NOT is_address, 'long', ''),
        if(label >= 0.8 * {min_label:Float64} AND is_name, 'names', ''),
        if(is_odd AND label > 1 AND is_name AND has(splitByChar(',', {text_types:String}), toString(dns_type)), 'text', '')])) AS sign,
      if(sign IN ('one port', 'long'), server, toIPv6('::')) AS one_server, if(sign = 'one port', port, 0) AS one_port,
      if(sign IN ('names', 'text'), domain, '') AS one_domain
    FROM questions
    WHERE asked >= 10 OR asked_bytes > {long_bytes:UInt64} * asked OR label >= 0.8 * {min_label:Float64} OR is_odd
  ),
  signs AS (
    SELECT
      client, sign, one_server, one_port, one_domain AS domain, argMax(told.server, (start, told.server)) AS server,
      min(start) AS begun, max(end) AS ended, count() AS n, sum(asked) AS questions, sum(asked_bytes) AS bytes,
      uniqExactIf(query, sign IN ('names', 'text')) AS names, if(names = 0, 0, sum(told.label) / n) AS label,
      max(query) AS example, sign = 'one port' AS steady,
      arraySort(groupUniqArrayIf(toString(dns_type), sign = 'text' OR (sign = 'names' AND is_odd))) AS types,
      groupArraySorted(10)((start, flow_id)) AS sample
    FROM told
    GROUP BY client, sign, one_server, one_port, one_domain
    HAVING multiIf(
      sign = 'one port', questions >= {min_steady:UInt64} AND bytes >= {min_mean:Float64} * questions,
      sign = 'long', n >= {min_long:UInt32},
      sign = 'names', names >= {min_names:UInt32} AND names >= {min_novel:Float64} * n AND label >= {min_label:Float64},
      n >= {min_texts:UInt32} AND names >= {text_names:UInt32})
  )
SELECT
  client AS host,
  argMax(server, (n, server)) AS peer,
  'dns' AS service,
  min(begun) AS first_seen,
  max(ended) AS last_seen,
  max(n) AS flows,
  max(signs.questions) AS questions,
  0.5 + questions / (2 * (questions + {min_steady:UInt64})) AS score,
  arrayMap(flow -> flow.2, argMax(sample, (n, server, domain))) AS flow_ids,
  dateDiff('microsecond', first_seen, last_seen) / 1e6 AS seconds,
  toUInt64(argMax(bytes / signs.questions, signs.questions)) AS mean,
  max(signs.names) AS names,
  toUInt64(max(signs.label)) AS label,
  argMax(signs.example, signs.names) AS example,
  if(max(domain) = '', '', concat('under ', max(domain), ' ')) AS under,
  max(signs.steady) AS steady,
  arraySort(arrayDistinct(groupArrayArray(types))) AS odd_types
FROM signs
WHERE client NOT IN (
  SELECT dst_ip FROM flows WHERE {{flows_within}} AND dst_port = 53 AND dst_packets > 0
  GROUP BY dst_ip HAVING uniqExact(src_ip) >= 3)
GROUP BY client
ORDER BY host, first_seen
