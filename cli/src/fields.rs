//! The fields of a record as options of the command line, made from the record's definition: a field that is added to
//! a definition has its option without a line here. Only types that people write otherwise than documents store them
//! (money, channels, addresses) are named.

use std::marker::PhantomData;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use roadbook_core::id::EntryId;
use roadbook_core::record::{Definition, Entry as _, Field, FieldValue, Kind, Record, Shape, Values};
use roadbook_core::value::{
    Channel, ChannelKind, Outcome as DealOutcome, Position, PostalAddress, Priority, RecordLink, Region, Register as _, Scalar,
    Stage, TaskStatus,
};
use roadbook_core::{Book, ProblemCode};

use crate::failure::{Failure, FieldProblem, Outcome};
use crate::say::People;
use crate::typed::{address, code, custom, id, register, same};

/// What an option does to its field.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    Whole,
    Stage,
    Outcome,
    Add,
    Remove,
    Link(Kind),
    Unlink(Kind),
    AddChannel(ChannelKind),
    RemoveChannel(ChannelKind),
    AddAddress,
    RemoveAddress,
    Custom,
    Entry,
}

/// One option.
struct FieldOption {
    long: String,
    aliases: Vec<String>,
    field: &'static Field,
    target: Target,
}

fn options(definition: &'static Definition) -> Vec<FieldOption> {
    definition.fields.iter().flat_map(options_of).collect()
}

fn options_of(field: &'static Field) -> Vec<FieldOption> {
    let hyphens = field.name.replace('_', "-");
    let option = |long: String, target| FieldOption { long, aliases: Vec::new(), field, target };
    let mut options = match (field.shape, field.name) {
        (Shape::Register, "position") => vec![option("stage".into(), Target::Stage), option("outcome".into(), Target::Outcome)],
        (Shape::Register | Shape::Text, _) => vec![option(hyphens.clone(), Target::Whole)],
        (Shape::Set, "links") => {
            let of_kind = |kind: Kind| {
                [option(kind.name().into(), Target::Link(kind)), option(format!("remove-{}", kind.name()), Target::Unlink(kind))]
            };
            Kind::ALL.into_iter().flat_map(of_kind).collect()
        }
        (Shape::Set, _) => {
            let one = hyphens.strip_suffix('s').unwrap_or(&hyphens).to_owned();
            vec![option(one.clone(), Target::Add), option(format!("remove-{one}"), Target::Remove)]
        }
        (Shape::Keyed, "channels") => {
            let of_kind = |code: &&str| {
                let Ok(kind) = code.parse::<ChannelKind>();
                [
                    option((*code).to_owned(), Target::AddChannel(kind.clone())),
                    option(format!("remove-{code}"), Target::RemoveChannel(kind)),
                ]
            };
            ChannelKind::CODES.iter().flat_map(of_kind).collect()
        }
        (Shape::Keyed, "addresses") => {
            vec![option("address".into(), Target::AddAddress), option("remove-address".into(), Target::RemoveAddress)]
        }
        (Shape::Keyed, "x") => vec![option("custom".into(), Target::Custom)],
        (Shape::Keyed, _) => vec![option(hyphens.clone(), Target::Entry)],
    };
    for option in &mut options {
        option.aliases = match (option.field.name, &option.target) {
            // What people call it on a contact; a deal and a task have a title of their own.
            ("job_title", _) => vec!["title".into(), "job_title".into()],
            ("tags", Target::Remove) => vec!["untag".into()],
            (name, Target::Whole) if name != option.long => vec![name.to_owned()],
            (name, Target::Add) if name != option.long => vec![name.to_owned()],
            _ => Vec::new(),
        };
    }
    options
}

impl FieldOption {
    fn id(&self) -> String {
        format!("field.{}", self.long)
    }

    fn help(&self) -> String {
        let one_of = |codes: &[&str]| codes.join(", ");
        match (&self.target, self.field.name) {
            (Target::Stage, _) => one_of(Stage::CODES),
            (Target::Outcome, _) => one_of(DealOutcome::CODES),
            (Target::Whole, "value") => "Amount and currency, as 1000.50 EUR".into(),
            (Target::Whole, "due") => "2026-12-31, or 2026-12-31T09:00[Europe/Berlin]".into(),
            (Target::Whole, "priority") => one_of(Priority::CODES),
            (Target::Whole, "status") => one_of(TaskStatus::CODES),
            (Target::Whole, "owner") => "A person of the workspace: me, a name, or an id".into(),
            (Target::Whole, "deleted") => "Empty brings a deleted record back".into(),
            (Target::Whole, name) if name.contains("date") || name == "birthday" => "A day, as 2026-12-31".into(),
            (Target::Whole, name) => format!("The {}", name.replace('_', " ")),
            (Target::AddChannel(_), _) => format!("Adds: {} (may be given again)", self.long),
            (Target::RemoveChannel(_), _) => "Removes the one with this value".into(),
            (Target::AddAddress, _) => "Adds: \"STREET; POSTCODE; CITY; REGION; COUNTRY\", the last ones may be left out".into(),
            (Target::RemoveAddress, _) => "Removes the one in which this text stands".into(),
            (Target::Custom, _) => "A field of the workspace: ID=TEXT, ID:=NUMBER, ID:=true; ID= clears it".into(),
            (Target::Entry, _) => "An entry: ID=VALUE; ID= removes it".into(),
            (Target::Add | Target::Link(_), _) => "Adds (may be given again)".into(),
            (Target::Remove | Target::Unlink(_), _) => "Removes".into(),
        }
    }

