use super::*;

/// Classes of all statements, a statement's own joined by `+`.
fn classes(text: &str, dialect: Dialect) -> String {
    let class =
        |statement: &Statement| statement.classes.iter().map(Class::as_str).collect::<Vec<_>>().join("+");
    statements(text, dialect).iter().map(class).collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn is(dialect: Dialect, text: &str, expected: &str) {
    let found = classes(text, dialect);
    assert_eq!(found, expected, "{text}\n{:?}", statements(text, dialect));
}

use Dialect::{BigQuery, ClickHouse, Databricks, MySql, PartiQl, Postgres, Redshift, Snowflake, Trino};

#[test]
fn queries_are_reads() {
    is(Postgres, "SELECT 1", "read");
    is(
        Postgres,
        "SELECT u.id, count(*) FROM users u JOIN orders o ON o.uid = u.id WHERE u.n ILIKE 'a%' GROUP BY 1 HAVING sum(o.x) > 3 ORDER BY 2 DESC LIMIT 10;",
        "read",
    );
    is(Postgres, "WITH r AS (SELECT * FROM t) SELECT r.*, row_number() OVER (PARTITION BY a) FROM r", "read");
    is(Postgres, "SELECT x::int, data->>'a' FROM t WHERE id = :id", "read");
    is(Postgres, "(SELECT 1) UNION ALL (SELECT 2) EXCEPT SELECT 3", "read");
    is(Postgres, "EXPLAIN DELETE FROM t", "read");
    is(Postgres, "SHOW search_path", "read");
    is(
        BigQuery,
        "SELECT APPROX_COUNT_DISTINCT(x), SAFE_DIVIDE(a, b) FROM `p.d.t`, UNNEST(xs) AS x WHERE d = @d",
        "read",
    );
    is(BigQuery, "#standardSQL\nSELECT 1 -- one\n", "read");
    is(Snowflake, "SELECT f.value:name::string FROM t, LATERAL FLATTEN(input => t.v) f", "read");
    is(Snowflake, "SHOW TABLES", "read");
    is(Databricks, "SELECT explode(xs) FROM cat.db.t", "read");
    is(
        Trino,
        "SELECT date_trunc('day', ts) d, count(*) FROM logs WHERE ts > now() - interval '1' day GROUP BY 1",
        "read",
    );
    is(Trino, "SHOW PARTITIONS logs", "read");
    is(ClickHouse, "SELECT toStartOfHour(ts), uniq(u) FROM t GROUP BY 1 FORMAT JSON", "read");
    is(PartiQl, "SELECT * FROM \"Music\" WHERE \"Artist\" = ?", "read");
    is(MySql, "SELECT DATE_FORMAT(d, '%Y') FROM `t` LIMIT 5", "read");
    is(Redshift, "SELECT listagg(x, ',') WITHIN GROUP (ORDER BY x) FROM t", "read");
}

#[test]
fn statements_are_what_their_tree_is() {
    is(Postgres, "INSERT INTO t (a) VALUES (1) ON CONFLICT DO NOTHING", "write");
    is(Postgres, "UPDATE t SET a = 1", "write");
    is(Postgres, "DELETE FROM t WHERE a = 1", "delete");
    is(Postgres, "TRUNCATE t", "delete");
    is(Postgres, "DROP TABLE t", "delete+ddl");
    is(Postgres, "ALTER TABLE t DROP COLUMN a", "delete+ddl");
    is(Postgres, "CREATE TABLE t (a int)", "ddl");
    is(Postgres, "CREATE TABLE t AS SELECT 1", "ddl");
    is(Postgres, "GRANT ALL ON t TO jo", "permissions");
    is(Postgres, "CREATE ROLE jo SUPERUSER", "permissions");
    is(Postgres, "COPY t TO '/tmp/x'", "export");
    is(Postgres, "COPY t FROM PROGRAM 'sh'", "write+execute");
    is(Postgres, "CALL p(1)", "execute");
    is(Postgres, "DO $$ BEGIN DELETE FROM t; END $$", "unknown");
    is(Postgres, "EXECUTE q(1)", "execute");
    is(BigQuery, "EXPORT DATA OPTIONS(uri='gs://b/*', format='CSV') AS SELECT * FROM t", "export");
    is(
        BigQuery,
        "MERGE t USING s ON t.a = s.a WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT ROW",
        "write+delete",
    );
    is(Snowflake, "COPY INTO @stage/x FROM t", "export");
    is(Snowflake, "COPY INTO t FROM @stage/x", "write");
    is(Snowflake, "EXECUTE IMMEDIATE 'drop table t'", "execute");
    is(Snowflake, "CREATE USER jo", "permissions");
    is(Redshift, "UNLOAD ('select * from t') TO 's3://b/x' IAM_ROLE 'arn:aws:iam::1:role/r'", "export");
    is(Trino, "UNLOAD (SELECT * FROM t) TO 's3://b/x' WITH (format = 'PARQUET')", "export");
    is(Databricks, "INSERT OVERWRITE t SELECT * FROM s", "write+delete");
    is(PartiQl, "INSERT INTO \"Music\" VALUE {'Artist': 'x'}", "write");
    is(PartiQl, "DELETE FROM \"Music\" WHERE \"Artist\" = 'x'", "delete");
    is(PartiQl, "UPDATE \"Music\" SET x=1 REMOVE y WHERE a='b'", "write");
    is(ClickHouse, "INSERT INTO t FORMAT JSONEachRow {\"a\":1}", "write");
}

#[test]
fn one_text_several_statements() {
    is(Postgres, "SELECT 1; DROP TABLE t; GRANT ALL ON t TO jo", "read delete+ddl permissions");
    is(Snowflake, "begin; delete from t; commit", "read delete read");
}

// ---- ways to look like a read (each known from somewhere)

#[test]
fn a_cte_that_writes() {
    is(Postgres, "WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d", "delete");
    is(Postgres, "WITH a AS (SELECT 1), b AS (INSERT INTO t SELECT * FROM a RETURNING 1) SELECT 1", "write");
    is(Postgres, "SELECT * FROM (WITH d AS (UPDATE t SET a = 1 RETURNING *) SELECT * FROM d) x", "write");
}

#[test]
fn select_into_makes_a_table() {
    is(Postgres, "SELECT * INTO copy FROM t", "write+ddl");
    is(Redshift, "SELECT a INTO TEMP x FROM t", "write+ddl");
    assert!(classes("SELECT * FROM t INTO OUTFILE '/tmp/x'", MySql).contains("unknown"));
}

#[test]
fn explain_analyze_runs_what_it_explains() {
    is(Postgres, "EXPLAIN ANALYZE DELETE FROM t", "delete");
    is(Postgres, "EXPLAIN (ANALYZE, BUFFERS) UPDATE t SET a = 1", "write");
    is(Postgres, "EXPLAIN (ANALYZE true) DELETE FROM t", "delete");
    is(Postgres, "EXPLAIN (ANALYZE false) DELETE FROM t", "read");
    is(Trino, "EXPLAIN ANALYZE INSERT INTO t SELECT 1", "write");
    is(Postgres, "EXPLAIN (ANALYSE) DELETE FROM t", "delete");
    is(Postgres, "EXPLAIN (ANALYZE off, ANALYSE on) DELETE FROM t", "delete");
    is(Postgres, "EXPLAIN (SOMETHING) DELETE FROM t", "delete");
    is(Postgres, "EXPLAIN (ANALYSE off, COSTS off, FORMAT json) DELETE FROM t", "read");
    is(MySql, "DESC ANALYSE DELETE FROM t", "unknown");
}

#[test]
fn functions_that_do_something() {
    for call in [
        "nextval('s')",
        "setval('s', 1)",
        "lo_export(1, '/tmp/x')",
        "dblink_exec('x', 'drop table t')",
        "pg_terminate_backend(1)",
        "query_to_xml('delete from t', true, true, '')",
        "pg_read_file('/etc/passwd')",
        "pg_sleep(10)",
        "set_config('role', 'admin', false)",
        "public.lower('x')",
        "my_function()",
    ] {
        is(Postgres, &format!("SELECT {call}"), "unknown");
        is(Postgres, &format!("SELECT 1 FROM t WHERE a = (SELECT max({call}))"), "unknown");
        is(Postgres, &format!("SELECT * FROM {call} x"), "unknown");
        is(Postgres, &format!("SELECT 1 ORDER BY {call}"), "unknown");
        is(Postgres, &format!("SELECT 1 LIMIT {call}"), "unknown");
        is(Postgres, &format!("VALUES ({call})"), "unknown");
        is(Postgres, &format!("SELECT sum(1) FILTER (WHERE {call} = 1) OVER (ORDER BY 1)"), "unknown");
    }
    is(BigQuery, "SELECT * FROM EXTERNAL_QUERY('c', 'DROP TABLE t')", "unknown");
    is(BigQuery, "SELECT my.fn(1)", "unknown");
    is(ClickHouse, "SELECT * FROM url('http://evil.test', CSV)", "unknown");
    is(ClickHouse, "SELECT * FROM executable('sh', CSV, 'a Int8')", "unknown");
    is(Snowflake, "SELECT SYSTEM$CANCEL_QUERY('x')", "unknown");
    is(Snowflake, "SELECT * FROM TABLE(my_udtf(1))", "unknown");
    is(MySql, "SELECT LOAD_FILE('/etc/passwd')", "unknown");
    is(MySql, "SELECT @a := 1", "write");
    is(Postgres, "DELETE FROM t WHERE f(a)", "delete+unknown");
}

#[test]
fn names_of_one_service_count_there_only() {
    for text in ["SELECT dateadd(1)", "SELECT json_parse(a)", "SELECT uniq(a)", "SELECT tostring(a)"] {
        is(Postgres, text, "unknown");
        is(MySql, text, "unknown");
    }
    is(Redshift, "SELECT dateadd(day, 1, a), json_parse(b) FROM t", "read");
    is(Trino, "SELECT json_parse(a) FROM t", "read");
    is(Databricks, "SELECT uniq(a) FROM t", "unknown");
    is(MySql, "SELECT plainto_tsquery(a), crc32(b) FROM t", "read");
    is(BigQuery, "SELECT NET.HOST(a), HLL_COUNT.INIT(b), SAFE.LOWER(c) FROM t", "read");
    for call in ["net.lower(a)", "hll_count.evil(a)", "`net.host`(a)", "`hll_count`.`f`(a)"] {
        is(BigQuery, &format!("SELECT {call} FROM t"), "unknown");
    }
    is(ClickHouse, "SELECT sumIf(a, b), uniqExactArrayMerge(c), toInt8OrDefault(d) FROM t", "read");
    is(ClickHouse, "SELECT evilIf(a)", "unknown");
    is(ClickHouse, "SELECT lowerOrNull(a)", "unknown");
    is(ClickHouse, "SELECT dictGet('http_dict', 'a', secret) FROM t", "unknown");
}

#[test]
fn a_function_is_no_table() {
    is(ClickHouse, "SELECT * FROM date('x')", "unknown");
    is(ClickHouse, "SELECT * FROM format('CSV', 'a')", "read");
    is(ClickHouse, "SELECT * FROM numbers(3)", "read");
    is(Snowflake, "SELECT * FROM TABLE(get('x'))", "unknown");
    is(Snowflake, "SELECT * FROM TABLE(RESULT_SCAN(LAST_QUERY_ID()))", "read");
    is(Postgres, "SELECT * FROM regexp_matches('a', 'b') x", "read");
}

#[test]
fn executable_comments() {
    is(MySql, "SELECT 1 /*!50000 INTO OUTFILE '/tmp/x' */", "unknown");
    is(MySql, "/*! DROP TABLE t */", "unknown");
    is(MySql, "SELECT 1 /*M! ; DROP TABLE t */", "unknown");
}

#[test]
fn comments_that_end_elsewhere() {
    is(Postgres, "SELECT 1 /* a /* b */ ; DROP TABLE t /* */ */", "unknown");
    is(Snowflake, "SELECT 1 /* a /* b */ ; DROP TABLE t", "unknown");
    is(Redshift, "SELECT 1; -- x\rDROP TABLE t", "unknown");
    is(BigQuery, "SELECT 1; -- x\u{2028}DROP TABLE t", "unknown");
    is(Postgres, "SELECT 1; -- x\r\nSELECT 2", "read read");
    is(Snowflake, "SELECT 1 # ; DROP TABLE t", "unknown");
    is(Databricks, "SELECT 1 -- \\\n'\n, f(\"x\") -- '", "unknown");
    is(Databricks, "SELECT 1 -- a\\b\n, 2", "read");
    for hint in ["'", "\"", "`"] {
        is(MySql, &format!("SELECT /*+ QB_NAME({hint}a */ 1 -- {hint}) */ sleep(10)"), "unknown");
        is(Databricks, &format!("SELECT /*+ B({hint} */ 1 -- {hint}) */ f(1)"), "unknown");
    }
    is(MySql, "SELECT /*+ MAX_EXECUTION_TIME(1000) */ 1 /* it's */", "read");
}

#[test]
fn blanks_that_are_none() {
    is(MySql, "SELECT 1 --\u{a0}, load_file('x') FROM (SELECT 1 AS `\u{a0}`) x", "unknown");
    is(MySql, "SELECT 1 --\u{b} '\n, sleep(1) -- '", "unknown");
    is(MySql, "SELECT 1 --\n, 2 --\t x", "read");
    is(Postgres, "SELECT 1\u{3000}FROM t", "unknown");
    is(Postgres, "SELECT '\u{a0}', \"a\u{a0}b\" -- \u{a0}\nFROM t", "read");
}

#[test]
fn pipes() {
    for text in
        ["SELECT 1 ->> DELETE FROM t", "SHOW TABLES ->> DELETE FROM t", "SELECT 1 ->> (DELETE FROM t)"]
    {
        is(Snowflake, text, "unknown");
    }
    is(Postgres, "SELECT a->>'b', a->>c FROM t", "read");
    assert_eq!(
        statements_in_any("SELECT a->>'b' FROM t", &[Postgres, Snowflake])[0].classes,
        Class::Read.into()
    );
}

#[test]
fn names_that_are_more() {
    is(Redshift, "SELECT x[f_udf(ssn)] FROM t", "unknown");
    is(Redshift, "SELECT x[0], c.o[0].k FROM t", "read");
    is(Trino, "SELECT * FROM \"lambda:fn\".\"db\".\"t\"", "execute");
    is(Trino, "SHOW TABLES IN `lambda:fn`.db", "execute");
    is(Trino, "SELECT * FROM t WHERE a = 'lambda:fn'", "read");
    is(Databricks, "SELECT * FROM text.`/etc/passwd`", "unknown");
    is(Databricks, "SELECT * FROM csv.`s3://evil/x`", "unknown");
    is(Databricks, "SELECT * FROM `a b`.`t-1`", "read");
    is(Postgres, "SELECT * FROM '/etc/passwd'", "unknown");
    is(Snowflake, "USE DATABASE x", "write");
    is(Databricks, "USE CATALOG x", "write");
    is(Snowflake, "USE WAREHOUSE x", "read");
}

#[test]
fn settings_that_change_what_a_query_does() {
    is(ClickHouse, "SELECT * FROM t SETTINGS stream_like_engine_allow_direct_select = 1", "write");
    is(ClickHouse, "SELECT * FROM t SETTINGS dialect = 'kusto'", "unknown");
    is(ClickHouse, "SELECT dialect FROM t SETTINGS max_threads = 1", "read");
    is(Databricks, "SELECT '${env:SECRET}'", "unknown");
    is(ClickHouse, "INSERT INTO t (a) -- VALUES\nFUNCTION s3('x') VALUES (1) FORMAT x", "unknown");
}

#[test]
fn strings_that_end_elsewhere() {
    is(BigQuery, r"SELECT r'\' '; DROP TABLE t; -- '", "unknown");
    is(BigQuery, r"SELECT 'it\'s'", "read");
    is(Postgres, r"SELECT 'a\'; DROP TABLE t; --'", "unknown");
    is(Trino, r"SELECT 'a\'', '; DROP TABLE t --'", "unknown");
    is(MySql, r"SELECT 1 AS `a\`, '; DROP TABLE t; -- '", "unknown");
    is(Trino, "SELECT $$ ' $$", "unknown");
    is(BigQuery, r"SELECT b'\', '; DROP TABLE t; --'", "unknown");
    is(BigQuery, r#"SELECT B"\", "; DROP TABLE t; --""#, "unknown");
    is(BigQuery, r#"SELECT b'a', B"\x41""#, "read");
    is(Databricks, r#"SELECT r'\', f("x") --'"#, "unknown");
    is(Databricks, r"SELECT * FROM t WHERE a RLIKE r'^\s'", "read");
    is(Databricks, r"SELECT a r, 'b' FROM t", "read");
    is(Snowflake, "SELECT $a$ , f('x') , $a$", "unknown");
    is(Snowflake, "SELECT $$ x $$", "read");
    is(ClickHouse, r"SELECT x'41\', file('x') --'", "unknown");
}

#[test]
fn what_locks_writes() {
    is(Postgres, "SELECT * FROM t FOR UPDATE", "write");
}

#[test]
fn a_parse_failure_is_unknown() {
    for text in ["", ";", "hello", "SELEC 1", "SELECT 1; frobnicate the table", "{\"a\": 1}", "SELECT 'open"]
    {
        is(Postgres, text, "unknown");
    }
    is(Postgres, &format!("SELECT {}1{}", "(".repeat(500), ")".repeat(500)), "unknown");
    is(Postgres, &format!("SELECT '{}'", "x".repeat(100_000)), "unknown");
}

/// RDS Data has PostgreSQL or MySQL behind it, and does not say which.
#[test]
fn one_of_two_dialects() {
    let of = |text: &str| {
        let found = statements_in_any(text, &[Postgres, MySql]);
        let words = found.iter().flat_map(|statement| statement.classes.iter()).map(Class::as_str);
        words.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(of("SELECT * FROM t WHERE id = :id"), "read");
    assert_eq!(of("SELECT x::int FROM t"), "read", "only one of them can parse it");
    assert_eq!(of("SELECT 1 -- ok"), "read");
    assert!(of(r"SELECT 'a\'; DROP TABLE t; -- '").contains("unknown"));
    assert_eq!(
        of("SELECT `a`, `t`.`b_1` FROM `t`"),
        "read",
        "plain names in quotes that only one of them knows"
    );
    assert!(of("SELECT `a'`, 'b; DROP TABLE t; --'").contains("unknown"));
    assert!(of("SELECT `; DROP TABLE t; -- `").contains("unknown"));
    assert!(
        of("SELECT 1 --1; DROP TABLE t").contains("unknown")
            || of("SELECT 1 --1; DROP TABLE t").contains("ddl")
    );
    assert_eq!(of("DELETE FROM t"), "delete");
    assert!(of("SELECT 1 -- \r '\n , lambda_async(\"arn\",\"x\") -- '").contains("unknown"));
    assert!(of("SELECT a::int -- \r; DROP TABLE t").contains("unknown"));
    assert_eq!(of("SELECT a::int -- x\r\nFROM t"), "read");
    assert_eq!(of("SELECT JSON_EXTRACT(a, '$.b.c') FROM `t`"), "read");
}

#[test]
fn tables_are_found() {
    let of = |text| {
        let found = statements(text, Postgres);
        (found[0].tables.join(" "), found[0].complete)
    };
    assert_eq!(
        of("SELECT * FROM a JOIN b.c USING (x) WHERE y IN (SELECT y FROM \"D\")"),
        ("a b.c D".into(), true)
    );
    assert_eq!(of("INSERT INTO a SELECT * FROM b"), ("a b".into(), true));
    assert_eq!(of("UPDATE a SET x = 1 FROM b"), ("a b".into(), true));
    assert_eq!(of("DELETE FROM a USING b"), ("a b".into(), true));
    assert_eq!(of("DROP TABLE a, b"), ("a b".into(), true));
    assert_eq!(of("TRUNCATE a, b"), ("a b".into(), true));
    assert_eq!(of("ALTER TABLE a ADD COLUMN x int"), ("a".into(), true));
    assert_eq!(of("CREATE TABLE a AS SELECT * FROM b"), ("a b".into(), true));
    assert_eq!(of("COPY a TO STDOUT"), ("a".into(), true));
    assert!(!of("GRANT ALL ON a TO jo").1 && !of("CALL p()").1);
}

proptest::proptest! {
    #[test]
    fn never_panics(text in "(SELECT|FROM|WITH|\\(|\\)|'|\"|`|--|/\\*|\\*/|;|\\\\|\\$\\$|,|t|1|=|INTO|DELETE|\\n| ){0,40}") {
        for dialect in [BigQuery, Snowflake, Databricks, Trino, Postgres, MySql, Redshift, PartiQl, ClickHouse] {
            let _ = statements(&text, dialect);
        }
    }

    /// A statement that changes something is never hidden by what stands before it.
    #[test]
    fn a_drop_is_seen_behind_anything(front in "[a-zA-Z0-9 '\"`;,()*/\\\\$#\n-]{0,30}") {
        let text = format!("{front}; DROP TABLE t");
        for dialect in [BigQuery, Snowflake, Databricks, Postgres, MySql, Redshift] {
            for found in statements(&text, dialect) {
                let plain = found.classes == Class::Read.into() && statements(&text, dialect).len() == 1;
                // Alone and a read, it must hold the drop in a string, a name or a comment.
                proptest::prop_assert!(!plain || front.contains(['\'', '"', '`', '$', '-', '#', '/']), "{text:?}");
            }
        }
    }
}

/// Texts on which a parser that tries and steps back could take for ever, or all of the stack: they end, on half of
/// the stack that threads of the runtime have.
#[test]
fn no_text_takes_all_time_or_stack() {
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(deep_texts);
    thread.unwrap().join().unwrap();
}

fn deep_texts() {
    let nested = |open: &str, inner: &str, close: &str, depth: usize| {
        format!("SELECT {}{inner}{}", open.repeat(depth), close.repeat(depth))
    };
    let texts: Vec<String> = [12, 20, 30, 45, 60, 2000]
        .into_iter()
        .flat_map(|depth| {
            [
                nested("(", "1", ")", depth),
                nested("(SELECT ", "1", ")", depth),
                nested("f(", "1", ")", depth),
                nested("CASE WHEN ", "1", " THEN 1 END", depth),
                nested("CASE ", "", "", depth),
                nested("NOT ", "1", "", depth),
                nested("- ", "1", "", depth),
                nested("[", "1", "]", depth),
                nested("a(", "", "", depth),
                nested("{", "", "}", depth),
                nested("ARRAY<STRUCT<", "a", ">>", depth),
                nested("INTERVAL ", "1", "", depth),
                format!("SELECT * FROM {}t{}", "(".repeat(depth), ")".repeat(depth)),
                format!("SELECT * FROM {}", "(".repeat(depth)),
                format!("SELECT * FROM {}t{}", "(SELECT * FROM ".repeat(depth), ") x".repeat(depth)),
                format!("{}SELECT 1{}", "(".repeat(depth), ")".repeat(depth)),
                format!("{}SELECT 1{}", "WITH a AS (".repeat(depth), ") SELECT 1".repeat(depth)),
                format!("SELECT 1{}", " UNION (SELECT 1".repeat(depth)),
                format!("SELECT 1 WHERE a IN {}1{}", "((".repeat(depth), "))".repeat(depth)),
                format!("CREATE TABLE t (a {}INT{})", "ARRAY<".repeat(depth), ">".repeat(depth)),
                format!("{}SELECT 1", "EXPLAIN ".repeat(depth)),
                format!("SELECT 1{}", " + 1".repeat(depth)),
                format!("SELECT 1{}", " UNION SELECT 1".repeat(depth)),
                format!("SELECT 1 WHERE a{}", " AND a = 1".repeat(depth)),
                format!("SELECT a{}", "::int".repeat(depth)),
                format!("SELECT a{}", "[1]".repeat(depth)),
                format!("SELECT a{}", ".b".repeat(depth)),
                format!("SELECT a{}", ":b".repeat(depth)),
                format!("SELECT a{}", " COLLATE b".repeat(depth)),
                format!("SELECT a{}", " AT TIME ZONE 'x'".repeat(depth)),
                format!("SELECT a{}", " IS NULL".repeat(depth)),
                format!("SELECT * FROM t{}", " JOIN t ON a = b".repeat(depth)),
                format!("SELECT * FROM t{}", " PIVOT (sum(a) FOR b IN ('c'))".repeat(depth)),
                format!("SELECT 1{}", " |> WHERE a".repeat(depth)),
                format!("{}SELECT 1", "PREPARE a AS ".repeat(depth)),
                format!("{}SELECT 1", "BEGIN ".repeat(depth)),
                format!("{} SELECT 1", "IF a THEN ".repeat(depth)),
                format!("SELECT a{}", " LIKE a".repeat(depth)),
                format!("SELECT {}", "x -> ".repeat(depth)),
            ]
        })
        .collect();
    for text in texts {
        for dialect in [BigQuery, Snowflake, Databricks, Trino, Postgres, MySql, Redshift, ClickHouse] {
            let _ = statements(&text, dialect);
        }
    }
}
