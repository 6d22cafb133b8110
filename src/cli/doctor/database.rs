//! The database: it opens, is whole, fits this program, and its ledger holds together at the end.

use super::Finding;
use crate::config::Config;
use crate::store::{self, Inspection};

pub(super) async fn check(config: &Config) -> Vec<Finding> {
    let file = config.store.data.join("holdpoint.db");
    match store::inspect(&config.store, LEDGER_ROWS).await {
        Ok(None) => {
            vec![Finding::ok(
                "database",
                format!("there is no {} yet: the first start makes it", file.display()),
            )]
        }
        Ok(Some(found)) => vec![integrity(&found), schema(&found), ledger(&found)],
        Err(error) => {
            let cause =
                std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            let advice =
                format!("look at {} and its folder: owner, mode, disk; or restore a backup", file.display());
            vec![Finding::fail("database", format!("{error}{cause}"), advice)]
        }
    }
}

fn integrity(found: &Inspection) -> Finding {
    match &found.damage {
        None => Finding::ok("database", "it is whole"),
        Some(damage) => Finding::fail(
            "database",
            format!("the file is damaged: {damage}"),
            "stop Holdpoint, keep the file for inspection, and restore a backup; look at the disk",
        ),
    }
}

fn schema(found: &Inspection) -> Finding {
    let (has, known) = (found.schema, found.schema_known);
    if has > known {
        let said = format!("the database is of a newer Holdpoint (schema {has}, this one knows {known})");
        Finding::fail("schema", said, "run the newer program")
    } else if has < known {
        Finding::ok("schema", format!("schema {has}; the next start brings it to {known}"))
    } else {
        Finding::ok("schema", format!("schema {has}"))
    }
}

fn ledger(found: &Inspection) -> Finding {
    match found.broken_row {
        None => Finding::ok("ledger", format!("the last {} rows hold together", found.rows)),
        Some(row) => Finding::fail(
            "ledger",
            format!("row {row} does not follow on the row before: the ledger was changed"),
            "run `holdpoint ledger verify`, keep the files, and find out who had access to them",
        ),
    }
}

/// Rows at the end that are checked; `ledger verify` checks all.
const LEDGER_ROWS: u32 = 1000;
