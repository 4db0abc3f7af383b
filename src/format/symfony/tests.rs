use super::*;
use crate::config::{FormatOptions, Framework};
use crate::format::php::tests::{ID, lookup, profile};

fn symfony() -> Symfony {
    Symfony::new(&profile(Framework::Symfony, FormatOptions::default())).unwrap()
}

fn decoded(value: &str) -> Result<Decoded, Reject> {
    let format = symfony();
    let lookup = lookup(format.present(&Cookies::from_line(format!("PHPSESSID={ID}"))));
    assert_eq!(lookup.keys[0].expose(), format!("sf_s{ID}").as_bytes());
    format.decode(&Record::String(value.as_bytes().to_vec()), &lookup)
}

fn serialised(text: &str) -> String {
    format!("s:{}:\"{text}\";", text.len())
}

fn object(class: &str, fields: &str, count: usize) -> String {
    format!("O:{}:\"{class}\":{count}:{{{fields}}}", class.len())
}

/// A session with these attributes, each a name and a serialised value.
fn session(attributes: &[(&str, String)]) -> String {
    let pairs: String = attributes.iter().map(|(name, value)| serialised(name) + value).collect();
    format!("_sf2_attributes|a:{}:{{{pairs}}}", attributes.len())
}

fn token(class: &str, user: &str) -> String {
    let state = format!("a:5:{{i:0;{user}i:1;b:1;i:2;N;i:3;a:0:{{}}i:4;a:1:{{i:0;s:9:\"ROLE_USER\";}}}}");
    serialised(&object(class, &format!("i:0;N;i:1;s:4:\"main\";i:2;{state}"), 3))
}

fn user(class: &str, name: &str) -> String {
    object(class, &format!("{}{}", serialised("\0A\0username"), serialised(name)), 1)
}

const TOKEN: &str = "Symfony\\Component\\Security\\Core\\Authentication\\Token\\UsernamePasswordToken";
const USER: &str = "Symfony\\Component\\Security\\Core\\User\\InMemoryUser";

fn subject(attributes: &[(&str, String)]) -> Option<Value> {
    symfony().subject(&decoded(&session(attributes)).unwrap().data)
}

#[test]
fn what_was_typed_at_login_is_nobody() {
    let typed = serialised("alice@example.com");
    assert!(subject(&[("_security.last_username", typed.clone())]).is_none());
    assert!(subject(&[("_security_main", typed)]).is_none());
}

#[test]
fn tokens_that_are_no_login_are_nobody() {
    for class in [
        "Symfony\\Component\\Security\\Core\\Authentication\\Token\\AnonymousToken",
        "Symfony\\Component\\Security\\Core\\Authentication\\Token\\NullToken",
        "Scheb\\TwoFactorBundle\\Security\\Authentication\\Token\\TwoFactorToken",
        "App\\Security\\HalfToken",
    ] {
        assert!(subject(&[("_security_main", token(class, &user(USER, "alice")))]).is_none(), "{class}");
    }
    assert!(subject(&[("_security_main", token(TOKEN, "N;"))]).is_none());
}

#[test]
fn two_firewalls_without_a_main_one_are_nobody() {
    let alice = token(TOKEN, &user(USER, "alice"));
    let bob = token(TOKEN, &user(USER, "bob"));
    assert!(subject(&[("_security_admin", alice.clone()), ("_security_shop", bob.clone())]).is_none());
    let main = subject(&[("_security_admin", alice.clone()), ("_security_main", bob)]);
    assert!(main == Some(Value::Text("bob".to_owned())));
    assert!(subject(&[("_security_admin", alice)]) == Some(Value::Text("alice".to_owned())));
}

#[test]
fn a_user_of_the_apps_own_class_with_two_names_is_nobody_by_convention() {
    let fields =
        [serialised("username"), serialised("alice"), serialised("email"), serialised("a@x")].concat();
    let both = object("App\\Entity\\User", &fields, 2);
    let session = session(&[("_security_main", token(TOKEN, &both))]);
    let data = decoded(&session).unwrap().data;
    assert!(symfony().subject(&data).is_none());
    let email = data.get("_security_main").and_then(|token| token.get("user")?.get("email"));
    assert!(email == Some(&Value::Text("a@x".to_owned())), "a path can still say which");
    let told = symfony().other_subjects(&data);
    assert_eq!(told, ["_security_main.user.username", "_security_main.user.email"]);
}

#[test]
fn a_token_around_another_gives_the_outer_ones_user() {
    let class = "Symfony\\Component\\Security\\Core\\Authentication\\Token\\SwitchUserToken";
    let alice = user(USER, "alice");
    let state = format!("a:5:{{i:0;{alice}i:1;b:1;i:2;N;i:3;a:0:{{}}i:4;a:0:{{}}}}");
    let parent = format!("a:3:{{i:0;N;i:1;s:4:\"main\";i:2;{state}}}");
    let original = object(TOKEN, "i:0;N;i:1;s:4:\"main\";i:2;a:0:{}", 3);
    let switched = serialised(&object(class, &format!("i:0;{original}i:1;N;i:2;{parent}"), 3));
    assert!(subject(&[("_security_main", switched)]) == Some(Value::Text("alice".to_owned())));
}

#[test]
fn no_more_tokens_are_unfolded_than_an_app_has_firewalls() {
    let names: Vec<String> = (0..20).map(|index| format!("_security_{index}")).collect();
    let alice = token(TOKEN, &user(USER, "alice"));
    let attributes: Vec<_> = names.iter().map(|name| (name.as_str(), alice.clone())).collect();
    let Value::Map(data) = decoded(&session(&attributes)).unwrap().data else { panic!("no map") };
    assert_eq!(data.iter().filter(|(_, value)| matches!(value, Value::Object { .. })).count(), 8);
}

#[test]
fn a_session_ends_when_the_browser_has_dropped_its_cookie() {
    let with_life =
        |life| format!("_sf2_attributes|a:0:{{}}_sf2_meta|a:2:{{s:1:\"u\";i:100;s:1:\"l\";{life};}}");
    assert_eq!(decoded(&with_life("i:60")).unwrap().ends_at, Some(UnixMillis::from_secs(160)));
    for life in ["i:0", "i:-1", "N", "s:2:\"60\""] {
        assert_eq!(decoded(&with_life(life)).unwrap().ends_at, None, "{life}");
    }
}

#[test]
fn attributes_that_are_no_array_are_refused() {
    assert!(matches!(decoded("_sf2_attributes|i:1;"), Err(Reject::Undecodable(_))));
    assert!(decoded("").unwrap().data == Value::Map(vec![]));
}

#[test]
fn the_token_of_symfony_4_2_is_read_through_its_custom_payload() {
    let role = object("Symfony\\Component\\Security\\Core\\Role\\Role", "s:4:\"role\";s:9:\"ROLE_USER\";", 1);
    let of = |user: &str| format!("a:4:{{i:0;{user}i:1;b:1;i:2;a:1:{{i:0;{role}}}i:3;a:0:{{}}}}");
    let custom = |payload: &str, length: usize| {
        serialised(&format!("C:{}:\"{TOKEN}\":{length}:{{{payload}}}", TOKEN.len()))
    };
    let payload = format!("a:3:{{i:0;N;i:1;s:4:\"main\";i:2;{}}}", of(&user(USER, "alice")));
    let main = custom(&payload, payload.len());
    assert!(subject(&[("_security_main", main)]) == Some(Value::Text("alice".into())));
    assert!(subject(&[("_security_main", custom(&payload, payload.len() - 1))]).is_none());
}
