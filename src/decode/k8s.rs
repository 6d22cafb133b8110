//! What a request asks of a Kubernetes API server: verb and resource as the server itself derives them from
//! method and path (`k8s.io/apiserver/pkg/endpoints/request`, `RequestInfo`).
//!
//! No API server can be told by its name, so this reads any path that fits the grammar; a rule says by `host`
//! where it counts.

use super::form::{component, split};
use super::json::Json;
use super::protocol::{Call, Claim, Kind, Protocol, Request, Spec, Unread, View};
use super::{Body, Decoded};
use crate::request::Head;
use http::Method;
use std::borrow::Cow;

pub(super) const PROTOCOL: Protocol = Protocol {
    name: "k8s",
    fields: &[
        Spec { name: "verb", kind: Kind::Word(VERBS) },
        Spec { name: "group", kind: Kind::Name },
        Spec { name: "version", kind: Kind::Name },
        Spec { name: "resource", kind: Kind::Name },
        Spec { name: "subresource", kind: Kind::Name },
        Spec { name: "namespace", kind: Kind::Name },
        Spec { name: "name", kind: Kind::Name },
        Spec { name: "dry-run", kind: Kind::Word(&["true", "false"]) },
    ],
    claim,
    read,
};

/// All is in the head, but the options of a delete.
fn claim(head: &Head<'_>) -> Claim {
    let mut paths = std::iter::once(head.path).chain(head.readings.iter().map(|reading| &**reading));
    match paths.any(|path| root(path).is_some()) {
        false => Claim::No,
        true if *head.method == Method::DELETE => Claim::Body,
        true => Claim::Head,
    }
}

fn read<'a>(request: &Request<'a>) -> Result<View<'a>, Unread> {
    let head = request.head;
    let paths = std::iter::once(head.path).chain(head.readings.iter().map(|reading| &**reading));
    let mut calls: Vec<Call<'a>> = Vec::new();
    let named = super::named_methods(head.headers);
    let methods = || std::iter::once(head.method).chain(&named);
    for path in paths {
        for call in methods().filter_map(|method| call(method, path, head.query, request.body)) {
            for call in call.by_each_verb(head.query) {
                let call = call.into_call();
                if !calls.contains(&call) {
                    calls.push(call);
                }
            }
        }
    }
    // Of hosts that have such paths most are API servers, but not all.
    Ok(View {
        calls,
        says_so: head.path.starts_with("/apis/") || head.path.contains("/namespaces/"),
        ..View::default()
    })
}

/// A request to a Kubernetes API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubernetesCall {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`, `proxy` (the form of
    /// old), or the method in lower case where it is none of them.
    pub verb: &'static str,
    /// Empty for the core group.
    pub group: String,
    pub version: String,
    /// In the plural, as in the path: `pods`. Empty for discovery (`/apis/apps/v1`).
    pub resource: String,
    /// `exec`, `attach`, `portforward`, `proxy`, `log`, `scale`, `eviction`, `token`, `status`, …
    pub subresource: String,
    /// Empty for what is not in a namespace, and for what asks for all of them.
    pub namespace: String,
    pub name: String,
    /// What follows the subresource: the path that `proxy` asks for.
    pub rest: String,
    pub dry_run: DryRun,
}

/// Whether the server would only try, and store nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DryRun {
    No,
    Yes,
    /// The body can say otherwise and was not read, or cannot be understood.
    Unclear,
}

