//! The command line: what an administrator types.

mod print;

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};
use roadbook_core::env::{Env, SystemEnv};

use crate::admin;
use crate::backup;
use crate::data::Data;
use crate::doctor::doctor;
use crate::error::{Error, Result};
use crate::invitation;
use crate::restore::restore;
use crate::serve::{self, Door};
use crate::store::{Role, SqliteStore};
use crate::tls::Tls;
use print::{list, list_invitations, say, show, tell_findings, tell_restored, tell_revoked};

/// Everything was done, and nothing is wrong.
const OK: u8 = 0;
/// Something needs a person: the doctor found what it did not repair.
const ATTENTION: u8 = 4;

/// The server of Roadbook. All commands but restore work beside a running server on the same folder.
#[derive(Debug, Parser)]
#[command(name = "roadbook-server", version, propagate_version = true)]
pub struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make and show workspaces
    #[command(subcommand)]
    Workspace(WorkspaceVerb),
    /// Add people
    #[command(subcommand)]
    User(UserVerb),
    /// Invite a person's device: prints a code that is good once
    Invite {
        #[command(flatten)]
        place: Place,
        /// How long the code is good, in hours
        #[arg(long, default_value_t = invitation::HOURS)]
        hours: u32,
        /// The person's name
        person: String,
    },
    /// List and withdraw open invitations
    #[command(subcommand)]
    Invitation(InvitationVerb),
    /// List and revoke devices
    #[command(subcommand)]
    Device(DeviceVerb),
    /// Copy the data into one file, also while a server runs
    Backup {
        #[command(flatten)]
        folder: Folder,
        /// The file, written whole or not at all
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// Take the place of a file that is there
        #[arg(long)]
        force: bool,
        /// Read the copy back before it gets its name
        #[arg(long)]
        check: bool,
    },
    /// Put a backup back; no server may run on the folder
    Restore {
        #[command(flatten)]
        folder: Folder,
        /// Restore over data that the backup has not; it is kept beside the restored data
        #[arg(long)]
        force: bool,
        /// The backup
        file: PathBuf,
    },
    /// Look whether everything that is stored fits together; also beside a running server, record by record
    Doctor {
        #[command(flatten)]
        folder: Folder,
        /// Make again what is derived from the rest: rows, heads, and documents whose changes are all there
        #[arg(long)]
        repair: bool,
    },
    /// Serve the workspaces of a folder
    Serve {
        #[command(flatten)]
        folder: Folder,
        /// Where to listen; port 0 takes any free one
        #[arg(long, default_value = "127.0.0.1:7420")]
        listen: SocketAddr,
        /// The certificate with its chain, as PEM: speak TLS. SIGHUP reads it again
        #[arg(long, value_name = "FILE", requires = "tls_key")]
        tls_cert: Option<PathBuf>,
        /// The key of the certificate, as PEM
        #[arg(long, value_name = "FILE", requires = "tls_cert")]
        tls_key: Option<PathBuf>,
        /// A proxy whose X-Forwarded-For says where requests come from; may be given several times
        #[arg(long, value_name = "ADDR")]
        trusted_proxy: Vec<IpAddr>,
        /// Listen without TLS where other machines can reach it
        #[arg(long)]
        insecure: bool,
        /// Write the log as JSON
        #[arg(long)]
        log_json: bool,
        /// What to log: error, warn, info, debug, or a filter
        #[arg(long, env = "ROADBOOK_LOG", default_value = "info")]
        log: String,
    },
}

#[derive(Debug, Subcommand)]
enum WorkspaceVerb {
    /// Make a workspace
    Create {
        #[command(flatten)]
        folder: Folder,
        /// Its name
        name: String,
    },
    /// Show how a workspace stands
    Show {
        #[command(flatten)]
        folder: Folder,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Its name
        name: String,
    },
}

#[derive(Debug, Subcommand)]
enum UserVerb {
    /// Add a person to a workspace
    Add {
        #[command(flatten)]
        place: Place,
        /// administrator, manager or rep
        #[arg(long)]
        role: Role,
        /// The person's name
        person: String,
    },
}

