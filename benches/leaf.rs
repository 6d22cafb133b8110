//! What a leaf certificate costs: minted for a new host, and found again.

use criterion::{Criterion, criterion_group, criterion_main};
use holdpoint::authority::Host;
use holdpoint::tls::{self, CertificateAuthority, Leaves};
use std::hint::black_box;
use std::sync::Arc;

fn leaf(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a fresh folder and sound names");
    let authority =
        Arc::new(CertificateAuthority::load_or_make(folder.path()).expect("a fresh folder and sound names"));
    let leaves =
        Leaves::new(authority, tls::provider(), Arc::default()).expect("a fresh folder and sound names");
    let mut host = 0_u64;
    c.bench_function("leaf/mint", |b| {
        b.iter(|| {
            host += 1;
            let name =
                Host::parse(&format!("host-{host}.example.com")).expect("a fresh folder and sound names");
            black_box(leaves.config(&name).expect("a fresh folder and sound names"))
        });
    });
    let name = Host::parse("api.example.com").expect("a fresh folder and sound names");
    leaves.config(&name).expect("a fresh folder and sound names");
    c.bench_function("leaf/cached", |b| {
        b.iter(|| black_box(leaves.config(black_box(&name)).expect("a fresh folder and sound names")))
    });
}

criterion_group!(benches, leaf);
criterion_main!(benches);
