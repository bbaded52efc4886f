-- id: throwaway_name
-- title: Call to a throw-away name
-- title_ja: 使い捨てドメイン名への通信
-- severity: medium
-- attack: T1568
-- attack: T1583.001
-- window: 24h
-- identity: host peer
-- parameter: dynamic String duckdns.org,ydns.eu,ddns.net,hopto.org,zapto.org,sytes.net,no-ip.org,no-ip.biz,no-ip.info,servegame.com,serveftp.com,servehttp.com,myftp.org,myftp.biz,myvnc.com,redirectme.net,bounceme.net,dyndns.org,dynu.net,dynu.com,ddnsfree.com,ddnsgeek.com,giize.com,gleeze.com,kozow.com,loseyourip.com,mooo.com,chickenkiller.com,strangled.net,3322.org,8866.org,f3322.net,myddns.me,dynv6.net,changeip.com,portmap.io,portmap.host,ngrok.io,ngrok-free.app,serveo.net,localto.net,playit.gg,trycloudflare.com | who gives names to changing addresses and tunnels to them (providers' own lists: no-ip, dynu, afraid.org, ChangeIP; ATT&CK T1568, T1572)
-- parameter: cheap String top,xyz,pw,tk,ml,ga,cf,gq,icu,buzz,cyou,click,link,work,rest,monster,sbs,cfd,bid,loan,win,men,stream,download,surf,bond,quest,lol,zip,mov,cc,ws,su,biz,info | top-level domains most abused (Spamhaus, Interisle Malware Landscape)
-- parameter: min_length UInt8 6 | letters of a label before its looks say anything
-- parameter: crowd UInt32 3 | so many hosts that use a name know it
-- reason if at_home: {target} belongs to {provider}, which gives names to changing addresses, often somebody's own line
-- reason_ja: {target} は {provider} の名前：変動するアドレスに名前を付与するサービスで、個人の回線に多い
-- reason if drawn: the name {target} looks drawn by lot, under a top-level domain that is mostly abused
-- reason_ja: 名前 {target} は無作為に作られたとみられ、悪用の多いトップレベルドメインに属する
-- reason: {flows:count flow} to {peer}, {out:bytes} sent, {back:bytes} received
-- reason_ja: {peer} へ {flows} フロー（送信 {out}、受信 {back}）
-- reason if asked_only: only the look-up was seen, or what followed carried no name
-- reason_ja: 名前の照会のみを観測、または後続の通信に名前なし
-- false_positive: a private camera or file server of staff: against most policies all the same
-- reference: https://attack.mitre.org/techniques/T1568/
-- reference: Interisle Consulting Group, Malware Landscape
-- reference: https://www.spamhaus.org/reputation-statistics/cctlds/domains/
-- runbook: docs/runbooks/throwaway_name.md
--
-- Host is the client, peer the server, or the name server where only the look-up is seen. Names are those of TLS, QUIC,
-- HTTP and the DNS. A label looks drawn by lot by two of: few vowels, four consonants in a row, digits between letters,
-- hardly a pair of letters that words have (as in dga, which counts names that do not exist). A resolver that passes a
-- question on is not its client. Names are looked at once each, after they were counted.
WITH
  called AS (
    SELECT
      src_ip, cityHash64(lower(if(server_name = '', dns_query, server_name))) AS id,
      max(lower(if(server_name = '', dns_query, server_name))) AS name, min(server_name = '') AS unseen,
      argMax(dst_ip, (server_name != '', start, flow_id)) AS server, min(start) AS begun, max(end) AS ended, count() AS n,
      sum(src_payload) AS sent, sum(dst_payload) AS got, groupArraySorted(10)((start, flow_id)) AS sample,
      groupUniqArrayIf(dst_ip, server_name = '') AS asked_of
    FROM flows
    WHERE {{flows_within}} AND proto IN (6, 17) AND direction != 'inbound'
      AND ((server_name != ''
          AND (lower(substringIndex(server_name, '.', -1)) IN (SELECT arrayJoin(splitByChar(',', {cheap:String})))
            OR multiSearchAny(lower(server_name), splitByChar(',', {dynamic:String}))))
        OR (server_name = '' AND dns_query != '' AND dns_rcode = 'NOERROR' AND notEmpty(dns_answers)
          AND multiSearchAny(lower(dns_query), splitByChar(',', {dynamic:String}))))
    GROUP BY src_ip, id
  ),
  judged AS (
    SELECT
      *, splitByChar('.', name) AS labels, arrayFirst(one -> endsWith(name, concat('.', one)), splitByChar(',', {dynamic:String})) AS giver,
      NOT unseen AND has(splitByChar(',', {cheap:String}), labels[-1]) AND arrayExists(
        label -> length(label) >= {min_length:UInt8} AND (
          (length(replaceRegexpAll(label, '[^aeiouy]', '')) < 0.25 * length(label)) + match(label, '[bcdfghjklmnpqrstvwxz]{4}')
          + match(label, '[a-z][0-9]+[a-z]')
          + (arrayCount(i -> multiSearchAny(substring(label, i, 2), ['th','he','in','er','an','re','on','at','en','nd','ti','es','or','te','it','al','ar','st','to','nt','se','ha','as','ou','io','le','ve','co','me','de','hi','ri','ro','ic','ne','ea','ra','li','ch','ka','sh','ma','no','ta','ki','su','mo','ku','ko','sa','na','ni','so']), range(1, toUInt32(length(label)))) < 0.34 * (length(label) - 1)) >= 2),
        arrayPopBack(labels)) AS by_lot,
      count() OVER (PARTITION BY id) AS callers, groupUniqArrayArray(asked_of) OVER (PARTITION BY id) AS passed_on
    FROM called
  )
SELECT
  src_ip AS host,
  server AS peer,
  if(max(by_lot), 'name drawn by lot', 'dynamic name') AS service,
  min(begun) AS first_seen,
  max(ended) AS last_seen,
  sum(n) AS flows,
  0.55 + 0.2 * max(by_lot) AS score,
  arrayMap(flow -> flow.2, arraySlice(arraySort(groupArrayArray(sample)), 1, 10)) AS flow_ids,
  max(giver) != '' AS at_home,
  max(giver) AS provider,
  max(name) AS target,
  max(by_lot) AS drawn,
  sum(sent) AS out,
  sum(got) AS back,
  min(unseen) AS asked_only,
  'medium' AS severity
FROM judged
WHERE callers < {crowd:UInt32} AND NOT has(passed_on, src_ip) AND (giver != '' OR by_lot)
GROUP BY src_ip, server
ORDER BY host, peer
