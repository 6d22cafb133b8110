//! The arguments of curl, as far as they decide what is sent. Options that only change how curl shows, retries
//! or connects are known by name so that their argument is not taken for the URL; an unknown option is an error.

use super::{Sample, SampleError};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use std::fmt::Write as _;

/// # Errors
/// See [`Sample::from_curl`].
pub(super) fn read(
    words: &[String],
    file: &mut dyn FnMut(&str) -> Option<Vec<u8>>,
) -> Result<Sample, SampleError> {
    let mut words = words.iter().map(String::as_str);
    let program = words.next().unwrap_or_default();
    if !matches!(program.rsplit(['/', '\\']).next(), Some("curl" | "curl.exe")) {
        return Err(SampleError::written("the command does not begin with `curl`"));
    }
    let mut line = Line::new(file);
    while let Some(word) = words.next() {
        match word.strip_prefix("--") {
            Some("") => words.by_ref().try_for_each(|url| line.url(url))?,
            Some(name) => {
                let option = long(name).ok_or_else(|| unknown(word))?;
                let argument = option.takes().then(|| words.next().ok_or_else(|| bare(word))).transpose()?;
                line.apply(option, argument.unwrap_or_default())?;
            }
            None => match word.strip_prefix('-') {
                Some(letters) if !letters.is_empty() => line.short(letters, &mut words)?,
                _ => line.url(word)?,
            },
        }
    }
    line.finish()
}

fn unknown(option: &str) -> SampleError {
    SampleError::written(format!("curl's option `{option}` is not understood here"))
}

fn bare(option: &str) -> SampleError {
    SampleError::written(format!("curl's option `{option}` needs an argument"))
}

/// What an option means for the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opt {
    Url,
    Request,
    Header,
    /// `-d`: `@file` is read and loses its line breaks.
    Data,
    DataRaw,
    DataBinary,
    DataUrlencode,
    Json,
    Form,
    FormString,
    Get,
    Head,
    User,
    Bearer,
    UserAgent,
    Referer,
    Cookie,
    Upload,
    Compressed,
    /// Changes nothing that is sent.
    Flag,
    /// Changes nothing that is sent, and has an argument.
    FlagWith,
}

impl Opt {
    const fn takes(self) -> bool {
        !matches!(self, Self::Get | Self::Head | Self::Compressed | Self::Flag)
    }
}

fn long(name: &str) -> Option<Opt> {
    Some(match name {
        "url" => Opt::Url,
        "request" => Opt::Request,
        "header" => Opt::Header,
        "data" | "data-ascii" => Opt::Data,
        "data-raw" => Opt::DataRaw,
        "data-binary" => Opt::DataBinary,
        "data-urlencode" => Opt::DataUrlencode,
        "json" => Opt::Json,
        "form" => Opt::Form,
        "form-string" => Opt::FormString,
        "get" => Opt::Get,
        "head" => Opt::Head,
        "user" => Opt::User,
        "oauth2-bearer" => Opt::Bearer,
        "user-agent" => Opt::UserAgent,
        "referer" => Opt::Referer,
        "cookie" => Opt::Cookie,
        "upload-file" => Opt::Upload,
        "compressed" => Opt::Compressed,
        _ if FLAGS.contains(&name) => Opt::Flag,
        _ if FLAGS_WITH.contains(&name) => Opt::FlagWith,
        _ => return None,
    })
}

const fn short(letter: char) -> Option<Opt> {
    Some(match letter {
        'X' => Opt::Request,
        'H' => Opt::Header,
        'd' => Opt::Data,
        'F' => Opt::Form,
        'G' => Opt::Get,
        'I' => Opt::Head,
        'u' => Opt::User,
        'A' => Opt::UserAgent,
        'e' => Opt::Referer,
        'b' => Opt::Cookie,
        'T' => Opt::Upload,
        '0' | '1' | '2' | '3' | '4' | '6' | '#' | 'f' | 'g' | 'i' | 'j' | 'J' | 'k' | 'L' | 'N' | 'O'
        | 'R' | 'q' | 's' | 'S' | 'v' => Opt::Flag,
        'c' | 'C' | 'D' | 'E' | 'm' | 'o' | 'r' | 'U' | 'w' | 'x' | 'y' | 'Y' | 'z' => Opt::FlagWith,
        _ => return None,
    })
}

