//! `holdpoint env`: what `run` would set, for where `run` is not the parent: shells, Dockerfiles, manifests.

use super::proxy_url::ProxyUrl;
use super::run::ProxyArgs;
use super::toolchain::{self, TrustPaths, UNSET};
use super::trust::{self, Java};
use crate::config::Config;
use clap::ValueEnum;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where the output goes
    #[arg(long, value_enum, default_value_t = Format::Shell)]
    format: Format,

    #[command(flatten)]
    proxy: ProxyArgs,

    /// Set JAVA_TOOL_OPTIONS too (Java prints it on standard error at each start)
    #[arg(long)]
    java: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// `export` lines for `eval "$(holdpoint env)"`
    Shell,
    /// Lines for a Dockerfile
    Docker,
    /// The parts of a pod that matter
    K8s,
}

pub(super) fn run(config: &Config, args: &Args) -> anyhow::Result<ExitCode> {
    let java = if args.java { Java::Yes } else { Java::No };
    let paths = trust::prepare(config, java)?;
    let proxy = args.proxy.url(config)?;
    let no_proxy = args.proxy.no_proxy();
    let text = match args.format {
        Format::Shell => shell(&proxy, no_proxy, &paths),
        Format::Docker => docker(&proxy, no_proxy, &paths),
        Format::K8s => k8s(&proxy, no_proxy, &paths),
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn shell(proxy: &ProxyUrl, no_proxy: &str, paths: &TrustPaths) -> String {
    let mut text = String::new();
    let settings = toolchain::proxy(proxy, no_proxy).into_iter().chain(toolchain::trust(paths));
    for (name, value) in settings.chain(toolchain::java(proxy, paths)) {
        let _ = writeln!(text, "export {name}={}", shell_quoted(&value));
    }
    let _ = writeln!(text, "unset {}", UNSET.join(" "));
    text
}

/// One word for every POSIX shell.
fn shell_quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/:._-@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// In an image the CA joins the system's own roots, so that file is the bundle.
fn docker(proxy: &ProxyUrl, no_proxy: &str, paths: &TrustPaths) -> String {
    let inside = TrustPaths {
        ca: "/usr/local/share/ca-certificates/holdpoint.crt".to_owned(),
        bundle: "/etc/ssl/certs/ca-certificates.crt".to_owned(),
        wgetrc: None,
        php: None,
        truststore: None,
    };
    let mut text = format!(
        "# The CA, beside the Dockerfile:  cp {} holdpoint-ca.pem\n\
         # (Debian, Ubuntu, Alpine with ca-certificates; elsewhere see the distribution.)\n\
         COPY holdpoint-ca.pem {}\n\
         RUN update-ca-certificates\n",
        shell_quoted(&paths.ca),
        inside.ca
    );
    text.push_str(&env_lines(&toolchain::trust(&inside)));
    text.push('\n');
    text.push_str(reach_hint(proxy));
    if proxy.has_credentials() {
        text.push_str(
            "# The proxy's URL has the agent's token, which must not be in an image. Pass it at the start:\n\
             #   docker run -e HTTPS_PROXY -e https_proxy -e HTTP_PROXY -e http_proxy \u{2026}\n\
             # with the values of `holdpoint env`.\n",
        );
    }
    let settings = toolchain::proxy(proxy, no_proxy);
    let open = settings.into_iter().filter(|(_, v)| !proxy.has_credentials() || *v != proxy.to_string());
    text.push_str(&env_lines(&open.collect::<Vec<_>>()));
    text
}

fn env_lines(settings: &[(&str, String)]) -> String {
    let lines: Vec<_> =
        settings.iter().map(|(name, value)| format!("{name}={}", docker_quoted(value))).collect();
    format!("ENV {}\n", lines.join(" \\\n    "))
}

/// One value of an `ENV` instruction: quoted, without the builder's own substitution.
fn docker_quoted(text: &str) -> String {
    let escaped = text.replace('\\', r"\\").replace('"', "\\\"").replace('$', r"\$");
    format!("\"{escaped}\"")
}

/// In a pod the files come from a config map; a URL with a token comes from a secret.
fn k8s(proxy: &ProxyUrl, no_proxy: &str, paths: &TrustPaths) -> String {
    let inside = TrustPaths {
        ca: format!("{MOUNT}/ca.pem"),
        bundle: format!("{MOUNT}/bundle.pem"),
        wgetrc: None,
        php: None,
        truststore: None,
    };
    let mut text = format!(
        "# kubectl create configmap holdpoint-ca --from-file=ca.pem={} --from-file=bundle.pem={}\n",
        shell_quoted(&paths.ca),
        shell_quoted(&paths.bundle)
    );
    if proxy.has_credentials() {
        let url = shell_quoted(&proxy.to_string());
        let _ = writeln!(text, "# kubectl create secret generic holdpoint-proxy --from-literal=url={url}");
    }
    text.push_str(reach_hint(proxy));
    text.push_str("spec:\n  containers:\n    - name: agent\n      env:\n");
    for (name, value) in toolchain::proxy(proxy, no_proxy).into_iter().chain(toolchain::trust(&inside)) {
        if proxy.has_credentials() && value == proxy.to_string() {
            let _ = writeln!(
                text,
                "        - name: {name}\n          valueFrom: {{ secretKeyRef: {{ name: holdpoint-proxy, key: url }} }}"
            );
        } else {
            let quoted = serde_json::Value::String(value); // a JSON text is a YAML text
            let _ = writeln!(text, "        - {{ name: {name}, value: {quoted} }}");
        }
    }
    let _ = write!(
        text,
        "      volumeMounts:\n        - {{ name: holdpoint-ca, mountPath: {MOUNT}, readOnly: true }}\n\
         \x20 volumes:\n    - name: holdpoint-ca\n      configMap: {{ name: holdpoint-ca }}\n"
    );
    text
}

const MOUNT: &str = "/etc/holdpoint";

fn reach_hint(proxy: &ProxyUrl) -> &'static str {
    if proxy.is_loopback() {
        "# This address is the container itself: say how it reaches Holdpoint with --proxy http://HOST:PORT.\n"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths() -> TrustPaths {
        TrustPaths {
            ca: "/srv/hold point/ca.pem".to_owned(),
            bundle: "/srv/hold point/bundle.pem".to_owned(),
            wgetrc: Some("/srv/hold point/wgetrc".to_owned()),
            php: Some("/srv/hold point/php".to_owned()),
            truststore: Some("/srv/hold point/truststore.p12".to_owned()),
        }
    }

    fn open() -> ProxyUrl {
        "http://127.0.0.1:8080".parse().unwrap()
    }

    fn enrolled() -> ProxyUrl {
        "http://ci:tok3n@holdpoint.internal.example:8080".parse().unwrap()
    }

    #[test]
    fn for_shells() {
        insta::assert_snapshot!(shell(&open(), "", &paths()));
        insta::assert_snapshot!(shell(&enrolled(), "localhost,.svc", &paths()));
    }

    #[test]
    fn for_dockerfiles() {
        insta::assert_snapshot!(docker(&open(), "", &paths()));
        insta::assert_snapshot!(docker(&enrolled(), "localhost", &paths()));
    }

    #[test]
    fn for_manifests() {
        insta::assert_snapshot!(k8s(&open(), "", &paths()));
        insta::assert_snapshot!(k8s(&enrolled(), "localhost", &paths()));
    }

    #[test]
    fn a_token_is_never_baked_into_an_image_or_a_manifest() {
        let shown = |text: String| text.lines().filter(|l| !l.starts_with('#')).any(|l| l.contains("tok3n"));
        assert!(!shown(docker(&enrolled(), "", &paths())) && !shown(k8s(&enrolled(), "", &paths())));
    }

    /// A shell reads back what was meant, whatever it is.
    #[test]
    fn quoting_holds_in_a_real_shell() {
        for text in ["", "plain", "a b", "it's", "$(id)`id`$HOME", "\"\\", "a\nb", "*", "ü~!#&|;<>"] {
            let script = format!("printf %s {}", shell_quoted(text));
            let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout), text);
        }
    }
}
