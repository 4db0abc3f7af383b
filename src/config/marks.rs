//! Which tables were written alike, and read from the same files.

use crate::config::premises::print_of;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;

/// What every table `[kind.NAME]` was made from, in prints that tell a difference and nothing else. What a table takes from the
/// environment has no part in it: a process keeps that for life.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Marks(BTreeMap<String, Vec<u64>>);

impl Marks {
    /// Notes the named tables of one file. A place in the file is no part of a mark, nor are comments.
    pub(crate) fn add_text(&mut self, text: &str) {
        let Ok(tables) = text.parse::<toml::Table>() else { return };
        for (kind, tables) in &tables {
            for (name, table) in tables.as_table().into_iter().flatten() {
                let mut hasher = DefaultHasher::new();
                table.to_string().hash(&mut hasher);
                self.0.entry(format!("{kind}.{name}")).or_default().push(hasher.finish());
            }
        }
    }

    /// Notes a file that a table refers to, as it was read.
    pub(crate) fn add_file(&mut self, table: &str, read: &io::Result<Vec<u8>>) {
        self.0.entry(table.to_owned()).or_default().push(print_of(read));
    }

    /// With all that `others` noted.
    pub(crate) fn absorb(&mut self, others: Self) {
        for (table, marks) in others.0 {
            self.0.entry(table).or_default().extend(marks);
        }
    }

    /// Whether all tables of a kind are what they are in `other`.
    pub fn same(&self, kind: &str, other: &Self) -> bool {
        self.below(kind).eq(other.below(kind))
    }

    /// Whether one table of a kind is what it is in `other`.
    pub fn same_table(&self, kind: &str, name: &str, other: &Self) -> bool {
        let table = format!("{kind}.{name}");
        let marks = |of: &Self| of.0.get(&table).cloned();
        marks(self) == marks(other) && self.below(&table).eq(other.below(&table))
    }

    fn below<'a>(&'a self, table: &str) -> impl Iterator<Item = (&'a String, &'a Vec<u64>)> + use<'a> {
        let start = format!("{table}.");
        self.0.iter().filter(move |(name, _)| name.starts_with(&start))
    }
}

impl std::fmt::Debug for Marks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Two files that mean the same differ in nothing else.
        f.write_str("Marks")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Marks {
        let mut marks = Marks::default();
        marks.add_text(text);
        marks
    }

    #[test]
    fn a_table_is_the_same_wherever_it_stands_and_another_when_a_value_differs() {
        let one = of("[stores.a]\nurl = \"x\"\n[stores.b]\nurl = \"y\"\n");
        let moved = of("# words\n[stores.b]\nurl = \"y\"\n\n[stores.a]\nurl   = 'x'\n");
        let other = of("[stores.a]\nurl = \"x\"\n[stores.b]\nurl = \"z\"\n");
        assert!(one.same("stores", &moved) && !one.same("stores", &other));
        assert!(one.same_table("stores", "a", &other) && !one.same_table("stores", "b", &other));
        assert!(one.same("sessions", &other));
    }

    #[test]
    fn a_file_that_a_table_refers_to_is_a_part_of_it() {
        let text = "[stores.a]\nca = \"ca.pem\"\n";
        let (mut one, mut two, mut three) = (of(text), of(text), of(text));
        one.add_file("stores.a", &Ok(b"1".to_vec()));
        two.add_file("stores.a", &Ok(b"2".to_vec()));
        three.add_file("stores.a", &Ok(b"1".to_vec()));
        assert!(!one.same("stores", &two) && one.same("stores", &three));
        assert!(!one.same_table("stores", "a", &two));
    }
}
