//! Who asks: hello, join, token, and the check of a token.

use ed25519_dalek::{Signature, VerifyingKey};
use roadbook_core::env::Env;
use roadbook_core::fault::{Plant, planted};
use roadbook_core::sync::wire::{
    self, ErrorCode, HelloRequest, HelloResponse, JoinRequest, JoinResponse, PROTOCOL, PROTOCOL_MIN, TokenRequest, TokenResponse,
};
use sha2::{Digest as _, Sha256};

use super::guesses::Guesses;
use super::{Answer, Source};
use crate::data::Data;
use crate::error::Error;
use crate::invitation;
use crate::rejection::Rejection;
use crate::store::{Caller, Device, DeviceId, Joined, Joining, NewToken, Store};

/// Most bytes that the message of a stranger may unfold to.
const STRANGER: usize = 64 * 1024;

/// How long a token is good, in seconds: a quarter of an hour.
pub const TOKEN_S: u32 = 15 * 60;
/// The most characters of a device's name.
const DEVICE_NAME: usize = 60;

fn malformed(message: &'static str) -> Rejection {
    Rejection::new(ErrorCode::Malformed, message)
}

fn unknown_device() -> Rejection {
    Rejection::new(ErrorCode::UnknownDevice, "the signature is wrong, or the device is not known")
}

fn revoked() -> Rejection {
    Rejection::new(ErrorCode::DeviceRevoked, "the device is revoked")
}

/// `POST /v1/hello`.
pub(super) fn hello(data: &Data, env: &dyn Env, body: &[u8]) -> Answer {
    let hello: HelloRequest = wire::decode_within(body, STRANGER).map_err(|_| malformed("the body is no hello"))?;
    if hello.protocol_min > PROTOCOL || hello.protocol_max < PROTOCOL_MIN {
        return Err(Rejection::new(ErrorCode::UpgradeRequired, "no common protocol"));
    }
    let response = HelloResponse {
        server_id: data.store.server_id().to_vec(),
        protocol: PROTOCOL.min(hello.protocol_max),
        time_ms: env.now().ms,
        nonce: data.secret.nonce(env),
    };
    Ok(wire::encode(&response).map_err(Error::from)?)
}

/// `POST /v1/join`.
pub(super) fn join(data: &Data, env: &dyn Env, guesses: &Guesses, source: Source, body: &[u8]) -> Answer {
    let now_ms = env.now().ms;
    let join: JoinRequest = wire::decode_within(body, STRANGER).map_err(|_| malformed("the body is no join"))?;
    check_nonce(data, &join.nonce, now_ms)?;
    let public_key: [u8; 32] = join.public_key.as_slice().try_into().map_err(|_| malformed("the key has not 32 bytes"))?;
    if join.code.len() > 100 {
        return Err(malformed("the code is too long"));
    }
    let attempt = guesses.attempt(source, now_ms).map_err(|seconds| Rejection {
        code: ErrorCode::TooMany,
        message: "too many wrong invitations; wait",
        retry_after_s: Some(seconds),
    })?;
    let challenge = wire::join_challenge(&data.store.server_id(), &join.nonce, &join.code);
    check_signature(&public_key, &challenge, &join.signature)?;
    let device_name = join.device_name.trim().chars().filter(|c| !c.is_control()).take(DEVICE_NAME).collect();
    let code_hash = invitation::hash(&join.code);
    let joining = Joining { code_hash, public_key, device_name, new_id: DeviceId::generate(env), now_ms };
    let (device, workspace) = match data.store.join(&joining)? {
        Joined::Device(joined) => *joined,
        Joined::Revoked => return Err(revoked()),
        Joined::Invalid => {
            attempt.was_wrong();
            return Err(Rejection::new(ErrorCode::InvitationInvalid, "the invitation is unknown, used or has ended"));
        }
    };
    drop(attempt);
    tracing::info!(device = %device.id, workspace = %workspace.id, "a device joined");
    let response = JoinResponse {
        device: device.id.0.to_vec(),
        person: device.person.0.to_vec(),
        workspace: workspace.id.0.to_vec(),
        workspace_name: workspace.name,
        token: new_token(data, env, &device, &join.nonce)?,
    };
    Ok(wire::encode(&response).map_err(Error::from)?)
}

