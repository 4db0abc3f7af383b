//! From a profile to the format that reads it.

use crate::config::{ConfigError, Framework, Profile};
use crate::format::{SessionFormat, options};

/// The format of this profile, with its options checked.
///
/// # Errors
/// Every mistake in the profile's options, and every option that its framework has no use for.
pub fn build(profile: &Profile) -> Result<Box<dyn SessionFormat>, Vec<ConfigError>> {
    match profile.framework.value {
        Framework::Express
        | Framework::Koa
        | Framework::Fastify
        | Framework::BetterAuth
        | Framework::Django
        | Framework::Flask
        | Framework::Starlette
        | Framework::Rails
        | Framework::Rack
        | Framework::Laravel
        | Framework::Php
        | Framework::Symfony
        | Framework::Spring
        | Framework::GoScs
        | Framework::Gorilla
        | Framework::Gin
        | Framework::Actix
        | Framework::Tower
        | Framework::Aspnet
        | Framework::Json
        | Framework::Msgpack
        | Framework::Jwt => Err(vec![not_in_this_build(profile)]),
    }
}

fn not_in_this_build(profile: &Profile) -> ConfigError {
    let word = options::word(profile.framework.value);
    ConfigError::new(
        profile.framework.at,
        format!("sessions.{}.framework", profile.name),
        format!("`{word}` is not in this build yet"),
        "",
    )
}
