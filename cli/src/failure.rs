//! Why a verb failed, for people and as JSON, with the exit code.

use std::io::{self, ErrorKind};

use roadbook_core::{Error, ProblemCode};
use serde_json::{Map, Value, json};

use crate::store::StoreError;

/// Everything was done.
pub(crate) const OK: u8 = 0;
/// It could not be done.
pub(crate) const ERROR: u8 = 1;
/// The command line itself is wrong.
pub(crate) const USAGE: u8 = 2;
/// A part was done: some cards of an import were left out, or some records could not be exported or rescued.
pub(crate) const PARTLY: u8 = 3;
/// Something needs a person: the doctor found what it did not repair.
pub(crate) const ATTENTION: u8 = 4;

/// One thing that is wrong with one field.
#[derive(Debug, Clone)]
pub(crate) struct FieldProblem {
    pub field: String,
    pub code: &'static str,
    pub message: String,
}

impl FieldProblem {
    pub fn format(field: &str, message: impl Into<String>) -> Self {
        Self { field: field.to_owned(), code: "format", message: message.into() }
    }
}

/// Why a verb ended early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The reader of the output went away (`| head`): nothing is wrong, and nobody is left to tell.
    Pipe,
    /// Something to say.
    Said(Box<Said>),
}

/// What is said about a failure.
#[derive(Debug)]
pub(crate) struct Said {
    pub code: &'static str,
    pub message: String,
    pub problems: Vec<FieldProblem>,
    pub exit: u8,
    /// Further keys of the JSON object, beside `error`.
    pub details: Map<String, Value>,
}

pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self::Said(Box::new(Said { code, message: message.into(), problems: Vec::new(), exit: ERROR, details: Map::new() }))
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::new("usage", message).exit(USAGE)
    }

    pub fn invalid(problems: Vec<FieldProblem>) -> Self {
        let message = problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("; ");
        let mut failure = Self::new("invalid", message);
        if let Self::Said(said) = &mut failure {
            said.problems = problems;
        }
        failure
    }

    pub fn io(what: impl std::fmt::Display, source: &io::Error) -> Self {
        if source.kind() == ErrorKind::BrokenPipe {
            Self::Pipe
        } else {
            Self::new(io_code(source), format!("{what}: {}", plain(source)))
        }
    }

    pub fn exit(mut self, exit: u8) -> Self {
        if let Self::Said(said) = &mut self {
            said.exit = exit;
        }
        self
    }

    pub fn detail(mut self, key: &str, value: Value) -> Self {
        if let Self::Said(said) = &mut self {
            said.details.insert(key.to_owned(), value);
        }
        self
    }
}

impl Said {
    /// The one object that `--json` prints.
    pub fn to_json(&self) -> Value {
        let problems: Vec<Value> = self
            .problems
            .iter()
            .map(|problem| json!({"field": problem.field, "code": problem.code, "message": problem.message}))
            .collect();
        let mut object = self.details.clone();
        object.insert("error".into(), json!({"code": self.code, "message": self.message, "problems": problems}));
        Value::Object(object)
    }
}

/// The code of an error of the system: scripts tell a full disk whatever was being written.
fn io_code(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "no_space",
        ErrorKind::ReadOnlyFilesystem => "read_only",
        _ => "io",
    }
}

/// An error of the system without the number that means nothing to people.
pub(crate) fn plain(error: &io::Error) -> String {
    if io_code(error) == "no_space" {
        return "there is no room left on the device".into();
    }
    let text = error.to_string();
    text.split_once(" (os error").map_or(text.clone(), |(said, _)| said.to_owned())
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::Io { what, source } => return Self::io(what, source),
            Error::Invalid(problems) => {
                return Self::invalid(
                    problems
                        .iter()
                        .map(|problem| FieldProblem {
                            field: problem.field.clone(),
                            code: problem_code(&problem.code),
                            message: problem.to_string(),
                        })
                        .collect(),
                );
            }
            other => code(other),
        };
        let mut message = error.to_string();
        match error {
            Error::Busy => message.push_str(" in a moment"),
            Error::NothingToUndo => message.push_str(": no action of this device, or it was taken back already"),
            Error::Corrupt(_) => message.push_str(" (here: roadbook doctor --rebuild)"),
            _ => {}
        }
        Self::new(code, message)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::Key { .. } => "key",
            StoreError::NoKey { .. } => "no_key",
            StoreError::NoBook { .. } => "no_book",
            StoreError::WrongKey { .. } => "wrong_key",
            StoreError::Exists { .. } => "book_exists",
            StoreError::Damaged { .. } => "corrupt",
            StoreError::NoPlace => "no_place",
            StoreError::Io { source, .. } => io_code(source),
            StoreError::Core(_) => "",
        };
        match error {
            StoreError::Core(error) => error.into(),
            other => Self::new(code, other.to_string()),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::io("cannot write the output", &error)
    }
}

fn code(error: &Error) -> &'static str {
    match error {
        Error::NotFound { .. } => "not_found",
        Error::Invalid(_) => "invalid",
        Error::UnknownVersion => "unknown_version",
        Error::BadVersion => "bad_version",
        Error::NoBook => "no_book",
        Error::BookExists => "book_exists",
        Error::WrongKey => "wrong_key",
        Error::Corrupt(_) => "corrupt",
        Error::Closed => "closed",
        Error::Busy => "busy",
        Error::UpgradeNeeded { .. } => "upgrade_needed",
        Error::NoSpace => "no_space",
        Error::ReadOnly => "read_only",
        Error::Unreadable(_) => "unreadable",
        Error::NothingToUndo => "nothing_to_undo",
        Error::OtherWorkspace => "other_workspace",
        Error::Protocol(_) => "protocol",
        Error::Io { .. } => "io",
        Error::Sqlite(_) => "store",
        Error::NotAllowed => "not_allowed",
        Error::Cancelled => "cancelled",
        Error::Internal(_) => "internal",
    }
}

pub(crate) fn problem_code(code: &ProblemCode) -> &'static str {
    match code {
        ProblemCode::Required => "required",
        ProblemCode::TooLong { .. } => "too_long",
        ProblemCode::TooMany { .. } => "too_many",
        ProblemCode::Format => "format",
        ProblemCode::UnknownCurrency => "unknown_currency",
        ProblemCode::NameOrChannel => "name_or_channel",
        ProblemCode::NoRoom => "no_room",
        ProblemCode::Gone => "gone",
    }
}
