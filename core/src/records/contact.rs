//! Contacts.

use crate::document::Skeleton;
use crate::error::{Problem, ProblemCode};
use crate::id::{ContactId, UserId};
use crate::record;
use crate::value::{Channel, CustomField, LocalDate, PostalAddress};

record! {
    /// A person whom the firm deals with.
    Contact, row ContactRow, id ContactId, kind Contact "contact", table "contact",
    row_version (1, 0), mirror contact_mirror {
        row {
            /// First name.
            given_name: String = register [max(200), search],
            /// Last name.
            family_name: String = register [max(200), search],
            /// The firm, as written.
            organization: String = register [max(200), search],
            /// What the person does there.
            job_title: String = register [max(200), search],
            /// Who looks after the contact.
            owner: Option<UserId> = register [stays],
            /// Words that group contacts.
            tags: Vec<String> = set [max(100), max_items(200)],
            /// Ways to reach the person.
            channels: Vec<Channel> = keyed [max(500), max_items(100), search],
        }
        record {
            /// Between first and last name.
            middle_name: String = register [max(200), search],
            /// Before the name: Dr.
            name_prefix: String = register [max(100)],
            /// After the name: Jr.
            name_suffix: String = register [max(100)],
            /// Postal addresses.
            addresses: Vec<PostalAddress> = keyed [max(1000), max_items(50)],
            /// Day of birth.
            birthday: Option<LocalDate> = register [],
            /// The note that came on an imported card; what people write goes to `notes`.
            card_note: String = register [max(20_000)],
            /// What people write about the contact.
            notes: String = text [max(100_000)],
            /// Fields that the workspace added.
            x: Vec<CustomField> = keyed [max(10_000), max_items(200)],
        }
    }
    skeleton SKELETON,
    rules rules,
    headline full_name,
    sort sort_name,
}

/// Frozen: every contact begins in it.
pub static SKELETON: Skeleton =
    Skeleton::new("contact", &[&["notes"]], &["b10b2cd7ec0438aa41d2ff264598186e2e5eb64259c3a954bffd4dd3332f2395"]);

fn rules(contact: &Contact) -> Vec<Problem> {
    let named = !(contact.given_name.is_empty() && contact.family_name.is_empty() && contact.organization.is_empty());
    if named || !contact.channels.is_empty() {
        return Vec::new();
    }
    vec![Problem::new("family_name", ProblemCode::NameOrChannel)]
}

/// The name as people say it; the firm or the first channel where there is none.
pub fn full_name(contact: &Contact) -> String {
    let parts = [&contact.name_prefix, &contact.given_name, &contact.middle_name, &contact.family_name, &contact.name_suffix];
    let name = parts.into_iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join(" ");
    [name, contact.organization.clone()]
        .into_iter()
        .find(|text| !text.is_empty())
        .or_else(|| contact.channels.first().map(|channel| channel.value.clone()))
        .unwrap_or_default()
}

fn sort_name(contact: &Contact) -> String {
    let parts = [&contact.family_name, &contact.given_name, &contact.middle_name];
    let name = parts.into_iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join(" ");
    if name.is_empty() { full_name(contact) } else { name }
}
