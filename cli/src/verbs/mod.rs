//! The verbs, by group.

mod check;
mod files;
mod records;
mod review;
mod start;
mod sync;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use roadbook_core::{Book, Error};

use crate::args::{Cli, Verb};
use crate::failure::{Failure, OK, Outcome};
use crate::http::Client;
use crate::say::Say;
use crate::store::Location;

/// What a verb works with.
pub(crate) struct Run<'a> {
    pub at: Location,
    pub say: &'a Say,
    /// A file with the authorities to believe in place of the system's.
    pub ca: Option<PathBuf>,
    /// How long a server may say nothing.
    pub patience: Duration,
}

impl Run<'_> {
    fn open(&self) -> Outcome<Book> {
        Ok(self.at.open()?)
    }

    fn client(&self) -> Outcome<Client> {
        Client::with(self.ca.as_deref(), self.patience)
            .map_err(|error| Failure::new("ca", format!("The authorities cannot be used: {error}")))
    }

    /// Opens what came by sync and was shown by its row alone until now: only an opened record tells its disagreements.
    /// Returns whether all of it was opened; where the book cannot be written just now, or there is no time left, that is
    /// said, and the verb goes on.
    fn open_arrived(&self, book: &Book, until: Option<Instant>) -> Outcome<bool> {
        let mut left = u64::MAX;
        let why = loop {
            // At the end of the time, whether anything is left is still asked.
            let is_late = until.is_some_and(|until| Instant::now() >= until);
            match book.verify_some(if is_late { 0 } else { ARRIVED }) {
                Ok(0) => return Ok(true),
                Ok(_) if is_late => break "could be opened in the time that was given",
                // What another process takes meanwhile is its own to open.
                Ok(now) if now >= left => return Ok(false),
                Ok(now) => left = now,
                Err(Error::ReadOnly | Error::NoSpace | Error::Busy) => {
                    break "could be opened, because the book cannot be written just now";
                }
                Err(error) => return Err(error.into()),
            }
        };
        self.say.remark(&format!("Not every record that came by sync {why}: there may be more disagreements."));
        Ok(false)
    }
}

/// Records that are opened in one transaction: others may write in between.
const ARRIVED: u32 = 200;

/// Runs the verb and returns the exit code.
pub(crate) fn run(cli: Cli, say: &Say) -> Outcome<u8> {
    let at = Location::new(cli.global.store, cli.global.key_file)?;
    let run = Run { at, say, ca: cli.global.ca, patience: Duration::from_secs(cli.global.timeout.into()) };
    let done = match cli.verb {
        Verb::Init { region } => start::init(&run, region.as_deref()),
        Verb::Join { url, invite, invite_file, device_name, region } => {
            sync::code(&run, invite, invite_file).and_then(|code| sync::join(&run, &url, &code, device_name, region.as_deref()))
        }
        Verb::Sync { deadline } => sync::sync(&run, deadline),
        Verb::Status => sync::status(&run),
        Verb::Contact(verb) => records::run(&run, verb),
        Verb::Deal(verb) => records::run(&run, verb),
        Verb::Task(verb) => records::run(&run, verb),
        Verb::Search { text, limit } => records::search(&run, &text.join(" "), limit),
        Verb::History { id } => review::history(&run, id),
        Verb::Conflicts { id } => review::conflicts(&run, id),
        Verb::Settle { which } => review::settle(&run, &which),
        Verb::Undo { action } => review::undo(&run, action.as_deref()),
        Verb::Refusals { verb } => review::refusals(&run, verb),
        Verb::Import { files, format: _, region } => return files::import(&run, &files, region.as_deref()),
        Verb::Export { format, output } => return files::export(&run, format, output),
        Verb::Doctor { rebuild } => return check::doctor(&run, rebuild),
        Verb::Rescue { new_folder } => return check::rescue(&run, new_folder),
    };
    done.map(|()| OK)
}
