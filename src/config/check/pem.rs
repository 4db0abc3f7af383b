//! Keys in PEM: that they are there and hold one. Whether it is the right one is for `tls` to judge.

use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;

use crate::config::Secret;
use crate::config::check::table::Table;
use crate::config::raw::Placed;

/// The bytes of a file with a private key.
pub(crate) fn private_key(table: &mut Table<'_, '_>, key: &str, path: &Placed<String>) -> Option<Secret> {
    let at = table.file.at(path);
    let bytes = table.read(at, key, path.get())?;
    if PrivateKeyDer::from_pem_slice(&bytes).is_err() {
        table.refuse(at, key, format!("`{}` holds no private key", path.get()), "a private key in PEM");
        return None;
    }
    Some(Secret::new(bytes))
}
