//! All on a paused clock, which moves only when everybody waits.

use tokio::io::DuplexStream;
use tokio::time::Instant;

use super::*;

/// One worker's port without sockets.
pub(super) struct Memory {
    port: Rc<Port<Recorder>>,
    release: watch::Sender<bool>,
}

impl Memory {
    pub(super) fn new(limits: Limits) -> Self {
        let (release, released) = watch::channel(false);
        let port = Port {
            connections: Connections::new(limits.connections),
            terms: Terms::new(limits, None).posted(),
            handler: Recorder { seen: Arc::default(), release: released },
            roster: Rc::default(),
            alive: mpsc::channel(1).0,
        };
        Self { port: Rc::new(port), release }
    }

    pub(super) fn client(&self) -> DuplexStream {
        let (near, far) = tokio::io::duplex(16 * 1024);
        let address = "127.0.0.1:1".parse().unwrap();
        let conn = Conn::new(address, address, false);
        let tenant = (self.port.connections.admit().unwrap(), self.port.alive.clone());
        spawn_local(attend(far, conn, tenant, self.port.terms.load_full(), Rc::clone(&self.port)));
        near
    }

    pub(super) fn seen(&self) -> Vec<String> {
        self.port.handler.seen.lock().unwrap().clone()
    }
}

async fn to_end(client: &mut DuplexStream) -> (String, Duration) {
    let begin = Instant::now();
    let mut answers = String::new();
    client.read_to_string(&mut answers).await.unwrap();
    (answers, begin.elapsed())
}

async fn until(client: &mut DuplexStream, end: &str) {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        read.push(client.read_u8().await.unwrap());
    }
}

fn about(elapsed: Duration, seconds: u64) {
    let due = Duration::from_secs(seconds);
    assert!(elapsed >= due && elapsed < due + Duration::from_millis(10), "{elapsed:?} for {due:?}");
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_client_that_sends_nothing_is_closed_after_the_header_timeout_without_an_answer() {
    let world = Memory::new(Limits::few());
    let (answers, elapsed) = to_end(&mut world.client()).await;
    about(elapsed, 10);
    assert_eq!((answers.as_str(), world.seen()), ("", vec![]));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_head_that_trickles_is_refused_after_the_header_timeout_however_often_a_byte_comes() {
    let world = Memory::new(Limits::few());
    let (mut read, mut write) = tokio::io::split(world.client());
    spawn_local(async move {
        write.write_all(b"GET / HTTP/1.1\r\nA: ").await.unwrap();
        while write.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let begin = Instant::now();
    let mut answers = vec![0; 12];
    read.read_exact(&mut answers).await.unwrap();
    about(begin.elapsed(), 10);
    assert_eq!(answers, b"HTTP/1.1 400");
    assert_eq!(world.seen(), ["refused HeadTimedOut"]);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn an_idle_connection_is_closed_after_the_idle_timeout() {
    for (idle, header) in [(60, 10), (5, 10)] {
        let times = Limits {
            idle_timeout: Duration::from_secs(idle),
            header_timeout: Duration::from_secs(header),
            ..Limits::few()
        };
        let mut client = Memory::new(times).client();
        for wait in [1, 3] {
            tokio::time::sleep(Duration::from_secs(wait)).await;
            client.write_all(get("/").as_bytes()).await.unwrap();
            until(&mut client, "<GET />").await;
        }
        let (answers, elapsed) = to_end(&mut client).await;
        about(elapsed, idle);
        assert_eq!(answers, "");
    }
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_running_exchange_has_no_deadline_and_the_idle_time_begins_behind_it() {
    let world = Memory::new(Limits::few());
    let mut client = world.client();
    client.write_all(get("/slow").as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1000)).await;
    world.release.send(true).unwrap();
    until(&mut client, "<GET /slow>").await;
    let (_, elapsed) = to_end(&mut client).await;
    about(elapsed, 60);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_body_may_be_slow_but_not_stand_still() {
    let world = Memory::new(Limits::few());
    let mut client = world.client();
    client.write_all(b"POST /p HTTP/1.1\r\nContent-Length: 10\r\n\r\n").await.unwrap();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(29)).await;
        client.write_all(b"x").await.unwrap();
    }
    let begin = Instant::now();
    until(&mut client, "<broken>").await;
    about(begin.elapsed(), 30);
    assert_eq!(world.seen(), ["broken POST /p BodyTimedOut"]);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_broken_chunk_tells_its_reason_and_closes() {
    let world = Memory::new(Limits::few());
    let mut client = world.client();
    client.write_all(b"POST /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\n").await.unwrap();
    let (answers, elapsed) = to_end(&mut client).await;
    assert!(answers.contains("connection: close"), "{answers}");
    assert_eq!(elapsed, Duration::ZERO);
    assert_eq!(world.seen(), ["broken POST /p BadChunk"]);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn what_was_on_its_way_behind_an_early_answer_is_thrown_away_for_a_second() {
    let world = Memory::new(Limits::few());
    let mut client = world.client();
    client.write_all(b"POST /early HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n").await.unwrap();
    let (answers, _) = to_end(&mut client).await;
    assert!(answers.contains("<POST /early>"), "{answers}");
    client.write_all(&[b'x'; 40_000]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1001)).await;
    client.write_all(b"x").await.unwrap_err();
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_client_that_takes_nothing_is_cut_after_a_minute() {
    let world = Memory::new(Limits { idle_timeout: Duration::from_secs(1000), ..Limits::few() });
    let mut client = world.client();
    let path = format!("/{}", "x".repeat(12_000));
    let writer = async {
        for _ in 0..100 {
            if client.write_all(get(&path).as_bytes()).await.is_err() {
                return;
            }
        }
        panic!("never cut");
    };
    let begin = Instant::now();
    writer.await;
    about(begin.elapsed(), 60);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_tunnel_has_no_deadline() {
    let world = Memory::new(Limits::few());
    let mut client = world.client();
    world.release.send(true).unwrap();
    client.write_all(b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n").await.unwrap();
    until(&mut client, "\r\n\r\n").await;
    tokio::time::sleep(Duration::from_secs(100_000)).await;
    client.write_all(b"still there").await.unwrap();
    until(&mut client, "still there").await;
}
