//! The claims of a token, written into one buffer: what the template knows is copied, only what the session and the request
//! brought is serialised.

use crate::clock::UnixMillis;
use crate::session::Session;
use crate::token::template::Template;
use crate::token::transaction::Transaction;
use std::io::Write;

/// What all tokens have: who, for whom, how long, and what is the same in every token of the template.
pub(super) fn begin(
    claims: &mut Vec<u8>,
    template: &Template,
    sub: &str,
    issued_at: UnixMillis,
    expires_at: UnixMillis,
) {
    claims.extend_from_slice(template.head().as_bytes());
    push_json(claims, sub);
    let (exp, iat) = (expires_at.as_secs(), issued_at.as_secs());
    // Writing to a Vec cannot fail.
    let _ = write!(claims, r#","exp":{exp},"iat":{iat}{}"#, template.fixed());
}

/// What an exchanged token is for, which no template says.
pub(super) fn push_scope(claims: &mut Vec<u8>, scope: Option<&str>) {
    if let Some(scope) = scope {
        claims.extend_from_slice(br#","scope":"#);
        push_json(claims, scope);
    }
}

/// What an access token says besides (RFC 9068 §2.2), the attributes as claims of their own.
pub(super) fn push_access_claims<T>(
    claims: &mut Vec<u8>,
    template: &Template,
    session: &Session<T>,
    jti: &str,
) {
    // `jti` is base64url and needs no escapes.
    let _ = write!(claims, r#","jti":"{jti}","client_id":"#);
    push_json(claims, &*session.client_id);
    push_sid(claims, template, session);
    push_attributes(claims, template, session);
}

/// What a transaction token says besides (draft-ietf-oauth-transaction-tokens §5.2): which request this is, what is decided about it,
/// which are the attributes, and the circumstances it came in.
pub(super) fn push_transaction_claims<T>(
    claims: &mut Vec<u8>,
    template: &Template,
    session: &Session<T>,
    transaction: &Transaction<'_>,
) {
    claims.extend_from_slice(br#","txn":"#);
    push_json(claims, transaction.id);
    claims.extend_from_slice(br#","tctx":{"#);
    let members = claims.len();
    push_attributes(claims, template, session);
    if claims.len() > members {
        // Each attribute comes with a comma before it, and the first member has none.
        claims.remove(members);
    }
    let (client, transport) = (transaction.client, transaction.transport());
    let _ = write!(claims, r#"}},"rctx":{{"req_ip":"{client}","transport":"{transport}","client_id":"#);
    push_json(claims, &*session.client_id);
    push_sid(claims, template, session);
    claims.push(b'}');
}

/// Which request it is for, and no other (as RFC 9449 §4.2 says it).
pub(super) fn push_target(claims: &mut Vec<u8>, transaction: &Transaction<'_>) {
    let Some(target) = transaction.target else { return };
    claims.extend_from_slice(br#","htm":"#);
    push_json(claims, target.method);
    claims.extend_from_slice(br#","htu":"#);
    push_json(claims, &format!("{}://{}{}", transaction.transport(), target.host, target.path));
}

/// The certificate that the token is bound to (RFC 8705 §3.1).
pub(super) fn push_confirmation(claims: &mut Vec<u8>, thumbprint: Option<&str>) {
    if let Some(thumbprint) = thumbprint {
        // Base64url needs no escapes.
        let _ = write!(claims, r#","cnf":{{"x5t#S256":"{thumbprint}"}}"#);
    }
}

/// What all tokens may have at their end: who really acts (RFC 8693 §4.1), and that nobody is known.
pub(super) fn close<T>(claims: &mut Vec<u8>, session: &Session<T>, act: Option<&serde_json::Value>) {
    if let Some(act) = act {
        claims.extend_from_slice(br#","act":"#);
        push_json(claims, act);
    }
    if session.subject.is_none() {
        claims.extend_from_slice(br#","anonymous":true"#);
    }
    claims.push(b'}');
}

/// Not where services must not compare what they know of a user: one session would be the same at all of them.
fn push_sid<T>(claims: &mut Vec<u8>, template: &Template, session: &Session<T>) {
    if !template.is_pairwise {
        claims.extend_from_slice(br#","sid":"#);
        push_json(claims, session.sid.as_str());
    }
}

fn push_attributes<T>(claims: &mut Vec<u8>, template: &Template, session: &Session<T>) {
    for (name, before) in template.claims() {
        if let Some((_, value)) = session.attributes.iter().find(|(known, _)| **known == **name) {
            claims.extend_from_slice(before.as_bytes());
            push_json(claims, value);
        }
    }
}

fn push_json<V: serde::Serialize + ?Sized>(into: &mut Vec<u8>, value: &V) {
    serde_json::to_writer(into, value).expect("text and JSON values always serialise into memory");
}
