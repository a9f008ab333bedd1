//! One sync of each device at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as Lane, OwnedMutexGuard};

use crate::store::DeviceId;

/// The devices that sync or wait for it.
#[derive(Default)]
pub(super) struct Lanes(Mutex<HashMap<DeviceId, Weak<Lane<()>>>>);

impl Lanes {
    /// Waits until the device's request before this one is done.
    pub async fn of(&self, device: DeviceId) -> OwnedMutexGuard<()> {
        let lane = {
            let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match lanes.get(&device).and_then(Weak::upgrade) {
                Some(lane) => lane,
                None => {
                    lanes.retain(|_, lane| lane.strong_count() > 0);
                    let lane = Arc::new(Lane::new(()));
                    lanes.insert(device, Arc::downgrade(&lane));
                    lane
                }
            }
        };
        lane.lock_owned().await
    }
}
