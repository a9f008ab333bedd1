//! What can go wrong, in words for the person who runs the server.

use std::path::PathBuf;

/// The server's errors. The text says what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder holds no server.
    #[error("there is no server data in {}; make a workspace first: roadbook-server workspace create --data {} NAME", .0.display(), .0.display())]
    NoData(PathBuf),
    /// A name that cannot be one.
    #[error("a {0} has 1 to 100 characters, none of them a line break or another control character")]
    Name(&'static str),
    /// A role that there is not.
    #[error(transparent)]
    Role(#[from] roadbook_core::access::NotARole),
    /// The workspace is already there.
    #[error("there is already a workspace “{0}”; choose another name")]
    WorkspaceExists(String),
    /// There is no such workspace.
    #[error("there is no workspace “{name}”{}", hint(.known, "; make it with: workspace create"))]
    NoWorkspace {
        /// What was asked for.
        name: String,
        /// The ones that there are.
        known: Vec<String>,
    },
    /// The person is already there.
    #[error("there is already a person “{0}” in this workspace; choose another name, with a middle name or a town")]
    PersonExists(String),
    /// There is no such person.
    #[error("there is no person “{name}” in this workspace{}", hint(.known, "; add the person with: user add"))]
    NoPerson {
        /// What was asked for.
        name: String,
        /// The ones that there are.
        known: Vec<String>,
    },
    /// There is no such device.
    #[error("no device of this workspace has an id that begins with “{0}”; see: device list")]
    NoDevice(String),
    /// Several devices have ids that begin so.
    #[error("{count} devices have ids that begin with “{prefix}”; give more of the id")]
    AmbiguousDevice {
        /// What was asked for.
        prefix: String,
        /// How many there are.
        count: usize,
    },
    /// The life of an invitation is out of range.
    #[error("an invitation is good for 1 to 8760 hours")]
    InvitationHours,
    /// The address is reachable from other machines.
    #[error(
        "{0} can be reached from other machines: without TLS whoever reads the network would read your records. Give --tls-cert and \
         --tls-key, or listen on 127.0.0.1 behind a proxy that does TLS, or add --insecure for a trusted network"
    )]
    PublicAddress(std::net::SocketAddr),
    /// A certificate or key that cannot be used.
    #[error("{} cannot be used for TLS: {why}", .path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}{}", way_to_listen(.source))]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// What to log is written wrong.
    #[error("--log: {0}; write a level (error, warn, info, debug), or module=level, separated by commas")]
    Log(String),
    /// A file is there that nobody asked to replace.
    #[error("{} is there already; choose another name, or replace it with --force", .0.display())]
    FileExists(PathBuf),
    /// A file that is no backup, or a damaged one.
    #[error("{} cannot be used: {why}", .path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Somebody works on the folder.
    #[error("a server or another command is at work on {}; stop it first", .0.display())]
    InUse(PathBuf),
    /// A restore is at work on the folder.
    #[error("a restore is at work on {}; try again when it is done", .0.display())]
    Restoring(PathBuf),
    /// The folder holds what the backup has not.
    #[error(
        "{} holds data that the backup has not (workspaces {workspaces}); to restore nevertheless, add --force: what is there now \
         is kept beside it", .dir.display()
    )]
    NewerData {
        /// The folder.
        dir: PathBuf,
        /// The ids of the workspaces.
        workspaces: String,
    },
    /// Whether the folder holds what the backup has not cannot be told.
    #[error(
        "the data in {} cannot be read, and may be newer than the backup ({why}); to restore nevertheless, add --force: what is \
         there now is kept beside it", .dir.display()
    )]
    UnreadableData {
        /// The folder.
        dir: PathBuf,
        /// Why it cannot be read.
        why: String,
    },
    /// A file operation failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The cause.
        source: std::io::Error,
    },
    /// A newer release wrote the database.
    #[error("a newer release wrote this data (version {found}, this one knows {supported}); update roadbook-server")]
    UpgradeNeeded {
        /// The schema version of the database.
        found: i64,
        /// The newest that this release knows.
        supported: i64,
    },
    /// No room on the disk.
    #[error("there is no room left on the disk of the data; nothing of this was kept")]
    NoSpace,
    /// The database stayed locked.
    #[error("another process holds the database; try again")]
    Busy,
    /// The store was closed: the server is stopping.
    #[error("the server is stopping")]
    Closed,
    /// The device was revoked meanwhile.
    #[error("the device is revoked")]
    Revoked,
    /// SQLite failed.
    #[error("the database failed: {0}")]
    Sqlite(rusqlite::Error),
    /// A rule of the code itself was broken.
    #[error("internal error: {0}")]
    Internal(String),
}

/// The result of everything that the server does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

fn hint(known: &[String], otherwise: &str) -> String {
    if known.is_empty() {
        return otherwise.to_owned();
    }
    let shown: Vec<String> = known.iter().take(5).map(|name| format!("“{name}”")).collect();
    let more = if known.len() > shown.len() { " and others" } else { "" };
    format!("; there is {}{more}", shown.join(", "))
}

impl Error {
    /// A file operation that failed.
    pub fn io(what: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io { what: what.into(), source }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            _ if roadbook_core::error::is_disk_full(&error) => Self::NoSpace,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            _ => Self::Sqlite(error),
        }
    }
}

impl From<roadbook_core::Error> for Error {
    fn from(error: roadbook_core::Error) -> Self {
        Self::Internal(error.to_string())
    }
}

/// What keeps a server from an address, as far as that can be told.
fn way_to_listen(source: &std::io::Error) -> &'static str {
    match source.kind() {
        std::io::ErrorKind::AddrInUse => "; another server is running there",
        std::io::ErrorKind::PermissionDenied => {
            "; ports below 1024 are for root: choose another one, or let the service manager give the right to it"
        }
        std::io::ErrorKind::AddrNotAvailable => "; that is no address of this machine",
        _ => "",
    }
}
