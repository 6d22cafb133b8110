use super::*;

fn read(text: &str) -> Config {
    parse(None, text.to_owned(), &[]).unwrap()
}

fn with(environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let environment: Vec<_> = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    parse(None, "listen: 127.0.0.1:1\nhold: {patience: 5s}\n".to_owned(), &environment)
}

/// Everything, as a map of keys to texts. Each differs from its default.
const EVERYTHING: &str = r#"
listen: 127.0.0.1:3128
control:
  listen: "[::1]:9000"
  url: https://holdpoint.example.com/
data: state
certs: /etc/holdpoint/certs
rules: [rules, /etc/holdpoint/rules]
standard-rules: false
otherwise: { read: hold, write: deny, unknown-host: pass }
mode: observe
grpc: { descriptors: [acme.pb] }
solo: false
upstream:
  extra-ca: [company.pem]
  resolve: { api.example.com: "127.0.0.1:9443", "[::1]:443": "[::1]:9444", b.example.com:80: localhost:81 }
  allow: [10.0.0.0/8, "fd00::/8", 127.0.0.1]
tunnel: [pinned.example.com, "*.bank.example"]
hold:
  patience: 0s
  patience-by-client: { "my-agent/*": 1m }
  expires: 4h
  approval-life: 60
  max-held-bytes: 64MiB
  max-body-bytes: 1048576
  keep-body: 1d
inspect: { max-bytes: 64KiB }
limits: { connections: 5, header-bytes: 8KiB, held: 6, pending-per-agent: 7 }
grants: { scopes: [request, resource], longest: 1h, uses: 7, never: ["stripe/*"] }
timeouts: { header: 1s, handshake: 2s, connect: 3s, first-byte: 4s, idle: 5m }
traffic: { segment-bytes: 1MB, segment-age: 10m }
log: { level: "holdpoint=debug,warn", format: json }
otlp: { endpoint: "http://127.0.0.1:4318" }
channels: { security: { slack: C0123 }, ops: { teams: "19:abc@thread.tacv2" }, flow: { workflow: "https://flow.example/x?sig=1" } }
teams:
  app-id: 0B1C2D3E-4F50-4617-8283-94A5B6C7D8E9
  app-secret: hush
  tenant: 11111111-2222-4333-8444-555555555555
  tenants: [66666666-2222-4333-8444-555555555555]
  cloud: gcc-high
  login: http://127.0.0.1:9/login/
  service: http://127.0.0.1:9/teams
  metadata: http://127.0.0.1:9/keys
  hosts: ["127.0.0.1:9", "*.botframework.azure.us"]
identity:
  issuer: https://acme.okta.com/
  client-id: 0oa1
  client-secret: hush
  scopes: [openid, groups]
  groups-claim: /realm/groups
  person-key: employee_id
  slack-claim: slack_id
  teams-claim: oid
  match-email: true
  groups-fresh: 1h
  api: { audience: "api://holdpoint", deciding-clients: [cli] }
  cli-client-id: cli
  device-client-id: cli-device
roles:
  - { group: platform-oncall, role: reviewer, rules: [github], tags: [publish], agents: [ci] }
  - { group: audit, role: auditor }
step-up: { max-age: 2m, acr: [phr, phrh] }
slack: { app-token: xapp-1, bot-token: xoxb-1, team: T0123, sockets: 3, silence: 30s, api: "https://slack-gov.com/api/" }
schedules: { nights: { zone: Europe/Berlin, hours: ["daily 20:00-08:00"] } }
on-call: { primary: { pagerduty: P1, token: hush }, second: { opsgenie: ops, token: hush, url: "http://127.0.0.1:9/" } }
routes:
  - name: money
    rules: ["stripe/*"]
    tags: money-out
    agents: ["pay-*"]
    risk: high
    environment: production
    during: nights
    notify: [security]
    groups: [finance]
    on-call: primary
    escalate: [{ after: 10m, notify: [ops], groups: [leads], on-call: [second] }]
    quiet: { during: nights, below: critical, instead: [flow] }
    tell-owner: true
webhooks: { siem: { url: "https://siem.example/in", secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw, events: ["hold.*"] } }
"#;

#[test]
fn defaults() {
    insta::assert_debug_snapshot!(read(""));
}

