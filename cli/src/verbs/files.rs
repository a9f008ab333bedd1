//! Files in and out.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, IsTerminal as _, Read, Write};
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use roadbook_core::Book;
use roadbook_core::book::{ImportProblem, ImportReport, LeftOut, Progress};
use roadbook_core::value::Region;
use serde_json::{Value, json};

use super::{Run, start};
use crate::args::ExportFormat;
use crate::failure::{Failure, OK, Outcome, PARTLY};
use crate::say::{count, line};

/// Cards or records left out that are told line by line; the rest is counted.
const TOLD: usize = 20;

/// One input of an import, opened before the first one is read: a mistyped name stops the whole, not the second half.
struct Input {
    name: String,
    reader: Box<dyn Read>,
    bytes: Option<u64>,
}

fn open(path: &Path) -> Outcome<Input> {
    if path == Path::new("-") {
        return Ok(Input { name: "standard input".into(), reader: Box::new(io::stdin().lock()), bytes: None });
    }
    let name = path.display().to_string();
    let fail = |error: io::Error| Failure::io(format!("cannot read {name}"), &error);
    let file = File::open(path).map_err(fail)?;
    let about = file.metadata().map_err(fail)?;
    if about.is_dir() {
        return Err(Failure::new("io", format!("cannot read {name}: it is a folder; name the files in it")));
    }
    Ok(Input { name, reader: Box::new(file), bytes: about.is_file().then_some(about.len()) })
}

/// What an import did, for programs.
fn report_json(report: &ImportReport) -> Value {
    let problem = |problem: &ImportProblem| json!({"file": problem.file, "line": problem.line, "fault_line": problem.fault_line, "reason": problem.reason});
    json!({
        "cards": report.cards,
        "added": report.added,
        "updated": report.updated,
        "unchanged": report.unchanged,
        "broken": report.broken,
        "problems": report.problems.iter().map(problem).collect::<Vec<_>>(),
    })
}

/// What an import did, for people.
fn sentence(report: &ImportReport) -> String {
    let ImportReport { added, updated, unchanged, broken, .. } = report;
    let mut text = format!("{} added, {updated} updated, {unchanged} unchanged", count(*added, "contact", "contacts"));
    if *broken > 0 {
        text.push_str(&format!("; {} left out", count(*broken, "card was", "cards were")));
    }
    text
}

pub(super) fn import(run: &Run<'_>, files: &[PathBuf], typed: Option<&str>) -> Outcome<u8> {
    let region = start::region(typed)?;
    if files.iter().filter(|path| *path == Path::new("-")).count() > 1 {
        return Err(Failure::usage("standard input can be read once: name - only once"));
    }
    let book = run.open()?;
    let inputs: Vec<Input> = files.iter().map(|path| open(path)).collect::<Outcome<_>>()?;
    let total = take(run, &book, inputs, region.as_ref())?;
    run.say.answer(
        || Ok(report_json(&total)),
        |out| {
            let ImportReport { added, updated, .. } = total;
            writeln!(out, "{}.", sentence(&total))?;
            if added + updated > 0 {
                writeln!(out, "`roadbook undo` takes the {} back.", if files.len() == 1 { "import" } else { "last file" })?;
            }
            Ok(())
        },
    )?;
    Ok(if total.broken == 0 { OK } else { PARTLY })
}

