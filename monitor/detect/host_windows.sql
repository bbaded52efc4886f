-- Activity of each home host in each window of {widths} seconds: one row a width, host and window, raw counts and sums.
-- A host is the initiator or the responder of a flow that lies at home. What needs a history (new peers, a usual amount
-- for this hour of the week, hours at which the host is never seen) is 0 or -1 until there is one, and says nothing.
WITH
  fromUnixTimestamp64Micro({since:Int64}, 'UTC') AS since_time,
  fromUnixTimestamp64Micro({until:Int64}, 'UTC') AS until_time,
  ends AS (
    SELECT
      src_ip AS host, dst_ip AS peer, true AS opened, src_bytes AS sent, dst_bytes AS received, start, duration, proto,
      dst_port, state, service, service_on_odd_port AS odd, ja4, dns_query, dns_rcode, src_payload, src_entropy, p_value,
      flow_id, dst_packets = 0 OR state IN ('S0', 'REJ', 'RSTOS0', 'RSTRH', 'SH') AS failed
    FROM flows
    WHERE run_id = {run:String} AND start < until_time AND direction IN ('outbound', 'internal')
    UNION ALL
    SELECT
      dst_ip AS host, src_ip AS peer, false AS opened, dst_bytes AS sent, src_bytes AS received, start, duration, proto,
      dst_port, state, service, service_on_odd_port AS odd, '' AS ja4, '' AS dns_query, '' AS dns_rcode, src_payload,
      src_entropy, p_value, flow_id, src_packets > 0 AND dst_packets = 0 AS failed
    FROM flows
    WHERE run_id = {run:String} AND start < until_time AND direction IN ('inbound', 'internal') AND dst_packets > 0
  ),
  meetings AS (SELECT host, peer, min(start) AS met FROM ends GROUP BY host, peer),
  acquaintance AS (SELECT host, min(met) AS known FROM meetings GROUP BY host),
  fingerprints AS (
    SELECT ja4 FROM ends WHERE ja4 != '' GROUP BY ja4
    HAVING uniqExact(host) = 1 AND (SELECT uniqExact(host) FROM ends WHERE ja4 != '') >= 10
  ),
  windows AS (
    SELECT
      host,
      arrayJoin({widths:Array(UInt32)}) AS width,
      toDateTime(intDiv(toUnixTimestamp(toDateTime(ends.start, 'UTC')), width) * width, 'UTC') AS window,
      countIf(opened) AS flows,
      countIf(NOT opened) AS accepted,
      uniqExactIf(peer, opened) AS peers,
      uniqExactIf(peer, NOT opened) AS clients,
      uniqExactIf((proto, dst_port), opened) AS ports,
      countIf(opened AND failed) AS failures,
      sum(sent) AS sent_bytes,
      sum(received) AS received_bytes,
      max(if(opened, sent, 0)) AS largest_upload,
      max(duration) AS longest,
      countIf(opened AND service = 'dns') AS lookups,
      uniqExactIf(dns_query, dns_query != '') AS names,
      countIf(dns_rcode = 'NXDOMAIN') AS unknown_names,
      sumIf(sent, opened AND service = 'dns') AS dns_sent,
      countIf(proto IN (1, 58)) AS pings,
      sumIf(sent + received, proto IN (1, 58)) AS ping_bytes,
      uniqExactIf(service, opened) AS services,
      sumIf(sent + received, opened AND service = 'unknown') AS unknown_bytes,
      countIf(opened AND odd) AS odd_flows,
      countIf(ja4 IN fingerprints) AS rare_clients,
      uniqExactIf(peer, opened AND met >= window AND known <= window - toIntervalDay(1)) AS new_peers,
      -- Cauchy combination of the flows' p-values (Liu, Xie: JASA 115, 2020); 1 is cut, or it would outweigh all others. The
      -- strangest flow is left out: `anomaly` judges it by the budget of its service, an hour is strange by several
      if(count() > 1, sum(tan((0.5 - least(greatest(p_value, 1e-12), 0.99)) * pi()) AS statistic) - max(statistic), 0)
        / greatest(count() - 1, 1) AS strangeness,
      argMax(peer, (sent + received, peer)) AS busiest,
      min(ends.start) AS first_seen,
      max(ends.start) AS last_seen,
      arrayMap(pair -> pair.2, groupArraySorted(10)((p_value, flow_id))) AS flow_ids
    FROM ends
    LEFT JOIN meetings USING (host, peer)
    LEFT JOIN acquaintance USING (host)
    GROUP BY host, width, window
  )
SELECT
  *,
  avg(sent_bytes + received_bytes) OVER hour_of_week AS usual_bytes,
  count() OVER hour_of_week AS usual_windows,
  if(window >= min(window) OVER whole + toIntervalDay(7) AND count() OVER hour_of_day = 0, 1, 0) AS unusual_hour
FROM windows
WINDOW
  whole AS (PARTITION BY width, host),
  hour_of_week AS (
    PARTITION BY width, host, toDayOfWeek(window), toHour(window) ORDER BY window
    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
  hour_of_day AS (
    PARTITION BY width, host, toHour(window) ORDER BY window ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
QUALIFY window >= since_time - toIntervalSecond(width)
ORDER BY width, host, window
