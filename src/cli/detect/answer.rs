//! A look at a store, for people and for machines.

use crate::cli::detect::known::place;
use crate::cli::printer::Printer;
use crate::clock::UnixMillis;
use crate::detect::{Explanation, Finding, Proof, Report, SecretRef};
use crate::format::options::word;

/// Other families that are printed.
const OTHERS_MAX: usize = 8;

pub(in crate::cli) fn print(report: &Report, secrets: &[SecretRef], show_values: bool, printer: &Printer) {
    let look = &report.look;
    let all = if look.complete { "all there are" } else { "there are more" };
    printer.line(format!(
        "database {}: {} keys scanned ({all}), {} values read",
        look.database, look.keys, look.values
    ));
    for (place, finding) in report.findings.iter().enumerate() {
        print_finding(place + 1, finding, printer);
    }
    if report.findings.is_empty() {
        printer.line("nothing here looks like sessions of a framework that is known");
        if !look.complete {
            printer.line(
                "they may be among the keys that were not scanned: narrow it with --match, as 'sess:*'",
            );
        }
    }
    for (database, keys) in look.databases.iter().filter(|(database, _)| *database != look.database) {
        printer.line(format!("database {database} has {keys} keys: look there with --db {database}"));
    }
    if !report.others.is_empty() {
        printer.line("\nno sessions:");
    }
    for (template, keys, kind) in report.others.iter().take(OTHERS_MAX) {
        printer.line(format!("  {} ({keys} keys): {kind}", plain(template)));
    }
    match &report.proof {
        None => {}
        Some(Ok(proof)) => print_proof(proof, secrets, show_values, printer),
        Some(Err(why)) => {
            printer.line("\nthe cookie proves nothing:");
            why.iter().for_each(|why| printer.line(format!("  {}", plain(why))));
        }
    }
}

pub(in crate::cli) fn print_finding(number: usize, finding: &Finding, printer: &Printer) {
    let how = &finding.how;
    printer.line(format!("\n{number}. {}: {} of 100", how.name, how.confidence));
    let row = |name: &str, text: String| printer.line(format!("   {name:<10} {}", plain(&text)));
    row("framework", word(how.framework).to_owned());
    row("key", format!("{} ({} keys; the id is {})", finding.key, finding.keys, finding.ids));
    row("value", format!("{}{}", how.serializer, options(how)));
    row("cookie", format!("{} by default; the store does not show it", how.cookie));
    row("subject", format!("{} ({} of 100)", finding.subject.words, finding.subject.confidence));
    let others = finding.subjects.iter().filter(|guess| finding.subject.path.as_ref() != Some(&guess.path));
    for guess in others.filter(|_| finding.subject.path.is_some()) {
        row("", format!("or `{}`: in {} sessions ({} of 100)", guess.path, guess.found, guess.confidence));
    }
    row("ttl", finding.ttl.words());
    for (place, evidence) in how.evidence.iter().enumerate() {
        row(if place == 0 { "because" } else { "" }, evidence.clone());
    }
    for other in &finding.alternatives {
        row("or else", format!("{}: {} of 100", other.name, other.confidence));
    }
}

fn print_proof(proof: &Proof, secrets: &[SecretRef], show_values: bool, printer: &Printer) {
    printer.line(format!("\nproven: {}", proof.how.name));
    let row = |name: &str, text: String| printer.line(format!("   {name:<10} {}", plain(&text)));
    row("framework", format!("{}{}", word(proof.how.framework), options(&proof.how)));
    row("cookie", proof.how.cookie.clone());
    row("key", proof.key.clone());
    match proof.secret.and_then(|at| secrets.get(at)) {
        Some(secret) => row("verified by", place(secret)),
        None => row("signed", "no: whoever knows an id has the session, here as at the app".to_owned()),
    }
    if let Some(block) = proof.encryption.and_then(|at| secrets.get(at)) {
        row("opened by", place(block));
    }
    row("subject", proof.subject.words.clone());
    row(
        "user",
        proof.user.as_ref().map_or("nobody is logged in".to_owned(), |user| shown(user, show_values)),
    );
    row("ends", proof.ends_at.map_or("when it is deleted".to_owned(), UnixMillis::rfc3339));
}

fn options(how: &Explanation) -> String {
    let said = |(name, value): &(&str, &str)| format!(", {name} = {value}");
    how.options.iter().filter(|(name, _)| *name != "serializer").map(said).collect()
}

/// Names come from the store, which may hold anything: nothing of it reaches the terminal as a control.
pub(in crate::cli) fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

