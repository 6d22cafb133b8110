//! SQL over HTTP (bypass.md §8, catalog.md §2.5): every class for every carrier, and statements that look like reads.

use super::{Cases, encoded, gzip, post_json, request};
use serde_json::{Value, json};

const RULES: &str = r#"
pack: calls
rules:
  - id: changes
    when: { sql: { class: [write, delete, ddl, permissions, export, execute] } }
    verdict: hold
    why: The test says so.
  - id: changes-elsewhere
    when: { host: db.test, sql: { class: [write, delete, ddl, permissions, export, execute] } }
    verdict: hold
    why: The test says so.
"#;

const BIGQUERY: &str = "bigquery.googleapis.com";
const SNOWFLAKE: &str = "acme.snowflakecomputing.com";
const DATABRICKS: &str = "adb-1.azuredatabricks.net";
const ATHENA: &str = "athena.eu-west-1.amazonaws.com";
const RDS: &str = "rds-data.eu-west-1.amazonaws.com";
const REDSHIFT: &str = "redshift-data.eu-west-1.amazonaws.com";
const DYNAMODB: &str = "dynamodb.eu-west-1.amazonaws.com";
const TIMESTREAM: &str = "query.timestream.eu-west-1.amazonaws.com";
const CLICKHOUSE: &str = "x.clickhouse.cloud";
/// No service that anybody knows: there the rule says where it is asked.
const OTHER: &str = "db.test";

/// With the target of the AWS JSON protocol.
fn aws(host: &str, target: &str, body: &Value) -> (String, Vec<u8>) {
    let fields = format!("Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: {target}\r\n");
    request("POST", host, "/", &fields, body.to_string())
}

type Carrier = fn(&str) -> (String, Vec<u8>);

const CARRIERS: &[(&str, Carrier)] = &[
    ("bigquery query", |sql| {
        post_json(
            BIGQUERY,
            "/bigquery/v2/projects/p/queries",
            json!({ "query": sql, "useLegacySql": false }).to_string(),
        )
    }),
    ("bigquery job", |sql| {
        post_json(
            BIGQUERY,
            "/bigquery/v2/projects/p/jobs",
            json!({ "configuration": { "query": { "query": sql } } }).to_string(),
        )
    }),
    ("snowflake", |sql| post_json(SNOWFLAKE, "/api/v2/statements", json!({ "statement": sql }).to_string())),
    ("snowflake driver", |sql| {
        post_json(SNOWFLAKE, "/queries/v1/query-request?requestId=1", json!({ "sqlText": sql }).to_string())
    }),
    ("databricks", |sql| {
        post_json(
            DATABRICKS,
            "/api/2.0/sql/statements/",
            json!({ "statement": sql, "warehouse_id": "w" }).to_string(),
        )
    }),
    ("athena", |sql| aws(ATHENA, "AmazonAthena.StartQueryExecution", &json!({ "QueryString": sql }))),
    ("rds-data", |sql| post_json(RDS, "/Execute", json!({ "sql": sql, "resourceArn": "a" }).to_string())),
    ("rds-data batch", |sql| {
        post_json(RDS, "/BatchExecute", json!({ "sql": sql, "parameterSets": [[]] }).to_string())
    }),
    ("redshift-data", |sql| aws(REDSHIFT, "RedshiftData.ExecuteStatement", &json!({ "Sql": sql }))),
    ("redshift-data batch", |sql| {
        aws(REDSHIFT, "RedshiftData.BatchExecuteStatement", &json!({ "Sqls": ["SELECT 1", sql] }))
    }),
    ("clickhouse body", |sql| request("POST", CLICKHOUSE, "/", "", sql)),
    ("clickhouse URL", |sql| request("POST", CLICKHOUSE, &format!("/?query={}", encoded(sql)), "", "")),
    ("clickhouse URL and body", |sql| {
        let (front, back) = sql.split_once(' ').unwrap_or((sql, " "));
        request("POST", CLICKHOUSE, &format!("/?query={}", encoded(front)), "", back)
    }),
    ("another, in JSON", |sql| post_json(OTHER, "/sql", json!({ "query": sql }).to_string())),
    ("another, as text", |sql| request("POST", OTHER, "/v1/statement", "Content-Type: text/plain\r\n", sql)),
    ("another, in the URL", |sql| request("GET", OTHER, &format!("/exec?query={}", encoded(sql)), "", "")),
];

