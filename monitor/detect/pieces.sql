-- Conditions that several hunts share; `{{name}}` in a hunt stands for the piece, in brackets.
-- piece: within | records of the run whose flow starts in the time asked about; a long flow has several
run_id = {run:String}
      AND start >= fromUnixTimestamp64Micro({since:Int64}, 'UTC') AND start < fromUnixTimestamp64Micro({until:Int64}, 'UTC')
-- piece: flows_within | flows of the run that start in the time asked about, each once
run_id = {run:String} AND part = 0
      AND start >= fromUnixTimestamp64Micro({since:Int64}, 'UTC') AND start < fromUnixTimestamp64Micro({until:Int64}, 'UTC')
-- piece: to_one_host | no multicast and no broadcast
NOT (dst_ip BETWEEN toIPv6('::ffff:224.0.0.0') AND toIPv6('::ffff:255.255.255.255')) AND dst_ip < toIPv6('ff00::')
-- piece: turned | the server was seen first (no SYN was captured): its low port is the initiator's, or it is UDP's
src_port < 10000 AND dst_port > 10000 AND proto IN (6, 17) AND (proto = 17 OR position(history, 'S') = 0)
-- piece: talked | both ends sent payload
src_payload > 0 AND dst_payload > 0
