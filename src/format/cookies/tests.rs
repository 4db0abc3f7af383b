use super::*;
use proptest::prelude::*;

const FAMILIES: [(&str, CookieRules); 13] = [
    ("express", CookieRules::EXPRESS),
    ("fastify", CookieRules::FASTIFY),
    ("koa", CookieRules::KOA),
    ("django", CookieRules::DJANGO),
    ("flask", CookieRules::FLASK),
    ("rack", CookieRules::RACK),
    ("php", CookieRules::PHP),
    ("go", CookieRules::GO),
    ("tower", CookieRules::TOWER),
    ("actix", CookieRules::ACTIX),
    ("spring", CookieRules::SPRING),
    ("aspnet", CookieRules::ASPNET),
    ("strict", CookieRules::STRICT),
];

fn picked(
    line: &[u8],
    name: &str,
    rules: CookieRules,
    policy: DuplicateCookie,
) -> Result<Option<String>, Reject> {
    let cookies = Cookies::from_line(line.to_vec());
    pick(&cookies, name, rules, policy)
        .map(|value| value.map(|value| String::from_utf8_lossy(&value).into_owned()))
}

fn own(line: &str, rules: CookieRules) -> Result<Option<String>, Reject> {
    picked(line.as_bytes(), "sid", rules, DuplicateCookie::AsFramework)
}

fn some(value: &str) -> Result<Option<String>, Reject> {
    Ok(Some(value.to_owned()))
}

#[test]
fn two_different_values_are_refused_by_every_family_unless_its_own_choice_is_asked_for() {
    for (family, rules) in FAMILIES {
        for line in ["sid=a; sid=b", "sid=; sid=b", "sid=a; x=1; sid=b", "sid=a; sid=A", "sid=a; sid=%61"] {
            let refused = picked(line.as_bytes(), "sid", rules, DuplicateCookie::Reject);
            assert_eq!(refused, Err(Reject::DuplicateCookie), "{family}: {line}");
        }
        let same = picked(b"sid=a; sid=a", "sid", rules, DuplicateCookie::Reject);
        assert_eq!(same, some("a"), "{family}");
    }
}

#[test]
fn an_empty_first_value_counts_where_the_first_counts() {
    for (family, rules) in FAMILIES {
        let chosen = if rules.pick == Pick::First { "" } else { "a" };
        assert_eq!(own("sid=; sid=a", rules), some(chosen), "{family}");
    }
}

#[test]
fn a_name_is_compared_byte_for_byte() {
    for (family, rules) in FAMILIES {
        for line in
            ["SID=a", "xsid=a", "sidx=a", "=sid=a", "sid", "", ";;;", "$Version=1; x=sid=a", "a=b,sid=a"]
        {
            assert_eq!(own(line, rules), Ok(None), "{family}: {line}");
        }
        for line in [&b"\xe2\x80\x80sid=a"[..], b"\xa0sid=a", b"\x0bsid=a", b"\x85sid=a"] {
            let found = picked(line, "sid", rules, DuplicateCookie::AsFramework);
            assert_eq!(found, Ok(None), "{family}: {line:?}");
        }
    }
}

#[test]
fn a_value_that_no_framework_writes_is_refused() {
    let long = format!("sid={}", "a".repeat(VALUE_BYTES_MAX + 1));
    for (family, rules) in FAMILIES {
        for line in [&b"sid=\0"[..], b"sid=a\x7f", b"sid=\x1b[0m", b"sid=\xc3\xa9", long.as_bytes()] {
            let refused = picked(line, "sid", rules, DuplicateCookie::AsFramework);
            assert!(matches!(refused, Err(Reject::MalformedCookie(_))), "{family}: {line:?}");
        }
    }
}

#[test]
fn only_the_value_that_counts_is_judged() {
    let line = b"sid=a; sid=\x01";
    assert_eq!(picked(line, "sid", CookieRules::EXPRESS, DuplicateCookie::AsFramework), some("a"));
    let last = picked(line, "sid", CookieRules::DJANGO, DuplicateCookie::AsFramework);
    assert!(matches!(last, Err(Reject::MalformedCookie(_))));
}

