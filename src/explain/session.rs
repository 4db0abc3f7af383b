//! What one profile makes of the cookies, up to the record.

use crate::config::{IdleTouch, ProfileId, StoreId};
use crate::explain::Look;
use crate::explain::record;
use crate::explain::shown::{Mask, clip};
use crate::explain::step::Step;
use crate::explain::user;
use crate::format::{Lookup, Presented, Reject, SessionId, options};
use crate::pipeline::Shared;
use crate::request::Cookies;
use crate::session::Profile;
use crate::store::{NAMES_MAX, Nearby, Reading, Store, StoreError};
use crate::telemetry::chain;

/// Passed if the profile has a live session, refused if its cookie leads to none or its store is down, skipped without cookie.
pub(super) async fn step(look: &Look<'_>, cookies: &Cookies, id: ProfileId) -> Step {
    let shared = look.gateway.shared();
    let Some(profile) = shared.profiles().get(id.0) else {
        return Step::skipped("session", "a profile that is not configured");
    };
    let name = named(shared, profile);
    match profile.format.present(cookies) {
        Presented::Absent => {
            let names = profile.format.cookie_names();
            let cookie = names.first().map_or("", String::as_str);
            Step::skipped("session", format!("{name}: no cookie `{}`", clip(cookie)))
        }
        Presented::Rejected(reject) => {
            let step = Step::refused("session", format!("{name}: {reject}"));
            match hint(&reject) {
                Some(hint) => step.with("hint", hint),
                None => step,
            }
        }
        Presented::Session(lookup) => look_up(look, profile, &name, &lookup).await,
        Presented::Carried(carried) => {
            let step = genuine(shared, profile, &carried.id, Some(carried.secret));
            let mask = Mask::new(look.show_values);
            let step = record::carried(step, &name, profile, shared.now(), &carried, mask);
            user::judge(look, step, (profile, &name), Some(&carried.decoded)).await
        }
    }
}

async fn look_up(look: &Look<'_>, profile: &Profile, name: &str, lookup: &Lookup) -> Step {
    let shared = look.gateway.shared();
    let mut step = genuine(shared, profile, &lookup.id, lookup.secret);
    let Some((id, store)) = profile.store.and_then(|id| Some((id, look.stores.get(id.0)?))) else {
        step.text = format!("{name}: its store is not configured");
        return step;
    };
    if let IdleTouch::Gateway { life, .. } = &profile.idle_touch {
        let life = life.map_or("as its record says, or what it was seen to have left".to_owned(), |life| {
            crate::clock::in_words(life)
        });
        step.fact(
            "idle_touch",
            format!("on routes that bypass the app we keep it alive; it may idle for {life}"),
        );
    }
    let mask = Mask::new(look.show_values);
    let mut first = None;
    for key in &lookup.keys {
        let (shown, prefix) = mask.key(key, lookup);
        step.fact("key", shown.clone());
        first.get_or_insert((shown, prefix));
        let reading = store.read(key, profile.format.record_kind()).await;
        if let Some(primary) = store.place(key) {
            step.fact("primary", primary);
        }
        match reading {
            Ok(Reading::Missing) => step.fact("record", "none"),
            Ok(reading) => {
                let judged = record::judge(step, name, profile, shared.now(), lookup, reading, mask);
                let (step, decoded) = judged;
                return user::judge(look, step, (profile, name), decoded.as_ref()).await;
            }
            Err(error) => return down(look, step, name, id, &error),
        }
    }
    let (shown, prefix) = first.unwrap_or_default();
    let cookie = if lookup.secret.is_some() { "the cookie is genuine" } else { "the cookie is well-formed" };
    step.text =
        format!("{name}: {cookie}, but there is no key `{shown}`: logged out, expired, or kept elsewhere");
    let nearby = nearby(store, &prefix, &shown).await;
    step.with("nearby", nearby)
}

