//! Who can log in.

use serde_json::{Value, json};

/// A user of the login app. There is no password: choosing one is logging in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Person {
    /// What the session calls them, and the `sub` claim.
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) email: &'static str,
    pub(super) roles: &'static [&'static str],
}

const PEOPLE: [Person; 2] = [
    Person { id: "alice", name: "Alice", email: "alice@shop.test", roles: &["customer", "staff"] },
    Person { id: "bob", name: "Bob", email: "bob@shop.test", roles: &["customer"] },
];

impl Person {
    pub(super) fn find(id: &str) -> Option<&'static Self> {
        PEOPLE.iter().find(|person| person.id == id)
    }

    /// What the app keeps of them in the session.
    pub(super) fn kept(&self) -> Value {
        json!({ "name": self.name, "email": self.email, "roles": self.roles })
    }
}
