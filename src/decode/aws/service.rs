//! The service that a host name stands for.

use smallvec::SmallVec;

/// A service, by the prefix that it has in IAM policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// `s3`, `states`, `elasticloadbalancing`: as IAM policies name it. As in the host where it is not known.
    pub name: String,
    /// What stands in front of it in the host: a bucket, an account, the id of an API.
    pub front: String,
}

impl Service {
    pub(super) fn signs_as(&self, scope: &str) -> bool {
        is_usual(&self.name, scope)
    }
}

/// Whether requests of the service are signed for this name.
pub(super) fn is_usual(service: &str, scope: &str) -> bool {
    service == scope
        || alias(scope) == service
        || match service {
            "s3" | "s3-control" => scope.starts_with("s3"),
            _ => false,
        }
}

/// The service that is signed for under a name, if it is one that this file knows.
pub(super) fn by_signing_name(scope: &str) -> Option<&str> {
    let name = alias(scope);
    KNOWN.contains(&name).then_some(name)
}

/// Takes a host apart: suffix, region and kind of endpoint fall away, what stays is the service.
pub fn service_of(host: &str) -> Option<Service> {
    let front = SUFFIXES.iter().find_map(|suffix| {
        let front = host.strip_suffix(suffix)?;
        front.strip_suffix('.')
    })?;
    let mut labels: SmallVec<[&str; 8]> = front.split('.').collect();
    let all = labels.clone();
    labels.retain(|label| !is_place(label));
    let bare = |label: &str| -> String {
        let label = label.strip_suffix("-fips").or_else(|| label.strip_prefix("fips-")).unwrap_or(label);
        label.to_owned()
    };
    // `bucket.s3-eu-west-1`, `s3-accelerate`, `s3-website.…`, `s3express-….…`: S3 has many hosts, and a bucket can
    // be named like any service.
    let last_s3 = all.iter().rposition(|label| {
        *label == "s3" || label.starts_with("s3-") || label.starts_with("s3express-") || *label == "s3express"
    });
    if let Some(at) = last_s3
        && all.iter().skip(at + 1).all(|label| is_place(label) || is_region(label))
    {
        let label = all.get(at).copied().unwrap_or_default();
        let name = match label {
            "s3-control" | "s3-control-fips" => "s3-control",
            "s3-outposts" | "s3-outposts-fips" => "s3-outposts",
            "s3-object-lambda" => "s3",
            _ => "s3",
        };
        // `bucket.vpce-1a2b.s3…` is an endpoint, which names no bucket.
        let is_endpoint = |label: &str| label.starts_with("vpce-");
        let front: Vec<&str> = match all.get(..at).unwrap_or_default() {
            [front @ .., "bucket", endpoint] if is_endpoint(endpoint) => front.to_vec(),
            [front @ .., endpoint] if is_endpoint(endpoint) => front.to_vec(),
            front => front.to_vec(),
        };
        return Some(Service { name: name.to_owned(), front: front.join(".") });
    }
    // From the right, the first label that is a service; else the last.
    let known = (0..labels.len()).rev().find_map(|at| {
        let two = labels.get(at.checked_sub(1)?..=at)?.join(".");
        let name = alias(&two);
        (name != two).then(|| (at - 1, name.to_owned()))
    });
    let known = known.or_else(|| {
        labels.iter().enumerate().rev().find_map(|(at, label)| {
            let bare = bare(label);
            let name = alias(&bare).to_owned();
            KNOWN.contains(&name.as_str()).then_some((at, name))
        })
    });
    let (at, name) = known.or_else(|| {
        let at = labels.len().checked_sub(1)?;
        Some((at, bare(labels.get(at)?)))
    })?;
    Some(Service { name, front: labels.get(..at).unwrap_or_default().join(".") })
}

/// Labels that say where, and not what.
fn is_place(label: &str) -> bool {
    is_region(label)
        || matches!(label, "dualstack" | "vpce" | "fips" | "global")
        || label.starts_with("vpce-")
        || (label.len() == 12 && label.bytes().all(|b| b.is_ascii_digit()))
}

/// `eu-west-1`, `us-gov-east-1`, `us-iso-west-1`, `eusc-de-east-1`, `mx-central-1`.
fn is_region(label: &str) -> bool {
    let parts: SmallVec<[&str; 5]> = label.split('-').collect();
    let Some((number, names)) = parts.split_last() else { return false };
    (2..=4).contains(&names.len())
        && number.len() == 1
        && number.bytes().all(|b| b.is_ascii_digit())
        && names.first().is_some_and(|first| (2..=4).contains(&first.len()))
        && names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase()))
        && names.last().is_some_and(|name| DIRECTIONS.contains(name))
}

