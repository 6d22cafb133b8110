//! REST services other than S3: method and path name the action. The most important ones only.

use super::super::form::{component, split};
use crate::request::Head;

/// Every action that fits method and path, by each reading of the path; none where this file does not know it.
pub(super) fn actions(service: &str, head: &Head<'_>) -> Vec<&'static str> {
    let mut found = Vec::new();
    let paths = std::iter::once(head.path).chain(head.readings.iter().map(|reading| &**reading));
    for path in paths {
        let rows = ACTIONS.iter().filter(|row| row.0 == service && row.1 == head.method.as_str());
        for (.., action) in rows.filter(|row| fits(row.2, path, head.query)) {
            if !found.contains(action) {
                found.push(*action);
            }
        }
    }
    found
}

/// `{}` is one segment, `{+}` one or more; `?name` at the end asks for a parameter.
fn fits(pattern: &str, path: &str, query: Option<&str>) -> bool {
    let (pattern, parameter) =
        pattern.split_once('?').map_or((pattern, None), |(path, name)| (path, Some(name)));
    let asked =
        |name: &str| split(query.unwrap_or_default(), &['&']).any(|(known, _)| component(known) == name);
    if parameter.is_some_and(|name| !asked(name)) {
        return false;
    }
    let mut wanted = pattern.trim_matches('/').split('/');
    let mut segments = path.trim_matches('/').split('/').filter(|segment| !segment.is_empty());
    loop {
        match (wanted.next(), segments.next()) {
            (None, None) => return true,
            (Some("{+}"), Some(_)) => {
                let after = wanted.clone().count();
                while segments.clone().count() > after {
                    segments.next();
                }
            }
            (Some("{}"), Some(_)) => {}
            (Some(literal), Some(segment)) if literal.eq_ignore_ascii_case(segment) => {}
            _ => return false,
        }
    }
}

/// Service, method, path, action.
const ACTIONS: &[(&str, &str, &str, &str)] = &[
    ("lambda", "GET", "/2015-03-31/functions", "ListFunctions"),
    ("lambda", "POST", "/2015-03-31/functions", "CreateFunction"),
    ("lambda", "GET", "/2015-03-31/functions/{}", "GetFunction"),
    ("lambda", "DELETE", "/2015-03-31/functions/{}", "DeleteFunction"),
    ("lambda", "GET", "/2015-03-31/functions/{}/configuration", "GetFunctionConfiguration"),
    ("lambda", "PUT", "/2015-03-31/functions/{}/configuration", "UpdateFunctionConfiguration"),
    ("lambda", "PUT", "/2015-03-31/functions/{}/code", "UpdateFunctionCode"),
    ("lambda", "POST", "/2015-03-31/functions/{}/invocations", "Invoke"),
    ("lambda", "POST", "/2014-11-13/functions/{}/invoke-async", "InvokeAsync"),
    ("lambda", "POST", "/2021-11-15/functions/{}/response-streaming-invocations", "InvokeWithResponseStream"),
    ("lambda", "GET", "/2015-03-31/functions/{}/policy", "GetPolicy"),
    ("lambda", "POST", "/2015-03-31/functions/{}/policy", "AddPermission"),
    ("lambda", "DELETE", "/2015-03-31/functions/{}/policy/{}", "RemovePermission"),
    ("lambda", "POST", "/2015-03-31/functions/{}/versions", "PublishVersion"),
    ("lambda", "GET", "/2015-03-31/functions/{}/versions", "ListVersionsByFunction"),
    ("lambda", "GET", "/2015-03-31/functions/{}/aliases", "ListAliases"),
    ("lambda", "POST", "/2015-03-31/functions/{}/aliases", "CreateAlias"),
    ("lambda", "GET", "/2015-03-31/functions/{}/aliases/{}", "GetAlias"),
    ("lambda", "PUT", "/2015-03-31/functions/{}/aliases/{}", "UpdateAlias"),
    ("lambda", "DELETE", "/2015-03-31/functions/{}/aliases/{}", "DeleteAlias"),
    ("lambda", "POST", "/2021-10-31/functions/{}/url", "CreateFunctionUrlConfig"),
    ("lambda", "PUT", "/2021-10-31/functions/{}/url", "UpdateFunctionUrlConfig"),
    ("lambda", "DELETE", "/2021-10-31/functions/{}/url", "DeleteFunctionUrlConfig"),
    ("lambda", "GET", "/2021-10-31/functions/{}/url", "GetFunctionUrlConfig"),
    ("lambda", "PUT", "/2017-10-31/functions/{}/concurrency", "PutFunctionConcurrency"),
    ("lambda", "GET", "/2015-03-31/event-source-mappings", "ListEventSourceMappings"),
    ("lambda", "POST", "/2015-03-31/event-source-mappings", "CreateEventSourceMapping"),
    ("lambda", "PUT", "/2015-03-31/event-source-mappings/{}", "UpdateEventSourceMapping"),
    ("lambda", "DELETE", "/2015-03-31/event-source-mappings/{}", "DeleteEventSourceMapping"),
    ("lambda", "GET", "/2018-10-31/layers", "ListLayers"),
    ("lambda", "POST", "/2018-10-31/layers/{}/versions", "PublishLayerVersion"),
    ("lambda", "DELETE", "/2018-10-31/layers/{}/versions/{}", "DeleteLayerVersion"),
    ("route53", "GET", "/2013-04-01/hostedzone", "ListHostedZones"),
    ("route53", "POST", "/2013-04-01/hostedzone", "CreateHostedZone"),
    ("route53", "GET", "/2013-04-01/hostedzone/{}", "GetHostedZone"),
    ("route53", "DELETE", "/2013-04-01/hostedzone/{}", "DeleteHostedZone"),
    ("route53", "GET", "/2013-04-01/hostedzone/{}/rrset", "ListResourceRecordSets"),
    ("route53", "POST", "/2013-04-01/hostedzone/{}/rrset", "ChangeResourceRecordSets"),
    ("route53", "POST", "/2013-04-01/hostedzone/{}/associatevpc", "AssociateVPCWithHostedZone"),
    ("route53", "GET", "/2013-04-01/change/{}", "GetChange"),
    ("route53", "POST", "/2013-04-01/healthcheck", "CreateHealthCheck"),
    ("route53", "DELETE", "/2013-04-01/healthcheck/{}", "DeleteHealthCheck"),
    ("cloudfront", "GET", "/2020-05-31/distribution", "ListDistributions"),
    ("cloudfront", "POST", "/2020-05-31/distribution", "CreateDistribution"),
    ("cloudfront", "GET", "/2020-05-31/distribution/{}", "GetDistribution"),
    ("cloudfront", "GET", "/2020-05-31/distribution/{}/config", "GetDistributionConfig"),
    ("cloudfront", "PUT", "/2020-05-31/distribution/{}/config", "UpdateDistribution"),
    ("cloudfront", "DELETE", "/2020-05-31/distribution/{}", "DeleteDistribution"),
    ("cloudfront", "POST", "/2020-05-31/distribution/{}/invalidation", "CreateInvalidation"),
    ("eks", "GET", "/clusters", "ListClusters"),
    ("eks", "POST", "/clusters", "CreateCluster"),
    ("eks", "GET", "/clusters/{}", "DescribeCluster"),
    ("eks", "DELETE", "/clusters/{}", "DeleteCluster"),
    ("eks", "POST", "/clusters/{}/update-config", "UpdateClusterConfig"),
    ("eks", "POST", "/clusters/{}/updates", "UpdateClusterVersion"),
    ("eks", "GET", "/clusters/{}/node-groups", "ListNodegroups"),
    ("eks", "POST", "/clusters/{}/node-groups", "CreateNodegroup"),
    ("eks", "GET", "/clusters/{}/node-groups/{}", "DescribeNodegroup"),
    ("eks", "DELETE", "/clusters/{}/node-groups/{}", "DeleteNodegroup"),
    ("eks", "POST", "/clusters/{}/access-entries", "CreateAccessEntry"),
    ("eks", "POST", "/clusters/{}/access-entries/{}/access-policies", "AssociateAccessPolicy"),
    ("elasticfilesystem", "GET", "/2015-02-01/file-systems", "DescribeFileSystems"),
    ("elasticfilesystem", "POST", "/2015-02-01/file-systems", "CreateFileSystem"),
    ("elasticfilesystem", "DELETE", "/2015-02-01/file-systems/{}", "DeleteFileSystem"),
    ("es", "GET", "/2021-01-01/domain", "ListDomainNames"),
    ("es", "POST", "/2021-01-01/opensearch/domain", "CreateDomain"),
    ("es", "GET", "/2021-01-01/opensearch/domain/{}", "DescribeDomain"),
    ("es", "DELETE", "/2021-01-01/opensearch/domain/{}", "DeleteDomain"),
    ("rds-data", "POST", "/Execute", "ExecuteStatement"),
    ("rds-data", "POST", "/BatchExecute", "BatchExecuteStatement"),
    ("rds-data", "POST", "/ExecuteSql", "ExecuteSql"),
    ("rds-data", "POST", "/BeginTransaction", "BeginTransaction"),
    ("rds-data", "POST", "/CommitTransaction", "CommitTransaction"),
    ("rds-data", "POST", "/RollbackTransaction", "RollbackTransaction"),
    ("ses", "POST", "/v2/email/outbound-emails", "SendEmail"),
    ("ses", "POST", "/v2/email/outbound-bulk-emails", "SendBulkEmail"),
    ("ses", "GET", "/v2/email/identities", "ListEmailIdentities"),
    ("ses", "GET", "/v2/email/account", "GetAccount"),
    ("sso", "GET", "/federation/credentials", "GetRoleCredentials"),
    ("sso", "GET", "/assignment/accounts", "ListAccounts"),
    ("sso", "GET", "/assignment/roles", "ListAccountRoles"),
    ("sso-oauth", "POST", "/token", "CreateToken"),
    ("bedrock", "POST", "/model/{}/invoke", "InvokeModel"),
    ("bedrock", "POST", "/model/{}/invoke-with-response-stream", "InvokeModelWithResponseStream"),
    ("bedrock", "POST", "/model/{}/converse", "Converse"),
    ("bedrock", "POST", "/model/{}/converse-stream", "ConverseStream"),
    ("bedrock", "GET", "/foundation-models", "ListFoundationModels"),
    ("batch", "POST", "/v1/submitjob", "SubmitJob"),
    ("batch", "POST", "/v1/terminatejob", "TerminateJob"),
    ("batch", "POST", "/v1/describejobs", "DescribeJobs"),
    ("batch", "POST", "/v1/listjobs", "ListJobs"),
    ("backup", "DELETE", "/backup-vaults/{}", "DeleteBackupVault"),
    ("backup", "DELETE", "/backup-vaults/{}/recovery-points/{}", "DeleteRecoveryPoint"),
    ("glacier", "DELETE", "/{}/vaults/{}", "DeleteVault"),
    ("glacier", "DELETE", "/{}/vaults/{}/archives/{}", "DeleteArchive"),
    ("apigateway", "GET", "/restapis", "GetRestApis"),
    ("apigateway", "DELETE", "/restapis/{}", "DeleteRestApi"),
    ("apigateway", "POST", "/restapis/{}/deployments", "CreateDeployment"),
    ("scheduler", "POST", "/schedules/{}", "CreateSchedule"),
    ("scheduler", "DELETE", "/schedules/{}", "DeleteSchedule"),
];
