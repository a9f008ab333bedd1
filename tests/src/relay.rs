//! A server in memory, without HTTP and without a disk: it passes on what devices push, through the real gate. It is
//! for tests of devices; the real server has tests of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use roadbook_core::book::Book;
use roadbook_core::document::Document;
use roadbook_core::gate::admit;
use roadbook_core::id::RecordId;
use roadbook_core::record::{Kind, encode_row};
use roadbook_core::sync::wire::{
    self, CONTENT_TYPE, Directory, DirectoryActor, DirectoryPerson, Entry, ErrorCode, ErrorResponse, Form, HelloResponse,
    JoinRequest, JoinResponse, Outcome, PushGroup, RowVersion, SyncRequest, SyncResponse, TokenRequest, TokenResponse, Verdict,
};
use roadbook_core::sync::{End, Event, Request, Response, Session, Step};

#[derive(Clone)]
struct RelayDoc {
    kind: Kind,
    document: Document,
    first: u64,
    /// Sequence, device, raw change in an envelope.
    changes: Vec<(u64, u8, Vec<u8>)>,
}

/// Decides about a pushed group: the code of a refusal, or nothing.
pub type Policy = Box<dyn Fn(&PushGroup) -> Option<&'static str>>;

/// Decides whether a pushed group is held.
pub type Hold = Box<dyn Fn(&PushGroup) -> bool>;

/// The server.
#[derive(Default)]
pub struct Relay {
    docs: BTreeMap<RecordId, RelayDoc>,
    names: Vec<String>,
    actors: BTreeMap<[u8; 16], u8>,
    seq: u64,
    /// Refuses groups by a test's rule.
    pub policy: Option<Policy>,
    /// Holds groups by a test's rule, as if changes that they depend on were missing.
    pub holds: Option<Hold>,
    /// Whether to send whole records where changes would do.
    pub snapshots_only: bool,
    /// An error to answer the next sync with.
    pub fail_next: Option<ErrorCode>,
    /// Requests answered.
    pub requests: u64,
}

impl Relay {
    /// Another server with the same records and devices, and no rules.
    #[must_use]
    pub fn copy(&self) -> Self {
        let Self { docs, names, actors, seq, .. } = self;
        Self { docs: docs.clone(), names: names.clone(), actors: actors.clone(), seq: *seq, ..Self::default() }
    }

    /// Answers one request.
    pub fn answer(&mut self, request: &Request) -> Response {
        self.requests += 1;
        let path = request.url.rsplit_once("/v1/").map(|(_, path)| path).unwrap_or_default();
        let token = request.authorization.as_deref().and_then(|header| header.strip_prefix("Bearer "));
        let body = match path {
            "hello" => wire::encode(&HelloResponse { server_id: vec![1; 16], protocol: 1, time_ms: 0, nonce: vec![2; 8] }),
            "join" => {
                let join: JoinRequest = wire::decode(&request.body).expect("a join");
                self.names.push(join.device_name);
                let device = u8::try_from(self.names.len() - 1).expect("few devices");
                wire::encode(&JoinResponse {
                    device: vec![device; 16],
                    person: vec![device; 16],
                    workspace: vec![3; 16],
                    workspace_name: "Relay".into(),
                    token: token_of(device),
                })
            }
            "token" => {
                let ask: TokenRequest = wire::decode(&request.body).expect("a token request");
                wire::encode(&token_of(ask.device[0]))
            }
            "sync" => {
                if let Some(code) = self.fail_next.take() {
                    let error = ErrorResponse { code: code.code().into(), message: String::new(), retry_after_s: None };
                    return reply(code.status(), wire::encode(&error).expect("an error"));
                }
                let token = data_encoding::BASE64URL_NOPAD.decode(token.unwrap_or_default().as_bytes()).expect("a token");
                let ask: SyncRequest = wire::decode(&request.body).expect("a sync");
                wire::encode(&self.sync(token[0], &ask))
            }
            other => panic!("no such path {other}"),
        };
        reply(200, body.expect("an answer"))
    }

