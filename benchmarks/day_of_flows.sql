-- A block of made-up flows: 1,000 hosts, 24 hours, an office's services and names.
INSERT INTO flows (sensor, run_id, flow_id, community_id_other, start, end, src_ip, dst_ip, src_port, dst_port, proto,
  direction, src_packets, dst_packets, src_bytes, dst_bytes, src_payload, dst_payload, state, history, src_flags, dst_flags,
  service, server_name, ja4, dns_query, dns_type, dns_rcode, shape_other, splt_iat, splt_len,
  http_method, http_uri, http_status, user_agent, dns_answers, cert_names, src_entropy, dst_entropy)
WITH
  cityHash64(number, 1) AS h, cityHash64(number, 2) AS g, h % 1000 AS who, bitShiftRight(h, 10) % 100 AS kind,
  kind < 45 AS is_dns, kind >= 45 AND kind < 82 AS is_tls, kind >= 82 AND kind < 88 AS is_quic, kind >= 88 AND kind < 94 AS is_http,
  kind >= 94 AND kind < 97 AS is_internal, kind >= 97 AS is_inbound,
  toUInt32(pow((g % 1000003) / 1000003, 3) * 40000) AS site,
  toUInt32({begin:Int64} / 1000000) AS base, bitShiftRight(h, 20) % 86400000000 AS offset,
  toIPv6(concat('::ffff:10.20.', toString(intDiv(who, 250)), '.', toString(who % 250 + 1))) AS inside,
  toIPv6(concat('::ffff:', toString(11 + site % 100), '.', toString(intDiv(site, 100) % 250), '.', toString(intDiv(site, 25000)), '.', toString(site % 250 + 1))) AS outside,
  bitShiftRight(g, 20) % 97 = 0 AS failed, 500 + bitShiftRight(g, 8) % 3000 AS up, 800 + bitShiftRight(g, 16) % 60000 AS down
SELECT
  'sensor', {run:String}, number + {first:UInt64}, '1:AAAAAAAAAAAAAAAAAAAAAAAAAAA=',
  fromUnixTimestamp64Micro({begin:Int64} + offset, 'UTC') AS s, s + toIntervalMillisecond(bitShiftRight(g, 24) % 20000),
  if(is_inbound, outside, inside),
  multiIf(is_dns, toIPv6('::ffff:10.20.9.53'), is_internal, toIPv6(concat('::ffff:10.20.9.', toString(site % 9 + 1))), is_inbound, toIPv6('::ffff:10.20.9.80'), outside),
  32768 + bitShiftRight(g, 30) % 28000, multiIf(is_dns, 53, is_tls OR is_quic OR is_inbound, 443, is_internal, [445, 88, 389, 22][site % 4 + 1], 80),
  if(is_dns OR is_quic, 17, 6), multiIf(is_dns OR is_internal, 'internal', is_inbound, 'inbound', 'outbound'),
  if(is_dns, 1, 12), multiIf(failed, 0, is_dns, 1, 20), if(is_dns, 70, up + 400), if(failed, 0, down), multiIf(is_dns, 42, failed AND is_tls, 0, up), if(failed, 0, down),
  if(failed, 'S0', 'SF'), multiIf(is_dns OR is_quic, if(failed, 'D', 'Dd'), failed, 'S', 'ShADadFf'), if(is_dns OR is_quic, 0, 27), 27,
  multiIf(is_dns, 'dns', is_quic, 'quic', is_http, 'http', is_internal, ['smb', 'kerberos', 'ldap', 'ssh'][site % 4 + 1], 'tls'),
  if(is_tls OR is_quic OR is_http, concat('www.site', toString(site), '.example'), ''),
  if(is_tls, concat('t13d', toString(who % 40)), ''),
  if(is_dns, concat('host', toString(g % 3), '.site', toString(site), '.example'), ''), if(is_dns, 'A', ''), if(is_dns, 'NOERROR', ''),
  [0, 0, 0, 0, 0, 0, 0, 2.5, 0, 0, 0, 0, 0, 0, 0, 0], [0, 12000, 300, 9000, 1500000, 800], [60, -60, 52, 569, -1400, 52],
  if(is_http, if(bitShiftRight(g, 40) % 10 = 0, 'POST', 'GET'), ''),
  if(is_http, concat('/pages/', toString(g % 1000), ['.html', '.php', '/', '.jpg'][bitShiftRight(g, 44) % 4 + 1]), ''), if(is_http, 200, 0),
  if(is_http, concat('Mozilla/5.0 (Windows NT 10.0; Win64; x64) Office/', toString(who % 40)), ''),
  if(is_dns, [concat(toString(11 + site % 100), '.', toString(intDiv(site, 100) % 250), '.', toString(intDiv(site, 25000)), '.', toString(site % 250 + 1))], []),
  if(is_tls AND bitShiftRight(g, 48) % 4 = 0, [concat('www.site', toString(site), '.example'), concat('*.site', toString(site), '.example')], []), 5.1, 5.3
FROM numbers({count:UInt64})
