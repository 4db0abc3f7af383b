//! A session for a pair of tokens, the pair for the next one, and its end.

use crate::clock::UnixMillis;
use crate::config::{Confirmation, Freshness, Outage, Pair, RefreshPlace};
use crate::door::answer::{self, Into, REFRESH_COOKIE};
use crate::door::fields::Fields;
use crate::door::refresh_token::RefreshToken;
use crate::door::turned::{Dead, Turned};
use crate::request::Cookies;
use crate::respond::ResponseBody;
use crate::revocation::Revoker;
use crate::session::{Authenticated, Authenticator, Policy, SessionError, Verdict, VerifiedSession};
use crate::state::{Lives, MadeToken, NewFamily, Rotated, Rotation, State};
use crate::token::{InternalToken, Minter, OwnKeys, OwnToken, Slots, TemplateId, TokenError, Transaction};
use aws_lc_rs::{digest, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Response;
use std::time::Duration;

/// A nonce is as hard to guess as a token.
const NONCE_BYTES: usize = 32;
/// What is handed out for weeks is worth a question, whatever routes do.
const ASK: Policy =
    Policy { freshness: Some(Freshness::Strict), outage: Some(Outage::Deny), ahead: Duration::ZERO };

/// A worker's endpoints for pairs.
#[derive(Debug)]
pub struct Door {
    state: State,
    keys: OwnKeys,
}

/// What a request brings, and what it is answered with.
pub struct Visit<'a> {
    /// `[pair]`.
    pub pair: &'a Pair,
    /// What access tokens look like.
    pub template: TemplateId,
    /// Their `iss`.
    pub issuer: &'a str,
    /// Who reads sessions.
    pub authenticator: &'a Authenticator<Slots>,
    /// Who makes tokens.
    pub minter: &'a Minter,
    /// Who knows which sessions there are, if that is kept.
    pub revoker: Option<&'a Revoker>,
    /// The names of session cookies.
    pub session_cookies: &'a [String],
    /// The request's cookies.
    pub cookies: &'a Cookies,
    /// The request's body.
    pub fields: &'a Fields,
    /// What it is called and whence it comes.
    pub transaction: Transaction<'a>,
    /// The time.
    pub now: UnixMillis,
}

/// Hears what is found out on the way, for the log.
pub trait Witness {
    /// What the cookies proved.
    fn judged(&mut self, judged: Authenticated<Slots>) -> Verdict<Slots>;
    /// Whose session could not be looked up.
    fn unknown(&mut self, error: &SessionError);
    /// A token was made.
    fn minted(&mut self, token: &InternalToken);
}

/// An answer, and in a word what was done.
#[derive(Debug)]
pub struct Done {
    /// For the client.
    pub response: Response<ResponseBody>,
    /// For the log and the metrics.
    pub outcome: &'static str,
}

impl Door {
    /// Endpoints that keep families there.
    pub fn new(state: State) -> Self {
        Self { state, keys: OwnKeys::default() }
    }

    /// A live session for a pair.
    ///
    /// # Errors
    /// [`Turned`]
    pub async fn trade(&self, visit: &Visit<'_>, witness: &mut impl Witness) -> Result<Done, Turned> {
        let session = match visit.session(visit.cookies, witness).await? {
            Verdict::Verified(session) => session,
            Verdict::Absent => return Err(Turned::NoSession(None)),
            Verdict::Rejected(reject) => return Err(Turned::NoSession(Some(reject))),
        };
        let user = user(&session, visit.certificate()?).ok_or(Turned::NoSession(None))?;
        let access = visit.mint(&session, witness)?;
        let random = || Turned::Token(TokenError::RandomFailed);
        let refresh = RefreshToken::first(session.session().sid.as_str()).ok_or_else(random)?;
        let sealed = refresh.seal(&visit.cookies.only(visit.session_cookies)).ok_or_else(random)?;
        let (key_hash, token_hash) = (refresh.key_hash(), refresh.hash());
        let made = &visit.made(&access);
        let (key_hash, token_hash, user, sealed) = (&key_hash, &token_hash, &user, &sealed);
        let new = NewFamily { key_hash, token_hash, user, sealed, access: made };
        let lives = visit.lives();
        self.state.open_family(&refresh.name(), &new, lives).await.map_err(Turned::State)?;
        let idle = lives.idle.min(lives.absolute);
        let response = answer::pair(&access, &refresh, (visit.place(), idle), visit.now);
        Ok(Done { response, outcome: "opened" })
    }