const FLAGS: &[&str] = &[
    "anyauth",
    "basic",
    "create-dirs",
    "disable",
    "fail",
    "fail-early",
    "fail-with-body",
    "globoff",
    "http0.9",
    "http1.0",
    "http1.1",
    "http2",
    "http2-prior-knowledge",
    "http3",
    "include",
    "insecure",
    "ipv4",
    "ipv6",
    "junk-session-cookies",
    "location",
    "location-trusted",
    "no-buffer",
    "no-keepalive",
    "no-progress-meter",
    "parallel",
    "path-as-is",
    "post301",
    "post302",
    "post303",
    "progress-bar",
    "remote-header-name",
    "remote-name",
    "remote-time",
    "retry-all-errors",
    "retry-connrefused",
    "show-error",
    "silent",
    "ssl-reqd",
    "styled-output",
    "tcp-fastopen",
    "tcp-nodelay",
    "tlsv1",
    "tlsv1.2",
    "tlsv1.3",
    "trace-time",
    "verbose",
];

const FLAGS_WITH: &[&str] = &[
    "cacert",
    "capath",
    "cert",
    "cert-type",
    "ciphers",
    "connect-timeout",
    "connect-to",
    "cookie-jar",
    "continue-at",
    "dump-header",
    "interface",
    "key",
    "key-type",
    "limit-rate",
    "max-redirs",
    "max-time",
    "noproxy",
    "output",
    "output-dir",
    "pass",
    "pinnedpubkey",
    "proxy",
    "proxy-cacert",
    "proxy-header",
    "proxy-user",
    "range",
    "resolve",
    "retry",
    "retry-delay",
    "retry-max-time",
    "speed-limit",
    "speed-time",
    "stderr",
    "time-cond",
    "trace",
    "trace-ascii",
    "unix-socket",
    "write-out",
];

/// A command line on its way to a request.
struct Line<'f> {
    file: &'f mut dyn FnMut(&str) -> Option<Vec<u8>>,
    url: Option<String>,
    method: Option<String>,
    /// A header without a value takes one away that curl would send by itself.
    headers: Vec<(String, Option<String>)>,
    /// Sent unless a header of the name is given.
    defaults: Vec<(&'static str, String)>,
    data: Option<Vec<u8>>,
    parts: Vec<Vec<u8>>,
    upload: Option<Vec<u8>>,
    get: bool,
    head: bool,
}

impl<'f> Line<'f> {
    fn new(file: &'f mut dyn FnMut(&str) -> Option<Vec<u8>>) -> Self {
        Self {
            file,
            url: None,
            method: None,
            headers: Vec::new(),
            defaults: Vec::new(),
            data: None,
            parts: Vec::new(),
            upload: None,
            get: false,
            head: false,
        }
    }

