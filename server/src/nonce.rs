//! Challenges that the server need not remember: a time, randomness, and a code that only this server can make.

use roadbook_core::env::Env;
use sha2::{Digest as _, Sha256};

/// How long a nonce is good, in milliseconds: five minutes.
pub const NONCE_MS: i64 = 5 * 60_000;

const PURPOSE: &[u8] = b"roadbook nonce 1";

/// What nonces are made with: 32 random bytes.
#[derive(Clone)]
pub struct Secret([u8; 32]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// The secret with these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A new nonce: 8 bytes of time, 16 of randomness, 16 of code.
    pub fn nonce(&self, env: &dyn Env) -> Vec<u8> {
        let mut nonce = env.now().ms.to_be_bytes().to_vec();
        let mut random = [0u8; 16];
        env.fill(&mut random);
        nonce.extend_from_slice(&random);
        let code = self.code(&nonce);
        nonce.extend(code.iter().take(16));
        nonce
    }

    /// Whether this server made the nonce within the last five minutes.
    pub fn is_good(&self, nonce: &[u8], now_ms: i64) -> bool {
        let Some((stated, code)) = nonce.split_at_checked(24) else { return false };
        let Some((time, _)) = stated.split_first_chunk::<8>() else { return false };
        let expected = self.code(stated);
        // Every byte is looked at, so that the time of the answer says nothing about the code.
        let difference = expected.iter().zip(code).fold(0, |sum, (a, b)| sum | (a ^ b));
        let age = now_ms.saturating_sub(i64::from_be_bytes(*time));
        code.len() == 16 && difference == 0 && (0..=NONCE_MS).contains(&age)
    }

    /// HMAC-SHA-256 (RFC 2104) of the purpose and the message.
    fn code(&self, message: &[u8]) -> [u8; 32] {
        let pad = |byte: u8| {
            let mut block = [byte; 64];
            for (slot, key) in block.iter_mut().zip(self.0) {
                *slot ^= key;
            }
            block
        };
        let inner = Sha256::new().chain_update(pad(0x36)).chain_update(PURPOSE).chain_update(message).finalize();
        Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use roadbook_core::env::SystemEnv;

    #[test]
    fn a_nonce_is_good_for_five_minutes_and_only_here() {
        let secret = Secret::new([7; 32]);
        let nonce = secret.nonce(&SystemEnv);
        let now = SystemEnv.now().ms + 1;
        assert_eq!(nonce.len(), 40);
        assert!(secret.is_good(&nonce, now));
        assert!(!secret.is_good(&nonce, now + NONCE_MS + 1));
        assert!(!secret.is_good(&nonce, now - 10_000));
        assert!(!Secret::new([8; 32]).is_good(&nonce, now));
        for at in 0..nonce.len() {
            let mut other = nonce.clone();
            other[at] ^= 1;
            assert!(!secret.is_good(&other, now), "byte {at}");
        }
        assert!(!secret.is_good(&nonce[..39], now));
        assert!(!secret.is_good(&[], now));
    }
}
