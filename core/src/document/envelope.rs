//! The byte before every stored or sent blob: 0 raw, 1 zstd, 2 reserved for blobs sealed with a key of their own.

use std::io::Read as _;

const RAW: u8 = 0;
const ZSTD: u8 = 1;

/// Why an envelope cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// There is nothing in it.
    #[error("the blob is empty")]
    Empty,
    /// A newer release wrote it.
    #[error("the blob has the unknown envelope {0}")]
    Unknown(u8),
    /// It does not decompress.
    #[error("the blob cannot be decompressed")]
    Compression,
    /// It is larger than it may be.
    #[error("the blob has more than {0} bytes")]
    TooLarge(usize),
}

/// Wraps a blob uncompressed.
pub fn seal_envelope(raw: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(raw.len() + 1);
    sealed.push(RAW);
    sealed.extend_from_slice(raw);
    sealed
}

/// Wraps a blob, compressed where that makes it smaller. `level` is zstd's.
pub(crate) fn seal_compressed(raw: &[u8], level: i32) -> Vec<u8> {
    match zstd::bulk::compress(raw, level) {
        Ok(small) if small.len() < raw.len() => {
            let mut sealed = Vec::with_capacity(small.len() + 1);
            sealed.push(ZSTD);
            sealed.extend_from_slice(&small);
            sealed
        }
        _ => seal_envelope(raw),
    }
}

/// Unwraps a blob of at most `max` bytes; never holds more than that.
///
/// # Errors
/// [`EnvelopeError`].
pub fn open_envelope(sealed: &[u8], max: usize) -> Result<Vec<u8>, EnvelopeError> {
    let (kind, body) = sealed.split_first().ok_or(EnvelopeError::Empty)?;
    match *kind {
        RAW if body.len() > max => Err(EnvelopeError::TooLarge(max)),
        RAW => Ok(body.to_vec()),
        ZSTD => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(body).map_err(|_| EnvelopeError::Compression)?;
            // A frame may ask for a window as large as its author likes; ours never need more than the limit.
            decoder.window_log_max(23).map_err(|_| EnvelopeError::Compression)?;
            let mut raw = Vec::new();
            decoder.take(max as u64 + 1).read_to_end(&mut raw).map_err(|_| EnvelopeError::Compression)?;
            if raw.len() > max { Err(EnvelopeError::TooLarge(max)) } else { Ok(raw) }
        }
        other => Err(EnvelopeError::Unknown(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_comes_out_as_it_went_in() {
        let raw = vec![7; 10_000];
        assert!(seal_compressed(&raw, 3).len() < 100);
        for sealed in [seal_envelope(&raw), seal_compressed(&raw, 3), seal_compressed(b"x", 3)] {
            assert!(open_envelope(&sealed, 10_000).is_ok());
        }
        assert_eq!(open_envelope(&seal_compressed(&raw, 3), 10_000), Ok(raw));
    }

    #[test]
    fn a_bomb_is_refused_before_it_unfolds() {
        let sealed = seal_compressed(&vec![0; 50_000_000], 3);
        assert!(sealed.len() < 10_000);
        assert_eq!(open_envelope(&sealed, 1_000_000), Err(EnvelopeError::TooLarge(1_000_000)));
        assert_eq!(open_envelope(&[], 10), Err(EnvelopeError::Empty));
        assert_eq!(open_envelope(&[2, 1], 10), Err(EnvelopeError::Unknown(2)));
        assert_eq!(open_envelope(&[1, 9, 9, 9], 10), Err(EnvelopeError::Compression));
    }
}
