//! Bytes from each end of a tunnel to the other.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is read at once, and what is held of it where the other end takes no more.
const PIECE_BYTES: usize = 16 * 1024;

thread_local! {
    /// Bytes on their way through, one buffer for all tunnels of a worker: those in which nothing is said hold none.
    static PASSING: RefCell<Vec<u8>> = RefCell::new(vec![0; PIECE_BYTES]);
}

/// Carries bytes both ways until both have ended, and tells how many there were. An end of one way is passed on, and the other goes on
/// until its own.
pub(crate) async fn relay<A, B>(one: &mut A, other: &mut B) -> io::Result<(u64, u64)>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let (mut there, mut back) = (Way::default(), Way::default());
    poll_fn(|cx| {
        let there = there.poll(cx, one, other)?;
        let back = back.poll(cx, other, one)?;
        match (there, back) {
            (Poll::Ready(there), Poll::Ready(back)) => Poll::Ready(Ok((there, back))),
            _ => Poll::Pending,
        }
    })
    .await
}

/// One direction.
#[derive(Debug, Default)]
struct Way {
    /// Read, and not taken by the other end yet.
    held: BytesMut,
    /// Whether something was written behind the last flush.
    unflushed: bool,
    stage: Stage,
    bytes: u64,
}

#[derive(Clone, Copy, Debug, Default)]
enum Stage {
    #[default]
    Open,
    /// Nothing more comes.
    Ending,
    /// The other end knows.
    Over,
}

impl Way {
    /// How many bytes went this way, once it has ended.
    fn poll<R, W>(&mut self, cx: &mut Context<'_>, from: &mut R, to: &mut W) -> Poll<io::Result<u64>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            while !self.held.is_empty() {
                let written = ready!(Pin::new(&mut *to).poll_write(cx, &self.held))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.wrote(written);
                self.held.advance(written);
                if self.held.is_empty() {
                    self.held = BytesMut::new();
                }
            }
            match self.stage {
                Stage::Open => {}
                Stage::Ending => {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                    self.stage = Stage::Over;
                }
                Stage::Over => return Poll::Ready(Ok(self.bytes)),
            }
            if let Stage::Open = self.stage
                && self.pass(cx, from, to)?.is_pending()
            {
                if self.unflushed {
                    ready!(Pin::new(&mut *to).poll_flush(cx))?;
                    self.unflushed = false;
                }
                return Poll::Pending;
            }
        }
    }

    /// Reads once, and writes as much of that as is taken at once; the rest is held.
    fn pass<R, W>(&mut self, cx: &mut Context<'_>, from: &mut R, to: &mut W) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        PASSING.with_borrow_mut(|room| {
            let mut read = ReadBuf::new(room);
            ready!(Pin::new(from).poll_read(cx, &mut read))?;
            let bytes = read.filled();
            if bytes.is_empty() {
                self.stage = Stage::Ending;
                return Poll::Ready(Ok(()));
            }
            let written = match Pin::new(to).poll_write(cx, bytes) {
                Poll::Ready(written) => written?,
                Poll::Pending => 0,
            };
            self.wrote(written);
            self.held.extend_from_slice(bytes.get(written..).unwrap_or_default());
            Poll::Ready(Ok(()))
        })
    }

    fn wrote(&mut self, bytes: usize) {
        self.unflushed |= bytes > 0;
        self.bytes += bytes as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    fn noise(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at * at / 7 % 251) as u8).collect()
    }

    #[tokio::test]
    async fn what_the_other_end_takes_in_pieces_arrives_whole_and_then_the_end_does() {
        for room in [1, 7, 16 * 1024, 64 * 1024] {
            let ((mut client, mut near), (mut far, mut service)) = (duplex(room), duplex(room / 3 + 1));
            let sent = noise(100_000);
            let (talk, answer) = (sent.clone(), sent.iter().rev().copied().collect::<Vec<_>>());
            let (told, said) = (
                answer.clone(),
                tokio::spawn(async move {
                    client.write_all(&talk).await.unwrap();
                    client.shutdown().await.unwrap();
                    let mut heard = Vec::new();
                    client.read_to_end(&mut heard).await.unwrap();
                    heard
                }),
            );
            let heard = tokio::spawn(async move {
                let mut heard = Vec::new();
                service.read_to_end(&mut heard).await.unwrap();
                // Behind the client's end.
                service.write_all(&answer).await.unwrap();
                service.shutdown().await.unwrap();
                heard
            });
            assert_eq!(relay(&mut near, &mut far).await.unwrap(), (100_000, 100_000), "{room}");
            assert!(heard.await.unwrap() == sent && said.await.unwrap() == told, "{room}");
        }
    }

    #[tokio::test]
    async fn an_end_that_takes_nothing_stops_the_one_that_talks_and_not_the_other_way() {
        let ((mut client, mut near), (mut far, mut service)) = (duplex(1024), duplex(1024));
        let relayed = tokio::spawn(async move { relay(&mut near, &mut far).await });
        // More than both pipes and one piece hold.
        let flood = noise(1024 * 1024);
        tokio::select! {
            biased;
            _ = client.write_all(&flood) => panic!("it has all gone somewhere"),
            () = async {
                service.write_all(b"still here").await.unwrap();
                tokio::task::yield_now().await;
            } => {}
        }
        let mut heard = [0; 10];
        client.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"still here");
        drop((client, service));
        let _ = relayed.await.unwrap();
    }
}
