//! S3: method, parameters and fields name the action.

use super::super::form::{component, split};
use super::super::protocol::Call;
use super::service::Service;
use crate::request::Head;
use http::HeaderValue;
use std::borrow::Cow;

/// A call to S3.
pub(super) struct S3Call {
    /// None: what it does cannot be seen.
    actions: Vec<&'static str>,
    bucket: Part,
    key: Part,
}

/// What a request says of a bucket or a key.
enum Part {
    None,
    Named(String),
    /// In the body, or written in a way that is not known.
    Hidden,
}

impl Part {
    fn of(text: String) -> Self {
        if text.is_empty() { Self::None } else { Self::Named(text) }
    }

    fn add_to<'a>(&self, call: Call<'a>, field: &'static str) -> Call<'a> {
        match self {
            Self::None => call,
            Self::Named(name) => call.with(field, name.clone()),
            Self::Hidden => call.with_hidden(field),
        }
    }
}

impl S3Call {
    /// One call for each action, on top of what all calls to the service say.
    pub(super) fn shown<'a>(&self, base: &Call<'a>) -> Vec<Call<'a>> {
        let of_actions = self.actions.iter().map(|action| base.clone().with("action", *action));
        let mut calls: Vec<Call<'a>> = of_actions.collect();
        if calls.is_empty() {
            calls.push(base.clone().with_hidden("action"));
        }
        calls.into_iter().map(|call| self.key.add_to(self.bucket.add_to(call, "bucket"), "key")).collect()
    }
}

/// What the request names: its own call, and those that read what it copies.
pub(super) fn calls(head: &Head<'_>, service: &Service) -> Vec<S3Call> {
    // Keys have `//` and `..` in them: the path counts as it is.
    let path = head.path.strip_prefix('/').unwrap_or(head.path);
    let (bucket, key) = if service.front.is_empty() {
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        (decoded(bucket), decoded(key))
    } else {
        (service.front.clone(), decoded(path))
    };
    let names: Vec<Cow<'_, str>> =
        split(head.query.unwrap_or_default(), &['&']).map(|(name, _)| component(name)).collect();
    let has = |name: &str| names.iter().any(|known| known == name);
    let copies = head.headers.contains_key(COPY_SOURCE);
    let level = match (bucket.is_empty(), key.is_empty()) {
        (true, _) => Level::Service,
        (false, true) => Bucket,
        (false, false) => Object,
    };
    let method = head.method.as_str();
    let rows = ACTIONS.iter().filter(|row| row.0 == level && row.1 == method && has(row.2));
    let mut actions: Vec<&'static str> = rows.map(|row| row.3).collect();
    if actions.is_empty() || (has("partNumber") && !has("uploadId")) {
        actions.extend(plain(level, method, copies));
    }
    if copies && actions.contains(&"UploadPart") {
        actions.push("UploadPartCopy");
    }
    // Who may read it is said in fields as well.
    let grants =
        head.headers.keys().any(|name| name == "x-amz-acl" || name.as_str().starts_with("x-amz-grant-"));
    if grants && !actions.is_empty() && matches!(method, "PUT" | "POST") {
        actions.push(if level == Object { "PutObjectAcl" } else { "PutBucketAcl" });
    }
    let in_body = level == Bucket && method == "POST"; // a list to delete, or the form of a browser
    let (bucket, key) = match (level, Part::of(key)) {
        (Level::Service, Part::Named(_)) => (Part::Hidden, Part::Hidden), // `//bucket/key`
        (_, _) if in_body => (Part::of(bucket), Part::Hidden),
        (_, key) => (Part::of(bucket), key),
    };
    let mut calls = vec![S3Call { actions, bucket, key }];
    if method == "PUT" {
        calls.extend(head.headers.get_all(COPY_SOURCE).iter().map(copied));
    }
    calls
}

