//! Joining a workspace, syncing, and how this device stands.

use std::io::{BufRead as _, IsTerminal as _, Read as _};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use roadbook_core::book::Status;
use roadbook_core::sync::{End, RejoinReason, Report, Session, WaitReason, address};
use roadbook_core::{Book, Error};
use serde_json::{Value, json};
use ureq::http::Uri;

use super::check::way_back;
use super::{Run, start};
use crate::failure::{Failure, FieldProblem, Outcome};
use crate::http::{Trip, drive};
use crate::say::{count, line, size, time};
use crate::store::StoreError;

/// The most bytes that are read for a code: it is much shorter.
const MAX_CODE: u64 = 1000;

/// The code of an invitation, from where its user gave it.
pub(super) fn code(run: &Run<'_>, typed: Option<String>, file: Option<PathBuf>) -> Outcome<String> {
    let failed = |name: &dyn std::fmt::Display, error| Failure::io(format!("cannot read the invitation from {name}"), &error);
    let mut text = String::new();
    match (typed, file) {
        (Some(dash), _) if dash == "-" => {
            let input = std::io::stdin().lock();
            if input.is_terminal() {
                run.say.remark("Type the code of the invitation, and Enter:");
            }
            // One line: whoever types it does not end the input.
            input.take(MAX_CODE).read_line(&mut text).map_err(|error| failed(&"standard input", error))?;
        }
        (Some(typed), _) => text = typed,
        (None, Some(path)) => {
            let read = std::fs::File::open(&path).and_then(|file| file.take(MAX_CODE).read_to_string(&mut text));
            read.map_err(|error| failed(&path.display(), error))?;
        }
        (None, None) => {}
    }
    Ok(text.trim().to_owned())
}

/// Whether records would pass a network as they are.
fn is_open_to_readers(url: &str) -> bool {
    let Ok(uri) = url.trim().parse::<Uri>() else { return false };
    let host = uri.host().unwrap_or_default();
    let is_here =
        host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    uri.scheme_str() == Some("http") && !is_here
}

pub(super) fn join(run: &Run<'_>, url: &str, invite: &str, device: Option<String>, typed: Option<&str>) -> Outcome {
    let wrong = |field: &str, message: String| Failure::invalid(vec![FieldProblem::format(field, message)]);
    // Before a book is made for an address that cannot be one, or with authorities that cannot be read.
    if address(url).is_err() {
        return Err(wrong("url", format!("“{}” is no address of a server (one looks like https://crm.example)", line(url))));
    }
    let client = run.client()?;
    if is_open_to_readers(url) {
        run.say
            .remark("This address is not encrypted: whoever is between here and the server can read your records. https:// is.");
    }
    let region = start::region(typed)?;
    let (book, made) = match run.at.open() {
        Err(StoreError::NoBook { .. }) => {
            let (book, is_new) = start::create(run, region.as_ref())?;
            (book, Some(is_new))
        }
        other => (other?, None),
    };
    if let Some(is_new) = made {
        run.say.remark(&format!("Made a book in {}. {}", run.at.dir.display(), start::about_key(run, is_new)));
    }
    let book = Arc::new(book);
    let mut session = match Session::join(&book, url, invite, &device.unwrap_or_else(computer)) {
        Err(Error::Invalid(problems)) if problems.iter().any(|problem| problem.field == "invite") => {
            return Err(wrong("invite", "the code of the invitation is not one; ask for it again".into()));
        }
        other => other?,
    };
    let trip = drive(&mut session, &client);
    drop(session);
    let trip = trip.map_err(|error| match error {
        Error::OtherWorkspace => Failure::new(
            "other_workspace",
            "This book belongs to another workspace, and no record may go to the wrong firm. Join this one with a book of its own: `roadbook --store NEW_FOLDER join …`.",
        ),
        other => other.into(),
    })?;
    tell(run, &book, url, &trip, true, None)
}

pub(super) fn sync(run: &Run<'_>, deadline: Option<u32>) -> Outcome {
    let until = deadline.and_then(|seconds| Instant::now().checked_add(Duration::from_secs(seconds.into())));
    let book = Arc::new(run.open()?);
    let server = book.status()?.server.unwrap_or_default();
    let mut session = Session::sync(&book, deadline.map(|seconds| seconds.saturating_mul(1000)))?;
    let trip = drive(&mut session, &run.client()?)?;
    drop(session);
    tell(run, &book, &server, &trip, false, until)
}

