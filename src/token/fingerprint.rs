//! The key of the fingerprints, in a file beside the signing keys.

use crate::config::{At, ConfigError, Secret};
use crate::disk;
use crate::token::file::{self, KeyWarning};
use std::io::ErrorKind;
use std::path::Path;
use zeroize::Zeroizing;

/// The file's name.
pub(super) const FILE_NAME: &str = "fingerprint.key";
/// 256 bits, as HMAC-SHA-256 wants.
const KEY_BYTES: usize = 32;

/// Reads `fingerprint.key` in `folder`, or makes it; with `stand_in` for this process alone. All gateways of one deployment need the same one, else their logs and
/// `sid` claims do not meet.
pub(super) fn load(
    folder: &Path,
    at: At,
    key: &str,
    stand_in: bool,
    warnings: &mut Vec<KeyWarning>,
) -> Result<Secret, ConfigError> {
    let path = folder.join(FILE_NAME);
    let failed = |found: String| {
        ConfigError::new(at, key, found, "a file with 64 hex digits beside the signing keys")
            .hint(format!("(umask 077; openssl rand -hex 32 > {})", path.display()))
    };
    if let Err(error) = std::fs::symlink_metadata(&path) {
        if error.kind() != ErrorKind::NotFound {
            return Err(failed(format!("`{}` cannot be read: {error}", path.display())));
        }
        let made = disk::random_hex::<KEY_BYTES>();
        if stand_in {
            let spare = made.ok().and_then(|text| decode(text.as_bytes()));
            return spare.ok_or_else(|| failed("no key could be generated".to_owned()));
        }
        let written = made.and_then(|mut text| {
            text.push('\n');
            disk::create(&path, text.as_bytes())
        });
        written.map_err(|error| {
            failed(format!("`{}` is missing and cannot be written: {error}", path.display()))
        })?;
    }
    let text = file::read(&path, warnings)
        .map_err(|error| failed(format!("`{}` cannot be read: {error}", path.display())))?;
    decode(&text).ok_or_else(|| failed(format!("`{}` does not hold 64 hex digits", path.display())))
}

fn decode(text: &[u8]) -> Option<Secret> {
    let digits = text.trim_ascii();
    if digits.len() != 2 * KEY_BYTES {
        return None;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(KEY_BYTES));
    for pair in digits.chunks_exact(2) {
        let [high, low] = pair else { return None };
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
        bytes.push(digit(*high)? << 4 | digit(*low)?);
    }
    Some(Secret::new(std::mem::take(&mut *bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: At = At { file: 0, start: 3, end: 9 };

    fn load_in(folder: &Path) -> Result<Secret, ConfigError> {
        load(folder, AT, "tokens.keys.directory", false, &mut Vec::new())
    }

    #[test]
    fn a_file_that_is_no_key_is_refused_without_a_word_of_its_text() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["", "0123", &"g".repeat(64), &"0".repeat(66)] {
            std::fs::write(folder.path().join(FILE_NAME), text).unwrap();
            let error = load_in(folder.path()).unwrap_err();
            assert!(error.found.ends_with("does not hold 64 hex digits"), "{}", error.found);
            assert!(error.hint.unwrap().contains("openssl rand -hex 32"));
        }
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_a_mistake_with_a_hint() {
        let error = load_in(Path::new("/proc/self/none")).unwrap_err();
        assert_eq!(error.at, AT);
        assert!(error.hint.unwrap().contains("openssl rand -hex 32"));
    }

    #[test]
    fn a_second_start_reads_the_same_key() {
        let folder = tempfile::tempdir().unwrap();
        let first = load_in(folder.path()).unwrap();
        assert_eq!(first.expose().len(), KEY_BYTES);
        assert_eq!(first.expose(), load_in(folder.path()).unwrap().expose());
    }

    #[test]
    fn a_key_made_by_openssl_is_read() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE_NAME), format!("{}\n", "0aF1".repeat(16))).unwrap();
        assert_eq!(load_in(folder.path()).unwrap().expose(), [0x0a, 0xf1].repeat(16));
    }
}