/// `POST /v1/token`.
pub(super) fn token(data: &Data, env: &dyn Env, body: &[u8]) -> Answer {
    let request: TokenRequest = wire::decode_within(body, STRANGER).map_err(|_| malformed("the body is no token request"))?;
    check_nonce(data, &request.nonce, env.now().ms)?;
    let id = DeviceId::from_slice(&request.device).ok_or_else(|| malformed("the device's id has not 16 bytes"))?;
    let device = data.store.device(id)?.ok_or_else(unknown_device)?;
    let challenge = wire::token_challenge(&data.store.server_id(), &request.nonce, &request.device);
    check_signature(&device.public_key, &challenge, &request.signature)?;
    if device.revoked_ms.is_some() {
        return Err(revoked());
    }
    Ok(wire::encode(&new_token(data, env, &device, &request.nonce)?).map_err(Error::from)?)
}

/// A token for a nonce, which gives no second one: whoever repeats a request that they saw gets nothing.
fn new_token(data: &Data, env: &dyn Env, device: &Device, nonce: &[u8]) -> Result<TokenResponse, Rejection> {
    let mut token = [0u8; 32];
    env.fill(&mut token);
    let now_ms = env.now().ms;
    let expires_ms = now_ms.saturating_add(i64::from(TOKEN_S) * 1000);
    // Who reads the database finds nothing that could be sent.
    let kept = NewToken { hash: Sha256::digest(token).into(), nonce, expires_ms, now_ms };
    if data.store.add_token(device, &kept)? {
        Ok(TokenResponse { token: token.to_vec(), expires_in_s: TOKEN_S })
    } else {
        Err(nonce_expired())
    }
}

fn nonce_expired() -> Rejection {
    Rejection::new(ErrorCode::NonceExpired, "the nonce has ended or was used; say hello again")
}

fn check_nonce(data: &Data, nonce: &[u8], now_ms: i64) -> Result<(), Rejection> {
    if data.secret.is_good(nonce, now_ms) {
        return Ok(());
    }
    Err(nonce_expired())
}

fn check_signature(public_key: &[u8; 32], challenge: &[u8], signature: &[u8]) -> Result<(), Rejection> {
    let key = VerifyingKey::from_bytes(public_key).map_err(|_| unknown_device())?;
    let signature = Signature::from_slice(signature).map_err(|_| unknown_device())?;
    key.verify_strict(challenge, &signature).map_err(|_| unknown_device())
}

/// The hash of the token in an `authorization` header.
pub(super) fn token_hash(authorization: Option<&str>) -> Result<[u8; 32], Rejection> {
    let token = authorization.and_then(|value| {
        let (scheme, text) = value.split_once(' ')?;
        let token = data_encoding::BASE64URL_NOPAD.decode(text.trim().as_bytes()).ok()?;
        (scheme.eq_ignore_ascii_case("bearer") && token.len() == 32).then_some(token)
    });
    token.map(|token| Sha256::digest(token).into()).ok_or_else(token_expired)
}

fn token_expired() -> Rejection {
    Rejection::new(ErrorCode::TokenExpired, "the token is missing, wrong, or has ended")
}

/// Who sends a token; of a revoked device nobody, at once.
pub(super) fn caller(store: &dyn Store, hash: [u8; 32], now_ms: i64) -> Result<Caller, Rejection> {
    let mut caller = store.caller(hash)?.ok_or_else(token_expired)?;
    if planted(Plant::CrossWorkspace) {
        caller.workspace = store.workspaces()?.first().map_or(caller.workspace, |workspace| workspace.id);
    }
    if caller.revoked && !planted(Plant::RevokedToken) {
        return Err(revoked());
    }
    if caller.expires_ms <= now_ms { Err(token_expired()) } else { Ok(caller) }
}