/// The call that reads what is copied: `/bucket/key?versionId=x`, encoded.
fn copied(source: &HeaderValue) -> S3Call {
    let named = source.to_str().ok().and_then(|source| {
        let source = source.trim().split('?').next().unwrap_or_default();
        let source = decoded(source.strip_prefix('/').unwrap_or(source));
        let source = source.strip_prefix('/').unwrap_or(&source);
        let (bucket, key) = source.split_once('/')?;
        // An access point has a name of its own for the bucket.
        (!bucket.contains(':')).then(|| (Part::of(bucket.to_owned()), Part::of(key.to_owned())))
    });
    let (bucket, key) = named.unwrap_or((Part::Hidden, Part::Hidden));
    S3Call { actions: vec!["GetObject"], bucket, key }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

const COPY_SOURCE: &str = "x-amz-copy-source";

fn plain(level: Level, method: &str, copies: bool) -> Option<&'static str> {
    match (level, method) {
        (Level::Service, "GET") => Some("ListBuckets"),
        (Bucket, "GET") => Some("ListObjects"),
        (Bucket, "HEAD") => Some("HeadBucket"),
        (Bucket, "PUT") => Some("CreateBucket"),
        (Bucket, "DELETE") => Some("DeleteBucket"),
        // A form that a browser would send.
        (Bucket, "POST") => Some("PutObject"),
        (Object, "GET") => Some("GetObject"),
        (Object, "HEAD") => Some("HeadObject"),
        (Object, "PUT") if copies => Some("CopyObject"),
        (Object, "PUT") => Some("PutObject"),
        (Object, "DELETE") => Some("DeleteObject"),
        _ => None,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Service,
    Bucket,
    Object,
}

use Level::{Bucket, Object};

/// Level, method, the parameter that tells, and the action.
const ACTIONS: &[(Level, &str, &str, &str)] = &[
    (Bucket, "GET", "list-type", "ListObjectsV2"),
    (Bucket, "GET", "versions", "ListObjectVersions"),
    (Bucket, "GET", "uploads", "ListMultipartUploads"),
    (Bucket, "GET", "acl", "GetBucketAcl"),
    (Bucket, "GET", "policy", "GetBucketPolicy"),
    (Bucket, "GET", "policyStatus", "GetBucketPolicyStatus"),
    (Bucket, "GET", "location", "GetBucketLocation"),
    (Bucket, "GET", "versioning", "GetBucketVersioning"),
    (Bucket, "GET", "lifecycle", "GetBucketLifecycleConfiguration"),
    (Bucket, "GET", "encryption", "GetBucketEncryption"),
    (Bucket, "GET", "tagging", "GetBucketTagging"),
    (Bucket, "GET", "cors", "GetBucketCors"),
    (Bucket, "GET", "website", "GetBucketWebsite"),
    (Bucket, "GET", "logging", "GetBucketLogging"),
    (Bucket, "GET", "notification", "GetBucketNotificationConfiguration"),
    (Bucket, "GET", "replication", "GetBucketReplication"),
    (Bucket, "GET", "requestPayment", "GetBucketRequestPayment"),
    (Bucket, "GET", "object-lock", "GetObjectLockConfiguration"),
    (Bucket, "GET", "publicAccessBlock", "GetPublicAccessBlock"),
    (Bucket, "GET", "ownershipControls", "GetBucketOwnershipControls"),
    (Bucket, "GET", "accelerate", "GetBucketAccelerateConfiguration"),
    (Bucket, "GET", "analytics", "GetBucketAnalyticsConfiguration"),
    (Bucket, "GET", "inventory", "GetBucketInventoryConfiguration"),
    (Bucket, "GET", "metrics", "GetBucketMetricsConfiguration"),
    (Bucket, "GET", "session", "CreateSession"),
    (Bucket, "PUT", "acl", "PutBucketAcl"),
    (Bucket, "PUT", "policy", "PutBucketPolicy"),
    (Bucket, "PUT", "versioning", "PutBucketVersioning"),
    (Bucket, "PUT", "lifecycle", "PutBucketLifecycleConfiguration"),
    (Bucket, "PUT", "encryption", "PutBucketEncryption"),
    (Bucket, "PUT", "tagging", "PutBucketTagging"),
    (Bucket, "PUT", "cors", "PutBucketCors"),
    (Bucket, "PUT", "website", "PutBucketWebsite"),
    (Bucket, "PUT", "logging", "PutBucketLogging"),
    (Bucket, "PUT", "notification", "PutBucketNotificationConfiguration"),
    (Bucket, "PUT", "replication", "PutBucketReplication"),
    (Bucket, "PUT", "requestPayment", "PutBucketRequestPayment"),
    (Bucket, "PUT", "object-lock", "PutObjectLockConfiguration"),
    (Bucket, "PUT", "publicAccessBlock", "PutPublicAccessBlock"),
    (Bucket, "PUT", "ownershipControls", "PutBucketOwnershipControls"),
    (Bucket, "PUT", "accelerate", "PutBucketAccelerateConfiguration"),
    (Bucket, "PUT", "analytics", "PutBucketAnalyticsConfiguration"),
    (Bucket, "PUT", "inventory", "PutBucketInventoryConfiguration"),
    (Bucket, "PUT", "metrics", "PutBucketMetricsConfiguration"),
    (Bucket, "DELETE", "policy", "DeleteBucketPolicy"),
    (Bucket, "DELETE", "lifecycle", "DeleteBucketLifecycle"),
    (Bucket, "DELETE", "encryption", "DeleteBucketEncryption"),
    (Bucket, "DELETE", "tagging", "DeleteBucketTagging"),
    (Bucket, "DELETE", "cors", "DeleteBucketCors"),
    (Bucket, "DELETE", "website", "DeleteBucketWebsite"),
    (Bucket, "DELETE", "replication", "DeleteBucketReplication"),
    (Bucket, "DELETE", "publicAccessBlock", "DeletePublicAccessBlock"),
    (Bucket, "DELETE", "ownershipControls", "DeleteBucketOwnershipControls"),
    (Bucket, "DELETE", "analytics", "DeleteBucketAnalyticsConfiguration"),
    (Bucket, "DELETE", "inventory", "DeleteBucketInventoryConfiguration"),
    (Bucket, "DELETE", "metrics", "DeleteBucketMetricsConfiguration"),
    (Bucket, "POST", "delete", "DeleteObjects"),
    (Object, "GET", "acl", "GetObjectAcl"),
    (Object, "GET", "tagging", "GetObjectTagging"),
    (Object, "GET", "attributes", "GetObjectAttributes"),
    (Object, "GET", "legal-hold", "GetObjectLegalHold"),
    (Object, "GET", "retention", "GetObjectRetention"),
    (Object, "GET", "torrent", "GetObjectTorrent"),
    (Object, "GET", "uploadId", "ListParts"),
    (Object, "PUT", "acl", "PutObjectAcl"),
    (Object, "PUT", "tagging", "PutObjectTagging"),
    (Object, "PUT", "legal-hold", "PutObjectLegalHold"),
    (Object, "PUT", "retention", "PutObjectRetention"),
    (Object, "PUT", "renameObject", "RenameObject"),
    (Object, "PUT", "partNumber", "UploadPart"),
    (Object, "DELETE", "tagging", "DeleteObjectTagging"),
    (Object, "DELETE", "uploadId", "AbortMultipartUpload"),
    (Object, "POST", "uploads", "CreateMultipartUpload"),
    (Object, "POST", "uploadId", "CompleteMultipartUpload"),
    (Object, "POST", "select", "SelectObjectContent"),
    (Object, "POST", "restore", "RestoreObject"),
];
