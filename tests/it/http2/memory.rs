//! What a client costs that only keeps its connection.

use crate::http2::echoing;
use crate::support::h2::{End, H2};
use std::io::Write;

const CLIENTS: u64 = 10_000;
/// Beyond the kernel's own.
const BYTES_EACH: u64 = 24 * 1024;

/// `ulimit -n 20000; cargo test --test it -- --ignored idle_connections_of_http2`
#[test]
#[ignore = "measures memory: needs 20,000 file descriptors"]
fn idle_connections_of_http2_stay_small() {
    let (_upstream, app) = echoing("idle_timeout = \"10m\"");
    let mut warm = H2::connect(app.gateway.public);
    assert!(matches!(warm.get(1, "/open/a"), End::Answer(200, _)));
    let before = app.gateway.resident();
    let clients: Vec<H2> = (0..CLIENTS)
        .map(|_| {
            let mut client = H2::connect(app.gateway.public);
            assert!(matches!(client.get(1, "/open/a"), End::Answer(200, _)));
            client
        })
        .collect();
    let each = app.gateway.resident().saturating_sub(before) / CLIENTS;
    let _ = writeln!(std::io::stdout(), "an idle connection of HTTP/2: {each} bytes");
    assert!(each <= BYTES_EACH, "{each}");
    drop(clients);
}
