//! The messages of protocol 1: CBOR maps with integer keys (RFC 8949) in an envelope. Unknown keys are skipped, so
//! that keys may be added. `docs/protocol.md` shows each with an example.

use minicbor::{Decode, Encode};

use crate::document::{open_envelope, seal_compressed};
use crate::error::Error;

/// The newest protocol of this release.
pub const PROTOCOL: u16 = 1;
/// The oldest that it still speaks.
pub const PROTOCOL_MIN: u16 = 1;
/// `content-type` of every body.
pub const CONTENT_TYPE: &str = "application/cbor";

/// Most bytes of a request on the wire, and of it unfolded.
pub const MAX_REQUEST: usize = 1 << 20;
/// Most bytes of a request or response after decompression.
pub const MAX_INFLATED: usize = 8 << 20;
/// Most bytes of a response on the wire.
pub const MAX_RESPONSE: usize = 4 << 20;
/// Most CBOR items of a message: every number, text, list and map counts. An item of a list weighs up to fifty times what its
/// bytes do once it is decoded, so that bytes alone bound nothing.
pub const MAX_VALUES: usize = 1 << 20;
/// Most changes of one push group.
pub const MAX_GROUP: usize = 200;
/// Most operations of one record's changes in one push group: as many as one change may have. The gate takes some
/// microseconds for each, and no group may keep it from the others for long.
pub const MAX_GROUP_OPS: u64 = crate::gate::Limits::CHANGE.ops;

/// Most operations of all changes of a request.
pub const MAX_REQUEST_OPS: u64 = 500_000;

/// The code of a held group that the server did not look at, because the groups before it took as much work as one request
/// may: it is sent again with the next request.
pub const LATER: &str = "later";

/// `POST /v1/hello`: who is there, and a challenge to sign. Needs no token.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct HelloRequest {
    /// The oldest protocol that the client speaks.
    #[n(0)]
    pub protocol_min: u16,
    /// The newest.
    #[n(1)]
    pub protocol_max: u16,
    /// The app's version, for the log.
    #[n(2)]
    pub app_version: String,
}

/// The answer to [`HelloRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct HelloResponse {
    /// The server's id, 16 bytes.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub server_id: Vec<u8>,
    /// The protocol to speak.
    #[n(1)]
    pub protocol: u16,
    /// The server's clock, in milliseconds since 1970.
    #[n(2)]
    pub time_ms: i64,
    /// The challenge; good for five minutes.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub nonce: Vec<u8>,
}

/// `POST /v1/join`: a new device takes an invitation. Needs no token. Sent again with the same key, the answer is the same.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct JoinRequest {
    /// The code that the administrator gave.
    #[n(0)]
    pub code: String,
    /// The device's public key (Ed25519, 32 bytes).
    #[cbor(n(1), with = "minicbor::bytes")]
    pub public_key: Vec<u8>,
    /// What the device calls itself.
    #[n(2)]
    pub device_name: String,
    /// The nonce of the hello.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub nonce: Vec<u8>,
    /// Signature of [`join_challenge`].
    #[cbor(n(4), with = "minicbor::bytes")]
    pub signature: Vec<u8>,
}

/// The answer to [`JoinRequest`].
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct JoinResponse {
    /// The device's id on the server, 16 bytes.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub device: Vec<u8>,
    /// The person's id, 16 bytes.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub person: Vec<u8>,
    /// The workspace's id, 16 bytes.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub workspace: Vec<u8>,
    /// The workspace's name.
    #[n(3)]
    pub workspace_name: String,
    /// The first token.
    #[n(4)]
    pub token: TokenResponse,
}

/// `POST /v1/token`: a known device asks for a token. Needs no token.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct TokenRequest {
    /// The device's id.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub device: Vec<u8>,
    /// The nonce of the hello.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub nonce: Vec<u8>,
    /// Signature of [`token_challenge`].
    #[cbor(n(2), with = "minicbor::bytes")]
    pub signature: Vec<u8>,
}

