//! What the verbs print.

use crate::admin;
use crate::error::{Error, Result};
use crate::store::Device;

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
    let rows: [(&str, String); 7] = [
        ("workspace", summary.name.clone()),
        ("id", summary.id.clone()),
        ("people", summary.people.to_string()),
        ("devices", format!("{} ({} revoked)", summary.devices, summary.revoked_devices)),
        ("records", summary.records.to_string()),
        ("sequence", summary.sequence.to_string()),
        ("state hash", summary.state_hash.clone()),
    ];
    rows.iter().try_for_each(|(label, value)| say(out, &format!("{label:<11} {value}")))
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

fn ago(ms: i64) -> String {
    match ms / 60_000 {
        ..=0 => "now".to_owned(),
        minutes @ 1..=119 => format!("{minutes} min ago"),
        minutes @ 120..=2879 => format!("{} hours ago", minutes / 60),
        minutes => format!("{} days ago", minutes / 1440),
    }
}
