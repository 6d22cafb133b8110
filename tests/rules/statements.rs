//! `sql:` as rules ask it: which requests carry SQL, and what their statements do.

use crate::support::{Asking, asking, request};
use holdpoint::rules::Need;
use holdpoint::ruling::Verdict::{self, Hold, Pass};

/// Holds where `when` matches, wherever.
fn holding(when: &str) -> Asking {
    asking(&format!("pack: p\nrules:\n- {{ id: r, verdict: hold, when: {{ {when} }} }}\n"))
}

/// Denies everything but where `when` matches.
fn passing(when: &str) -> Asking {
    asking(&format!(
        "pack: p\nrules:\n- {{ id: r, verdict: deny, when: {{ host: \"*\" }} }}\n\
         adjust:\n- {{ rule: r, verdict: pass, why: known, when: {{ {when} }} }}\n"
    ))
}

/// Where each service takes its SQL, with `SQL` in place of the text.
const CARRIERS: &[(&str, &str, &str, &str)] = &[
    (
        "bigquery",
        "https://bigquery.googleapis.com/bigquery/v2/projects/p/queries",
        "",
        r#"{"query":"SQL","useLegacySql":false}"#,
    ),
    (
        "bigquery",
        "https://bigquery.us-east4.rep.googleapis.com/bigquery/v2/projects/p/jobs",
        "",
        r#"{"configuration":{"query":{"query":"SQL"}}}"#,
    ),
    (
        "snowflake",
        "https://acme-x1.snowflakecomputing.com/api/v2/statements?async=true",
        "",
        r#"{"statement":"SQL","warehouse":"w"}"#,
    ),
    (
        "snowflake",
        "https://acme.privatelink.snowflakecomputing.com/queries/v1/query-request?requestId=1",
        "",
        r#"{"sqlText":"SQL"}"#,
    ),
    (
        "databricks",
        "https://adb-1.2.azuredatabricks.net/api/2.0/sql/statements/",
        "",
        r#"{"statement":"SQL","warehouse_id":"w"}"#,
    ),
    (
        "athena",
        "https://athena.eu-west-1.amazonaws.com/",
        "AmazonAthena.StartQueryExecution",
        r#"{"QueryString":"SQL"}"#,
    ),
    ("rds-data", "https://rds-data.eu-west-1.amazonaws.com/Execute", "", r#"{"sql":"SQL"}"#),
    (
        "redshift-data",
        "https://redshift-data.eu-west-1.amazonaws.com/",
        "RedshiftData.ExecuteStatement",
        r#"{"Sql":"SQL"}"#,
    ),
    (
        "redshift-data",
        "https://redshift-data.eu-west-1.amazonaws.com/",
        "RedshiftData.BatchExecuteStatement",
        r#"{"Sqls":["SELECT 1","SQL"]}"#,
    ),
    (
        "dynamodb",
        "https://dynamodb.eu-west-1.amazonaws.com/",
        "DynamoDB_20120810.ExecuteStatement",
        r#"{"Statement":"SQL"}"#,
    ),
    (
        "dynamodb",
        "https://dynamodb.eu-west-1.amazonaws.com/",
        "DynamoDB_20120810.BatchExecuteStatement",
        r#"{"Statements":[{"Statement":"SELECT * FROM a"},{"Statement":"SQL"}]}"#,
    ),
    (
        "timestream",
        "https://query-cell1.timestream.us-east-1.amazonaws.com/",
        "Timestream_20181101.Query",
        r#"{"QueryString":"SQL"}"#,
    ),
    ("clickhouse", "https://x1.eu-west-1.aws.clickhouse.cloud/?database=d", "", "SQL"),
];

#[track_caller]
fn ask(asking: &Asking, carrier: usize, sql: &str) -> Verdict {
    let (_, url, target, body) = CARRIERS.get(carrier).expect("a carrier");
    let fields: &[(&str, &str)] = if target.is_empty() { &[] } else { &[("x-amz-target", target)] };
    asking.ask(&request(&format!("POST {url}"), fields, &body.replace("SQL", sql))).0
}

#[test]
fn every_carrier_is_read() {
    for (at, (service, ..)) in CARRIERS.iter().enumerate() {
        let delete = holding(&format!("sql: {{ service: {service}, class: [delete, ddl] }}"));
        assert_eq!(ask(&delete, at, "DELETE FROM t WHERE a = 1"), Hold, "{service} {at}");
        assert_eq!(ask(&delete, at, "SELECT a FROM t"), Pass, "{service} {at}");
        assert_eq!(ask(&delete, at, "SELEC a FROM t"), Hold, "{service} {at}: what does not parse is held");
        let reads = passing("sql: { class: read }");
        assert_eq!(ask(&reads, at, "SELECT a FROM t"), Pass, "{service} {at}");
        assert_eq!(ask(&reads, at, "UPDATE t SET a = 1"), Verdict::Deny, "{service} {at}");
        // DynamoDB has its own functions only, and none of them does anything.
        let unknown = if *service == "dynamodb" { Pass } else { Verdict::Deny };
        assert_eq!(ask(&reads, at, "SELECT my_function(a) FROM t"), unknown, "{service} {at}");
    }
}

#[test]
fn tables_and_several_statements() {
    let users = holding("sql: { class: [write, delete], table: \"*users\" }");
    assert_eq!(ask(&users, 2, "SELECT 1; update PROD.PUBLIC.Users set a = 1"), Hold);
    assert_eq!(ask(&users, 2, "SELECT * FROM users; UPDATE orders SET a = 1"), Pass, "neither is both");
    let scratch = passing("sql: { table: \"scratch.*\" }");
    assert_eq!(ask(&scratch, 2, "DELETE FROM scratch.t"), Pass);
    assert_eq!(ask(&scratch, 2, "INSERT INTO scratch.t SELECT * FROM prod.t"), Verdict::Deny);
    assert_eq!(ask(&scratch, 2, "DELETE FROM scratch.t; DELETE FROM prod.t"), Verdict::Deny);
}

/// A denial by what is known of a statement is not softened by what is not.
#[test]
fn doubt_does_not_soften_a_denial() {
    let asking = asking("pack: p\nrules:\n- { id: r, verdict: deny, when: { sql: { class: delete } } }\n");
    assert_eq!(ask(&asking, 2, "DELETE FROM t WHERE f(a)"), Verdict::Deny);
    assert_eq!(ask(&asking, 2, "SELECT f(a)"), Hold);
}

// ---- ways round it

#[track_caller]
fn other(asking: &Asking, line: &str, fields: &[(&str, &str)], body: &str) -> Verdict {
    asking.ask(&request(line, fields, body)).0
}

#[test]
fn a_second_statement_in_a_repeated_key() {
    let asking = holding("sql: { class: delete }");
    let url = "POST https://a.snowflakecomputing.com/api/v2/statements";
    assert_eq!(other(&asking, url, &[], r#"{"statement":"SELECT 1","statement":"DELETE FROM t"}"#), Hold);
    assert_eq!(other(&asking, url, &[], r#"{"statement":"SELECT 1","Statement":"DELETE FROM t"}"#), Hold);
    assert_eq!(other(&asking, url, &[], r#"{"stat\u0065ment":"DELETE FROM t"}"#), Hold);
    assert_eq!(
        other(&asking, url, &[("content-type", "text/plain")], r#"{"statement":"DELETE FROM t"}"#),
        Hold
    );
    assert_eq!(other(&asking, url, &[], "statement=DELETE"), Hold);
    assert_eq!(other(&asking, url, &[], ""), Hold);
    let url = "POST https://a.snowflakecomputing.com//api/v2/%73tatements/";
    assert_eq!(other(&asking, url, &[], r#"{"statement":"DELETE FROM t"}"#), Hold);
}

#[test]
fn a_job_that_is_more_than_its_query() {
    let url = "POST https://bigquery.googleapis.com/bigquery/v2/projects/p/jobs";
    let export = holding("sql: { class: export }");
    let extract = r#"{"configuration":{"extract":{"sourceTable":{},"destinationUris":["gs://b/x"]}}}"#;
    assert_eq!(other(&export, url, &[], extract), Hold);
    let write = holding("sql: { class: write }");
    let stored = r#"{"configuration":{"query":{"query":"SELECT 1","destinationTable":{"tableId":"t"}}}}"#;
    assert_eq!(other(&write, url, &[], stored), Hold);
    let reads = passing("sql: { class: read }");
    assert_eq!(other(&reads, url, &[], stored), Verdict::Deny);
}

/// The rows go wherever the request says, another account's bucket included.
#[test]
fn a_query_whose_result_goes_elsewhere() {
    let reads = passing("sql: { class: read }");
    let line = "POST https://athena.us-east-1.amazonaws.com/";
    let fields = [("x-amz-target", "AmazonAthena.StartQueryExecution")];
    assert_eq!(other(&reads, line, &fields, r#"{"QueryString":"SELECT 1"}"#), Pass);
    let elsewhere = r#"{"QueryString":"SELECT 1","ResultConfiguration":{"OutputLocation":"s3://evil/"}}"#;
    assert_eq!(other(&reads, line, &fields, elsewhere), Verdict::Deny);
}

/// What is kept, or made to run again, is more than the statement.
#[test]
fn a_statement_that_is_kept() {
    let ddl = holding("sql: { class: ddl }");
    let line = "POST https://athena.us-east-1.amazonaws.com/";
    let body = r#"{"QueryStatement":"SELECT 1"}"#;
    for operation in ["CreatePreparedStatement", "UpdatePreparedStatement"] {
        let target = format!("AmazonAthena.{operation}");
        assert_eq!(other(&ddl, line, &[("x-amz-target", target.as_str())], body), Hold);
    }
    let line = "POST https://query.timestream.us-east-1.amazonaws.com/";
    let body = r#"{"QueryString":"SELECT 1"}"#;
    for class in ["write", "export"] {
        let asking = holding(&format!("sql: {{ class: {class} }}"));
        let fields = |target| [("x-amz-target", target)];
        assert_eq!(other(&asking, line, &fields("Timestream_20181101.CreateScheduledQuery"), body), Hold);
        assert_eq!(other(&asking, line, &fields("Timestream_20181101.Query"), body), Pass);
    }
}

/// A catalog that is a Lambda function is run by whoever reads from it.
#[test]
fn tables_of_a_function() {
    let execute = holding("sql: { class: execute }");
    let line = "POST https://athena.us-east-1.amazonaws.com/";
    let fields = [("x-amz-target", "AmazonAthena.StartQueryExecution")];
    let named = r#"{"QueryString":"SELECT * FROM \"lambda:fn\".db.t"}"#;
    assert_eq!(other(&execute, line, &fields, named), Hold);
    let by_context = r#"{"QueryString":"SELECT 1","QueryExecutionContext":{"Catalog":"lambda:fn"}}"#;
    assert_eq!(other(&execute, line, &fields, by_context), Hold);
    let plain = r#"{"QueryString":"SELECT 1","QueryExecutionContext":{"Catalog":"AwsDataCatalog"}}"#;
    assert_eq!(other(&execute, line, &fields, plain), Pass);
}

#[test]
fn cbor_hides_no_statement() {
    let asking = holding("sql: { class: delete }");
    let line =
        "POST https://athena.us-east-1.amazonaws.com/service/AmazonAthena/operation/StartQueryExecution";
    assert_eq!(other(&asking, line, &[("smithy-protocol", "rpc-v2-cbor")], "\u{1}x"), Hold);
    assert_eq!(
        other(
            &asking,
            "POST https://athena.us-east-1.amazonaws.com/",
            &[("x-amz-target", "AmazonAthena.GetQueryResults")],
            "{}"
        ),
        Pass
    );
}

#[test]
fn clickhouse_joins_parameter_and_body() {
    let asking = holding("sql: { class: [write, delete, ddl] }");
    let url = "https://x.clickhouse.cloud";
    assert_eq!(other(&asking, &format!("GET {url}/?query=DROP%20TABLE%20t"), &[], ""), Hold);
    assert_eq!(other(&asking, &format!("POST {url}/?query=DROP"), &[], " TABLE t"), Hold);
    assert_eq!(other(&asking, &format!("POST {url}/?query=INSERT+INTO+t+FORMAT+CSV"), &[], "1,2\n"), Hold);
    assert_eq!(other(&asking, &format!("POST {url}/?query=SELECT+1&query=DROP+TABLE+t"), &[], ""), Hold);
    assert_eq!(other(&asking, &format!("GET {url}/?query=SELECT+1"), &[], ""), Pass);
    assert_eq!(other(&asking, &format!("GET {url}/ping"), &[], ""), Pass);
    // Servers of one's own.
    assert_eq!(other(&asking, "POST http://ch.acme.test:8123/", &[], "DROP TABLE t"), Hold);
    assert_eq!(
        other(&asking, "POST https://ch.acme.test/", &[("x-clickhouse-user", "jo")], "DROP TABLE t"),
        Hold
    );
}

#[test]
fn the_body_is_read_only_where_sql_could_be() {
    let asking = holding("sql: { class: delete }");
    let need = |line: &str| asking.need(&request(line, &[], "{}"));
    assert_eq!(need("POST https://a.snowflakecomputing.com/api/v2/statements"), Need::Body);
    assert_eq!(need("POST https://a.snowflakecomputing.com/api/v2/databases"), Need::None);
    assert_eq!(need("POST https://api.test/api/v2/statements"), Need::None);
    assert_eq!(
        need("GET https://bigquery.googleapis.com/bigquery/v2/projects/p/jobs"),
        Need::None,
        "a list of them"
    );
    assert_eq!(need("POST https://rds-data.eu-west-1.amazonaws.com/BeginTransaction"), Need::None);
    assert_eq!(need("PUT https://b.s3.amazonaws.com/ExecuteStatement"), Need::None, "an object of this name");
}
