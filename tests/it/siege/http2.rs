//! By HTTP/2.

use crate::http2::fairness::{Sender, choosy};
use crate::siege::{HELD, before, besiege, said, siege};
use crate::support::Client;
use crate::support::h2::{
    self, CONTINUATION, DATA, END_HEADERS, END_STREAM, H2, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE,
};
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

/// Connections that one attacker holds at once: each has a hundred streams.
const FEW: usize = 20;
const STREAMS: u32 = 100;
/// Between two parts of what an attacker sends.
const PAUSE: Duration = Duration::from_millis(40);

/// A hundred streams, behind the hello.
fn streams(make: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    (0..STREAMS).map(|at| make(at * 2 + 1)).fold(h2::hello(), |bytes, stream| [bytes, stream].concat())
}

#[test]
fn streams_whose_windows_stay_closed_do_not_eat_the_memory() {
    let asked = streams(|stream| h2::headers(stream, END_STREAM, &h2::request("GET", "/large")));
    siege("streams unread", FEW, |gateway| vec![said(gateway, &asked)]);
}

#[test]
fn streams_with_wide_windows_that_nobody_reads_do_not_eat_the_memory() {
    let most = 0x7fff_ffff_u32.to_be_bytes();
    let wide = [&h2::frame(SETTINGS, 0, 0, &[&[0, 4][..], &most].concat())[..]].concat();
    let wider = h2::frame(WINDOW_UPDATE, 0, 0, &0x7fff_0000_u32.to_be_bytes());
    let asked = streams(|stream| h2::headers(stream, END_STREAM, &h2::request("GET", "/large")));
    let asked = [&asked[..], &wide, &wider].concat();
    siege("streams slowly read", FEW, |gateway| vec![said(gateway, &asked)]);
}

#[test]
fn streams_that_only_wait_do_not_eat_the_memory() {
    let large = "a".repeat(15_000);
    let fields = [&h2::request("GET", "/wait")[..], &[("x", &large)]].concat();
    let asked = streams(|stream| h2::headers(stream, END_STREAM, &fields));
    siege("many streams", FEW, |gateway| vec![said(gateway, &asked)]);
}

#[test]
fn bodies_of_streams_do_not_eat_the_memory() {
    let asked = streams(|stream| h2::headers(stream, 0, &h2::request("POST", "/body")));
    let body: Vec<u8> = (0..64).flat_map(|at| h2::frame(DATA, 0, at * 2 + 1, &[0; 16_000])).collect();
    let asked = [asked, body].concat();
    siege("bodies of streams", FEW, |gateway| vec![said(gateway, &asked)]);
}

#[test]
fn bodies_that_no_service_reads_do_not_eat_the_memory() {
    let upstream = choosy(u32::MAX, Arc::default());
    let world = before(&format!("h2c://{}", upstream.address())).start();
    let good = || Client::connect(world.gateway.public);
    // All that a connection may have on its way: a window of each stream.
    let mut asked: Vec<Vec<u8>> =
        (0..STREAMS).map(|at| h2::headers(at * 2 + 1, 0, &h2::request("POST", "/body"))).collect();
    let round = (0..STREAMS).flat_map(|at| h2::frame(DATA, 0, at * 2 + 1, &[0; 16_384]));
    asked.extend(std::iter::repeat_n(round.collect::<Vec<_>>(), 16));
    besiege(&world, ("bodies unread", FEW), good, |gateway| {
        let Some(Sender { mut client, .. }) = Sender::new(H2::connect(gateway.public)) else { return vec![] };
        let socket = client.socket();
        socket.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        let _ = asked.iter().try_for_each(|part| {
            // More in less time than this would only show how seldom a busy machine looks at its memory.
            std::thread::sleep(if part.len() > 16_384 { PAUSE } else { Duration::ZERO });
            socket.write_all(part)
        });
        vec![client]
    });
}

#[test]
fn heads_that_unfold_do_not_eat_the_memory() {
    // One field of 4,000 bytes goes into the table, and then each byte is another of it.
    let first = {
        let mut block = h2::block(&h2::request("GET", "/wait"));
        block.extend([0x40, 1, b'x']);
        h2::integer(3_900, 7, 0, &mut block);
        block.extend([b'a'; 3_900]);
        h2::frame(HEADERS, END_HEADERS | END_STREAM, 1, &block)
    };
    let more = |stream| {
        let block = [h2::block(&h2::request("GET", "/wait")), vec![0xbe; 15_000]].concat();
        h2::frame(HEADERS, END_HEADERS | END_STREAM, stream, &block)
    };
    let asked = (1..STREAMS)
        .map(|at| more(at * 2 + 1))
        .fold([h2::PREFACE, &h2::frame(SETTINGS, 0, 0, &[]), &first].concat(), |bytes, stream| {
            [bytes, stream].concat()
        });
    siege("unfolding headers", FEW, |gateway| vec![said(gateway, &asked)]);
}

#[test]
fn streams_reset_at_once_do_not_eat_the_memory() {
    let asked = streams(|stream| {
        let ask = h2::headers(stream, END_STREAM, &h2::request("GET", "/large"));
        [ask, h2::frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
    });
    siege("rapid reset", HELD, |gateway| vec![said(gateway, &asked)]);
}

#[test]
fn a_head_continued_for_ever_does_not_eat_the_memory() {
    let begun = h2::frame(HEADERS, END_STREAM, 1, &h2::block(&h2::request("GET", "/")));
    let field = h2::block(&[("x", "a".repeat(10_000))]);
    let rest: Vec<u8> = (0..200).flat_map(|_| h2::frame(CONTINUATION, 0, 1, &field)).collect();
    let asked = [h2::hello(), begun, rest].concat();
    siege("continuation flood", HELD, |gateway| vec![said(gateway, &asked)]);
}

#[test]
fn pings_and_settings_do_not_eat_the_memory() {
    let ping = h2::frame(PING, 0, 0, &[0; 8]).repeat(5_000);
    let setting = h2::frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 16, 0]).repeat(5_000);
    let asked = [[h2::hello(), ping].concat(), [h2::hello(), setting].concat()];
    siege("ping and settings floods", HELD, |gateway| {
        asked.iter().map(|asked| said(gateway, asked)).collect()
    });
}
