//! What this process holds in memory (the key, records, a code) stays out of what the system writes when it dies.

/// Lets the system write no dump of this process's memory, whatever its user's limits allow. Where the system refuses that,
/// the verb goes on: a dump may never be written.
#[cfg(unix)]
pub(crate) fn keep_out_of_dumps() -> std::io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};

    // A program that takes dumps through a pipe is asked whatever the limit is, but not of such a process; and others of the
    // same user cannot read its memory either.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?)
}

/// Windows writes dumps where its administrator asks for them only.
#[cfg(not(unix))]
pub(crate) fn keep_out_of_dumps() -> std::io::Result<()> {
    Ok(())
}
