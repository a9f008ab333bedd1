//! Codes of invitations: read aloud, typed on a phone, good once.

use roadbook_core::env::Env;
use sha2::{Digest as _, Sha256};

/// Digits and letters without those that look alike (I, L, O, U), after Crockford.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of a code: 20 of 5 bits each are 100 bits.
const LENGTH: usize = 20;

/// How long an invitation is good unless told otherwise, in hours: seven days.
pub const HOURS: u32 = 7 * 24;

/// A new code: five groups of four characters.
pub fn generate(env: &dyn Env) -> String {
    let mut random = [0u8; LENGTH];
    env.fill(&mut random);
    let mut code = String::with_capacity(LENGTH + 4);
    for (at, byte) in random.iter().enumerate() {
        if at > 0 && at % 4 == 0 {
            code.push('-');
        }
        code.push(ALPHABET.get(usize::from(byte % 32)).copied().map_or('0', char::from));
    }
    code
}

/// The hash under which a code is kept. Case, spaces, hyphens and look-alikes make no difference.
pub fn hash(code: &str) -> [u8; 32] {
    let canonical: String = code
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .map(|c| match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        })
        .collect();
    Sha256::new().chain_update(b"roadbook invitation 1").chain_update(canonical).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use roadbook_core::env::SystemEnv;

    #[test]
    fn a_code_may_be_typed_as_people_type() {
        let code = generate(&SystemEnv);
        assert_eq!(code.len(), 24);
        assert_eq!(code.split('-').count(), 5);
        assert_ne!(code, generate(&SystemEnv));
        assert_eq!(hash(&code), hash(&code.replace('-', " ").to_lowercase()));
        assert_eq!(hash("01AB-0000"), hash(" oIab oOo0 "));
        assert_eq!(hash("1"), hash("l"));
        assert_ne!(hash("01AB"), hash("01AC"));
    }
}
