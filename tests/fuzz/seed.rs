//! Writes the seeds: `seed FOLDER` makes FOLDER/TARGET/* from the captured sessions. What a target reads, it gets: every
//! record, whatever a codec takes out of one (a record in a record, a compressed one), and every Cookie header.

use cloakroom::codec::inflate::{self, Compression};
use cloakroom::codec::{
    DecodeError, Limits, Value, gob, igbinary, java, json, lzf, marshal, msgpack, php, php_session, pickle,
};
use cloakroom::store::Record;
use cloakroom_fuzz::vectors::{self, File};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
// Only linked: the instrumentation reports to libFuzzer, which here has no main of its own.
use libfuzzer_sys as _;

type Reader = fn(&[u8], Limits) -> Result<Value, DecodeError>;

const READERS: [(&str, Reader); 12] = [
    ("gob", gob::read),
    ("igbinary", igbinary::read),
    ("java", java::read),
    ("json", json::decode),
    ("marshal", marshal::read),
    ("msgpack", msgpack::read),
    ("msgpack", msgpack::read_php),
    ("php", php::read),
    ("php_session", php_session::read_php),
    ("php_session", php_session::read_php_binary),
    ("php_session", php_session::read_php_serialize),
    ("pickle", pickle::read),
];

const PROXY_HEADERS: [&[u8]; 5] = [
    b"PROXY TCP4 192.0.2.7 203.0.113.9 4711 443\r\nGET",
    b"PROXY TCP6 2001:db8::7 ::1 4711 443\r\n",
    b"PROXY UNKNOWN\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x11\xc0\0\x02\x07\x0a\0\0\x02\x12\x67\x01\xbb\x04\0\x02\0\0",
    b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
];

const PATHS: [&str; 8] = [
    "/",
    "/orders/17?x=1",
    "/A/b%2Fc/;d=1//e/",
    "/%7Euser/.well-known/%2e%2E/x",
    "/a/..;/b",
    "/%252e%252e%252f",
    "/%EF%BC%8F%E2%80%A4",
    "/a%20/%25%23%3F",
];

const HEADS: [&str; 6] = [
    "\0GET / HTTP/1.1\r\nHost: a\r\nCookie: sid=1\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
    "\x01POST /x?y HTTP/1.1\r\nHost: a:80\r\nContent-Length: 5\r\n\r\nhello\r\nGET / HTTP/1.0\r\n\r\n",
    "\x02POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "\x03GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\ntunnel",
    "\x04OPTIONS * HTTP/1.1\r\nHost: [::1]\r\nExpect: 100-continue\r\n\r\n",
    "\x05GET http://a/b HTTP/1.1\r\nHost: a\r\nConnection: close, x\r\n\r\n",
];

/// `:path` with a `#`, as it is and in Huffman's code, by the static table and by name; RFC 7541, Appendix C.4.1.
const BLOCKS: [&[u8]; 4] = [
    b"\x82\x86\x44\x04/p#x\x41\x01h",
    b"\x82\x86\x04\x84\x62\xbf\xfa\xf3",
    b"\x40\x05:path\x02/#\x7e\x02/#\x40\x84\xb9\x58\xd3\x3f\x02##",
    b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff",
];

fn main() {
    let folder = std::env::args().nth(1).expect("usage: seed FOLDER");
    let mut seeds = Seeds::default();
    let files = File::all();
    let mut members = BTreeMap::<&str, u8>::new();
    for file in &files {
        let family = vectors::family(file.profile().framework.value);
        let member = members.entry(family).or_default();
        seeds.format(family, *member, file);
        *member += 1;
        for cookie in file.cookies() {
            seeds.add("cookies", cookie.as_bytes());
            seeds.add("cookie_strip", cookie.as_bytes());
        }
        for record in file.records() {
            seeds.peel(&record, 3);
        }
    }
    for line in ["sid=1; a.b=2; a[x]=3", "sid=\"a%41\\101\" ; __Host-sid=+; =x", "connect.sid=s%3Aa.b; a b=1; sid"] {
        seeds.add("cookies", line.as_bytes());
        seeds.add("cookie_strip", line.as_bytes());
    }
    for (number, record) in [&b"{\"user_id\":1}"[..], b"\x81\xa7user_id\x01"].into_iter().enumerate() {
        seeds.add("format_bare", &[&[number as u8][..], b"sid=abc\n", record].concat());
    }
    seeds.dotnet();
    seeds.java_objects();
    PATHS.iter().for_each(|path| seeds.add("path", path.as_bytes()));
    PROXY_HEADERS.iter().for_each(|header| seeds.add("proxy_header", header));
    HEADS.iter().for_each(|head| seeds.add("head", head.as_bytes()));
    BLOCKS.iter().for_each(|block| seeds.add("header_blocks", block));
    seeds.write(Path::new(&folder));
}

