//! Every kind of token that is tried, one line each.

/// What a service should do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Let it in.
    Accept,
    /// Keep it out.
    Refuse,
}

/// What it means if it does the other thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// A reading of the standards that others do not share.
    Low,
    /// A token counts for longer, or in another way, than it says.
    Medium,
    /// A genuine token of another use, time or place gets in.
    High,
    /// Anybody gets in as anybody.
    Critical,
}

/// A change of the header's or the claims' members. Values are JSON in which `{…}` stands for what only the moment knows.
#[derive(Clone, Copy, Debug)]
pub enum Edit {
    /// This value for this name.
    Put(&'static str, &'static str),
    /// Once more, after all others.
    Twice(&'static str, &'static str),
    /// No such name.
    Drop(&'static str),
}

/// What a shared secret is made of, where a service has none.
#[derive(Clone, Copy, Debug)]
pub enum Guess {
    /// The public key as PEM, as every library reads it from a file.
    Pem,
    /// The same without its last newline.
    PemCut,
    /// The same as DER.
    Der,
    /// Its JWK.
    Jwk,
    /// No bytes.
    Empty,
    /// `secret`
    Word,
}

/// The part after the last dot.
#[derive(Clone, Copy, Debug)]
pub enum Sign {
    /// As the gateway signs.
    Right,
    /// Empty.
    Nothing,
    /// Not even the dot.
    Gone,
    /// As long as a right one, of zeros: the psychic signature (CVE-2022-21449).
    Zeros,
    /// The same in DER.
    ZerosDer,
    /// As long as a right one, of ones.
    Ones,
    /// Right but for one bit.
    Flipped,
    /// The front half of a right one.
    Half,
    /// A right one, and more.
    Longer,
    /// A right one of another token.
    Others,
    /// By a key of nobody's.
    Stranger,
    /// By a guessed secret, with HMAC and SHA-256, -384 or -512.
    Hmac(u16, Guess),
}

/// How it is put together, and sent.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// `Authorization: Bearer header.claims.signature`
    Bearer,
    /// The claims of somebody else put in after it was signed.
    ClaimsSwapped,
    /// The header changed after it was signed.
    HeaderSwapped,
    /// One part more, or two.
    Parts(usize),
    /// As JSON (RFC 7515 §7.2.2), in base64url since no header takes it plain.
    Json,
    /// `Authorization:` with another text around the token, which `{token}` stands for.
    Field(&'static str),
    /// In the query, `?access_token=`.
    Query,
}

/// A kind of token.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its name, in kebab-case.
    pub name: &'static str,
    /// What a service should do with it.
    pub wanted: Wanted,
    /// What it means if it does not.
    pub severity: Severity,
    /// Changes of the header.
    pub header: &'static [Edit],
    /// Changes of the claims.
    pub claims: &'static [Edit],
    /// Its signature.
    pub sign: Sign,
    /// How it is sent.
    pub shape: Shape,
    /// What to do about it.
    pub fix: &'static str,
}

const ALG: &str = "take the algorithm from your configuration, one name, never from the token";
const SIGNATURE: &str =
    "verify the signature with a library, over the very bytes that came, before anything is read";
const KEY: &str = "use only keys of the gateway's JWKS; `kid` chooses among them and is no path, query or URL; ignore jwk, jku, x5u, x5c";
const CRIT: &str = "refuse a token with `crit` unless every name in it is understood";
const ISSUER: &str = "compare `iss` with the gateway's issuer, as whole text";
const AUDIENCE: &str = "demand `aud`, and compare it with this service's own name, as whole text";
const TYPE: &str = "demand the `typ` that the gateway sets; other tokens are signed by the same keys";
const EXPIRY: &str =
    "demand `exp` as a number, and refuse what has ended, with some seconds of leeway at most";
const BEGIN: &str = "refuse a token whose `nbf` lies ahead, and one whose `nbf` is no number";
const SUBJECT: &str = "demand `sub`: a token of nobody is nobody's";
const FORM: &str = "take exactly three parts, and answer 401 to everything that cannot be read";
const SIZE: &str = "refuse a token of more than 8 KiB before it is read";
const TRANSPORT: &str =
    "take the token from `Authorization: Bearer` alone, without case, and answer 401 where there is none";
const STRICT: &str = "this is a token that the gateway makes, or may make: take it";

const fn bad(
    name: &'static str,
    severity: Severity,
    header: &'static [Edit],
    claims: &'static [Edit],
    sign: Sign,
    fix: &'static str,
) -> Kind {
    Kind { name, wanted: Wanted::Refuse, severity, header, claims, sign, shape: Shape::Bearer, fix }
}

