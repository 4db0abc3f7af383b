//! The formats of one family, each as its captured profile builds it.

use crate::vectors::{self, File};
use crate::{bounded, obeys};
use cloakroom::codec::Limits;
use cloakroom::config::Profile;
use cloakroom::format::{Lookup, Presented, SessionFormat, SessionId, build};
use cloakroom::request::Cookies;
use cloakroom::session::user_id;
use cloakroom::store::{Record, RecordKind, StoreKey};

/// Formats, and for each a cookie that verified, because no fuzzer will make one.
pub struct Family(Vec<(Box<dyn SessionFormat>, Lookup)>);

impl Family {
    /// The family `name`, in the order of the vector files; the seeds know it, too.
    pub fn load(name: &str) -> Self {
        let files = File::all();
        let captured = files.iter().filter(|file| vectors::family(file.profile().framework.value) == name);
        let mut formats: Vec<_> =
            captured.map(|file| member(&file.profile(), file.cookies())).collect();
        formats.extend(
            vectors::by_hand(name).iter().map(|block| member(&vectors::profile_of(block), Vec::new())),
        );
        assert!(!formats.is_empty(), "a family has members");
        Self(formats)
    }

    /// First byte: which format; up to a line feed: the Cookie header; then the record.
    pub fn run(&self, input: &[u8]) {
        let Some((&which, rest)) = input.split_first() else { return };
        let Some((format, known)) = self.0.get(usize::from(which) % self.0.len()) else { return };
        let mut halves = rest.splitn(2, |byte| *byte == b'\n');
        let (cookie, bytes) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
        let presented = bounded(|| format.present(&Cookies::from_line(cookie.to_vec())));
        let record = match format.record_kind() {
            RecordKind::String => Record::String(bytes.to_vec()),
            RecordKind::Hash => Record::Hash(vectors::unpack(bytes)),
        };
        if let Presented::Session(lookup) = &presented {
            assert!(!lookup.keys.is_empty(), "a session without a key");
        }
        let lookup = if let Presented::Session(lookup) = &presented { lookup } else { known };
        if let Ok(decoded) = bounded(|| format.decode(&record, lookup)) {
            obeys(&decoded.data, Limits::default());
            if let Some(user) = format.subject(&decoded.data) {
                let _ = user_id(&user);
            }
        }
    }
}

fn member(profile: &Profile, cookies: Vec<&str>) -> (Box<dyn SessionFormat>, Lookup) {
    let format = build(profile).unwrap_or_else(|errors| panic!("{}: {errors:?}", profile.name));
    let verified = cookies.iter().find_map(|line| {
        match format.present(&Cookies::from_line(line.as_bytes().to_vec())) {
            Presented::Session(lookup) => Some(lookup),
            Presented::Absent | Presented::Rejected(_) | Presented::Carried(_) => None,
        }
    });
    let made_up = || Lookup {
        id: SessionId::new(b"0123456789abcdef".to_vec()),
        keys: vec![StoreKey::new(b"sess:0123456789abcdef".to_vec())],
        secret: None,
        ends_at: None,
    };
    (format, verified.unwrap_or_else(made_up))
}
