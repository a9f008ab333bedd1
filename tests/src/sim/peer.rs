//! A program of another kind on the same server: a newer release that knows more, or a hostile device. It has no book and writes
//! its changes with Automerge.

use std::sync::OnceLock;

use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{ActorId, AutoCommit, ObjType, ROOT, ScalarValue};
use ed25519_dalek::{Signer as _, SigningKey};
use roadbook_core::document::{Document, seal_envelope};
use roadbook_core::env::Env as _;
use roadbook_core::id::RecordId;
use roadbook_core::record::Kind;
use roadbook_core::sync::Response;
use roadbook_core::sync::wire::{
    self, HelloRequest, HelloResponse, JoinRequest, JoinResponse, Outcome, PROTOCOL, PushDoc, PushGroup, PushItem, SyncRequest,
    SyncResponse, TokenRequest, TokenResponse,
};

use super::coverage::{Coverage, Section};
use super::disk::{PEOPLE, machine};
use super::model::{Fate, Model, PEER, Token};
use super::network::count_answer;
use super::server::Server;
use super::{Check, Dice, Failure};
use crate::World;
use std::sync::Arc;

/// The field that a newer release has and this one does not.
pub const NEWER_FIELD: &str = "probability";

/// The `UID` of a card that several devices may import.
pub fn card_uid(number: usize) -> String {
    format!("card-{number}")
}

/// The record that is made of a card.
pub fn card_record(uid: &str) -> RecordId {
    RecordId::derived(&[b"vcard uid", uid.as_bytes()])
}

/// The program.
pub struct Peer {
    key: SigningKey,
    world: Arc<World>,
    actor: [u8; 16],
    device: Option<Vec<u8>>,
}

/// A group with what the server should say to it.
struct Expected {
    group: PushGroup,
    verdict: (Outcome, &'static str),
}

impl Peer {
    /// A program that has not joined yet.
    pub fn new(seed: u64) -> Self {
        let world = machine(seed, 1000);
        let (mut key, mut actor) = ([0; 32], [0; 16]);
        world.fill(&mut key);
        world.fill(&mut actor);
        Self { key: SigningKey::from_bytes(&key), world, actor, device: None }
    }

    fn post<T: for<'b> minicbor::Decode<'b, ()>>(
        server: &mut Server,
        path: &str,
        authorization: Option<&str>,
        message: &impl minicbor::Encode<()>,
        coverage: &mut Coverage,
    ) -> Result<T, Response> {
        let body = wire::encode(message).expect("a message");
        let response = server.answer(path, authorization, &body).expect("a server that lives");
        count_answer(&response, path == "/v1/sync", coverage);
        if response.status == 200 { Ok(wire::decode(&response.body).expect("an answer")) } else { Err(response) }
    }

    fn hello(server: &mut Server, coverage: &mut Coverage) -> HelloResponse {
        let hello = HelloRequest { protocol_min: PROTOCOL, protocol_max: PROTOCOL, app_version: "peer".to_owned() };
        Self::post(server, "/v1/hello", None, &hello, coverage).expect("a hello")
    }

    /// Its token; it joins where the server does not know it.
    fn token(&mut self, server: &mut Server, coverage: &mut Coverage) -> Option<String> {
        let hello = Self::hello(server, coverage);
        let bearer = |token: &TokenResponse| format!("Bearer {}", data_encoding::BASE64URL_NOPAD.encode(&token.token));
        if let Some(device) = self.device.clone() {
            let challenge = wire::token_challenge(&hello.server_id, &hello.nonce, &device);
            let signature = self.key.sign(&challenge).to_bytes().to_vec();
            let request = TokenRequest { device, nonce: hello.nonce.clone(), signature };
            if let Ok(token) = Self::post::<TokenResponse>(server, "/v1/token", None, &request, coverage) {
                return Some(bearer(&token));
            }
        }
        let code = server.invite(0, PEOPLE[1]);
        let join = JoinRequest {
            signature: self.key.sign(&wire::join_challenge(&hello.server_id, &hello.nonce, &code)).to_bytes().to_vec(),
            code,
            public_key: self.key.verifying_key().to_bytes().to_vec(),
            device_name: "Peer".to_owned(),
            nonce: hello.nonce,
        };
        // Too many wrong codes of somebody else may stand in the way for a minute.
        let joined: JoinResponse = Self::post(server, "/v1/join", None, &join, coverage).ok()?;
        self.device = Some(joined.device);
        Some(bearer(&joined.token))
    }

