//! What comes before the first request: whom the connection is from, and encryption.

use std::pin::pin;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use crate::listen::connections::{Connections, TurnedAway};
use crate::listen::proxied::{self, Unproxied};
use crate::listen::stream::Stream;
use crate::listen::terms::Terms;
use crate::request::Conn;

/// The stream that requests come over, if the client gets so far in time. It holds its place meanwhile.
pub(crate) async fn receive(
    stream: TcpStream,
    conn: Conn,
    terms: &Terms,
    connections: &Connections,
) -> Option<(Stream, Conn)> {
    let peer = conn.peer;
    let (pressure, begun) = (connections.pressure(), Instant::now());
    let mut news = pressure.news();
    let mut agreeing = pin!(agree(stream, conn, terms));
    let cause = loop {
        let due = begun + pressure.shorten(terms.limits.handshake_timeout);
        tokio::select! {
            biased;
            agreed = &mut agreeing => match agreed {
                Ok(received) => return Some(received),
                Err(cause) => break cause,
            },
            // Its sender lives as long as `pressure`.
            _ = news.changed() => {}
            () = sleep_until(due) => {
                tracing::debug!(%peer, "a handshake took too long");
                break Some(TurnedAway::Late);
            }
        }
    };
    if let Some(cause) = cause {
        connections.turn_away(cause);
    }
    None
}

/// `Err(None)`: it ended without a word, which counts as nothing.
async fn agree(
    mut stream: TcpStream,
    mut conn: Conn,
    terms: &Terms,
) -> Result<(Stream, Conn), Option<TurnedAway>> {
    if let Some(proxies) = &terms.proxies {
        let peer = conn.peer;
        conn = proxied::introduced(&mut stream, conn, proxies).await.map_err(|error| {
            tracing::debug!(%peer, %error, "a connection was not introduced");
            (!matches!(error, Unproxied::Silent)).then_some(TurnedAway::ProxyHeader)
        })?;
    }
    let Some(tls) = &terms.tls else { return Ok((Stream::Plain(stream), conn)) };
    match tls.accept(stream).await {
        Ok(Some((stream, shown))) => Ok((Stream::Tls(stream), Conn { shown, ..conn })),
        Ok(None) => {
            tracing::info!(peer = %conn.peer, "an ACME authority was shown that a name leads here");
            Err(None)
        }
        Err(error) => {
            tracing::debug!(peer = %conn.peer, %error, "a TLS handshake failed");
            Err(Some(TurnedAway::Handshake))
        }
    }
}
