//! What the rules would have said, and what the app said.

use http::header::LOCATION;
use http::{HeaderMap, StatusCode};

/// What a route's rules would have made of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Would {
    /// Forwarded, with a token or (`anonymous`) as nobody's.
    Forward {
        /// Whether nobody is known.
        anonymous: bool,
    },
    /// Refused, for this cause: a reject's code where the session was not accepted, else the refusal's.
    Refuse(&'static str),
}

/// What the app made of it by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was served.
    Served,
    /// 401, 403, or a redirect to a login.
    TurnedAway,
    /// Neither can be told.
    Unclear,
}

/// How the two compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Agreement {
    /// The rules would refuse what the app serves: somebody would be locked out.
    WouldRefuse,
    /// The rules would let pass what the app turns away: the service behind has to know better.
    WouldAdmit,
    /// The app's answer says nothing of who may pass.
    Unclear,
    /// They are of one mind.
    Agrees,
}

/// Segments of a path that stand for a login, in any case.
const LOGIN_SEGMENTS: [&str; 13] = [
    "auth",
    "authorize",
    "log-in",
    "log_in",
    "login",
    "logon",
    "oauth",
    "oauth2",
    "sign-in",
    "sign_in",
    "signin",
    "saml",
    "sso",
];

impl Would {
    /// The word by which it is counted.
    pub const fn cause(self) -> &'static str {
        match self {
            Self::Forward { anonymous: true } => "anonymous",
            Self::Forward { anonymous: false } => "token",
            Self::Refuse(cause) => cause,
        }
    }

    /// How it compares with the app's answer.
    pub const fn compare(self, answer: Answer) -> Agreement {
        match (self, answer) {
            (_, Answer::Unclear) => Agreement::Unclear,
            (Self::Forward { .. }, Answer::Served) | (Self::Refuse(_), Answer::TurnedAway) => {
                Agreement::Agrees
            }
            (Self::Refuse(_), Answer::Served) => Agreement::WouldRefuse,
            (Self::Forward { .. }, Answer::TurnedAway) => Agreement::WouldAdmit,
        }
    }
}

impl Answer {
    /// What this response says; `login` is the path of the route's own login page.
    pub fn of(status: StatusCode, headers: &HeaderMap, login: Option<&str>) -> Self {
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Self::TurnedAway,
            status if serves(status) => Self::Served,
            status if status.is_redirection() => {
                let to = headers.get(LOCATION).and_then(|to| to.to_str().ok());
                if to.is_some_and(|to| leads_to_login(to, login)) { Self::TurnedAway } else { Self::Unclear }
            }
            _ => Self::Unclear,
        }
    }
}

/// Whether a status says by itself that somebody was let in. No redirect does: where it leads says whether it turns somebody away.
pub fn serves(status: StatusCode) -> bool {
    status.is_success() || matches!(status, StatusCode::NOT_MODIFIED | StatusCode::SWITCHING_PROTOCOLS)
}

impl Agreement {
    /// Every one, the worst first.
    pub const ALL: [Self; 4] = [Self::WouldRefuse, Self::WouldAdmit, Self::Unclear, Self::Agrees];

    /// The word in metrics and reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::WouldRefuse => "would-refuse",
            Self::WouldAdmit => "would-admit",
            Self::Unclear => "unclear",
            Self::Agrees => "agrees",
        }
    }
}

fn leads_to_login(location: &str, login: Option<&str>) -> bool {
    let path = location.split(['?', '#']).next().unwrap_or_default();
    let path = match path.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default(),
        None => path,
    };
    login.is_some_and(|login| login == path)
        || path
            .split('/')
            .any(|segment| LOGIN_SEGMENTS.iter().any(|login| segment.eq_ignore_ascii_case(login)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn answer(status: u16, location: &str, login: Option<&str>) -> Answer {
        let headers = HeaderMap::from_iter([(LOCATION, HeaderValue::from_str(location).unwrap())]);
        Answer::of(StatusCode::from_u16(status).unwrap(), &headers, login)
    }

    #[test]
    fn an_error_or_a_missing_page_says_nothing_of_who_may_pass() {
        for status in [400, 404, 405, 429, 500, 502, 503] {
            assert_eq!(answer(status, "/login", None), Answer::Unclear, "{status}");
        }
    }

    #[test]
    fn a_redirect_elsewhere_says_nothing_either() {
        for location in ["/orders/7", "/blog/how-to-login-safely", "https://cdn.test/x", "//cdn.test", ""] {
            assert_eq!(answer(302, location, None), Answer::Unclear, "{location}");
        }
    }

    #[test]
    fn a_redirect_to_a_login_turns_away() {
        for location in [
            "/login",
            "/Login?next=/x",
            "https://a.test/accounts/login/?next=/x",
            "/users/sign_in",
            "https://idp.test/oauth2/authorize?client_id=x",
        ] {
            assert_eq!(answer(302, location, None), Answer::TurnedAway, "{location}");
        }
        assert_eq!(answer(303, "/welcome?from=/x", Some("/welcome")), Answer::TurnedAway);
    }

    #[test]
    fn a_refusal_of_what_the_app_serves_is_told_from_the_reverse() {
        let (pass, refuse) = (Would::Forward { anonymous: false }, Would::Refuse("expired"));
        assert_eq!(refuse.compare(Answer::Served), Agreement::WouldRefuse);
        assert_eq!(pass.compare(Answer::TurnedAway), Agreement::WouldAdmit);
        assert_eq!(pass.compare(Answer::Served), Agreement::Agrees);
        assert_eq!(refuse.compare(Answer::TurnedAway), Agreement::Agrees);
        assert_eq!(refuse.compare(Answer::Unclear), Agreement::Unclear);
    }
}
