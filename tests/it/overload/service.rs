//! An app that can do so much at once and no more.

use cloakroom::listen::spawn_worker;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::spawn_local;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Works at `slots` requests at once, each of which takes `time`; others wait in it. It lives as long as the tests do.
pub(super) fn service(slots: usize, time: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let thread = spawn_worker("app", move || async move {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let slots = Rc::new(Semaphore::new(slots));
        while let Ok((stream, _)) = listener.accept().await {
            let slots = Rc::clone(&slots);
            spawn_local(async move { attend(stream, &slots, time).await });
        }
    });
    drop(thread.unwrap());
    address
}

/// One connection; requests have no bodies.
async fn attend(mut stream: TcpStream, slots: &Semaphore, time: Duration) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let (mut read, mut filled) = ([0; 4096], 0);
    loop {
        let more = stream.read(&mut read[filled..]).await.ok().filter(|more| *more > 0)?;
        filled += more;
        if read[..filled].ends_with(b"\r\n\r\n") {
            filled = 0;
            let _slot = slots.acquire().await.ok()?;
            if !time.is_zero() {
                tokio::time::sleep(time).await;
            }
            stream.write_all(ANSWER).await.ok()?;
        }
    }
}
