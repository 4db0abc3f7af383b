//! The table of what is recognised: one file for each language, one function in it that lists its candidates.
//!
//! To add a framework, add a [`Candidate`] here once its format is in `format`: its default cookie and key, what its ids are made
//! of, and the marks that tell its values from others of the same serialisation. Points: what decodes at all earns `base`; a
//! mark that only this framework leaves about 60; together no more than 75, since key and id add up to 30.

mod go;
mod java;
mod node;
mod php;
mod plain;
mod python;
mod ruby;
mod rust;

use crate::detect::candidate::Candidate;

/// Every candidate there is.
pub(crate) fn candidates() -> Vec<Candidate> {
    let families = [
        node::candidates(),
        python::candidates(),
        ruby::candidates(),
        php::candidates(),
        java::candidates(),
        go::candidates(),
        rust::candidates(),
        plain::candidates(),
    ];
    families.into_iter().flatten().collect()
}
