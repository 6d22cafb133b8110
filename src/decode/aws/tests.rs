use super::*;

#[track_caller]
fn host(host: &str, name: &str, front: &str) {
    let found = service_of(host).unwrap_or_else(|| panic!("{host}"));
    assert_eq!((found.name.as_str(), found.front.as_str()), (name, front), "{host}");
}

#[test]
fn hosts_name_services() {
    host("ec2.us-east-1.amazonaws.com", "ec2", "");
    host("iam.amazonaws.com", "iam", "");
    host("iam.us-gov.amazonaws.com", "iam", "");
    host("sts.cn-north-1.amazonaws.com.cn", "sts", "");
    host("eu-west-1.queue.amazonaws.com", "sqs", "");
    host("ec2-fips.us-east-1.amazonaws.com", "ec2", "");
    host("ec2.us-east-1.api.aws", "ec2", "");
    host("monitoring.eu-west-1.amazonaws.com", "cloudwatch", "");
    host("email.eu-west-1.amazonaws.com", "ses", "");
    host("api.ecr.eu-west-1.amazonaws.com", "ecr", "");
    host("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "ecr", "");
    host("vpce-0ab-xyz.ec2.us-east-1.vpce.amazonaws.com", "ec2", "");
    host("123456789012.ddb.us-east-1.amazonaws.com", "dynamodb", "");
    host("streams.dynamodb.us-east-1.amazonaws.com", "dynamodb", "");
    host("runtime.sagemaker.us-east-1.amazonaws.com", "sagemaker", "");
    host("a1b2c3.execute-api.us-east-1.amazonaws.com", "execute-api", "a1b2c3");
    host("rds-data.us-east-1.amazonaws.com", "rds-data", "");
    host("newservice.us-east-1.amazonaws.com", "newservice", "");
    assert_eq!(service_of("iam.amazonaws.com.attacker.io"), None);
    assert_eq!(service_of("evil-amazonaws.com"), None);
    assert_eq!(service_of("amazonaws.com"), None);
}

/// A bucket may be named like a service, and has dots in it.
#[test]
fn every_host_of_s3_is_s3() {
    host("s3.amazonaws.com", "s3", "");
    host("s3.eu-west-1.amazonaws.com", "s3", "");
    host("s3-eu-west-1.amazonaws.com", "s3", "");
    host("s3.dualstack.eu-west-1.amazonaws.com", "s3", "");
    host("s3-fips.us-east-1.amazonaws.com", "s3", "");
    host("data.s3.eu-west-1.amazonaws.com", "s3", "data");
    host("iam.s3.amazonaws.com", "s3", "iam");
    host("my.ec2.data.s3.eu-west-1.amazonaws.com", "s3", "my.ec2.data");
    host("data.s3-accelerate.amazonaws.com", "s3", "data");
    host("data.s3-accelerate.dualstack.amazonaws.com", "s3", "data");
    host("data--use1-az4--x-s3.s3express-use1-az4.us-east-1.amazonaws.com", "s3", "data--use1-az4--x-s3");
    host("123456789012.s3-control.eu-west-1.amazonaws.com", "s3-control", "123456789012");
    host("bucket.vpce-1a-2b.s3.us-east-1.vpce.amazonaws.com", "s3", "");
    host("bucket.s3.eu-west-1.amazonaws.com", "s3", "bucket");
}
