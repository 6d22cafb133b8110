//! A login by authorization code (OpenID Connect Core §3.1) with PKCE (RFC 7636).

use super::provider::Provider;
use super::{Identity, IdentityError};
use crate::approval::{Login, LoginBy};
use crate::jwt::{Expect, Verified};
use crate::person::Person;
use crate::store::{LinkedBy, Profile, random_secret};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{Request, StatusCode};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

/// Whether the person must show anew who they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fresh {
    /// As the provider likes; who is signed in there comes back at once.
    #[default]
    No,
    /// As `step-up` asks: not long ago, and as strong as it says.
    StepUp,
    /// As [`Self::StepUp`], and the provider must ask even who has just signed in there.
    Now,
}

/// A login that has begun.
#[derive(Debug)]
pub struct Begun {
    /// The provider's page, where the browser goes next.
    pub url: Url,
    /// The secret that the browser must have when it comes back.
    pub binding: String,
}

/// What the provider sends the browser back with.
#[derive(Debug, Default, Deserialize)]
pub struct Returned {
    #[serde(default)]
    pub state: String,
    pub code: Option<String>,
    pub iss: Option<String>,
    pub error: Option<String>,
    pub error_description: Option<String>,
}

/// Somebody who has signed in; their session has begun.
#[derive(Debug)]
pub struct SignedIn {
    /// The cookie of the session.
    pub cookie: String,
    pub person: Person,
    pub login: Login,
    /// Where they wanted to go.
    pub next: String,
    /// What was asked of the login.
    pub fresh: Fresh,
}

/// What must be remembered until the browser comes back.
#[derive(Serialize, Deserialize)]
struct Pending {
    binding: String,
    nonce: String,
    verifier: String,
    next: String,
    fresh: Fresh,
    /// The session that the new one replaces.
    session: Option<String>,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
    access_token: Option<String>,
}

impl Identity {
    /// Begins a login. `binding` is the secret that the browser has already, of an earlier begin.
    ///
    /// # Errors
    /// The provider's discovery document cannot be had, or the store.
    ///
    /// # Cancel safety
    /// Dropped, a login that nobody can end is forgotten after ten minutes.
    pub async fn begin(
        &self,
        next: &str,
        fresh: Fresh,
        binding: Option<&str>,
        session: Option<&str>,
    ) -> Result<Begun, IdentityError> {
        let provider = self.provider().await?;
        let known = binding.filter(|b| b.len() == BINDING_BYTES && b.starts_with(BINDING_PREFIX));
        let binding = match known {
            Some(binding) => binding.to_owned(),
            None => random_secret(BINDING_PREFIX)?,
        };
        let (state, nonce, verifier) = (random_secret("")?, random_secret("")?, random_secret("")?);
        let url = self.address(&provider, fresh, [&state, &nonce, &verifier]);
        let pending = Pending {
            binding: binding.clone(),
            nonce,
            verifier,
            next: next.to_owned(),
            fresh,
            session: session.map(str::to_owned),
        };
        let plain = serde_json::to_vec(&pending).map_err(|_| IdentityError::UnknownState)?;
        self.store.keep_login(&state, &plain, LIFE).await?;
        Ok(Begun { url, binding })
    }

    fn address(&self, provider: &Provider, fresh: Fresh, [state, nonce, verifier]: [&str; 3]) -> Url {
        let challenge = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
        let mut url = provider.authorization.clone();
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("scope", &self.settings.scopes.join(" "))
            .append_pair("state", state)
            .append_pair("nonce", nonce)
            .append_pair("code_challenge", &URL_SAFE_NO_PAD.encode(challenge))
            .append_pair("code_challenge_method", "S256");
        if fresh != Fresh::No {
            let step_up = &self.settings.step_up;
            query.append_pair("max_age", &step_up.max_age.as_secs().to_string());
            if !step_up.acr.is_empty() && self.settings.is_entra() {
                // Entra takes authentication contexts as a claim that is asked for.
                let claims = json!({ "id_token": { "acrs": { "essential": true, "values": step_up.acr } } });
                query.append_pair("claims", &claims.to_string());
            } else if !step_up.acr.is_empty() {
                query.append_pair("acr_values", &step_up.acr.join(" "));
            }
        }
        if fresh == Fresh::Now {
            query.append_pair("prompt", "login");
        }
        drop(query);
        url
    }

    /// Ends a login: the browser is back with an answer and with `binding`. Begins the session.
    ///
    /// # Errors
    /// Nobody is signed in. Whatever went wrong, this login cannot be used again.
    ///
    /// # Cancel safety
    /// Dropped, the login is spent, and a session may have begun that nobody has the cookie of.
    pub async fn finish(&self, returned: Returned, binding: &str) -> Result<SignedIn, IdentityError> {
        let plain = self.store.spend_login(&returned.state).await?.ok_or(IdentityError::UnknownState)?;
        let pending: Pending = serde_json::from_slice(&plain).map_err(|_| IdentityError::UnknownState)?;
        verify_slices_are_equal(binding.as_bytes(), pending.binding.as_bytes())
            .map_err(|_| IdentityError::OtherBrowser)?;
        let provider = self.provider().await?;
        match &returned.iss {
            Some(issuer) if *issuer != self.settings.issuer => {
                return Err(IdentityError::OtherIssuer(short(issuer)));
            }
            None if provider.names_itself => {
                return Err(IdentityError::NoIssuer);
            }
            _ => {}
        }
        if let Some(code) = returned.error {
            let description = returned.error_description.as_deref().map(short);
            return Err(IdentityError::Refused { code: short(&code), description });
        }
        let code = returned.code.ok_or(IdentityError::NoCode)?;
        let tokens = self.exchange(&provider, &code, &pending.verifier).await?;
        let token = self.id_token(&tokens.id_token, &pending.nonce).await?;
        let mut claims = token.claims.clone();
        if !self.settings.has_groups(&claims) {
            self.ask_more(&provider, tokens.access_token.as_deref(), &mut claims).await?;
        }
        let now = Timestamp::now();
        let profile = self.settings.profile(&claims, token.time("iat").unwrap_or(now))?;
        let login = self.settings.login(&token.claims, LoginBy::Oidc);
        let sid = token.text("sid").map(str::to_owned);
        let accounts = self.settings.accounts(&claims);
        self.settle(pending, profile, login, sid, accounts).await
    }