    /// A pair for the next one. The session is judged before the token is used up: an outage must cost nothing.
    ///
    /// # Errors
    /// [`Turned`]
    pub async fn refresh(&self, visit: &Visit<'_>, witness: &mut impl Witness) -> Result<Done, Turned> {
        if visit.fields.get("grant_type").is_some_and(|kind| kind != "refresh_token") {
            return Err(Turned::Unclear("grant_type is not refresh_token"));
        }
        let certificate = visit.certificate()?;
        let shown = visit.shown("refresh_token")?.ok_or(Turned::Unclear("there is no refresh token"))?;
        let shown = RefreshToken::parse(&shown).ok_or(Turned::Dead(Dead::Malformed))?;
        let name = shown.name();
        let sealed = self.state.sealed(&name).await.map_err(Turned::State)?;
        let cookies = sealed.and_then(|sealed| shown.open(sealed)).ok_or(Turned::Dead(Dead::Unknown))?;
        let session = match visit.session(&cookies, witness).await? {
            Verdict::Verified(session) => session,
            Verdict::Absent | Verdict::Rejected(_) => {
                return self.bury(&shown, visit).await;
            }
        };
        let Some(user) = user(&session, certificate) else {
            return self.bury(&shown, visit).await;
        };
        let access = visit.mint(&session, witness)?;
        let nonce = nonce().ok_or(Turned::Token(TokenError::RandomFailed))?;
        let (key_hash, hash) = (shown.key_hash(), shown.hash());
        let successor = shown.successor(&nonce).hash();
        let rotation = Rotation {
            key_hash: &key_hash,
            shown: &hash,
            user: &user,
            nonce: &nonce,
            successor: &successor,
            access: &visit.made(&access),
        };
        match self.state.rotate(&name, &rotation, visit.lives()).await.map_err(Turned::State)? {
            Rotated::Followed { nonce, again, idle } => {
                if let Some(due) = session.due_touch() {
                    visit.authenticator.touch(due);
                }
                let next = shown.successor(&nonce);
                let response = answer::pair(&access, &next, (visit.place(), idle), visit.now);
                Ok(Done { response, outcome: if again { "repeated" } else { "rotated" } })
            }
            Rotated::OtherUser => Err(Turned::Dead(Dead::OtherUser)),
            Rotated::Over => Err(Turned::Dead(Dead::Over)),
            Rotated::Reused(made) => {
                self.end_tokens(&made, visit).await?;
                self.state.drop_family(&name).await.map_err(Turned::State)?;
                Err(Turned::Dead(Dead::Reused))
            }
            Rotated::Unknown => Err(Turned::Dead(Dead::Unknown)),
        }
    }

    /// The end of an access token, or of a family and all that came of it; for RFC 7009 it is no mistake if there is none.
    ///
    /// # Errors
    /// [`Turned`]; then it can be asked again.
    pub async fn revoke(&self, visit: &Visit<'_>) -> Result<Done, Turned> {
        if let Some(access) = self.access_token(visit) {
            self.end_tokens(&[access], visit).await?;
            return Ok(Done { response: answer::done(), outcome: "ended" });
        }
        let shown = visit.shown("token")?.ok_or(Turned::Unclear("there is no token"))?;
        let ended = match RefreshToken::parse(&shown) {
            Some(token) => self.end(&token, visit).await?,
            None => false,
        };
        let mut response = answer::done();
        if let Into::Cookie = visit.place() {
            answer::forget(&mut response);
        }
        Ok(Done { response, outcome: if ended { "ended" } else { "nothing-to-end" } })
    }

    /// What has no session has no family.
    async fn bury(&self, shown: &RefreshToken, visit: &Visit<'_>) -> Result<Done, Turned> {
        self.end(shown, visit).await?;
        Err(Turned::Dead(Dead::SessionOver))
    }

    /// Ends a family and what came of it; whether there was one.
    async fn end(&self, shown: &RefreshToken, visit: &Visit<'_>) -> Result<bool, Turned> {
        let name = shown.name();
        let ended = self.state.end_family(&name, &shown.key_hash()).await.map_err(Turned::State)?;
        let Some(made) = ended else { return Ok(false) };
        self.end_tokens(&made, visit).await?;
        self.state.drop_family(&name).await.map_err(Turned::State)?;
        Ok(true)
    }

