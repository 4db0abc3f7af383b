//! A session profile from a vector file's `profile` block, as `gateway.toml` would give it.

use cloakroom::config::{At, DuplicateCookie, FormatOptions, Framework, Located, Profile, Secret, StoreId};
use serde::Deserialize;
use serde_json::Value as Json;

const HERE: At = At { file: 0, start: 0, end: 0 };

/// The profile and the database its keys are in; the subject's path is the profile's.
pub(crate) fn read(block: &Json, duplicate_cookie: DuplicateCookie) -> Result<(Profile, u64), String> {
    let framework = Framework::deserialize(&block["framework"]).map_err(|error| error.to_string())?;
    let subject = block["subject"].as_str().map(|path| located(path.to_owned()));
    let profile = Profile {
        name: "captured".into(),
        at: HERE,
        framework: located(framework),
        store: Some(StoreId(0)),
        skew: std::time::Duration::ZERO,
        options: options(block)?,
        subject,
        sub: located("{subject}".into()),
        attributes: Vec::new(),
        duplicate_cookie,
        user_record: None,
        valid_if: Vec::new(),
        cookie_repair: Vec::new(),
        idle_touch: None,
        act: None,
    };
    Ok((profile, block["db"].as_u64().ok_or("no `db`")?))
}

fn options(block: &Json) -> Result<FormatOptions, String> {
    let text = |name: &str| block[name].as_str().map(|text| located(text.to_owned()));
    let flag = |name: &str| block[name].as_bool().map(located);
    let secrets = |name: &str| {
        let secrets = block[name].as_array().into_iter().flatten();
        secrets.map(|secret| located(Secret::new(secret.as_str().unwrap_or_default().into()))).collect()
    };
    let texts = |name: &str| {
        let texts = block[name].as_array().into_iter().flatten();
        texts.map(|text| located(text.as_str().unwrap_or_default().to_owned())).collect()
    };
    const KNOWN: [&str; 20] = [
        "framework",
        "cookie",
        "key",
        "db",
        "secrets",
        "encryption_secrets",
        "signed",
        "cookie_prefix",
        "engine",
        "serializer",
        "store_serializer",
        "compressor",
        "cipher",
        "encrypted",
        "issuer",
        "audience",
        "algorithms",
        "typ",
        "missing_exp",
        "subject",
    ];
    for name in block.as_object().ok_or("no `profile`")?.keys() {
        if !KNOWN.contains(&name.as_str()) {
            return Err(format!("an unknown option, `{name}`"));
        }
    }
    Ok(FormatOptions {
        cookie: text("cookie"),
        key: text("key"),
        secrets: secrets("secrets"),
        encryption_secrets: secrets("encryption_secrets"),
        signed: flag("signed"),
        cookie_prefix: text("cookie_prefix"),
        engine: text("engine"),
        serializer: text("serializer"),
        store_serializer: text("store_serializer"),
        compressor: text("compressor"),
        cipher: text("cipher"),
        encrypted: flag("encrypted"),
        issuer: text("issuer"),
        audience: texts("audience"),
        algorithms: texts("algorithms"),
        typ: text("typ"),
        missing_exp: text("missing_exp"),
    })
}

const fn located<T>(value: T) -> Located<T> {
    Located { value, at: HERE }
}