    fn push(
        &mut self,
        server: &mut Server,
        docs: Vec<PushDoc>,
        groups: Vec<PushGroup>,
        coverage: &mut Coverage,
    ) -> Option<SyncResponse> {
        let token = self.token(server, coverage)?;
        let request = SyncRequest { docs, groups, max_bytes: 1, ..SyncRequest::default() };
        Self::post(server, "/v1/sync", Some(&token), &request, coverage).ok()
    }

    fn group(&self, items: Vec<(u32, Vec<u8>)>) -> PushGroup {
        let mut id = vec![0; 16];
        self.world.fill(&mut id);
        PushGroup { id, items: items.into_iter().map(|(doc, change)| PushItem { doc, change }).collect() }
    }

    fn fresh(&self, kind: Kind) -> AutoCommit {
        let saved = Document::new(kind.definition()).expect("a skeleton").save();
        self.writer(&saved, self.actor)
    }

    fn writer(&self, saved: &[u8], actor: [u8; 16]) -> AutoCommit {
        let raw = saved.get(1..).unwrap_or_default();
        AutoCommit::load(raw).expect("a document").with_actor(ActorId::from(actor.as_slice()))
    }

    fn change(&self, doc: &mut AutoCommit, write: impl FnOnce(&mut AutoCommit)) -> Vec<u8> {
        write(doc);
        doc.commit_with(CommitOptions::default().with_time(self.world.now().ms)).expect("a change");
        seal_envelope(doc.get_last_local_change().expect("a change").raw_bytes())
    }

    fn put(&self, doc: &mut AutoCommit, fields: &[(&str, &str)]) -> Vec<u8> {
        self.change(doc, |doc| {
            for (key, value) in fields {
                doc.put(ROOT, *key, *value).expect("a value");
            }
        })
    }

