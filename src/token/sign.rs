//! JWS compact serialisation (RFC 7515 §7.1) with a held key.

use crate::config::TokenProfile;
use crate::token::error::TokenError;
use crate::token::key::Key;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// `prefix` followed by the signed token. The size is known before the signature, so a token that is too large costs none.
pub(super) fn compact(
    key: &Key,
    profile: TokenProfile,
    prefix: &str,
    claims: &[u8],
    bytes_max: usize,
) -> Result<String, TokenError> {
    let header = key.header(profile);
    let bytes = header.len() + 2 + encoded_len(claims.len()) + encoded_len(key.signature_len());
    if bytes > bytes_max {
        return Err(TokenError::TooLarge { bytes, limit: bytes_max });
    }
    let mut text = String::with_capacity(prefix.len() + bytes);
    text.push_str(prefix);
    text.push_str(header);
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(claims, &mut text);
    let message = text.as_bytes().get(prefix.len()..).unwrap_or_default();
    let signature = key.sign(message, |signature| URL_SAFE_NO_PAD.encode(signature));
    text.push('.');
    text.push_str(&signature.ok_or(TokenError::SigningFailed)?);
    Ok(text)
}

/// Length in base64 without padding.
const fn encoded_len(bytes: usize) -> usize {
    (bytes * 4).div_ceil(3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Algorithm;
    use crate::token::fixture;

    #[test]
    fn the_size_that_was_counted_is_the_size_of_the_token() {
        for algorithm in fixture::ALGORITHMS {
            let key = fixture::key(algorithm);
            for len in 0..4 {
                let claims = vec![b' '; len];
                let token = compact(&key, TokenProfile::Jwt, "", &claims, usize::MAX).unwrap();
                let limit = token.len() - 1;
                assert_eq!(
                    compact(&key, TokenProfile::Jwt, "", &claims, limit),
                    Err(TokenError::TooLarge { bytes: token.len(), limit })
                );
            }
        }
    }

    #[test]
    fn the_prefix_is_not_signed_and_not_counted() {
        let key = fixture::key(Algorithm::EdDSA);
        let plain = compact(&key, TokenProfile::Jwt, "", b"{}", usize::MAX).unwrap();
        // Ed25519 is deterministic, so equal input is equal output.
        assert_eq!(
            compact(&key, TokenProfile::Jwt, "Bearer ", b"{}", plain.len()).unwrap(),
            format!("Bearer {plain}")
        );
    }
}
