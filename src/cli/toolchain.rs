//! What each toolchain reads to find the proxy and to trust the CA.
//!
//! The table is measured, one variable at a time: most clients *replace* their roots by the file that a variable
//! names, so they get the bundle of the system's roots and ours; only `NODE_EXTRA_CA_CERTS` *adds*.
//! Nothing here touches a file or the environment.

use super::proxy_url::ProxyUrl;

/// Where the trust files are, as the started program sees them.
#[derive(Debug, Clone)]
pub(super) struct TrustPaths {
    /// The CA alone.
    pub(super) ca: String,
    /// The system's roots and the CA.
    pub(super) bundle: String,
    /// A `wgetrc` that names the bundle: wget has no variable for it.
    pub(super) wgetrc: Option<String>,
    /// A folder of one PHP ini file that names the bundle.
    pub(super) php: Option<String>,
    /// A PKCS #12 truststore with [`TRUSTSTORE_PASSWORD`].
    pub(super) truststore: Option<String>,
}

/// Truststores hold no secret, but the format has a password.
pub(super) const TRUSTSTORE_PASSWORD: &str = "changeit";

/// Where requests go: the variables that name the proxy.
pub(super) fn proxy(proxy: &ProxyUrl, no_proxy: &str) -> Vec<(&'static str, String)> {
    let url = proxy.to_string();
    vec![
        // grpc and wget know the small letters only, the AWS SDKs and Go read both.
        ("HTTPS_PROXY", url.clone()),
        ("https_proxy", url.clone()),
        ("HTTP_PROXY", url.clone()),
        ("http_proxy", url),
        // Explicit, so that no inherited list opens a way round.
        ("NO_PROXY", no_proxy.to_owned()),
        ("no_proxy", no_proxy.to_owned()),
        // Node 24 and later: `fetch` and `https` ignore the variables above without it.
        ("NODE_USE_ENV_PROXY", "1".to_owned()),
    ]
}

/// Whom to trust: the variables that name the CA.
pub(super) fn trust(paths: &TrustPaths) -> Vec<(&'static str, String)> {
    let mut settings = vec![("NODE_EXTRA_CA_CERTS", paths.ca.clone())];
    settings.extend(BUNDLE_VARIABLES.iter().map(|name| (*name, paths.bundle.clone())));
    settings.extend(paths.wgetrc.iter().map(|path| ("WGETRC", path.clone())));
    // The empty first entry keeps the folder that PHP was built with.
    settings.extend(paths.php.iter().map(|path| ("PHP_INI_SCAN_DIR", format!(":{path}"))));
    settings
}

/// What the Java virtual machine takes: it reads no proxy variable. `None` without a truststore.
///
/// Credentials are left out: the machine prints this variable to standard error at each start.
pub(super) fn java(proxy: &ProxyUrl, paths: &TrustPaths) -> Option<(&'static str, String)> {
    let truststore = paths.truststore.as_ref()?;
    let (host, port) = (proxy.host(), proxy.port());
    let options = [
        format!("-Dhttps.proxyHost={host}"),
        format!("-Dhttps.proxyPort={port}"),
        format!("-Dhttp.proxyHost={host}"),
        format!("-Dhttp.proxyPort={port}"),
        "-Dhttp.nonProxyHosts=".to_owned(),
        format!("-Djavax.net.ssl.trustStore={}", java_quoted(truststore)),
        "-Djavax.net.ssl.trustStoreType=PKCS12".to_owned(),
        format!("-Djavax.net.ssl.trustStorePassword={TRUSTSTORE_PASSWORD}"),
    ];
    Some(("JAVA_TOOL_OPTIONS", options.join(" ")))
}

/// `JAVA_TOOL_OPTIONS` splits at blanks outside quotes.
fn java_quoted(text: &str) -> String {
    if text.contains(char::is_whitespace) { format!("\"{text}\"") } else { text.to_owned() }
}

/// Commands that start a Java virtual machine.
pub(super) fn is_java(program: &str) -> bool {
    let name = program.rsplit('/').next().unwrap_or(program);
    JAVA_PROGRAMS.contains(&name)
}

const JAVA_PROGRAMS: &[&str] = &[
    "java", "javac", "jshell", "mvn", "mvnw", "gradle", "gradlew", "ant", "sbt", "scala", "kotlin", "groovy",
    "clojure", "lein",
];

/// Clients that replace their roots by this file.
pub(super) const BUNDLE_VARIABLES: &[&str] = &[
    "SSL_CERT_FILE",                      // OpenSSL, Go, Rust, Ruby, httpx, uv, Bun
    "REQUESTS_CA_BUNDLE",                 // Python requests and all on it
    "CURL_CA_BUNDLE",                     // curl, libcurl
    "AWS_CA_BUNDLE",                      // AWS CLI and SDKs
    "GIT_SSL_CAINFO",                     // git
    "PIP_CERT",                           // pip
    "npm_config_cafile",                  // npm, where a global npmrc sets its own file
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",   // grpc
    "HTTPLIB2_CA_CERTS",                  // google-api-python-client
    "DENO_CERT",                          // Deno
    "CARGO_HTTP_CAINFO",                  // cargo
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", // gcloud
    "NIX_SSL_CERT_FILE",                  // Nix
];

/// Inherited variables that would lead round the proxy or add roots.
pub(super) const UNSET: &[&str] = &[
    "SSL_CERT_DIR",
    "ALL_PROXY",
    "all_proxy",
    "grpc_proxy",
    "no_grpc_proxy",
    "wss_proxy",
    "WSS_PROXY",
    "ws_proxy",
    "WS_PROXY",
    "npm_config_proxy",
    "npm_config_https_proxy",
    "npm_config_noproxy",
    "CARGO_HTTP_PROXY",
    "PIP_PROXY",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_starters_are_known_by_their_last_name() {
        assert!(is_java("java") && is_java("./gradlew") && is_java("/usr/bin/mvn"));
        assert!(!is_java("javascript") && !is_java("node") && !is_java("/java/bin/sh"));
    }

    #[test]
    fn java_hears_no_credentials() {
        let proxy: ProxyUrl = "http://bot:secret@127.0.0.1:8080".parse().unwrap();
        let paths = TrustPaths {
            ca: String::new(),
            bundle: String::new(),
            wgetrc: None,
            php: None,
            truststore: Some("/a b/t.p12".to_owned()),
        };
        let (_, options) = java(&proxy, &paths).unwrap();
        assert!(!options.contains("secret"));
        assert!(options.contains("-Djavax.net.ssl.trustStore=\"/a b/t.p12\""));
    }
}
