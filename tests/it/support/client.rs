//! A client that sends exactly the bytes it is given.

use crate::support::PATIENCE;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

/// A connection to the gateway.
#[derive(Debug)]
pub(crate) struct Client(BufReader<Link>);

/// What its bytes go over.
#[derive(Debug)]
enum Link {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// A request to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    method: String,
    head: String,
    body: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self(BufReader::new(Link::Plain(dial(address))))
    }

    /// From an address of this machine's own choice, as `127.0.0.2`.
    pub(crate) fn from(source: &str, address: SocketAddr) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        let source: SocketAddr = format!("{source}:0").parse().unwrap();
        socket.bind(&source.into()).unwrap();
        socket.connect(&address.into()).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(Link::Plain(stream)))
    }

    /// A connection in TLS to the server `name`, whose handshake is made with the first bytes.
    pub(crate) fn secure(address: SocketAddr, name: &str, config: &Arc<ClientConfig>) -> Self {
        Self::secure_behind(b"", address, name, config)
    }

    /// The same, with some bytes before the handshake.
    pub(crate) fn secure_behind(
        header: &[u8],
        address: SocketAddr,
        name: &str,
        config: &Arc<ClientConfig>,
    ) -> Self {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let session = ClientConnection::new(Arc::clone(config), name).unwrap();
        let mut stream = dial(address);
        stream.write_all(header).unwrap();
        Self(BufReader::new(Link::Tls(Box::new(StreamOwned::new(session, stream)))))
    }

    /// Sends; a gateway that hung up already shows in what is read.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.0.get_mut().write_all(bytes.as_ref());
    }

    pub(crate) fn ask(&mut self, ask: &Ask) -> Response {
        self.send(ask.bytes());
        self.response(&ask.method).expect("an answer")
    }

    /// The next final answer to a request of this method; `None` if the connection ends before its head.
    pub(crate) fn response(&mut self, method: &str) -> Option<Response> {
        loop {
            let mut response = self.head()?;
            if response.status >= 200 {
                self.body(&mut response, method);
                return Some(response);
            }
            if response.status == 101 {
                return Some(response);
            }
        }
    }

    /// The next head, an interim one included.
    pub(crate) fn head(&mut self) -> Option<Response> {
        let line = self.line()?;
        let status = line.split(' ').nth(1)?.parse().ok()?;
        let mut response = Response { status, ..Response::default() };
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Some(response);
            }
            let (name, value) = line.split_once(':')?;
            response.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    /// Exactly so many bytes.
    pub(crate) fn read_exact(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Whatever still comes until the end; a reset is an end too.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof) => {}
            Err(error) => panic!("the connection hangs: {error}"),
        }
        rest
    }

    pub(crate) fn socket(&mut self) -> &mut TcpStream {
        match self.0.get_mut() {
            Link::Plain(stream) => stream,
            Link::Tls(stream) => &mut stream.sock,
        }
    }

    /// The certificate that it was shown, after the first answer.
    pub(crate) fn certificate(&self) -> Option<Vec<u8>> {
        match self.0.get_ref() {
            Link::Plain(_) => None,
            Link::Tls(stream) => Some(stream.conn.peer_certificates()?.first()?.to_vec()),
        }
    }

    pub(crate) fn reader(&mut self) -> &mut impl BufRead {
        &mut self.0
    }

    fn body(&mut self, response: &mut Response, method: &str) {
        if method == "HEAD" || matches!(response.status, 204 | 304) {
            return;
        }
        if response.header("transfer-encoding").is_some() {
            while let Some(size) = self.line().and_then(|line| usize::from_str_radix(&line, 16).ok()) {
                let mut chunk = vec![0; size + if size == 0 { 0 } else { 2 }];
                if self.0.read_exact(&mut chunk).is_err() {
                    return;
                }
                if size == 0 {
                    while self.line().is_some_and(|line| !line.is_empty()) {}
                    return;
                }
                response.body.extend_from_slice(&chunk[..size]);
            }
        } else if let Some(length) = response.header("content-length") {
            let length: u64 = length.parse().unwrap();
            // A shorter body shows in its length.
            let _ = (&mut self.0).take(length).read_to_end(&mut response.body);
        } else {
            response.body = self.rest();
        }
    }

    fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        self.0.read_until(b'\n', &mut line).ok()?;
        let line = line.strip_suffix(b"\r\n")?;
        Some(line.iter().map(|byte| char::from(*byte)).collect())
    }
}

impl Response {
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(found, _)| found == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }

    /// The code of a refusal.
    pub(crate) fn refusal(&self) -> Option<&str> {
        self.header("cloakroom-refusal")
    }

    /// A field of the request that an echoing upstream got.
    pub(crate) fn echoed(&self, name: &str) -> Option<String> {
        let text = self.text();
        let head = text.split("\n\n").next()?;
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| *found == name).map(|(_, value)| value.to_owned())
    }
}

impl Ask {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: gw.test\r\n");
        Self { method: method.to_owned(), head, body: Vec::new() }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.head += &format!("{name}: {value}\r\n");
        self
    }

    pub(crate) fn cookie(self, cookie: &str) -> Self {
        self.header("Cookie", cookie)
    }

    /// A page that a browser goes to.
    pub(crate) fn navigation(self) -> Self {
        self.header("Sec-Fetch-Mode", "navigate").header("Accept", "text/html")
    }

    pub(crate) fn body(self, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        Self { body: body.clone(), ..self.header("Content-Length", &body.len().to_string()) }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head.clone().into_bytes();
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Sends it over a connection of its own.
    pub(crate) fn at(&self, address: SocketAddr) -> Response {
        Client::connect(address).ask(self)
    }
}

fn dial(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

impl Read for Link {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(into),
            Self::Tls(stream) => stream.read(into),
        }
    }
}

impl Write for Link {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