/// The IAM prefix of what hosts or signatures call otherwise.
fn alias(name: &str) -> &str {
    ALIASES.iter().find(|(known, _)| *known == name).map_or(name, |(_, prefix)| prefix)
}

const DIRECTIONS: &[&str] =
    &["north", "south", "east", "west", "central", "northeast", "northwest", "southeast", "southwest"];

const SUFFIXES: &[&str] = &[
    "amazonaws.com",
    "amazonaws.com.cn",
    "api.aws",
    "api.amazonwebservices.com.cn",
    "amazonaws.eu",
    "api.amazonwebservices.eu",
    "c2s.ic.gov",
    "sc2s.sgov.gov",
    "cloud.adc-e.uk",
    "csp.hci.ic.gov",
];

/// Hosts, or names in signatures, and the prefix in IAM.
const ALIASES: &[(&str, &str)] = &[
    ("monitoring", "cloudwatch"),
    ("email", "ses"),
    ("api.ecr", "ecr"),
    ("api-ecr", "ecr"),
    ("dkr.ecr", "ecr"),
    ("api.ecr-public", "ecr-public"),
    ("api.sagemaker", "sagemaker"),
    ("runtime.sagemaker", "sagemaker"),
    ("api.pricing", "pricing"),
    ("api.mediatailor", "mediatailor"),
    ("api.tunneling.iot", "iot"),
    ("data.iot", "iot"),
    ("queue", "sqs"),
    ("streams.dynamodb", "dynamodb"),
    ("ddb", "dynamodb"),
    ("search-dynamodb", "dynamodb"),
    ("elasticmapreduce", "elasticmapreduce"),
    ("runtime.lex", "lex"),
    ("models.lex", "lex"),
    ("entitlement.marketplace", "aws-marketplace"),
    ("metering.marketplace", "aws-marketplace"),
    ("catalog.marketplace", "aws-marketplace"),
    ("portal.sso", "sso"),
    ("identitystore", "identitystore"),
    ("oidc", "sso-oauth"),
    ("query.timestream", "timestream"),
    ("ingest.timestream", "timestream"),
    ("bedrock-runtime", "bedrock"),
    ("bedrock-agent", "bedrock"),
    ("bedrock-agent-runtime", "bedrock"),
    ("organizations", "organizations"),
    ("models-v2-lex", "lex"),
    ("runtime-v2-lex", "lex"),
    ("cognito-identity", "cognito-identity"),
    ("cognito-idp", "cognito-idp"),
    ("ce", "ce"),
    ("tagging", "tag"),
    ("application-autoscaling", "application-autoscaling"),
    ("codestar-connections", "codestar-connections"),
    ("docdb", "rds"),
    ("neptune", "rds"),
];

/// Services that this file can tell by one label.
const KNOWN: &[&str] = &[
    "access-analyzer",
    "acm",
    "acm-pca",
    "apigateway",
    "application-autoscaling",
    "appsync",
    "athena",
    "autoscaling",
    "backup",
    "batch",
    "bedrock",
    "budgets",
    "ce",
    "cloudcontrolapi",
    "cloudformation",
    "cloudfront",
    "cloudtrail",
    "cloudwatch",
    "codeartifact",
    "codebuild",
    "codecommit",
    "codedeploy",
    "codepipeline",
    "cognito-identity",
    "cognito-idp",
    "config",
    "dms",
    "ds",
    "dynamodb",
    "ec2",
    "ec2-instance-connect",
    "ecr",
    "ecr-public",
    "ecs",
    "eks",
    "elasticache",
    "elasticbeanstalk",
    "elasticfilesystem",
    "elasticloadbalancing",
    "elasticmapreduce",
    "es",
    "events",
    "execute-api",
    "firehose",
    "fsx",
    "glacier",
    "glue",
    "guardduty",
    "iam",
    "identitystore",
    "inspector2",
    "iot",
    "kafka",
    "kinesis",
    "kms",
    "lambda",
    "lex",
    "logs",
    "macie2",
    "mq",
    "neptune-db",
    "network-firewall",
    "organizations",
    "pipes",
    "pricing",
    "ram",
    "rds",
    "rds-data",
    "redshift",
    "redshift-data",
    "redshift-serverless",
    "route53",
    "route53domains",
    "route53resolver",
    "s3",
    "s3-control",
    "sagemaker",
    "scheduler",
    "secretsmanager",
    "securityhub",
    "serverlessrepo",
    "servicecatalog",
    "servicediscovery",
    "servicequotas",
    "ses",
    "shield",
    "signin",
    "sns",
    "sqs",
    "ssm",
    "sso",
    "sso-oauth",
    "states",
    "sts",
    "support",
    "tag",
    "timestream",
    "transfer",
    "waf",
    "wafv2",
    "xray",
];
