//! Somebody whom no service should trust: a key of their own, a certificate for it, and a place where both can be fetched.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// The stranger's private key: published, worthless, never use it. It is not made anew because the certificate is for it.
const KEY: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgK0ICs5L7fwcA39o/QOAEhW+HvTN6bbTGyUFced3lImChRANCAAS3vXXfmUUzzjjjmwm6n7riWTyRVdV9LzfsMXNMUaD6GCxP/qmctiukdBLv8OtSRjBOhoiEUPdjWROXkM1TEbHk";
/// A certificate that the stranger signed for that key, until 2126.
pub(super) const CERTIFICATE: &str = "MIIBeTCCAR+gAwIBAgIUNEnvEUPvhLfUOuuB8HbYWd5XvxAwCgYIKoZIzj0EAwIwETEPMA0GA1UEAwwGYXR0ZXN0MCAXDTI2MTEyMTA5MjU0M1oYDzIxMjYxMDI4MDkyNTQzWjARMQ8wDQYDVQQDDAZhdHRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAS3vXXfmUUzzjjjmwm6n7riWTyRVdV9LzfsMXNMUaD6GCxP/qmctiukdBLv8OtSRjBOhoiEUPdjWROXkM1TEbHko1MwUTAdBgNVHQ4EFgQUxZF2t4NYPAH6+7vKubll/+0PGAIwHwYDVR0jBBgwFoAUxZF2t4NYPAH6+7vKubll/+0PGAIwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiEAmhV0nNihtX3SCne9saWvNA7pZQC2ncIFyr7V0spbzI0CIF1QkxlE6JvCH6OFWuXnuqHLlWobKFCdl1d7IJVJw0sp";
/// Looks like the thumbprint of a key.
const KID: &str = "c3RyYW5nZXItaW4tdGhlLWhlYWRlci1vZi1hLXRva2Vu";

/// The stranger.
#[derive(Debug)]
pub(super) struct Stranger {
    key: EcdsaKeyPair,
    url: String,
}

impl Stranger {
    /// Appears, with an endpoint on this machine that serves the key set as long as this worker runs.
    pub(super) async fn appear() -> std::io::Result<Self> {
        let broken = |_| std::io::Error::other("the stranger's key is broken");
        let der = STANDARD.decode(KEY).map_err(|_| std::io::Error::other("the stranger's key is broken"))?;
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).map_err(broken)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/jwks.json", listener.local_addr()?);
        let stranger = Self { key, url };
        let set = format!("{{\"keys\":[{}]}}", stranger.jwk());
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{set}",
            set.len()
        );
        tokio::task::spawn_local(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                // Whoever asks gets the set, whatever was asked; one that hangs up has what it wanted.
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Ok(stranger)
    }

    pub(super) const fn kid(&self) -> &'static str {
        KID
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn jwk(&self) -> String {
        let point = self.key.public_key().as_ref().get(1..).unwrap_or_default();
        let (x, y) = point.split_at(point.len() / 2);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}","kid":"{KID}","use":"sig","alg":"ES256"}}"#)
    }

    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        self.key.sign(&SystemRandom::new(), message).ok().map(|signature| signature.as_ref().to_vec())
    }
}
