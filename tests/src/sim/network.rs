//! The network between devices and the server: it loses, repeats, delays, damages and rearranges what it carries.

use std::collections::BTreeSet;

use roadbook_core::document::open_envelope;
use roadbook_core::id::RecordId;
use roadbook_core::record::{FieldValue, Kind, decode_row, encode_row};
use roadbook_core::sync::wire::{
    self, CONTENT_TYPE, Entry, ErrorCode, ErrorResponse, LATER, MAX_INFLATED, Outcome, SyncRequest, SyncResponse,
};
use roadbook_core::sync::{Event, Request, Response};
use roadbook_core::value::Scalar;

use super::coverage::{Coverage, Section};
use super::device::Device;
use super::model::{holds, mark};
use super::server::Server;
use super::{Check, Dice, Failure};

/// The address that devices are told.
pub const URL: &str = "http://server";

/// A request that is under way for longer than its sender waits.
pub struct Late {
    /// The workspace that its sender belongs to.
    pub ws: usize,
    path: String,
    authorization: Option<String>,
    body: Vec<u8>,
}

/// The network.
#[derive(Default)]
pub struct Network {
    late: Vec<Late>,
    /// Records of which a group was damaged on the way: an edit may be refused then that the server had taken before.
    pub damaged: BTreeSet<RecordId>,
    /// Whether the server was put back by copying the file. Nobody notices then where only people and devices had moved
    /// (docs/security.md).
    pub copied_back: bool,
    /// Whether a row was changed on the way so that it shows something else than its document.
    pub lied: bool,
}

/// The path of a request.
pub fn path(request: &Request) -> &str {
    request.url.strip_prefix(URL).unwrap_or(&request.url)
}

fn refusal(code: ErrorCode) -> Response {
    let error = ErrorResponse { code: code.code().to_owned(), message: String::new(), retry_after_s: None };
    Response {
        status: code.status(),
        content_type: Some(CONTENT_TYPE.to_owned()),
        body: wire::encode(&error).expect("a message"),
    }
}

/// A damaged copy that is no message any more.
fn damaged<T: for<'b> minicbor::Decode<'b, ()>>(body: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = body.to_vec();
    let at = dice.below(bytes.len());
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << dice.below(8);
    }
    // A flipped bit that still makes a message is not what a checksum below would let through.
    if wire::decode::<T>(&bytes).is_ok() {
        bytes.truncate(at);
    }
    bytes
}