/// What the families make of one header; the columns are express, fastify, koa, django, rack, php, tower and actix.
#[test]
fn every_family_unescapes_in_its_own_way() {
    type R = CookieRules;
    let columns = [R::EXPRESS, R::FASTIFY, R::KOA, R::DJANGO, R::RACK, R::PHP, R::TOWER, R::ACTIX];
    let table: [(&str, [&str; 8]); 10] = [
        ("sid=%41+b", ["A+b", "A+b", "%41+b", "%41+b", "A b", "A b", "A+b", "A+b"]),
        ("sid=%4", ["%4"; 8]),
        ("sid=%zz%41", ["%zz%41", "%zz%41", "%zz%41", "%zz%41", "%zz%41", "%zzA", "%zz%41", "%zz%41"]),
        ("sid=%ff", ["%ff", "%ff", "%ff", "%ff", "\u{fffd}", "\u{fffd}", "%ff", "%ff"]),
        ("sid=\"a\"", ["a", "\"a\"", "a", "a", "\"a\"", "\"a\"", "\"a\"", "a"]),
        ("sid=\"", ["\""; 8]),
        (
            r#"sid="\141\"""#,
            [
                r#"\141\""#,
                r#""\141\"""#,
                r#"\141\""#,
                "a\"",
                r#""\141\"""#,
                r#""\141\"""#,
                r#""\141\"""#,
                r#"\141\""#,
            ],
        ),
        ("sid =a", ["a", "a", "-", "a", "-", "-", "a", "a"]),
        ("sid= a", ["a", "a", " a", "a", " a", " a", "a", "a"]),
        ("x=1;sid=a=b", ["a=b"; 8]),
    ];
    for (line, expected) in table {
        for (index, (rules, expected)) in columns.into_iter().zip(expected).enumerate() {
            let found = own(line, rules).unwrap().unwrap_or("-".to_owned());
            assert_eq!(found, expected, "{line} in column {index}");
        }
    }
}

#[test]
fn php_mangles_names_and_makes_arrays() {
    let php =
        |line: &str, name: &str| picked(line.as_bytes(), name, CookieRules::PHP, DuplicateCookie::Reject);
    assert_eq!(php("app.sid=a", "app_sid"), some("a"));
    assert_eq!(php("app sid=a", "app_sid"), some("a"));
    assert_eq!(php("app[sid=a", "app_sid"), some("a"));
    assert_eq!(php("app.sid=a; app_sid=b", "app_sid"), Err(Reject::DuplicateCookie));
    for line in ["app_sid[]=a", "app_sid[x]=a; app_sid=b", "app_sid=b; app.sid[0]=a"] {
        assert!(matches!(php(line, "app_sid"), Err(Reject::MalformedCookie(_))), "{line}");
    }
    assert_eq!(php("..Host-sid=a", "__Host-sid"), Ok(None));
    assert_eq!(php("__Host-sid=a", "__Host-sid"), some("a"));
    assert!(php("__Host-sid[0]=b; __Host-sid=a", "__Host-sid").is_err());
}

#[test]
fn the_strict_rules_take_cookie_octets_only() {
    for line in ["sid=\"a\"", "sid=a b", "sid=a,b", "sid=a\\b", "sid= a"] {
        assert!(matches!(own(line, CookieRules::STRICT), Err(Reject::MalformedCookie(_))), "{line}");
    }
    assert_eq!(own("sid=%41", CookieRules::STRICT), some("%41"));
}

#[test]
fn the_values_of_a_name_come_in_the_order_sent() {
    let cookies = Cookies::from_line("sid=b; x=1; sid=a; sid=b");
    let values = values(&cookies, "sid", CookieRules::SPRING).unwrap();
    assert_eq!(values, [&b"b"[..], b"a", b"b"]);
}

proptest! {
    #[test]
    fn no_header_panics_and_a_value_is_never_longer_than_what_was_sent(line in proptest::collection::vec(any::<u8>(), 0..200)) {
        let line = [b"sid=".as_slice(), &line].concat();
        for (_, rules) in FAMILIES {
            let cookies = Cookies::from_line(line.clone());
            if let Ok(Some(value)) = pick(&cookies, "sid", rules, DuplicateCookie::AsFramework) {
                prop_assert!(value.len() <= line.len());
            }
        }
    }

    #[test]
    fn what_survives_the_refusal_of_duplicates_is_what_the_framework_itself_picks(
        line in "(sid|x|s\\.id|sid )=[a-c%+\" ]{0,4}(; ?(sid|x|s\\.id|sid )=[a-c%+\" ]{0,4}){0,4}",
    ) {
        for (family, rules) in FAMILIES {
            let strict = picked(line.as_bytes(), "sid", rules, DuplicateCookie::Reject);
            if strict != Err(Reject::DuplicateCookie) {
                let own = picked(line.as_bytes(), "sid", rules, DuplicateCookie::AsFramework);
                prop_assert_eq!(strict, own, "{}", family);
            }
        }
    }

    #[test]
    fn a_percent_encoded_value_comes_back_whole(value in "[ -~]{1,40}") {
        let encoded = percent_encoding::utf8_percent_encode(&value, percent_encoding::NON_ALPHANUMERIC);
        let line = format!("a=1; sid={encoded}; b=2");
        for rules in [CookieRules::EXPRESS, CookieRules::FASTIFY, CookieRules::RACK, CookieRules::PHP, CookieRules::TOWER] {
            prop_assert_eq!(own(&line, rules), some(&value));
        }
    }
}
