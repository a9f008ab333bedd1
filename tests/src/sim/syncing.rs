//! How devices sync: whole, or a page at a time between others' steps.

use roadbook_core::id::RecordId;
use roadbook_core::sync::wire::{self, Outcome, SyncRequest, SyncResponse};
use roadbook_core::sync::{End, Event, RejoinReason, Request, Session, Step as Next, WaitReason};

use super::coverage::Section;
use super::device::Live;
use super::disk::PEOPLE;
use super::network::URL;
use super::world::Sim;
use super::{Check, Dice, Failure};

/// So many round trips no session needs.
const MAX_TRIPS: u32 = 300;

impl Sim<'_> {
    /// One round trip; the end of the session if it came to one.
    pub(super) fn page(&mut self, i: usize, dice: &mut Dice, faulty: bool) -> Check<Option<End>> {
        let live = match self.devices[i].live.take() {
            Some(live) => live,
            None => {
                // A background job that is to end soon.
                let deadline_ms = (faulty && dice.chance(5)).then_some(0);
                let started = self.begin(i, deadline_ms);
                let Some((session, step)) = self.done(i, started)? else { return Ok(None) };
                match step {
                    Next::End(end) => return self.ended(i, end).map(Some),
                    Next::Send(request) => Live { session, request, edited: false },
                }
            }
        };
        let Live { mut session, request, .. } = live;
        let device = &mut self.devices[i];
        let event = self.network.carry(&mut self.server, device, &request, dice, faulty, self.coverage)?;
        self.refused_for_cause(i, &request, &event)?;
        let next = session.next(event);
        match self.done(i, next)? {
            None => Ok(None),
            Some(Next::End(end)) => {
                drop(session);
                self.ended(i, end).map(Some)
            }
            Some(Next::Send(request)) => {
                self.devices[i].live = Some(Live { session, request, edited: false });
                Ok(None)
            }
        }
    }

    /// What an honest device wrote is refused only where something in its world gives cause.
    fn refused_for_cause(&self, i: usize, request: &Request, event: &Event) -> Check {
        let Event::Answered(answer) = event else { return Ok(()) };
        let (Ok(request), Ok(answer)) = (wire::decode::<SyncRequest>(&request.body), wire::decode::<SyncResponse>(&answer.body))
        else {
            return Ok(());
        };
        let device = &self.devices[i];
        let refused = request.groups.iter().zip(&answer.verdicts).filter(|(_, verdict)| verdict.outcome == Outcome::Refused);
        let refused: Vec<_> = refused.collect();
        if refused.is_empty() {
            return Ok(());
        }
        let (erased, documents) = (self.server.erased(device.ws), self.server.documents(device.ws));
        for (group, verdict) in refused {
            let docs = group.items.iter().filter_map(|item| request.docs.get(item.doc as usize));
            let records: Vec<_> = docs.filter_map(|doc| Some((RecordId::from_slice(&doc.id)?, doc))).collect();
            let code = verdict.code.as_deref().unwrap_or_default();
            let has_cause = match code {
                "malformed" => records.iter().any(|(record, _)| self.network.damaged.contains(record)),
                "clone" | "foreign_actor" | "numbers" => self.model.forked.contains(&device.lineage),
                "erased" => records.iter().any(|(record, doc)| erased.get(record) > Some(&doc.generation)),
                "kind" => records.iter().any(|(record, doc)| documents.get(record).is_some_and(|(kind, _)| *kind != doc.kind)),
                "forbidden" => device.person == PEOPLE[1],
                _ => false,
            };
            if !has_cause {
                return Err(Failure::new("verdict", format!("an edit of device {i} was refused for no cause: {code}")));
            }
        }
        Ok(())
    }

    fn begin(&mut self, i: usize, deadline_ms: Option<u32>) -> roadbook_core::Result<(Session, Next)> {
        let device = &mut self.devices[i];
        let mut session = if device.joins {
            let server = &self.server;
            let code = device.invitation.get_or_insert_with(|| server.invite(device.ws, device.person));
            let session = Session::join(&device.book, URL, code, &format!("Phone {i}"))?;
            // From here on the server may know it again.
            let id = device.id();
            self.devices
                .iter_mut()
                .filter(|other| other.index == i || (id.is_some() && other.id() == id))
                .for_each(|other| other.revoked = false);
            session
        } else {
            Session::sync(&device.book, deadline_ms)?
        };
        let step = session.start()?;
        Ok((session, step))
    }

    /// A sync from where it stands to its end; `None` where the process died over it.
    pub(super) fn sync(&mut self, i: usize, dice: &mut Dice, faulty: bool) -> Check<Option<End>> {
        for _ in 0..MAX_TRIPS {
            if let Some(end) = self.page(i, dice, faulty)? {
                return Ok(Some(end));
            }
            if self.devices[i].live.is_none() {
                return Ok(None);
            }
        }
        Err(Failure::new("progress", format!("a sync of device {i} does not end")))
    }

    pub(super) fn ended(&mut self, i: usize, end: End) -> Check<End> {
        let device = &mut self.devices[i];
        let name = match &end {
            End::Done(_) => "done",
            End::More(_) => "more",
            End::Upgrade(_) => "upgrade",
            End::Cancelled(_) => "cancelled",
            End::Wait { reason: WaitReason::Offline, .. } => "wait offline",
            End::Wait { reason: WaitReason::NotTheServer, .. } => "wait not the server",
            End::Wait { reason: WaitReason::Server, .. } => "wait server",
            End::Wait { reason: WaitReason::Held, .. } => "wait held",
            End::Rejoin { reason: RejoinReason::NotJoined, .. } => "rejoin not joined",
            End::Rejoin { reason: RejoinReason::Revoked, .. } => "rejoin revoked",
            End::Rejoin { reason: RejoinReason::Unknown, .. } => "rejoin unknown",
            End::Rejoin { reason: RejoinReason::Invitation, .. } => "rejoin invitation",
        };
        self.coverage.count(Section::End, name);
        match end {
            End::Rejoin { reason: RejoinReason::Revoked, .. } => device.invitation = None,
            End::Rejoin { .. } => {
                device.joins = true;
                device.invitation = None;
            }
            End::Done(_) | End::Wait { reason: WaitReason::Held, .. } => {
                device.joins = false;
                // What was held, a server that was put back does not have again yet.
                device.behind &= !matches!(end, End::Done(_));
                device.invitation = None;
            }
            // A device that joins goes on joining until a session comes to its end: the same code gives the same device.
            _ => {}
        }
        Ok(end)
    }

    pub(super) fn drop_sync(&mut self, i: usize, dice: &mut Dice) -> Check<bool> {
        let Some(mut live) = self.devices[i].live.take() else { return Ok(false) };
        if dice.chance(50) {
            let next = live.session.next(Event::Cancel);
            if let Some(Next::End(end)) = self.done(i, next)? {
                self.ended(i, end)?;
            }
        }
        Ok(true)
    }
}