    /// `-sSLd x`: letters of options without an argument, then perhaps one with; the rest is its argument.
    fn short<'w>(
        &mut self,
        letters: &str,
        words: &mut impl Iterator<Item = &'w str>,
    ) -> Result<(), SampleError> {
        let mut letters = letters.chars();
        while let Some(letter) = letters.next() {
            let name = format!("-{letter}");
            let option = short(letter).ok_or_else(|| unknown(&name))?;
            if !option.takes() {
                self.apply(option, "")?;
                continue;
            }
            return match letters.as_str() {
                "" => self.apply(option, words.next().ok_or_else(|| bare(&name))?),
                glued => self.apply(option, glued),
            };
        }
        Ok(())
    }

    fn apply(&mut self, option: Opt, argument: &str) -> Result<(), SampleError> {
        match option {
            Opt::Url => self.url(argument)?,
            Opt::Request => self.method = Some(argument.to_owned()),
            Opt::Header => self.header(argument)?,
            Opt::Data => {
                let data = match argument.strip_prefix('@') {
                    Some(name) => {
                        let mut data = self.read(name)?;
                        data.retain(|b| !matches!(b, b'\r' | b'\n'));
                        data
                    }
                    None => argument.into(),
                };
                self.append(data, FORM);
            }
            Opt::DataRaw => self.append(argument.into(), FORM),
            Opt::DataBinary => {
                let data = self.inline_or_file(argument)?;
                self.append(data, FORM);
            }
            Opt::DataUrlencode => {
                let data = self.urlencode(argument)?;
                self.append(data, FORM);
            }
            Opt::Json => {
                let data = self.inline_or_file(argument)?;
                // Several --json are one text, not fields.
                self.data.get_or_insert_default().extend(data);
                self.default("content-type", "application/json");
                self.default("accept", "application/json");
            }
            Opt::Form | Opt::FormString => self.part(argument, option)?,
            Opt::Get => self.get = true,
            Opt::Head => self.head = true,
            Opt::User => {
                self.default("authorization", &format!("Basic {}", BASE64_STANDARD.encode(argument)))
            }
            Opt::Bearer => self.default("authorization", &format!("Bearer {argument}")),
            Opt::UserAgent => self.default("user-agent", argument),
            Opt::Referer => self.default("referer", argument),
            Opt::Cookie if argument.contains('=') => self.default("cookie", argument),
            Opt::Upload => self.upload = Some(self.read(argument)?),
            Opt::Compressed => self.default("accept-encoding", "deflate, gzip, br, zstd"),
            Opt::Cookie | Opt::Flag | Opt::FlagWith => {}
        }
        Ok(())
    }

    fn url(&mut self, url: &str) -> Result<(), SampleError> {
        if self.url.is_some() {
            return Err(SampleError::written("there is more than one URL"));
        }
        // curl takes http for granted, and never sends the fragment.
        let url = url.split('#').next().unwrap_or_default();
        let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let authority = url.find("://").map_or(0, |at| at + 3);
        let (scheme, rest) = url.split_at(authority);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let host = match authority.rsplit_once('@') {
            Some((user, host)) => {
                self.default("authorization", &format!("Basic {}", BASE64_STANDARD.encode(user)));
                host
            }
            None => authority,
        };
        self.url = Some(format!("{scheme}{host}{target}"));
        Ok(())
    }

    /// `Name: value`, `Name;` for an empty value, `Name:` to take a header of curl's own away.
    fn header(&mut self, text: &str) -> Result<(), SampleError> {
        let (name, value) = match text.split_once(':') {
            Some((name, value)) if value.trim().is_empty() => (name, None),
            Some((name, value)) => (name, Some(value.trim().to_owned())),
            None => match text.strip_suffix(';') {
                Some(name) => (name, Some(String::new())),
                None => return Err(SampleError::written(format!("`{text}` is not `Name: value`"))),
            },
        };
        self.headers.push((name.trim().to_owned(), value));
        Ok(())
    }

    fn default(&mut self, name: &'static str, value: &str) {
        self.defaults.retain(|(known, _)| *known != name);
        self.defaults.push((name, value.to_owned()));
    }

    fn append(&mut self, data: Vec<u8>, content_type: &str) {
        match &mut self.data {
            Some(before) => {
                before.push(b'&');
                before.extend(data);
            }
            None => self.data = Some(data),
        }
        if !self.defaults.iter().any(|(name, _)| *name == "content-type") {
            self.default("content-type", content_type);
        }
    }

    fn read(&mut self, name: &str) -> Result<Vec<u8>, SampleError> {
        (self.file)(name).ok_or_else(|| SampleError::written(format!("the file `{name}` cannot be read")))
    }

    fn inline_or_file(&mut self, argument: &str) -> Result<Vec<u8>, SampleError> {
        argument.strip_prefix('@').map_or_else(|| Ok(argument.into()), |name| self.read(name))
    }

    /// `content`, `=content`, `name=content`, `@file`, `name@file`.
    fn urlencode(&mut self, argument: &str) -> Result<Vec<u8>, SampleError> {
        let at = argument.find(['=', '@']);
        let (name, content) = match at.and_then(|at| argument.split_at_checked(at)) {
            Some((name, rest)) => match rest.strip_prefix('@') {
                Some(file) => (name, self.read(file)?),
                None => (name, rest.strip_prefix('=').unwrap_or_default().into()),
            },
            None => ("", argument.into()),
        };
        let content: String = url::form_urlencoded::byte_serialize(&content).collect();
        Ok(if name.is_empty() { content } else { format!("{name}={content}") }.into_bytes())
    }

    /// `name=content`, `name=@file`, `name=<file`, each with `;type=` and `;filename=`.
    fn part(&mut self, argument: &str, option: Opt) -> Result<(), SampleError> {
        let (name, content) = argument
            .split_once('=')
            .ok_or_else(|| SampleError::written(format!("`{argument}` is not `name=content`")))?;
        let (content, parameters) = match content.split_once(';') {
            Some((content, parameters)) if option == Opt::Form => (content, parameters),
            _ => (content, ""),
        };
        let given =
            |key: &str| parameters.split(';').find_map(|p| p.trim().strip_prefix(key)?.strip_prefix('='));
        let mut head = format!("Content-Disposition: form-data; name=\"{}\"", quoted(name));
        let mut content_type = given("type");
        let bytes = match (option, content.strip_prefix('@'), content.strip_prefix('<')) {
            (Opt::Form, Some(file), _) => {
                let shown = given("filename").or_else(|| file.rsplit('/').next()).unwrap_or(file);
                let _ = write!(head, "; filename=\"{}\"", quoted(shown));
                content_type = content_type.or(Some("application/octet-stream"));
                self.read(file)?
            }
            (Opt::Form, _, Some(file)) => self.read(file)?,
            _ => content.into(),
        };
        if let Some(content_type) = content_type {
            let _ = write!(head, "\r\nContent-Type: {content_type}");
        }
        self.parts.push([head.as_bytes(), b"\r\n\r\n", &bytes].concat());
        Ok(())
    }

    fn finish(mut self) -> Result<Sample, SampleError> {
        let mut url = self.url.take().ok_or_else(|| SampleError::written("there is no URL"))?;
        let mut body = self.data.take();
        if self.get
            && let Some(data) = body.take()
        {
            self.defaults.retain(|(name, _)| *name != "content-type");
            let data = String::from_utf8_lossy(&data).into_owned();
            url = format!("{url}{}{data}", if url.contains('?') { '&' } else { '?' });
        }
        if !self.parts.is_empty() {
            self.default("content-type", &format!("multipart/form-data; boundary={BOUNDARY}"));
            let mut multipart = Vec::new();
            for part in &self.parts {
                multipart.extend([b"--", BOUNDARY.as_bytes(), b"\r\n", part, b"\r\n"].concat());
            }
            multipart.extend(format!("--{BOUNDARY}--\r\n").into_bytes());
            body = Some(multipart);
        }
        let by_default = match (&self.upload, &body) {
            _ if self.head => "HEAD",
            (Some(_), _) => "PUT",
            (None, Some(_)) => "POST",
            (None, None) => "GET",
        };
        let method = self.method.unwrap_or_else(|| by_default.to_owned());
        let defaults = self
            .defaults
            .into_iter()
            .filter(|(name, _)| !self.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name)))
            .map(|(name, value)| (name.to_owned(), value));
        let given = self.headers.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
        let headers = defaults.chain(given).collect();
        Ok(Sample { method, url, headers, body: self.upload.or(body).unwrap_or_default() })
    }
}

fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

const FORM: &str = "application/x-www-form-urlencoded";
const BOUNDARY: &str = "------------------------holdpoint";

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn curl(command: &str) -> Sample {
        let mut file = |name: &str| (name == "f.txt").then(|| b"a=1\nb".to_vec());
        Sample::from_curl(command, &mut file).expect(command)
    }

    #[track_caller]
    fn check(command: &str, line: &str, body: &str) -> Sample {
        let sample = curl(command);
        assert_eq!(format!("{} {}", sample.method, sample.url), line, "{command}");
        assert_eq!(String::from_utf8_lossy(&sample.body), body, "{command}");
        sample
    }

    fn header<'s>(sample: &'s Sample, name: &str) -> Option<&'s str> {
        sample.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    #[test]
    fn methods_follow_from_the_options() {
        check("curl https://a.test/x#top", "GET https://a.test/x", "");
        check("curl a.test", "GET http://a.test", "");
        check("curl -I https://a.test/", "HEAD https://a.test/", "");
        check("curl -XDELETE https://a.test/", "DELETE https://a.test/", "");
        check("curl --request PATCH --url https://a.test/", "PATCH https://a.test/", "");
        check("curl -T f.txt https://a.test/", "PUT https://a.test/", "a=1\nb");
        check("curl -d '' https://a.test/", "POST https://a.test/", "");
        check("/usr/bin/curl -sSLo /dev/null -w '%{http_code}' https://a.test/", "GET https://a.test/", "");
    }

    #[test]
    fn data_options_make_the_body() {
        let form = check("curl -sSd a=1 --data b=2 https://a.test/", "POST https://a.test/", "a=1&b=2");
        assert_eq!(header(&form, "content-type"), Some(FORM));
        check("curl -d @f.txt https://a.test/", "POST https://a.test/", "a=1b");
        check("curl --data-binary @f.txt https://a.test/", "POST https://a.test/", "a=1\nb");
        check("curl --data-raw @f.txt https://a.test/", "POST https://a.test/", "@f.txt");
        check(
            "curl --data-urlencode 'a=b c&d' --data-urlencode =x+y https://a.test/",
            "POST https://a.test/",
            "a=b+c%26d&x%2By",
        );
        check("curl -G -d a=1 -d b=2 'https://a.test/?c=3'", "GET https://a.test/?c=3&a=1&b=2", "");
        let json = check("curl --json '{\"a\":1}' https://a.test/", "POST https://a.test/", "{\"a\":1}");
        assert_eq!(header(&json, "content-type"), Some("application/json"));
        let own = curl("curl -H 'Content-Type: application/json' -d '{}' https://a.test/");
        assert_eq!(own.headers.len(), 1);
    }

    #[test]
    fn forms_are_multipart() {
        let sample = curl("curl -F :action=file_upload -F 'content=@f.txt;type=text/plain' https://a.test/");
        assert_eq!(
            header(&sample, "content-type"),
            Some(&*format!("multipart/form-data; boundary={BOUNDARY}"))
        );
        let body = String::from_utf8(sample.body).expect("text");
        assert!(body.contains("name=\":action\"\r\n\r\nfile_upload\r\n"), "{body}");
        assert!(
            body.contains(
                "name=\"content\"; filename=\"f.txt\"\r\nContent-Type: text/plain\r\n\r\na=1\nb\r\n"
            )
        );
        assert!(body.ends_with(&format!("--{BOUNDARY}--\r\n")));
    }

    #[test]
    fn headers_and_credentials() {
        let sample =
            curl("curl -u me:pw -A tool/1 -H 'X-Empty;' -H 'X-One: 1' -H 'User-Agent:' https://a.test/");
        assert_eq!(header(&sample, "authorization"), Some("Basic bWU6cHc="));
        assert_eq!(header(&sample, "user-agent"), None);
        assert_eq!(header(&sample, "x-empty"), Some(""));
        let url = check("curl 'https://me:pw@a.test/x'", "GET https://a.test/x", "");
        assert_eq!(header(&url, "authorization"), Some("Basic bWU6cHc="));
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for (command, expected) in [
            ("wget https://a.test/", "the command does not begin with `curl`"),
            ("curl", "there is no URL"),
            ("curl https://a.test/ https://b.test/", "there is more than one URL"),
            ("curl --next https://a.test/", "curl's option `--next` is not understood here"),
            ("curl https://a.test/ -d", "curl's option `-d` needs an argument"),
            ("curl -d @secret https://a.test/", "the file `secret` cannot be read"),
            ("curl -H broken https://a.test/", "`broken` is not `Name: value`"),
        ] {
            let error = Sample::from_curl(command, &mut |_| None).expect_err(command);
            assert_eq!(error.to_string(), expected, "{command}");
        }
    }
}