    /// A newer release writes what this one does not know.
    pub fn newer(&mut self, server: &mut Server, model: &mut Model, dice: &mut Dice, coverage: &mut Coverage) -> Check {
        self.world.pass(16);
        let word = model.word(0, PEER);
        let documents = server.documents(0);
        // A record that is damaged on the server's disk cannot be edited by anybody.
        let sound = |bytes: &[u8]| AutoCommit::load(bytes.get(1..).unwrap_or_default()).is_ok();
        let known = documents.iter().filter(|(_, (_, bytes))| sound(bytes));
        let known: Vec<_> = known.filter_map(|(id, (kind, bytes))| Some((*id, Kind::from_code(*kind)?, bytes))).collect();
        let choice = dice.below(5);
        let mut changes = Vec::new();
        let (id, code, change) = match (choice, dice.pick(&known)) {
            (0 | 1, Some((id, kind, bytes))) => {
                let mut doc = self.writer(bytes, self.actor);
                (*id, kind.code(), self.put(&mut doc, &[(NEWER_FIELD, &word)]))
            }
            (2, _) => {
                // A kind of a newer release: its frozen first change goes along.
                let mut doc = AutoCommit::new().with_actor(ActorId::from([0; 16].as_slice()));
                changes.push(self.put(&mut doc, &[("kind", "visit")]));
                doc.set_actor(ActorId::from(self.actor.as_slice()));
                (RecordId::generate(self.world.as_ref()), 9, self.put(&mut doc, &[("title", &word)]))
            }
            (3, _) => {
                let uid = card_uid(dice.below(6));
                let mut doc = self.fresh(Kind::Deal);
                (card_record(&uid), Kind::Deal.code(), self.put(&mut doc, &[("title", &word)]))
            }
            _ => {
                let kind = Kind::ALL[dice.below(3)];
                let mut doc = self.fresh(kind);
                let fax = format!(r#"{{"kind":"fax","value":"{word}"}}"#);
                let fields: [(&str, &str); 3] = match kind {
                    Kind::Contact => [("family_name", &word), (NEWER_FIELD, &word), ("channels/c1", &fax)],
                    Kind::Deal => [("title", &word), (NEWER_FIELD, &word), ("position", "bidding/open")],
                    _ => [("title", &word), (NEWER_FIELD, &word), ("status", "blocked")],
                };
                (RecordId::generate(self.world.as_ref()), kind.code(), self.put(&mut doc, &fields))
            }
        };
        let docs = vec![PushDoc { id: id.as_bytes().to_vec(), generation: 0, kind: code }];
        changes.push(change);
        let groups = vec![self.group(changes.into_iter().map(|change| (0, change)).collect())];
        let Some(answer) = self.push(server, docs, groups, coverage) else { return Ok(()) };
        let accepted = answer.verdicts.iter().all(|verdict| verdict.outcome == Outcome::Accepted);
        if accepted {
            model.tokens.push(Token { text: word.clone(), store: PEER, life: 0, ws: 0, record: id, fate: Fate::Kept });
            if choice == 2 {
                coverage.count(Section::Seen, "record of a newer release kept");
            }
            if choice != 2 && choice != 3 {
                model.unknown.insert(id, word);
            }
            return Ok(());
        }
        let code = answer.verdicts.iter().find_map(|verdict| verdict.code.as_deref()).unwrap_or_default();
        // A card's record may be there already, and a server that was put back may know this device as another one.
        if choice == 3 || server.put_back || server.erased(0).contains_key(&id) {
            return Ok(());
        }
        Err(Failure::new("gate", format!("an edit of a newer release was not taken: {code}")))
    }

    /// A hostile device sends bad groups beside a good one: each gets the verdict that it deserves, and none hinders another.
    pub fn hostile(&mut self, server: &mut Server, model: &mut Model, coverage: &mut Coverage) -> Check {
        self.world.pass(16);
        let word = model.word(0, PEER);
        let id = RecordId::generate(self.world.as_ref());
        let elsewhere = RecordId::generate(self.world.as_ref());
        let doc = |id: RecordId, generation, kind: u16| PushDoc { id: id.as_bytes().to_vec(), generation, kind };
        let docs = vec![doc(id, 0, 2), doc(elsewhere, 0, 2), doc(RecordId::generate(self.world.as_ref()), 0, 9)];
        let refused = |code| (Outcome::Refused, code);
        let mut good = self.fresh(Kind::Deal);
        let first = self.put(&mut good, &[("title", &word)]);
        let second = self.put(&mut good, &[("organization", &word)]);
        let mut other = self.fresh(Kind::Deal);
        let unsent = self.put(&mut other, &[("title", "never sent")]);
        let after_unsent = self.put(&mut other, &[("title", "too early")]);
        let twin = self.put(&mut self.fresh(Kind::Deal), &[("title", "twin")]);
        let mut zero = self.writer(&Document::new(Kind::Deal.definition()).expect("a skeleton").save(), [0; 16]);
        let skeleton = self.put(&mut zero, &[("title", "skeleton")]);
        let wrong = self.change(&mut self.fresh(Kind::Deal), |doc| doc.put(ROOT, "title", 7).expect("a value"));
        let container = self.change(&mut self.fresh(Kind::Deal), |doc| {
            doc.put_object(ROOT, "title", ObjType::Map).expect("a map");
        });
        let mut expected = vec![
            Expected { group: self.group(vec![(0, first.clone()), (0, second)]), verdict: (Outcome::Accepted, "") },
            Expected { group: self.group(vec![(1, b"\0garbage".to_vec())]), verdict: refused("malformed") },
            Expected { group: self.group(vec![(77, first)]), verdict: refused("malformed") },
            Expected { group: self.group(vec![(1, numbers(&unsent))]), verdict: refused("numbers") },
            Expected { group: self.group(vec![(1, after_unsent)]), verdict: (Outcome::Held, "missing") },
            Expected { group: self.group(vec![(1, skeleton)]), verdict: refused("skeleton") },
            Expected { group: self.group(vec![(1, wrong)]), verdict: refused("field_type") },
            Expected { group: self.group(vec![(1, container)]), verdict: refused("field_type") },
            Expected { group: self.group(vec![(1, too_large())]), verdict: refused("too_large") },
            Expected { group: self.group(vec![(0, twin)]), verdict: refused("clone") },
        ];
        if let Some(actor) = self.foreign_actor(server) {
            let saved = Document::new(Kind::Deal.definition()).expect("a skeleton").save();
            let forged = self.put(&mut self.writer(&saved, actor), &[("title", "forged")]);
            expected.push(Expected { group: self.group(vec![(1, forged)]), verdict: refused("foreign_actor") });
        }
        let good_group = expected[0].group.clone();
        if !self.expect(server, docs, expected, coverage)? {
            return Ok(());
        }
        model.tokens.push(Token { text: word, store: PEER, life: 0, ws: 0, record: id, fate: Fate::Kept });
        let later = self.put(&mut good, &[("title", "later")]);
        let erasure = self.put(&mut self.fresh(Kind::Deal), &[("title", "erased")]);
        let reused = PushGroup { id: good_group.id, items: vec![PushItem { doc: 0, change: later.clone() }] };
        let docs = vec![doc(id, 0, 2), doc(id, 1, 2), doc(id, 0, 1)];
        let expected = vec![
            Expected { group: reused, verdict: refused("malformed") },
            Expected { group: self.group(vec![(1, later.clone())]), verdict: (Outcome::Held, "missing") },
            Expected { group: self.group(vec![(1, erasure)]), verdict: refused("forbidden") },
            Expected { group: self.group(vec![(2, later)]), verdict: refused("kind") },
        ];
        self.expect(server, docs, expected, coverage).map(|_| ())
    }

    /// Pushes groups and compares the verdicts; `false` where the server could not be asked.
    fn expect(
        &mut self,
        server: &mut Server,
        docs: Vec<PushDoc>,
        expected: Vec<Expected>,
        coverage: &mut Coverage,
    ) -> Check<bool> {
        let groups = expected.iter().map(|one| one.group.clone()).collect();
        let Some(answer) = self.push(server, docs, groups, coverage) else { return Ok(false) };
        if answer.verdicts.len() != expected.len() {
            return Err(Failure::new("gate", format!("{} verdicts on {} groups", answer.verdicts.len(), expected.len())));
        }
        for (at, (one, verdict)) in expected.iter().zip(&answer.verdicts).enumerate() {
            let said = (verdict.outcome, verdict.code.as_deref().unwrap_or_default());
            if said != one.verdict {
                return Err(Failure::new("gate", format!("hostile group {at}: {said:?} instead of {:?}", one.verdict)));
            }
        }
        Ok(true)
    }

    /// An actor that belongs to somebody else.
    fn foreign_actor(&self, server: &Server) -> Option<[u8; 16]> {
        server.documents(0).values().find_map(|(kind, bytes)| {
            let document = Document::load(Kind::from_code(*kind)?.definition(), bytes).ok()?;
            document
                .changes()
                .into_iter()
                .find_map(|change| change.actor.map(|actor| actor.0).filter(|actor| *actor != self.actor))
        })
    }

    /// Somebody without an account, and an account with bad requests: each gets its answer.
    pub fn stranger(&mut self, server: &mut Server, coverage: &mut Coverage) -> Check {
        let ahead = HelloRequest { protocol_min: 99, protocol_max: 99, app_version: "9".to_owned() };
        let expect = |answered: Result<(), Response>, codes: &[&str]| match answered {
            Err(response) => {
                let error: wire::ErrorResponse = wire::decode(&response.body).expect("an error");
                if codes.contains(&error.code.as_str()) { Ok(()) } else { Err(Failure::new("answer", error.code)) }
            }
            Ok(()) => Err(Failure::new("answer", format!("an answer instead of {codes:?}"))),
        };
        let told = Self::post::<HelloResponse>(server, "/v1/hello", None, &ahead, coverage).map(|_| ());
        expect(told, &["upgrade_required"])?;
        let told = Self::post::<SyncResponse>(server, "/v1/sync", Some("Bearer nothing"), &SyncRequest::default(), coverage);
        expect(told.map(|_| ()), &["token_expired"])?;
        let hello = Self::hello(server, coverage);
        let request = TokenRequest { device: vec![9; 16], nonce: vec![9; 40], signature: vec![9; 64] };
        expect(Self::post::<TokenResponse>(server, "/v1/token", None, &request, coverage).map(|_| ()), &["nonce_expired"])?;
        let request = TokenRequest { nonce: hello.nonce.clone(), ..request };
        expect(Self::post::<TokenResponse>(server, "/v1/token", None, &request, coverage).map(|_| ()), &["unknown_device"])?;
        for _ in 0..11 {
            let code = "0000-0000-0000-0000-0000".to_owned();
            let signature = self.key.sign(&wire::join_challenge(&hello.server_id, &hello.nonce, &code)).to_bytes().to_vec();
            let public_key = self.key.verifying_key().to_bytes().to_vec();
            let join = JoinRequest { code, public_key, device_name: String::new(), nonce: hello.nonce.clone(), signature };
            let told = Self::post::<JoinResponse>(server, "/v1/join", None, &join, coverage).map(|_| ());
            expect(told, &["invitation_invalid", "too_many"])?;
        }
        if let Some(token) = self.token(server, coverage) {
            let many = vec![PushGroup { id: vec![1], items: Vec::new() }; 4001];
            let request = SyncRequest { groups: many, ..SyncRequest::default() };
            expect(Self::post::<SyncResponse>(server, "/v1/sync", Some(&token), &request, coverage).map(|_| ()), &["too_large"])?;
        }
        coverage.count(Section::Seen, "stranger turned away");
        Ok(())
    }
}

/// The change with a number that does not follow.
fn numbers(sealed: &[u8]) -> Vec<u8> {
    let raw = sealed.get(1..).unwrap_or_default().to_vec();
    let change = automerge::Change::from_bytes(raw).expect("a change");
    let mut expanded = automerge::ExpandedChange::from(&change);
    expanded.seq = 7;
    seal_envelope(automerge::Change::from(expanded).raw_bytes())
}

/// A change with more operations than one may have; made once, since it takes milliseconds.
fn too_large() -> Vec<u8> {
    static MADE: OnceLock<Vec<u8>> = OnceLock::new();
    MADE.get_or_init(|| {
        let saved = Document::new(Kind::Deal.definition()).expect("a skeleton").save();
        let mut doc = AutoCommit::load(saved.get(1..).unwrap_or_default())
            .expect("a document")
            .with_actor(ActorId::from([5; 16].as_slice()));
        for number in 0..20_001 {
            doc.put(ROOT, format!("x/f{}", number % 7), ScalarValue::Int(number)).expect("a value");
        }
        doc.commit_with(CommitOptions::default().with_time(1)).expect("a change");
        seal_envelope(doc.get_last_local_change().expect("a change").raw_bytes())
    })
    .clone()
}
