//! Reads the traffic log as anybody may: JSON lines, plain while a segment is open and zstd once it is closed.

use serde_json::Value;
use std::path::Path;

/// All records, in order of segment and place.
pub fn records(folder: &Path) -> Vec<Value> {
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("the traffic folder").map(|f| f.expect("a file").path()).collect();
    files.sort();
    let closed: Vec<_> =
        files.iter().filter(|f| f.extension().is_some_and(|e| e == "zst")).cloned().collect();
    let mut records = Vec::new();
    for file in files {
        let bytes = match file.extension().and_then(|e| e.to_str()) {
            Some("zst") => {
                zstd::stream::decode_all(&std::fs::read(&file).expect("a segment")[..]).expect("sound zstd")
            }
            // A segment that is being closed stands there twice for a moment.
            Some("jsonl") if !closed.contains(&file.with_extension("jsonl.zst")) => {
                std::fs::read(&file).expect("a segment")
            }
            _ => continue,
        };
        let lines = bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        records.extend(lines.map(|line| serde_json::from_slice::<Value>(line).expect("a JSON line")));
    }
    records
}