/// What this device is called in the workspace, where nobody said.
fn computer() -> String {
    let named = |variable: &str| std::env::var(variable).ok();
    let name = named("HOSTNAME").or_else(|| named("COMPUTERNAME")).or_else(|| std::fs::read_to_string("/etc/hostname").ok());
    name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).unwrap_or_else(|| "computer".into())
}

fn report_json(report: &Report) -> Value {
    json!({
        "requests": report.requests,
        "bytes_up": report.bytes_up,
        "bytes_down": report.bytes_down,
        "pushed": report.pushed,
        "pulled": report.pulled,
        "refused": report.refused,
        "held": report.held,
        "set_aside": report.set_aside,
    })
}

fn sentence(report: &Report) -> String {
    format!(
        "{} sent, {} received, {}, {} up, {} down",
        count(report.pushed, "change", "changes"),
        count(report.pulled, "record", "records"),
        count(report.requests.into(), "request", "requests"),
        size(report.bytes_up),
        size(report.bytes_down),
    )
}

/// Says how a session ended, once what arrived was opened, as far as there is time until `until`.
fn tell(run: &Run<'_>, book: &Book, server: &str, trip: &Trip, joining: bool, until: Option<Instant>) -> Outcome {
    let report = trip.end.report();
    let fail = |code: &'static str, message: String| {
        Err(Failure::new(code, message).detail("end", code.into()).detail("report", report_json(report)))
    };
    let kept =
        if joining { "nothing is lost: run the same command again" } else { "your edits are kept and will be sent next time" };
    let server = line(server);
    let (end, text) = match &trip.end {
        End::Done(report) => ("done", format!("Synced: {}.", sentence(report))),
        End::More(report) => ("more", format!("Synced a part: {}. Run `roadbook sync` again for the rest.", sentence(report))),
        End::Cancelled(_) => return fail("cancelled", format!("Stopped; {kept}.")),
        End::Upgrade(_) => {
            return fail(
                "upgrade_required",
                format!("The server speaks a protocol of another release: update Roadbook; {kept}."),
            );
        }
        End::Wait { reason, after_ms, .. } => {
            let trouble = trip.trouble.as_ref().map(|trouble| format!(" ({})", line(trouble))).unwrap_or_default();
            return match reason {
                WaitReason::Offline => fail("offline", format!("No connection to {server}{trouble}; {kept}.")),
                WaitReason::NotTheServer => fail(
                    "not_the_server",
                    format!(
                        "Something else than your Roadbook server answers at {server}: check the address and the network; {kept}."
                    ),
                ),
                // A minute after many wrong codes, else what the server asks for.
                WaitReason::Server => fail(
                    "server",
                    format!(
                        "The server at {server} is busy, failed, or wants to be left alone for {}; {kept}.",
                        count(u64::from(after_ms.div_ceil(1000)), "second", "seconds")
                    ),
                ),
                WaitReason::Held => fail(
                    "held",
                    format!(
                        "{} for others' edits that the server does not have yet, or for a record that it cannot open; they are kept and will be sent again. If they still wait when your colleagues have synced, ask the administrator to run `roadbook-server doctor`.",
                        count(report.held, "edit waits", "edits wait")
                    ),
                ),
            };
        }
        End::Rejoin { reason, .. } => {
            return match reason {
                RejoinReason::NotJoined => fail(
                    "not_joined",
                    "This device belongs to no workspace yet: run `roadbook join URL --invite CODE` with an invitation.".into(),
                ),
                RejoinReason::Revoked => fail(
                    "revoked",
                    "The administrator revoked this device. Your records and edits are kept here; join again with a new invitation.".into(),
                ),
                RejoinReason::Unknown => fail(
                    "unknown_device",
                    "The server does not know this device: it was put back from an older backup, or this book is a copy, which counts as a new device. Your records and edits are kept here; join again with a new invitation.".into(),
                ),
                RejoinReason::Invitation => {
                    fail("invitation", "The invitation is unknown, used or has ended; ask the administrator for a new one.".into())
                }
            };
        }
    };
    let arrived = run.open_arrived(book, until).and_then(|complete| Ok((complete, book.status()?)));
    let (complete, status) = arrived.map_err(|failure| {
        // What was synced stays synced.
        run.say.remark(&text);
        failure.detail("end", end.into()).detail("report", report_json(report))
    })?;
    run.say.answer(
        || {
            Ok(json!({
                "end": end,
                "workspace": status.workspace,
                "report": report_json(report),
                "disputed": status.disputed,
                "disputed_complete": complete,
            }))
        },
        |out| {
            if joining && let Some(workspace) = &status.workspace {
                writeln!(out, "Joined {}.", line(workspace))?;
            }
            writeln!(out, "{text}")?;
            if report.refused > 0 {
                let refused = count(report.refused, "change was", "changes were");
                writeln!(out, "{refused} refused by the server: `roadbook refusals`.")?;
            }
            if report.set_aside > 0 {
                let records = count(report.set_aside, "record", "records");
                writeln!(out, "{records} could not be taken and will be asked for again.")?;
            }
            if status.disputed > 0 {
                writeln!(out, "{}", disputed(&status))?;
            }
            Ok(())
        },
    )
}