/// Changes in words that every dialect has.
const CHANGES: &[&str] = &[
    "INSERT INTO t VALUES (1)",
    "UPDATE t SET a = 1 WHERE b = 2",
    "DELETE FROM t WHERE a = 1",
    "DROP TABLE t",
    "TRUNCATE TABLE t",
    "CREATE TABLE t (a int)",
    "ALTER TABLE t ADD COLUMN b int",
    "GRANT SELECT ON t TO jo",
    "REVOKE SELECT ON t FROM jo",
    "CREATE USER jo",
    "CALL p()",
    "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE",
    "drop table t",
    " \n\tDROP\n TABLE t",
    "/* SELECT 1 */ DROP TABLE t",
    "-- SELECT 1\nDROP TABLE t",
    "DROP/**/TABLE t",
    "SELECT 1; DROP TABLE t",
    "SELECT 1;DROP TABLE t;",
    "; DROP TABLE t",
    "SELECT 1 /*! ; DROP TABLE t */",
    "SELECT 1 /* /* */ ; DROP TABLE t -- */",
    "SELECT 1 -- \r; DROP TABLE t",
    "SELECT 1 -- \u{2028}; DROP TABLE t",
    "SELECT my_function(1)",
    "SELECT a FROM t WHERE b = (SELECT my_function(1))",
    "SELECT 1 UNION SELECT my_function(2)",
    "SELECT nextval('s')",
    "SELECT pg_terminate_backend(1)",
    "WITH x AS (SELECT 1) DELETE FROM t",
    "SELECT * INTO u FROM t",
    "EXPLAIN ANALYZE DELETE FROM t",
    "SELECT * FROM t FOR UPDATE",
    "BEGIN; DELETE FROM t; COMMIT",
    "SET ROLE admin",
    "EXECUTE p",
    "hello world",
    "SELECT 'open",
    "\u{feff}DROP TABLE t",
    "DR\u{200b}OP TABLE t",
];

/// Reads in words that every dialect has.
const READS: &[&str] = &[
    "SELECT 1",
    "select a, b from t where a = 1 order by b limit 10;",
    "SELECT count(*), max(a) FROM t GROUP BY b HAVING count(*) > 1",
    "WITH x AS (SELECT 1 AS a) SELECT * FROM x",
    "SELECT * FROM a JOIN b ON a.id = b.id LEFT JOIN c ON c.x = b.y",
    "SELECT 'DROP TABLE t'",
    "SELECT 'it''s' AS a",
    "SELECT a FROM t -- DROP TABLE t",
    "SELECT a /* DROP TABLE t */ FROM t",
    "SELECT deleted, created FROM updates",
    "SELECT CASE WHEN a = 1 THEN 'x' ELSE 'y' END FROM t",
    "SELECT lower(trim(a)), coalesce(b, 0) FROM t WHERE c LIKE '%drop%'",
    "SELECT row_number() OVER (PARTITION BY a ORDER BY b) FROM t",
    "EXPLAIN SELECT * FROM t",
];

#[tokio::test]
async fn every_class_by_every_carrier() {
    let mut cases = Cases::default();
    for (name, carrier) in CARRIERS {
        // A text that begins like no statement, sent to a server that nobody knows, is just a text.
        let is_text = *name == "another, as text";
        for sql in CHANGES
            .iter()
            .filter(|sql| !is_text || !["hello", "DR\u{200b}"].iter().any(|no| sql.starts_with(no)))
        {
            cases.stopped(format!("{name}: {sql}"), carrier(sql));
        }
        for sql in READS {
            cases.passed(format!("{name}: {sql}"), carrier(sql));
        }
    }
    cases.run(RULES).await;
}

