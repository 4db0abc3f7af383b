//! A Redis that answers as it is told, for what a real one cannot be made to do.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

/// What it answers to a command after another, in RESP3; `None`: as a healthy, empty primary would.
type Answer = dyn Fn(&str, &[String]) -> Option<String> + Send + Sync;

/// A listening one.
#[derive(Debug)]
pub(crate) struct FakeRedis {
    port: u16,
}

impl FakeRedis {
    /// Starts one.
    pub(crate) fn answering(
        answer: impl Fn(&str, &[String]) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let answer: Arc<Answer> = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let answer = Arc::clone(&answer);
                std::thread::spawn(move || serve(&stream, &*answer));
            }
        });
        Self { port }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }
}

fn serve(mut stream: &TcpStream, answer: &Answer) {
    let mut reader = BufReader::new(stream);
    let mut before = String::new();
    while let Some(command) = read_command(&mut reader) {
        let reply = answer(&before, &command).unwrap_or_else(|| healthy(&command));
        before.clone_from(&command[0]);
        if stream.write_all(reply.as_bytes()).is_err() {
            return;
        }
    }
}

fn read_command(reader: &mut impl BufRead) -> Option<Vec<String>> {
    let count = number(reader, '*')?;
    (0..count).map(|_| word(reader)).collect()
}

fn word(reader: &mut impl BufRead) -> Option<String> {
    let mut bytes = vec![0; number(reader, '$')? + 2];
    reader.read_exact(&mut bytes).ok()?;
    bytes.truncate(bytes.len() - 2);
    // One character a byte, so that a nonce can be echoed whatever it is.
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn number(reader: &mut impl BufRead, kind: char) -> Option<usize> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    line.trim_end().strip_prefix(kind)?.parse().ok()
}

fn healthy(command: &[String]) -> String {
    match command[0].as_str() {
        "HELLO" => "%1\r\n$4\r\nrole\r\n$6\r\nmaster\r\n".to_owned(),
        "GET" => "_\r\n".to_owned(),
        "HGETALL" => "%0\r\n".to_owned(),
        "PTTL" => ":-2\r\n".to_owned(),
        "ECHO" => bulk(&command[1]),
        _ => "+OK\r\n".to_owned(),
    }
}

/// A string in RESP.
pub(crate) fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}