fn disputed(status: &Status) -> String {
    let records = count(status.disputed, "record has", "records have");
    format!("{records} a disagreement that waits for a decision: `roadbook conflicts`.")
}

pub(super) fn status(run: &Run<'_>) -> Outcome {
    let book = run.open()?;
    let complete = run.open_arrived(&book, None)?;
    let status = book.status()?;
    run.say.answer(
        || {
            Ok(json!({
                "store": run.at.dir.display().to_string(),
                "workspace": status.workspace,
                "server": status.server,
                "region": book.region()?.code(),
                "records": status.records,
                "pending_actions": status.pending_actions,
                "pending_changes": status.pending_changes,
                "refused": status.refused,
                "disputed": status.disputed,
                "disputed_complete": complete,
                "unreadable": status.unreadable,
                "synced_at_ms": status.synced_at_ms,
                "copied_at_ms": status.copied_at_ms,
                "state_hash": status.state_hash,
            }))
        },
        |out| {
            writeln!(out, "Book       {}", run.at.dir.display())?;
            match (&status.workspace, &status.server) {
                (Some(workspace), server) => {
                    writeln!(out, "Workspace  {} at {}", line(workspace), line(server.as_deref().unwrap_or("?")))?;
                }
                (None, _) => writeln!(out, "Workspace  none: `roadbook join URL --invite CODE` joins one")?,
            }
            writeln!(out, "Records    {}, deleted ones included", status.records)?;
            writeln!(out, "Last sync  {}", status.synced_at_ms.map_or_else(|| "never".into(), time))?;
            if let Some(at) = status.copied_at_ms {
                writeln!(
                    out,
                    "Copied     found to be a copy or a restored backup at {}; it writes as a device of its own since then. What was written after the copy was made and not sent is not in it",
                    time(at)
                )?;
            }
            writeln!(out, "State      {}", status.state_hash)?;
            writeln!(out)?;
            if status.refused > 0 {
                writeln!(
                    out,
                    "{} refused by the server: `roadbook refusals`.",
                    count(status.refused, "change was", "changes were")
                )?;
            }
            if status.pending_actions > 0 {
                writeln!(out, "{} on no other device.", count(status.pending_actions, "edit is", "edits are"))?;
            } else if status.workspace.is_none() {
                writeln!(out, "No edit waits to be sent.")?;
            } else if status.refused == 0 {
                writeln!(out, "Every edit is on the server.")?;
            } else {
                writeln!(out, "Every other edit is on the server.")?;
            }
            if status.disputed > 0 {
                writeln!(out, "{}", disputed(&status))?;
            }
            if status.unreadable > 0 {
                let records = count(status.unreadable, "record cannot", "records cannot");
                writeln!(out, "{records} be opened; {}.", way_back(&book))?;
            }
            Ok(())
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_unencrypted_address_beyond_this_machine_is_open_to_readers() {
        for open in ["http://crm.example", "http://10.0.0.7:8080/x", " http://[2001:db8::1]:80 ", "http://localhost.example"] {
            assert!(is_open_to_readers(open), "{open}");
        }
        for closed in ["https://crm.example", "http://localhost:8080", "http://127.0.0.1", "http://[::1]:8080/", "crm.example"] {
            assert!(!is_open_to_readers(closed), "{closed}");
        }
    }
}
