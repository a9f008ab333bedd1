//! Messages, requests to the server, and pages for a device.

use minicbor::Encode;
use roadbook_core::document::seal_envelope;
use roadbook_core::record::{Kind, encode_row};
use roadbook_core::sync::wire::{
    Directory, DirectoryActor, DirectoryPerson, ErrorResponse, HelloRequest, HelloResponse, JoinRequest, JoinResponse, Outcome,
    PushDoc, PushGroup, PushItem, RowVersion, SyncRequest, SyncResponse, TokenRequest, TokenResponse, Verdict, encode,
};

use super::changes::parts;
use super::{Seeds, named};
use crate::chunk::content;
use crate::parts::join;
use crate::records::in_use;
use crate::targets::{device_form, entry_in_use, sync_flag};

fn token() -> TokenResponse {
    TokenResponse { token: vec![0x70; 32], expires_in_s: 900 }
}

fn request() -> SyncRequest {
    SyncRequest {
        epoch: vec![0xe0; 16],
        cursor: vec![7; 16],
        docs: vec![PushDoc { id: vec![0x1d; 16], generation: 0, kind: 1 }],
        groups: vec![PushGroup { id: vec![0x9a; 8], items: vec![PushItem { doc: 0, change: vec![0, 0x85, 0x6f] }] }],
        max_bytes: 2_000_000,
        rows: vec![RowVersion { kind: 1, major: 1, minor: 0 }],
        directory: 3,
        want: vec![vec![0x2d; 16].into()],
    }
}

fn response() -> SyncResponse {
    SyncResponse {
        epoch: vec![0xe0; 16],
        verdicts: vec![Verdict { group: vec![0x9a; 8], outcome: Outcome::Refused, code: Some("clone".into()) }],
        entries: vec![entry_in_use(Kind::Task)],
        cursor: vec![8; 16],
        more: true,
        time_ms: 1_790_000_000_000,
        directory: Some(Directory {
            version: 3,
            people: vec![DirectoryPerson { id: vec![2; 16], name: "Анна".into(), role: "rep".into() }],
            actors: vec![DirectoryActor { actor: vec![1; 16], person: 0, device: "Phone".into() }],
        }),
    }
}

/// Of the target `wire`.
pub fn wire() -> Seeds {
    let nonce = vec![0x4e; 40];
    let signature = vec![0x51; 64];
    let mut seeds = Seeds::new();
    let mut add = |at: u8, name: &str, cbor: Vec<u8>, body: Vec<u8>| {
        seeds.push((name.to_owned(), [&[at, 0], &cbor[..]].concat()));
        seeds.push((format!("{name}-body"), [&[at, 1], &body[..]].concat()));
    };
    let hello = HelloRequest { protocol_min: 1, protocol_max: 1, app_version: "0.1.0".into() };
    add(0, "hello-request", cbor(&hello), body(&hello));
    let hello = HelloResponse { server_id: vec![0x5e; 16], protocol: 1, time_ms: -1, nonce: nonce.clone() };
    add(1, "hello-response", cbor(&hello), body(&hello));
    let join = JoinRequest {
        code: "7K3M-9QXT-0ZRB-4WHE-V2CN".into(),
        public_key: vec![0x6b; 32],
        device_name: "Phone".into(),
        nonce: nonce.clone(),
        signature: signature.clone(),
    };
    add(2, "join-request", cbor(&join), body(&join));
    let join = JoinResponse {
        device: vec![0xd0; 16],
        person: vec![0xb0; 16],
        workspace: vec![0xf0; 16],
        workspace_name: "Firm".into(),
        token: token(),
    };
    add(3, "join-response", cbor(&join), body(&join));
    let ask = TokenRequest { device: vec![0xd0; 16], nonce, signature };
    add(4, "token-request", cbor(&ask), body(&ask));
    add(5, "token-response", cbor(&token()), body(&token()));
    add(6, "sync-request", cbor(&request()), body(&request()));
    add(7, "sync-response", cbor(&response()), body(&response()));
    let error = ErrorResponse { code: "too_many".into(), message: "wait".into(), retry_after_s: Some(42) };
    add(8, "error-response", cbor(&error), body(&error));
    // Lists that claim more than there is, and lists that are more than they weigh.
    seeds.extend(named([
        ("claimed-list", [&[6, 0, 0xa1, 7][..], &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]].concat()),
        ("endless-list", [&[6, 0, 0xa1, 7, 0x9f][..], &[0x40; 300]].concat()),
        ("deep-list", [&[6, 0, 0xa1, 9][..], &[0x81; 2000], &[0]].concat()),
        ("claimed-text", vec![0, 0, 0xa1, 2, 0x7b, 0, 0, 0, 1, 0, 0, 0, 0]),
        ("folded-wants", folded(6, 7, &[0x40], 7_000_000)),
        ("folded-groups", folded(6, 3, &[0x82, 0x40, 0x80], 2_300_000)),
        ("folded-documents", folded(6, 2, &[0x83, 0x40, 0, 0], 1_700_000)),
        ("folded-verdicts", folded(7, 1, &[0x82, 0x40, 0], 2_300_000)),
        ("folded-entries", folded(7, 2, &[0xa4, 0, 0x40, 1, 0, 2, 0, 3, 0], 900_000)),
    ]));
    seeds
}