fn take(run: &Run<'_>, book: &Book, inputs: Vec<Input>, region: Option<&Region>) -> Outcome<ImportReport> {
    let mut total = ImportReport::default();
    for (earlier, input) in inputs.into_iter().enumerate() {
        let bar = bar(run, &input);
        let kept = Cell::new(0);
        let progress = |progress: Progress| {
            kept.set(progress.cards);
            bar.set_position(progress.bytes);
            bar.set_message(count(progress.cards, "card", "cards"));
            true
        };
        let report = book.import_vcard(&input.name, BufReader::with_capacity(1 << 16, input.reader), region, &progress);
        bar.finish_and_clear();
        let report = report.map_err(|error| half_way(run, error.into(), &total, earlier, &input.name, kept.get()))?;
        for problem in report.problems.iter().take(TOLD.saturating_sub(total.problems.len())) {
            let at = problem.fault_line.unwrap_or(problem.line);
            run.say.remark(&format!("{}:{at}: {}", line(&problem.file), line(&problem.reason)));
        }
        total.cards += report.cards;
        total.added += report.added;
        total.updated += report.updated;
        total.unchanged += report.unchanged;
        total.broken += report.broken;
        total.problems.extend(report.problems);
    }
    if total.broken > TOLD as u64 {
        run.say.remark(&format!("and {} more cards that were left out", total.broken - TOLD as u64));
    }
    Ok(total)
}

/// An import that ended early, with what it had taken until then: that stays in the book.
fn half_way(run: &Run<'_>, failure: Failure, total: &ImportReport, earlier: usize, file: &str, cards: u64) -> Failure {
    if earlier > 0 {
        let files = count(earlier as u64, "file before it", "files before it");
        run.say.remark(&format!("From the {files}: {}.", sentence(total)));
    }
    if cards > 0 {
        let taken = count(cards, "card was", "cards were");
        run.say.remark(&format!("From {}: {taken} taken before it broke off.", line(file)));
    }
    if earlier > 0 || cards > 0 {
        run.say.remark("All of that stays in the book; importing the same files again adds nothing twice.");
    }
    failure.detail("earlier_files", report_json(total)).detail("stopped_in", json!({"file": file, "cards": cards}))
}

fn bar(run: &Run<'_>, input: &Input) -> ProgressBar {
    let bar = match input.bytes {
        Some(bytes) => ProgressBar::new(bytes),
        None => ProgressBar::new_spinner(),
    };
    let form = if input.bytes.is_some() { "{bar:30} {percent:>3} %  {msg}, {eta} left" } else { "{spinner} {msg}" };
    if let Ok(style) = ProgressStyle::with_template(form) {
        bar.set_style(style);
    }
    let watched = io::stderr().is_terminal() && !run.say.is_json();
    bar.set_draw_target(if watched { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() });
    bar
}

pub(super) fn export(run: &Run<'_>, format: ExportFormat, output: Option<PathBuf>) -> Outcome<u8> {
    let file = output.filter(|path| path != Path::new("-"));
    if file.is_none() && format == ExportFormat::Vcard && run.say.is_json() {
        return Err(Failure::usage("with --json a vCard export needs a file: -o FILE"));
    }
    let book = run.open()?;
    let write = |out: &mut dyn Write| match format {
        ExportFormat::Vcard => book.export_vcard(out),
        ExportFormat::Json => book.export_json(out),
    };
    let report = match &file {
        Some(path) => book.export_file(path, &write)?,
        None => {
            // Standard output is the export itself, and for JSON that is the one object, which names what it lacks.
            let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
            let report = write(&mut out)?;
            out.flush()?;
            report
        }
    };
    for LeftOut { record, headline, reason } in report.left_out.iter().take(TOLD) {
        run.say.remark(&format!("{} {}: {}", record.kind, line(headline), line(reason)));
    }
    if report.left_out.len() > TOLD {
        run.say.remark(&format!("and {} more records that were left out", report.left_out.len() - TOLD));
    }
    if let Some(path) = file {
        let left_out = report.left_out.len() as u64;
        run.say.answer(
            || {
                Ok(json!({
                    "file": path.display().to_string(),
                    "records": report.written,
                    "left_out": report.left_out.iter().map(LeftOut::to_json).collect::<Vec<_>>(),
                }))
            },
            |out| {
                write!(out, "Wrote {} to {}", count(report.written, "record", "records"), path.display())?;
                if left_out > 0 {
                    write!(out, "; {} left out", count(left_out, "record was", "records were"))?;
                }
                Ok(writeln!(out, ".")?)
            },
        )?;
    }
    Ok(if report.left_out.is_empty() { OK } else { PARTLY })
}
