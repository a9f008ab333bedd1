//! Where this device belongs: its account on a server, its key, its token, and its right to sync.

use ed25519_dalek::{Signer as _, SigningKey};
use minicbor::{Decode, Encode};
use rusqlite::Connection;
use zeroize::Zeroizing;

use super::{Book, lock};
use crate::error::{Error, Result};
use crate::id::RecordId;
use crate::store::{Meta, Tx};
use crate::sync::wire::{JoinResponse, TokenResponse};

/// A token is not used in its last seconds.
const TOKEN_MARGIN_MS: i64 = 10_000;

/// Where this device belongs. Stored as it is declared, so its keys are frozen.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Account {
    /// The server's id.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub server_id: Vec<u8>,
    /// The device's id on the server.
    #[n(1)]
    pub device: RecordId,
    /// The person's id.
    #[n(2)]
    pub person: RecordId,
    /// The workspace's id.
    #[n(3)]
    pub workspace: RecordId,
    /// The workspace's name.
    #[n(4)]
    pub workspace_name: String,
}

impl Account {
    pub(super) fn load(conn: &Connection) -> Result<Option<Self>> {
        let account = Meta::Account.get(conn)?.map(|bytes| minicbor::decode(&bytes));
        account.transpose().map_err(|_| Error::Corrupt("the account cannot be read".into()))
    }
}

/// The device's key pair; it never leaves the store.
pub(crate) struct DeviceKey(SigningKey);

impl DeviceKey {
    /// The public key.
    pub fn public(&self) -> Vec<u8> {
        self.0.verifying_key().as_bytes().to_vec()
    }

    /// Signs a challenge.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).to_bytes().to_vec()
    }
}

impl Book {
    /// Where this device belongs; `None` before it joined a workspace.
    ///
    /// # Errors
    /// Those of the store.
    pub fn account(&self) -> Result<Option<Account>> {
        self.read(Account::load)
    }

    pub(crate) fn server_url(&self) -> Result<Option<String>> {
        self.read(|conn| Meta::ServerUrl.text(conn))
    }

    /// The device's key pair, made on first use.
    pub(crate) fn device_key(&self) -> Result<DeviceKey> {
        self.write(|tx| {
            let seed = match Meta::DeviceKey.get(tx.sql)? {
                Some(seed) => Zeroizing::new(seed),
                None => {
                    let mut seed = Zeroizing::new(vec![0u8; 32]);
                    tx.env.fill(&mut seed);
                    Meta::DeviceKey.set(tx.sql, &seed)?;
                    seed
                }
            };
            let seed: &[u8; 32] =
                seed.as_slice().try_into().map_err(|_| Error::Corrupt("the device key cannot be read".into()))?;
            Ok(DeviceKey(SigningKey::from_bytes(seed)))
        })
    }

    /// The `authorization` header, where there is a token that is still good by this device's clock.
    pub(crate) fn good_token(&self) -> Result<Option<String>> {
        let now = self.env().now().ms;
        self.read(|conn| {
            let stored = Meta::Token.get(conn)?;
            let Some((until, token)) = stored.as_deref().and_then(<[u8]>::split_first_chunk::<8>) else { return Ok(None) };
            let good = i64::from_be_bytes(*until) > now.saturating_add(TOKEN_MARGIN_MS);
            Ok(good.then(|| format!("Bearer {}", data_encoding::BASE64URL_NOPAD.encode(token))))
        })
    }

    pub(crate) fn keep_token(&self, token: &TokenResponse) -> Result<()> {
        self.write(|tx| tx.keep_token(token))
    }

    pub(crate) fn drop_token(&self) -> Result<()> {
        self.write(|tx| Meta::Token.clear(tx.sql))
    }

    pub(crate) fn keep_account(&self, url: &str, server_id: &[u8], joined: &JoinResponse) -> Result<()> {
        let id = |bytes: &[u8]| RecordId::from_slice(bytes).ok_or_else(|| Error::Protocol("an id without 16 bytes".into()));
        let account = Account {
            server_id: server_id.to_vec(),
            device: id(&joined.device)?,
            person: id(&joined.person)?,
            workspace: id(&joined.workspace)?,
            workspace_name: joined.workspace_name.clone(),
        };
        self.write(|tx| {
            if Account::load(tx.sql)?.is_some_and(|previous| previous.workspace != account.workspace) {
                return Err(Error::OtherWorkspace);
            }
            let bytes = minicbor::to_vec(&account).map_err(|error| Error::Internal(error.to_string()))?;
            Meta::Account.set(tx.sql, &bytes)?;
            Meta::ServerUrl.set(tx.sql, url.as_bytes())?;
            tx.keep_token(&joined.token)
        })
    }

    pub(crate) fn note_synced(&self) -> Result<()> {
        self.write(|tx| Meta::SyncedAt.set(tx.sql, &tx.now().ms.to_be_bytes()))
    }

    /// Takes the right to sync this book, for one session of one process: a lock of the operating system, which the
    /// death of its holder gives back, and a shutdown too, since iOS ends apps that are suspended with a lock.
    pub(crate) fn take_sync_lock(&self) -> Result<()> {
        let io = |source| Error::io("cannot lock the book for a sync", source);
        let mut held = lock(&self.sync_lock);
        // Under the lock that a shutdown takes.
        self.check_open()?;
        if held.is_some() {
            return Err(Error::Busy);
        }
        let file = std::fs::File::create(self.dir().join("sync.lock")).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {
                *held = Some(file);
                Ok(())
            }
            Err(std::fs::TryLockError::WouldBlock) => Err(Error::Busy),
            Err(std::fs::TryLockError::Error(source)) => Err(io(source)),
        }
    }

    /// Gives the right back; after a shutdown there is nothing to give.
    pub(crate) fn give_back_sync_lock(&self) {
        lock(&self.sync_lock).take();
    }
}

impl Tx<'_> {
    fn keep_token(&self, token: &TokenResponse) -> Result<()> {
        let until = self.now().ms.saturating_add(i64::from(token.expires_in_s) * 1000);
        let mut stored = until.to_be_bytes().to_vec();
        stored.extend_from_slice(&token.token);
        Meta::Token.set(self.sql, &stored)
    }
}
