//! Who we are to a Redis or a sentinel, wherever it is.

use crate::config::{Secret, SentinelGroup};
use crate::store::Address;
use crate::store::options::READS_IN_FLIGHT_MAX;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    ProtocolVersion, PushInfo, RedisConnectionInfo, RedisError, TlsCertificates,
};
use std::time::Duration;

/// TCP and TLS handshakes, HELLO and SELECT are five round trips at most, each as long as a read may take; and never less than this.
const CONNECT_TIMEOUT_MIN: Duration = Duration::from_millis(250);
const CONNECT_ROUND_TRIPS: u32 = 5;

/// How to log in, what to trust and what to show of ourselves.
#[derive(Clone)]
pub(crate) struct Dial {
    info: ConnectionInfo,
    ca: Option<Vec<u8>>,
    client: Option<ClientCertificate>,
    timeout: Duration,
}

/// The chain and its key, in PEM.
type ClientCertificate = (Vec<u8>, Secret);

/// What connects to one server.
#[derive(Clone)]
pub(crate) struct Clients {
    pub(crate) resp3: Client,
    /// The same for a server without RESP3, where nothing can be pushed to us.
    resp2: Client,
}

impl Dial {
    pub(crate) fn new(
        url: &Secret,
        (username, password): (Option<&str>, Option<&Secret>),
        (ca, client): (Option<&Vec<u8>>, Option<&ClientCertificate>),
        timeout: Duration,
    ) -> Result<Self, RedisError> {
        let info = std::str::from_utf8(url.expose()).unwrap_or_default().into_connection_info()?;
        let settings = log_in(info.redis_settings().clone(), username, password);
        let tcp = info.tcp_settings().clone().set_nodelay(true);
        let info = info.set_redis_settings(settings).set_tcp_settings(tcp);
        Ok(Self { info, ca: ca.cloned(), client: client.cloned(), timeout })
    }

    /// The same for the sentinels that know the store's primary.
    pub(crate) fn for_sentinels(&self, group: &SentinelGroup) -> Self {
        let settings = RedisConnectionInfo::default();
        let settings = log_in(settings, group.username.as_deref(), group.password.as_ref());
        let address = at(&Address { host: "localhost".to_owned(), port: 1 }, group.tls);
        let info = self.info.clone().set_redis_settings(settings).set_addr(address);
        Self { info, ..self.clone() }
    }

    /// Whether TLS is spoken.
    pub(crate) fn is_tls(&self) -> bool {
        matches!(self.info.addr(), ConnectionAddr::TcpTls { .. })
    }

    /// What connects to `address`, or to where the URL leads.
    pub(crate) fn clients(&self, address: Option<&Address>) -> Result<Clients, RedisError> {
        let info = match address {
            Some(address) => self.info.clone().set_addr(at(address, self.is_tls())),
            None => self.info.clone(),
        };
        let open = |protocol| {
            let settings = info.redis_settings().clone().set_protocol(protocol);
            let info = info.clone().set_redis_settings(settings);
            if !self.is_tls() || self.ca.is_none() && self.client.is_none() {
                return Client::open(info);
            }
            let client_tls = self.client.as_ref().map(|(cert, key)| ClientTlsConfig {
                client_cert: cert.clone(),
                client_key: key.expose().to_vec(),
            });
            Client::build_with_tls(info, TlsCertificates { client_tls, root_cert: self.ca.clone() })
        };
        Ok(Clients { resp3: open(ProtocolVersion::RESP3)?, resp2: open(ProtocolVersion::RESP2)? })
    }

    /// Longest time that connecting may take.
    pub(crate) fn longest(&self) -> Duration {
        CONNECT_TIMEOUT_MIN.max(self.timeout * CONNECT_ROUND_TRIPS)
    }

    /// Connects, and tells `pushed` what the server says unasked, if it can; which is the second of the answer.
    pub(crate) async fn connect(
        &self,
        clients: &Clients,
        pushed: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<(MultiplexedConnection, bool), RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.longest()))
            .set_response_timeout(Some(self.longest()))
            // As many messages as there may be reads: a heartbeat must not wait behind them for a place to be written.
            .set_pipeline_buffer_size(READS_IN_FLIGHT_MAX);
        let pushing = config.clone().set_push_sender(move |push: PushInfo| {
            pushed(push);
            Ok::<(), redis::aio::SendError>(())
        });
        match clients.resp3.get_multiplexed_async_connection_with_config(&pushing).await {
            Ok(connection) => Ok((connection, true)),
            Err(error) if lacks_hello(&error) => {
                let connection = clients.resp2.get_multiplexed_async_connection_with_config(&config).await?;
                Ok((connection, false))
            }
            Err(error) => Err(error),
        }
    }
}

impl Clients {
    /// Where the server is.
    pub(crate) fn place(&self) -> String {
        self.resp3.get_connection_info().addr().to_string()
    }
}

fn log_in(
    mut settings: RedisConnectionInfo,
    username: Option<&str>,
    password: Option<&Secret>,
) -> RedisConnectionInfo {
    if let Some(username) = username {
        settings = settings.set_username(username);
    }
    if let Some(password) = password {
        settings = settings.set_password(String::from_utf8_lossy(password.expose()));
    }
    settings
}

fn at(address: &Address, tls: bool) -> ConnectionAddr {
    let Address { host, port } = address.clone();
    if tls {
        ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
    } else {
        ConnectionAddr::Tcp(host, port)
    }
}

/// Redis before 6, and some proxies: an error, not a broken connection, is the answer to HELLO.
fn lacks_hello(error: &RedisError) -> bool {
    error.kind() == redis::ErrorKind::RESP3NotSupported || error.code() == Some("ERR")
}
