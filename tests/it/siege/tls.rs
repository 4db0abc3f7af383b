//! By TLS.

use crate::siege::{HELD, app, besiege, said, world};
use crate::support::{Authority, Client};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;

#[test]
fn handshakes_half_done_do_not_eat_the_memory() {
    let (upstream, authority) = (app(), Authority::new());
    authority.issue("a", &["gw.test"]);
    let world = world(&upstream).table(&authority.entry("a")).start();
    let config = authority.client();
    let mut hello = Vec::new();
    let name = ServerName::try_from("gw.test").unwrap();
    ClientConnection::new(config.clone(), name).unwrap().write_tls(&mut hello).unwrap();
    let good = || Client::secure(world.gateway.public, "gw.test", &config);
    besiege(&world, ("handshakes", HELD), good, |gateway| {
        vec![said(gateway, &hello), said(gateway, &hello[..100])]
    });
}
