//! A card's identity where it has no `UID`.

use super::Card;
use sha2::{Digest, Sha256};

/// Names the form below. A new form gets a new name, and with it other fingerprints.
const FORM: &str = "roadbook-card-1\n";

impl Card {
    /// What the card says, as 16 bytes; the same for the same card in another file, another version, with its lines
    /// in another order or folded elsewhere.
    ///
    /// The form is frozen, as fingerprints are kept as identities. It is the first 16 bytes of SHA-256 over
    /// `roadbook-card-1\n` and then one record per value, the records sorted by their bytes, equal ones kept. A
    /// record is a name, then for each part a space and the part, then `\n`. A part that is there is its length in
    /// bytes in decimal, a colon and its UTF-8; a part that is absent is `-`. The records:
    ///
    /// * `uid`, `full_name`, `prefix`, `given`, `middle`, `family`, `suffix`, `organization`, `department`, `title`,
    ///   `note`, each with the value; none if it is absent;
    /// * `phone` with value, kind, extension, preferred (`1` or absent), label;
    /// * `email` with value, kind, preferred, label;
    /// * `url` with value, label;
    /// * `messenger` with scheme, value;
    /// * `address` with kind, po_box, extended, street, city, region, postcode, country;
    /// * `birthday` with `1985-04-12` or `--04-12`;
    /// * `category` with the value.
    ///
    /// The line does not count, nor do `REV` and `PRODID`, which a [`Card`] does not hold.
    pub fn compute_fingerprint(&self) -> [u8; 16] {
        let mut records = self.records();
        records.sort_unstable();
        let mut hash = Sha256::new();
        hash.update(FORM);
        for record in &records {
            hash.update(record);
        }
        let mut fingerprint = [0; 16];
        for (to, from) in fingerprint.iter_mut().zip(hash.finalize()) {
            *to = from;
        }
        fingerprint
    }

    fn records(&self) -> Vec<String> {
        let mut records = Vec::new();
        let single = [
            ("uid", &self.uid),
            ("full_name", &self.full_name),
            ("prefix", &self.prefix),
            ("given", &self.given),
            ("middle", &self.middle),
            ("family", &self.family),
            ("suffix", &self.suffix),
            ("organization", &self.organization),
            ("department", &self.department),
            ("title", &self.title),
            ("note", &self.note),
        ];
        for (name, value) in single {
            records.extend(value.as_deref().map(|value| record(name, &[Some(value)])));
        }
        for phone in &self.phones {
            let parts = [
                Some(phone.value.as_str()),
                Some(phone.kind.as_str()),
                phone.extension.as_deref(),
                mark(phone.preferred),
                phone.label.as_deref(),
            ];
            records.push(record("phone", &parts));
        }
        for email in &self.emails {
            let parts = [Some(email.value.as_str()), Some(email.kind.as_str()), mark(email.preferred), email.label.as_deref()];
            records.push(record("email", &parts));
        }
        for url in &self.urls {
            records.push(record("url", &[Some(&url.value), url.label.as_deref()]));
        }
        for messenger in &self.messengers {
            records.push(record("messenger", &[Some(&messenger.scheme), Some(&messenger.value)]));
        }
        for address in &self.addresses {
            let parts = [
                Some(address.kind.as_str()),
                address.po_box.as_deref(),
                address.extended.as_deref(),
                address.street.as_deref(),
                address.city.as_deref(),
                address.region.as_deref(),
                address.postcode.as_deref(),
                address.country.as_deref(),
            ];
            records.push(record("address", &parts));
        }
        if let Some(birthday) = self.birthday {
            records.push(record("birthday", &[Some(&birthday.to_string())]));
        }
        for category in &self.categories {
            records.push(record("category", &[Some(category)]));
        }
        records
    }
}

fn mark(set: bool) -> Option<&'static str> {
    set.then_some("1")
}

fn record(name: &str, parts: &[Option<&str>]) -> String {
    let mut record = String::from(name);
    for part in parts {
        match part {
            Some(part) => {
                record.push(' ');
                record.push_str(&part.len().to_string());
                record.push(':');
                record.push_str(part);
            }
            None => record.push_str(" -"),
        }
    }
    record.push('\n');
    record
}