#[test]
fn every_key_is_read() {
    let mut config = parse(Some(Path::new("/srv/holdpoint.yaml")), EVERYTHING.to_owned(), &[]).unwrap();
    let [(glob, minute)] = &config.patience.by_client[..] else { panic!("one pattern") };
    assert!(glob.is_match("My-Agent/1.0") && *minute == Duration::from_secs(60));
    config.patience.by_client.clear(); // a compiled glob has nothing to show
    insta::assert_debug_snapshot!(config);
}

#[test]
fn flat_keys_and_json_say_the_same() {
    let nested = format!("{:?}", read("control: {listen: 127.0.0.1:9}\nhold: {patience: 1s}\nrules: [a]"));
    let flat = format!("{:?}", read("control.listen: 127.0.0.1:9\nhold.patience: 1\nrules: a"));
    let json = format!(
        "{:?}",
        read(
            "{\"control\": {\"listen\": \"127.0.0.1:9\"},\n\t\"hold\": {\"patience\": \"1s\"}, \"rules\": [\"a\"]}"
        )
    );
    assert_eq!(nested, flat);
    assert_eq!(nested, json);
}

#[test]
fn listeners_without_credentials_say_whose_connections_come() {
    let wrong = |text: &str| match parse(None, text.to_owned(), &[]) {
        Err(ConfigError::Invalid { report, .. }) => report,
        other => panic!("{other:?}"),
    };
    for (text, says) in [
        ("transparent: [{listen: '0.0.0.0:9'}]", "nobody shows credentials here"),
        ("transparent: [{agent: ci}]", "an entry with `listen`"),
        ("transparent: [{listen: ':9', mode: magic}]", "`redirect` or `tproxy`"),
        ("transparent: [{listen: '127.0.0.1:9', agents: {nowhere: ci}}]", "a network"),
        ("reverse: [{listen: '127.0.0.1:9'}]", "an entry with `upstream`"),
        ("reverse: [{listen: '127.0.0.1:9', upstream: 'https://a.test/v1'}]", "without a path"),
        ("reverse: [{listen: '127.0.0.1:9', upstrem: 'https://a.test'}]", "did you mean `upstream`"),
    ] {
        assert!(wrong(text).contains(says), "{text}: {}", wrong(text));
    }
    let config = read("reverse: [{listen: 'localhost:9', upstream: 'https://a.test:8443/'}]");
    assert_eq!(config.ways.len(), 1);
}

#[test]
fn a_map_and_a_text_are_both_a_log() {
    assert_eq!(read("log: debug").log, Log { filter: "debug".to_owned(), format: LogFormat::Text });
    let config = read("log: {format: json}");
    assert_eq!(config.log, Log { filter: "info".to_owned(), format: LogFormat::Json });
}

#[test]
fn solo_is_on_alone_where_only_loopback_listens() {
    for (text, solo) in [
        ("", true),
        ("listen: 0.0.0.0:8080", false),
        ("control: {listen: '[::]:8081'}", false),
        ("listen: '[::1]:8080'", true),
        ("{listen: 0.0.0.0:8080, solo: true}", true),
        ("solo: false", false),
        ("reverse: [{listen: '0.0.0.0:9', upstream: 'http://a.test', agent: ci}]", false),
    ] {
        let config = read(text);
        assert_eq!((config.solo, config.desk.solo), (solo, solo), "{text}");
    }
}

