-- id: vpn
-- title: VPN that is not ours
-- title_ja: 許可されていない VPN
-- severity: medium
-- attack: T1572
-- attack: T1133
-- window: 24h
-- identity: host service
-- parameter: min_bytes UInt64 1000 | payload each way: a tunnel that stands, not a try
-- parameter: min_entropy Float32 6 | bits a byte of what both ends say first: ciphertext, of a hundred bytes or more
-- parameter: names String tunnelbear,windscribe,psiphon,nordvpn,expressvpn,protonvpn,surfshark,mullvad,sec-tunnel,opera-proxy,hide.me,hotspotshield,tailscale,zerotier,softether,vpngate,cyberghost,ipvanish,privateinternetaccess | words in names of services that sell or give tunnels, by the vendors' own domains
-- parameter: ports Array(UInt32) [1001194, 1051820, 1041641, 1001701, 1000655, 1009993, 1000500, 1004500, 6001194, 6001723, 6000655, 6010443, 1000443] | by protocol * 10^6 (UDP 1, TCP 6): IANA's, vendors' defaults
-- reason: {how} with {peer} for {seconds:duration}: {out:bytes} sent, {back:bytes} received
-- reason_ja: {how}：{peer} との通信が {seconds}継続（送信 {out}、受信 {back}）
-- reason if others: and with {others:count other far end}
-- reason_ja: 他の接続先 {others} 件とも通信
-- reason if name: the name that gave it away was {name}
-- reason_ja: 判定の根拠となった名前：{name}
-- false_positive: the town's own VPN: suppress it by peer and port
-- false_positive: Wi-Fi calling of telephones (IKE to the carrier)
-- reference: https://attack.mitre.org/techniques/T1572/
-- reference: J. Donenfeld, WireGuard, NDSS 2017; OpenVPN and IKE (RFC 7296) by their first messages
-- runbook: docs/runbooks/vpn.md
--
-- Host is the client, peer the far end of the tunnel. Known by the first bytes of the protocol, by the vendor's port, by
-- DTLS on port 443 (AnyConnect, ocserv), by IPsec's ESP, by the name of a service that sells
-- tunnels, or by datagrams that look like noise both ways between one port number at both ends: daemons that tunnel bind so.
WITH
  tunnels AS (
    SELECT
      if({{turned}}, dst_ip, src_ip) AS client, if({{turned}}, src_ip, dst_ip) AS server,
      if({{turned}}, src_port, dst_port) AS port, if({{turned}}, dst_payload, src_payload) AS sent,
      if({{turned}}, src_payload, dst_payload) AS received,
      start, end, flow_id, direction, service, lower(concat(server_name, ' ', arrayStringConcat(cert_names, ' '))) AS asked, proto,
      if(direction = 'inbound', dst_ip, client) AS home, if(direction = 'inbound', src_ip, server) AS away,
      multiIf(proto = 50, 'esp', service IN ('unknown', 'http', 'quic'), 'vpn', toString(service)) AS kind,
      proto = 17 AND service = 'unknown' AND src_port = dst_port AND dst_port >= 1024 AND duration >= 30
        AND src_entropy >= {min_entropy:Float32} AND dst_entropy >= {min_entropy:Float32} AS alike,
      arrayFirst(word -> position(asked, word) > 0, splitByChar(',', {names:String})) AS word
    FROM flows
    PREWHERE multiSearchAnyCaseInsensitive(server_name, splitByChar(',', {names:String}))
      OR (notEmpty(cert_names) AND multiSearchAnyCaseInsensitive(arrayStringConcat(cert_names, ' '), splitByChar(',', {names:String})))
      OR service IN ('wireguard', 'openvpn', 'ike', 'l2tp', 'pptp', 'dtls') OR proto = 50
      OR (service IN ('unknown', 'tls') AND (has({ports:Array(UInt32)}, if(proto = 17, 1000000, 6000000) + dst_port)
        OR has({ports:Array(UInt32)}, if(proto = 17, 1000000, 6000000) + src_port) OR (proto = 17 AND src_port = dst_port)))
    WHERE {{within}} AND {{talked}} AND {{to_one_host}} AND proto IN (6, 17, 50)
      AND multiIf(
        service IN ('wireguard', 'openvpn', 'ike', 'l2tp', 'pptp'), 1,
        alike OR proto = 50, direction != 'internal',
        service = 'dtls' OR (service = 'unknown' AND port = 443 AND proto = 17), port = 443,
        multiSearchAny(asked, splitByChar(',', {names:String})), 1,
        service IN ('unknown', 'tls') AND port != 443 AND has({ports:Array(UInt32)}, if(proto = 17, 1000000, 6000000) + port), direction != 'internal',
        0)
  )
SELECT
  home AS host,
  argMax(away, (received, away)) AS peer,
  kind AS service,
  min(start) AS first_seen,
  max(end) AS last_seen,
  count() AS flows,
  0.5 + back / (2 * (back + 100000)) AS score,
  arrayMap(flow -> flow.2, groupArraySorted(10)((start, flow_id))) AS flow_ids,
  multiIf(
    max(word) != '', 'a service that sells tunnels', kind = 'esp', 'IPsec',
    kind IN ('tls', 'vpn'), concat('a tunnel on port ', toString(max(port))),
    concat(kind, ' on port ', toString(max(port)))) AS how,
  if(uniqExact(away) > 1, uniqExact(away) - 1, 0) AS others,
  dateDiff('microsecond', first_seen, last_seen) / 1e6 AS seconds,
  sum(sent) AS out,
  sum(received) AS back,
  trimBoth(max(asked)) AS name,
  if(max(direction) = 'internal', 'low', 'medium') AS severity
FROM tunnels
GROUP BY home, kind
HAVING out >= {min_bytes:UInt64} AND back >= {min_bytes:UInt64}
ORDER BY host, kind
