//! From a profile to the format that reads it.

use crate::config::{ConfigError, Framework, Profile};
use crate::format::SessionFormat;
use crate::format::actix::Actix;
use crate::format::aspnet::Aspnet;
use crate::format::bare::Bare;
use crate::format::better_auth::BetterAuth;
use crate::format::django::Django;
use crate::format::express::Express;
use crate::format::fastify::Fastify;
use crate::format::flask::Flask;
use crate::format::go_scs::Scs;
use crate::format::gorilla::Gorilla;
use crate::format::jwt::Jwt;
use crate::format::koa::Koa;
use crate::format::laravel::Laravel;
use crate::format::php::Php;
use crate::format::rack::Rack;
use crate::format::rails::Rails;
use crate::format::spring::Spring;
use crate::format::starlette::Starlette;
use crate::format::symfony::Symfony;
use crate::format::tower::Tower;

/// The format of this profile, with its options checked.
///
/// # Errors
/// Every mistake in the profile's options, and every option that its framework has no use for.
pub fn build(profile: &Profile) -> Result<Box<dyn SessionFormat>, Vec<ConfigError>> {
    match profile.framework.value {
        Framework::Actix => boxed(Actix::new(profile)),
        Framework::Aspnet => boxed(Aspnet::new(profile)),
        Framework::BetterAuth => boxed(BetterAuth::new(profile)),
        Framework::Django => boxed(Django::new(profile)),
        Framework::Express => boxed(Express::new(profile)),
        Framework::Fastify => boxed(Fastify::new(profile)),
        Framework::Flask => boxed(Flask::new(profile)),
        Framework::GoScs => boxed(Scs::new(profile)),
        Framework::Gin | Framework::Gorilla => boxed(Gorilla::new(profile)),
        Framework::Json | Framework::Msgpack => boxed(Bare::new(profile)),
        Framework::Koa => boxed(Koa::new(profile)),
        Framework::Laravel => boxed(Laravel::new(profile)),
        Framework::Php => boxed(Php::new(profile)),
        Framework::Rack => boxed(Rack::new(profile)),
        Framework::Rails => boxed(Rails::new(profile)),
        Framework::Spring => boxed(Spring::new(profile)),
        Framework::Starlette => boxed(Starlette::new(profile)),
        Framework::Symfony => boxed(Symfony::new(profile)),
        Framework::Tower => boxed(Tower::new(profile)),
        Framework::Jwt => boxed(Jwt::new(profile)),
    }
}

fn boxed<F: SessionFormat + 'static>(
    made: Result<F, Vec<ConfigError>>,
) -> Result<Box<dyn SessionFormat>, Vec<ConfigError>> {
    made.map(|format| Box::new(format) as Box<dyn SessionFormat>)
}