/// A token: sent as `authorization: Bearer <base64url>`.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct TokenResponse {
    /// The token, 32 random bytes.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub token: Vec<u8>,
    /// How long it is good, in seconds.
    #[n(1)]
    pub expires_in_s: u32,
}

/// Messages that hold a secret show nothing of themselves.
macro_rules! hidden {
    ($($name:ident),*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )*};
}

hidden!(JoinRequest, JoinResponse, TokenRequest, TokenResponse);

/// What a device signs to join.
pub fn join_challenge(server_id: &[u8], nonce: &[u8], code: &str) -> Vec<u8> {
    challenge(b"roadbook join 1", &[server_id, nonce, code.as_bytes()])
}

/// What a device signs for a token.
pub fn token_challenge(server_id: &[u8], nonce: &[u8], device: &[u8]) -> Vec<u8> {
    challenge(b"roadbook token 1", &[server_id, nonce, device])
}

fn challenge(purpose: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut message = purpose.to_vec();
    for part in parts {
        message.extend_from_slice(&(part.len() as u64).to_be_bytes());
        message.extend_from_slice(part);
    }
    message
}

/// `POST /v1/sync`: pushes and pulls in one round trip.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(map)]
pub struct SyncRequest {
    /// The epoch that the client knows; empty at first.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub epoch: Vec<u8>,
    /// Where the client stands in the feed, as the server gave it; empty at first.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub cursor: Vec<u8>,
    /// The records that items of this request name by index.
    #[n(2)]
    pub docs: Vec<PushDoc>,
    /// What is pushed.
    #[n(3)]
    pub groups: Vec<PushGroup>,
    /// Most bytes of entries in the answer, before compression.
    #[n(4)]
    pub max_bytes: u32,
    /// The versions of rows that the client inserts unopened.
    #[n(5)]
    pub rows: Vec<RowVersion>,
    /// The version of the directory that the client has; 0 at first.
    #[n(6)]
    pub directory: u64,
    /// Ids of records to send whole, wherever they stand in the feed: this device could not open or apply what it has.
    #[n(7)]
    pub want: Vec<minicbor::bytes::ByteVec>,
}

/// A record that items name.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PushDoc {
    /// The record's id, 16 bytes.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub id: Vec<u8>,
    /// Its generation.
    #[n(1)]
    pub generation: u32,
    /// The code of its kind.
    #[n(2)]
    pub kind: u16,
}

/// Changes that the server takes together or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PushGroup {
    /// The group's id, at most 16 bytes; a group sent again gets the same verdict.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub id: Vec<u8>,
    /// The changes, each after those it depends on.
    #[n(1)]
    pub items: Vec<PushItem>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PushItem {
    /// The index of its record in `docs`.
    #[n(0)]
    pub doc: u32,
    /// The raw change chunk in an envelope.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub change: Vec<u8>,
}

/// The version of the rows of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct RowVersion {
    /// The code of the kind.
    #[n(0)]
    pub kind: u16,
    /// Changes when a stored field changes its meaning.
    #[n(1)]
    pub major: u16,
    /// Grows when a field is added.
    #[n(2)]
    pub minor: u16,
}

/// The answer to [`SyncRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(map)]
pub struct SyncResponse {
    /// The server's epoch, 16 bytes; it changes when the server was restored from a backup.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub epoch: Vec<u8>,
    /// A verdict for each pushed group, in order.
    #[n(1)]
    pub verdicts: Vec<Verdict>,
    /// Records that changed since the cursor, in the order of the feed.
    #[n(2)]
    pub entries: Vec<Entry>,
    /// Where the client stands after these entries.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub cursor: Vec<u8>,
    /// Whether there is more: ask again at once.
    #[n(4)]
    pub more: bool,
    /// The server's clock, in milliseconds since 1970.
    #[n(5)]
    pub time_ms: i64,
    /// People and actors, where the client's directory is older.
    #[n(6)]
    pub directory: Option<Directory>,
}