/// Takes the call apart. `None` for a path that does not fit: `/healthz`, `/version`, or another product's.
pub fn call(method: &Method, path: &str, query: Option<&str>, body: &Body) -> Option<KubernetesCall> {
    let (group, version, mut rest) = root(path)?;
    let mut verb = match *method {
        Method::POST => "create",
        Method::GET | Method::HEAD => "get",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        Method::OPTIONS => "options",
        _ => "other",
    };
    // `/api/v1/watch/…` and `/api/v1/proxy/…`: deprecated long since, still served by old servers.
    match rest.first().map(|segment| &**segment) {
        Some("watch") => (verb, rest) = ("watch", rest.split_off(1)),
        Some("proxy") => (verb, rest) = ("proxy", rest.split_off(1)),
        _ => {}
    }
    let mut segments = rest.into_iter().map(Cow::into_owned);
    let mut next = || segments.next().unwrap_or_default();
    let (mut resource, mut name, mut namespace) = (next(), next(), String::new());
    let mut subresource = next();
    if resource == "namespaces" && !name.is_empty() {
        namespace = name.clone();
        // `namespaces/prod/status` is of the namespace, `namespaces/prod/pods` of the pods in it.
        if !subresource.is_empty() && !NAMESPACE_SUBRESOURCES.contains(&subresource.as_str()) {
            (resource, name, subresource) = (subresource, next(), next());
        }
    }
    let rest = segments.collect::<Vec<_>>().join("/");
    if name.is_empty() && !resource.is_empty() {
        verb = match verb {
            "get" if watches(query).next() == Some(true) => "watch",
            "get" => "list",
            "delete" => "deletecollection",
            verb => verb,
        };
    }
    let group = group.into_owned();
    let version = version.into_owned();
    let honours = verb != "proxy" && TRIED.contains(&subresource.as_str()) && rest.is_empty();
    let dry_run = match dry_run(method, query, body) {
        // Where nobody can tell whether the server takes heed of it.
        DryRun::Yes if !honours => DryRun::Unclear,
        dry_run => dry_run,
    };
    Some(KubernetesCall { verb, group, version, resource, subresource, namespace, name, rest, dry_run })
}

impl KubernetesCall {
    /// This call; and where values of `watch` differ, that of the other verb.
    fn by_each_verb(self, query: Option<&str>) -> Vec<Self> {
        let other = match self.verb {
            "list" if watches(query).any(|watch| watch) => "watch",
            "watch" if watches(query).any(|watch| !watch) => "list",
            _ => return vec![self],
        };
        vec![Self { verb: other, ..self.clone() }, self]
    }

    /// What a rule can ask. Reading a list reads each object in it, in every namespace where none is named; an
    /// object to be created has its name in the body.
    fn into_call<'a>(self) -> Call<'a> {
        let every = matches!(self.verb, "list" | "watch" | "deletecollection");
        let dry_run = self.dry_run;
        let mut call = Call::default()
            .with("verb", self.verb)
            .with("group", self.group)
            .with("version", self.version)
            .with("resource", self.resource.clone());
        if !self.subresource.is_empty() {
            call = call.with("subresource", self.subresource);
        }
        if !self.namespace.is_empty() {
            call = call.with("namespace", self.namespace);
        } else if every && !OF_THE_CLUSTER.contains(&self.resource.as_str()) {
            call = call.with_hidden("namespace");
        }
        if !self.name.is_empty() {
            call = call.with("name", self.name);
        } else if every || self.verb == "create" {
            call = call.with_hidden("name");
        }
        match dry_run {
            DryRun::Yes => call.with("dry-run", "true"),
            DryRun::No => call.with("dry-run", "false"),
            DryRun::Unclear => call.with_hidden("dry-run"),
        }
    }

    /// `apps/v1`, or `v1` for the core group.
    pub fn group_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `pods/exec`, as roles write it.
    pub fn resource_and_subresource(&self) -> String {
        if self.subresource.is_empty() {
            self.resource.clone()
        } else {
            format!("{}/{}", self.resource, self.subresource)
        }
    }
}

type Segments<'p> = Vec<Cow<'p, str>>;

/// Group, version, and the segments behind them.
fn root(path: &str) -> Option<(Cow<'_, str>, Cow<'_, str>, Segments<'_>)> {
    let is_root = |segment: &str| segment.eq_ignore_ascii_case("api") || segment.eq_ignore_ascii_case("apis");
    if !path.split('/').any(is_root) {
        return None; // nearly every path of other hosts, without an allocation
    }
    let mut segments: Segments<'_> =
        path.trim_matches('/').split('/').filter(|segment| !segment.is_empty()).map(decoded).collect();
    let start = match segments.iter().map(|segment| &**segment).collect::<Vec<_>>().as_slice() {
        // Rancher serves each cluster below a prefix of its own.
        ["k8s", "clusters", _, ..] => 3,
        // GKE's Connect gateway: `/v1/projects/P/locations/L/memberships/M/…`.
        [_, "projects", _, "locations", _, "memberships" | "gkeMemberships", _, ..] => 7,
        _ => 0,
    };
    let mut found = segments.split_off(start).into_iter();
    let first = found.next()?;
    if first.eq_ignore_ascii_case("api") {
        let version = found.next().filter(|version| is_version(version))?;
        return Some((Cow::Borrowed(""), version, found.collect()));
    }
    if first.eq_ignore_ascii_case("apis") {
        let group = found.next()?;
        let version = found.next().filter(|version| is_version(version))?;
        return Some((group, version, found.collect()));
    }
    None
}

