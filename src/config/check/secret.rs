//! What secrets and other files refer to.

use crate::config::At;
use crate::config::Secret;
use crate::config::check::table::Table;
use crate::config::raw::{Placed, SecretRef};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// A variable of the process environment; none if it is not UTF-8.
#[expect(clippy::disallowed_methods, reason = "this is the place where the environment is read")]
pub(crate) fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Table<'_, '_> {
    /// The secret that a reference leads to.
    pub(crate) fn secret(&mut self, key: &str, raw: &Placed<SecretRef>) -> Option<Secret> {
        self.secret_at(self.file.at(raw), key, raw.get())
    }

    /// The same, for a reference inside another value.
    pub(crate) fn secret_at(&mut self, at: At, key: &str, raw: &SecretRef) -> Option<Secret> {
        match raw {
            SecretRef::Env(name) => {
                let value = (self.checker.given.environment)(name.get());
                let (name, hint) =
                    (name.get(), "set it before the gateway starts, in its unit file or container");
                match value {
                    None => {
                        self.refuse_with(
                            at,
                            key,
                            format!("environment variable `{name}` is not set"),
                            "",
                            hint,
                        );
                        None
                    }
                    Some(value) if value.is_empty() => {
                        self.refuse_with(
                            at,
                            key,
                            format!("environment variable `{name}` is empty"),
                            "",
                            hint,
                        );
                        None
                    }
                    Some(value) => Some(Secret::new(value.into_bytes())),
                }
            }
            SecretRef::File(path) => {
                let mut bytes = self.read(at, key, path.get())?;
                if bytes.last() == Some(&b'\n') {
                    bytes.pop();
                    if bytes.last() == Some(&b'\r') {
                        bytes.pop();
                    }
                }
                if bytes.is_empty() {
                    self.refuse(
                        at,
                        key,
                        format!("`{}` is empty", path.get()),
                        "a file that holds the secret",
                    );
                    return None;
                }
                Some(Secret::new(bytes))
            }
            SecretRef::InsecureLiteral(text) if text.get().is_empty() => {
                self.refuse(at, key, "an empty secret", "");
                None
            }
            SecretRef::InsecureLiteral(text) => Some(Secret::new(text.get().clone().into_bytes())),
        }
    }

    /// The bytes of a PEM file with certificates in it.
    pub(crate) fn certificates(&mut self, key: &str, path: &Placed<String>) -> Option<Vec<u8>> {
        let at = self.file.at(path);
        let bytes = self.read(at, key, path.get())?;
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
        match certificates {
            Ok(certificates) if !certificates.is_empty() => Some(bytes),
            Ok(_) | Err(_) => {
                self.refuse(at, key, format!("`{}` holds no certificate", path.get()), "certificates in PEM");
                None
            }
        }
    }

    /// The bytes of a file, relative paths starting where the main file is.
    pub(crate) fn read(&mut self, at: At, key: &str, path: &str) -> Option<Vec<u8>> {
        let file = self.checker.given.directory.join(path);
        let result = std::fs::read(&file);
        self.checker.premises.add_file(&file, &result);
        self.checker.marks.add_file(&self.name, &result);
        result
            .map_err(|error| {
                let reason = reason(&error);
                self.refuse_with(
                    at,
                    key,
                    format!("cannot read `{path}`: {reason}"),
                    "a file that the gateway may read",
                    "relative paths start at the directory of the main file",
                );
            })
            .ok()
    }
}

/// An I/O error in the words of its kind, the same on every system.
pub(crate) fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "it does not exist".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => error.to_string(),
    }
}