#[tokio::test]
async fn words_of_one_dialect() {
    let mut cases = Cases::default();
    let carrier = |wanted: &str| CARRIERS.iter().find(|(name, _)| *name == wanted).unwrap().1;
    let mut table = |name: &str, stopped: &[&str], passed: &[&str]| {
        for sql in stopped {
            cases.stopped(format!("{name}: {sql}"), carrier(name)(sql));
        }
        for sql in passed {
            cases.passed(format!("{name}: {sql}"), carrier(name)(sql));
        }
    };
    table(
        "bigquery query",
        &[
            "EXPORT DATA OPTIONS(uri='gs://b/*') AS SELECT 1",
            "LOAD DATA INTO t FROM FILES (uris=['gs://x'])",
            "CREATE TEMP FUNCTION f() AS (1); SELECT f()",
            "SELECT * FROM EXTERNAL_QUERY('c', 'DROP TABLE t')",
            "EXECUTE IMMEDIATE CONCAT('DR', 'OP TABLE t')",
            "BEGIN DELETE FROM t WHERE TRUE; END",
            "DECLARE x INT64; SET x = 1; DELETE FROM t WHERE a = x",
            "IF TRUE THEN DROP TABLE t; END IF",
            "SELECT dataset.my_function(1)",
            "SELECT * FROM ML.PREDICT(MODEL m, (SELECT 1))",
            r"SELECT r'\' '; DROP TABLE t; -- '",
            r"SELECT b'\', '; DROP TABLE t; --'",
            r#"SELECT b"\", "; DROP TABLE t; --""#,
            "SELECT HLL_COUNT.EVIL(a), NET.LOWER(b) FROM t",
            "SELECT `net.host`(a) FROM t",
            "DROP ALL ROW ACCESS POLICIES ON t",
            "SELECT 1 # x\n; DROP TABLE t",
        ],
        &[
            "SELECT * FROM `p.d.t` WHERE DATE(ts) = '2026-01-01'",
            r"SELECT REGEXP_EXTRACT(a, r'^\d+\s') FROM t",
            "SELECT [1, 2][OFFSET(0)], HLL_COUNT.MERGE(b) FROM t",
            "SELECT * EXCEPT (a) FROM t, UNNEST(b) AS x QUALIFY ROW_NUMBER() OVER (PARTITION BY a) = 1",
            r"SELECT 'it\'s'",
            r#"SELECT b'a', B"\x41""#,
            "SELECT NET.HOST(a), RANGE_START(b), ST_PERIMETER(c) FROM t",
        ],
    );
    table(
        "snowflake",
        &[
            "COPY INTO @stage FROM t",
            "COPY INTO 's3://b/x' FROM t",
            "EXECUTE IMMEDIATE $$ BEGIN DROP TABLE t; END $$",
            "USE ROLE ACCOUNTADMIN",
            "USE SECONDARY ROLES ALL",
            "SELECT seq.nextval",
            "SELECT S.NEXTVAL FROM t",
            "SELECT SYSTEM$CANCEL_QUERY('x')",
            "SELECT * FROM TABLE(udtf(1))",
            "INSERT OVERWRITE INTO t SELECT 1",
            "DELETE FROM IDENTIFIER('t')",
            "SELECT $$ ' $$; DROP TABLE t",
            "CREATE STAGE s URL='s3://x'",
            "GRANT OWNERSHIP ON TABLE t TO ROLE r",
            "SELECT 1 ->> DELETE FROM t",
            "SHOW TABLES ->> TRUNCATE t",
            "SELECT 1 ->> CALL p()",
            "SELECT $a$ , system$cancel_query('x') , $a$",
            "SELECT * FROM TABLE(get('x'))",
            "USE DATABASE d",
            "USE SCHEMA s",
        ],
        &[
            "SELECT v:a.b::string FROM t AT(OFFSET => -60)",
            "SELECT * FROM IDENTIFIER('t')",
            "SELECT * FROM TABLE(FLATTEN(input => PARSE_JSON('[1]')))",
            "SHOW GRANTS TO USER jo",
            "USE WAREHOUSE w",
            "SELECT // c\n 1",
            "SHOW TERSE OBJECTS LIKE 'x' IN DATABASE d",
            "SELECT $$ it's $$, a -> b FROM t",
            "SELECT * FROM TABLE(RESULT_SCAN(LAST_QUERY_ID()))",
        ],
    );
    table(
        "databricks",
        &[
            "OPTIMIZE t",
            "SELECT java_method('java.lang.Runtime', 'x')",
            "INSERT OVERWRITE DIRECTORY '/x' SELECT 1",
            "SELECT * FROM read_files('s3://x')",
            "COPY INTO t FROM '/x' FILEFORMAT = CSV",
            "USE CATALOG c; DROP TABLE t",
            "FROM t INSERT INTO u SELECT a",
            "ALTER TABLE t OWNER TO `x`",
            r#"SELECT r'\', ai_query("m", a) --'"#,
            r#"SELECT R"\", ai_query('m', 'x') --""#,
            "SELECT 1 -- \\\n'\n, ai_query(\"m\", \"x\") -- '",
            "SELECT /*+ BROADCAST(' */ 1 --', t) */ ai_query(\"m\",\"x\")",
            "SELECT * FROM text.`/etc/passwd`",
            "SELECT * FROM csv.`s3://x/y`",
            "SELECT '${env:SECRET}'",
            "USE CATALOG c",
        ],
        &[
            "DESCRIBE DETAIL t",
            "DESCRIBE HISTORY cat.sch.t",
            "SELECT from_json(a, 'b INT'), transform(b, x -> x + 1) FROM t",
            "SELECT `a b` FROM t LATERAL VIEW explode(a) e AS x",
            r"SELECT a FROM t WHERE a RLIKE r'^\s+'",
            "SELECT /*+ BROADCAST(t), REPARTITION(3) */ a FROM t -- a\\b",
        ],
    );
    table(
        "athena",
        &[
            "UNLOAD (SELECT * FROM t) TO 's3://x' WITH (format='CSV')",
            "CREATE TABLE t WITH (external_location='s3://x') AS SELECT 1",
            "USING EXTERNAL FUNCTION f(x int) RETURNS int LAMBDA 'x' SELECT f(1)",
            "SELECT * FROM \"lambda:fn\".\"db\".\"t\"",
            "SELECT * FROM t FOR TIMESTAMP AS OF evil(1)",
            "SHOW TABLES IN `lambda:fn`.db",
            "DESCRIBE `lambda:fn`.db.t",
            "EXPLAIN SELECT * FROM \"LAMBDA:fn\".db.t",
            "MSCK REPAIR TABLE t",
            "SELECT 'a\\'; DROP TABLE t; --'",
        ],
        &[
            "SELECT try(a), at_timezone(b, 'UTC') FROM \"db\".\"t\" WHERE dt >= date '2026-01-01'",
            "SHOW CREATE TABLE t",
            "SELECT x FROM t CROSS JOIN UNNEST(a) AS u(x)",
            "SELECT * FROM t WHERE a = 'lambda:fn'",
            "SELECT * FROM t FOR TIMESTAMP AS OF TIMESTAMP '2026-01-01 00:00:00 UTC' WHERE a = 1",
            "SELECT * FROM t FOR VERSION AS OF 12",
        ],
    );
    table(
        "rds-data",
        &[
            "WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d",
            "DO $$ BEGIN DELETE FROM t; END $$",
            "COPY t TO '/tmp/x'",
            "COPY t FROM PROGRAM 'sh'",
            "SELECT lo_export(1, '/x')",
            "SELECT dblink('a', 'DROP TABLE t')",
            "SELECT query_to_xml('delete from t', true, true, '')",
            "SELECT * FROM t INTO OUTFILE '/tmp/x'",
            "EXPLAIN (ANALYZE on, FORMAT json) UPDATE t SET a = 1",
            "DESC ANALYZE DELETE t FROM t JOIN u",
            "SELECT @a := 1",
            "SELECT \"nextval\"('s')",
            "SELECT E'\\''; DROP TABLE t; --'",
            "SELECT 'a\\'; DROP TABLE t; --'",
            "SELECT $x$ $$ $x$; DROP TABLE t",
            "SELECT `; DROP TABLE t; -- `",
            "SELECT `a'`, 'b; DROP TABLE t; --'",
            "SELECT 1 #\n; DROP TABLE t",
            "SELECT 1 --1; DROP TABLE t",
            "SELECT pg_catalog.pg_terminate_backend(1)",
            "SELECT net.lower('x')",
            "EXPLAIN (ANALYSE) DELETE FROM t",
            "EXPLAIN (ANALYZE off, ANALYSE on) DELETE FROM t",
            "EXPLAIN (ANALYSE, FORMAT json) INSERT INTO t SELECT 1",
            "DESC ANALYSE DELETE FROM t",
            "SELECT /*+ QB_NAME(`a */ 1 -- `) */ sleep(10)",
            "SELECT /*+ SET_VAR(sql_mode = ' */ 1 -- ') */ sleep(10)",
            "SELECT 1 --\u{a0}, load_file('/etc/passwd') FROM (SELECT 1 AS `\u{a0}`) x",
            "SELECT 1 --\u{3000}, sleep(5)",
            "SELECT 1 -- \r '\n , lambda_async(\"arn\",\"x\") -- '",
            "SELECT 1 FROM t WHERE 1=1 -- \r '\n INTO OUTFILE S3 \"s3-us-east-1://b/x\" -- '",
            "SELECT dateadd(1), json_parse(a), uniq(b) FROM t",
            "USE x",
            "SELECT transform(a) FROM t",
        ],
        &[
            "SELECT * FROM t WHERE id = :id",
            "SELECT a::text, b->>'c' FROM t",
            "SELECT `a`, `t`.`b` FROM `t`",
            "SELECT count(*) FILTER (WHERE a > 1) FROM generate_series(1, 10)",
            "EXPLAIN (ANALYZE off, COSTS off) DELETE FROM t",
            "EXPLAIN (VERBOSE, FORMAT json) SELECT 1",
            "SELECT /*+ MAX_EXECUTION_TIME(1000) */ 1",
            "SELECT 1 --\t it's\n, '\u{a0}'",
            "SELECT JSON_EXTRACT(a, '$.b.c') FROM `t`",
            "SELECT crc32(a), inet_ntoa(b) FROM t",
            "BEGIN",
            "COMMIT",
        ],
    );
    table(
        "redshift-data",
        &[
            "UNLOAD ('SELECT * FROM t') TO 's3://x' IAM_ROLE 'y'",
            "COPY t FROM 's3://x' IAM_ROLE 'y'",
            "SELECT f_udf(a) FROM t",
            "CREATE DATASHARE d",
            "SELECT x[f_udf(ssn)] FROM t",
            "SELECT c FROM t WHERE x[f_udf(a)] = 1",
            "EXPLAIN (ANALYSE) DELETE FROM t",
        ],
        &[
            "SELECT TOP 10 * FROM t",
            "SELECT x[0], c.o[0].k FROM c",
            "SELECT getdate(), dateadd(day, 1, a) FROM t",
            "SHOW search_path",
        ],
    );
    table(
        "clickhouse body",
        &[
            "INSERT INTO t FORMAT CSV\n1,2",
            "INSERT INTO FUNCTION s3('x') SELECT 1",
            "SELECT * FROM url('http://x', CSV)",
            "SELECT * FROM remote('x', db.t)",
            "SELECT * FROM executable('x', CSV, 'a Int8')",
            "ALTER TABLE t DELETE WHERE 1",
            "SYSTEM SHUTDOWN",
            "KILL QUERY WHERE 1",
            "SELECT * FROM t INTO OUTFILE 'x'",
            "SELECT 1; DROP TABLE t FORMAT JSON",
            "DROP TABLE t FORMAT JSON",
            "OPTIMIZE TABLE t FINAL",
            "SELECT * FROM t SETTINGS stream_like_engine_allow_direct_select = 1",
            "SELECT * FROM t SETTINGS dialect = 'kusto'",
            "SELECT * FROM date('x')",
            "SELECT dictGet('d', 'a', secret) FROM t",
        ],
        &[
            "SELECT toStartOfHour(ts), uniq(a) FROM t GROUP BY 1 FORMAT JSON",
            "SELECT 1 FORMAT JSONEachRow",
            "SELECT sumMap(a), sumIf(a, b), toInt8OrDefault(c) FROM t SETTINGS max_threads = 1",
            "SELECT * FROM format('CSV', 'a')",
            "EXISTS TABLE t",
            "SHOW DATABASES",
        ],
    );
    cases.run(RULES).await;
}

