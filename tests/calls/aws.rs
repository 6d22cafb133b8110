//! AWS: the action in each of its protocols, services by host, and the ways in which requests contradict themselves.

use super::{Cases, encoded, gzip, request};

const IAM: &str = "iam.amazonaws.com";
const DYNAMODB: &str = "dynamodb.eu-west-1.amazonaws.com";
const EC2: &str = "ec2.eu-west-1.amazonaws.com";
const S3: &str = "s3.eu-west-1.amazonaws.com";
const LAMBDA: &str = "lambda.eu-west-1.amazonaws.com";
const CLOUDWATCH: &str = "monitoring.eu-west-1.amazonaws.com";
const RULES: &str = r#"
pack: calls
rules:
  - id: users
    when: { aws: { service: iam, action: [DeleteUser, CreateAccessKey, AttachUserPolicy] } }
    verdict: hold
    why: The test says so.
  - id: tables
    when: { aws: { service: dynamodb, action: DeleteTable } }
    verdict: hold
    why: The test says so.
  - id: instances
    when: { aws: { service: ec2, action: TerminateInstances } }
    verdict: hold
    why: The test says so.
  - id: buckets
    when: { aws: { service: s3, action: [DeleteBucket, DeleteObject, DeleteObjects, PutBucketPolicy, PutBucketAcl, PutObjectAcl], bucket: acme-data } }
    verdict: hold
    why: The test says so.
  - id: functions
    when: { aws: { service: lambda, action: [DeleteFunction, AddPermission, Invoke] } }
    verdict: hold
    why: The test says so.
  - id: addons
    when: { aws: { service: eks, action: DeleteAddon } }
    verdict: hold
    why: The test says so.
  - id: queues
    when: { aws: { service: sqs, action: DeleteQueue } }
    verdict: hold
    why: The test says so.
  - id: secret-keys
    when: { aws: { service: s3, action: [GetObject, PutObject, DeleteObjects], bucket: secrets, key: "prod/*" } }
    verdict: hold
    why: The test says so.
  - id: account
    when: { aws: { service: s3, action: PutAccountPublicAccessBlock } }
    verdict: hold
    why: The test says so.
  - id: alarms
    when: { aws: { service: cloudwatch, action: DeleteAlarms } }
    verdict: hold
    why: The test says so.
"#;

fn query(host: &str, target: &str, body: &str) -> (String, Vec<u8>) {
    request("POST", host, target, "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n", body)
}

fn target(host: &str, fields: &str, body: &str) -> (String, Vec<u8>) {
    request("POST", host, "/", &format!("Content-Type: application/x-amz-json-1.0\r\n{fields}"), body)
}