#[derive(Debug, Subcommand)]
enum InvitationVerb {
    /// List the invitations that somebody could take now, without their codes
    List {
        #[command(flatten)]
        place: Place,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Withdraw all open invitations of a person: their codes are good no more
    Withdraw {
        #[command(flatten)]
        place: Place,
        /// The person's name
        person: String,
    },
}

#[derive(Debug, Subcommand)]
enum DeviceVerb {
    /// List the devices of a workspace
    List {
        #[command(flatten)]
        place: Place,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke a device: its next request is refused, and its person's open invitations end
    Revoke {
        #[command(flatten)]
        place: Place,
        /// The device's id, or its beginning
        device: String,
    },
}

#[derive(Debug, Args)]
struct Folder {
    /// The folder with the server's data
    #[arg(long, env = "ROADBOOK_DATA")]
    data: PathBuf,
}

#[derive(Debug, Args)]
struct Place {
    #[command(flatten)]
    folder: Folder,
    /// The workspace's name
    #[arg(long)]
    workspace: String,
}

impl Command {
    /// Runs the command, writes what people read to `out`, and gives the exit code.
    ///
    /// # Errors
    /// [`Error`], for the person who typed the command.
    pub fn run(self, out: &mut dyn std::io::Write) -> Result<u8> {
        let env = SystemEnv;
        let done = match self.verb {
            Verb::Workspace(WorkspaceVerb::Create { folder, name }) => {
                let data = Data::open_or_create(&folder.data, &env)?;
                let id = admin::create_workspace(data.store.as_ref(), &env, &name)?;
                say(out, &format!("Made the workspace “{}”, {id}.", name.trim()))
            }
            Verb::Workspace(WorkspaceVerb::Show { folder, json, name }) => {
                let data = Data::open(&folder.data, &env)?;
                let id = admin::workspace(data.store.as_ref(), &name)?.id;
                show(out, &admin::summary(data.store.as_ref(), id)?, json)
            }
            Verb::User(UserVerb::Add { place, role, person }) => {
                let data = Data::open(&place.folder.data, &env)?;
                let workspace = admin::workspace(data.store.as_ref(), &place.workspace)?;
                admin::add_person(data.store.as_ref(), &env, workspace.id, &person, role)?;
                say(out, &format!("Added {} ({role}) to “{}”. Next: invite", person.trim(), workspace.name))
            }
            Verb::Invite { place, hours, person } => {
                let data = Data::open(&place.folder.data, &env)?;
                let workspace = admin::workspace(data.store.as_ref(), &place.workspace)?;
                let code = admin::invite(data.store.as_ref(), &env, workspace.id, &person, hours)?;
                say(out, &format!("An invitation for {}, good once, for {hours} hours:", person.trim()))?;
                say(out, &code)
            }
            Verb::Invitation(InvitationVerb::List { place, json }) => {
                let data = Data::open(&place.folder.data, &env)?;
                let workspace = admin::workspace(data.store.as_ref(), &place.workspace)?;
                list_invitations(out, &admin::invitations(data.store.as_ref(), &env, workspace.id)?, json)
            }
            Verb::Invitation(InvitationVerb::Withdraw { place, person }) => {
                let data = Data::open(&place.folder.data, &env)?;
                let workspace = admin::workspace(data.store.as_ref(), &place.workspace)?;
                let (person, ended) = admin::withdraw(data.store.as_ref(), &env, workspace.id, &person)?;
                say(out, &format!("Open invitations of {} that ended: {ended}.", person.name))
            }
            Verb::Device(DeviceVerb::List { place, json }) => {
                let data = Data::open(&place.folder.data, &env)?;
                let workspace = admin::workspace(data.store.as_ref(), &place.workspace)?;
                list(out, &admin::devices(data.store.as_ref(), workspace.id)?, env.now().ms, json)
            }
            Verb::Device(DeviceVerb::Revoke { place, device }) => {
                let data = Data::open(&place.folder.data, &env)?;
                let workspace = admin::workspace(data.store.as_ref(), &place.workspace)?;
                let (device, person) = admin::device(data.store.as_ref(), workspace.id, &device)?;
                let ended = data.store.revoke(workspace.id, device.id, env.now().ms)?;
                tell_revoked(out, &device, &person, ended)
            }
            Verb::Backup { folder, output, force, check } => {
                let made = backup::backup(&folder.data, &output, &env, force, check)?;
                let checked = if check { "; read back, and whole" } else { "" };
                say(out, &format!("Backed up {made} to {}{checked}.", output.display()))
            }
            Verb::Restore { folder, force, file } => tell_restored(out, &file, &restore(&folder.data, &file, &env, force)?),
            Verb::Doctor { folder, repair } => {
                let report = doctor(&SqliteStore::open(&folder.data)?, repair)?;
                tell_findings(out, &report)?;
                return Ok(if report.is_sound() { OK } else { ATTENTION });
            }
            Verb::Serve { folder, listen, tls_cert, tls_key, trusted_proxy, insecure, log_json, log } => {
                start_log(&log, log_json)?;
                let files = tls_cert.zip(tls_key);
                let tls = files.map(|(cert, key)| Tls::open(&cert, &key, env.now().ms)).transpose()?.map(Arc::new);
                let data = Data::open_or_create(&folder.data, &env)?;
                run_server(out, data, listen, Door { tls, trusted: trusted_proxy, ..Door::default() }, insecure)
            }
        };
        done.map(|()| OK)
    }
}

/// The log goes to the error stream, so that the output stays what scripts read.
fn start_log(filter: &str, as_json: bool) -> Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(filter).map_err(|error| Error::Log(error.to_string()))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    // What stops may have been looking at a record: the log says where, not at what.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "something stopped");
    }));
    let _ = if as_json { log.json().flatten_event(true).try_init() } else { log.compact().try_init() };
    Ok(())
}

fn run_server(out: &mut dyn std::io::Write, data: Data, address: SocketAddr, door: Door, insecure: bool) -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|source| Error::io("cannot start", source))?;
    runtime.block_on(async {
        let listener = serve::listen(address, insecure || door.tls.is_some()).await?;
        let address = listener.local_addr().map_err(|source| Error::io("cannot listen", source))?;
        let scheme = if door.tls.is_some() { "https" } else { "http" };
        say(out, &format!("listening on {scheme}://{address}"))?;
        tracing::info!(%address, scheme, version = env!("CARGO_PKG_VERSION"), "listening");
        serve::serve(listener, door, data, Arc::new(SystemEnv), serve::signalled()).await
    })
}

/// Runs the process: 0 for success, 1 for an error, 2 for a command that is none, 4 where something needs a person.
pub fn main() -> std::process::ExitCode {
    let command = Command::parse();
    match command.run(&mut std::io::stdout()) {
        Ok(code) => code.into(),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "roadbook-server: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