#[tokio::test]
async fn places() {
    let mut cases = Cases::default();
    const DROP: &str = "DROP TABLE t";
    // ---- JSON
    cases.stopped(
        "bigquery: a query twice, last",
        post_json(
            BIGQUERY,
            "/bigquery/v2/projects/p/queries",
            r#"{"query":"SELECT 1","query":"DROP TABLE t"}"#,
        ),
    );
    cases.stopped(
        "bigquery: a query twice, first",
        post_json(
            BIGQUERY,
            "/bigquery/v2/projects/p/queries",
            r#"{"query":"DROP TABLE t","query":"SELECT 1"}"#,
        ),
    );
    cases.stopped(
        "bigquery: in other letters",
        post_json(BIGQUERY, "/bigquery/v2/projects/p/queries", r#"{"Query":"DROP TABLE t"}"#),
    );
    cases.stopped(
        "bigquery: an escaped twin",
        post_json(
            BIGQUERY,
            "/bigquery/v2/projects/p/queries",
            r#"{"query":"SELECT 1","qu\u0065ry":"DROP TABLE t"}"#,
        ),
    );
    cases.stopped(
        "bigquery: escaped",
        post_json(BIGQUERY, "/bigquery/v2/projects/p/queries", r#"{"query":"\u0044ROP TABLE t"}"#),
    );
    cases.stopped(
        "bigquery: not a text",
        post_json(BIGQUERY, "/bigquery/v2/projects/p/queries", r#"{"query":["DROP TABLE t"]}"#),
    );
    cases.stopped("bigquery: no query", post_json(BIGQUERY, "/bigquery/v2/projects/p/queries", "{}"));
    cases.stopped("bigquery: no body", post_json(BIGQUERY, "/bigquery/v2/projects/p/queries", ""));
    cases.stopped(
        "bigquery: trailing comma",
        post_json(BIGQUERY, "/bigquery/v2/projects/p/queries", r#"{"query":"DROP TABLE t",}"#),
    );
    cases.stopped(
        "bigquery: as text",
        request(
            "POST",
            BIGQUERY,
            "/bigquery/v2/projects/p/queries",
            "Content-Type: text/plain\r\n",
            r#"{"query":"DROP TABLE t"}"#,
        ),
    );
    cases.stopped(
        "bigquery: gzip",
        request(
            "POST",
            BIGQUERY,
            "/bigquery/v2/projects/p/queries",
            "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
            gzip(br#"{"query":"DROP TABLE t"}"#),
        ),
    );
    for path in [
        "/bigquery/v2/projects/p/queries/",
        "/bigquery/v2/projects/p/Queries",
        "/bigquery/v2/projects/p/%71ueries",
        "/bigquery/v2/x/../projects/p/queries",
        "//bigquery/v2/projects/p/queries",
        "/bigquery/v2/projects/p/queries;a=b",
        "/bigquery/v2/projects/p/queries?alt=json",
    ] {
        cases.stopped(format!("bigquery: {path}"), post_json(BIGQUERY, path, r#"{"query":"DROP TABLE t"}"#));
    }
    cases.stopped(
        "bigquery: override",
        request(
            "GET",
            BIGQUERY,
            "/bigquery/v2/projects/p/queries",
            "X-HTTP-Method-Override: POST\r\nContent-Type: application/json\r\n",
            r#"{"query":"DROP TABLE t"}"#,
        ),
    );
    let job = |configuration: Value| {
        post_json(
            BIGQUERY,
            "/bigquery/v2/projects/p/jobs",
            json!({ "configuration": configuration }).to_string(),
        )
    };
    cases.stopped("bigquery: extract", job(json!({ "extract": { "sourceTable": {} } })));
    cases.stopped("bigquery: load", job(json!({ "load": { "destinationTable": {} } })));
    cases.stopped("bigquery: copy", job(json!({ "copy": { "sourceTable": {} } })));
    cases.stopped(
        "bigquery: into a table",
        job(json!({ "query": { "query": "SELECT 1", "destinationTable": { "tableId": "t" } } })),
    );
    cases.stopped("bigquery: two configurations", post_json(BIGQUERY, "/bigquery/v2/projects/p/jobs", r#"{"configuration":{"query":{"query":"SELECT 1"}},"configuration":{"query":{"query":"DROP TABLE t"}}}"#));
    let upload = "--b\r\nContent-Type: application/json\r\n\r\n{\"configuration\":{\"load\":{}}}\r\n--b\r\nContent-Type: text/csv\r\n\r\n1,2\r\n--b--\r\n";
    cases.stopped(
        "bigquery: load by upload",
        request(
            "POST",
            BIGQUERY,
            "/upload/bigquery/v2/projects/p/jobs?uploadType=multipart",
            "Content-Type: multipart/related; boundary=b\r\n",
            upload,
        ),
    );
    cases.stopped(
        "bigquery: a private endpoint",
        post_json(
            "bigquery-x.p.googleapis.com",
            "/bigquery/v2/projects/p/queries",
            r#"{"query":"DROP TABLE t"}"#,
        ),
    );
    cases
        .passed("bigquery: a list of jobs", request("GET", BIGQUERY, "/bigquery/v2/projects/p/jobs", "", ""));
    cases.passed(
        "bigquery: a result",
        request("GET", BIGQUERY, "/bigquery/v2/projects/p/queries/job_1?maxResults=10", "", ""),
    );
    cases.passed("bigquery: with parameters", post_json(BIGQUERY, "/bigquery/v2/projects/p/queries", json!({ "query": "SELECT @a", "queryParameters": [{ "name": "a", "parameterValue": { "value": DROP } }] }).to_string()));
    cases.passed(
        "bigquery: another call",
        post_json(
            BIGQUERY,
            "/bigquery/v2/projects/p/datasets/d/tables/t/insertAll",
            json!({ "rows": [{ "json": { "query": DROP } }] }).to_string(),
        ),
    );
    // ---- AWS
    cases.stopped(
        "redshift: any of several",
        aws(
            REDSHIFT,
            "RedshiftData.BatchExecuteStatement",
            &json!({ "Sqls": ["SELECT 1", "SELECT 2", DROP] }),
        ),
    );
    cases.stopped(
        "redshift: a text in a list",
        aws(REDSHIFT, "RedshiftData.ExecuteStatement", &json!({ "Sql": "SELECT 1", "Sqls": [DROP] })),
    );
    cases.stopped(
        "dynamodb: one",
        aws(
            DYNAMODB,
            "DynamoDB_20120810.ExecuteStatement",
            &json!({ "Statement": "DELETE FROM T WHERE k = 'x'" }),
        ),
    );
    cases.stopped("dynamodb: batch", aws(DYNAMODB, "DynamoDB_20120810.BatchExecuteStatement", &json!({ "Statements": [{ "Statement": "SELECT * FROM T WHERE k = 'x'" }, { "Statement": "INSERT INTO T VALUE {'k': 'x'}" }] })));
    cases.stopped(
        "dynamodb: transaction",
        aws(
            DYNAMODB,
            "DynamoDB_20120810.ExecuteTransaction",
            &json!({ "TransactStatements": [{ "Statement": "UPDATE T SET a = 1 WHERE k = 'x'" }] }),
        ),
    );
    cases.stopped(
        "dynamodb: in other letters",
        aws(
            DYNAMODB,
            "dynamodb_20120810.executestatement",
            &json!({ "statement": "DELETE FROM T WHERE k = 'x'" }),
        ),
    );
    cases.stopped(
        "dynamodb: CBOR",
        request(
            "POST",
            DYNAMODB,
            "/service/DynamoDB_20120810/operation/ExecuteStatement",
            "smithy-protocol: rpc-v2-cbor\r\nContent-Type: application/cbor\r\n",
            b"\xa1\x69Statement\x78\x1bDELETE FROM T WHERE k = 'x'",
        ),
    );
    for sql in [
        "SELECT * FROM \"T\" WHERE begins_with(a, 'x')",
        "SELECT * FROM T WHERE a IN ['x', 'y'] AND b IS MISSING",
        "EXISTS(SELECT * FROM T WHERE a = 'x' AND b = 1)",
        "SELECT * FROM \"T\".\"I\" WHERE size(a) > 5",
    ] {
        cases.passed(
            format!("dynamodb: {sql}"),
            aws(DYNAMODB, "DynamoDB_20120810.ExecuteStatement", &json!({ "Statement": sql })),
        );
    }
    for sql in [
        "SELECT * FROM T; DELETE FROM T WHERE k = 'x'",
        "-- SELECT\nDELETE FROM T WHERE k = 'x'",
        "delete from T where k = 'x' RETURNING ALL OLD *",
    ] {
        cases.stopped(
            format!("dynamodb: {sql}"),
            aws(DYNAMODB, "DynamoDB_20120810.ExecuteStatement", &json!({ "Statement": sql })),
        );
    }
    cases.passed(
        "dynamodb: another call",
        aws(
            DYNAMODB,
            "DynamoDB_20120810.GetItem",
            &json!({ "TableName": "T", "Key": { "Statement": { "S": DROP } } }),
        ),
    );
    cases.stopped(
        "athena: prepared",
        aws(ATHENA, "AmazonAthena.CreatePreparedStatement", &json!({ "QueryStatement": "DELETE FROM t" })),
    );
    cases.stopped(
        "athena: a result where the request says",
        aws(
            ATHENA,
            "AmazonAthena.StartQueryExecution",
            &json!({ "QueryString": "SELECT 1", "ResultConfiguration": { "OutputLocation": "s3://x" } }),
        ),
    );
    cases.stopped(
        "athena: prepared, though it reads",
        aws(ATHENA, "AmazonAthena.UpdatePreparedStatement", &json!({ "QueryStatement": "SELECT 1" })),
    );
    let catalog = |name: &str| {
        let body = json!({ "QueryString": "SELECT * FROM t", "QueryExecutionContext": { "Catalog": name } });
        aws(ATHENA, "AmazonAthena.StartQueryExecution", &body)
    };
    cases.stopped("athena: tables of a function", catalog("lambda:fn"));
    cases.passed("athena: a catalog", catalog("AwsDataCatalog"));
    cases.stopped("athena: two targets", request("POST", ATHENA, "/", "X-Amz-Target: AmazonAthena.GetQueryExecution\r\nX-Amz-Target: AmazonAthena.StartQueryExecution\r\n", json!({ "QueryString": DROP }).to_string()));
    cases.stopped(
        "athena: a VPC endpoint",
        aws(
            "vpce-1-a.athena.eu-west-1.vpce.amazonaws.com",
            "AmazonAthena.StartQueryExecution",
            &json!({ "QueryString": DROP }),
        ),
    );
    cases.stopped(
        "timestream",
        aws(
            TIMESTREAM,
            "Timestream_20181101.Query",
            &json!({ "QueryString": "UNLOAD (SELECT 1) TO 's3://x'" }),
        ),
    );
    cases.stopped(
        "timestream: a scheduled read",
        aws(TIMESTREAM, "Timestream_20181101.CreateScheduledQuery", &json!({ "QueryString": "SELECT 1" })),
    );
    cases.passed(
        "timestream: a read",
        aws(TIMESTREAM, "Timestream_20181101.Query", &json!({ "QueryString": "SELECT max(a) FROM db.t" })),
    );
    cases.stopped(
        "rds-data: the old call",
        post_json(RDS, "/ExecuteSql", json!({ "sqlStatements": "SELECT 1; DROP TABLE t" }).to_string()),
    );
    cases.stopped(
        "rds-data: a statement twice",
        post_json(RDS, "/Execute", r#"{"sql":"SELECT 1","sql":"DROP TABLE t"}"#),
    );
    cases.passed(
        "rds-data: a parameter",
        post_json(
            RDS,
            "/Execute",
            json!({ "sql": "SELECT :a", "parameters": [{ "name": "a", "value": { "stringValue": DROP } }] })
                .to_string(),
        ),
    );
    // ---- Snowflake, Databricks
    cases.stopped(
        "snowflake: several",
        post_json(
            SNOWFLAKE,
            "/api/v2/statements",
            json!({ "statement": "SELECT 1; DROP TABLE t", "parameters": { "MULTI_STATEMENT_COUNT": "2" } })
                .to_string(),
        ),
    );
    cases.stopped(
        "snowflake: twice",
        post_json(SNOWFLAKE, "/api/v2/statements", r#"{"statement":"SELECT 1","Statement":"DROP TABLE t"}"#),
    );
    cases.stopped(
        "snowflake: a private link",
        post_json(
            "acme.privatelink.snowflakecomputing.com",
            "/api/v2/statements/",
            json!({ "statement": DROP }).to_string(),
        ),
    );
    cases.passed("snowflake: a result", request("GET", SNOWFLAKE, "/api/v2/statements/01b", "", ""));
    cases.stopped(
        "databricks: a command",
        post_json(
            DATABRICKS,
            "/api/1.2/commands/execute",
            json!({ "language": "sql", "clusterId": "c", "contextId": "x", "command": DROP }).to_string(),
        ),
    );
    cases.stopped(
        "databricks: a command in another language",
        post_json(
            DATABRICKS,
            "/api/1.2/commands/execute",
            json!({ "language": "python", "command": "spark.sql('DROP TABLE t')" }).to_string(),
        ),
    );
    for host in ["adb.cloud.databricks.us", "adb.cloud.databricks.mil"] {
        cases.stopped(
            format!("databricks: {host}"),
            post_json(host, "/api/2.0/sql/statements", json!({ "statement": DROP }).to_string()),
        );
    }
    cases.passed("databricks: a result", request("GET", DATABRICKS, "/api/2.0/sql/statements/01b", "", ""));
    // ---- ClickHouse
    cases.stopped("clickhouse: GET", request("GET", CLICKHOUSE, "/?query=DROP+TABLE+t", "", ""));
    cases.stopped(
        "clickhouse: GET that says readonly",
        request("GET", CLICKHOUSE, "/?readonly=1&query=DROP+TABLE+t", "", ""),
    );
    cases.stopped(
        "clickhouse: twice",
        request("POST", CLICKHOUSE, "/?query=SELECT+1&query=DROP+TABLE+t", "", ""),
    );
    cases
        .stopped("clickhouse: in other letters", request("POST", CLICKHOUSE, "/?Query=DROP+TABLE+t", "", ""));
    cases.stopped(
        "clickhouse: an insert and rows",
        request("POST", CLICKHOUSE, "/?query=INSERT+INTO+t+FORMAT+CSV", "", "1,2\n3,4\n"),
    );
    cases.stopped(
        "clickhouse: an insert and bytes",
        request("POST", CLICKHOUSE, "/?query=INSERT+INTO+t+FORMAT+Native", "", b"\x01\xff\x00\x02"),
    );
    cases.stopped(
        "clickhouse: bytes",
        request("POST", CLICKHOUSE, "/?query=SELECT+1", "", b"\x01\xff\x00\x02"),
    );
    cases.stopped(
        "clickhouse: gzip",
        request("POST", CLICKHOUSE, "/", "Content-Encoding: gzip\r\n", gzip(b"DROP TABLE t")),
    );
    cases.stopped(
        "clickhouse: its own compression",
        request("POST", CLICKHOUSE, "/?decompress=1", "", b"\x9c\x00\x82\x01"),
    );
    let external = |query: &str| {
        format!(
            "--b\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\n{query}\r\n--b\r\nContent-Disposition: form-data; name=\"ext\"; filename=\"x\"\r\n\r\n1\tDROP TABLE t\r\n--b--\r\n"
        )
    };
    cases.stopped(
        "clickhouse: multipart",
        request("POST", CLICKHOUSE, "/", "Content-Type: multipart/form-data; boundary=b\r\n", external(DROP)),
    );
    cases.passed(
        "clickhouse: external data",
        request(
            "POST",
            CLICKHOUSE,
            "/?ext_structure=a+Int8,b+String",
            "Content-Type: multipart/form-data; boundary=b\r\n",
            external("SELECT * FROM ext"),
        ),
    );
    for kind in [
        "Content-Type: multipart/mixed; boundary=b\r\n",
        "Content-Type: Multipart/form-data; boundary=b\r\n",
        "Content-Type: multipart/form-data; boundary=b\r\nContent-Type: text/plain\r\n",
        "Content-Type: text/plain\r\nContent-Type: multipart/form-data; boundary=b\r\n",
    ] {
        cases.stopped(
            format!("clickhouse: {kind:?}"),
            request("POST", CLICKHOUSE, "/?query=SELECT+1", kind, " INTO OUTFILE 'x'"),
        );
    }
    for setting in ["stream_like_engine_allow_direct_select=1", "dialect=kusto"] {
        cases.stopped(
            format!("clickhouse: {setting}"),
            request("POST", CLICKHOUSE, &format!("/?{setting}"), "", "SELECT * FROM t"),
        );
    }
    cases.passed(
        "clickhouse: its own dialect",
        request("POST", CLICKHOUSE, "/?dialect=clickhouse", "Content-Type: text/plain\r\n", "SELECT 1"),
    );
    cases.stopped(
        "clickhouse: by its fields",
        request("POST", "warehouse.test", "/", "X-ClickHouse-User: default\r\n", DROP),
    );
    cases.stopped(
        "clickhouse: in a field",
        request("POST", CLICKHOUSE, "/", "X-ClickHouse-Query: DROP TABLE t\r\n", ""),
    );
    cases.stopped("clickhouse: by its port", request("POST", "warehouse.test:8123", "/", "", DROP));
    cases.stopped(
        "clickhouse: by its port, in the URL",
        request("GET", "warehouse.test:8123", "/?query=DROP%20TABLE%20t", "", ""),
    );
    cases.passed("clickhouse: ping", request("GET", CLICKHOUSE, "/ping", "", ""));
    cases.passed(
        "clickhouse: a setting",
        request("POST", CLICKHOUSE, "/?database=d&max_threads=2&default_format=JSON", "", "SELECT 1"),
    );
    // ---- a server of one's own, where the rule says that there is one
    for (name, body) in [
        ("sql", json!({ "sql": DROP })),
        ("statement", json!({ "statement": DROP })),
        ("stmt", json!({ "stmt": DROP, "args": [] })),
        ("sqlText", json!({ "sqlText": DROP })),
        ("a list", json!({ "queries": ["SELECT 1", DROP] })),
        ("objects in a list", json!({ "statements": [{ "q": "SELECT 1" }, { "q": DROP, "params": [] }] })),
        (
            "libsql",
            json!({ "requests": [{ "type": "execute", "stmt": { "sql": DROP } }, { "type": "close" }] }),
        ),
        ("rqlite", json!([DROP])),
        ("rqlite with values", json!([["DROP TABLE t", 1]])),
        ("hasura", json!({ "type": "run_sql", "args": { "source": "default", "sql": DROP } })),
        ("a name that nobody knows", json!({ "payload": { "text": DROP } })),
        ("a statement that does not parse", json!({ "query": "FROBNICATE t" })),
    ] {
        cases.stopped(format!("another: {name}"), post_json(OTHER, "/sql", body.to_string()));
    }
    cases.stopped(
        "another: a form",
        request(
            "POST",
            OTHER,
            "/sql",
            "Content-Type: application/x-www-form-urlencoded\r\n",
            "db=d&q=DROP+TABLE+t",
        ),
    );
    for sql in [
        "{call drop_all()}",
        "{? = call p(1)}",
        " { CALL p(1) }",
        "SELECT 1 DELETE FROM t",
        "SELECT 1 x DELETE FROM t",
        "SELECT * FROM '/etc/passwd'",
    ] {
        cases.stopped(
            format!("another: {sql}"),
            post_json(OTHER, "/sql", json!({ "query": sql }).to_string()),
        );
    }
    for sql in [
        "{ me { callsign } }",
        "query { call }",
        "SELECT a AS deleted, u.update FROM u",
        "SHOW CREATE TABLE t",
        "SELECT a->>'b', a->>$1 FROM t",
    ] {
        cases
            .passed(format!("another: {sql}"), post_json(OTHER, "/sql", json!({ "query": sql }).to_string()));
    }
    cases.stopped("another: URL and body", request("POST", OTHER, "/?query=DROP", "", "TABLE t"));
    cases.stopped(
        "another: a query twice",
        post_json(OTHER, "/sql", r#"{"query":"SELECT 1","query":"DROP TABLE t"}"#),
    );
    cases.stopped("another: lenient JSON", post_json(OTHER, "/sql", "{query:'DROP TABLE t'}"));
    cases.stopped(
        "another: gzip",
        request(
            "POST",
            OTHER,
            "/sql",
            "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
            gzip(br#"{"query":"DROP TABLE t"}"#),
        ),
    );
    cases.stopped(
        "another: another port",
        post_json("db.test:8443", "/sql", json!({ "query": DROP }).to_string()),
    );
    cases.passed(
        "another: with values",
        post_json(
            OTHER,
            "/sql",
            json!({ "query": "SELECT * FROM t WHERE id = $1", "params": ["DROP"] }).to_string(),
        ),
    );
    cases.passed(
        "another: a text about it",
        post_json(OTHER, "/notes", json!({ "note": "Update the docs, then drop me a line" }).to_string()),
    );
    cases.passed("another: nothing", request("GET", OTHER, "/health?verbose=1", "", ""));
    cases.passed("elsewhere", post_json("notes.test", "/notes", json!({ "query": DROP }).to_string()));
    cases.run(RULES).await;
}