#[tokio::test]
async fn actions() {
    let mut cases = Cases::default();
    // ---- query
    cases.stopped("body", query(IAM, "/", "Action=DeleteUser&Version=2010-05-08&UserName=jo"));
    cases.stopped("body, last", query(IAM, "/", "UserName=jo&Version=2010-05-08&Action=DeleteUser"));
    cases.stopped("URL of a GET", request("GET", IAM, "/?Action=DeleteUser&UserName=jo", "", ""));
    cases.stopped("URL of a POST", query(IAM, "/?Action=DeleteUser", "UserName=jo"));
    cases.stopped("URL good, body evil", query(IAM, "/?Action=ListUsers", "Action=DeleteUser&UserName=jo"));
    cases.stopped("URL evil, body good", query(IAM, "/?Action=DeleteUser", "Action=ListUsers"));
    cases.stopped("twice in the body, last", query(IAM, "/", "Action=ListUsers&Action=DeleteUser"));
    cases.stopped("twice in the body, first", query(IAM, "/", "Action=DeleteUser&Action=ListUsers"));
    cases.stopped("encoded value", query(IAM, "/", "Action=%44eleteUser"));
    cases.stopped("encoded name", query(IAM, "/", "%41ction=DeleteUser"));
    cases.stopped("name in other letters", query(IAM, "/", "action=DeleteUser"));
    cases.stopped("value in other letters", query(IAM, "/", "Action=deleteuser"));
    cases.stopped("a blank around", query(IAM, "/", "Action=+DeleteUser+"));
    cases.stopped("a semicolon", query(IAM, "/", "UserName=jo;Action=DeleteUser"));
    cases.stopped("a semicolon in the URL", request("GET", IAM, "/?UserName=jo;Action=DeleteUser", "", ""));
    cases.stopped("without a label", request("POST", IAM, "/", "", "Action=DeleteUser&UserName=jo"));
    cases.stopped(
        "as text",
        request("POST", IAM, "/", "Content-Type: text/plain\r\n", "Action=DeleteUser&UserName=jo"),
    );
    cases.stopped(
        "as JSON",
        request("POST", IAM, "/", "Content-Type: application/json\r\n", "Action=DeleteUser&UserName=jo"),
    );
    cases.stopped(
        "in JSON",
        request("POST", IAM, "/", "Content-Type: application/json\r\n", r#"{"Action":"DeleteUser"}"#),
    );
    cases.stopped(
        "in a multipart form",
        request(
            "POST",
            IAM,
            "/",
            "Content-Type: multipart/form-data; boundary=b\r\n",
            "--b\r\nContent-Disposition: form-data; name=\"Action\"\r\n\r\nDeleteUser\r\n--b--\r\n",
        ),
    );
    cases.stopped(
        "gzip",
        request(
            "POST",
            IAM,
            "/",
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Encoding: gzip\r\n",
            gzip(b"Action=DeleteUser"),
        ),
    );
    cases.stopped(
        "an unknown coding",
        request(
            "POST",
            IAM,
            "/",
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Encoding: x\r\n",
            "Action=DeleteUser",
        ),
    );
    cases.stopped(
        "beyond the limit",
        query(IAM, "/", &format!("x={}&Action=DeleteUser", "x".repeat(2_000_000))),
    );
    cases.stopped(
        "PUT",
        request("PUT", IAM, "/", "Content-Type: application/x-www-form-urlencoded\r\n", "Action=DeleteUser"),
    );
    cases.stopped("no action", query(IAM, "/", "UserName=jo"));
    for host in [
        "iam.us-gov.amazonaws.com",
        "iam-fips.amazonaws.com",
        "iam.cn-north-1.amazonaws.com.cn",
        "iam.global.api.aws",
        "vpce-1-abc.iam.us-east-1.vpce.amazonaws.com",
    ] {
        cases.stopped(format!("at {host}"), query(host, "/", "Action=DeleteUser&UserName=jo"));
    }
    cases.stopped("ec2", query(EC2, "/", "Action=TerminateInstances&InstanceId.1=i-1"));
    cases.stopped("ec2, presigned", request("GET", EC2, "/?Action=TerminateInstances&X-Amz-Credential=AK%2F20260101%2Feu-west-1%2Fec2%2Faws4_request&X-Amz-Signature=a", "", ""));
    cases.passed("a list of users", query(IAM, "/", "Action=ListUsers&Version=2010-05-08"));
    cases.passed("a value that has it", query(IAM, "/", "Action=GetUser&UserName=DeleteUser"));
    cases.passed("the same action elsewhere", query("sns.eu-west-1.amazonaws.com", "/", "Action=DeleteUser"));
    cases.passed(
        "a host that only looks like it",
        query("iam.amazonaws.com.evil.test", "/", "Action=DeleteUser"),
    );
    // ---- JSON
    cases.stopped("target", target(DYNAMODB, "X-Amz-Target: DynamoDB_20120810.DeleteTable\r\n", "{}"));
    cases.stopped(
        "target in other letters",
        target(DYNAMODB, "x-amz-target: dynamodb_20120810.deletetable\r\n", "{}"),
    );
    cases.stopped(
        "two targets, last",
        target(
            DYNAMODB,
            "X-Amz-Target: DynamoDB_20120810.GetItem\r\nX-Amz-Target: DynamoDB_20120810.DeleteTable\r\n",
            "{}",
        ),
    );
    cases.stopped(
        "two targets, first",
        target(
            DYNAMODB,
            "X-Amz-Target: DynamoDB_20120810.DeleteTable\r\nX-Amz-Target: DynamoDB_20120810.GetItem\r\n",
            "{}",
        ),
    );
    cases.stopped(
        "a list of targets",
        target(DYNAMODB, "X-Amz-Target: DynamoDB_20120810.GetItem,DynamoDB_20120810.DeleteTable\r\n", "{}"),
    );
    cases.stopped(
        "another version",
        target(DYNAMODB, "X-Amz-Target: DynamoDB_20111205.DeleteTable\r\n", "{}"),
    );
    cases.stopped(
        "target and action",
        request(
            "POST",
            DYNAMODB,
            "/?Action=DeleteTable",
            "X-Amz-Target: DynamoDB_20120810.GetItem\r\n",
            "{}",
        ),
    );
    cases.stopped("no target", target(DYNAMODB, "", r#"{"TableName":"t"}"#));
    cases.stopped(
        "CBOR",
        request(
            "POST",
            DYNAMODB,
            "/service/DynamoDB_20120810/operation/DeleteTable",
            "smithy-protocol: rpc-v2-cbor\r\nContent-Type: application/cbor\r\n",
            b"\xa0",
        ),
    );
    cases.stopped(
        "CBOR and a target",
        request(
            "POST",
            DYNAMODB,
            "/service/DynamoDB_20120810/operation/DeleteTable",
            "X-Amz-Target: DynamoDB_20120810.GetItem\r\n",
            b"\xa0",
        ),
    );
    cases.stopped(
        "CBOR in another spelling",
        request("POST", DYNAMODB, "/Service/x/Operation/DeleteTable", "", b"\xa0"),
    );
    cases.stopped(
        "CBOR below something",
        request("POST", DYNAMODB, "/a/../service/x/operation/%44eleteTable", "", b"\xa0"),
    );
    for host in [
        "dynamodb-fips.us-east-1.amazonaws.com",
        "dynamodb.us-east-1.api.aws",
        "123456789012.ddb.us-east-1.amazonaws.com",
        "streams.dynamodb.us-east-1.amazonaws.com",
    ] {
        cases.stopped(
            format!("at {host}"),
            target(host, "X-Amz-Target: DynamoDB_20120810.DeleteTable\r\n", "{}"),
        );
    }
    cases.stopped("signed for another service", target("sqs.eu-west-1.amazonaws.com", "X-Amz-Target: DynamoDB_20120810.DeleteTable\r\nAuthorization: AWS4-HMAC-SHA256 Credential=AK/20260101/eu-west-1/dynamodb/aws4_request, SignedHeaders=host, Signature=a\r\n", "{}"));
    cases.passed(
        "an item",
        target(DYNAMODB, "X-Amz-Target: DynamoDB_20120810.GetItem\r\n", r#"{"TableName":"DeleteTable"}"#),
    );
    cases.stopped("cloudwatch by query", query(CLOUDWATCH, "/", "Action=DeleteAlarms"));
    cases.stopped(
        "cloudwatch by JSON",
        target(CLOUDWATCH, "X-Amz-Target: GraniteServiceVersion20100801.DeleteAlarms\r\n", "{}"),
    );
    cases.stopped(
        "cloudwatch by CBOR",
        request(
            "POST",
            CLOUDWATCH,
            "/service/GraniteServiceVersion20100801/operation/DeleteAlarms",
            "smithy-protocol: rpc-v2-cbor\r\n",
            b"\xa0",
        ),
    );
    cases.passed(
        "cloudwatch reads",
        request(
            "POST",
            CLOUDWATCH,
            "/service/GraniteServiceVersion20100801/operation/GetMetricData",
            "smithy-protocol: rpc-v2-cbor\r\n",
            b"\xa0",
        ),
    );
    // ---- REST
    cases.stopped("lambda", request("DELETE", LAMBDA, "/2015-03-31/functions/f", "", ""));
    cases.stopped("lambda with a slash", request("DELETE", LAMBDA, "/2015-03-31/functions/f/", "", ""));
    cases.stopped("lambda encoded", request("DELETE", LAMBDA, "/2015-03-31/%66unctions/f", "", ""));
    cases.stopped(
        "lambda by its name in full",
        request(
            "DELETE",
            LAMBDA,
            "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A1%3Afunction%3Af",
            "",
            "",
        ),
    );
    cases.stopped("lambda policy", request("POST", LAMBDA, "/2015-03-31/functions/f/policy", "", "{}"));
    cases.stopped(
        "lambda call",
        request("POST", LAMBDA, "/2015-03-31/functions/f/invocations?Qualifier=1", "", "{}"),
    );
    cases.stopped(
        "lambda, what nobody knows",
        request("POST", LAMBDA, "/2099-01-01/functions/f/explode", "", "{}"),
    );
    cases.stopped(
        "lambda, an override",
        request("POST", LAMBDA, "/2015-03-31/functions/f", "X-HTTP-Method-Override: DELETE\r\n", ""),
    );
    cases.passed(
        "lambda reads with a packed body",
        request("GET", LAMBDA, "/2015-03-31/functions/g", "", b"\xff"),
    );
    // ---- what a REST service takes no heed of
    const EKS: &str = "eks.eu-west-1.amazonaws.com";
    let addon = "/clusters/c/addons/x";
    cases.stopped("an unknown path", request("DELETE", EKS, addon, "", ""));
    cases.stopped(
        "a bait in the URL",
        request("DELETE", EKS, &format!("{addon}?Action=DescribeAddon"), "", ""),
    );
    cases
        .stopped("a bait for POST", request("POST", EKS, &format!("{addon}?Action=DescribeAddon"), "", "{}"));
    cases.stopped(
        "a bait in a field",
        request("DELETE", EKS, addon, "X-Amz-Target: Eks.DescribeAddon\r\n", ""),
    );
    cases.stopped("a bait at the root", request("DELETE", EKS, "/?Action=DescribeAddon", "", ""));
    cases.stopped("a bait in a form", query(EKS, addon, "Action=DescribeAddon"));
    cases.passed("a known path", request("GET", EKS, "/clusters/c?Action=DescribeCluster", "", ""));
    cases.passed("another action of a query", query(EKS, "/", "Action=ListClusters"));
    // ---- bodies that cannot be read
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let evil = b"Action=TerminateInstances&InstanceId.1=i-1&X=\xff";
    cases.stopped("a form in bytes", request("POST", EC2, "/?Action=DescribeInstances", form, evil));
    cases.stopped(
        "a form in bytes with a target",
        request("POST", EC2, "/?Action=DescribeInstances", &format!("{form}X-Amz-Target: a.B\r\n"), evil),
    );
    cases.stopped(
        "a form in an unknown coding",
        request("POST", EC2, "/?Action=DescribeInstances", &format!("{form}Content-Encoding: x\r\n"), evil),
    );
    cases.passed("nothing but the URL", request("POST", EC2, "/?Action=DescribeInstances", form, ""));
    let put = "X-Amz-Target: DynamoDB_20120810.PutItem\r\n";
    cases.passed("a long body", target(DYNAMODB, put, &format!("{{\"a\":\"{}\"}}", "x".repeat(2_000_000))));
    // ---- queues
    cases.stopped("a queue of old", query("eu-west-1.queue.amazonaws.com", "/1/q", "Action=DeleteQueue"));
    cases.stopped("a queue", query("sqs.eu-west-1.amazonaws.com", "/123456789012/q", "Action=DeleteQueue"));
    cases.passed("a message", query("sqs.eu-west-1.amazonaws.com", "/123456789012/q", "Action=SendMessage"));
    cases.passed("lambda reads", request("GET", LAMBDA, "/2015-03-31/functions/f", "", ""));
    cases.run(RULES).await;
}

#[tokio::test]
async fn buckets() {
    let mut cases = Cases::default();
    let hosts = [
        ("path", S3, "/acme-data"),
        ("virtual", "acme-data.s3.eu-west-1.amazonaws.com", ""),
        ("global", "acme-data.s3.amazonaws.com", ""),
        ("dual stack", "acme-data.s3.dualstack.eu-west-1.amazonaws.com", ""),
        ("fips", "acme-data.s3-fips.us-east-1.amazonaws.com", ""),
        ("dashed", "acme-data.s3-eu-west-1.amazonaws.com", ""),
        ("accelerate", "acme-data.s3-accelerate.amazonaws.com", ""),
        ("dual accelerate", "acme-data.s3-accelerate.dualstack.amazonaws.com", ""),
        ("VPC", "acme-data.bucket.vpce-1-a.s3.eu-west-1.vpce.amazonaws.com", ""),
        ("VPC by path", "bucket.vpce-1-a.s3.eu-west-1.vpce.amazonaws.com", "/acme-data"),
        ("global by path", "s3.amazonaws.com", "/acme-data"),
    ];
    for (name, host, front) in hosts {
        let ask = |method: &str, target: &str, fields: &str, body: &str| {
            request(method, host, &format!("{front}{target}"), fields, body)
        };
        cases.stopped(format!("{name}: delete an object"), ask("DELETE", "/a.txt", "", ""));
        cases.stopped(
            format!("{name}: delete a bucket"),
            ask("DELETE", if front.is_empty() { "/" } else { "" }, "", ""),
        );
        cases.stopped(format!("{name}: delete objects"), ask("POST", "/?delete", "", "<Delete/>"));
        cases.stopped(
            format!("{name}: delete objects with a value"),
            ask("POST", "/?delete=", "", "<Delete/>"),
        );
        cases.stopped(format!("{name}: policy"), ask("PUT", "/?policy", "", "{}"));
        cases.stopped(format!("{name}: acl"), ask("PUT", "/?acl", "", ""));
        cases.stopped(format!("{name}: acl of an object"), ask("PUT", "/a.txt?acl", "", "<a/>"));
        cases.stopped(
            format!("{name}: public by a field"),
            ask("PUT", "/a.txt", "x-amz-acl: public-read\r\n", "x"),
        );
        cases.stopped(
            format!("{name}: granted by a field"),
            ask("PUT", "/a.txt", "x-amz-grant-read: uri=x\r\n", "x"),
        );
        cases.stopped(format!("{name}: presigned"), ask("DELETE", "/a.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK%2F20260101%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Signature=a", "", ""));
        cases.passed(format!("{name}: get"), ask("GET", "/a.txt", "", ""));
        cases.passed(format!("{name}: an object called acl"), ask("PUT", "/acl", "", "x"));
        cases.passed(format!("{name}: an object called policy"), ask("PUT", "/policy/delete", "", "x"));
        cases.passed(format!("{name}: put"), ask("PUT", "/a.txt", "", "x"));
        cases.passed(format!("{name}: list"), ask("GET", "/?list-type=2&prefix=acl", "", ""));
        cases.passed(format!("{name}: tags"), ask("DELETE", "/a.txt?tagging", "", ""));
    }
    cases.stopped("an encoded parameter", request("PUT", S3, "/acme-data?%61cl", "", ""));
    cases.stopped("two parameters", request("PUT", S3, "/acme-data?tagging&acl", "", ""));
    cases.stopped("an encoded bucket", request("DELETE", S3, "/%61cme-data/a", "", ""));
    cases.stopped("a key with dots", request("DELETE", S3, "/acme-data/a%2F..%2Fb", "", ""));
    cases.stopped("a key with slashes", request("DELETE", S3, "/acme-data//a//b", "", ""));
    cases.stopped(
        "an action in the URL as well",
        request("DELETE", S3, &format!("/acme-data/a?Action={}", encoded("GetObject")), "", ""),
    );
    cases
        .stopped("an override", request("GET", S3, "/acme-data/a", "X-HTTP-Method-Override: delete\r\n", ""));
    // ---- keys in bodies and fields
    let secrets = "secrets.s3.eu-west-1.amazonaws.com";
    cases.stopped("a key", request("GET", secrets, "/prod/x", "", ""));
    cases.stopped(
        "keys to delete",
        request("POST", secrets, "/?delete", "", "<Delete><Object><Key>prod/x</Key></Object></Delete>"),
    );
    cases.stopped(
        "a form",
        request(
            "POST",
            S3,
            "/secrets",
            "Content-Type: multipart/form-data; boundary=b\r\n",
            "--b\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nprod/x\r\n--b--\r\n",
        ),
    );
    cases.stopped("a bucket behind two slashes", request("DELETE", S3, "//acme-data/a", "", ""));
    cases.stopped("a method that nobody knows", request("PATCH", S3, "/secrets/prod/x", "", "x"));
    cases.stopped("POST of an object", request("POST", S3, "/secrets/prod/x", "", "x"));
    let copy = |source: &str| request("PUT", S3, "/mine/x", &format!("x-amz-copy-source: {source}\r\n"), "");
    for source in [
        "/secrets/prod/x",
        "secrets/prod/x",
        "%2Fsecrets%2Fprod%2Fx",
        "/secrets/prod/x?versionId=1",
        "arn:aws:s3:eu-west-1:1:accesspoint/a/object/prod/x",
        "secrets",
    ] {
        cases.stopped(format!("a copy of {source}"), copy(source));
    }
    cases.stopped(
        "a copy of a part",
        request("PUT", S3, "/mine/x?partNumber=1&uploadId=u", "x-amz-copy-source: /secrets/prod/x\r\n", ""),
    );
    cases.passed("a copy of another key", copy("/secrets/dev/x"));
    cases.passed("a copy from another bucket", copy("/secrets-2/prod/x"));
    cases.passed("a key in another bucket's list", request("POST", S3, "/mine?delete", "", "<Delete/>"));
    for method in ["GET", "HEAD", "PUT", "DELETE"] {
        cases.passed(format!("{method} of another key"), request(method, secrets, "/dev/x", "", ""));
    }
    cases.passed("the list of buckets", request("GET", S3, "/", "", ""));
    let control = "123456789012.s3-control.eu-west-1.amazonaws.com";
    cases.stopped(
        "S3 Control",
        request("PUT", control, "/v20180820/configuration/publicAccessBlock", "", "<a/>"),
    );
    cases.stopped("S3 Control, a bucket", request("DELETE", control, "/v20180820/bucket/acme-data", "", ""));
    cases.passed("another bucket", request("DELETE", S3, "/acme-data-2/a", "", ""));
    cases.passed("a key that is named like it", request("DELETE", S3, "/other/acme-data/a", "", ""));
    cases.run(RULES).await;
}