fn shown(user: &str, show_values: bool) -> String {
    if show_values {
        return user.to_owned();
    }
    let first: String = user.chars().take(1).collect();
    format!("{first}*** ({} characters; --show-values shows it)", user.chars().count())
}

pub(in crate::cli) fn as_json(
    report: &Report,
    secrets: &[SecretRef],
    show_values: bool,
) -> serde_json::Value {
    let look = &report.look;
    let others = report
        .others
        .iter()
        .map(|(key, keys, holds)| serde_json::json!({ "key": key, "keys": keys, "holds": holds }));
    let databases = look.databases.iter().map(|(db, keys)| serde_json::json!({ "db": db, "keys": keys }));
    let proof = report.proof.as_ref().map(|proof| match proof {
        Ok(proof) => proof_json(proof, secrets, show_values),
        Err(why) => serde_json::json!({ "proven": false, "why": why }),
    });
    serde_json::json!({
        "db": look.database,
        "keys_scanned": look.keys,
        "complete": look.complete,
        "values_read": look.values,
        "databases": databases.collect::<Vec<_>>(),
        "findings": report.findings.iter().map(|finding| finding_json(finding, look.database)).collect::<Vec<_>>(),
        "others": others.collect::<Vec<_>>(),
        "proof": proof,
    })
}

fn finding_json(finding: &Finding, database: i64) -> serde_json::Value {
    let guesses = finding.subjects.iter().map(
        |guess| serde_json::json!({ "path": guess.path, "confidence": guess.confidence, "found": guess.found }),
    );
    let attributes = finding.attributes.iter().map(|(name, path)| ((*name).to_owned(), path.clone().into()));
    let mut object = how_json(&finding.how);
    object.extend([
        ("key".to_owned(), finding.key.clone().into()),
        ("db".to_owned(), database.into()),
        ("ids".to_owned(), finding.ids.clone().into()),
        ("keys".to_owned(), finding.keys.into()),
        ("values_read".to_owned(), finding.values.into()),
        ("subject".to_owned(), finding.subject.path.clone().into()),
        ("subject_words".to_owned(), finding.subject.words.clone().into()),
        ("subject_confidence".to_owned(), finding.subject.confidence.into()),
        ("subjects".to_owned(), guesses.collect()),
        ("attributes".to_owned(), serde_json::Value::Object(attributes.collect())),
        (
            "ttl".to_owned(),
            serde_json::json!({
                "shortest_seconds": finding.ttl.shortest,
                "longest_seconds": finding.ttl.longest,
                "without": finding.ttl.without,
            }),
        ),
        (
            "alternatives".to_owned(),
            finding.alternatives.iter().map(|other| serde_json::Value::Object(how_json(other))).collect(),
        ),
    ]);
    serde_json::Value::Object(object)
}

fn how_json(how: &Explanation) -> serde_json::Map<String, serde_json::Value> {
    let option = |name: &str| how.options.iter().find(|(option, _)| *option == name).map(|(_, value)| *value);
    let options = how.options.iter().map(|(name, value)| ((*name).to_owned(), (*value).into()));
    let fields = [
        ("framework", word(how.framework).into()),
        ("name", how.name.into()),
        ("confidence", how.confidence.into()),
        ("cookie", how.cookie.clone().into()),
        ("serializer", how.serializer.into()),
        ("compressor", option("compressor").into()),
        ("engine", option("engine").into()),
        ("store_serializer", option("store_serializer").into()),
        ("options", serde_json::Value::Object(options.collect())),
        ("evidence", how.evidence.clone().into()),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn proof_json(proof: &Proof, secrets: &[SecretRef], show_values: bool) -> serde_json::Value {
    let named = |at: Option<usize>| at.and_then(|at| secrets.get(at)).map(place);
    let mut object = how_json(&proof.how);
    object.extend([
        ("proven".to_owned(), true.into()),
        ("key".to_owned(), proof.key.clone().into()),
        ("secret".to_owned(), named(proof.secret).into()),
        ("encryption_secret".to_owned(), named(proof.encryption).into()),
        ("subject".to_owned(), proof.subject.path.clone().into()),
        ("subject_words".to_owned(), proof.subject.words.clone().into()),
        ("user".to_owned(), proof.user.as_ref().map(|user| shown(user, show_values)).into()),
        ("ends_at".to_owned(), proof.ends_at.map(UnixMillis::rfc3339).into()),
    ]);
    serde_json::Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_masked_unless_asked_for() {
        assert!(!shown("alice@example.com", false).contains("lice"));
        assert_eq!(shown("42", true), "42");
    }

    #[test]
    fn what_a_key_holds_cannot_move_the_cursor() {
        assert!(!plain("sess\u{1b}[2J:{id}").contains('\u{1b}'));
    }
}
