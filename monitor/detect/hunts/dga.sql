-- id: dga
-- title: Look-ups of generated names
-- title_ja: 生成ドメイン名（DGA）の問い合わせ
-- severity: high
-- attack: T1568.002
-- window: 24h
-- identity: host
-- parameter: min_names UInt32 15 | different registered domains that do not exist; typing errors are few
-- parameter: min_failed Float64 0.3 | share of the names asked for that do not exist
-- parameter: min_random Float64 0.6 | share of those that look drawn by lot
-- parameter: min_length UInt8 7 | letters before the top-level domain: shorter ones say nothing
-- reason: asked for {missing:count domain} that {missing_verb} not exist, {failed:percent} of all it asked for, such as {examples:words}
-- reason_ja: 存在しないドメイン {missing} 件を照会（照会全体の {failed}）、例：{examples}
-- reason: {random:percent} of them look generated: rows of consonants, digits among letters, hardly a vowel or a pair of letters that words have
-- reason_ja: うち {random} は機械生成とみられる名前（子音の連続、文字に混じる数字、母音や単語らしい綴りの少なさ）
-- false_positive: browsers that test for name hijacking with random single labels: no dot, not counted
-- false_positive: mail servers that check senders: suppress by host
-- reference: https://attack.mitre.org/techniques/T1568/002/
-- reference: M. Antonakakis et al., From Throw-Away Traffic to Bots: Detecting the Rise of DGA-Based Malware, USENIX Security 2012
-- reference: S. Schiavoni et al., Phoenix: DGA-Based Botnet Tracking and Intelligence, DIMVA 2014
-- runbook: docs/runbooks/dga.md
--
-- Host is the client, peer its name server. A label looks drawn by lot by any two of: fewer than 25 % vowels or over 60 %,
-- four consonants in a row, digits between letters, fewer than a third of its pairs of letters among the fifty that English
-- and romanised Japanese use most, ten letters or more. Names under .arpa and .local and single labels are left out, and
-- so are resolvers of others.
WITH
  asked AS (
    SELECT
      src_ip, dst_ip, lower(dns_query) AS query, cutToFirstSignificantSubdomain(query) AS domain,
      max(dns_rcode = 'NXDOMAIN') AS failed, min((start, flow_id)) AS first_flow, max(end) AS ended, count() AS n
    FROM flows
    WHERE {{flows_within}} AND proto IN (6, 17) AND dns_query != '' AND dst_port NOT IN (137, 5353, 5355)
      AND NOT endsWith(query, '.arpa') AND NOT endsWith(query, '.local') AND NOT endsWith(query, '.lan') AND position(query, '.') > 0
      AND src_ip IN (
        SELECT src_ip FROM flows WHERE {{flows_within}} AND dns_rcode = 'NXDOMAIN'
        GROUP BY src_ip HAVING count() >= {min_names:UInt32})
    GROUP BY src_ip, dst_ip, query
  ),
  labels AS (
    SELECT
      *, splitByChar('.', domain)[1] AS label, length(label) AS letters,
      length(replaceRegexpAll(label, '[^aeiou]', '')) / letters AS vowels,
      arrayCount(
        pair -> pair IN ('th', 'he', 'in', 'er', 'an', 're', 'on', 'at', 'en', 'nd', 'ti', 'es', 'or', 'te', 'of', 'ed', 'is', 'it', 'al', 'ar', 'st',
          'to', 'nt', 'ng', 'se', 'ha', 'as', 'ou', 'io', 'le', 've', 'co', 'me', 'de', 'hi', 'ri', 'ro', 'ic', 'ne', 'ea', 'ra', 'ce', 'li', 'ch',
          'll', 'ka', 'sh', 'ma', 'no', 'ta', 'ki', 'su', 'mo', 'yo', 'ku', 'ko', 'sa', 'na', 'ni', 'oo', 'so', 'do', 'la', 'lo', 'ca', 'el', 'pa', 'ad', 'be'),
        arrayMap(i -> substring(label, i, 2), range(1, toUInt32(greatest(letters, 1))))) / greatest(letters - 1, 1) AS usual_pairs,
      (vowels < 0.25 OR vowels > 0.6) + match(label, '[bcdfghjklmnpqrstvwxz]{4}') + match(label, '[a-z][0-9]+[a-z]')
        + (usual_pairs < 0.34) + (letters >= 10) AS signs
    FROM asked
    WHERE domain != ''
  ),
  hosts AS (
    SELECT
      src_ip, uniqExactIf(domain, failed) AS gone, uniqExact(domain) AS all_domains,
      uniqExactIf(domain, failed AND signs >= 2 AND letters >= {min_length:UInt8}) AS drawn,
      minIf(first_flow, failed) AS first_failed, max(ended) AS last_ended, sum(n) AS all_flows,
      argMax(dst_ip, (n, dst_ip)) AS server, groupArraySortedIf(10)(first_flow, failed) AS sample,
      arraySlice(arraySort(groupUniqArrayIf(domain, failed AND signs >= 2)), 1, 4) AS shown
    FROM labels
    GROUP BY src_ip
    HAVING gone >= {min_names:UInt32} AND gone >= {min_failed:Float64} * all_domains AND drawn >= {min_random:Float64} * gone
  )
SELECT
  src_ip AS host,
  server AS peer,
  'dns' AS service,
  first_failed.1 AS first_seen,
  last_ended AS last_seen,
  all_flows AS flows,
  gone / (gone + {min_names:UInt32}) AS score,
  arrayMap(flow -> flow.2, sample) AS flow_ids,
  gone AS missing,
  if(gone = 1, 'does', 'do') AS missing_verb,
  gone / all_domains AS failed,
  drawn / gone AS random,
  shown AS examples
FROM hosts
WHERE src_ip NOT IN (
  SELECT dst_ip FROM flows WHERE {{flows_within}} AND dst_port = 53 AND dst_packets > 0
  GROUP BY dst_ip HAVING uniqExact(src_ip) >= 3)
ORDER BY host