/// What became of a group.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Verdict {
    /// The group's id.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub group: Vec<u8>,
    /// What became of it.
    #[n(1)]
    pub outcome: Outcome,
    /// For held and refused groups: the code of the reason ([`crate::gate::Refused::code`]).
    #[n(2)]
    pub code: Option<String>,
}

/// An enumeration that is a number on the wire; a number of a newer release is kept, so that one new word does not make
/// a whole page unreadable.
macro_rules! wire_codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)*
            /// A number that this release does not know.
            Other(u32),
        }

        impl<C> Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(&self, encoder: &mut minicbor::Encoder<W>, _: &mut C) -> Result<(), minicbor::encode::Error<W::Error>> {
                let code = match self { $(Self::$variant => $code,)* Self::Other(code) => *code };
                encoder.u32(code)?;
                Ok(())
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(decoder: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                Ok(match decoder.u32()? { $($code => Self::$variant,)* other => Self::Other(other) })
            }
        }
    };
}

wire_codes! {
    /// What became of a group.
    Outcome {
        /// Stored durably, now or before.
        Accepted = 0,
        /// Not stored: changes that it depends on are missing. Send it again after them.
        Held = 1,
        /// Not stored, and never will be.
        Refused = 2,
    }
}

wire_codes! {
    /// The form of an entry.
    Form {
        /// The whole document.
        Snapshot = 0,
        /// Changes since the client's cursor, of other devices.
        Changes = 1,
        /// The record left the client's scope.
        Leave = 2,
    }
}

/// A record that changed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Entry {
    /// The record's id, 16 bytes.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub id: Vec<u8>,
    /// Its generation.
    #[n(1)]
    pub generation: u32,
    /// The code of its kind.
    #[n(2)]
    pub kind: u16,
    /// What came.
    #[n(3)]
    pub form: Form,
    /// For a snapshot: the document in an envelope, without inner compression.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub snapshot: Option<Vec<u8>>,
    /// For changes: raw chunks in envelopes, each after those it depends on.
    #[n(5)]
    pub changes: Option<Vec<minicbor::bytes::ByteVec>>,
    /// For a snapshot: the query row ([`crate::record::encode_row`]), where the server knows the kind.
    #[cbor(n(6), with = "minicbor::bytes")]
    pub row: Option<Vec<u8>>,
    /// The row's version.
    #[n(7)]
    pub row_version: Option<RowVersion>,
    /// For a snapshot: the wall clock of its newest change.
    #[n(8)]
    pub changed_ms: Option<i64>,
}

/// Who is who in the workspace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(map)]
pub struct Directory {
    /// Grows with every change.
    #[n(0)]
    pub version: u64,
    /// All people.
    #[n(1)]
    pub people: Vec<DirectoryPerson>,
    /// All actors of their devices.
    #[n(2)]
    pub actors: Vec<DirectoryActor>,
}

/// A person of the directory.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct DirectoryPerson {
    /// The id, 16 bytes.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub id: Vec<u8>,
    /// The name.
    #[n(1)]
    pub name: String,
    /// `administrator`, `manager` or `rep`.
    #[n(2)]
    pub role: String,
}

/// An actor of the directory.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct DirectoryActor {
    /// The actor, 16 bytes.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub actor: Vec<u8>,
    /// The index of the person in `people`.
    #[n(1)]
    pub person: u32,
    /// The device's name.
    #[n(2)]
    pub device: String,
}

/// The body of every answer that is not 200.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ErrorResponse {
    /// The code: see [`ErrorCode`].
    #[n(0)]
    pub code: String,
    /// For the log of an administrator; no data of records.
    #[n(1)]
    pub message: String,
    /// When to try again, in seconds.
    #[n(2)]
    pub retry_after_s: Option<u32>,
}

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $status:literal;)*) => {
        /// Why a request was not answered.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ErrorCode { $($(#[$doc])* $variant,)* }

        impl ErrorCode {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
            /// The code in the message.
            pub const fn code(self) -> &'static str { match self { $(Self::$variant => $code,)* } }
            /// The HTTP status that goes with it.
            pub const fn status(self) -> u16 { match self { $(Self::$variant => $status,)* } }
            /// The code with this text.
            pub fn named(code: &str) -> Option<Self> { Self::ALL.iter().copied().find(|known| known.code() == code) }
        }
    };
}