#[derive(Default)]
struct Seeds(BTreeMap<String, BTreeSet<Vec<u8>>>);

impl Seeds {
    fn add(&mut self, target: &str, seed: &[u8]) {
        self.0.entry(target.to_owned()).or_default().insert(seed.to_vec());
    }

    /// Every record with a cookie, every cookie with a record.
    fn format(&mut self, family: &str, member: u8, file: &File) {
        let (cookies, records) = (file.cookies(), file.records());
        let target = format!("format_{family}");
        for at in 0..cookies.len().max(records.len()) {
            let cookie = cookies.get(at % cookies.len().max(1)).copied().unwrap_or_default();
            let record = records.get(at % records.len().max(1)).map(vectors::pack).unwrap_or_default();
            self.add(&target, &[&[member][..], cookie.as_bytes(), b"\n", &record].concat());
        }
    }

    /// Gives `bytes` to whatever reads them, and then what it found inside.
    fn peel(&mut self, record: &Record, depth: usize) {
        match record {
            Record::String(bytes) => self.peel_bytes(bytes, depth),
            Record::Hash(fields) => fields.iter().for_each(|(_, value)| self.peel_bytes(value, depth)),
        }
    }

    fn peel_bytes(&mut self, bytes: &[u8], depth: usize) {
        if bytes.is_empty() || depth == 0 {
            return;
        }
        let mut inside = Vec::new();
        for (target, read) in READERS {
            if let Ok(value) = read(bytes, Limits::default()) {
                self.add(target, bytes);
                leaves(&value, &mut inside);
            }
        }
        use Compression::{Gzip, Lz4, Lzma, Zlib, Zstd};
        for compression in [Gzip, Lz4, Lzma, Zlib, Zstd] {
            if let Ok(inflated) = inflate::read(compression, bytes, Limits::default()) {
                self.add("inflate", bytes);
                inside.push(inflated);
            }
        }
        if let Ok(inflated) = lzf::read(bytes, Limits::default()) {
            self.add("lzf", bytes);
            inside.push(inflated);
        }
        inside.retain(|inner| inner.len() > 3);
        inside.iter().for_each(|inner| self.peel_bytes(inner, depth - 1));
    }

    fn dotnet(&mut self) {
        let long = 7_u64.to_le_bytes();
        let data = [&[2, 0, 0, 1][..], &[7; 16], &[0, 7], b"user_id", &[0, 0, 0, 2], b"42"].concat();
        let record = Record::Hash(vec![
            (b"data".to_vec(), data),
            (b"absexp".to_vec(), b"-1".to_vec()),
            (b"sldexp".to_vec(), long.to_vec()),
        ]);
        for member in 0..2 {
            self.add("format_dotnet", &[&[member][..], b".AspNetCore.Session=CfDJ8\n", &vectors::pack(&record)].concat());
        }
    }

    fn java_objects(&mut self) {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../java/objects.txt");
        let text = std::fs::read_to_string(path).expect("the Java objects are in the repository");
        for (_, hex) in text.lines().filter_map(|line| line.split_once(' ')) {
            if !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                self.add("java", &vectors::unhex(hex));
            }
        }
    }

    fn write(&self, folder: &Path) {
        for (target, seeds) in &self.0 {
            let folder = folder.join(target);
            std::fs::create_dir_all(&folder).expect("a folder for the seeds");
            for (number, seed) in seeds.iter().enumerate() {
                std::fs::write(folder.join(format!("seed-{number:04}")), seed).expect("a seed");
            }
            println!("{target}: {} seeds", seeds.len());
        }
    }
}

fn leaves(value: &Value, into: &mut Vec<Vec<u8>>) {
    match value {
        Value::Text(text) => into.push(text.clone().into_bytes()),
        Value::Bytes(bytes) => into.push(bytes.clone()),
        Value::List(items) => items.iter().for_each(|item| leaves(item, into)),
        Value::Map(fields) | Value::Object { fields, .. } => {
            fields.iter().for_each(|(_, field)| leaves(field, into));
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::BigInt(_) | Value::Float(_) => {}
    }
}
