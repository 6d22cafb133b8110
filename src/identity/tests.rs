use super::*;
use crate::approval::LoginBy;
use jiff::Timestamp;
use serde_json::{Value, json};

fn settings() -> Settings {
    Settings {
        issuer: "https://idp.test".to_owned(),
        client_id: "us".to_owned(),
        client_secret: None,
        scopes: vec!["openid".to_owned()],
        groups_claim: "groups".to_owned(),
        person_key: Some("employee".to_owned()),
        slack_claim: Some("slack".to_owned()),
        teams_claim: None,
        slack_team: None,
        teams_tenant: None,
        match_email: false,
        groups_fresh: Duration::from_hours(12),
        step_up: StepUp { acr: vec!["c1".to_owned()], local: false, ..StepUp::default() },
        api_audience: None,
        deciding_clients: Vec::new(),
        cli_client_id: None,
        device_client_id: None,
    }
}

fn entra() -> Settings {
    Settings { issuer: "https://login.microsoftonline.com/t1/v2.0".to_owned(), ..settings() }
}

fn profile(settings: &Settings, claims: &Value) -> Result<crate::store::Profile, IdentityError> {
    settings.profile(claims, Timestamp::UNIX_EPOCH)
}

#[test]
fn claims_become_a_person() {
    let claims = json!({ "sub": "auth0|7", "name": "Ann\u{0} Lee ", "groups": ["b", "a", "a"], "employee": 4711,
        "email": "ann@acme.test", "email_verified": true });
    let known = profile(&settings(), &claims).unwrap();
    assert_eq!(known.person.to_string(), "https://idp.test|auth0|7");
    assert_eq!(known.person.issuer, "https://idp.test");
    assert_eq!((known.display.as_str(), known.email.as_deref()), ("Ann Lee", Some("ann@acme.test")));
    assert_eq!(known.groups.iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(known.key.as_deref(), Some("4711"));
}

#[test]
fn an_address_counts_only_when_verified() {
    for (claim, value, counts) in [
        ("email_verified", json!(true), true),
        ("email_verified", json!("true"), true),
        ("email_verified", json!(false), false),
        ("email_verified", Value::Null, false),
        ("xms_edov", json!(1), true),
        ("xms_edov", json!("0"), false),
        ("other", json!(true), false),
    ] {
        let claims = json!({ "sub": "1", "email": "a@b.test", claim: value });
        assert_eq!(profile(&settings(), &claims).unwrap().email.is_some(), counts, "{claim} {value}");
    }
}

#[test]
fn groups_are_found_where_they_are() {
    let at = |claim: &str| Settings { groups_claim: claim.to_owned(), ..settings() };
    let claims = json!({ "sub": "1", "https://acme.test/groups": "one", "realm_access": { "roles": ["two"] },
        "bad": { "x": 1 }, "mixed": ["a", 1] });
    let of = |claim: &str| profile(&at(claim), &claims).map(|p| p.groups.into_iter().collect::<Vec<_>>());
    assert_eq!(of("https://acme.test/groups").unwrap(), ["one"]);
    assert_eq!(of("/realm_access/roles").unwrap(), ["two"]);
    assert!(of("absent").unwrap().is_empty());
    assert!(of("bad").is_err() && of("mixed").is_err(), "what is not understood is not taken for nothing");
}

#[test]
fn entra_says_when_there_are_too_many_groups() {
    let claims = json!({ "sub": "1", "_claim_names": { "groups": "src1" }, "roles": ["approvers"] });
    let error = profile(&entra(), &claims).unwrap_err();
    assert!(error.to_string().contains("app roles"), "{error}");
    let by_roles = Settings { groups_claim: "roles".to_owned(), ..entra() };
    assert!(profile(&by_roles, &claims).unwrap().groups.contains("approvers"));
}

#[test]
fn a_subject_that_cannot_be_written_is_nobody() {
    for subject in [json!(""), json!("a b"), json!("x\n"), json!(7), Value::Null] {
        assert!(profile(&settings(), &json!({ "sub": subject })).is_err(), "{subject}");
    }
    assert!(profile(&settings(), &json!({ "sub": "1", "employee": "  " })).is_err());
}

#[test]
fn chat_accounts_come_from_claims() {
    let claims = json!({ "sub": "1", "slack": "T1/U1", "tid": "t1", "oid": "o1" });
    assert_eq!(settings().accounts(&claims), ["slack:T1/U1"]);
    assert_eq!(entra().accounts(&claims), ["slack:T1/U1", "teams:t1/o1"]);
    let bare = json!({ "sub": "1", "slack": "U1" });
    assert!(settings().accounts(&bare).is_empty(), "of which workspace, nobody knows");
    let home = Settings { slack_team: Some("T9".to_owned()), ..settings() };
    assert_eq!(home.accounts(&bare), ["slack:T9/U1"]);
}

#[test]
fn how_they_signed_in_is_read_and_not_guessed() {
    let claims = json!({ "auth_time": 7, "acr": "phr", "amr": ["hwk", 1], "acrs": ["c9", "c1"] });
    let login = settings().login(&claims, LoginBy::Oidc);
    assert_eq!((login.acr.as_deref(), login.amr.as_slice()), (Some("phr"), ["hwk".to_owned()].as_slice()));
    assert_eq!(login.at, Some(Timestamp::from_second(7).unwrap()));
    assert_eq!(entra().login(&claims, LoginBy::Oidc).acr.as_deref(), Some("c1"));
    let silent = settings().login(&json!({ "iat": 7 }), LoginBy::Oidc);
    assert_eq!((silent.at, silent.acr), (None, None), "silence is no login");
}

/// What the troubleshooting tables say that the pages say.
#[test]
fn the_guides_know_our_words() {
    use crate::jwt::JwtError;
    let said = [
        IdentityError::UnknownState.to_string(),
        "this sign-in was begun in another browser, or under another address of this Holdpoint".to_owned(),
        IdentityError::Exchange("invalid_client".to_owned()).to_string(),
        IdentityError::Exchange("invalid_grant".to_owned()).to_string(),
        IdentityError::Refused { code: "access_denied".to_owned(), description: None }.to_string(),
        IdentityError::OtherIssuer("…".to_owned()).to_string(),
        IdentityError::Claim("groups".to_owned()).to_string(),
        IdentityError::Revoked.to_string(),
        IdentityError::Discovery { expected: "…".to_owned(), found: "…".to_owned() }.to_string(),
        "the identity provider cannot be reached".to_owned(),
        "do the clocks agree?".to_owned(),
        crate::approval::Refusal::StaleGroups.to_string(),
        "`identity` is set, but `roles` is not".to_owned(),
    ];
    assert!(JwtError::NotYet("iat").to_string().ends_with("do the clocks agree?"));
    assert!(IdentityError::OtherBrowser.to_string().starts_with(&said[1]));
    for guide in [include_str!("../../docs/okta.md"), include_str!("../../docs/entra.md")] {
        // Prose puts error codes in backticks, and so does the page; a code within is marked once.
        let plain = guide.replace('`', "").to_lowercase();
        for words in &said {
            assert!(plain.contains(&words.replace('`', "").to_lowercase()), "missing in a guide: {words}");
        }
    }
}
