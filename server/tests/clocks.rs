//! Clocks that jump: ten years ahead, and back. They order nothing and lose nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

mod common;

use std::sync::Arc;

use common::{Server, contact, done, now};
use roadbook_core::records::Contact;
use roadbook_core::sync::{End, RejoinReason, Session};
use roadbook_server::tidy::tidy;
use roadbook_tests::{Device, World};

const DAY_MS: i64 = 24 * 3_600_000;
const TEN_YEARS_MS: i64 = 10 * 365 * DAY_MS;

fn state(device: &Device) -> String {
    device.book.status().unwrap().state_hash
}

/// A device with a clock of its own, joined.
fn device_of(server: &Server, person: &str, seed: u64, ahead_ms: i64) -> (Device, Arc<World>) {
    let clock = World::new(seed);
    clock.pass(ahead_ms);
    let device = Device::new(&clock);
    done(server.join(&device, &server.invite(person)));
    (device, clock)
}

#[test]
fn a_devices_clock_may_jump_between_runs_and_syncs_as_before() {
    let server = Server::new(&World::new(1));
    let (mut anna, clock) = device_of(&server, "Anna Berg", 2, 0);
    let (boris, _) = device_of(&server, "Boris Król", 3, 0);
    let mut made = Vec::new();
    for (step, jump) in [TEN_YEARS_MS, -2 * TEN_YEARS_MS, TEN_YEARS_MS, -1].into_iter().enumerate() {
        clock.pass(jump);
        anna.restart().unwrap();
        made.push(contact(&anna, &format!("Step {step}")));
        done(server.sync(&anna));
        // The token of before the jump, and one that this clock gave.
        done(server.sync(&anna));
        done(server.sync(&boris));
        assert_eq!(state(&anna), state(&boris), "step {step}");
        assert_eq!(server.summary().state_hash, state(&anna), "step {step}");
    }
    assert_eq!(anna.book.status().unwrap().pending_changes, 0);
}

#[test]
fn the_later_edit_stands_however_early_its_clock_says_it_was() {
    let server = Server::new(&World::new(4));
    let (anna, _) = device_of(&server, "Anna Berg", 5, TEN_YEARS_MS);
    let (boris, clock) = device_of(&server, "Boris Król", 6, -TEN_YEARS_MS);
    let id = contact(&anna, "Meier").id.0;
    let edit = |device: &Device, title: &str| {
        let form: Contact = device.book.get(id).unwrap();
        device.book.save(&Contact { job_title: title.into(), ..form }).unwrap();
    };
    edit(&anna, "from the future");
    done(server.sync(&anna));
    done(server.sync(&boris));
    edit(&boris, "after it, twenty years earlier");
    clock.pass(-TEN_YEARS_MS);
    edit(&boris, "and again, earlier still");
    done(server.sync(&boris));
    done(server.sync(&anna));
    for device in [&anna, &boris] {
        assert_eq!(device.book.get::<Contact>(id).unwrap().job_title, "and again, earlier still");
        assert!(device.book.conflicts(id).unwrap().is_empty());
        assert_eq!(device.book.history(id).unwrap().len(), 4);
    }
}

#[test]
fn a_servers_clock_may_jump_and_everybody_syncs_on() {
    let world = World::new(7);
    let mut server = Server::new(&world);
    let (anna, _) = device_of(&server, "Anna Berg", 8, 0);
    let (boris, _) = device_of(&server, "Boris Król", 9, 0);
    for (step, jump) in [TEN_YEARS_MS, -TEN_YEARS_MS, -TEN_YEARS_MS, TEN_YEARS_MS].into_iter().enumerate() {
        contact(&anna, &format!("Before step {step}"));
        world.pass(jump);
        server.restart();
        // What ended by the new clock is forgotten; of what devices wrote, nothing.
        tidy(server.store(), now(&world)).unwrap();
        contact(&boris, &format!("After step {step}"));
        for device in [&anna, &boris, &anna] {
            done(server.sync(device));
        }
        assert_eq!(state(&anna), state(&boris), "step {step}");
        assert_eq!(server.summary().state_hash, state(&anna), "step {step}");
    }
    assert_eq!(anna.book.status().unwrap().records, 8);
}

#[test]
fn an_invitation_ends_by_the_servers_clock_alone() {
    let world = World::new(10);
    let server = Server::new(&world);
    let code = server.invite("Anna Berg");
    // After 90 days it would be forgotten.
    world.pass(30 * DAY_MS);
    let late = Device::new(&World::new(11));
    let end = server.join(&late, &code);
    assert!(matches!(end, End::Rejoin { reason: RejoinReason::Invitation, .. }), "{end:?}");
    // The administrator set the clock right: the code is good again, whatever the device's clock says.
    world.pass(-30 * DAY_MS);
    done(server.join(&late, &code));
    let (ahead, _) = device_of(&server, "Boris Król", 12, TEN_YEARS_MS);
    done(server.drive(Session::sync(&ahead.book, None).unwrap()));
}
