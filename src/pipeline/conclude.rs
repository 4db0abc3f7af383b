//! The end of a request: what is counted and written of it.

use crate::config::TokenProfile;
use crate::pipeline::gateway::Gateway;
use crate::pipeline::record::Record;
use crate::request::push_address;
use crate::telemetry::AccessLine;
use crate::token::InternalToken;
use http::StatusCode;
use std::time::Duration;

impl Gateway {
    /// Counts a request and writes its access line.
    pub(super) fn conclude(&self, record: &Record, status: StatusCode, took: Duration) {
        let shared = self.shared();
        let route = record.route.and_then(|id| shared.routes().routes().get(id.0));
        let state = record.route.and_then(|id| shared.state_of(id));
        let pattern = route.map(|route| route.rules.path.value.as_str());
        let profile = record.profile.and_then(|id| shared.profiles().get(id.0)).map(|profile| &*profile.name);
        if let Some((reason, _)) = &record.refusal {
            self.metrics().count_refusal(pattern.unwrap_or("none"), reason.answer().code);
        }
        if let (Some(profile), Some(reject)) = (profile, record.reject) {
            self.metrics().count_reject(profile, reject);
        }
        if record.trial.is_some() {
            self.judge_trial(record, status);
        }
        if let Some(state) = state {
            let counter = match (&record.refusal, &record.tokens) {
                (Some(_), _) => &state.metrics.refused,
                (None, Some(_)) => &state.metrics.with_token,
                (None, None) if record.cookie_alone => &state.metrics.with_cookie,
                (None, None) => &state.metrics.with_neither,
            };
            counter.inc();
            state.metrics.duration.observe(took.as_secs_f64());
            if record.disagreement.is_some() {
                state.metrics.disagreed.inc();
            }
        }
        if self.log.is_on() {
            self.write_line(record, status, took, pattern, profile);
        }
    }

    fn write_line(
        &self,
        record: &Record,
        status: StatusCode,
        took: Duration,
        pattern: Option<&str>,
        profile: Option<&str>,
    ) {
        let cause = record.refusal.as_ref().and_then(|(_, cause)| cause.as_ref()).map(|cause| cause.text());
        let reason = cause.as_deref().or(record.reject).or(record.disagreement.as_deref());
        let host = text(record.host.as_ref());
        let client_request_id = record.client_request_id.as_ref().map(|id| text(Some(id)));
        let mut client = Vec::with_capacity(40);
        if let Some(address) = record.client {
            push_address(&mut client, address);
        }
        let upstream = record.forwarded.and_then(|id| self.shared.config.upstreams.get(id.0));
        self.log.write(&AccessLine {
            time: record.now,
            request_id: record.id.as_str(),
            client_request_id: client_request_id.as_deref().map(AccessLine::clip),
            client: str::from_utf8(&client).unwrap_or_default(),
            method: record.method.as_ref().map_or("", |method| AccessLine::clip(method.as_str())),
            host: AccessLine::clip(&host),
            path: AccessLine::clip(record.target.as_ref().map_or("", |target| target.path())),
            route: pattern,
            decision: match (&record.refusal, record.forwarded) {
                (Some(_), _) => "refused",
                (None, Some(_)) => "forwarded",
                (None, None) => "answered",
            },
            own: record.own,
            verdict: record.verdict,
            refusal: record.refusal.as_ref().map(|(reason, _)| reason.answer().code),
            reason,
            outage: record.outage,
            would: record.would,
            session_from: record.session_from,
            cross_site: record.cross_site_logged.then_some(true),
            profile,
            issuer: record.issuer.and_then(|id| self.shared.issuers().name(id)),
            sid: record.sid.as_ref().map(crate::session::Fingerprint::as_str),
            kid: record.tokens.as_ref().map(|tokens| &**tokens.first().kid()),
            jti: record.tokens.as_ref().and_then(|tokens| tokens.iter().find_map(InternalToken::jti)),
            txn: record
                .tokens
                .as_ref()
                .is_some_and(|tokens| tokens.iter().any(|token| token.profile() == TokenProfile::Txn)),
            upstream: upstream.map(|upstream| &*upstream.name),
            status: status.as_u16(),
            micros: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        });
    }
}

/// A client's field as text; what is no UTF-8 is replaced.
fn text(value: Option<&http::HeaderValue>) -> std::borrow::Cow<'_, str> {
    value.map(|value| String::from_utf8_lossy(value.as_bytes())).unwrap_or_default()
}
