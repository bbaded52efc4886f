-- Roles, quotas and the views of an outsourced SOC. An admin runs this after `monitor db init`:
--     clickhouse-client --multiquery < roles.sql
-- Then, for each user: CREATE USER name IDENTIFIED BY '…' DEFAULT ROLE role. On a cluster add ON CLUSTER to each statement,
-- or keep users and roles in Keeper (<user_directories><replicated>).
-- The key of the pseudonyms: INSERT INTO monitor_keys.pseudonym VALUES what `monitor db pseudonym --key-file FILE` prints.

CREATE ROLE IF NOT EXISTS monitor_writer, monitor_sensor, monitor_grafana, monitor_soc, monitor_auditor;

-- A sensor that only delivers: inserts, and what it needs to know its schema and to continue the incident log.
GRANT INSERT ON monitor.* TO monitor_writer;
GRANT SELECT ON monitor.schema_versions TO monitor_writer;
GRANT SELECT(run_id, writer, ordinal, hash) ON monitor.incidents TO monitor_writer;

-- A sensor or station that also hunts.
GRANT SELECT, INSERT ON monitor.* TO monitor_sensor;

-- Grafana selects, and does not see who asked what.
GRANT SELECT ON monitor.* TO monitor_grafana;
REVOKE SELECT ON monitor.audit FROM monitor_grafana;
GRANT SELECT ON system.parts TO monitor_grafana;

-- The auditor reads what was done, by whom.
GRANT SELECT ON monitor.audit TO monitor_auditor;
GRANT SELECT ON monitor.incidents TO monitor_auditor;
GRANT SELECT ON monitor.verdicts TO monitor_auditor;
GRANT SELECT ON monitor.suppressions TO monitor_auditor;
GRANT SELECT ON monitor.runs TO monitor_auditor;
GRANT SELECT ON system.query_log TO monitor_auditor;

-- The outsourced SOC sees pseudonyms: keyed, keeping prefixes, reversed by the key's holder only. Nobody but the definer
-- of its views may read the key.
CREATE DATABASE IF NOT EXISTS monitor_keys;
CREATE TABLE IF NOT EXISTS monitor_keys.pseudonym (k0 UInt64, k1 UInt64) ENGINE = MergeTree ORDER BY k0;
CREATE USER IF NOT EXISTS monitor_pseudonymiser NOT IDENTIFIED HOST NONE;
GRANT SELECT ON monitor_keys.pseudonym TO monitor_pseudonymiser;
GRANT SELECT ON monitor.* TO monitor_pseudonymiser;
CREATE DATABASE IF NOT EXISTS monitor_soc;
GRANT SELECT ON monitor_soc.* TO monitor_soc;

-- Each bit of an address is flipped by a keyed hash of the bits before it; monitor/store/pseudonym.py is the reverse.
CREATE OR REPLACE FUNCTION pseudonym AS (address, k0, k1) ->
  CAST(bitXor(toUInt128(address), arrayFold(
    (flips, i) -> toUInt128(bitOr(flips, bitShiftLeft(toUInt128(bitAnd(sipHash64Keyed((k0, k1),
      bitOr(bitShiftLeft(toUInt128(1), i), bitShiftRight(bitShiftRight(toUInt128(address), 1), 127 - i))), 1)), 127 - i))),
    range(if(startsWith(toString(address), '::ffff:'), 96, 0), 128), toUInt128(0))) AS IPv6);

CREATE OR REPLACE FUNCTION pseudonym_text AS (name, k0, k1) ->
  if(isNull(toIPv6OrNull(name)), name,
    replaceRegexpOne(toString(pseudonym(assumeNotNull(toIPv6OrNull(name)), k0, k1)), '^::ffff:([0-9.]+)$', '\\1'));

-- Names stay, but for those that are an address or hold one.
CREATE OR REPLACE FUNCTION pseudonym_name AS (name, k0, k1) ->
  if(isNotNull(toIPv6OrNull(name)), pseudonym_text(name, k0, k1),
    if(match(name, '(?i)[.]arpa[.]?$|^\\[|([0-9]{1,3}[-.]){3}[0-9]{1,3}'), '', name));

-- An incident's id is a hash without a key: who guesses the host could check the guess.
CREATE OR REPLACE FUNCTION pseudonym_id AS (id, k0, k1) -> lower(leftPad(hex(sipHash64Keyed((k0, k1), id)), 16, '0'));

CREATE OR REPLACE VIEW monitor_soc.flows DEFINER = monitor_pseudonymiser SQL SECURITY DEFINER AS
WITH assumeNotNull((SELECT any(k0) FROM monitor_keys.pseudonym)) AS k0,
  assumeNotNull((SELECT any(k1) FROM monitor_keys.pseudonym)) AS k1
SELECT * EXCEPT (flow_id, community_id, community_id_other, dns_answers, cert_names, http_uri, user_agent, reasons)
  REPLACE (pseudonym(src_ip, k0, k1) AS src_ip, pseudonym(dst_ip, k0, k1) AS dst_ip,
    pseudonym_name(server_name, k0, k1) AS server_name, pseudonym_name(dns_query, k0, k1) AS dns_query)
FROM monitor.flows
SETTINGS asterisk_include_alias_columns = 1;

CREATE OR REPLACE VIEW monitor_soc.incidents DEFINER = monitor_pseudonymiser SQL SECURITY DEFINER AS
WITH assumeNotNull((SELECT any(k0) FROM monitor_keys.pseudonym)) AS k0,
  assumeNotNull((SELECT any(k1) FROM monitor_keys.pseudonym)) AS k1
SELECT run_id, pseudonym_id(incident_id, k0, k1) AS incident_id, event, recorded, detector, severity, service, first_seen,
  last_seen, flows, score, p_value, attack, state, stage, ports,
  pseudonym_text(host, k0, k1) AS host, pseudonym_name(peer, k0, k1) AS peer
FROM monitor.current_incidents;

CREATE SETTINGS PROFILE OR REPLACE monitor_inserts SETTINGS async_insert = 0, distributed_foreground_insert = 1,
  distributed_product_mode = 'global' TO monitor_writer, monitor_sensor;
CREATE SETTINGS PROFILE OR REPLACE monitor_reads SETTINGS readonly = 2, asterisk_include_alias_columns = 1, max_execution_time = 30,
  max_memory_usage = 4294967296, max_threads = 4, distributed_product_mode = 'global'
  TO monitor_grafana, monitor_soc, monitor_auditor;
CREATE QUOTA OR REPLACE monitor_readers KEYED BY user_name FOR INTERVAL 1 minute MAX queries = 600, execution_time = 120
  TO monitor_grafana, monitor_soc, monitor_auditor;
