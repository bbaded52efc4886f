-- Schema 5 as released (0.1.0). Never edited.

CREATE TABLE IF NOT EXISTS schema_versions (
  version UInt32 COMMENT 'migration',
  description String COMMENT 'what it brought',
  applied DateTime('UTC') COMMENT 'when it was applied'
)
ENGINE = MergeTree
ORDER BY version;
CREATE TABLE IF NOT EXISTS flows (
  sensor LowCardinality(String) COMMENT 'name of the sensor that saw the flow' CODEC(Default),
  run_id LowCardinality(String) COMMENT 'replay that made the row; empty for live traffic' CODEC(Default),
  flow_id UInt64 COMMENT 'stable hash of the flow\'s key and start' CODEC(Default),
  part UInt32 COMMENT '0, 1, … for a long flow reported in parts' CODEC(T64, Default),
  community_id String ALIAS if(notEmpty(community_id_other), community_id_other, concat('1:', base64Encode(SHA1(concat('\0\0', substring(if((((proto = 1) OR (proto = 58)) AND (multiIf(proto = 1, transform(src_port, [8, 0, 13, 14, 15, 16, 17, 18, 10, 9], [0, 8, 14, 13, 16, 15, 18, 17, 9, 10], 65535), proto = 58, transform(src_port, [128, 129, 133, 134, 135, 136, 130, 131, 139, 140, 144, 145], [129, 128, 134, 133, 136, 135, 131, 130, 140, 139, 145, 144], 65535), dst_port) = 65535)) OR ((src_ip, src_port) <= (dst_ip, multiIf(proto = 1, transform(src_port, [8, 0, 13, 14, 15, 16, 17, 18, 10, 9], [0, 8, 14, 13, 16, 15, 18, 17, 9, 10], 65535), proto = 58, transform(src_port, [128, 129, 133, 134, 135, 136, 130, 131, 139, 140, 144, 145], [129, 128, 134, 133, 136, 135, 131, 130, 140, 139, 145, 144], 65535), dst_port))), concat(substring(reinterpretAsFixedString(src_ip), if(bitShiftRight(toUInt128(src_ip), 32) = 65535, 13, 1)), substring(reinterpretAsFixedString(dst_ip), if(bitShiftRight(toUInt128(src_ip), 32) = 65535, 13, 1)), char(proto, 0), reinterpretAsFixedString(byteSwap(src_port)), reinterpretAsFixedString(byteSwap(if((((proto = 1) OR (proto = 58)) AND (multiIf(proto = 1, transform(src_port, [8, 0, 13, 14, 15, 16, 17, 18, 10, 9], [0, 8, 14, 13, 16, 15, 18, 17, 9, 10], 65535), proto = 58, transform(src_port, [128, 129, 133, 134, 135, 136, 130, 131, 139, 140, 144, 145], [129, 128, 134, 133, 136, 135, 131, 130, 140, 139, 145, 144], 65535), dst_port) = 65535)), dst_port, multiIf(proto = 1, transform(src_port, [8, 0, 13, 14, 15, 16, 17, 18, 10, 9], [0, 8, 14, 13, 16, 15, 18, 17, 9, 10], 65535), proto = 58, transform(src_port, [128, 129, 133, 134, 135, 136, 130, 131, 139, 140, 144, 145], [129, 128, 134, 133, 136, 135, 131, 130, 140, 139, 145, 144], 65535), dst_port))))), concat(substring(reinterpretAsFixedString(dst_ip), if(bitShiftRight(toUInt128(src_ip), 32) = 65535, 13, 1)), substring(reinterpretAsFixedString(src_ip), if(bitShiftRight(toUInt128(src_ip), 32) = 65535, 13, 1)), char(proto, 0), reinterpretAsFixedString(byteSwap(if((((proto = 1) OR (proto = 58)) AND (multiIf(proto = 1, transform(src_port, [8, 0, 13, 14, 15, 16, 17, 18, 10, 9], [0, 8, 14, 13, 16, 15, 18, 17, 9, 10], 65535), proto = 58, transform(src_port, [128, 129, 133, 134, 135, 136, 130, 131, 139, 140, 144, 145], [129, 128, 134, 133, 136, 135, 131, 130, 140, 139, 145, 144], 65535), dst_port) = 65535)), dst_port, multiIf(proto = 1, transform(src_port, [8, 0, 13, 14, 15, 16, 17, 18, 10, 9], [0, 8, 14, 13, 16, 15, 18, 17, 9, 10], 65535), proto = 58, transform(src_port, [128, 129, 133, 134, 135, 136, 130, 131, 139, 140, 144, 145], [129, 128, 134, 133, 136, 135, 131, 130, 140, 139, 145, 144], 65535), dst_port)))), reinterpretAsFixedString(byteSwap(src_port)))), 1, transform(proto, [1, 6, 17, 58, 132], [38, 38, 38, 38, 38], -4))))))) COMMENT 'Community ID v1, seed 0',
  start DateTime64(6, 'UTC') COMMENT 'time of the first packet' CODEC(T64, Default),
  end DateTime64(6, 'UTC') COMMENT 'time of the last packet' CODEC(T64, Default),
  duration Float64 ALIAS (toUnixTimestamp64Micro(end) - toUnixTimestamp64Micro(start)) * 1e-6 COMMENT 'end minus start',
  src_ip IPv6 COMMENT 'initiator\'s address (IPv4 mapped)' CODEC(Default),
  dst_ip IPv6 COMMENT 'responder\'s address (IPv4 mapped)' CODEC(Default),
  src_port UInt16 COMMENT 'initiator\'s port; ICMP: type' CODEC(Default),
  dst_port UInt16 COMMENT 'responder\'s port; ICMP: code' CODEC(Default),
  proto UInt8 COMMENT 'IP protocol number' CODEC(Default),
  vlan UInt16 COMMENT 'outermost VLAN of the first packet; 0 without a tag' CODEC(Default),
  tunnel LowCardinality(String) COMMENT 'encapsulations, outermost first, such as gre/erspan2' CODEC(Default),
  src_zone LowCardinality(String) COMMENT 'zone of the initiator\'s address' CODEC(Default),
  dst_zone LowCardinality(String) COMMENT 'zone of the responder\'s address' CODEC(Default),
  direction LowCardinality(String) COMMENT 'outbound, inbound, internal, external, by home network' CODEC(Default),
  src_packets UInt64 COMMENT 'packets sent by the initiator' CODEC(T64, Default),
  dst_packets UInt64 COMMENT 'packets sent by the responder' CODEC(T64, Default),
  src_bytes UInt64 COMMENT 'IP bytes sent by the initiator' CODEC(T64, Default),
  dst_bytes UInt64 COMMENT 'IP bytes sent by the responder' CODEC(T64, Default),
  src_payload UInt64 COMMENT 'payload sent by the initiator; TCP: by sequence' CODEC(T64, Default),
  dst_payload UInt64 COMMENT 'payload sent by the responder; TCP: by sequence' CODEC(T64, Default),
  state LowCardinality(String) COMMENT 'connection state, Zeek\'s words' CODEC(Default),
  history String COMMENT 'events in order, Zeek\'s letters; upper case: initiator' CODEC(Default),
  src_flags UInt8 COMMENT 'TCP flags seen from the initiator, or-ed' CODEC(Default),
  dst_flags UInt8 COMMENT 'TCP flags seen from the responder, or-ed' CODEC(Default),
  src_retransmits UInt32 COMMENT 'segments sent again by the initiator' CODEC(T64, Default),
  dst_retransmits UInt32 COMMENT 'segments sent again by the responder' CODEC(T64, Default),
  src_out_of_order UInt32 COMMENT 'segments of the initiator that filled an earlier gap' CODEC(T64, Default),
  dst_out_of_order UInt32 COMMENT 'segments of the responder that filled an earlier gap' CODEC(T64, Default),
  src_zero_windows UInt32 COMMENT 'segments in which the initiator closed its window' CODEC(T64, Default),
  dst_zero_windows UInt32 COMMENT 'segments in which the responder closed its window' CODEC(T64, Default),
  missed_bytes UInt64 COMMENT 'payload that was sent but never seen, both directions' CODEC(T64, Default),
  rtt Float32 COMMENT 'SYN to the ACK that ends the handshake; 0: not seen' CODEC(Default),
  end_reason UInt8 COMMENT '1 idle, 2 active timeout, 3 end seen, 4 forced, 5 evicted' CODEC(Default),
  src_len_min Float32 ALIAS shape[1] COMMENT 'smallest IP packet length of packets sent by the initiator',
  src_len_mean Float32 ALIAS shape[2] COMMENT 'mean IP packet length of packets sent by the initiator',
  src_len_std Float32 ALIAS shape[3] COMMENT 'standard deviation of IP packet length of packets sent by the initiator',
  src_len_max Float32 ALIAS shape[4] COMMENT 'largest IP packet length of packets sent by the initiator',
  src_iat_min Float32 ALIAS shape[5] COMMENT 'smallest time between successive packets sent by the initiator',
  src_iat_mean Float32 ALIAS shape[6] COMMENT 'mean time between successive packets sent by the initiator',
  src_iat_std Float32 ALIAS shape[7] COMMENT 'standard deviation of time between successive packets sent by the initiator',
  src_iat_max Float32 ALIAS shape[8] COMMENT 'largest time between successive packets sent by the initiator',
  dst_len_min Float32 ALIAS shape[9] COMMENT 'smallest IP packet length of packets sent by the responder',
  dst_len_mean Float32 ALIAS shape[10] COMMENT 'mean IP packet length of packets sent by the responder',
  dst_len_std Float32 ALIAS shape[11] COMMENT 'standard deviation of IP packet length of packets sent by the responder',
  dst_len_max Float32 ALIAS shape[12] COMMENT 'largest IP packet length of packets sent by the responder',
  dst_iat_min Float32 ALIAS shape[13] COMMENT 'smallest time between successive packets sent by the responder',
  dst_iat_mean Float32 ALIAS shape[14] COMMENT 'mean time between successive packets sent by the responder',
  dst_iat_std Float32 ALIAS shape[15] COMMENT 'standard deviation of time between successive packets sent by the responder',
  dst_iat_max Float32 ALIAS shape[16] COMMENT 'largest time between successive packets sent by the responder',
  splt_len Array(Int32) COMMENT 'IP length of the first 16 packets; negative: sent by the responder' CODEC(Default),
  splt_iat Array(UInt32) COMMENT 'time since the packet before it, for the packets of splt_len' CODEC(T64, Default),
  src_entropy Float32 COMMENT 'Shannon entropy of the initiator\'s first payload; 0: none' CODEC(Default),
  dst_entropy Float32 COMMENT 'Shannon entropy of the responder\'s first payload; 0: none' CODEC(Default),
  service LowCardinality(String) COMMENT 'application protocol, by content first, port second' CODEC(Default),
  service_on_odd_port Bool COMMENT 'content and port disagree about the service' CODEC(Default),
  server_name String COMMENT 'TLS or QUIC SNI, HTTP host' CODEC(Default),
  alpn LowCardinality(String) COMMENT 'application protocol chosen, else first offered' CODEC(Default),
  tls_version LowCardinality(String) COMMENT 'TLS version agreed, else best offered' CODEC(Default),
  cert_names Array(String) COMMENT 'names in the server\'s certificate (TLS 1.2 and before)' CODEC(Default),
  ja4 LowCardinality(String) COMMENT 'JA4 fingerprint of the TLS client' CODEC(Default),
  http_method LowCardinality(String) COMMENT 'method of the first request' CODEC(Default),
  http_uri String COMMENT 'target of the first request, without query' CODEC(Default),
  http_status UInt16 COMMENT 'status of the first response; 0: none' CODEC(Default),
  user_agent String COMMENT 'User-Agent of the first request' CODEC(Default),
  dns_query String COMMENT 'name asked for first' CODEC(Default),
  dns_type LowCardinality(String) COMMENT 'type asked for' CODEC(Default),
  dns_rcode LowCardinality(String) COMMENT 'answer\'s code' CODEC(Default),
  dns_answers Array(String) COMMENT 'answers, at most 16' CODEC(Default),
  dns_ttl UInt32 COMMENT 'lowest time to live among the answers' CODEC(T64, Default),
  ssh_client String COMMENT 'client\'s version banner' CODEC(Default),
  ssh_server String COMMENT 'server\'s version banner' CODEC(Default),
  hassh LowCardinality(String) COMMENT 'HASSH fingerprint of the SSH client' CODEC(Default),
  icmp_type UInt8 COMMENT 'type of the first ICMP message' CODEC(Default),
  icmp_code UInt8 COMMENT 'code of the first ICMP message' CODEC(Default),
  model_version LowCardinality(String) COMMENT 'model that scored the flow; empty: none' CODEC(Default),
  score Float32 COMMENT 'anomaly score, 0–1, higher is stranger; 0: not scored' CODEC(Default),
  p_value Float64 DEFAULT 1 COMMENT 'share of usual flows of the service at least as strange; 1: not scored' CODEC(Default),
  reasons Array(String) COMMENT 'features that made the score high, strongest first' CODEC(Default),
  community_id_other String COMMENT 'community_id where the ends do not give it; else empty' CODEC(Default),
  shape_other Array(Float32) COMMENT 'shape where splt_len and splt_iat do not give it; else empty' CODEC(Default),
  shape Array(Float32) ALIAS if(notEmpty(shape_other), shape_other, arrayFlatten(arrayMap((values, unit) -> if(empty(values), [0, 0, 0, 0], [toFloat32(arrayMin(values) * unit), toFloat32(arrayAvg(values) * unit), toFloat32(sqrt(greatest(arraySum(value -> value * value, values) / length(values) - arrayAvg(values) * arrayAvg(values), 0)) * unit), toFloat32(arrayMax(values) * unit)]), [arrayMap(size -> toInt64(abs(size)), arrayFilter(size -> size > 0, splt_len)), arrayPopFront(arrayDifference(arrayFilter((moment, size) -> size > 0, arrayCumSum(arrayResize(splt_iat, length(splt_len))), splt_len))), arrayMap(size -> toInt64(abs(size)), arrayFilter(size -> size < 0, splt_len)), arrayPopFront(arrayDifference(arrayFilter((moment, size) -> size < 0, arrayCumSum(arrayResize(splt_iat, length(splt_len))), splt_len)))], [1, 1e-6, 1, 1e-6]))) COMMENT 'src_len_min … dst_iat_max',
  INDEX by_src_ip src_ip TYPE bloom_filter(0.025) GRANULARITY 1,
  INDEX by_dst_ip dst_ip TYPE bloom_filter(0.025) GRANULARITY 1,
  INDEX by_community_id community_id TYPE bloom_filter(0.025) GRANULARITY 1,
  INDEX by_server_name server_name TYPE bloom_filter(0.025) GRANULARITY 1,
  INDEX by_dns_query dns_query TYPE bloom_filter(0.025) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY (run_id, if(run_id = '', toYYYYMMDD(start), 0))
ORDER BY (toStartOfHour(start), src_ip)
TTL toDateTime(start) + INTERVAL 1 HOUR RECOMPRESS CODEC(ZSTD(5))
SETTINGS index_granularity = 8192, min_bytes_for_wide_part = 268435456, parts_to_throw_insert = 30000, non_replicated_deduplication_window = 1000, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1, min_parts_to_merge_at_once = 10, merge_selector_base = 10;
CREATE TABLE IF NOT EXISTS flows_incoming (
  sensor LowCardinality(String) COMMENT 'name of the sensor that saw the flow' CODEC(Default),
  run_id LowCardinality(String) COMMENT 'replay that made the row; empty for live traffic' CODEC(Default),
  flow_id UInt64 COMMENT 'stable hash of the flow\'s key and start' CODEC(Default),
  part UInt32 COMMENT '0, 1, … for a long flow reported in parts' CODEC(T64, Default),
  community_id String ALIAS if(notEmpty(community_id_other), community_id_other, concat('1:', base64Encode(SHA1(concat('\0\0', substring(if((((proto = 1) OR (proto = 58)) AND (multiIf(proto = 1, transform(src_port, [8, 0, 13, 14, 15, 16, 17, 18, 10, 9], [0, 8, 14, 13, 16, 15, 18, 17, 9, 10], 65535), proto = 58, transform(src_port, [128, 129, 133, 134, 135, 136, 130, 131, 139, 140, 144, 145], [129, 128, 134, 133, 136, 135, 131, 130, 140, 139, 145, 144], 65535), dst_port) = 65535)) OR ((src_ip, src_port) <= (dst_ip, multiIf(proto = 1, transform(src_port, [8, 0, 13, 14, 15, 16, 17, 18, 10, 9], [0, 8, 14, 13, 16, 15, 18, 17, 9, 10], 65535), proto = 58, transform(src_port, [128, 129, 133, 134, 135, 136, 130, 131, 139, 140, 144, 145], [129, 128, 134, 133, 136, 135, 131, 130, 140, 139, 145, 144], 65535), dst_port))), concat(substring(reinterpretAsFixedString(src_ip), if(bitShiftRight(toUInt128(src_ip), 32) = 65535, 13, 1)), substring(reinterpretAsFixedString(dst_ip), if(bitShiftRight(toUInt128(src_ip), 32) = 65535, 13, 1)), char(proto, 0), reinterpretAsFixedString(byteSwap(src_port)), reinterpretAsFixedString(byteSwap(if((((proto = 1) OR (proto = 58)) AND (multiIf(proto = 1, transform(src_port, [8, 0, 13, 14, 15, 16, 17, 18, 10, 9], [0, 8, 14, 13, 16, 15, 18, 17, 9, 10], 65535), proto = 58, transform(src_port, [128, 129, 133, 134, 135, 136, 130, 131, 139, 140, 144, 145], [129, 128, 134, 133, 136, 135, 131, 130, 140, 139, 145, 144], 65535), dst_port) = 65535)), dst_port, multiIf(proto = 1, transform(src_port, [8, 0, 13, 14, 15, 16, 17, 18, 10, 9], [0, 8, 14, 13, 16, 15, 18, 17, 9, 10], 65535), proto = 58, transform(src_port, [128, 129, 133, 134, 135, 136, 130, 131, 139, 140, 144, 145], [129, 128, 134, 133, 136, 135, 131, 130, 140, 139, 145, 144], 65535), dst_port))))), concat(substring(reinterpretAsFixedString(dst_ip), if(bitShiftRight(toUInt128(src_ip), 32) = 65535, 13, 1)), substring(reinterpretAsFixedString(src_ip), if(bitShiftRight(toUInt128(src_ip), 32) = 65535, 13, 1)), char(proto, 0), reinterpretAsFixedString(byteSwap(if((((proto = 1) OR (proto = 58)) AND (multiIf(proto = 1, transform(src_port, [8, 0, 13, 14, 15, 16, 17, 18, 10, 9], [0, 8, 14, 13, 16, 15, 18, 17, 9, 10], 65535), proto = 58, transform(src_port, [128, 129, 133, 134, 135, 136, 130, 131, 139, 140, 144, 145], [129, 128, 134, 133, 136, 135, 131, 130, 140, 139, 145, 144], 65535), dst_port) = 65535)), dst_port, multiIf(proto = 1, transform(src_port, [8, 0, 13, 14, 15, 16, 17, 18, 10, 9], [0, 8, 14, 13, 16, 15, 18, 17, 9, 10], 65535), proto = 58, transform(src_port, [128, 129, 133, 134, 135, 136, 130, 131, 139, 140, 144, 145], [129, 128, 134, 133, 136, 135, 131, 130, 140, 139, 145, 144], 65535), dst_port)))), reinterpretAsFixedString(byteSwap(src_port)))), 1, transform(proto, [1, 6, 17, 58, 132], [38, 38, 38, 38, 38], -4))))))) COMMENT 'Community ID v1, seed 0',
  start DateTime64(6, 'UTC') COMMENT 'time of the first packet' CODEC(T64, Default),
  end DateTime64(6, 'UTC') COMMENT 'time of the last packet' CODEC(T64, Default),
  duration Float64 ALIAS (toUnixTimestamp64Micro(end) - toUnixTimestamp64Micro(start)) * 1e-6 COMMENT 'end minus start',
  src_ip IPv6 COMMENT 'initiator\'s address (IPv4 mapped)' CODEC(Default),
  dst_ip IPv6 COMMENT 'responder\'s address (IPv4 mapped)' CODEC(Default),
  src_port UInt16 COMMENT 'initiator\'s port; ICMP: type' CODEC(Default),
  dst_port UInt16 COMMENT 'responder\'s port; ICMP: code' CODEC(Default),
  proto UInt8 COMMENT 'IP protocol number' CODEC(Default),
  vlan UInt16 COMMENT 'outermost VLAN of the first packet; 0 without a tag' CODEC(Default),
  tunnel LowCardinality(String) COMMENT 'encapsulations, outermost first, such as gre/erspan2' CODEC(Default),
  src_zone LowCardinality(String) COMMENT 'zone of the initiator\'s address' CODEC(Default),
  dst_zone LowCardinality(String) COMMENT 'zone of the responder\'s address' CODEC(Default),
  direction LowCardinality(String) COMMENT 'outbound, inbound, internal, external, by home network' CODEC(Default),
  src_packets UInt64 COMMENT 'packets sent by the initiator' CODEC(T64, Default),
  dst_packets UInt64 COMMENT 'packets sent by the responder' CODEC(T64, Default),
  src_bytes UInt64 COMMENT 'IP bytes sent by the initiator' CODEC(T64, Default),
  dst_bytes UInt64 COMMENT 'IP bytes sent by the responder' CODEC(T64, Default),
  src_payload UInt64 COMMENT 'payload sent by the initiator; TCP: by sequence' CODEC(T64, Default),
  dst_payload UInt64 COMMENT 'payload sent by the responder; TCP: by sequence' CODEC(T64, Default),
  state LowCardinality(String) COMMENT 'connection state, Zeek\'s words' CODEC(Default),
  history String COMMENT 'events in order, Zeek\'s letters; upper case: initiator' CODEC(Default),
  src_flags UInt8 COMMENT 'TCP flags seen from the initiator, or-ed' CODEC(Default),
  dst_flags UInt8 COMMENT 'TCP flags seen from the responder, or-ed' CODEC(Default),
  src_retransmits UInt32 COMMENT 'segments sent again by the initiator' CODEC(T64, Default),
  dst_retransmits UInt32 COMMENT 'segments sent again by the responder' CODEC(T64, Default),
  src_out_of_order UInt32 COMMENT 'segments of the initiator that filled an earlier gap' CODEC(T64, Default),
  dst_out_of_order UInt32 COMMENT 'segments of the responder that filled an earlier gap' CODEC(T64, Default),
  src_zero_windows UInt32 COMMENT 'segments in which the initiator closed its window' CODEC(T64, Default),
  dst_zero_windows UInt32 COMMENT 'segments in which the responder closed its window' CODEC(T64, Default),
  missed_bytes UInt64 COMMENT 'payload that was sent but never seen, both directions' CODEC(T64, Default),
  rtt Float32 COMMENT 'SYN to the ACK that ends the handshake; 0: not seen' CODEC(Default),
  end_reason UInt8 COMMENT '1 idle, 2 active timeout, 3 end seen, 4 forced, 5 evicted' CODEC(Default),
  src_len_min Float32 ALIAS shape[1] COMMENT 'smallest IP packet length of packets sent by the initiator',
  src_len_mean Float32 ALIAS shape[2] COMMENT 'mean IP packet length of packets sent by the initiator',
  src_len_std Float32 ALIAS shape[3] COMMENT 'standard deviation of IP packet length of packets sent by the initiator',
  src_len_max Float32 ALIAS shape[4] COMMENT 'largest IP packet length of packets sent by the initiator',
  src_iat_min Float32 ALIAS shape[5] COMMENT 'smallest time between successive packets sent by the initiator',
  src_iat_mean Float32 ALIAS shape[6] COMMENT 'mean time between successive packets sent by the initiator',
  src_iat_std Float32 ALIAS shape[7] COMMENT 'standard deviation of time between successive packets sent by the initiator',
  src_iat_max Float32 ALIAS shape[8] COMMENT 'largest time between successive packets sent by the initiator',
  dst_len_min Float32 ALIAS shape[9] COMMENT 'smallest IP packet length of packets sent by the responder',
  dst_len_mean Float32 ALIAS shape[10] COMMENT 'mean IP packet length of packets sent by the responder',
  dst_len_std Float32 ALIAS shape[11] COMMENT 'standard deviation of IP packet length of packets sent by the responder',
  dst_len_max Float32 ALIAS shape[12] COMMENT 'largest IP packet length of packets sent by the responder',
  dst_iat_min Float32 ALIAS shape[13] COMMENT 'smallest time between successive packets sent by the responder',
  dst_iat_mean Float32 ALIAS shape[14] COMMENT 'mean time between successive packets sent by the responder',
  dst_iat_std Float32 ALIAS shape[15] COMMENT 'standard deviation of time between successive packets sent by the responder',
  dst_iat_max Float32 ALIAS shape[16] COMMENT 'largest time between successive packets sent by the responder',
  splt_len Array(Int32) COMMENT 'IP length of the first 16 packets; negative: sent by the responder' CODEC(Default),
  splt_iat Array(UInt32) COMMENT 'time since the packet before it, for the packets of splt_len' CODEC(T64, Default),
  src_entropy Float32 COMMENT 'Shannon entropy of the initiator\'s first payload; 0: none' CODEC(Default),
  dst_entropy Float32 COMMENT 'Shannon entropy of the responder\'s first payload; 0: none' CODEC(Default),
  service LowCardinality(String) COMMENT 'application protocol, by content first, port second' CODEC(Default),
  service_on_odd_port Bool COMMENT 'content and port disagree about the service' CODEC(Default),
  server_name String COMMENT 'TLS or QUIC SNI, HTTP host' CODEC(Default),
  alpn LowCardinality(String) COMMENT 'application protocol chosen, else first offered' CODEC(Default),
  tls_version LowCardinality(String) COMMENT 'TLS version agreed, else best offered' CODEC(Default),
  cert_names Array(String) COMMENT 'names in the server\'s certificate (TLS 1.2 and before)' CODEC(Default),
  ja4 LowCardinality(String) COMMENT 'JA4 fingerprint of the TLS client' CODEC(Default),
  http_method LowCardinality(String) COMMENT 'method of the first request' CODEC(Default),
  http_uri String COMMENT 'target of the first request, without query' CODEC(Default),
  http_status UInt16 COMMENT 'status of the first response; 0: none' CODEC(Default),
  user_agent String COMMENT 'User-Agent of the first request' CODEC(Default),
  dns_query String COMMENT 'name asked for first' CODEC(Default),
  dns_type LowCardinality(String) COMMENT 'type asked for' CODEC(Default),
  dns_rcode LowCardinality(String) COMMENT 'answer\'s code' CODEC(Default),
  dns_answers Array(String) COMMENT 'answers, at most 16' CODEC(Default),
  dns_ttl UInt32 COMMENT 'lowest time to live among the answers' CODEC(T64, Default),
  ssh_client String COMMENT 'client\'s version banner' CODEC(Default),
  ssh_server String COMMENT 'server\'s version banner' CODEC(Default),
  hassh LowCardinality(String) COMMENT 'HASSH fingerprint of the SSH client' CODEC(Default),
  icmp_type UInt8 COMMENT 'type of the first ICMP message' CODEC(Default),
  icmp_code UInt8 COMMENT 'code of the first ICMP message' CODEC(Default),
  model_version LowCardinality(String) COMMENT 'model that scored the flow; empty: none' CODEC(Default),
  score Float32 COMMENT 'anomaly score, 0–1, higher is stranger; 0: not scored' CODEC(Default),
  p_value Float64 DEFAULT 1 COMMENT 'share of usual flows of the service at least as strange; 1: not scored' CODEC(Default),
  reasons Array(String) COMMENT 'features that made the score high, strongest first' CODEC(Default),
  community_id_other String COMMENT 'community_id where the ends do not give it; else empty' CODEC(Default),
  shape_other Array(Float32) COMMENT 'shape where splt_len and splt_iat do not give it; else empty' CODEC(Default),
  shape Array(Float32) ALIAS if(notEmpty(shape_other), shape_other, arrayFlatten(arrayMap((values, unit) -> if(empty(values), [0, 0, 0, 0], [toFloat32(arrayMin(values) * unit), toFloat32(arrayAvg(values) * unit), toFloat32(sqrt(greatest(arraySum(value -> value * value, values) / length(values) - arrayAvg(values) * arrayAvg(values), 0)) * unit), toFloat32(arrayMax(values) * unit)]), [arrayMap(size -> toInt64(abs(size)), arrayFilter(size -> size > 0, splt_len)), arrayPopFront(arrayDifference(arrayFilter((moment, size) -> size > 0, arrayCumSum(arrayResize(splt_iat, length(splt_len))), splt_len))), arrayMap(size -> toInt64(abs(size)), arrayFilter(size -> size < 0, splt_len)), arrayPopFront(arrayDifference(arrayFilter((moment, size) -> size < 0, arrayCumSum(arrayResize(splt_iat, length(splt_len))), splt_len)))], [1, 1e-6, 1, 1e-6]))) COMMENT 'src_len_min … dst_iat_max',
  INDEX by_src_ip src_ip TYPE bloom_filter(0.025) GRANULARITY 1,
  INDEX by_dst_ip dst_ip TYPE bloom_filter(0.025) GRANULARITY 1,
  INDEX by_community_id community_id TYPE bloom_filter(0.025) GRANULARITY 1,
  INDEX by_server_name server_name TYPE bloom_filter(0.025) GRANULARITY 1,
  INDEX by_dns_query dns_query TYPE bloom_filter(0.025) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY (run_id, if(run_id = '', toYYYYMMDD(start), 0))
ORDER BY (toStartOfHour(start), src_ip)
TTL toDateTime(start) + INTERVAL 1 HOUR RECOMPRESS CODEC(ZSTD(5))
SETTINGS index_granularity = 8192, min_bytes_for_wide_part = 268435456, parts_to_throw_insert = 30000, parts_to_delay_insert = 30000, max_bytes_to_merge_at_max_space_in_pool = 1;
CREATE TABLE IF NOT EXISTS flows_by_minute (
  run_id LowCardinality(String) COMMENT 'replay; empty for live traffic',
  minute DateTime('UTC') COMMENT 'minute in which the flows began',
  sensor LowCardinality(String) COMMENT 'sensor that saw them',
  service LowCardinality(String) COMMENT 'application protocol',
  direction LowCardinality(String) COMMENT 'outbound, inbound, internal, external',
  src_zone LowCardinality(String) COMMENT 'zone of the initiators',
  dst_zone LowCardinality(String) COMMENT 'zone of the responders',
  flows SimpleAggregateFunction(sum, UInt64) COMMENT 'flows',
  src_packets SimpleAggregateFunction(sum, UInt64) COMMENT 'packets sent by the initiators',
  dst_packets SimpleAggregateFunction(sum, UInt64) COMMENT 'packets sent by the responders',
  src_bytes SimpleAggregateFunction(sum, UInt64) COMMENT 'IP bytes sent by the initiators',
  dst_bytes SimpleAggregateFunction(sum, UInt64) COMMENT 'IP bytes sent by the responders',
  missed_bytes SimpleAggregateFunction(sum, UInt64) COMMENT 'payload that was sent but never seen',
  unanswered SimpleAggregateFunction(sum, UInt64) COMMENT 'flows without a packet of the responder',
  least_p_value SimpleAggregateFunction(min, Float64) COMMENT 'lowest p-value of a flow'
)
ENGINE = AggregatingMergeTree
PARTITION BY (run_id, if(run_id = '', toYYYYMMDD(minute), 0))
ORDER BY (minute, sensor, service, direction, src_zone, dst_zone)
SETTINGS non_replicated_deduplication_window = 1000, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1;
CREATE TABLE IF NOT EXISTS hosts_by_hour (
  run_id LowCardinality(String) COMMENT 'replay; empty for live traffic',
  hour DateTime('UTC') COMMENT 'hour in which the flows began',
  host IPv6 COMMENT 'the inside end; external traffic: the initiator',
  service LowCardinality(String) COMMENT 'application protocol',
  direction LowCardinality(String) COMMENT 'outbound, inbound, internal, external',
  flows SimpleAggregateFunction(sum, UInt64) COMMENT 'flows',
  sent SimpleAggregateFunction(sum, UInt64) COMMENT 'IP bytes sent by the host',
  received SimpleAggregateFunction(sum, UInt64) COMMENT 'IP bytes received by the host',
  unanswered SimpleAggregateFunction(sum, UInt64) COMMENT 'flows without a packet of the responder'
)
ENGINE = AggregatingMergeTree
PARTITION BY (run_id, if(run_id = '', toYYYYMM(hour), 0))
ORDER BY (host, hour, service, direction)
SETTINGS non_replicated_deduplication_window = 1000, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1;
CREATE TABLE IF NOT EXISTS first_seen (
  run_id LowCardinality(String) COMMENT 'replay; empty for live traffic',
  kind LowCardinality(String) COMMENT 'peer, name or ja4',
  host IPv6 COMMENT 'inside host that opened the connections',
  value String COMMENT 'address of the peer, name asked for or named, or JA4 fingerprint',
  first SimpleAggregateFunction(min, DateTime64(6, 'UTC')) COMMENT 'start of the first flow',
  last SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'start of the last flow',
  flows SimpleAggregateFunction(sum, UInt64) COMMENT 'flows'
)
ENGINE = AggregatingMergeTree
PARTITION BY (run_id, if(run_id = '', 0, 0))
ORDER BY (kind, host, value)
SETTINGS non_replicated_deduplication_window = 1000;
CREATE TABLE IF NOT EXISTS incidents (
  run_id LowCardinality(String) COMMENT 'replay that found it; empty for live traffic',
  incident_id String COMMENT 'stable hash of detector, host, what it is about and the first time',
  event LowCardinality(String) COMMENT 'opened, updated or closed',
  recorded DateTime64(6, 'UTC') COMMENT 'when the event was stored (wall clock)',
  detector LowCardinality(String) COMMENT 'anomaly, or the id of the hunt',
  severity LowCardinality(String) COMMENT 'low, medium, high, critical',
  host String COMMENT 'address of whom to look at first',
  peer String COMMENT 'address or name of the other end',
  service LowCardinality(String) COMMENT 'application protocol, where it is one',
  first_seen DateTime64(6, 'UTC') COMMENT 'event time of the first evidence',
  last_seen DateTime64(6, 'UTC') COMMENT 'event time of the last evidence',
  flows UInt64 COMMENT 'flows that are evidence',
  score Float64 COMMENT '0-1, higher is stranger',
  p_value Nullable(Float64) COMMENT 'combined p-value; null where the detector has none',
  reasons Array(String) COMMENT 'sentences, the strongest first',
  attack Array(String) COMMENT 'ATT&CK technique ids',
  community_ids Array(String) COMMENT 'Community IDs of some of the flows',
  names Array(String) COMMENT 'names asked for or spoken to in these flows, at most ten',
  ports Array(UInt16) COMMENT 'responders\' ports of these flows',
  ja4 Array(String) COMMENT 'JA4 of the clients in these flows',
  state LowCardinality(String) COMMENT 'open, waiting (over the alert budget), suppressed, closed',
  stage LowCardinality(String) COMMENT 'stage of an intrusion to which the behaviour belongs',
  story String COMMENT 'id of the story of which it is a part; empty: of none',
  suppression String COMMENT 'id of the suppression that hides it',
  writer LowCardinality(String) COMMENT 'who wrote the event: a sensor, or operator; each writer\'s events are a chain',
  ordinal UInt64 COMMENT 'place of the event in the chain of its run and writer, from 1',
  previous String COMMENT 'hash of the event before it; empty: the first',
  hash String COMMENT 'BLAKE2b of this event, `previous` among its fields'
)
ENGINE = MergeTree
PARTITION BY (run_id, if(run_id = '', toYYYYMM(first_seen), 0))
ORDER BY (incident_id, recorded)
SETTINGS non_replicated_deduplication_window = 1000, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1;
CREATE TABLE IF NOT EXISTS incidents_incoming (
  run_id LowCardinality(String) COMMENT 'replay that found it; empty for live traffic',
  incident_id String COMMENT 'stable hash of detector, host, what it is about and the first time',
  event LowCardinality(String) COMMENT 'opened, updated or closed',
  recorded DateTime64(6, 'UTC') COMMENT 'when the event was stored (wall clock)',
  detector LowCardinality(String) COMMENT 'anomaly, or the id of the hunt',
  severity LowCardinality(String) COMMENT 'low, medium, high, critical',
  host String COMMENT 'address of whom to look at first',
  peer String COMMENT 'address or name of the other end',
  service LowCardinality(String) COMMENT 'application protocol, where it is one',
  first_seen DateTime64(6, 'UTC') COMMENT 'event time of the first evidence',
  last_seen DateTime64(6, 'UTC') COMMENT 'event time of the last evidence',
  flows UInt64 COMMENT 'flows that are evidence',
  score Float64 COMMENT '0-1, higher is stranger',
  p_value Nullable(Float64) COMMENT 'combined p-value; null where the detector has none',
  reasons Array(String) COMMENT 'sentences, the strongest first',
  attack Array(String) COMMENT 'ATT&CK technique ids',
  community_ids Array(String) COMMENT 'Community IDs of some of the flows',
  names Array(String) COMMENT 'names asked for or spoken to in these flows, at most ten',
  ports Array(UInt16) COMMENT 'responders\' ports of these flows',
  ja4 Array(String) COMMENT 'JA4 of the clients in these flows',
  state LowCardinality(String) COMMENT 'open, waiting (over the alert budget), suppressed, closed',
  stage LowCardinality(String) COMMENT 'stage of an intrusion to which the behaviour belongs',
  story String COMMENT 'id of the story of which it is a part; empty: of none',
  suppression String COMMENT 'id of the suppression that hides it',
  writer LowCardinality(String) COMMENT 'who wrote the event: a sensor, or operator; each writer\'s events are a chain',
  ordinal UInt64 COMMENT 'place of the event in the chain of its run and writer, from 1',
  previous String COMMENT 'hash of the event before it; empty: the first',
  hash String COMMENT 'BLAKE2b of this event, `previous` among its fields'
)
ENGINE = MergeTree
PARTITION BY (run_id, if(run_id = '', toYYYYMM(first_seen), 0))
ORDER BY (incident_id, recorded);
CREATE TABLE IF NOT EXISTS runs (
  run_id String COMMENT 'hash of the inputs, or what the operator chose',
  state LowCardinality(String) COMMENT 'writing, stored (flows are in), done (incidents are in), partial (done, but interrupted)',
  recorded DateTime64(6, 'UTC') COMMENT 'when the state was reached (wall clock)',
  sensor LowCardinality(String) COMMENT 'sensor that the replay stands for',
  sources Array(String) COMMENT 'names of the captures',
  model_version LowCardinality(String) COMMENT 'model that scored the flows',
  flows UInt64 COMMENT 'flows stored'
)
ENGINE = MergeTree
ORDER BY (run_id, recorded);
CREATE TABLE IF NOT EXISTS verdicts (
  recorded DateTime64(6, 'UTC') COMMENT 'when it was given (wall clock)',
  run_id LowCardinality(String) COMMENT 'replay that found the incident; empty for live traffic',
  incident_id String COMMENT 'incident that was judged',
  detector LowCardinality(String) COMMENT 'its detector',
  verdict LowCardinality(String) COMMENT 'true, false or benign; the latest of an incident counts',
  note String COMMENT 'why',
  owner String COMMENT 'who judged'
)
ENGINE = MergeTree
ORDER BY (incident_id, recorded);
CREATE TABLE IF NOT EXISTS suppressions (
  suppression_id String COMMENT '16 hex digits',
  event LowCardinality(String) COMMENT 'added or ended; the latest counts',
  recorded DateTime64(6, 'UTC') COMMENT 'when the event was stored (wall clock)',
  detector LowCardinality(String) COMMENT 'only incidents of this detector; empty: of any',
  host String COMMENT 'only with this host, or one of this network; empty: any',
  peer String COMMENT 'only with this peer, or one of this network; empty: any',
  name String COMMENT 'only when all names are this domain or below it; empty: any',
  port UInt16 COMMENT 'only when all flows go to this port; 0: any',
  ja4 String COMMENT 'only when all clients have this JA4; empty: any',
  expires DateTime64(6, 'UTC') COMMENT 'from then on it hides nothing',
  reason String COMMENT 'why it may be hidden',
  owner String COMMENT 'who answers for it'
)
ENGINE = MergeTree
ORDER BY (suppression_id, recorded);
CREATE TABLE IF NOT EXISTS sensor_health (
  run_id LowCardinality(String) COMMENT 'replay; empty for live traffic',
  sensor LowCardinality(String) COMMENT 'sensor',
  measure LowCardinality(String) COMMENT 'name of the measure, that of the metric without monitor_',
  label LowCardinality(String) COMMENT 'its label, such as a reason or a buffer; empty: none',
  at DateTime64(6, 'UTC') COMMENT 'event time up to which it was measured',
  value Float64 COMMENT 'value; totals since the sensor or the replay began'
)
ENGINE = MergeTree
PARTITION BY (run_id, if(run_id = '', toYYYYMM(at), 0))
ORDER BY (run_id, sensor, measure, label, at)
SETTINGS non_replicated_deduplication_window = 1000, ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1;
CREATE TABLE IF NOT EXISTS audit (
  at DateTime64(6, 'UTC') COMMENT 'when it was done (wall clock)',
  who LowCardinality(String) COMMENT 'user name',
  action LowCardinality(String) COMMENT 'query, suppress, verdict, export, carve, report, reveal, drop, migrate',
  subject String COMMENT 'what it was done to',
  detail String COMMENT 'how: options, query, reason'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(at)
ORDER BY at
SETTINGS ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1;
CREATE MATERIALIZED VIEW IF NOT EXISTS flows_by_minute_view TO flows_by_minute AS
SELECT '' AS run_id, toStartOfMinute(start) AS minute, sensor, service, direction, src_zone, dst_zone, count() AS flows, sum(f.src_packets) AS src_packets, sum(f.dst_packets) AS dst_packets, sum(f.src_bytes) AS src_bytes, sum(f.dst_bytes) AS dst_bytes, sum(f.missed_bytes) AS missed_bytes, countIf(f.dst_packets = 0) AS unanswered, min(p_value) AS least_p_value
FROM flows AS f WHERE f.run_id = ''
GROUP BY '', minute, sensor, service, direction, src_zone, dst_zone;
CREATE MATERIALIZED VIEW IF NOT EXISTS hosts_by_hour_view TO hosts_by_hour AS
SELECT '' AS run_id, toStartOfHour(start) AS hour, if(direction = 'inbound', dst_ip, src_ip) AS host, service, direction, count() AS flows, sum(if(direction = 'inbound', dst_bytes, src_bytes)) AS sent, sum(if(direction = 'inbound', src_bytes, dst_bytes)) AS received, countIf(dst_packets = 0) AS unanswered
FROM flows AS f WHERE f.run_id = ''
GROUP BY '', hour, host, service, direction;
CREATE MATERIALIZED VIEW IF NOT EXISTS first_seen_view TO first_seen AS
SELECT run AS run_id, 'peer' AS kind, host, if(bitShiftRight(toUInt128(what), 32) = 65535, IPv4NumToString(toUInt32(bitAnd(toUInt128(what), 4294967295))), toString(what)) AS value, earliest AS first, latest AS last, n AS flows FROM (
SELECT '' AS run, src_ip AS host, dst_ip AS what, min(start) AS earliest, max(start) AS latest, count() AS n
FROM flows AS f WHERE f.run_id = '' AND direction IN ('outbound', 'internal') AND dst_packets > 0
GROUP BY run, host, what)
WHERE value != '';
CREATE MATERIALIZED VIEW IF NOT EXISTS first_seen_view1 TO first_seen AS
SELECT run AS run_id, 'name' AS kind, host, what AS value, earliest AS first, latest AS last, n AS flows FROM (
SELECT '' AS run, src_ip AS host, if(server_name = '', dns_query, server_name) AS what, min(start) AS earliest, max(start) AS latest, count() AS n
FROM flows AS f WHERE f.run_id = '' AND direction IN ('outbound', 'internal') AND dst_packets > 0
GROUP BY run, host, what)
WHERE value != '';
CREATE MATERIALIZED VIEW IF NOT EXISTS first_seen_view2 TO first_seen AS
SELECT run AS run_id, 'ja4' AS kind, host, what AS value, earliest AS first, latest AS last, n AS flows FROM (
SELECT '' AS run, src_ip AS host, ja4 AS what, min(start) AS earliest, max(start) AS latest, count() AS n
FROM flows AS f WHERE f.run_id = '' AND direction IN ('outbound', 'internal') AND dst_packets > 0
GROUP BY run, host, what)
WHERE value != '';
CREATE OR REPLACE VIEW current_incidents AS
SELECT run_id, incident_id, event, recorded, detector, severity, host, peer, service, first_seen, last_seen, flows, score, p_value, reasons, attack, community_ids, names, ports, ja4, state, stage, story, suppression, writer, ordinal, previous, hash FROM incidents
ORDER BY recorded DESC, ordinal DESC LIMIT 1 BY run_id, incident_id;
CREATE OR REPLACE VIEW current_suppressions AS
SELECT * FROM suppressions ORDER BY recorded DESC LIMIT 1 BY suppression_id;
CREATE OR REPLACE VIEW current_verdicts AS
SELECT * FROM verdicts ORDER BY recorded DESC LIMIT 1 BY run_id, incident_id;