/// Decodes a segment once; `+` stands for itself in a path.
fn decoded(segment: &str) -> Cow<'_, str> {
    if segment.contains('%') {
        percent_encoding::percent_decode_str(segment).decode_utf8_lossy()
    } else {
        segment.into()
    }
}

/// `v1`, `v1beta2`: what every group has.
fn is_version(text: &str) -> bool {
    let Some(rest) = text.strip_prefix(['v', 'V']) else { return false };
    rest.starts_with(|c: char| c.is_ascii_digit()) && rest.chars().all(|c| c.is_ascii_alphanumeric())
}

/// `watch=true`, `watch=1`, or `watch` alone: anything but `false` and `0`, as the server reads booleans. The first
/// value counts.
fn watches(query: Option<&str>) -> impl Iterator<Item = bool> {
    let pairs = split(query.unwrap_or_default(), &['&']);
    let values = pairs.filter(|(name, _)| component(name) == "watch").map(|(_, value)| component(value));
    values.map(|value| !matches!(value.to_ascii_lowercase().as_str(), "false" | "0"))
}

/// A delete takes its options from the body when it has one, and then the query does not count.
fn dry_run(method: &Method, query: Option<&str>, body: &Body) -> DryRun {
    let pairs = split(query.unwrap_or_default(), &['&']);
    let asked: Vec<Cow<'_, str>> =
        pairs.filter(|(name, _)| component(name) == "dryRun").map(|(_, value)| component(value)).collect();
    let by_query = !asked.is_empty() && asked.iter().all(|value| value == "All");
    if matches!(*method, Method::GET | Method::HEAD) {
        return DryRun::No;
    }
    if *method != Method::DELETE {
        return if by_query { DryRun::Yes } else { DryRun::No };
    }
    match body {
        Body::Empty if by_query => DryRun::Yes,
        Body::Empty => DryRun::No,
        Body::Decoded(Decoded { json: Some(json), .. }) => match options(json) {
            Some(true) => DryRun::Yes,
            Some(false) => DryRun::No,
            None => DryRun::Unclear,
        },
        Body::NotRead | Body::Decoded(_) | Body::Binary { .. } | Body::Unreadable(_) => DryRun::Unclear,
    }
}

/// `dryRun: ["All"]` of a `DeleteOptions`, in every place where it stands.
fn options(json: &Json) -> Option<bool> {
    let Json::Map(entries) = json else { return None };
    let mut asked = entries.iter().filter(|(key, _)| key.eq_ignore_ascii_case("dryRun")).peekable();
    let there = asked.peek().is_some();
    let all = |value: &Json| match value {
        Json::List(items) => {
            !items.is_empty() && items.iter().all(|item| matches!(item, Json::Text(text) if text == "All"))
        }
        _ => false,
    };
    Some(there && asked.all(|(_, value)| all(value)))
}

const VERBS: &[&str] = &[
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "proxy",
    "options",
    "other",
];

/// Resources that are in no namespace: to list them is to list no namespace's objects.
const OF_THE_CLUSTER: &[&str] = &[
    "namespaces",
    "nodes",
    "persistentvolumes",
    "componentstatuses",
    "clusterroles",
    "clusterrolebindings",
    "storageclasses",
    "volumeattachments",
    "csidrivers",
    "csinodes",
    "customresourcedefinitions",
    "apiservices",
    "priorityclasses",
    "runtimeclasses",
    "ingressclasses",
    "certificatesigningrequests",
    "validatingwebhookconfigurations",
    "mutatingwebhookconfigurations",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "flowschemas",
    "prioritylevelconfigurations",
];

