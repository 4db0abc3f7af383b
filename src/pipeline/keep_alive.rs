//! Sessions that only use routes which bypass their app, kept alive in the app's place, and their cookies with them.

use crate::config::{IdleTouch, ProfileId};
use crate::format::Presented;
use crate::pipeline::Caller;
use crate::pipeline::gateway::Gateway;
use crate::pipeline::passage::Passage;
use crate::request::Cookies;
use crate::respond::{CookieSlide, read_set_cookie};
use crate::route::Route;
use crate::session::{Profile, VerifiedSession, Voucher};
use crate::token::Slots;
use http::HeaderMap;
use http::header::SET_COOKIE;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How each profile's app sends its session cookie again; indexed by [`ProfileId`]. Looked at once in a tenth of a session's life, and
/// where an app sets its cookie.
#[derive(Debug)]
pub(super) struct Slides(Vec<Mutex<Slide>>);

#[derive(Debug)]
enum Slide {
    Configured(CookieSlide),
    Learned(Option<CookieSlide>),
}

impl Slides {
    pub(super) fn new(profiles: &[Profile]) -> Self {
        let slide = |profile: &Profile| match &profile.idle_touch {
            IdleTouch::Gateway { life: Some(life), set_cookie: Some(attributes) } => {
                Slide::Configured(CookieSlide::new(attributes.clone(), *life))
            }
            IdleTouch::Off | IdleTouch::Gateway { .. } => Slide::Learned(None),
        };
        Self(profiles.iter().map(|profile| Mutex::new(slide(profile))).collect())
    }

    fn of(&self, profile: ProfileId) -> Option<CookieSlide> {
        match &*self.0.get(profile.0)?.lock().unwrap_or_else(PoisonError::into_inner) {
            Slide::Configured(slide) => Some(slide.clone()),
            Slide::Learned(slide) => slide.clone(),
        }
    }

    fn learn(&self, profile: ProfileId, seen: CookieSlide) {
        let Some(slide) = self.0.get(profile.0) else { return };
        if let Slide::Learned(learned) = &mut *slide.lock().unwrap_or_else(PoisonError::into_inner) {
            *learned = Some(seen);
        }
    }
}

impl Gateway {
    /// Extends the caller's session if that is due, on a route that its app does not see. Whether this request did.
    pub(super) fn keep_alive(&self, passage: &Passage, caller: &Caller) -> bool {
        let Caller::Known(_, session) = caller else { return false };
        !passage.forward_cookie && session.due_touch().is_some_and(|due| self.authenticator.touch(due))
    }

    /// Sends the session's cookies again as the app would.
    pub(super) fn send_cookie_again(
        &self,
        session: &VerifiedSession<Slots>,
        cookies: &Cookies,
        headers: &mut HeaderMap,
    ) {
        let Voucher::Profile(profile) = session.session().by else { return };
        let Some(slide) = self.shared().slides().of(profile) else { return };
        let Some(profile) = self.authenticator.profiles().get(profile.0) else { return };
        let names = profile.format.cookie_names();
        let pairs: Vec<&[u8]> = names.iter().filter_map(|name| pair_of(cookies, name)).collect();
        slide.write(&pairs, headers);
    }

    /// Learns how an app sends its cookie again: from an answer that sets it for the very session that the request came with. What is set at a
    /// login says nothing of that, since many apps set it then and never again.
    pub(super) fn learn(&self, route: &Route, cookies: &Cookies, headers: &HeaderMap) {
        if !headers.contains_key(SET_COOKIE) {
            return;
        }
        let profiles = route.rules.sessions.iter().filter_map(|id| self.authenticator.profiles().get(id.0));
        for profile in profiles.filter(|profile| profile.keeps_alive()) {
            if let Some(slide) = self.slide_in(profile, cookies, headers) {
                self.shared().slides().learn(profile.id, slide);
            }
        }
    }

    fn slide_in(&self, profile: &Profile, cookies: &Cookies, headers: &HeaderMap) -> Option<CookieSlide> {
        let names = profile.format.cookie_names();
        let (mut line, mut slide) = (Vec::new(), None);
        let set: Vec<_> = headers
            .get_all(SET_COOKIE)
            .iter()
            .filter_map(|value| read_set_cookie(value, self.now()))
            .collect();
        for (at, name) in names.iter().enumerate() {
            let named = |pair: &str| pair.split('=').next().is_some_and(|found| found.trim() == name);
            let found = set.iter().find(|cookie| named(cookie.pair));
            if at == 0 {
                slide = found?.slide.clone();
            }
            let pair = found.map(|cookie| cookie.pair.as_bytes()).or_else(|| pair_of(cookies, name));
            line.extend_from_slice(pair.unwrap_or_default());
            line.extend_from_slice(b"; ");
        }
        let id = |cookies: &Cookies| match profile.format.present(cookies) {
            Presented::Session(lookup) => Some(lookup.id),
            Presented::Absent | Presented::Rejected(_) | Presented::Carried(_) => None,
        };
        (id(cookies)? == id(&Cookies::from_line(line))?).then_some(slide).flatten()
    }

    /// Tries whether we may keep sessions alive at all, once the stores have been reached.
    pub async fn try_touches(&self) {
        // The connections are being made; a try in vain costs nothing but the early word of it.
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.authenticator.try_touches();
    }
}

/// `name=value` as the browser sent it.
fn pair_of<'a>(cookies: &'a Cookies, name: &str) -> Option<&'a [u8]> {
    let pairs = cookies.segments().map(<[u8]>::trim_ascii);
    pairs
        .into_iter()
        .find(|pair| pair.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'=')))
}
