//! S3: method, parameters and fields name the action.

use super::super::form::{component, split};
use super::service::Service;
use crate::request::Head;
use std::borrow::Cow;

/// A call to S3.
pub(super) struct S3Call {
    pub(super) actions: Vec<&'static str>,
    pub(super) bucket: Option<String>,
    pub(super) key: Option<String>,
}

/// What the request names. `None` where its method names nothing.
pub(super) fn call(head: &Head<'_>, service: &Service) -> Option<S3Call> {
    // Keys have `//` and `..` in them: the path counts as it is.
    let path = head.path.strip_prefix('/').unwrap_or(head.path);
    let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (bucket, key) = if service.front.is_empty() {
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        (decode(bucket), decode(key))
    } else {
        (service.front.clone(), decode(path))
    };
    let names: Vec<Cow<'_, str>> =
        split(head.query.unwrap_or_default(), &['&']).map(|(name, _)| component(name)).collect();
    let has = |name: &str| names.iter().any(|known| known == name);
    let copies = head.headers.contains_key("x-amz-copy-source");
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
    if grants && matches!(method, "PUT" | "POST") {
        actions.push(if level == Object { "PutObjectAcl" } else { "PutBucketAcl" });
    }
    let some = |text: String| (!text.is_empty()).then_some(text);
    (!actions.is_empty()).then(|| S3Call { actions, bucket: some(bucket), key: some(key) })
}

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
