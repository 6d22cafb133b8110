#![no_main]

use holdpoint::decode::sql::{Class, Dialect, statements, statements_in_any};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for dialect in [
        Dialect::BigQuery,
        Dialect::Snowflake,
        Dialect::Databricks,
        Dialect::Trino,
        Dialect::Postgres,
        Dialect::MySql,
        Dialect::Redshift,
        Dialect::PartiQl,
        Dialect::ClickHouse,
    ] {
        let found = statements(text, dialect);
        assert!(!found.is_empty());
        assert!(found.iter().all(|s| s.classes.has(Class::Unknown) == s.doubt.is_some()));
    }
    let _ = statements_in_any(text, &[Dialect::Postgres, Dialect::MySql]);
});