impl Network {
    /// Carries a request to the server and what comes of it back.
    pub fn carry(
        &mut self,
        server: &mut Server,
        device: &mut Device,
        request: &Request,
        dice: &mut Dice,
        faulty: bool,
        coverage: &mut Coverage,
    ) -> Check<Event> {
        let path = path(request).to_owned();
        let authorization = request.authorization.as_deref();
        let mut body = request.body.clone();
        let sync = path == "/v1/sync";
        if sync {
            cursor_goes_on(device, &body)?;
            // At the quiet end pages are as large as devices ask for: that is less work, and the walk was tried before.
            if faulty && dice.chance(40) {
                body = rewritten(&body, |request: &mut SyncRequest| request.max_bytes = 1);
                coverage.count(Section::Network, "small pages");
            }
        }
        let fault = if faulty && dice.chance(25) { dice.below(14) } else { usize::MAX };
        let mut seen = |name| coverage.count(Section::Network, name);
        let early = match fault {
            0 => {
                seen("request lost");
                Some(Event::Unreachable)
            }
            1 => {
                seen("request late");
                let late =
                    Late { ws: device.ws, path: path.clone(), authorization: request.authorization.clone(), body: body.clone() };
                self.late.push(late);
                Some(Event::Unreachable)
            }
            2 => {
                seen("captive portal");
                let body = b"<html>Welcome to the hotel</html>".to_vec();
                Some(Event::Answered(Response { status: 200, content_type: Some("text/html".to_owned()), body }))
            }
            3 if sync => {
                seen("too large for a proxy");
                Some(Event::Answered(refusal(ErrorCode::TooLarge)))
            }
            4 => {
                seen("busy");
                Some(Event::Answered(refusal(ErrorCode::TooMany)))
            }
            _ => None,
        };
        if let Some(early) = early {
            return Ok(early);
        }
        match fault {
            5 if sync => {
                seen("request damaged");
                body = damaged::<SyncRequest>(&body, dice);
            }
            // Not on a server that was put back: an edit that others had already built on would be refused for good, and theirs
            // would wait for it for ever (docs/reliability.md, "Known limits").
            6 if sync && !server.put_back => {
                body = rewritten(&body, |request: &mut SyncRequest| {
                    let group = dice.below(request.groups.len());
                    if let Some(group) = request.groups.get_mut(group) {
                        let item = dice.below(group.items.len());
                        if let Some(byte) = group.items.get_mut(item).and_then(|item| item.change.last_mut()) {
                            *byte ^= 0x10;
                            seen("group damaged");
                            let docs = group.items.iter().filter_map(|item| request.docs.get(item.doc as usize));
                            self.damaged.extend(docs.filter_map(|doc| RecordId::from_slice(&doc.id)));
                        }
                    }
                });
            }
            7 => {
                seen("request twice");
                let first = server.answer(&path, authorization, &body);
                if let Some(first) = first.filter(|first| sync && first.status == 200) {
                    right_answer(server, device, &first)?;
                }
            }
            _ => {}
        }
        let Some(mut response) = server.answer(&path, authorization, &body) else { return Ok(Event::Unreachable) };
        count_answer(&response, sync, coverage);
        if sync && response.status == 200 {
            right_answer(server, device, &response)?;
            let more = wire::decode::<SyncResponse>(&response.body).is_ok_and(|answer| answer.more);
            if more {
                coverage.count(Section::Seen, "page with more to come");
            }
        }
        let mut seen = |name| coverage.count(Section::Network, name);
        match fault {
            8 => {
                seen("answer lost");
                return Ok(Event::Unreachable);
            }
            9 if sync && response.status == 200 => {
                seen("answer damaged");
                response.body = damaged::<SyncResponse>(&response.body, dice);
            }
            10..=13 if sync && response.status == 200 => {
                response.body = rewritten(&response.body, |answer: &mut SyncResponse| {
                    if answer.entries.is_empty() {
                        return;
                    }
                    let at = dice.below(answer.entries.len());
                    match fault {
                        10 if damage(&mut answer.entries[at], dice) => seen("entry damaged"),
                        11 if lie(&mut answer.entries[at]) => {
                            self.lied = true;
                            seen("row differs");
                        }
                        12 => {
                            for version in answer.entries.iter_mut().filter_map(|entry| entry.row_version.as_mut()) {
                                seen("row of a newer release");
                                if dice.chance(50) { version.minor += 1 } else { version.major += 1 }
                            }
                        }
                        13 => {
                            seen("entries shuffled and repeated");
                            answer.entries.reverse();
                            let again = answer.entries[at].clone();
                            answer.entries.push(again);
                        }
                        _ => {}
                    }
                });
            }
            _ => {}
        }
        Ok(Event::Answered(response))
    }

    /// A request that its sender has given up arrives; nobody waits for the answer.
    pub fn deliver(&mut self, server: &mut Server, dice: &mut Dice, coverage: &mut Coverage) -> Check<bool> {
        if self.late.is_empty() {
            return Ok(false);
        }
        let late = self.late.remove(dice.below(self.late.len()));
        let Some(response) = server.answer(&late.path, late.authorization.as_deref(), &late.body) else { return Ok(false) };
        let sync = late.path == "/v1/sync";
        count_answer(&response, sync, coverage);
        if sync && response.status == 200 {
            of_workspace(late.ws, &response, &"a late request")?;
        }
        Ok(true)
    }

    /// Nothing is under way any more.
    pub fn forget(&mut self) {
        self.late.clear();
    }
}

/// A message with something changed in it.
fn rewritten<T>(body: &[u8], change: impl FnOnce(&mut T)) -> Vec<u8>
where
    T: for<'b> minicbor::Decode<'b, ()> + minicbor::Encode<()>,
{
    let Ok(mut message) = wire::decode::<T>(body) else { return body.to_vec() };
    change(&mut message);
    wire::encode(&message).expect("a message")
}

