//! Deals, in one default pipeline.

use crate::document::Skeleton;
use crate::error::{Problem, ProblemCode};
use crate::id::{ContactId, DealId, UserId};
use crate::record;
use crate::value::{CustomField, LocalDate, Money, Outcome, Position, closing_wins};

record! {
    /// A sale in progress.
    Deal, row DealRow, id DealId, kind Deal "deal", table "deal",
    row_version (1, 0), mirror deal_mirror {
        row {
            /// What the rep calls it.
            title: String = register [required, max(200), search],
            /// Amount and currency change together.
            value: Option<Money> = register [columns(&["value_minor", "currency"]), stays],
            /// Stage and outcome. Closing beats a concurrent move.
            position: Position = register [resolve(closing_wins), columns(&["stage", "outcome"]), stays],
            /// When it is expected to close.
            close_date: Option<LocalDate> = register [stays],
            /// Who works on it.
            owner: Option<UserId> = register [stays],
            /// The firm that buys, as written.
            organization: String = register [max(200), search],
            /// Words that group deals.
            tags: Vec<String> = set [max(100), max_items(200)],
        }
        record {
            /// The people it is about.
            contacts: Vec<ContactId> = set [max_items(200), link],
            /// Why it was lost.
            lost_reason: String = register [max(500)],
            /// What people write about the deal.
            notes: String = text [max(100_000)],
            /// Fields that the workspace added.
            x: Vec<CustomField> = keyed [max(10_000), max_items(200)],
        }
    }
    skeleton SKELETON,
    rules rules,
    headline title,
    sort title,
}

/// Frozen: every deal begins in it.
pub static SKELETON: Skeleton =
    Skeleton::new("deal", &[&["notes"]], &["7fc516f2a70fff248f9684b929d14076b13df75a2e616685d076a999bc348eb2"]);

fn rules(deal: &Deal) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(value) = &deal.value
        && Money::decimals(&value.currency).is_none()
    {
        problems.push(Problem::new("value", ProblemCode::UnknownCurrency));
    }
    match deal.position.outcome {
        Outcome::Won if deal.value.is_none() => problems.push(Problem::new("value", ProblemCode::Required)),
        Outcome::Lost if deal.lost_reason.trim().is_empty() => problems.push(Problem::new("lost_reason", ProblemCode::Required)),
        _ => {}
    }
    problems
}

fn title(deal: &Deal) -> String {
    deal.title.clone()
}