/// Subresources, and none, whose changes the server only tries where it is asked to.
const TRIED: &[&str] =
    &["", "status", "scale", "eviction", "binding", "approval", "finalize", "ephemeralcontainers", "resize"];

/// The server tells these from resources in the namespace by name.
const NAMESPACE_SUBRESOURCES: &[&str] = &["status", "finalize"];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn shown(method: &str, target: &str) -> String {
        let (path, query) = target.split_once('?').map_or((target, None), |(p, q)| (p, Some(q)));
        let Some(call) = call(&method.parse().unwrap(), path, query, &Body::Empty) else {
            return "none".to_owned();
        };
        let KubernetesCall { verb, namespace, name, rest, dry_run, .. } = &call;
        let resource = call.resource_and_subresource();
        let dry = if *dry_run == DryRun::Yes { " dry" } else { "" };
        format!("{verb} {}:{resource} {namespace}/{name} {rest}{dry}", call.group_version())
            .trim()
            .replace("  ", " ")
    }

    #[test]
    fn verbs_and_resources_are_those_of_the_server() {
        let check = |method, target, expected: &str| assert_eq!(shown(method, target), expected, "{target}");
        check("GET", "/api/v1/pods", "list v1:pods /");
        check("GET", "/api/v1/pods?watch=1&limit=5", "watch v1:pods /");
        check("GET", "/api/v1/pods?watch=false", "list v1:pods /");
        check("GET", "/api/v1/watch/namespaces/prod/pods", "watch v1:pods prod/");
        check("GET", "/api/v1/namespaces/prod/pods/web-1", "get v1:pods prod/web-1");
        check("HEAD", "/api/v1/namespaces/prod", "get v1:namespaces prod/prod");
        check("PUT", "/api/v1/namespaces/prod/finalize", "update v1:namespaces/finalize prod/prod");
        check("DELETE", "/api/v1/namespaces/prod", "delete v1:namespaces prod/prod");
        check("DELETE", "/api/v1/namespaces/prod/pods", "deletecollection v1:pods prod/");
        check("DELETE", "/api/v1/nodes", "deletecollection v1:nodes /");
        check("GET", "/api/v1/namespaces/prod/pods/web/exec?command=sh", "get v1:pods/exec prod/web");
        check("POST", "/api/v1/namespaces/prod/pods/web/eviction", "create v1:pods/eviction prod/web");
        check("GET", "/api/v1/nodes/n1/proxy/run/x", "get v1:nodes/proxy /n1 run/x");
        check("GET", "/api/v1/proxy/namespaces/prod/services/web/a", "proxy v1:services/a prod/web");
        check(
            "PATCH",
            "/apis/apps/v1/namespaces/prod/deployments/web/scale",
            "patch apps/v1:deployments/scale prod/web",
        );
        check(
            "POST",
            "/apis/apps/v1/namespaces/prod/deployments?dryRun=All",
            "create apps/v1:deployments prod/ dry",
        );
        check("DELETE", "/apis/acme.dev/v1beta2/databases/main", "delete acme.dev/v1beta2:databases /main");
        check("GET", "/apis/apps/v1", "get apps/v1: /");
        check("GET", "/apis", "none");
        check("GET", "/apis/apps", "none");
        check("GET", "/version", "none");
        check("GET", "/api/users/7", "none");
    }

    #[test]
    fn what_is_spelled_otherwise_is_the_same() {
        assert_eq!(shown("DELETE", "//api//v1/namespaces/prod/"), shown("DELETE", "/api/v1/namespaces/prod"));
        assert_eq!(shown("GET", "/api/v1/namespaces/prod/pods/w/%65xec"), "get v1:pods/exec prod/w");
        assert_eq!(
            shown("DELETE", "/k8s/clusters/c-1/api/v1/namespaces/prod"),
            "delete v1:namespaces prod/prod"
        );
        let gke = "/v1/projects/1/locations/global/gkeMemberships/m/api/v1/nodes/n";
        assert_eq!(shown("DELETE", gke), "delete v1:nodes /n");
    }

    #[track_caller]
    fn delete(query: &str, body: &str) -> DryRun {
        let headers = http::HeaderMap::new();
        let body = crate::decode::body(&headers, body.as_bytes(), crate::decode::Limits::default());
        call(&Method::DELETE, "/api/v1/namespaces/prod", Some(query), &body).unwrap().dry_run
    }

    /// The options in the body replace those of the query.
    #[test]
    fn a_delete_is_dry_only_if_its_body_says_so_too() {
        assert_eq!(delete("dryRun=All", ""), DryRun::Yes);
        assert_eq!(delete("dryRun=All", "{}"), DryRun::No);
        assert_eq!(delete("dryRun=All", r#"{"dryRun": []}"#), DryRun::No);
        assert_eq!(delete("", r#"{"dryRun": ["All"]}"#), DryRun::Yes);
        assert_eq!(delete("", r#"{"dryRun": ["All"], "dryRun": []}"#), DryRun::No);
        assert_eq!(delete("dryRun=All", "k8s\u{1}protobuf"), DryRun::Unclear);
        assert_eq!(delete("dryRun=All&dryRun=", ""), DryRun::No);
        assert_eq!(delete("dryrun=All", ""), DryRun::No);
    }

    /// Where a trial is none, or nobody can tell.
    #[test]
    fn not_everything_can_be_tried() {
        let tried = |method: Method, path: &str| {
            let path = format!("/api/v1/namespaces/prod/{path}");
            call(&method, &path, Some("dryRun=All"), &Body::Empty).unwrap().dry_run
        };
        for path in ["pods", "pods/web", "pods/web/status", "pods/web/eviction", "deployments/a/scale"] {
            assert_eq!(tried(Method::POST, path), DryRun::Yes, "{path}");
        }
        for path in [
            "serviceaccounts/a/token",
            "pods/web/exec",
            "pods/web/attach",
            "pods/web/portforward",
            "pods/web/proxy",
            "services/web/proxy/admin",
            "things/a/explode",
        ] {
            assert_eq!(tried(Method::POST, path), DryRun::Unclear, "{path}");
            assert_eq!(tried(Method::DELETE, path), DryRun::Unclear, "{path}");
            assert_eq!(tried(Method::GET, path), DryRun::No, "{path}");
        }
        let old = call(&Method::POST, "/api/v1/proxy/nodes/n1", Some("dryRun=All"), &Body::Empty).unwrap();
        assert_eq!(old.dry_run, DryRun::Unclear);
    }

    #[test]
    fn the_first_value_of_watch_counts_and_others_are_asked() {
        let verbs = |query: &str| {
            let call = call(&Method::GET, "/api/v1/pods", Some(query), &Body::Empty).unwrap();
            call.by_each_verb(Some(query)).iter().map(|call| call.verb).collect::<Vec<_>>()
        };
        assert_eq!(verbs("watch=1"), ["watch"]);
        assert_eq!(verbs("watch"), ["watch"]);
        assert_eq!(verbs("watch=f"), ["watch"], "to the server it is not false");
        for none in ["watch=0", "watch=False", "limit=1", "watch=0&watch=false"] {
            assert_eq!(verbs(none), ["list"], "{none}");
        }
        assert_eq!(verbs("watch=0&watch=1"), ["watch", "list"]);
        assert_eq!(verbs("watch=1&watch=0"), ["list", "watch"]);
    }

    proptest::proptest! {
        #[test]
        fn never_panics(path in "(/[a-z0-9%.]{0,8}|/api/v1|/apis|/namespaces|/watch){0,9}", query in "\\PC{0,20}") {
            let _ = call(&Method::DELETE, &path, Some(&query), &Body::NotRead);
        }

        #[test]
        fn what_stands_in_the_path_is_found(
            ns in "[a-z][a-z0-9-]{0,10}",
            resource in "[a-z]{3,12}s",
            name in "[a-z][a-z0-9.-]{0,20}[a-z]",
        ) {
            let path = format!("/apis/acme.dev/v1/namespaces/{ns}/{resource}/{name}");
            let call = call(&Method::PATCH, &path, None, &Body::Empty).unwrap();
            proptest::prop_assert_eq!(
                (call.verb, call.namespace, call.resource, call.name),
                ("patch", ns, resource, name)
            );
        }
    }
}