/// A message whose list at `key` holds `item` some million times: a few hundred bytes that unfold to megabytes.
fn folded(message: u8, key: u8, item: &[u8], count: u32) -> Vec<u8> {
    let mut raw = vec![0xa1, key, 0x9a];
    raw.extend(count.to_be_bytes());
    raw.extend(item.repeat(count as usize));
    [&[message, 1, 1], &zstd::bulk::compress(&raw, 19).unwrap()[..]].concat()
}

fn cbor<T: Encode<()>>(message: &T) -> Vec<u8> {
    minicbor::to_vec(message).unwrap()
}

fn body<T: Encode<()>>(message: &T) -> Vec<u8> {
    encode(message).unwrap()
}

/// Of the target `sync`.
pub fn sync() -> Seeds {
    let deal = parts(in_use(Kind::Deal));
    let change = |at: u8, name: &str| {
        let part = &deal.iter().find(|(other, _)| *other == name).expect("a part").1;
        [&[at], &part[..]].concat()
    };
    let asking =
        |first: u8, cursor: &[u8], changes: &[Vec<u8>]| [vec![first], join(&[&[cursor.to_vec()], changes].concat())].concat();
    let whole = |first: u8, bytes: &[u8]| [&[first], bytes].concat();
    let walk = [&[8][..], &1u64.to_be_bytes(), &2u64.to_be_bytes(), &[2; 16]].concat();
    named([
        ("start", asking(sync_flag::ROWS, &[], &[])),
        ("up-to-date", asking(sync_flag::EPOCH | sync_flag::FITS, &[8], &[])),
        ("behind", asking(sync_flag::EPOCH | sync_flag::FITS | sync_flag::ROWS, &[3], &[])),
        ("in-a-walk", asking(sync_flag::EPOCH | sync_flag::FITS, &walk, &[])),
        ("ahead", asking(sync_flag::EPOCH | sync_flag::FITS, &[9], &[])),
        ("other-history", asking(sync_flag::EPOCH, &[9; 16], &[])),
        ("other-epoch", asking(sync_flag::OTHER_EPOCH, &[9; 48], &[])),
        ("want", asking(sync_flag::EPOCH | sync_flag::FITS | sync_flag::WANT, &[8], &[])),
        ("push", asking(sync_flag::EPOCH | sync_flag::FITS, &[8], &[change(1, "put")])),
        ("push-two", asking(sync_flag::EPOCH, &[], &[change(1, "put"), change(1, "untag"), change(4, "put")])),
        ("push-foreign", asking(sync_flag::EPOCH, &[], &[change(1, "boris")])),
        ("push-newer-kind", asking(sync_flag::EPOCH, &[], &[change(3, "put"), change(5, "put")])),
        ("push-erasure", asking(sync_flag::EPOCH, &[], &[change(6, "put")])),
        ("push-nothing", asking(sync_flag::EPOCH, &[], &[change(7, "put")])),
        ("push-wrong-type", asking(sync_flag::EPOCH, &[], &[change(1, "deep")])),
        ("body", whole(sync_flag::BODY, &encode(&request()).unwrap())),
        ("empty-body", whole(sync_flag::BODY, &seal_envelope(&[0xa0]))),
    ])
}

/// Of the target `device`.
pub fn device() -> Seeds {
    let deal = parts(in_use(Kind::Deal));
    let change = |name: &str| deal.iter().find(|(other, _)| *other == name).expect("a part").1.clone();
    let about = |at: u8, form: u8, rest: &[u8]| [&[at, form], rest].concat();
    let answer = |parts: &[Vec<u8>]| [vec![0], join(parts)].concat();
    let row = encode_row(&in_use(Kind::Deal).read(None).values);
    let saved = in_use(Kind::Deal).save();
    named([
        ("nothing", answer(&[])),
        ("accepted", answer(&[about(0, device_form::VERDICT, &[0]), about(1, device_form::VERDICT, &[0])])),
        ("held", answer(&[about(0, device_form::VERDICT, b"\x01missing")])),
        ("refused", answer(&[about(0, device_form::VERDICT, b"\x02field_type"), about(1, device_form::VERDICT, b"\x02clone")])),
        ("foreign-actor", answer(&[about(0, device_form::VERDICT, b"\x02foreign_actor")])),
        ("unknown-verdict", answer(&[about(0, device_form::VERDICT, b"\x09something")])),
        ("same-record", answer(&[about(1, device_form::ROW, &[])])),
        ("same-id-as-own", answer(&[about(4, device_form::ROW, &[]), about(5, device_form::ROW, &[])])),
        ("row", answer(&[about(4 | device_form::NEXT_GENERATION, device_form::ROW, &row)])),
        ("row-of-nothing", answer(&[about(4 | device_form::NEXT_GENERATION, device_form::ROW, &[0xa0])])),
        ("erased", answer(&[about(1 | device_form::NEXT_GENERATION, device_form::ROW, &row)])),
        ("other-kind", answer(&[about(1 | device_form::OTHER_KIND, device_form::ROW, &[])])),
        ("newer-kind", answer(&[about(3, device_form::ROW, &[]), about(3, device_form::CHANGE, &change("put"))])),
        ("change", answer(&[about(1, device_form::CHANGE, &change("put")), about(1, device_form::CHANGE, &change("notes"))])),
        ("wrong-change", answer(&[about(1, device_form::CHANGE, &change("deep"))])),
        ("conflict", answer(&[about(1, device_form::CHANGE, &change("boris"))])),
        ("document", answer(&[about(1, device_form::SNAPSHOT, content(&saved[1..]))])),
        ("body", [&[device_form::BODY], &encode(&response()).unwrap()[..]].concat()),
    ])
}
