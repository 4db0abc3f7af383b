//! Short HTTP exchanges that the gateway begins itself: keys of issuers, introspection, certificates, what its own commands ask.
//!
//! Job: one request and its answer over a connection of its own, with TLS under the roots that are configured. Not the job: what is
//! forwarded for clients (`upstream`), when to ask again, and what an answer means.
//!
//! Invariants: bounded in time and in bytes, whatever the other side does; no redirect is followed, since it would be for others to say then
//! where our credentials go; nothing is shared between two exchanges.

use crate::config::{ConfigError, WebAddress};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// From the name look-up to the last byte of the answer.
pub(crate) const EXCHANGE_MAX: Duration = Duration::from_secs(5);
/// Longest head of an answer.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// How to reach one URL.
pub struct Web {
    host: String,
    port: u16,
    authority: HeaderValue,
    target: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    patience: Duration,
}

/// An answer of 200.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) body: Bytes,
    /// How long it may be kept, if it says so.
    pub(crate) max_age: Option<Duration>,
}

/// Why there is none.
#[derive(Debug)]
pub enum FetchError {
    /// The connection could not be made, or TLS on it.
    Connect(io::Error),
    /// The exchange broke.
    Exchange(hyper::Error),
    /// The body broke off, or was too long.
    Body(Box<dyn std::error::Error + Send + Sync>),
    /// Another status than 200.
    Status(StatusCode),
    /// No answer within this time.
    TimedOut(Duration),
    /// It came, and is not what it should be.
    Unusable(&'static str),
}

impl Web {
    /// For this address, which the key `key` of the configuration holds.
    ///
    /// # Errors
    /// A host that cannot be a TLS server's name, certificates that are none, or a system without any.
    pub fn new(address: &WebAddress, key: &str) -> Result<Self, ConfigError> {
        let WebAddress { at, text, host, port, target, ca, .. } = address;
        let mistake = |found: String, accepted: &str| ConfigError::new(*at, key, found, accepted);
        let tls = match address.tls {
            false => None,
            true => {
                let name = ServerName::try_from(host.clone())
                    .map_err(|_| mistake(format!("`{host}`"), "a DNS name or an address"))?;
                let roots = roots(ca.as_deref());
                if roots.is_empty() {
                    let found = "an https:// URL, but there are no root certificates";
                    let accepted = "`ca`, or certificates where the system keeps them (`ca-certificates`)";
                    return Err(mistake(found.to_owned(), accepted));
                }
                Some((TlsConnector::from(Arc::new(client_tls(roots))), name))
            }
        };
        let bare = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let default = if address.tls { 443 } else { 80 };
        let authority = if *port == default { bare } else { format!("{bare}:{port}") };
        let authority = HeaderValue::try_from(authority)
            .map_err(|_| mistake(format!("`{text}`"), "a URL that can be called"))?;
        Ok(Self {
            host: host.clone(),
            port: *port,
            authority,
            target: target.clone(),
            tls,
            patience: EXCHANGE_MAX,
        })
    }

    /// For those who take longer to answer: from the name look-up to the last byte.
    #[must_use]
    pub(crate) const fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// GET.
    ///
    /// # Errors
    /// [`FetchError`]; any status but 200 is one, redirects too.
    pub(crate) async fn get(&self, bytes_max: usize) -> Result<Fetched, FetchError> {
        self.exchange(Request::get(&self.target), Bytes::new(), bytes_max).await
    }

    /// POST of a form.
    ///
    /// # Errors
    /// As [`Web::get`].
    pub(crate) async fn post(
        &self,
        authorization: &HeaderValue,
        form: Bytes,
        bytes_max: usize,
    ) -> Result<Fetched, FetchError> {
        let request = Request::post(&self.target)
            .header(AUTHORIZATION, authorization)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.exchange(request, form, bytes_max).await
    }

    /// The status of the answer to any request for this host; of its body nothing is read.
    ///
    /// # Errors
    /// [`FetchError`] where there is no answer.
    pub async fn status(&self, mut request: Request<Full<Bytes>>) -> Result<StatusCode, FetchError> {
        let headers = request.headers_mut();
        headers.insert(HOST, self.authority.clone());
        headers.insert(USER_AGENT, HeaderValue::from_static("cloakroom"));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        self.in_time(request, async |response| Ok(response.status())).await
    }