const fn sent(name: &'static str, severity: Severity, sign: Sign, shape: Shape, fix: &'static str) -> Kind {
    Kind { name, wanted: Wanted::Refuse, severity, header: &[], claims: &[], sign, shape, fix }
}

const fn good(name: &'static str, header: &'static [Edit], claims: &'static [Edit], shape: Shape) -> Kind {
    Kind {
        name,
        wanted: Wanted::Accept,
        severity: Severity::Medium,
        header,
        claims,
        sign: Sign::Right,
        shape,
        fix: STRICT,
    }
}

use Edit::{Drop, Put, Twice};
use Guess::{Der, Empty, Jwk, Pem, PemCut, Word};
use Severity::{Critical, High, Low, Medium};
use Sign::{Flipped, Gone, Half, Hmac, Longer, Nothing, Ones, Others, Right, Stranger, Zeros, ZerosDer};

/// All kinds; the first is what the gateway itself would send.
#[rustfmt::skip]
pub const KINDS: &[Kind] = &[
    good("plain", &[], &[], Shape::Bearer),
    good("aud-among-others", &[], &[Put("aud", "[\"{elsewhere}\",\"{aud}\"]")], Shape::Bearer),
    good("more-claims", &[], &[Put("x-é", "{\"a\":[1,null,\"\\u00e9\"]}")], Shape::Bearer),
    good("more-header", &[Put("x-note", "\"not critical\"")], &[], Shape::Bearer),
    good("ends-soon", &[], &[Put("exp", "{now+20}")], Shape::Bearer),
    good("ends-in-an-hour", &[], &[Put("exp", "{now+3600}")], Shape::Bearer),
    good("begun-just-now", &[], &[Put("nbf", "{now-1}")], Shape::Bearer),
    good("scheme-in-lower-case", &[], &[], Shape::Field("bearer {token}")),

    sent("no-token", Critical, Right, Shape::Field(""), TRANSPORT),
    sent("empty-bearer", Critical, Right, Shape::Field("Bearer "), TRANSPORT),
    sent("garbage", Critical, Right, Shape::Field("Bearer garbage"), FORM),
    sent("scheme-basic", Low, Right, Shape::Field("Basic {token}"), TRANSPORT),
    sent("scheme-missing", Low, Right, Shape::Field("{token}"), TRANSPORT),
    sent("in-the-query", Low, Right, Shape::Query, TRANSPORT),

    bad("alg-none", Critical, &[Put("alg", "\"none\"")], &[], Nothing, ALG),
    bad("alg-none-capital", Critical, &[Put("alg", "\"None\"")], &[], Nothing, ALG),
    bad("alg-none-capitals", Critical, &[Put("alg", "\"NONE\"")], &[], Nothing, ALG),
    bad("alg-none-mixed", Critical, &[Put("alg", "\"nOnE\"")], &[], Nothing, ALG),
    bad("alg-none-blank", Critical, &[Put("alg", "\"none \"")], &[], Nothing, ALG),
    bad("alg-none-without-dot", Critical, &[Put("alg", "\"none\"")], &[], Gone, ALG),
    bad("alg-none-with-signature", Critical, &[Put("alg", "\"none\"")], &[], Stranger, ALG),
    bad("alg-empty", Critical, &[Put("alg", "\"\"")], &[], Nothing, ALG),
    bad("alg-missing", Critical, &[Drop("alg")], &[], Nothing, ALG),
    bad("alg-null", Critical, &[Put("alg", "null")], &[], Nothing, ALG),
    bad("alg-list", High, &[Put("alg", "[\"{alg}\"]")], &[], Right, ALG),
    bad("alg-lower-case", Low, &[Put("alg", "\"{alg-lower}\"")], &[], Right, ALG),
    bad("alg-of-another-family", Medium, &[Put("alg", "\"{alg-other}\"")], &[], Right, ALG),
    bad("alg-missing-but-signed", Low, &[Drop("alg")], &[], Right, ALG),
    bad("hs256-public-pem", Critical, &[Put("alg", "\"HS256\"")], &[], Hmac(256, Pem), ALG),
    bad("hs256-public-pem-cut", Critical, &[Put("alg", "\"HS256\"")], &[], Hmac(256, PemCut), ALG),
    bad("hs256-public-der", Critical, &[Put("alg", "\"HS256\"")], &[], Hmac(256, Der), ALG),
    bad("hs256-public-jwk", Critical, &[Put("alg", "\"HS256\"")], &[], Hmac(256, Jwk), ALG),
    bad("hs384-public-pem", Critical, &[Put("alg", "\"HS384\"")], &[], Hmac(384, Pem), ALG),
    bad("hs512-public-pem", Critical, &[Put("alg", "\"HS512\"")], &[], Hmac(512, Pem), ALG),
    bad("hs256-empty-secret", Critical, &[Put("alg", "\"HS256\"")], &[], Hmac(256, Empty), ALG),
    bad("hs256-common-secret", Critical, &[Put("alg", "\"HS256\"")], &[], Hmac(256, Word), ALG),
    bad("hs256-under-our-alg", Critical, &[], &[], Hmac(256, Pem), ALG),

    bad("signature-empty", Critical, &[], &[], Nothing, SIGNATURE),
    bad("signature-missing", Critical, &[], &[], Gone, SIGNATURE),
    bad("signature-zeros", Critical, &[], &[], Zeros, SIGNATURE),
    bad("signature-zeros-der", Critical, &[], &[], ZerosDer, SIGNATURE),
    bad("signature-ones", Critical, &[], &[], Ones, SIGNATURE),
    bad("signature-one-bit-off", Critical, &[], &[], Flipped, SIGNATURE),
    bad("signature-half", Critical, &[], &[], Half, SIGNATURE),
    bad("signature-longer", Low, &[], &[], Longer, SIGNATURE),
    bad("signature-of-another-token", Critical, &[], &[], Others, SIGNATURE),
    bad("signed-by-a-stranger", Critical, &[], &[], Stranger, SIGNATURE),
    sent("claims-swapped", Critical, Right, Shape::ClaimsSwapped, SIGNATURE),
    sent("header-swapped", Medium, Right, Shape::HeaderSwapped, SIGNATURE),

    bad("kid-not-published", Critical, &[Put("kid", "\"{stranger-kid}\"")], &[], Stranger, KEY),
    bad("kid-missing", Critical, &[Drop("kid")], &[], Stranger, KEY),
    bad("kid-empty", Critical, &[Put("kid", "\"\"")], &[], Stranger, KEY),
    bad("kid-null", Critical, &[Put("kid", "null")], &[], Stranger, KEY),
    bad("kid-number", Critical, &[Put("kid", "0")], &[], Stranger, KEY),
    bad("kid-path", Critical, &[Put("alg", "\"HS256\""), Put("kid", "\"../../../../../../dev/null\"")], &[], Hmac(256, Empty), KEY),
    bad("kid-sql", Critical, &[Put("alg", "\"HS256\""), Put("kid", "\"x' UNION SELECT 'secret' --\"")], &[], Hmac(256, Word), KEY),
    bad("kid-command", Critical, &[Put("kid", "\"|/usr/bin/id\"")], &[], Stranger, KEY),
    bad("kid-url", Critical, &[Put("kid", "\"{url}\"")], &[], Stranger, KEY),
    bad("kid-prototype", Critical, &[Put("kid", "\"__proto__\"")], &[], Stranger, KEY),
    bad("jwk-in-header", Critical, &[Drop("kid"), Put("jwk", "{jwk}")], &[], Stranger, KEY),
    bad("jwk-in-header-with-kid", Critical, &[Put("kid", "\"{stranger-kid}\""), Put("jwk", "{jwk}")], &[], Stranger, KEY),
    bad("jku-in-header", Critical, &[Put("kid", "\"{stranger-kid}\""), Put("jku", "\"{url}\"")], &[], Stranger, KEY),
    bad("x5u-in-header", Critical, &[Put("kid", "\"{stranger-kid}\""), Put("x5u", "\"{url}\"")], &[], Stranger, KEY),
    bad("x5c-in-header", Critical, &[Drop("kid"), Put("x5c", "[\"{x5c}\"]")], &[], Stranger, KEY),

    bad("crit-unknown", Medium, &[Put("crit", "[\"x-must\"]"), Put("x-must", "true")], &[], Right, CRIT),
    bad("crit-absent-name", Medium, &[Put("crit", "[\"x-must\"]")], &[], Right, CRIT),
    bad("crit-b64", Medium, &[Put("crit", "[\"b64\"]"), Put("b64", "false")], &[], Right, CRIT),

    bad("typ-missing", Medium, &[Drop("typ")], &[], Right, TYPE),
    bad("typ-logout", High, &[Put("typ", "\"logout+jwt\"")], &[], Right, TYPE),
    bad("typ-dpop", High, &[Put("typ", "\"dpop+jwt\"")], &[], Right, TYPE),
    bad("typ-of-another-profile", High, &[Put("typ", "\"{typ-other}\"")], &[], Right, TYPE),

    bad("iss-wrong", High, &[], &[Put("iss", "\"https://elsewhere.example\"")], Right, ISSUER),
    bad("iss-missing", High, &[], &[Drop("iss")], Right, ISSUER),
    bad("iss-null", High, &[], &[Put("iss", "null")], Right, ISSUER),
    bad("iss-longer", High, &[], &[Put("iss", "\"{iss}.elsewhere.example\"")], Right, ISSUER),
    bad("iss-shorter", High, &[], &[Put("iss", "\"{iss-front}\"")], Right, ISSUER),
    bad("iss-list", Medium, &[], &[Put("iss", "[\"https://elsewhere.example\",\"{iss}\"]")], Right, ISSUER),
    bad("iss-twice", Medium, &[], &[Twice("iss", "\"https://elsewhere.example\"")], Right, ISSUER),

    bad("aud-of-another-service", High, &[], &[Put("aud", "\"{elsewhere}\"")], Right, AUDIENCE),
    bad("aud-missing", High, &[], &[Drop("aud")], Right, AUDIENCE),
    bad("aud-null", High, &[], &[Put("aud", "null")], Right, AUDIENCE),
    bad("aud-none", High, &[], &[Put("aud", "[]")], Right, AUDIENCE),
    bad("aud-empty", High, &[], &[Put("aud", "\"\"")], Right, AUDIENCE),
    bad("aud-longer", High, &[], &[Put("aud", "\"{aud}-admin\"")], Right, AUDIENCE),
    bad("aud-shorter", High, &[], &[Put("aud", "\"{aud-front}\"")], Right, AUDIENCE),
    bad("aud-object", High, &[], &[Put("aud", "{\"{aud}\":true}")], Right, AUDIENCE),
    bad("aud-joined", High, &[], &[Put("aud", "\"{elsewhere} {aud}\"")], Right, AUDIENCE),
    bad("aud-twice", Medium, &[], &[Twice("aud", "\"{elsewhere}\"")], Right, AUDIENCE),

    bad("exp-an-hour-ago", High, &[], &[Put("iat", "{now-7200}"), Put("exp", "{now-3600}")], Right, EXPIRY),
    bad("exp-beyond-leeway", Medium, &[], &[Put("iat", "{now-600}"), Put("exp", "{now-120}")], Right, EXPIRY),
    bad("exp-missing", High, &[], &[Drop("exp")], Right, EXPIRY),
    bad("exp-null", High, &[], &[Put("exp", "null")], Right, EXPIRY),
    bad("exp-text", Medium, &[], &[Put("exp", "\"{now+300}\"")], Right, EXPIRY),
    bad("exp-text-past", High, &[], &[Put("exp", "\"{now-3600}\"")], Right, EXPIRY),
    bad("exp-word", High, &[], &[Put("exp", "\"never\"")], Right, EXPIRY),
    bad("exp-list", High, &[], &[Put("exp", "[{now+300}]")], Right, EXPIRY),
    bad("exp-true", High, &[], &[Put("exp", "true")], Right, EXPIRY),
    bad("exp-zero", High, &[], &[Put("exp", "0")], Right, EXPIRY),
    bad("exp-negative", High, &[], &[Put("exp", "-1")], Right, EXPIRY),
    bad("exp-twice", Medium, &[], &[Twice("exp", "{now-3600}")], Right, EXPIRY),
    bad("nbf-ahead", Medium, &[], &[Put("nbf", "{now+3600}"), Put("exp", "{now+7200}")], Right, BEGIN),
    bad("nbf-text-ahead", Medium, &[], &[Put("nbf", "\"{now+3600}\""), Put("exp", "{now+7200}")], Right, BEGIN),
    bad("sub-missing", Medium, &[], &[Drop("sub")], Right, SUBJECT),

    sent("one-part", Critical, Right, Shape::Parts(1), FORM),
    sent("four-parts", Medium, Right, Shape::Parts(4), FORM),
    sent("five-parts", Medium, Right, Shape::Parts(5), FORM),
    sent("as-json", Medium, Right, Shape::Json, FORM),
    bad("header-deep", Low, &[Put("x-deep", "{deep}")], &[], Stranger, FORM),
    bad("claims-deep", Low, &[], &[Put("x-deep", "{deep}")], Stranger, FORM),
    bad("oversized", Low, &[], &[Put("x-pad", "\"{pad}\"")], Right, SIZE),
];
