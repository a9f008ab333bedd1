//! Running other programs: what is run is shown, and what fails says how.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// A failure in words for the person at the terminal.
pub type Result<T = ()> = std::result::Result<T, String>;

/// What a program that was streamed left behind.
pub struct Ran {
    /// Whether it ended with exit code 0.
    pub ok: bool,
    /// How it ended, in words.
    pub end: String,
    /// Its standard output and standard error, in the order of arrival.
    pub lines: Vec<String>,
}

/// A program to run, without what `cargo run` added to the environment for this one: a nested cargo would see another
/// package's variables, and Java or Swift would load libraries from Rust's folders.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    let added = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "LD_LIBRARY_PATH";
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(added) {
            command.env_remove(name);
        }
    }
    command
}

/// The command as a person would type it.
pub fn typed(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let shown = words.map(|word| match word.to_string_lossy() {
        word if word.contains(' ') => format!("'{word}'"),
        word => word.into_owned(),
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// Runs with this program's own input and output.
pub fn run(command: &mut Command) -> Result {
    println!("$ {}", typed(command));
    let status = command.status().map_err(|why| not_started(command, &why))?;
    if status.success() { Ok(()) } else { Err(format!("`{}` failed: {status}", typed(command))) }
}

/// Runs silently and returns standard output; a failure carries the end of what the program said.
pub fn read(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().map_err(|why| not_started(command, &why))?;
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(out);
    }
    let all = out + &String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = all.lines().collect();
    let tail = lines.iter().skip(lines.len().saturating_sub(20)).copied().collect::<Vec<_>>().join("\n");
    Err(format!("`{}` failed: {}\n{tail}", typed(command), output.status))
}

/// Runs with its output shown live and kept, for the counts in it.
pub fn stream(command: &mut Command) -> Result<Ran> {
    stream_as(&typed(command), command)
}

/// The same, shown under another name: a command wrapped in others is not what a person would type.
pub fn stream_as(shown: &str, command: &mut Command) -> Result<Ran> {
    println!("$ {shown}");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|why| not_started(command, &why))?;
    let lines = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let out = child.stdout.take();
        let err = child.stderr.take();
        if let Some(out) = out {
            scope.spawn(|| relay(out, &lines));
        }
        if let Some(err) = err {
            scope.spawn(|| relay(err, &lines));
        }
    });
    let status = child.wait().map_err(|why| format!("`{shown}`: {why}"))?;
    let end = format!("`{shown}` failed: {status}");
    let lines = lines.into_inner().map_err(|_| "the reader of a program's output died".to_owned())?;
    Ok(Ran { ok: status.success(), end, lines })
}

/// Shows each line and keeps it. Bytes that are not UTF-8 are replaced, because a test may print anything.
fn relay(from: impl Read, lines: &Mutex<Vec<String>>) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        line.clear();
        let Ok(mut lines) = lines.lock() else { return };
        // A closed terminal must not stop the run: what counts is kept below.
        let _ = writeln!(std::io::stdout(), "{text}");
        lines.push(text);
    }
}

fn not_started(command: &Command, why: &std::io::Error) -> String {
    format!("cannot start `{}`: {why}", typed(command))
}