    async fn end_tokens(&self, made: &[MadeToken], visit: &Visit<'_>) -> Result<(), Turned> {
        let Some(revoker) = visit.revoker else { return Ok(()) };
        for MadeToken { jti, left } in made {
            let ended = revoker.end_token(jti, visit.now.plus(*left), visit.now).await;
            ended.map_err(Turned::revocation)?;
        }
        Ok(())
    }

    /// The access token that is shown, if one is: in the body, wherever refresh tokens are.
    fn access_token(&self, visit: &Visit<'_>) -> Option<MadeToken> {
        let shown = (visit.fields.get("token")?.as_bytes(), visit.issuer);
        let token = OwnToken::read(&self.keys, visit.minter, shown, &visit.pair.audience, visit.now)?;
        let ends = UnixMillis::from_secs(token.claims.get("exp")?.as_u64()?);
        Some(MadeToken { jti: token.text("jti")?.to_owned(), left: visit.now.until(ends) })
    }
}

impl Visit<'_> {
    async fn session(&self, cookies: &Cookies, witness: &mut impl Witness) -> Result<Verdict<Slots>, Turned> {
        let asked = self.authenticator.authenticate(cookies, &self.pair.sessions, ASK, self.now).await;
        match asked {
            Ok(judged) => {
                let verdict = witness.judged(judged);
                if let (Verdict::Verified(session), Some(revoker)) = (&verdict, self.revoker)
                    && session.session().marks.is_due(self.now)
                {
                    revoker.note(self.authenticator, session, cookies, self.now).await;
                }
                Ok(verdict)
            }
            Err(error) => {
                witness.unknown(&error);
                Err(Turned::Session(error))
            }
        }
    }

    fn mint(
        &self,
        session: &VerifiedSession<Slots>,
        witness: &mut impl Witness,
    ) -> Result<InternalToken, Turned> {
        let token =
            self.minter.mint(session, self.template, &self.transaction, self.now).map_err(Turned::Token)?;
        witness.minted(&token);
        Ok(token)
    }

    /// What is remembered of an access token.
    fn made(&self, access: &InternalToken) -> MadeToken {
        let jti = access.jti().unwrap_or_default().to_owned();
        MadeToken { jti, left: self.now.until(access.expires_at()) }
    }

    /// The certificate that the pair is bound to, where pairs are.
    fn certificate(&self) -> Result<Option<&str>, Turned> {
        match (self.pair.token.cnf, self.transaction.certificate) {
            (Confirmation::None, _) => Ok(None),
            (Confirmation::ClientCertificate, Some(thumbprint)) => Ok(Some(thumbprint)),
            (Confirmation::ClientCertificate, None) => Err(Turned::NoCertificate),
        }
    }

    /// The token that is shown: in the cookie, or in the body under `field`.
    fn shown(&self, field: &str) -> Result<Option<Vec<u8>>, Turned> {
        match self.place() {
            Into::Body => Ok(self.fields.get(field).map(|text| text.as_bytes().to_vec())),
            Into::Cookie => {
                let mut found = self.cookies.values(REFRESH_COOKIE);
                let first = found.next();
                match found.all(|other| Some(other) == first) {
                    true => Ok(first.map(<[u8]>::to_vec)),
                    false => Err(Turned::Unclear("there are two refresh cookies")),
                }
            }
        }
    }

    const fn place(&self) -> Into {
        match self.pair.refresh {
            RefreshPlace::Body => Into::Body,
            RefreshPlace::Cookie => Into::Cookie,
        }
    }

    const fn lives(&self) -> Lives {
        Lives { idle: self.pair.idle, absolute: self.pair.absolute, grace: self.pair.grace }
    }
}

/// Whose session it is, and with which certificate they come, as a hash; `None` for a guest.
fn user(session: &VerifiedSession<Slots>, certificate: Option<&str>) -> Option<String> {
    let session = session.session();
    session.subject.as_ref()?;
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(session.client_id.as_bytes());
    context.update(b"\0");
    context.update(session.sub.as_bytes());
    if let Some(thumbprint) = certificate {
        context.update(b"\0");
        context.update(thumbprint.as_bytes());
    }
    Some(URL_SAFE_NO_PAD.encode(context.finish()))
}

fn nonce() -> Option<String> {
    let mut bytes = [0; NONCE_BYTES];
    rand::fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}
