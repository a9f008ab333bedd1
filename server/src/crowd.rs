//! How many connections each source has: one source must not take the places of all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::app::Source;

/// The most connections of one source. A firm's phones come from one address, and keep theirs for half a minute.
const OF_SOURCE: usize = 250;

/// The connections that there are, by source; as many entries as connections at most.
#[derive(Default)]
pub(crate) struct Crowd(Mutex<HashMap<Source, usize>>);

/// One connection's place; dropping it gives it back.
pub(crate) struct Place(Option<(Arc<Crowd>, Source)>);

impl Crowd {
    /// A place for a connection; `None` where its source has too many. Behind a proxy on this machine, or one that is
    /// trusted, stand many sources, so that those have no limit.
    pub fn admit(self: &Arc<Self>, address: IpAddr, trusted: &[IpAddr]) -> Option<Place> {
        let address = address.to_canonical();
        if address.is_loopback() || trusted.iter().any(|proxy| proxy.to_canonical() == address) {
            return Some(Place(None));
        }
        let source = Source::of(address);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(source).or_default();
        if *count >= OF_SOURCE {
            return None;
        }
        *count += 1;
        Some(Place(Some((Arc::clone(self), source))))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((crowd, source)) = self.0.take() else { return };
        let mut counts = crowd.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_gets_a_part_of_the_places_and_gives_them_back() {
        let crowd = Arc::new(Crowd::default());
        let (stranger, other): (IpAddr, IpAddr) = ("203.0.113.7".parse().unwrap(), "203.0.113.8".parse().unwrap());
        let places: Vec<Place> = (0..250).map(|_| crowd.admit(stranger, &[]).unwrap()).collect();
        assert!(crowd.admit(stranger, &[]).is_none());
        assert!(crowd.admit(other, &[]).is_some() && crowd.admit("127.0.0.1".parse().unwrap(), &[]).is_some());
        assert!(crowd.admit(stranger, &[stranger]).is_some());
        drop(places);
        assert!(crowd.admit(stranger, &[]).is_some());
        assert!(crowd.0.lock().unwrap().is_empty());
    }
}
