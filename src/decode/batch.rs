//! Requests that carry requests: taken apart, so that each part is judged as if it were sent alone.
//!
//! Where batches are taken, and in which form, is the table `PLACES`. Whatever in one could be read in two ways,
//! goes to another host, or is a batch itself, makes the whole unreadable.

mod json;
mod lines;
mod parts;

use super::object_store::keeps_paths;
use super::protocol::{Request, Unread};
use super::{Body, Decoded, Json, Limits, component, same_folded, split};
use crate::authority::Authority;
use crate::path;
use crate::request::Head;
use http::Method;
use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue,
    TRANSFER_ENCODING,
};

/// One request of a batch, as if it had come alone.
#[derive(Debug)]
pub struct Part {
    pub method: Method,
    /// Canonical, as [`Head::path`].
    pub path: String,
    pub readings: Vec<Box<str>>,
    pub query: Option<String>,
    /// Those around it, with its own in their place.
    pub headers: HeaderMap,
    pub body: Body,
}

/// Where a service takes batches, and how they are written.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// `*` is any host, `*.a.test` all hosts below, `*.a.*` those with this label within.
    hosts: &'static [&'static str],
    /// `*` is any segment; `**` in front or at the end any number of them.
    path: &'static str,
    /// A parameter that it asks for, and its value.
    query: Option<(&'static str, &'static str)>,
    form: Form,
    /// Segments at the end of its path that relative URLs within it do not begin with.
    cut: usize,
    /// What a URL with a slash in front is relative to.
    slash: Slash,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    /// `multipart/mixed` with a request in each part, or a JSON list of requests under a name.
    PartsOrJson(&'static str),
    /// A JSON list of requests under a name.
    Json(&'static str),
    /// Salesforce: a list of lists of requests.
    Graphs,
    /// One of the above, if it looks like it: some service's own.
    Guess,
    /// Elasticsearch: what to do in one line, and with what in the next.
    Bulk,
    /// Elasticsearch: where to search in one line, and for what in the next; what each would be called alone.
    Searches(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slash {
    /// The root of the host.
    Host,
    /// The same as without one.
    Base,
}

const GRAPH: &[&str] = &[
    "graph.microsoft.com",
    "graph.microsoft.us",
    "dod-graph.microsoft.us",
    "microsoftgraph.chinacloudapi.cn",
];
const ARM: &[&str] = &["management.azure.com", "management.usgovcloudapi.net", "management.chinacloudapi.cn"];
const GOOGLE: &[&str] = &["*.googleapis.com"];
/// Below it stand all hosts of its customers.
const SALESFORCE: &[&str] = &["*.salesforce.com", "*.force.com", "*.salesforce.mil", "*.cloudforce.com"];
/// Azure Blob Storage, in each of its clouds.
const BLOBS: &[&str] = &["*.blob.*"];
const ANY: &[&str] = &["*"];

/// The first that fits counts.
const PLACES: &[Place] = &[
    place(GRAPH, "/*/$batch", Form::PartsOrJson("requests"), 1, Slash::Base),
    place(ARM, "/batch", Form::Json("requests"), 1, Slash::Host),
    place(GOOGLE, "/batch/**", Form::PartsOrJson("requests"), usize::MAX, Slash::Host),
    place(SALESFORCE, "/services/data/*/composite", Form::Json("compositeRequest"), 2, Slash::Host),
    place(SALESFORCE, "/services/data/*/composite/batch", Form::Json("batchRequests"), 3, Slash::Host),
    place(SALESFORCE, "/services/data/*/composite/graph", Form::Graphs, 3, Slash::Host),
    Place { query: COMP_BATCH, ..place(BLOBS, "/", Form::PartsOrJson("requests"), 1, Slash::Host) },
    Place { query: COMP_BATCH, ..place(BLOBS, "/*", Form::PartsOrJson("requests"), 1, Slash::Host) },
    place(ANY, "**/wp-json/batch/v1", Form::Json("requests"), 2, Slash::Base), // WordPress
    place(ANY, "**/$batch", Form::PartsOrJson("requests"), 1, Slash::Host),    // OData
    place(ANY, "**/batch", Form::Guess, 1, Slash::Host),
    place(ANY, "**/batch/v1", Form::Guess, 2, Slash::Host),
    place(ANY, "**/_bulk", Form::Bulk, 1, Slash::Host),
    place(ANY, "**/_bulk/stream", Form::Bulk, 2, Slash::Host),
    place(ANY, "**/_msearch", Form::Searches("_search"), 1, Slash::Host),
    place(ANY, "**/_msearch/template", Form::Searches("_search/template"), 2, Slash::Host),
];

const COMP_BATCH: Option<(&str, &str)> = Some(("comp", "batch"));

/// A segment of every path in the table that does not ask for a parameter: the cheap question before it is asked.
const WORDS: [&str; 5] = ["batch", "$batch", "composite", "_bulk", "_msearch"];

const fn place(
    hosts: &'static [&'static str],
    path: &'static str,
    form: Form,
    cut: usize,
    slash: Slash,
) -> Place {
    Place { hosts, path, query: None, form, cut, slash }
}

/// Whether the place is one where batches are taken.
pub(crate) fn is_one(head: &Head<'_>) -> bool {
    find(head).is_some()
}

/// The parts of a request that is a batch; `None` where it is none.
///
/// # Errors
/// Why nobody can tell what is in it.
pub(crate) fn read(request: &Request<'_>) -> Option<Result<Vec<Part>, Unread>> {
    let (place, path) = find(request.head)?;
    let decoded = match request.body {
        Body::Empty | Body::NotRead => return None,
        Body::Decoded(decoded) => decoded,
        // Measurements, packed: no list of requests.
        Body::Binary { .. } if matches!(place.form, Form::Guess) => return None,
        Body::Unreadable(why) | Body::Binary { why, .. } => return Some(Err(why.clone().into())),
    };
    let frame = Frame { head: request.head, place, base: base(path, place.cut) };
    let parts = match place.form {
        Form::PartsOrJson(_) if says_multipart(request.head.headers) => parts::read(&frame, decoded),
        Form::PartsOrJson(name) | Form::Json(name) => json::read(&frame, decoded, name),
        Form::Guess if parts::looks_like_one(request.head.headers, decoded) => parts::read(&frame, decoded),
        Form::Guess => json::guess(&frame, decoded)?,
        Form::Graphs => json::read_graphs(&frame, decoded),
        Form::Bulk => lines::read_bulk(&frame, decoded),
        Form::Searches(verb) => lines::read_searches(&frame, decoded, verb),
    };
    Some(parts)
}

/// What all parts of one batch have in common.
struct Frame<'a> {
    head: &'a Head<'a>,
    place: &'static Place,
    /// What relative URLs within it begin with, without a slash at the end.
    base: &'a str,
}

/// A request as it is written in a batch.
struct Written<'w> {
    method: &'w str,
    url: &'w str,
    headers: Vec<(&'w str, String)>,
    body: Content<'w>,
}

enum Content<'w> {
    None,
    Json(&'w Json),
    Text(&'w str),
    /// There is one, and nobody knows how it would be sent alone.
    Unknown,
}

impl Frame<'_> {
    /// Makes it what it would be alone.
    fn part(&self, written: &Written<'_>) -> Result<Part, Unread> {
        let method = Method::from_bytes(written.method.as_bytes())
            .map_err(|_| Unread::from("a request in the batch has a method that is none"))?;
        let (target, other) = self.target(written.url)?;
        let refused = |error| Unread::from(format!("a request in the batch is refused: {error}"));
        // It is sent as it is written here: whoever merges slashes first comes to another end.
        let steps = target.split(['?', '#']).next().unwrap_or_default().split(['/', '\\']);
        if steps.into_iter().any(is_dots) {
            return Err("a request in the batch has dots for a part of its path".into());
        }
        let keeps = || keeps_paths(self.head.authority.host.as_str());
        let mut target = path::canonical_unless(&target, keeps).map_err(refused)?;
        if let Some(other) = &other {
            let other = path::canonical_unless(other, keeps).map_err(refused)?;
            target.readings.push(other.path.as_ref().into());
            target.readings.extend(other.readings);
        }
        let headers = self.headers(&written.headers, &written.body)?;
        path::add_named(&headers, &mut target.readings).map_err(refused)?;
        let part = Part {
            method,
            path: target.path.into_owned(),
            readings: target.readings.into_iter().collect(),
            query: target.query.map(str::to_owned),
            body: body(&headers, &written.body),
            headers,
        };
        if find(&part.head(self.head)).is_some() {
            return Err("a request in the batch is a batch itself".into());
        }
        Ok(part)
    }

    /// Path and query of a URL in the batch; and what else a relative one could mean: services differ on whether it
    /// begins at the host or where the batch is sent to.
    fn target(&self, url: &str) -> Result<(String, Option<String>), Unread> {
        const ELSEWHERE: &str = "a request in the batch goes to another host";
        let url = url.trim_matches(' ');
        if url.contains(['$', '@']) && refers(url) {
            return Err("a request in the batch takes its path from the answer to another".into());
        }
        let (first, _) = url.split_at(url.find(['/', '?', '#']).unwrap_or(url.len()));
        let target = if first.contains(':') {
            let (scheme, rest) = url.split_once("://").ok_or(Unread::from(ELSEWHERE))?;
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let (authority, target) = rest.split_at(end);
            let same = Authority::parse(authority, self.head.scheme.default_port())
                .is_ok_and(|authority| authority == *self.head.authority);
            if !same || !scheme.eq_ignore_ascii_case(self.head.scheme.as_str()) {
                return Err(ELSEWHERE.into());
            }
            let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
            return Ok((encoded(&target), None));
        } else if url.starts_with("//") || url.starts_with("/\\") {
            return Err(ELSEWHERE.into());
        } else {
            let rest = url.strip_prefix('/').unwrap_or(url);
            let (at_host, at_base) = (format!("/{rest}"), format!("{}/{rest}", self.base));
            let (slash, whole) = (url.starts_with('/'), below(&at_host, self.base));
            let is_own = matches!(self.place.form, Form::Guess);
            let is_odata = self.place.hosts == ANY && matches!(self.place.form, Form::PartsOrJson(_));
            match self.place.slash {
                // Whose service it is, nobody knows.
                _ if is_own && slash => (at_host, Some(at_base)),
                _ if is_own => (at_base, Some(at_host)),
                // Written as though it began at the host.
                Slash::Base => (at_base, whole.then_some(at_host)),
                // Services of OData are not of one mind.
                Slash::Host if slash && is_odata && !whole => (at_host, Some(at_base)),
                Slash::Host if slash => (at_host, None),
                Slash::Host => (at_base, None),
            }
        };
        let (target, other) = (encoded(&target.0), target.1.map(|other| encoded(&other)));
        let other = other.filter(|other| *other != target);
        Ok((target, other))
    }

    fn headers(&self, own: &[(&str, String)], body: &Content<'_>) -> Result<HeaderMap, Unread> {
        let mut headers = self.head.headers.clone();
        for name in [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING, TRANSFER_ENCODING] {
            headers.remove(name);
        }
        if matches!(body, Content::Json(_)) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let mut replaced: Vec<HeaderName> = Vec::new();
        for (name, value) in own {
            let parsed = HeaderName::from_bytes(name.trim().as_bytes())
                .ok()
                .zip(HeaderValue::from_str(value.trim()).ok());
            let (name, value) =
                parsed.ok_or(Unread::from("a request in the batch has a header that nobody can have"))?;
            if name == HOST && !self.is_here(&value) {
                return Err("a request in the batch goes to another host".into());
            }
            if replaced.contains(&name) {
                headers.append(name, value);
            } else {
                replaced.push(name.clone());
                headers.insert(name, value);
            }
        }
        Ok(headers)
    }

    fn is_here(&self, host: &HeaderValue) -> bool {
        let parsed = host.to_str().ok().map(|text| Authority::parse(text, self.head.scheme.default_port()));
        parsed.is_some_and(|parsed| parsed.is_ok_and(|authority| authority == *self.head.authority))
    }
}

impl Part {
    /// Its head; `outer` is that of the batch.
    pub(crate) fn head<'h>(&'h self, outer: &Head<'h>) -> Head<'h> {
        Head {
            method: &self.method,
            scheme: outer.scheme,
            authority: outer.authority,
            path: &self.path,
            readings: &self.readings,
            query: self.query.as_deref(),
            headers: &self.headers,
        }
    }
}

fn body(headers: &HeaderMap, content: &Content<'_>) -> Body {
    let text = match content {
        Content::None => return Body::Empty,
        Content::Text(text) => return super::body(headers, text.as_bytes(), Limits::default()),
        Content::Unknown => {
            return Body::Unreadable("a request in the batch has its body in a form of its own".to_owned());
        }
        Content::Json(Json::Null) => return Body::Empty,
        // A text in JSON is the body itself, or the Base64 of it where its type is not JSON.
        Content::Json(Json::Text(text)) => {
            let says_json = super::media_type(headers).is_some_and(|media| media.ends_with("json"));
            return if says_json {
                super::body(headers, text.as_bytes(), Limits::default())
            } else {
                Body::Unreadable("a request in the batch has a body that is text within JSON".to_owned())
            };
        }
        Content::Json(json) => serde_json::to_string(json).unwrap_or_default(),
    };
    if headers.contains_key(CONTENT_ENCODING) {
        return Body::Unreadable("a request in the batch is coded within JSON".to_owned());
    }
    let json = match content {
        Content::Json(json) => Some((*json).clone()),
        Content::None | Content::Text(_) | Content::Unknown => None,
    };
    let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
    Body::Decoded(Decoded { text: Some(text), json, bytes, ..Decoded::default() })
}

/// The place that this request is for, and the reading of its path that says so.
fn find<'h>(head: &Head<'h>) -> Option<(&'static Place, &'h str)> {
    let readings = || std::iter::once(head.path).chain(head.readings.iter().map(|reading| &**reading));
    let named = |path: &str| {
        path.split('/').any(|segment| WORDS.iter().any(|word| segment.eq_ignore_ascii_case(word)))
    };
    let host = head.authority.host.as_str();
    let by_query = head.query.is_some() && BLOBS.iter().any(|pattern| is_host(pattern, host));
    if !by_query && !readings().any(named) {
        return None;
    }
    let places = PLACES.iter().filter(|place| {
        place.hosts.iter().any(|pattern| is_host(pattern, host))
            && place.query.is_none_or(|asked| is_asked(asked, head.query))
    });
    places.into_iter().find_map(|place| Some((place, readings().find(|path| is_path(place.path, path))?)))
}