fn damage(entry: &mut Entry, dice: &mut Dice) -> bool {
    let bytes = match (&mut entry.snapshot, &mut entry.changes) {
        (Some(snapshot), _) => snapshot,
        (None, Some(changes)) if !changes.is_empty() => &mut **changes.last_mut().expect("a change"),
        _ => return false,
    };
    let at = bytes.len() / 2 + dice.below(bytes.len() / 2);
    if dice.chance(50) {
        bytes.truncate(at);
    } else if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 0x20;
    }
    true
}

/// A row that does not show what its document holds.
fn lie(entry: &mut Entry) -> bool {
    let Some(kind) = Kind::from_code(entry.kind) else { return false };
    let Some(mut values) = entry.row.as_deref().and_then(|row| decode_row(kind.definition(), row)) else { return false };
    let field = if kind == Kind::Contact { "family_name" } else { "title" };
    values.set(field, FieldValue::Register(Scalar::from("another one")));
    entry.row = Some(encode_row(&values));
    true
}

/// Within an epoch, what a device says it knows never becomes less.
fn cursor_goes_on(device: &mut Device, body: &[u8]) -> Check {
    let Ok(request) = wire::decode::<SyncRequest>(body) else { return Ok(()) };
    let number = |at: usize| {
        let bytes = request.cursor.get(at..at + 8)?;
        Some(u64::from_be_bytes(bytes.try_into().ok()?))
    };
    let known = number(16).or_else(|| number(0)).unwrap_or(0);
    if let Some((epoch, before)) = &device.seen
        && *epoch == request.epoch
        && known < *before
    {
        return Err(Failure::new("cursor", format!("device {} went back from {before} to {known}", device.index)));
    }
    device.seen = Some((request.epoch, known));
    Ok(())
}

/// A page is for a device that may have it, and of its workspace.
fn right_answer(server: &Server, device: &Device, response: &Response) -> Check {
    // A join that was long under way makes a device good again.
    if device.revoked && device.id().is_some_and(|id| server.is_revoked(device.ws, &id)) {
        return Err(Failure::new("revoked", format!("device {} is revoked and got a page", device.index)));
    }
    of_workspace(device.ws, response, &format_args!("device {}", device.index))
}

/// An answer to somebody of a workspace holds nothing of the other one.
fn of_workspace(ws: usize, response: &Response, who: &dyn std::fmt::Display) -> Check {
    let raw = open_envelope(&response.body, MAX_INFLATED).map_err(|why| Failure::new("answer", why.to_string()))?;
    if holds(&raw, &mark(1 - ws)) {
        return Err(Failure::new("workspace", format!("{who} got words of the other workspace")));
    }
    Ok(())
}

/// Counts what the server said.
pub fn count_answer(response: &Response, sync: bool, coverage: &mut Coverage) {
    if response.status != 200 {
        let code = wire::decode::<ErrorResponse>(&response.body).ok().and_then(|error| ErrorCode::named(&error.code));
        coverage.count(Section::Answer, code.map_or("unknown", ErrorCode::code));
        return;
    }
    coverage.count(Section::Answer, "ok");
    let Some(answer) = sync.then(|| wire::decode::<SyncResponse>(&response.body).ok()).flatten() else { return };
    for verdict in &answer.verdicts {
        coverage.count(Section::Verdict, verdict_name(verdict.outcome, verdict.code.as_deref().unwrap_or_default()));
    }
}

/// The name of a verdict in the coverage table.
fn verdict_name(outcome: Outcome, code: &str) -> &'static str {
    let refused = [
        ("malformed", "refused malformed"),
        ("too_large", "refused too_large"),
        ("foreign_actor", "refused foreign_actor"),
        ("clone", "refused clone"),
        ("numbers", "refused numbers"),
        ("skeleton", "refused skeleton"),
        ("field_type", "refused field_type"),
        ("document", "refused document"),
        ("kind", "refused kind"),
        ("erased", "refused erased"),
        ("forbidden", "refused forbidden"),
    ];
    let held = [("missing", "held missing"), ("document", "held document"), (LATER, "held later")];
    let named = |names: &[(&str, &'static str)]| names.iter().find(|(name, _)| *name == code).map(|(_, shown)| *shown);
    match outcome {
        Outcome::Accepted => "accepted",
        Outcome::Held => named(&held).unwrap_or("held otherwise"),
        Outcome::Refused => named(&refused).unwrap_or("refused otherwise"),
        Outcome::Other(_) => "another outcome",
    }
}
