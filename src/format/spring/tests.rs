use super::*;
use crate::config::{FormatOptions, Framework};
use crate::format::fixture::{at, key, present, profile};

const UUID: &str = "0e66841f-97a0-4c40-a2e9-7f206eaa1ba4";

fn spring(engine: &str) -> Spring {
    let options = FormatOptions {
        engine: Some(at(engine.to_owned())),
        serializer: Some(at("json".to_owned())),
        ..FormatOptions::default()
    };
    Spring::new(&profile(Framework::Spring, options)).unwrap()
}

fn cookie(id: &str) -> String {
    format!("SESSION={}", Base64::Standard.encode(id.as_bytes()))
}

/// A session last used at second 1000, with these fields set otherwise.
fn decode(changes: &[(&str, &str)]) -> Result<Decoded, Reject> {
    let mut fields =
        vec![("creationTime", "1"), ("lastAccessedTime", "1000000"), ("maxInactiveInterval", "1800")];
    for change in changes {
        fields.retain(|(name, _)| *name != change.0);
        fields.push(*change);
    }
    let fields = fields.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    let Some(Ok(lookup)) = present(&spring("base64_cookie"), &cookie(UUID)) else { panic!("a session") };
    spring("base64_cookie").decode(&Record::Hash(fields), &lookup)
}

fn object<const N: usize>(class: &str, fields: [(&str, Value); N]) -> Value {
    let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Value::Object { class: class.to_owned(), fields }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// The user of a session whose authentication is a `class` with this principal.
fn user_of(class: &str, authenticated: Value, principal: Value) -> Option<Value> {
    let token = object(class, [("authenticated", authenticated), ("principal", principal)]);
    let context =
        object("org.springframework.security.core.context.SecurityContextImpl", [("authentication", token)]);
    spring("base64_cookie").subject(&Value::Map(vec![(CONTEXT.to_owned(), context)]))
}

fn user(principal: Value) -> Option<Value> {
    user_of("org.example.Token", Value::Bool(true), principal)
}

#[test]
fn a_session_that_was_ended_by_its_interval_is_expired_at_any_time() {
    // The indexed repository's logout: the hash lives on for five minutes, its user still inside.
    assert_eq!(
        decode(&[("maxInactiveInterval", "0"), ("lastAccessedTime", "99999999999999")]).unwrap_err(),
        Reject::Expired
    );
}

#[test]
fn a_session_without_its_three_times_is_none() {
    for field in ["creationTime", "lastAccessedTime", "maxInactiveInterval"] {
        for value in ["", "null", "\"1\"", "1.5", "[1,2]"] {
            assert!(matches!(decode(&[(field, value)]), Err(Reject::Undecodable(_))), "{field} {value}");
        }
    }
}

#[test]
fn a_session_ends_its_interval_after_its_last_use_or_never() {
    let end = |interval| decode(&[("maxInactiveInterval", interval)]).unwrap().ends_at;
    assert_eq!(end("1800"), Some(UnixMillis::from_secs(2800)));
    assert_eq!(end("-1"), None);
    let typed = decode(&[("lastAccessedTime", "[\"java.lang.Long\",5000]"), ("maxInactiveInterval", "1")]);
    assert_eq!(typed.unwrap().ends_at, Some(UnixMillis::from_secs(6)));
}

#[test]
fn a_removed_attribute_is_not_there_and_a_broken_one_spoils_the_session() {
    let decoded = decode(&[("sessionAttr:gone", ""), ("sessionAttr:kept", "1"), ("other", "x")]).unwrap();
    assert!(decoded.data == Value::Map(vec![("kept".to_owned(), Value::Int(1))]));
    assert!(matches!(decode(&[("sessionAttr:a", "{")]), Err(Reject::Undecodable(_))));
}

#[test]
fn two_different_cookies_are_refused_whatever_the_profile_says() {
    let mut lax = profile(Framework::Spring, FormatOptions::default());
    lax.duplicate_cookie = DuplicateCookie::AsFramework;
    let twice = format!("{}; {}", cookie("a"), cookie("b"));
    assert_eq!(key(&Spring::new(&lax).unwrap(), &twice), Err(Reject::DuplicateCookie));
    let same = format!("{}; {}", cookie("a"), cookie("a"));
    assert_eq!(key(&Spring::new(&lax).unwrap(), &same), Ok("spring:session:sessions:a".into()));
}

#[test]
fn a_bare_id_is_one_only_where_the_profile_says_so() {
    let bare = format!("SESSION={UUID}");
    assert_eq!(key(&spring("base64_cookie"), &bare), Err(Reject::MalformedCookie("not base64")));
    assert_eq!(key(&spring("plain_cookie"), &bare), Ok(format!("spring:session:sessions:{UUID}")));
    for id in ["", "a\nb", "ä"] {
        assert_eq!(key(&spring("base64_cookie"), &cookie(id)), Err(Reject::MalformedCookie("no session id")));
    }
}

#[test]
fn a_route_is_no_part_of_a_uuid_but_dots_are_of_other_ids() {
    let spring = spring("base64_cookie");
    assert_eq!(
        key(&spring, &cookie(&format!("{UUID}.node1"))),
        Ok(format!("spring:session:sessions:{UUID}"))
    );
    assert_eq!(key(&spring, &cookie("a.b")), Ok("spring:session:sessions:a.b".into()));
}

#[test]
fn only_an_authenticated_user_is_one() {
    let principal = || text("alice");
    for authenticated in [Value::Bool(false), Value::Null, text("true"), Value::Int(1)] {
        assert!(user_of("org.example.Token", authenticated, principal()).is_none());
    }
    assert!(user_of(ANONYMOUS, Value::Bool(true), principal()).is_none());
    assert!(user(principal()) == Some(text("alice")));
}

#[test]
fn a_principal_is_named_as_spring_names_it() {
    let user_details =
        object("org.example.Account", [("name", text("Alice A.")), ("username", text("alice"))]);
    assert!(user(user_details) == Some(text("alice")));
    // The display name of an app's own class is nobody's identity.
    assert!(user(object("org.example.Account", [("name", text("admin"))])).is_none());
    let saml = "org.springframework.security.saml2.provider.service.authentication.DefaultSaml2AuthenticatedPrincipal";
    assert!(user(object(saml, [("name", text("alice"))])) == Some(text("alice")));
    assert!(user(object("org.example.Account", [("username", Value::List(vec![]))])).is_none());
}

#[test]
fn an_oidc_user_is_named_by_the_attribute_that_it_names() {
    let claims = || {
        Value::Map(vec![("sub".to_owned(), text("auth0|42")), ("email".to_owned(), text("a@example.com"))])
    };
    let class = "org.springframework.security.oauth2.core.oidc.user.DefaultOidcUser";
    let user_by = |key, place| {
        let token =
            object("org.springframework.security.oauth2.core.oidc.OidcIdToken", [("claims", claims())]);
        let (name, value) = if place == "idToken" { ("idToken", token) } else { ("attributes", claims()) };
        user(object(class, [("nameAttributeKey", text(key)), (name, value), ("username", text("admin"))]))
    };
    assert!(user_by("sub", "attributes") == Some(text("auth0|42")));
    assert!(user_by("sub", "idToken") == Some(text("auth0|42")));
    assert!(user_by("email", "attributes") == Some(text("a@example.com")));
    assert!(user_by("name", "attributes").is_none());
}
