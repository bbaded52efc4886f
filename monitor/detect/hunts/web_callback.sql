-- id: web_callback
-- title: Web calls that no browser makes
-- title_ja: ブラウザーらしくない Web 通信（C2 の疑い）
-- severity: medium
-- attack: T1071.001
-- attack: T1102
-- window: 24h
-- identity: host peer
-- parameter: min_posts UInt64 3 | messages; one may be a form
-- parameter: max_answer UInt64 3000 | bytes answered to half of them at most: orders are short, pages are not
-- parameter: crowd UInt32 3 | so many hosts that call the same server are software of ours
-- parameter: tools String powershell,curl/,wget,python-,go-http-client,winhttp,java/,libwww-perl | words in the user agents of scripts
-- parameter: paths String /gate.php,/fre.php,/is-ready,/vre,/admin/get.php,/news.php,/news.asp,/login/process.php,/login/process.asp,/login/process.jsp,/submit.php,/beacon | where the panels and agents of known kits call by default (Pony and its kin, LokiBot, vjw0rm, Empire, Cobalt Strike, Caldera)
-- parameter: sure String /gate.php,/fre.php,/is-ready,/vre | those of them that no site uses for anything else: one call outside is enough
-- parameter: min_default UInt64 3 | calls of the others, of a bare address, or of two such paths: a news page is called news.php, too
-- reason: {calls:count call} to {target} without encryption, {posts} of them messages (POST), {out:bytes} sent, {back:bytes} received
-- reason_ja: {target} へ暗号化なしの通信 {calls} 回、うち {posts} 回は POST による送信（送信 {out}、受信 {back}）
-- reason if only_posts: it never loaded a page from there: it only sends, to {path}
-- reason_ja: ページの取得はなく、{path} への送信のみ
-- reason if by_tool: the caller is {agent}, not a browser
-- reason_ja: 通信元はブラウザーではなく {agent}
-- reason if literal: it calls a bare address, no name
-- reason_ja: 名前ではなく IP アドレスを直接指定
-- reason if default_path: it asks for {default_path}, where the agents of a known kit call by default
-- reason_ja: 要求先 {default_path} は、既知の攻撃ツールが既定で使用するパス
-- false_positive: programs that report home without encryption: suppress by name
-- false_positive: appliances that are driven by scripts over HTTP: suppress by host and peer
-- reference: https://attack.mitre.org/techniques/T1071/001/
-- reference: R. Perdisci et al., Behavioral Clustering of HTTP-Based Malware and Signature Generation, NSDI 2010
-- reference: https://github.com/BC-SECURITY/Empire (default profile), https://caldera.readthedocs.io (HTTP contact)
-- runbook: docs/runbooks/web_callback.md
--
-- Host is the client, peer its server. One of three is enough: it only ever sends, again and again, to a server's script
-- outside; a script's program sends to a bare address, again and again; it calls where the agents of a known kit do.
-- Certificate status (OCSP) is asked by POST and left out.
WITH
  calls AS (
    SELECT
      src_ip, dst_ip, dst_port, direction, start, end, flow_id, src_payload, dst_payload, lower(server_name) AS name,
      lower(user_agent) AS agent_text, http_method = 'POST' AS is_post, lower(http_uri) AS uri,
      match(uri, '\\.(php|asp|aspx|jsp|cgi|pl)$') AS to_script,
      match(name, '^[0-9.]+$|^\\[?[0-9a-f:]*:[0-9a-f:]*\\]?$') AS is_literal,
      multiSearchAny(agent_text, splitByChar(',', {tools:String})) AS is_tool,
      arrayFirst(path -> endsWith(uri, path), splitByChar(',', {paths:String})) AS known_path
    FROM flows
    PREWHERE service = 'http' AND proto = 6 AND (
      cityHash64(src_ip, dst_ip) IN (
        SELECT cityHash64(src_ip, dst_ip) AS pair FROM flows
        PREWHERE service = 'http' AND http_method = 'POST'
        WHERE {{flows_within}}
        GROUP BY pair HAVING count() >= {min_posts:UInt64})
      OR multiSearchAnyCaseInsensitive(http_uri, splitByChar(',', {paths:String})))
    WHERE {{flows_within}} AND direction != 'inbound' AND http_method IN ('GET', 'POST')
      AND src_payload > 0 AND position(uri, 'ocsp') = 0
  ),
  servers AS (
    SELECT
      src_ip, dst_ip, name, max(direction) AS way, max(dst_port) AS port, min(start) AS begun, max(end) AS ended, count() AS n,
      countIf(is_post) AS sends, sum(src_payload) AS sent, sum(dst_payload) AS got, quantileExact(0.5)(dst_payload) AS usual_answer,
      max(is_literal) AS bare, countIf(is_tool AND is_post) AS tool_posts, max(if(is_tool, agent_text, '')) AS tool,
      countIf(is_post AND to_script) AS script_posts, uniqExact(uri) AS places, max(uri) AS one_place,
      countIf(known_path != '') AS known_calls, uniqExactIf(known_path, known_path != '') AS known_paths,
      countIf(has(splitByChar(',', {sure:String}), known_path)) AS sure_calls, max(known_path) AS kit_path,
      groupArraySorted(10)((start, flow_id)) AS sample, count() OVER (PARTITION BY dst_ip, name) AS callers
    FROM calls
    GROUP BY src_ip, dst_ip, name
  ),
  signs AS (
    SELECT
      *,
      way != 'internal' AND script_posts = n AND n >= {min_posts:UInt64} AND places <= 3 AND usual_answer <= {max_answer:UInt64} AS sends_only,
      bare AND tool_posts >= {min_posts:UInt64} AS sends_by_tool,
      (sure_calls > 0 AND way != 'internal') OR (known_calls >= {min_default:UInt64} AND (bare OR known_paths >= 2)) AS calls_kit
    FROM servers
  )
SELECT
  src_ip AS host,
  dst_ip AS peer,
  'http' AS service,
  min(begun) AS first_seen,
  max(ended) AS last_seen,
  sum(n) AS flows,
  0.5 + 0.15 * max(sends_only) + 0.15 * max(sends_by_tool) + 0.15 * max(calls_kit) AS score,
  arrayMap(flow -> flow.2, arraySlice(arraySort(groupArrayArray(sample)), 1, 10)) AS flow_ids,
  sum(n) AS calls,
  sum(sends) AS posts,
  concat(if(max(name) = '', replaceOne(toString(dst_ip), '::ffff:', ''), max(name)), ' port ', toString(max(port))) AS target,
  sum(sent) AS out,
  sum(got) AS back,
  max(sends_only) AS only_posts,
  substring(max(one_place), 1, 60) AS path,
  max(sends_by_tool) AS by_tool,
  substring(max(tool), 1, 40) AS agent,
  max(bare) AS literal,
  if(max(calls_kit), max(kit_path), '') AS default_path,
  multiIf(max(way) = 'internal' AND default_path = '', 'low', default_path != '', 'high', 'medium') AS severity
FROM signs
WHERE callers < {crowd:UInt32} AND (sends_only OR sends_by_tool OR calls_kit)
GROUP BY src_ip, dst_ip
ORDER BY host, peer
