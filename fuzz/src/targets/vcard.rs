//! A file of cards: read whole and in small pieces, written and read again.

use std::io::BufReader;

use roadbook_core::import::vcard::{Card, Cards, Item, write_card};

pub fn run(input: &[u8]) {
    let items: Vec<Item> = Cards::new(input).map(|item| item.expect("memory can be read")).collect();
    let pieces: Vec<Item> =
        Cards::new(BufReader::with_capacity(7, input)).map(|item| item.expect("memory can be read")).collect();
    assert_eq!(items, pieces, "how a file arrives makes no difference");
    let cards: Vec<Card> = items.into_iter().filter_map(card).collect();
    let once = written(&cards);
    let again: Vec<Card> = Cards::new(once.as_slice()).map(|item| card(item.expect("memory")).expect("a good card")).collect();
    assert_eq!(again.len(), cards.len(), "what is written can be read");
    assert_eq!(written(&again), once, "what was written is written the same again");
}

fn card(item: Item) -> Option<Card> {
    match item {
        Item::Card(card) => Some(*card),
        Item::Broken(_) => None,
    }
}

fn written(cards: &[Card]) -> Vec<u8> {
    let mut out = Vec::new();
    for card in cards {
        write_card(&mut out, card).expect("memory can be written");
    }
    out
}
