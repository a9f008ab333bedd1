//! The desktop command line of Roadbook, and what others reuse of it: [`store`] finds and opens a book on this
//! computer, [`http`] sends what a sync session asks for.
//!
//! Exit codes: 0 done, 1 error, 2 wrong command line, 3 partly done (some cards of an import or some records of an
//! export were left out), 4 something needs a person (the doctor found what it did not repair).

mod args;
mod failure;
mod fields;
pub mod http;
mod kinds;
mod memory;
mod say;
mod show;
pub mod store;
mod table;
mod typed;
mod verbs;

use std::ffi::OsString;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use clap::Parser as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use args::Cli;
use failure::{Failure, OK, USAGE};
use say::Say;

/// Where the last panic was. The core catches some of its own, which are nobody's business; one that arrives in
/// [`run`] is told in one line.
static PANICKED_AT: Mutex<String> = Mutex::new(String::new());

/// Runs the command line and returns the exit code. The first argument is the program's name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // Known before anything is parsed, so that a wrong command line is answered in the form that was asked for.
    let json = arguments.iter().take_while(|argument| *argument != "--").any(|argument| argument == "--json");
    let say = Say::new(json);
    if let Err(error) = memory::keep_out_of_dumps() {
        let why = failure::plain(&error);
        say.remark(&format!("This system does not let Roadbook keep its memory out of crash dumps: {why}."));
    }
    let done = panics_told(|| match Cli::try_parse_from(&arguments) {
        Ok(cli) => verbs::run(cli, &say),
        Err(error) => usage(&error, &say),
    });
    match done {
        Ok(exit) => exit,
        Err(Failure::Pipe) => OK,
        Err(Failure::Said(said)) => {
            say.failure(&said);
            said.exit
        }
    }
}

/// Runs `work`. A panic in it prints nothing and ends as a failure that tells its place alone: what it says may come from
/// a record.
fn panics_told(work: impl FnOnce() -> Result<u8, Failure>) -> Result<u8, Failure> {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        *PANICKED_AT.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }));
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let place = PANICKED_AT.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let text = format!("internal error at {place}; what was saved before is safe. Please report this line");
        Err(Failure::new("internal", text))
    })
}

/// Answers a command line that cannot be run: help and version among them.
fn usage(error: &clap::Error, say: &Say) -> Result<u8, Failure> {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let text = error.render();
        let shown = if console::colors_enabled() { text.ansi().to_string() } else { text.to_string() };
        std::io::stdout().lock().write_all(shown.as_bytes())?;
        return Ok(OK);
    }
    if let (ErrorKind::UnknownArgument, Some(ContextValue::String(argument))) = (error.kind(), error.get(ContextKind::InvalidArg))
        && let Some(message) = fields::unknown(argument, &error.render().to_string())
    {
        return Err(Failure::usage(message));
    }
    if say.is_json() {
        let text = error.render().to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        return Err(Failure::usage(text.split("\n\n").next().unwrap_or_default().trim()));
    }
    // The parser's own text shows the usage and what is close to what was typed.
    error.print()?;
    Ok(USAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_tells_its_place_and_nothing_of_what_it_says() {
        let name = "Anna Petrova".to_owned();
        let done = panics_told(|| panic!("no such contact: {name}"));
        // The other tests of this program are told as usual.
        let _ = std::panic::take_hook();
        let Err(Failure::Said(said)) = done else { panic!("no failure") };
        assert!(said.message.contains("lib.rs:") && !said.message.contains("Petrova"), "{}", said.message);
        assert!(!said.to_json().to_string().contains("Petrova"));
    }
}
