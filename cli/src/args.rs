//! The command line: verbs and options. The options of a record's fields come from its definition, in `fields`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use roadbook_core::id::RecordId;
use roadbook_core::records::{Contact, Deal, TaskItem};

use crate::fields::Fields;
use crate::http::PATIENCE;
use crate::kinds::{Common, Listed};

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  error; the text says what to do
  2  wrong command line
  3  partly done: some cards of an import were left out, or some records could
     not be exported; the rest is there
  4  something needs a person: the doctor found what it did not repair";

/// An offline-first CRM: contacts, deals and tasks on this computer, encrypted, and in step with your other devices.
#[derive(Debug, Parser)]
#[command(name = "roadbook", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Debug, Args)]
pub(crate) struct Global {
    /// The folder of the book [default: roadbook in the platform's data folder]
    #[arg(long, global = true, value_name = "DIR", env = "ROADBOOK_STORE", hide_env_values = true)]
    pub store: Option<PathBuf>,
    /// The key of the book: 32 bytes or 64 hexadecimal digits [default: DIR.key, beside the folder]
    #[arg(long, global = true, value_name = "FILE", env = "ROADBOOK_KEY_FILE", hide_env_values = true)]
    pub key_file: Option<PathBuf>,
    /// Believe the authorities in this PEM file, not the system's, when a server shows its certificate
    #[arg(long, global = true, value_name = "FILE", env = "ROADBOOK_CA", hide_env_values = true)]
    pub ca: Option<PathBuf>,
    /// Give up on a server that says nothing for so many seconds, and on an answer that takes twenty times as long
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = PATIENCE.as_secs() as u32,
          value_parser = clap::value_parser!(u32).range(1..=3600), env = "ROADBOOK_TIMEOUT", hide_env_values = true)]
    pub timeout: u32,
    /// Answer with one JSON object on standard output
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make a new book
    Init {
        /// The country whose phone numbers are written without a country code, as RU or DE
        #[arg(long, value_name = "XX")]
        region: Option<String>,
    },
    /// Join a workspace with an invitation, and sync; makes the book where there is none
    Join {
        /// The address of the server
        url: String,
        /// The code of the invitation; - reads it from standard input, where nobody sees it in the list of processes
        #[arg(long, value_name = "CODE", required_unless_present = "invite_file")]
        invite: Option<String>,
        /// A file with the code of the invitation
        #[arg(long, value_name = "FILE", conflicts_with = "invite")]
        invite_file: Option<PathBuf>,
        /// What this device is called in the workspace [default: the computer's name]
        #[arg(long, value_name = "NAME")]
        device_name: Option<String>,
        /// As for init, where the book is new
        #[arg(long, value_name = "XX")]
        region: Option<String>,
    },
    /// Send this device's changes and fetch the others'
    Sync {
        /// Stop at the next page after so many seconds; the next sync goes on there
        #[arg(long, value_name = "SECONDS")]
        deadline: Option<u32>,
    },
    /// Say how this device stands: what is on no other device, what waits for a decision
    Status,
    /// Contacts: people whom the firm deals with
    #[command(subcommand)]
    Contact(RecordVerb<Contact>),
    /// Deals: sales in progress
    #[command(subcommand)]
    Deal(RecordVerb<Deal>),
    /// Tasks: what is to be done
    #[command(subcommand)]
    Task(RecordVerb<TaskItem>),
    /// Find records of any kind
    Search {
        /// Words by their beginnings, in any script, or digits of a phone number
        #[arg(required = true)]
        text: Vec<String>,
        /// At most so many
        #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Show every change of a record: who, when, what
    History {
        /// The record
        id: RecordId,
    },
    /// Show disagreements: all values, who wrote them and when, and the command that settles them
    Conflicts {
        /// Of this record alone
        id: Option<RecordId>,
    },
    /// Settle a disagreement: keep one of the values
    #[command(override_usage = "roadbook settle CONFLICT VALUE\n       roadbook settle ID FIELD VALUE")]
    Settle {
        /// CONFLICT VALUE with the ids of `conflicts --json`, or ID FIELD VALUE with the value's id as `conflicts` shows it
        #[arg(required = true, num_args = 2..=3, value_name = "WHICH")]
        which: Vec<String>,
    },
    /// Take an action back, also after others' edits arrived
    Undo {
        /// The action, as `history` shows it [default: the last one of this device]
        action: Option<String>,
    },
    /// Show edits that the server refused, make them again, or forget them
    Refusals {
        #[command(subcommand)]
        verb: Option<RefusalVerb>,
    },
    /// Take contacts from files; importing again adds nothing twice
    Import {
        /// The files; - is standard input
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The form of the files
        #[arg(long, value_enum, default_value_t = ImportFormat::Vcard)]
        format: ImportFormat,
        /// The country of phone numbers without a country code, for this import [default: the book's]
        #[arg(long, value_name = "XX")]
        region: Option<String>,
    },
    /// Write contacts as vCard 4.0, or everything as JSON
    Export {
        /// The form
        #[arg(long, value_enum)]
        format: ExportFormat,
        /// The file, written whole or not at all [default: standard output]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Check the store, and repair what can be made again
    Doctor {
        /// Make lists and search again from the records
        #[arg(long)]
        rebuild: bool,
    },
    /// Put all that can be read of a damaged book into a new one, unsent edits included; the old one stays as it is
    Rescue {
        /// The folder of the new book; its key lies beside it
        new_folder: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum RecordVerb<R: Listed> {
    /// Add one
    Add {
        /// The name or title
        name: Option<String>,
        #[command(flatten)]
        fields: Fields<R>,
    },
    /// List them
    List {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        filter: R::Filter,
        #[command(flatten)]
        part: Part,
    },
    /// Show one
    Show {
        /// Its id
        id: RecordId,
    },
    /// Change fields of one
    Edit {
        /// Its id
        id: RecordId,
        #[command(flatten)]
        fields: Fields<R>,
    },
    /// Erase one for good, with its history, here and everywhere after sync; nothing brings it back
    Erase {
        /// Its id
        id: RecordId,
        /// Needed, since nothing brings it back
        #[arg(long)]
        yes: bool,
    },
    /// Delete one; its history stays, and undo brings it back
    Delete {
        /// Its id
        id: RecordId,
    },
}

/// Which part of a list.
#[derive(Debug, Args)]
pub(crate) struct Part {
    /// Everything
    #[arg(long, conflicts_with_all = ["limit", "after"])]
    pub all: bool,
    /// At most so many
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// Go on after an earlier part: its "next"
    #[arg(long, value_name = "TOKEN")]
    pub after: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RefusalVerb {
    /// Make a refused edit again, on the record as it is now
    Retry {
        /// The edit, as `refusals` shows it
        id: String,
    },
    /// Forget a refused edit
    Discard {
        /// The edit, as `refusals` shows it
        id: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ImportFormat {
    Vcard,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    Vcard,
    Json,
}
