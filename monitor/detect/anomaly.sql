-- id: anomaly
-- title: Flows unlike the usual traffic of their service
-- title_ja: 通常と異なる通信
-- severity: medium
-- attack: T1071
-- window: 1h
-- identity: host service
-- parameter: p_cut Float64 0 | flows with at most this p-value are anomalous; the alert budget sets it
-- parameter: services Array(String) [] | services with a cut of their own
-- parameter: cuts Array(Float64) [] | their cuts
-- parameter: gap Int64 900000000 | µs of event time without an anomalous flow that end the incident
-- reason if more: {more:count more flow} of {service} as strange, in all to {peers:count peer}
-- reason_ja: ほかに {service} の同程度に異常なフロー {more} 件、相手は計 {peers} 件
-- false_positive: software that is new at this site: train the model on a later window
-- reference: V. Vovk et al., Algorithmic Learning in a Random World, 2005 (conformal p-values)
-- reference: R. J. Simes, An improved Bonferroni procedure for multiple tests of significance, Biometrika 1986
-- runbook: docs/runbooks/anomaly.md
--
-- Host is the end at home: the responder of an inbound flow, else the initiator. Evidence of one host and service joins
-- one incident until it pauses. The p-values combine by Simes: the least p(i) * n / i; it holds for flows that depend on
-- each other as a host's flows do, and does not let many flows that are barely strange add up to a certainty.
WITH
  strange AS (
    SELECT
      *,
      if(has({services:Array(String)}, service), {cuts:Array(Float64)}[indexOf({services:Array(String)}, service)],
        {p_cut:Float64}) AS cut,
      if(direction = 'inbound', dst_ip, src_ip) AS host_ip, if(direction = 'inbound', src_ip, dst_ip) AS peer_ip,
      start > lagInFrame(start) OVER joined + toIntervalMicrosecond({gap:Int64}) AS begins
    FROM flows
    WHERE run_id = {run:String}
      AND start >= fromUnixTimestamp64Micro({since:Int64}, 'UTC') AND start < fromUnixTimestamp64Micro({until:Int64}, 'UTC')
      AND p_value <= cut AND model_version != ''
    WINDOW joined AS (
      PARTITION BY host_ip, service ORDER BY start, flow_id, part ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
  ),
  sessions AS (
    SELECT
      *, sum(begins) OVER (PARTITION BY host_ip, service ORDER BY start, flow_id, part ROWS UNBOUNDED PRECEDING) AS session
    FROM strange
  ),
  ends AS (
    SELECT
      host_ip, service, session, peer_ip, count() AS strange_flows, (strange_flows, sum(src_bytes + dst_bytes), peer_ip) AS rank,
      min(start) AS begun, max(end) AS ended, max(score) AS top, min(cut) AS least_cut, groupArray(p_value) AS p_values,
      min((p_value, -score, start, flow_id, part)) AS strangest,
      argMin(reasons, (p_value, -score, start, flow_id, part)) AS why,
      groupArraySorted(10)((p_value, start, flow_id)) AS sample
    FROM sessions
    GROUP BY host_ip, service, session, peer_ip
  )
SELECT
  host_ip AS host,
  argMax(peer_ip, rank) AS peer,
  service,
  min(begun) AS first_seen,
  max(ended) AS last_seen,
  sum(strange_flows) AS flows,
  toFloat64(max(top)) AS score,
  arraySort(groupArrayArray(p_values)) AS sorted,
  arrayMin(arrayMap((p, i) -> p * flows / i, sorted, arrayEnumerate(sorted))) AS p_value,
  multiIf(p_value <= min(least_cut) / 100, 'high', p_value <= min(least_cut) / 10, 'medium', 'low') AS severity,
  argMin(why, strangest) AS reasons,
  arrayMap(flow -> flow.3, arraySlice(arraySort(groupArrayArray(sample)), 1, 10)) AS flow_ids,
  flows - 1 AS more,
  count() AS peers
FROM ends
GROUP BY host_ip, service, session
ORDER BY host, service, first_seen
