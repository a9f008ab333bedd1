//! Every target over the kept corpus, and over changes of it by chance that are the same on every machine.
//! `ROADBOOK_FUZZ_RUNS` asks for another number of random inputs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use roadbook_fuzz::mutate::Random;
use roadbook_fuzz::{TARGETS, Target, groups_that_pass, keep_panics_quiet, memory};

#[global_allocator]
static COUNTING: memory::Counting = memory::Counting;

/// The kept inputs of a target, in the order of their names.
fn kept(target: &Target) -> Vec<(String, Vec<u8>)> {
    let mut inputs: Vec<(String, Vec<u8>)> = std::fs::read_dir(target.corpus())
        .unwrap_or_else(|why| panic!("{}: {why}", target.corpus().display()))
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap())
        })
        .collect();
    inputs.sort();
    inputs
}

/// Runs inputs; what fails is shown in full, so that it can be kept.
fn run(target: &Target, inputs: impl Iterator<Item = (String, Vec<u8>)>) {
    keep_panics_quiet();
    let mut failed = Vec::new();
    for (name, input) in inputs {
        if let Err(why) = target.check(&input) {
            failed.push(format!("{} {name}: {why}\n{}", target.name, data_encoding::HEXLOWER.encode(&input)));
            if failed.len() == 10 {
                break;
            }
        }
    }
    drop(std::panic::take_hook());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn over_the_corpus_and_by_chance(name: &str, runs: usize) {
    let target = Target::named(name).unwrap();
    let kept = kept(target);
    let inputs: Vec<Vec<u8>> = kept.iter().map(|(_, input)| input.clone()).collect();
    run(target, kept.into_iter());
    let runs = std::env::var("ROADBOOK_FUZZ_RUNS").map_or(runs, |runs| runs.parse().unwrap());
    let mut random = Random(1);
    run(target, (0..runs).map(|at| (format!("random {at}"), random.input(&inputs))));
}

macro_rules! targets {
    ($($test:ident: $name:literal, $runs:literal;)*) => {
        $(#[test]
        fn $test() {
            over_the_corpus_and_by_chance($name, $runs);
        })*

        #[test]
        fn every_target_has_its_test() {
            let tested = [$($name),*];
            assert!(TARGETS.iter().map(|target| target.name).eq(tested));
        }
    };
}

targets! {
    no_change_stops_the_gate_and_what_passes_can_be_used_by_everybody: "gate", 2000;
    no_document_stops_the_reader_and_the_scan_reads_what_is_loaded: "document", 4000;
    every_message_that_can_be_decoded_is_encoded_to_the_same: "wire", 1500;
    no_request_makes_the_server_fail_and_twice_the_same_gets_the_same_verdicts: "sync", 400;
    no_page_of_a_server_breaks_a_book: "device", 60;
    no_file_of_cards_breaks_a_book_and_twice_the_same_adds_nothing: "import", 60;
    no_token_and_no_search_text_makes_a_list_fail: "lists", 1000;
    every_text_that_can_be_read_is_written_and_read_as_the_same: "text", 10000;
    no_envelope_unfolds_beyond_its_limit: "envelope", 4000;
    cards_are_the_same_however_they_arrive_and_after_they_were_written: "vcard", 4000;
}

#[test]
fn what_people_write_passes_the_gate_so_that_the_target_looks_behind_it() {
    let gate = Target::named("gate").unwrap();
    let passing = |suffix: &str| -> Vec<usize> {
        let seeds = (gate.seeds)();
        seeds.iter().filter(|(name, _)| name.ends_with(suffix)).map(|(_, input)| groups_that_pass(input)).collect()
    };
    for written in ["-put", "-clear", "-untag", "-notes", "-many", "-types", "-boris", "-derived", "-follow", "-beside"] {
        assert_eq!(passing(written), [1; 4], "{written}");
    }
    assert_eq!(passing("-merge"), [2; 4]);
    for crafted in
        ["-deep", "-list", "-counter", "-skeleton", "-unknown-past", "-last-counters", "-deflated", "-two-million-puts"]
    {
        assert_eq!(passing(crafted), [0; 4], "{crafted}");
    }
}

#[test]
fn the_corpus_has_a_folder_for_every_target_and_no_other() {
    let corpus = TARGETS[0].corpus().join("..");
    let mut folders: Vec<String> =
        std::fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    let mut targets: Vec<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    folders.sort();
    targets.sort();
    assert_eq!(folders, targets);
}

#[test]
fn the_corpus_holds_what_the_product_makes_today() {
    for target in TARGETS {
        for (name, input) in (target.seeds)() {
            let path = target.corpus().join(format!("made-{name}"));
            if std::env::var_os("ROADBOOK_FUZZ_SEEDS").is_some() {
                std::fs::create_dir_all(target.corpus()).unwrap();
                std::fs::write(&path, &input).unwrap();
            }
            let kept = std::fs::read(&path).unwrap_or_default();
            assert!(kept == input, "{} is not what is made today: run `cargo xtask fuzz --seeds`", path.display());
        }
    }
}