    fn sync(&mut self, device: u8, ask: &SyncRequest) -> SyncResponse {
        let verdicts = ask.groups.iter().map(|group| self.take(device, ask, group)).collect();
        let cursor = ask.cursor.clone().try_into().map_or(0, u64::from_be_bytes);
        let mut entries = Vec::new();
        for (id, doc) in &self.docs {
            let news: Vec<_> = doc.changes.iter().filter(|(seq, from, _)| *seq > cursor && *from != device).collect();
            let wanted = ask.want.iter().any(|want| want.as_slice() == id.as_bytes());
            if news.is_empty() && !wanted {
                continue;
            }
            let whole = wanted || self.snapshots_only || doc.first > cursor;
            let (major, minor) = doc.kind.definition().row_version;
            entries.push(Entry {
                id: id.as_bytes().to_vec(),
                generation: 0,
                kind: doc.kind.code(),
                form: if whole { Form::Snapshot } else { Form::Changes },
                snapshot: whole.then(|| doc.document.save()),
                changes: (!whole).then(|| news.iter().map(|(_, _, change)| change.clone().into()).collect()),
                row: whole.then(|| encode_row(&doc.document.read(None).values)),
                row_version: whole.then_some(RowVersion { kind: doc.kind.code(), major, minor }),
                changed_ms: whole.then(|| doc.document.changed_ms()),
            });
        }
        SyncResponse {
            epoch: vec![4; 16],
            verdicts,
            entries,
            cursor: self.seq.to_be_bytes().to_vec(),
            more: false,
            time_ms: 0,
            directory: Some(self.directory()),
        }
    }

    fn take(&mut self, device: u8, ask: &SyncRequest, group: &PushGroup) -> Verdict {
        let verdict = |outcome, code: Option<&str>| Verdict { group: group.id.clone(), outcome, code: code.map(str::to_owned) };
        if let Some(code) = self.policy.as_ref().and_then(|policy| policy(group)) {
            return verdict(Outcome::Refused, Some(code));
        }
        if self.holds.as_ref().is_some_and(|holds| holds(group)) {
            return verdict(Outcome::Held, Some("missing"));
        }
        let mut passed: Vec<(RecordId, Kind, Document, Vec<roadbook_core::gate::Admitted>)> = Vec::new();
        for item in &group.items {
            let doc = &ask.docs[item.doc as usize];
            let id = RecordId::from_slice(&doc.id).expect("an id");
            let kind = Kind::from_code(doc.kind).expect("a kind");
            let known = passed.iter().rev().find(|(other, ..)| *other == id).map(|(_, _, document, _)| document);
            let document = known.or(self.docs.get(&id).map(|doc| &doc.document)).cloned();
            let document = document.unwrap_or_else(|| Document::new(kind.definition()).expect("a document"));
            match admit(&document, &[&item.change], &|_| true) {
                Ok(next) => passed.push((id, kind, next.document, next.new)),
                Err(refused) if refused.is_held() => return verdict(Outcome::Held, Some(refused.code())),
                Err(refused) => return verdict(Outcome::Refused, Some(refused.code())),
            }
        }
        self.seq += 1;
        for (id, kind, document, new) in passed {
            let seq = self.seq;
            let doc = self.docs.entry(id).or_insert_with(|| RelayDoc {
                kind,
                document: document.clone(),
                first: seq,
                changes: Vec::new(),
            });
            doc.document = document;
            for change in new {
                self.actors.insert(change.actor.0, device);
                doc.changes.push((seq, device, roadbook_core::document::seal_envelope(&change.bytes)));
            }
        }
        verdict(Outcome::Accepted, None)
    }

    fn directory(&self) -> Directory {
        let person =
            |(at, name): (usize, &String)| DirectoryPerson { id: vec![at as u8; 16], name: name.clone(), role: "rep".into() };
        Directory {
            version: self.seq,
            people: self.names.iter().enumerate().map(person).collect(),
            actors: self
                .actors
                .iter()
                .map(|(actor, device)| DirectoryActor {
                    actor: actor.to_vec(),
                    person: u32::from(*device),
                    device: "phone".into(),
                })
                .collect(),
        }
    }

    /// Runs a session against this server until it ends.
    pub fn run(&mut self, session: roadbook_core::Result<Session>) -> End {
        let mut session = session.expect("a session");
        let mut step = session.start().expect("a first step");
        loop {
            match step {
                Step::End(end) => return end,
                Step::Send(request) => step = session.next(Event::Answered(self.answer(&request))).expect("a next step"),
            }
        }
    }

    /// Lets a book join under a name.
    pub fn join(&mut self, book: &Arc<Book>, name: &str) {
        let end = self.run(Session::join(book, "http://relay", "code", name));
        assert!(matches!(end, End::Done(_)), "{end:?}");
    }

    /// Syncs a book to the end.
    pub fn sync_book(&mut self, book: &Arc<Book>) -> End {
        self.run(Session::sync(book, None))
    }

    /// The records that the server holds.
    pub fn len(&self) -> usize {
        self.docs.len()
    }

    /// Whether the server holds nothing.
    pub fn is_empty(&self) -> bool {
        self.docs.is_empty()
    }
}

fn token_of(device: u8) -> TokenResponse {
    TokenResponse { token: vec![device; 32], expires_in_s: 900 }
}

fn reply(status: u16, body: Vec<u8>) -> Response {
    Response { status, content_type: Some(CONTENT_TYPE.into()), body }
}