    /// The whole answer to any request for this host, whatever its status.
    ///
    /// # Errors
    /// [`FetchError`] where there is no answer, or a longer one.
    pub async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
        bytes_max: usize,
    ) -> Result<Response<Bytes>, FetchError> {
        let headers = request.headers_mut();
        headers.insert(HOST, self.authority.clone());
        headers.insert(USER_AGENT, HeaderValue::from_static("cloakroom"));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        self.in_time(request, async |response| {
            let (head, body) = response.into_parts();
            let body = Limited::new(body, bytes_max).collect().await.map_err(FetchError::Body)?;
            Ok(Response::from_parts(head, body.to_bytes()))
        })
        .await
    }

    async fn exchange(
        &self,
        request: http::request::Builder,
        body: Bytes,
        bytes_max: usize,
    ) -> Result<Fetched, FetchError> {
        let request = request
            .header(HOST, &self.authority)
            .header(ACCEPT, "application/json, */*;q=0.1")
            .header(USER_AGENT, "cloakroom")
            .header(CONNECTION, "close")
            .body(Full::new(body))
            .map_err(|_| FetchError::Unusable("a request that cannot be written"))?;
        self.in_time(request, async |response| read(response, bytes_max).await).await
    }

    /// Sends, and has `take` read the answer.
    async fn in_time<T>(
        &self,
        request: Request<Full<Bytes>>,
        take: impl AsyncFnOnce(Response<Incoming>) -> Result<T, FetchError>,
    ) -> Result<T, FetchError> {
        let exchange = async {
            let place = (self.host.as_str(), self.port);
            let stream = TcpStream::connect(place).await.map_err(FetchError::Connect)?;
            let (response, _sender) = match &self.tls {
                None => converse(stream, request).await?,
                Some((tls, name)) => {
                    let stream = tls.connect(name.clone(), stream).await.map_err(FetchError::Connect)?;
                    converse(stream, request).await?
                }
            };
            take(response).await
        };
        tokio::time::timeout(self.patience, exchange)
            .await
            .unwrap_or(Err(FetchError::TimedOut(self.patience)))
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Result<(Response<Incoming>, http1::SendRequest<Full<Bytes>>), FetchError> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(FetchError::Exchange)?;
    // It ends by itself when the exchange is over or given up: that holds its other end.
    tokio::task::spawn_local(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection of our own broke");
        }
    });
    let response = sender.send_request(request).await.map_err(FetchError::Exchange)?;
    Ok((response, sender))
}

async fn read(response: Response<Incoming>, bytes_max: usize) -> Result<Fetched, FetchError> {
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status(response.status()));
    }
    let max_age = max_age(response.headers());
    let body = Limited::new(response.into_body(), bytes_max).collect().await.map_err(FetchError::Body)?;
    Ok(Fetched { body: body.to_bytes(), max_age })
}

fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let lines = headers.get_all(CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
    let seconds = lines
        .flat_map(|line| line.split(','))
        .find_map(|part| part.trim().to_ascii_lowercase().strip_prefix("max-age=")?.parse().ok());
    seconds.map(Duration::from_secs)
}

fn roots(ca: Option<&[u8]>) -> rustls::RootCertStore {
    let mut roots = rustls::RootCertStore::empty();
    let certificates = match ca {
        None => rustls_native_certs::load_native_certs().certs,
        Some(pem) => CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).collect(),
    };
    roots.add_parsable_certificates(certificates);
    roots
}

fn client_tls(roots: rustls::RootCertStore) -> rustls::ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has ciphers for TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    tls
}

impl std::fmt::Debug for Web {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Web({}:{}{})", self.host, self.port, self.target)
    }
}

impl std::fmt::Display for FetchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connect(_) => f.write_str("no connection"),
            Self::Exchange(_) => f.write_str("the exchange broke"),
            Self::Body(_) => f.write_str("the body broke off or is too long"),
            Self::Status(status) => write!(f, "the answer is {status}"),
            Self::TimedOut(patience) => write!(f, "no answer within {patience:?}"),
            Self::Unusable(what) => write!(f, "the answer is of no use: {what}"),
        }
    }
}

impl std::error::Error for FetchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connect(error) => Some(error),
            Self::Exchange(error) => Some(error),
            Self::Body(error) => Some(&**error),
            Self::Status(_) | Self::TimedOut(_) | Self::Unusable(_) => None,
        }
    }
}