    /// Begins the session, and links the chat accounts that the provider names.
    async fn settle(
        &self,
        pending: Pending,
        profile: Profile,
        login: Login,
        sid: Option<String>,
        accounts: Vec<String>,
    ) -> Result<SignedIn, IdentityError> {
        let cookie = random_secret("hps_")?;
        let person = profile.person.clone();
        let (life, old) = (crate::reviewers::SESSION_LIFE, pending.session.as_deref());
        if !self.store.begin_session(profile, login.clone(), sid, &cookie, old, life).await? {
            return Err(IdentityError::Revoked);
        }
        for account in accounts {
            self.store.link_account(&account, &person, LinkedBy::Attribute).await?;
        }
        Ok(SignedIn { cookie, person, login, next: pending.next, fresh: pending.fresh })
    }

    async fn exchange(
        &self,
        provider: &Provider,
        code: &str,
        verifier: &str,
    ) -> Result<Tokens, IdentityError> {
        let request = self.token_request(provider, code, verifier);
        let request = request.map_err(|_| IdentityError::Document("the token endpoint is no address"))?;
        let answer = self.outbound.send(request).await.map_err(IdentityError::Unreachable)?;
        if answer.status != StatusCode::OK {
            let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            let said = body.get("error").and_then(Value::as_str).map(short);
            let description = body.get("error_description").and_then(Value::as_str).map(short);
            tracing::warn!(status = answer.status.as_u16(), ?said, ?description, "a code was not exchanged");
            return Err(IdentityError::Exchange(said.unwrap_or_else(|| answer.status.as_u16().to_string())));
        }
        serde_json::from_slice(&answer.body).map_err(|_| IdentityError::Exchange("no id_token".to_owned()))
    }

    fn token_request(&self, provider: &Provider, code: &str, verifier: &str) -> http::Result<Request<Bytes>> {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("code_verifier", verifier);
        let id = &self.settings.client_id;
        let mut request = Request::post(provider.token.as_str())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json");
        match &self.settings.client_secret {
            // RFC 6749 §2.3.1: each part is form-encoded before both are joined.
            Some(secret) if provider.basic => {
                let part = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
                let pair = format!("{}:{}", part(id), part(secret.expose_secret()));
                request = request.header(AUTHORIZATION, format!("Basic {}", STANDARD.encode(pair)));
            }
            Some(secret) => {
                form.append_pair("client_id", id).append_pair("client_secret", secret.expose_secret());
            }
            None => {
                form.append_pair("client_id", id);
            }
        }
        request.body(Bytes::from(form.finish()))
    }

    /// OpenID Connect Core §3.1.3.7.
    async fn id_token(&self, token: &str, nonce: &str) -> Result<Verified, IdentityError> {
        let expect = Expect::new(&self.settings.issuer, &self.settings.client_id);
        let token = self.keys.verify(token, &expect).await.map_err(IdentityError::Token)?;
        let sent = token.text("nonce").unwrap_or_default();
        verify_slices_are_equal(sent.as_bytes(), nonce.as_bytes()).map_err(|_| IdentityError::Nonce)?;
        let authorized = token.claims.get("azp");
        let several = token.texts("aud").len() > 1;
        if (several && authorized.is_none())
            || authorized.is_some_and(|azp| azp.as_str() != Some(&self.settings.client_id))
        {
            return Err(IdentityError::AuthorizedParty);
        }
        Ok(token)
    }

    /// Adds what the userinfo endpoint knows (Core §5.3) and the ID token does not say. Some providers put groups
    /// there only.
    async fn ask_more(
        &self,
        provider: &Provider,
        access_token: Option<&str>,
        claims: &mut Value,
    ) -> Result<(), IdentityError> {
        let (Some(endpoint), Some(token)) = (&provider.userinfo, access_token) else {
            return Ok(());
        };
        let request = Request::get(endpoint.as_str())
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .header(ACCEPT, "application/json")
            .body(Bytes::new());
        let request = request.map_err(|_| IdentityError::Document("the userinfo endpoint is no address"))?;
        let answer = self.outbound.send(request).await.map_err(IdentityError::Unreachable)?;
        let told = serde_json::from_slice::<Value>(&answer.body).ok();
        let told = told.filter(|_| answer.status == StatusCode::OK);
        let (Some(Value::Object(told)), Value::Object(claims)) = (told, claims) else {
            tracing::warn!(status = answer.status.as_u16(), "the userinfo endpoint tells nothing");
            return Ok(());
        };
        if told.get("sub") != claims.get("sub") {
            return Err(IdentityError::Claim("sub".to_owned()));
        }
        for (claim, value) in told {
            claims.entry(claim).or_insert(value);
        }
        Ok(())
    }
}

/// What may be shown of what a stranger sent.
fn short(text: &str) -> String {
    text.chars().take(200).filter(|c| !c.is_control()).collect()
}

const LIFE: Duration = Duration::from_mins(10);
const BINDING_PREFIX: &str = "hpo_";
/// The prefix, and 32 bytes in base64url.
const BINDING_BYTES: usize = 4 + 43;