fn is_asked((asked, value): (&str, &str), query: Option<&str>) -> bool {
    let same = |text: &str, known: &str| same_folded(&component(text), known);
    split(query.unwrap_or_default(), &['&', ';'])
        .any(|(name, given)| same(name, asked) && same(given.trim(), value))
}

fn is_host(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some("") => true,
        Some(within) if within.ends_with('*') => host.contains(within.trim_end_matches('*')),
        Some(parent) => host.strip_suffix(parent).is_some_and(|label| !label.is_empty()),
        None => pattern == host,
    }
}

fn is_path(pattern: &str, path: &str) -> bool {
    let mut path = path.split('/').skip(1).collect::<Vec<_>>();
    while path.last() == Some(&"") {
        path.pop();
    }
    let mut asked = pattern.split('/').filter(|segment| !segment.is_empty()).collect::<Vec<_>>();
    if asked.first() == Some(&"**") {
        asked.remove(0);
        path = path.split_off(path.len().saturating_sub(asked.len()));
    }
    let open = asked.last() == Some(&"**");
    if open {
        asked.pop();
        path.truncate(asked.len());
    }
    let same = |(asked, found): (&&str, &&str)| *asked == "*" || asked.eq_ignore_ascii_case(found);
    asked.len() == path.len() && asked.iter().zip(&path).all(same)
}