#[test]
fn identity_comes_with_roles_and_ends_solo_mode() {
    let roles = "roles: [{group: a, role: reviewer}]\n";
    let config = read(&format!("identity: {{issuer: https://idp.test, client-id: us}}\n{roles}"));
    let identity = config.identity.as_ref().unwrap();
    assert_eq!((identity.groups_claim.as_str(), identity.scopes.len()), ("groups", 3));
    assert!(!config.solo && !config.desk.charter.step_up.local);
    assert_eq!(config.desk.charter.groups_fresh, Some(Duration::from_hours(12)));
    let local = read(roles);
    assert!(local.identity.is_none() && local.solo && local.desk.charter.step_up.local);
    for (text, said) in [
        ("identity: {issuer: https://idp.test, client-id: us}", "`roles` is not"),
        ("identity: {issuer: https://idp.test, client-id: us}\nroles: []", "`roles` is not"),
        ("identity: {issuer: https://idp.test}\nroles: [{group: a, role: admin}]", "has no `client-id`"),
        ("identity: {client-id: us}", "has no `issuer`"),
        ("identity: {issuer: http://idp.test, client-id: us}", "this machine only"),
        ("identity: {issuer: https://idp.test, client-id: us, scopes: [email]}", "`openid`"),
        ("roles: [{group: a, role: king}]", "`reviewer`, `auditor` or `admin`"),
        ("roles: [{group: a, role: admin, rules: []}]", "leave the key out"),
        ("roles: [{group: a, role: admin, rule: x}]", "did you mean `rules`?"),
        ("roles: [{role: admin}]", "a `group` and its `role`"),
    ] {
        let error = parse(None, text.to_owned(), &[]).unwrap_err().to_string();
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn the_environment_overrides() {
    let config = with(&[
        ("HOLDPOINT_LISTEN", "127.0.0.1:2"),
        ("HOLDPOINT_HOLD_PATIENCE", "0s"),
        ("HOLDPOINT_RULES", "one, two"),
        ("HOLDPOINT_UPSTREAM_RESOLVE", "{a.example: '127.0.0.1:3'}"),
        ("HOLDPOINT_UPSTREAM_ALLOW", "10.0.0.0/8,::1"),
        ("HOLDPOINT_STANDARD_RULES", "false"),
        ("HOLDPOINT_LIMITS_HELD", "9"),
        ("HOLDPOINT_LOG", "warn"),
        ("HOLDPOINT_LOG_FORMAT", "json"),
        ("HOLDPOINT_TUNNEL", "[a.example]"),
        ("HOLDPOINT_CERTS", ""),
    ])
    .unwrap();
    assert_eq!(config.listen, loopback(2));
    assert_eq!(config.patience.at_most, Some(Duration::ZERO));
    assert_eq!(config.rules.folders, [PathBuf::from("one"), PathBuf::from("two")]);
    assert_eq!(config.upstream.resolve.first().map(|r| r.to), Some(loopback(3)));
    assert_eq!(config.upstream.allow.len(), 2);
    assert!(!config.rules.standard && config.tunnel.len() == 1);
    assert_eq!(config.desk.held_exchanges_max, 9);
    assert_eq!(config.log, Log { filter: "warn".to_owned(), format: LogFormat::Json });
}

#[test]
fn variables_of_commands_and_of_kubernetes_are_left_alone() {
    assert!(
        with(&[
            ("HOLDPOINT_CONFIG", "x"),
            ("HOLDPOINT_TOKEN", "x"),
            ("HOLDPOINT_PORT", "tcp://10.0.0.1:80"),
            ("HOLDPOINT_PORT_8080_TCP_ADDR", "10.0.0.1"),
            ("HOLDPOINT_SERVICE_HOST", "10.0.0.1"),
        ])
        .is_ok()
    );
}

/// The list of keys, what is taken, and the variables' names are one.
#[test]
fn every_listed_key_is_taken_and_has_its_own_variable() {
    let mut reader = Reader::default();
    reader.file("f".to_owned(), String::new());
    for key in KEYS {
        reader.variable(&read::variable_of(key), "?");
    }
    lower(&mut reader, None);
    assert_eq!(reader.untaken(), Vec::<&str>::new());
    let names: std::collections::BTreeSet<_> = KEYS.iter().map(|key| read::variable_of(key)).collect();
    assert_eq!(names.len(), KEYS.len());
}

/// The README's table has every key, by itself or in its map.
#[test]
fn every_key_is_documented() {
    let readme = include_str!("../../README.md");
    for key in KEYS {
        let parent = key.rsplit_once('.').map_or(*key, |(parent, _)| parent);
        let has = |name: &str| readme.contains(&format!("| `{name}` |"));
        assert!(has(key) || has(parent), "`{key}` is missing in README.md");
    }
}

#[test]
fn all_complaints_come_at_once_and_point() {
    let text = r#"lissten: 127.0.0.1:1
control: 8081
solo: "yes please"
hold:
  patience: soon
  max-held: 1
rules: {a: b}
upstream:
  resolve:
    api.example.com: somewhere
    "a b": 127.0.0.1:1
  allow: [10.0.0.0/8, ten, 300.0.0.0/8]
listen: 8080
mode: strict
log: {level: "=="}
limits: {held: 0}
hold.patience: 1s
"#;
    let variables = [
        ("HOLDPOINT_LISTN".to_owned(), "x".to_owned()),
        ("HOLDPOINT_LIMITS_HELD".to_owned(), "many".to_owned()),
    ];
    let error = parse(Some(Path::new("holdpoint.yaml")), text.to_owned(), &variables).unwrap_err();
    insta::assert_snapshot!(error);
}

#[test]
fn half_a_bot_is_said_once() {
    let error = parse(None, "teams: { app-id: me, cloud: moon, hosts: ['*.com'] }\n".to_owned(), &[]);
    insta::assert_snapshot!(error.unwrap_err());
}

#[test]
fn channels_and_what_routes_name_are_checked() {
    let text = r#"
channels: { security: { slack: C1 }, "bad name": { slack: C2 }, odd: { slack: general }, two: { slack: C1, teams: x } }
schedules: { nights: { zone: Mars/Olympus, hours: ["daily 8-9"] }, days: { zone: UTC, hours: ["mon-fri 09:00-17:00"] } }
on-call: { primary: { file: /nowhere/oncall.yaml }, pager: { pagerduty: P1 } }
webhooks: { security: { url: "http://siem.example/", secret: whsec_short }, siem: { url: "https://siem.example" } }
"#;
    let error = parse(Some(Path::new("holdpoint.yaml")), text.to_owned(), &[]).unwrap_err();
    insta::assert_snapshot!(error);
}

#[test]
fn routes_name_what_there_is() {
    let text = r#"
channels: { security: { slack: C1 }, ops: { slack: C2 } }
schedules: { nights: { zone: Europe/Berlin, hours: ["daily 20:00-08:00"] } }
webhooks: { ops: { url: "https://siem.example/", secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw } }
routes:
  - { notify: [securty], during: nigths, risk: grave, on-call: [nobody] }
  - { rules: ["[", ok], notify: [security], escalate: [{ notify: [security] }] }
  - { notfy: [security] }
  - { notify: [], quiet: { below: high } }
"#;
    let error = parse(Some(Path::new("holdpoint.yaml")), text.to_owned(), &[]).unwrap_err();
    insta::assert_snapshot!(error);
}

#[test]
fn broken_yaml_points() {
    let error = parse(None, "listen: 127.0.0.1:1\nhold: {patience: 1s\nmode: observe\n".to_owned(), &[]);
    insta::assert_snapshot!(error.unwrap_err());
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "\\PC*", value in "\\PC*") {
        let variable = ("HOLDPOINT_UPSTREAM_RESOLVE".to_owned(), value);
        let _ = parse(None, text, &[variable]).map_err(|error| error.to_string());
    }

    #[test]
    fn no_value_panics(key in 0..KEYS.len(), value in "[\\[\\]{}:,'\"a-z0-9./ \\n-]{0,40}") {
        let _ = parse(None, format!("{}: {value}", KEYS[key]), &[]).map_err(|error| error.to_string());
    }
}

#[test]
fn slack_needs_both_of_its_tokens_and_ids_not_names() {
    let complaint = |text: &str| parse(None, text.to_owned(), &[]).unwrap_err().to_string();
    for (text, expected) in [
        ("slack: {bot-token: x}", "`slack.app-token` beside it"),
        ("slack: {app-token: x}", "`slack.bot-token` beside it"),
        ("slack: {bot-token: x, mode: http}", "`slack.signing-secret` beside it"),
        ("slack: {bot-token: x, app-token: z, team: acme}", "the id of a workspace"),
        ("slack: {bot-token: x, app-token: z, sockets: 9}", "at most 5"),
        ("slack: {bot-token: x, app-token: z, api: 'http://slack.example/api'}", "https"),
        ("channels: {a: {slack: '#general'}}", "the id of a Slack conversation"),
        ("channels: {a: {slack: C012, teams: x}}", "one of"),
        ("channels: {a: {}}", "one of"),
    ] {
        let complaint = complaint(text);
        assert!(complaint.contains(expected), "{text}: {complaint}");
    }
    let http = read("slack: {bot-token: x, mode: http, signing-secret: z}").slack.unwrap();
    assert!(matches!(http.inbound, crate::notify::slack::Inbound::Http { .. }));
    assert!(read("slack: {team: T0123}").slack.is_none());
}
