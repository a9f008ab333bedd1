//! What the verbs print.

use std::path::Path;

use roadbook_core::value::Instant;

use crate::admin;
use crate::doctor::{Repair, Report};
use crate::error::{Error, Result};
use crate::restore::Restored;
use crate::store::{Device, OpenInvitation, Person, Revocation};

/// One line, at once: a script may wait for it.
pub(super) fn say(out: &mut dyn std::io::Write, line: &str) -> Result<()> {
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|source| Error::io("cannot write the answer", source))
}

fn json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string_pretty(value).map_err(|error| Error::Internal(error.to_string()))
}

/// How a workspace stands.
pub(super) fn show(out: &mut dyn std::io::Write, summary: &admin::Summary, as_json: bool) -> Result<()> {
    if as_json {
        return say(out, &json(summary)?);
    }
    let rows: [(&str, String); 8] = [
        ("workspace", summary.name.clone()),
        ("id", summary.id.clone()),
        ("people", summary.people.to_string()),
        ("devices", format!("{} ({} revoked)", summary.devices, summary.revoked_devices)),
        ("records", summary.records.to_string()),
        ("sequence", summary.sequence.to_string()),
        ("state hash", summary.state_hash.clone()),
        ("epoch", summary.epoch.clone()),
    ];
    rows.iter().try_for_each(|(label, value)| say(out, &format!("{label:<11} {value}")))?;
    summary.restored.as_ref().map_or(Ok(()), |restored| show_return(out, restored))
}

fn show_return(out: &mut dyn std::io::Write, restored: &admin::Return) -> Result<()> {
    let at = Instant { ms: restored.at_ms, offset_minutes: 0 };
    say(out, &format!("{:<11} {}, from a backup that stood at {}", "restored", at.to_rfc3339(), restored.sequence))?;
    for (label, devices) in [("back", &restored.back), ("not yet", &restored.missing)] {
        for device in devices {
            let admin::Returning { device, person, name, changes } = device;
            let line = format!("{label:<11} {device}  {person:<20}  {name:<20}  {changes} changes since");
            say(out, &line)?;
        }
    }
    Ok(())
}

/// The devices of a workspace with their people.
pub(super) fn list(out: &mut dyn std::io::Write, devices: &[(Device, String)], now_ms: i64, as_json: bool) -> Result<()> {
    if as_json {
        let devices: Vec<_> = devices
            .iter()
            .map(|(device, person)| {
                serde_json::json!({
                    "id": device.id.to_string(), "person": person, "name": device.name,
                    "last_seen_ms": device.last_seen_ms, "revoked_ms": device.revoked_ms,
                })
            })
            .collect();
        return say(out, &json(&devices)?);
    }
    if devices.is_empty() {
        return say(out, "No device has joined yet; invite a person with: invite");
    }
    for (device, person) in devices {
        let state = if device.revoked_ms.is_some() { "revoked" } else { "" };
        let seen = ago(now_ms.saturating_sub(device.last_seen_ms));
        let line = format!("{}  {person:<20}  {:<20}  {seen:<14}  {state}", device.id, device.name);
        say(out, line.trim_end())?;
    }
    Ok(())
}

/// The open invitations of a workspace with whom they would let in.
pub(super) fn list_invitations(out: &mut dyn std::io::Write, open: &[(OpenInvitation, Person)], as_json: bool) -> Result<()> {
    if as_json {
        let open: Vec<_> = open
            .iter()
            .map(|(invitation, person)| {
                serde_json::json!({
                    "person": person.name, "role": person.role.as_str(), "expires_ms": invitation.expires_ms,
                })
            })
            .collect();
        return say(out, &json(&open)?);
    }
    if open.is_empty() {
        return say(out, "No invitation is open; make one with: invite");
    }
    for (invitation, person) in open {
        let ends = Instant { ms: invitation.expires_ms, offset_minutes: 0 };
        say(out, &format!("{:<20}  {:<13}  until {}", person.name, person.role.as_str(), ends.to_rfc3339()))?;
    }
    Ok(())
}

/// What a revocation ended.
pub(super) fn tell_revoked(out: &mut dyn std::io::Write, device: &Device, person: &str, ended: Revocation) -> Result<()> {
    let what = if ended.device { "Revoked" } else { "Already revoked:" };
    say(out, &format!("{what} {} “{}”.", device.id, device.name))?;
    if ended.invitations > 0 {
        say(out, &format!("Open invitations of {person} that ended: {}.", ended.invitations))?;
    }
    Ok(())
}

/// What a restore did, and what comes now.
pub(super) fn tell_restored(out: &mut dyn std::io::Write, file: &Path, restored: &Restored) -> Result<()> {
    say(out, &format!("Restored {} from {}.", restored.contents, file.display()))?;
    if let Some(kept) = &restored.kept {
        say(out, &format!("What was there is kept as {}.", kept.display()))?;
    }
    let history = restored.history;
    if history.invitations > 0 {
        say(out, &format!("Open invitations that ended: {}; invite again.", history.invitations))?;
    }
    if history.revoked > 0 {
        say(out, &format!("Devices that were revoked after the backup and stay so: {}.", history.revoked))?;
    }
    say(out, "People, devices and revocations are those of the backup: look at `device list` before you serve.")?;
    say(out, "Whoever came after it is unknown: add and invite them again, and their edits come with them.")?;
    say(
        out,
        "Records that were erased after it are back until the device that erased them syncs: without it, erase them again.",
    )?;
    say(out, "Each device pushes its own changes again when it next syncs; `workspace show` tells which have.")
}

/// What the doctor found.
pub(super) fn tell_findings(out: &mut dyn std::io::Write, report: &Report) -> Result<()> {
    for finding in &report.findings {
        say(out, &finding.to_string())?;
    }
    let found = match report.findings.len() {
        0 => "everything fits together".to_owned(),
        1 => "1 finding".to_owned(),
        count => format!("{count} findings"),
    };
    say(out, &format!("Looked at {} records in {} workspaces: {found}.", report.records, report.workspaces))?;
    if report.findings.iter().any(|finding| finding.repair == Repair::None) {
        say(out, "What needs a person is in a backup, or on a device that has it: restore one, or report the lines above.")?;
    }
    Ok(())
}

fn ago(ms: i64) -> String {
    match ms / 60_000 {
        ..=0 => "now".to_owned(),
        minutes @ 1..=119 => format!("{minutes} min ago"),
        minutes @ 120..=2879 => format!("{} hours ago", minutes / 60),
        minutes => format!("{} days ago", minutes / 1440),
    }
}