/// A path without so many segments at its end.
fn base(path: &str, cut: usize) -> &str {
    let mut base = path.trim_end_matches('/');
    for _ in 0..cut {
        match base.rsplit_once('/') {
            Some((rest, _)) => base = rest,
            None => return "",
        }
    }
    base
}

/// Whether a path lies below another one.
fn below(path: &str, base: &str) -> bool {
    !base.is_empty()
        && path
            .split_at_checked(base.len())
            .is_some_and(|(front, rest)| front.eq_ignore_ascii_case(base) && rest.starts_with('/'))
}

/// `.` and `..`, encoded or not.
fn is_dots(segment: &str) -> bool {
    let bare = segment.split(';').next().unwrap_or_default().to_ascii_lowercase().replace("%2e", ".");
    matches!(bare.as_str(), "." | "..")
}

/// `$1/x` (OData) and `/a/@{b.id}` (Salesforce): a path that another answer completes.
fn refers(url: &str) -> bool {
    let path = url.split('?').next().unwrap_or_default();
    let numbered = path.trim_start_matches('/').strip_prefix('$').is_some_and(|rest| {
        let id = rest.split(['/', '(']).next().unwrap_or_default();
        !id.is_empty() && !["batch", "metadata", "entity", "all", "crossjoin"].contains(&id)
    });
    numbered || path.contains("@{") || path.contains("${")
}

/// With what a URL in JSON may hold and a request target may not: blanks in a filter, letters beyond ASCII.
fn encoded(target: &str) -> String {
    use percent_encoding::{AsciiSet, utf8_percent_encode};
    const LOOSE: &AsciiSet = &AsciiSet::EMPTY.add(b' ').add(b'"').add(b'<').add(b'>');
    utf8_percent_encode(target, LOOSE).to_string()
}

fn says_multipart(headers: &HeaderMap) -> bool {
    super::media_type(headers)
        .is_some_and(|media| media.get(..10).is_some_and(|m| m.eq_ignore_ascii_case("multipart/")))
}

fn bounded(parts: usize) -> Result<(), Unread> {
    if parts <= PARTS_MAX {
        Ok(())
    } else {
        Err(format!("the batch has more than {PARTS_MAX} requests").into())
    }
}

/// Azure takes 500; Google 100 and Microsoft Graph 20. Each is judged, and shown to the reviewer.
const PARTS_MAX: usize = 500;
