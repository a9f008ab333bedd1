//! Files in and out.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, IsTerminal as _, Read, Write};
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use roadbook_core::Book;
use roadbook_core::book::{ExportReport, ImportProblem, ImportReport, LeftOut, Progress};
use roadbook_core::value::Region;
use serde_json::json;

use super::{Run, start};
use crate::args::ExportFormat;
use crate::failure::{Failure, OK, Outcome, PARTLY};
use crate::say::{count, line};
use crate::store::{part_of, sync_folder};

/// Broken cards, or records left out, that are told line by line; the rest is counted.
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

pub(super) fn import(run: &Run<'_>, files: &[PathBuf], typed: Option<&str>) -> Outcome<u8> {
    let region = start::region(typed)?;
    let book = run.open()?;
    let inputs: Vec<Input> = files.iter().map(|path| open(path)).collect::<Outcome<_>>()?;
    let total = take(run, &book, inputs, region.as_ref())?;
    let problem = |problem: &ImportProblem| json!({"file": problem.file, "line": problem.line, "fault_line": problem.fault_line, "reason": problem.reason});
    run.say.answer(
        || {
            Ok(json!({
                "cards": total.cards,
                "added": total.added,
                "updated": total.updated,
                "unchanged": total.unchanged,
                "broken": total.broken,
                "problems": total.problems.iter().map(problem).collect::<Vec<_>>(),
            }))
        },
        |out| {
            let ImportReport { added, updated, unchanged, broken, .. } = total;
            write!(out, "{} added, {updated} updated, {unchanged} unchanged", count(added, "contact", "contacts"))?;
            if broken > 0 {
                write!(out, "; {} broken and left out", count(broken, "card was", "cards were"))?;
            }
            writeln!(out, ".")?;
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
    for input in inputs {
        let bar = bar(run, &input);
        let progress = |progress: Progress| {
            bar.set_position(progress.bytes);
            bar.set_message(count(progress.cards, "card", "cards"));
            true
        };
        let report = book.import_vcard(&input.name, BufReader::with_capacity(1 << 16, input.reader), region, &progress);
        bar.finish_and_clear();
        let report = report?;
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
        run.say.remark(&format!("and {} more broken cards", total.broken - TOLD as u64));
    }
    Ok(total)
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
    let write = |out: &mut dyn Write| -> Outcome<ExportReport> {
        Ok(match format {
            ExportFormat::Vcard => book.export_vcard(out)?,
            ExportFormat::Json => book.export_json(out)?,
        })
    };
    let report = match &file {
        Some(path) => whole_file(path, write)?,
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

/// Writes a file that is there whole or not at all: beside it first, onto the disk, then under its name.
fn whole_file<T>(path: &Path, write: impl FnOnce(&mut dyn Write) -> Outcome<T>) -> Outcome<T> {
    let said = path.display().to_string();
    let fail = |error: io::Error| Failure::io(format!("cannot write {said}"), &error);
    let target = match fs::metadata(path) {
        Ok(about) if about.is_dir() => return Err(Failure::new("io", format!("cannot write {said}: it is a folder"))),
        // A device or a pipe has no half of itself to leave behind, and must not be replaced by a file.
        Ok(about) if !about.is_file() => {
            let mut out = BufWriter::new(OpenOptions::new().write(true).open(path).map_err(fail)?);
            let done = write(&mut out)?;
            out.flush().map_err(fail)?;
            return Ok(done);
        }
        // The file that a link points to is replaced, not the link.
        Ok(_) => fs::canonicalize(path).map_err(fail)?,
        Err(_) => path.to_owned(),
    };
    let part = part_of(&target);
    let file = OpenOptions::new().write(true).create_new(true).open(&part).map_err(fail)?;
    let mut out = BufWriter::with_capacity(1 << 16, file);
    let written = write(&mut out);
    let done = written.and_then(|done| {
        out.flush().and_then(|()| out.get_ref().sync_all()).and_then(|()| fs::rename(&part, &target)).map_err(fail)?;
        Ok(done)
    });
    if done.is_err() {
        // What was written so far is nobody's file.
        let _ = fs::remove_file(&part);
    }
    sync_folder(&target);
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_export_leaves_the_old_file_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("book.vcf");
        fs::write(&path, "old").unwrap();
        let failed = whole_file(&path, |out| -> Outcome<()> {
            out.write_all(&[b'x'; 200_000])?;
            Err(Failure::new("io", "no room"))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        whole_file(&path, |out| Ok(out.write_all(b"new")?)).unwrap_or_else(|_| panic!("the export failed"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        whole_file(&link, |out| Ok(out.write_all(b"new")?)).unwrap_or_else(|_| panic!("the export failed"));
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
    }
}