error_codes! {
    /// The body is no message of the protocol.
    Malformed = "malformed", 400;
    /// The token is missing, wrong, or has ended: ask for another.
    TokenExpired = "token_expired", 401;
    /// The nonce has ended: say hello again.
    NonceExpired = "nonce_expired", 401;
    /// The signature is wrong, or the server does not know the device.
    UnknownDevice = "unknown_device", 403;
    /// An administrator revoked the device.
    DeviceRevoked = "device_revoked", 403;
    /// The invitation is unknown, used or has ended.
    InvitationInvalid = "invitation_invalid", 403;
    /// The server's data is from before the client's cursor or from another history.
    EpochChanged = "epoch_changed", 409;
    /// The request is larger than it may be.
    TooLarge = "too_large", 413;
    /// No common protocol: update the app.
    UpgradeRequired = "upgrade_required", 426;
    /// Too many requests: wait.
    TooMany = "too_many", 429;
    /// The server failed: try again.
    Unavailable = "unavailable", 503;
}

/// Encodes a message as a body.
///
/// # Errors
/// [`Error::Internal`] for a message that cannot be encoded (a defect).
pub fn encode<T: Encode<()>>(message: &T) -> crate::error::Result<Vec<u8>> {
    let raw = minicbor::to_vec(message).map_err(|error| Error::Internal(error.to_string()))?;
    // A page of the feed is megabytes that somebody waits for; a push is small and may cost by the byte.
    let level = if raw.len() > 256 * 1024 { 1 } else { 3 };
    Ok(seal_compressed(&raw, level))
}

/// Decodes a body; nothing larger than [`MAX_INFLATED`] is ever held.
///
/// # Errors
/// [`Error::Protocol`].
pub fn decode<T: for<'b> Decode<'b, ()>>(body: &[u8]) -> crate::error::Result<T> {
    decode_within(body, MAX_INFLATED)
}

/// Decodes a body of at most `max` bytes: for messages that strangers may send.
///
/// # Errors
/// [`Error::Protocol`].
pub fn decode_within<T: for<'b> Decode<'b, ()>>(body: &[u8], max: usize) -> crate::error::Result<T> {
    let raw = open_envelope(body, max).map_err(|error| Error::Protocol(error.to_string()))?;
    if !holds_at_most(&raw, MAX_VALUES) {
        return Err(Error::Protocol("more values than a message may have".into()));
    }
    let mut decoder = minicbor::Decoder::new(&raw);
    let message = decoder.decode().map_err(|_| Error::Protocol("the body is no message of the protocol".into()))?;
    if decoder.position() == raw.len() { Ok(message) } else { Err(Error::Protocol("bytes after the message".into())) }
}

/// Whether CBOR bytes hold at most `max` items. Only their heads are looked at; what is no CBOR is left to the decoder.
fn holds_at_most(mut raw: &[u8], max: usize) -> bool {
    for _ in 0..=max {
        let Some((head, rest)) = raw.split_first() else { return true };
        let wide = match head & 0x1f {
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            _ => 0,
        };
        let Some((wide, rest)) = rest.split_at_checked(wide) else { return true };
        let number = match wide {
            [] => u64::from(head & 0x1f),
            wide => wide.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)),
        };
        // Bytes and texts are one item with what is in them; of endless ones the pieces are items.
        let inside = if matches!(head >> 5, 2 | 3) && head & 0x1f < 28 { number } else { 0 };
        let Some(after) = usize::try_from(inside).ok().and_then(|inside| rest.get(inside..)) else { return true };
        raw = after;
    }
    false
}
