//! `cargo xtask howto`: does what `docs/howto/add-a-field.md` says, in a copy of the repository, and runs the test that
//! the page adds, so that the page cannot rot.

use crate::sh::{self, Result};
use crate::{needs, places};
use std::path::Path;

const PAGE: &str = "docs/howto/add-a-field.md";
const TEST: &str = "probability";

/// A fenced block of the page that is to be applied.
struct Block<'p> {
    /// `diff` or `new`.
    kind: &'p str,
    file: &'p str,
    lines: Vec<&'p str>,
}

/// Applies the page to a scratch copy and runs its test.
pub fn run() -> Result {
    needs::ensure(needs::TO_BUILD)?;
    let (root, target) = (places::root()?, places::target()?);
    let copy = target.join("howto");
    copy_repository(&root, &copy)?;
    let page = read(&root.join(PAGE))?;
    let blocks = blocks(&page);
    if blocks.is_empty() {
        return Err(format!("{PAGE} has no blocks to apply"));
    }
    for block in &blocks {
        apply(&copy, block)?;
        println!("applied to {}", block.file);
    }
    let mut test = sh::command("cargo");
    test.args(["test", "-p", "roadbook-tests", "--test", TEST]).current_dir(&copy);
    // A folder of its own: cargo names what it builds by the place in the workspace, so that this copy's libraries would be
    // taken for the repository's.
    test.env("CARGO_TARGET_DIR", target.join("howto-build"));
    sh::run(&mut test)
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|why| format!("cannot read {}: {why}", path.display()))
}

fn write(path: &Path, text: &str) -> Result {
    let io = |why: std::io::Error| format!("cannot write {}: {why}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(io)?;
    }
    std::fs::write(path, text).map_err(io)
}

fn copy_repository(root: &Path, copy: &Path) -> Result {
    let _ = std::fs::remove_dir_all(copy);
    let files =
        sh::read(sh::command("git").args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root))?;
    for file in files.split('\0').filter(|file| !file.is_empty()) {
        let (from, to) = (root.join(file), copy.join(file));
        let io = |why: std::io::Error| format!("cannot copy {file}: {why}");
        if let Some(folder) = to.parent() {
            std::fs::create_dir_all(folder).map_err(io)?;
        }
        if from.is_file() {
            std::fs::copy(&from, &to).map_err(io)?;
        }
    }
    Ok(())
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<Block<'_>> = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(""), Some(_)) => blocks.extend(open.take()),
            (Some(head), None) => {
                let (kind, file) = head.split_once(' ').unwrap_or((head, ""));
                open = Some(Block { kind, file, lines: Vec::new() });
            }
            (None, Some(block)) => block.lines.push(line),
            _ => {}
        }
    }
    blocks.retain(|block| matches!(block.kind, "diff" | "new") && !block.file.is_empty());
    blocks
}

fn apply(copy: &Path, block: &Block<'_>) -> Result {
    let path = copy.join(block.file);
    if block.kind == "new" {
        return write(&path, &(block.lines.join("\n") + "\n"));
    }
    let side = |drop: char| -> String {
        let kept = block.lines.iter().filter(|line| !line.starts_with(drop));
        kept.map(|line| line.split_at_checked(1).map_or("", |(_, rest)| rest).to_owned() + "\n").collect()
    };
    let (before, after) = (side('+'), side('-'));
    let text = read(&path)?;
    if text.matches(&before).count() != 1 {
        return Err(format!("{PAGE}: this part of {} is not there exactly once:\n{before}", block.file));
    }
    write(&path, &text.replacen(&before, &after, 1))
}