/// The step as far as the cookie alone goes.
fn genuine(shared: &Shared, profile: &Profile, id: &SessionId, secret: Option<usize>) -> Step {
    let mut step = Step::refused("session", String::new());
    let secrets = shared.config.profiles.get(profile.id.0).map_or(0, |profile| profile.options.secrets.len());
    let cookie = profile.format.cookie_names().first().map_or_else(String::new, |cookie| clip(cookie));
    step.fact("cookie", cookie);
    step.fact("sid", profile.fingerprint_of(shared.fingerprints(), id).as_str());
    step.fact(
        "secret",
        match secret {
            Some(at) => format!("{} of {secrets} verifies it", at + 1),
            None => "none: this cookie is not signed".to_owned(),
        },
    );
    step
}

pub(super) fn down(look: &Look<'_>, mut step: Step, name: &str, store: StoreId, error: &StoreError) -> Step {
    let stores = &look.gateway.shared().config.stores;
    let store_name = stores.get(store.0).map_or("", |store| store.name.as_str());
    step.text = format!("{name}: store `{store_name}` cannot be asked, which says nothing about the session");
    step.fact("error", clip(&chain(error)));
    if let Some(trouble) = (look.trouble)(store) {
        step.fact("connecting", trouble);
    }
    step.stops = true;
    step
}

/// What else is in a store that has no such key.
async fn nearby(store: &Store, prefix: &[u8], shown: &str) -> String {
    match store.nearby(prefix).await {
        Ok(nearby) => in_words(&nearby, shown),
        Err(StoreError::Refused { .. }) => {
            "not looked at: our Redis user may not SCAN, nor need it; try `redis-cli --scan` as another, or `explain` with a config that names one"
                .to_owned()
        }
        Err(error) => format!("not looked at: {}", chain(&error)),
    }
}

fn in_words(nearby: &Nearby, shown: &str) -> String {
    let Nearby { looked_at, whole_store, alike, others } = nearby;
    if *looked_at == 0 {
        return if *whole_store {
            "the store is empty: is it the app's, and the right database number?".to_owned()
        } else {
            "no name came in time".to_owned()
        };
    }
    let of = if *whole_store {
        format!("{looked_at} keys")
    } else {
        format!("the first {looked_at} keys (of at most {NAMES_MAX})")
    };
    let others: Vec<String> =
        others.iter().map(|(prefix, keys)| format!("{keys} start with `{prefix}`")).collect();
    match (*alike, others.as_slice()) {
        (0, []) => format!("of {of}, none is like `{shown}`"),
        (0, others) => format!(
            "of {of}, none is like `{shown}`; {}: does the app's Redis client put a prefix before its keys? Then `key` needs it too",
            others.join(", ")
        ),
        (alike, _) => {
            format!("of {of}, {alike} are like `{shown}`: the prefix is right, this session is gone")
        }
    }
}

/// `profile shop (express)`
fn named(shared: &Shared, profile: &Profile) -> String {
    let framework =
        shared.config.profiles.get(profile.id.0).map_or("", |profile| options::word(profile.framework.value));
    format!("profile {} ({framework})", profile.name)
}

fn hint(reject: &Reject) -> Option<&'static str> {
    match reject {
        Reject::BadSignature { .. } => Some(
            "compare `secrets` with the app's own; after a rotation both the new and the old one belong there",
        ),
        Reject::DuplicateCookie => Some(
            "the browser holds two, set with different Path or Domain; delete one, or set `duplicate_cookie = \"as-framework\"`",
        ),
        Reject::MalformedCookie(_) => Some("is `framework` the app's, and the cookie copied whole?"),
        Reject::ClaimRefused(_) => {
            Some("compare `issuer`, `audience` and `typ` with what the app writes into its tokens")
        }
        Reject::NotYetValid => Some("do the clocks agree? `server.skew` is how far they may differ"),
        Reject::Expired
        | Reject::Revoked
        | Reject::SubjectNotScalar
        | Reject::Undecodable(_)
        | Reject::UnknownSession
        | Reject::ValueTooLarge { .. }
        | Reject::UserChanged(_)
        | Reject::WrongType => None,
    }
}
