//! A Redis of the test's own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

pub(crate) const PASSWORD: &str = "look-only";

/// Ends with the test, by its process id.
pub(crate) struct Server {
    child: Child,
    port: u16,
    _directory: tempfile::TempDir,
}

impl Server {
    /// Starts one on a free port; another one if somebody took the port in between.
    pub(crate) fn start() -> Self {
        (0..10).find_map(|_| Self::try_start()).expect("`redis-server` on the PATH, and a free port")
    }

    fn try_start() -> Option<Self> {
        let directory = tempfile::tempdir().ok()?;
        let port = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
        let mut command = Command::new("redis-server");
        command.args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
        ]);
        let mut child =
            command.arg(directory.path()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        let log = BufReader::new(child.stdout.take()?);
        let ready =
            log.lines().map_while(Result::ok).any(|line| line.contains("Ready to accept connections"));
        let server = Self { child, port, _directory: directory };
        ready.then_some(server)
    }

    /// Runs one command as the owner.
    pub(crate) fn run(&self, words: &[&[u8]]) {
        let mut request = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            request.extend(format!("${}\r\n", word.len()).bytes());
            request.extend([word, b"\r\n".as_slice()].concat());
        }
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(&request).unwrap();
        let mut sign = [0];
        stream.read_exact(&mut sign).unwrap();
        assert_ne!(sign, *b"-", "an error from Redis");
    }

    /// The URL of a user who has the commands that a look needs and no other.
    pub(crate) fn reader(&self) -> String {
        let user = format!(
            "ACL SETUSER look on >{PASSWORD} ~* resetchannels -@all +scan +type +strlen +hlen +get +hgetall +pttl +ping \
             +hello +auth +client +select +info"
        );
        let words: Vec<_> = user.split(' ').map(str::as_bytes).collect();
        self.run(&words);
        format!("redis://look@127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
