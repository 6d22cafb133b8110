//! `aws:` as rules ask it: service and action, in whatever way a request names them.

use crate::support::{Asking, asking, request};
use holdpoint::ruling::Verdict::{self, Hold, Pass};

fn holding(when: &str) -> Asking {
    asking(&format!("pack: p\nrules:\n- {{ id: r, verdict: hold, when: {{ aws: {{ {when} }} }} }}\n"))
}

fn passing(when: &str) -> Asking {
    asking(&format!(
        "pack: p\nrules:\n- {{ id: r, verdict: deny, when: {{ host: \"*\" }} }}\n\
         adjust:\n- {{ rule: r, verdict: pass, why: known, when: {{ aws: {{ {when} }} }} }}\n"
    ))
}

#[track_caller]
fn ask(asking: &Asking, line: &str, fields: &[(&str, &str)], body: &str) -> Verdict {
    asking.ask(&request(line, fields, body)).0
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[test]
fn an_action_is_found_in_every_protocol() {
    let delete = holding("service: iam, action: \"Delete*\"");
    let iam = "POST https://iam.amazonaws.com/";
    assert_eq!(ask(&delete, iam, &[FORM], "Action=DeleteUser&UserName=jo"), Hold);
    assert_eq!(ask(&delete, iam, &[FORM], "Action=ListUsers"), Pass);
    assert_eq!(ask(&delete, "GET https://iam.amazonaws.com/?Action=DeleteUser&UserName=jo", &[], ""), Hold);
    let tables = holding("service: dynamodb, action: DeleteTable");
    let dynamodb = "POST https://dynamodb.eu-west-1.amazonaws.com/";
    assert_eq!(ask(&tables, dynamodb, &[("x-amz-target", "DynamoDB_20120810.DeleteTable")], "{}"), Hold);
    assert_eq!(ask(&tables, dynamodb, &[("x-amz-target", "DynamoDB_20120810.DescribeTable")], "{}"), Pass);
    let alarms = holding("service: cloudwatch, action: \"Delete*\"");
    let cbor =
        "POST https://monitoring.eu-west-1.amazonaws.com/service/GraniteServiceVersion20100801/operation/";
    assert_eq!(ask(&alarms, &format!("{cbor}DeleteAlarms"), &[], "\u{1}"), Hold);
    assert_eq!(ask(&alarms, &format!("{cbor}ListMetrics"), &[], "\u{1}"), Pass);
    let code = holding("service: lambda, action: \"Update*\"");
    let lambda = "https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions/web";
    assert_eq!(ask(&code, &format!("PUT {lambda}/code"), &[], ""), Hold);
    assert_eq!(ask(&code, &format!("GET {lambda}/configuration"), &[], ""), Pass);
    assert_eq!(
        ask(&code, "PUT https://lambda.eu-west-1.amazonaws.com/2031-01-01/new", &[], ""),
        Hold,
        "unmapped"
    );
}

#[test]
fn s3_is_told_by_method_parameters_and_fields() {
    let delete = holding("service: s3, action: \"Delete*\"");
    let public = holding("service: s3, action: [PutBucketAcl, PutBucketPolicy, PutObjectAcl], bucket: data");
    for base in ["https://s3.eu-west-1.amazonaws.com/data", "https://data.s3.amazonaws.com"] {
        assert_eq!(ask(&delete, &format!("DELETE {base}/a//../b"), &[], ""), Hold);
        assert_eq!(ask(&delete, &format!("DELETE {base}/"), &[], ""), Hold);
        assert_eq!(ask(&delete, &format!("POST {base}/?delete"), &[], "<Delete/>"), Hold);
        assert_eq!(ask(&delete, &format!("GET {base}/delete"), &[], ""), Pass, "a key is no action");
        assert_eq!(ask(&delete, &format!("PUT {base}/k"), &[], "x"), Pass);
        assert_eq!(ask(&public, &format!("PUT {base}/?policy"), &[], "{}"), Hold);
        assert_eq!(ask(&public, &format!("PUT {base}/k?acl="), &[], ""), Hold);
        assert_eq!(ask(&public, &format!("GET {base}/k?acl"), &[], ""), Pass);
        assert_eq!(ask(&public, &format!("PUT {base}/acl"), &[], "x"), Pass, "a key is no parameter");
    }
    let line = "PUT https://data.s3.amazonaws.com/k";
    assert_eq!(ask(&public, line, &[("x-amz-acl", "public-read")], "x"), Hold, "a field says so, too");
    assert_eq!(ask(&public, "PUT https://other.s3.amazonaws.com/?acl", &[], ""), Pass);
    let reads = passing("service: s3, action: [GetObject, HeadObject, \"List*\"], bucket: \"acme-*\"");
    assert_eq!(ask(&reads, "GET https://acme-logs.s3.eu-west-1.amazonaws.com/2026/11", &[], ""), Pass);
    assert_eq!(ask(&reads, "GET https://acme-logs.s3.eu-west-1.amazonaws.com/?list-type=2", &[], ""), Pass);
    assert_eq!(
        ask(&reads, "GET https://acme-logs.s3.eu-west-1.amazonaws.com/?session", &[], ""),
        Verdict::Deny
    );
    assert_eq!(ask(&reads, "GET https://other.s3.eu-west-1.amazonaws.com/2026/11", &[], ""), Verdict::Deny);
}

// ---- ways round it

/// The only request that a catalogue without this took for safe.
#[test]
fn two_actions_are_both_judged() {
    let delete = holding("service: iam, action: \"Delete*\"");
    let list = passing("service: iam, action: \"List*\"");
    for (line, body) in [
        ("POST https://iam.amazonaws.com/?Action=ListUsers", "Action=DeleteUser&UserName=jo"),
        ("POST https://iam.amazonaws.com/?Action=DeleteUser", "Action=ListUsers"),
        ("POST https://iam.amazonaws.com/", "Action=ListUsers&Action=DeleteUser"),
        ("POST https://iam.amazonaws.com/", "Action=ListUsers&%41ction=DeleteUser"),
    ] {
        assert_eq!(ask(&delete, line, &[FORM], body), Hold, "{line} {body}");
        assert_eq!(ask(&list, line, &[FORM], body), Verdict::Deny, "{line} {body}");
    }
    let target = [FORM, ("x-amz-target", "Any.ListUsers")];
    assert_eq!(ask(&delete, "POST https://iam.amazonaws.com/", &target, "Action=DeleteUser"), Hold);
    assert_eq!(ask(&list, "POST https://iam.amazonaws.com/", &[FORM], "Action=ListUsers"), Pass);
}

/// The host says one service and the signature another: each could be meant.
#[test]
fn a_signature_for_another_service_is_noted() {
    let iam = holding("service: iam");
    let scope = "AWS4-HMAC-SHA256 Credential=AKIA/20261120/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0";
    let line = "POST https://sts.amazonaws.com/?Action=GetCallerIdentity";
    assert_eq!(ask(&iam, line, &[("authorization", scope)], ""), Hold);
    assert_eq!(ask(&iam, line, &[("authorization", &scope.replace("/iam/", "/sts/"))], ""), Pass);
    let sts = passing("service: sts");
    assert_eq!(ask(&sts, line, &[("authorization", scope)], ""), Verdict::Deny);
    let usual = scope.replace("/iam/", "/monitoring/");
    let metrics = passing("service: cloudwatch, action: GetMetricData");
    let line = "GET https://monitoring.us-east-1.amazonaws.com/?Action=GetMetricData";
    assert_eq!(ask(&metrics, line, &[("authorization", &usual)], ""), Pass);
}
