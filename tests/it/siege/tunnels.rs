//! By WebSocket.

use crate::siege::{HELD, besiege, said, world};
use crate::support::{Ask, Client, Upstream, agreement, answer_with};
use std::io::{Read, Write};
use std::time::Duration;

/// Agrees to every tunnel and fills it.
fn talkative() -> Upstream {
    Upstream::playing(|wire| {
        while let Some(request) = wire.request() {
            let Some(key) = request.one("sec-websocket-key") else {
                wire.say(answer_with(&request, b"ok"));
                continue;
            };
            wire.say(agreement(key, ""));
            let message = [&[0x82, 126, 0xff, 0][..], &[b'x'; 0xff00]].concat();
            let (socket, _) = wire.socket();
            while socket.write_all(&message).is_ok() {}
            return;
        }
    })
}

#[test]
fn tunnels_that_nobody_reads_do_not_eat_the_memory() {
    let upstream = talkative();
    let world = world(&upstream).start();
    let shake = Ask::get("/ws")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .bytes();
    let good = || Client::connect(world.gateway.public);
    besiege(&world, ("tunnels unread", HELD), good, |gateway| {
        let mut socket = said(gateway, &shake);
        let _ = socket.set_read_timeout(Some(Duration::from_millis(500)));
        let _ = socket.read(&mut [0; 64]);
        // Masked frames that are never finished.
        let _ =
            socket.write_all(&[&[0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0][..], &[0; 50_000]].concat());
        vec![socket]
    });
}
