//! Object stores by host: services in which a path is the name of an object, and nothing is done to it.

use super::aws::service_of;

/// Whether the host keeps paths as they come: `//`, `..` and `%2e` in them are names.
pub fn keeps_paths(host: &str) -> bool {
    let below = |parent: &&str| host.strip_suffix(*parent).is_some_and(|front| front.ends_with('.'));
    HOSTS.contains(&host)
        || PARENTS.iter().any(below)
        || service_of(host).is_some_and(|service| matches!(&*service.name, "s3" | "s3-outposts"))
}

const HOSTS: [&str; 1] = ["storage.googleapis.com"];
/// Hosts below these.
const PARENTS: [&str; 9] = [
    "storage.googleapis.com",
    "blob.core.windows.net",
    "blob.core.chinacloudapi.cn",
    "blob.core.usgovcloudapi.net",
    "dfs.core.windows.net",
    "r2.cloudflarestorage.com",
    "digitaloceanspaces.com",
    "backblazeb2.com",
    "wasabisys.com",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_are_known_by_their_hosts() {
        for host in [
            "s3.amazonaws.com",
            "bucket.s3.eu-west-1.amazonaws.com",
            "a.b.s3-us-west-2.amazonaws.com",
            "s3.dualstack.eu-west-1.amazonaws.com",
            "storage.googleapis.com",
            "bucket.storage.googleapis.com",
            "acme.blob.core.windows.net",
            "0123.r2.cloudflarestorage.com",
        ] {
            assert!(keeps_paths(host), "{host}");
        }
        for host in [
            "s3-control.eu-west-1.amazonaws.com",
            "iam.amazonaws.com",
            "s3.amazonaws.com.evil.test",
            "evilstorage.googleapis.com",
            "blob.core.windows.net",
            "compute.googleapis.com",
            "api.test",
        ] {
            assert!(!keeps_paths(host), "{host}");
        }
    }
}
