//! What apps hand back or hand over to lists: tokens of pages, texts to search, names of conflicts and refusals. The first byte
//! chooses the call.

use data_encoding::BASE64URL_NOPAD;
use roadbook_core::book::{Book, ContactFilter, ContactSort, DealFilter, DealSort, Owner, Page, TaskFilter, TaskSort};

use super::phone::{Phone, unbroken};
use crate::parts::choice;

/// In the first byte: the text is the content of a token, not yet encoded.
pub const PLAIN: u8 = 0x80;

pub fn run(input: &[u8]) {
    thread_local! {
        // Nothing is written: every run finds the same book.
        static BOOK: (std::sync::Arc<Book>, Phone) = {
            let phone = Phone::new();
            (phone.book(), phone)
        };
    }
    BOOK.with(|(book, _)| ask(book, input));
}

fn ask(book: &Book, input: &[u8]) {
    let (first, rest) = choice(input);
    let text = if first & PLAIN == 0 { String::from_utf8_lossy(rest).into_owned() } else { BASE64URL_NOPAD.encode(rest) };
    let token = Some(text.as_str());
    let (contacts, deals, tasks) = (ContactFilter::default(), DealFilter::default(), TaskFilter::default());
    match (first & !PLAIN) % 14 {
        0 => walk(token, |after| book.contacts(&contacts, ContactSort::Name, after, 1)),
        1 => walk(token, |after| book.contacts(&contacts, ContactSort::Recent, after, 1)),
        2 => walk(token, |after| book.deals(&deals, DealSort::Title, after, 1)),
        3 => walk(token, |after| book.deals(&deals, DealSort::CloseDate, after, 1)),
        4 => walk(token, |after| book.deals(&deals, DealSort::Recent, after, 1)),
        5 => walk(token, |after| book.tasks(&tasks, TaskSort::Due, after, 1)),
        6 => walk(token, |after| book.tasks(&tasks, TaskSort::Title, after, 1)),
        7 => walk(token, |after| book.tasks(&tasks, TaskSort::Recent, after, 1)),
        8 => {
            unbroken(book.search(&text, 10));
        }
        9 => {
            let filter = ContactFilter { text: text.clone(), owner: Some(Owner::Me), tag: Some(text), deleted: false };
            walk(None, |after| book.contacts(&filter, ContactSort::Name, after, 1));
        }
        10 => {
            let filter = DealFilter { text: text.clone(), stage: text.parse().ok(), outcome: text.parse().ok(), ..deals };
            walk(None, |after| book.deals(&filter, DealSort::Title, after, 1));
        }
        11 => {
            let filter = TaskFilter { due_by: text.parse().ok(), status: text.parse().ok(), owner: Some(Owner::Nobody), ..tasks };
            walk(None, |after| book.tasks(&filter, TaskSort::Due, after, 1));
        }
        12 => {
            unbroken(book.draft(&text));
            unbroken(book.settle(&text, "no value"));
        }
        _ => {
            unbroken(book.retry(&text));
            unbroken(book.discard(&text));
        }
    }
}

/// Follows a list to its end; it has one.
fn walk<T>(after: Option<&str>, list: impl Fn(Option<&str>) -> roadbook_core::Result<Page<T>>) {
    let mut after = after.map(str::to_owned);
    for _ in 0..100 {
        let Some(page) = unbroken(list(after.as_deref())) else { return };
        let Some(next) = page.next else { return };
        after = Some(next);
    }
    panic!("a list of a few records does not end");
}