    fn value_name(&self) -> &'static str {
        match &self.target {
            Target::Link(_) | Target::Unlink(_) => "ID",
            Target::Add | Target::Remove if self.field.links => "ID",
            Target::Custom | Target::Entry => "ID=VALUE",
            _ => "VALUE",
        }
    }
}

/// What was typed for the fields of an `R`, in the order of the definition.
#[derive(Debug)]
pub(crate) struct Fields<R> {
    typed: Vec<(String, String)>,
    record: PhantomData<R>,
}

impl<R: Record> FromArgMatches for Fields<R> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut typed = Vec::new();
        for option in options(R::DEFINITION) {
            for value in matches.get_many::<String>(&option.id()).into_iter().flatten() {
                typed.push((option.long.clone(), value.clone()));
            }
        }
        Ok(Self { typed, record: PhantomData })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.typed.extend(Self::from_arg_matches(matches)?.typed);
        Ok(())
    }
}

impl<R: Record> Args for Fields<R> {
    fn augment_args(mut command: Command) -> Command {
        for option in options(R::DEFINITION) {
            let single = matches!(option.target, Target::Whole | Target::Stage | Target::Outcome);
            command = command.arg(
                Arg::new(option.id())
                    .long(option.long.clone())
                    .aliases(option.aliases.clone())
                    .help(option.help())
                    .help_heading("Fields (an empty value clears)")
                    .value_name(option.value_name())
                    .action(if single { ArgAction::Set } else { ArgAction::Append }),
            );
        }
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// `--title, --value, …`
pub(crate) fn names(definition: &'static Definition) -> String {
    options(definition).iter().map(|option| format!("--{}", option.long)).collect::<Vec<_>>().join(", ")
}

/// What to say about an option that no record has, where the usage in `rendered` is that of `add` or `edit`.
pub(crate) fn unknown(argument: &str, rendered: &str) -> Option<String> {
    let meant = |kind: &Kind| ["add", "edit"].iter().any(|verb| rendered.contains(&format!(" {kind} {verb}")));
    let kind = Kind::ALL.into_iter().find(meant)?;
    Some(format!("a {kind} has no field {argument}; its fields are {}", names(kind.definition())))
}

/// What options need to know of the book.
pub(crate) struct Reader {
    region: Region,
    people: People,
}

impl Reader {
    pub fn of(book: &Book) -> Outcome<Self> {
        Ok(Self { region: book.region()?, people: People::of(book)? })
    }
}

impl<R: Record> Fields<R> {
    pub fn is_empty(&self) -> bool {
        self.typed.is_empty()
    }

    /// Writes what was typed over the values of a record; all problems are told at once, and nothing is lost quietly.
    pub fn apply(&self, book: &Book, values: &mut Values) -> Outcome {
        let reader = Reader::of(book)?;
        let options = options(R::DEFINITION);
        let mut problems = Vec::new();
        for (long, text) in &self.typed {
            let Some(option) = options.iter().find(|option| option.long == *long) else { continue };
            let Some(value) = values.get_mut(option.field.name) else { continue };
            if let Err(message) = option.write(book, &reader, value, text) {
                problems.push(FieldProblem::format(option.field.name, format!("--{long}: {message}")));
            }
        }
        problems.extend(check_types(values));
        if problems.is_empty() { Ok(()) } else { Err(Failure::invalid(problems)) }
    }
}

/// Replaces values by their canonical form; one that its type cannot hold would be dropped by the core's reading of
/// the record, and is a problem here.
fn check_types(values: &mut Values) -> Vec<FieldProblem> {
    let canonical = (values.definition().normalize)(values);
    let mut problems = Vec::new();
    for (field, value) in canonical.iter() {
        let Some(typed) = values.get_mut(field.name) else { continue };
        if value.parts().len() < typed.parts().len() {
            problems.push(FieldProblem::format(field.name, format!("{} {}", field.name, ProblemCode::Format)));
        } else {
            typed.clone_from(value);
        }
    }
    problems
}

impl FieldOption {
    /// Writes one typed text into the field; the error says what is wrong with the text.
    fn write(&self, book: &Book, reader: &Reader, value: &mut FieldValue, text: &str) -> Result<(), String> {
        let text = text.trim();
        match (value, &self.target) {
            (FieldValue::Register(slot), Target::Whole) => *slot = register(self.field.name, text, &reader.people)?,
            (FieldValue::Register(slot), Target::Stage) => {
                let mut position = Position::from_scalar(slot).unwrap_or_default();
                position.stage = code(text, Stage::CODES)?;
                *slot = position.to_scalar();
            }
            (FieldValue::Register(slot), Target::Outcome) => {
                let mut position = Position::from_scalar(slot).unwrap_or_default();
                position.outcome = code(text, DealOutcome::CODES)?;
                *slot = position.to_scalar();
            }
            (FieldValue::Text(slot), _) => text.clone_into(slot),
            (FieldValue::Set(members), target) => {
                let member = |kind: &Kind| id(text).map(|id| RecordLink { kind: *kind, id }.to_string());
                match target {
                    Target::Link(kind) | Target::Unlink(kind) if text.is_empty() => {
                        members.retain(|member| member.parse::<RecordLink>().map_or(true, |link| link.kind != *kind));
                    }
                    _ if text.is_empty() => members.clear(),
                    Target::Link(kind) => {
                        members.insert(member(kind)?);
                    }
                    Target::Unlink(kind) => {
                        members.remove(&member(kind)?);
                    }
                    other => {
                        let text = if self.field.links { id(text)?.to_string() } else { text.to_owned() };
                        if *other == Target::Remove {
                            members.remove(&text);
                        } else {
                            members.insert(text);
                        }
                    }
                }
            }
            (FieldValue::Keyed(entries), target) => {
                let channel = |id: &str, scalar: &Scalar| Channel::from_scalar(id.parse::<EntryId>().ok()?, scalar);
                match target {
                    Target::AddChannel(kind) | Target::RemoveChannel(kind) if text.is_empty() => {
                        entries.retain(|id, scalar| channel(id, scalar).is_none_or(|channel| channel.kind != *kind));
                    }
                    Target::AddChannel(kind) => {
                        let new = Channel::typed(book.new_entry_id(), kind.clone(), text, &reader.region);
                        let known =
                            entries.iter().filter_map(|(id, scalar)| channel(id, scalar)).any(|channel| same(&channel, &new));
                        if !known {
                            entries.insert(new.id.to_string(), new.to_scalar());
                        }
                    }
                    Target::RemoveChannel(kind) => {
                        let meant = Channel::typed(EntryId::default(), kind.clone(), text, &reader.region);
                        let before = entries.len();
                        entries.retain(|id, scalar| channel(id, scalar).is_none_or(|channel| !same(&channel, &meant)));
                        if entries.len() == before {
                            return Err(format!("there is no {kind} “{text}”"));
                        }
                    }
                    Target::AddAddress if text.is_empty() => entries.clear(),
                    Target::AddAddress => {
                        let address = address(book.new_entry_id(), text);
                        entries.insert(address.id.to_string(), address.to_scalar());
                    }
                    Target::RemoveAddress => {
                        let meant = |id: &str, scalar: &Scalar| {
                            let address = id.parse().ok().and_then(|id| PostalAddress::from_scalar(id, scalar));
                            address.is_some_and(|address| address.display().contains(text))
                        };
                        let found: Vec<String> =
                            entries.iter().filter(|(id, scalar)| meant(id, scalar)).map(|(id, _)| id.clone()).collect();
                        match found.as_slice() {
                            [one] => entries.remove(one),
                            [] => return Err(format!("“{text}” stands in no address")),
                            _ => return Err(format!("“{text}” stands in several addresses")),
                        };
                    }
                    Target::Custom => {
                        let (id, scalar) = custom(text)?;
                        put(entries, &id, scalar);
                    }
                    _ => {
                        let (id, value) = text.split_once('=').ok_or("write ID=VALUE")?;
                        let id: EntryId = id.trim().parse().map_err(|error| format!("{error}"))?;
                        put(entries, &id, if value.is_empty() { Scalar::Null } else { value.into() });
                    }
                }
            }
            (FieldValue::Register(_), _) => {}
        }
        Ok(())
    }
}

fn put(entries: &mut std::collections::BTreeMap<String, Scalar>, id: &EntryId, scalar: Scalar) {
    if scalar.is_null() {
        entries.remove(id.as_str());
    } else {
        entries.insert(id.to_string(), scalar);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_options_of_a_record_have_one_name() {
        for kind in Kind::ALL {
            let mut names = Vec::new();
            for option in options(kind.definition()) {
                names.push(option.long.clone());
                names.extend(option.aliases);
            }
            let all = names.len();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), all, "{kind}");
        }
    }

    #[test]
    fn every_field_of_every_definition_has_an_option() {
        for kind in Kind::ALL {
            for field in kind.definition().fields {
                assert!(!options_of(field).is_empty(), "{kind} {}", field.name);
            }
        }
    }
}
