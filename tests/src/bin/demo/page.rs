//! The demo's page: what was printed, and both phones side by side after each step.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use roadbook_core::records::Deal;
use roadbook_core::value::Money;

/// A phone after a step.
pub struct Side {
    /// Whose phone.
    pub name: &'static str,
    /// The deal of the story, where the phone has it.
    pub deal: Option<Deal>,
    /// Edits that are on no other device.
    pub pending: u64,
    /// Records.
    pub records: u64,
}

/// The page in the making.
pub struct Page {
    workspace: String,
    lines: Vec<String>,
    steps: String,
}

impl Page {
    /// An empty page.
    pub fn new(workspace: &str) -> Self {
        Self { workspace: workspace.to_owned(), lines: Vec::new(), steps: String::new() }
    }

    /// Prints a line and keeps it.
    pub fn line(&mut self, line: &str) {
        println!("{}", line.trim_end());
        self.lines.push(line.to_owned());
    }

    /// Keeps how both phones stand.
    pub fn step(&mut self, title: &str, sides: [Side; 2]) {
        let _ = write!(self.steps, "<h2>{}</h2><div class=pair>", escape(title));
        for side in sides {
            let _ = write!(self.steps, "<section><h3>{}'s phone</h3>", escape(side.name));
            match &side.deal {
                None => self.steps.push_str("<p class=none>The deal is not here yet.</p>"),
                Some(deal) => {
                    self.steps.push_str("<dl>");
                    let value = deal.value.as_ref().map(Money::to_text).unwrap_or_default();
                    for (label, text) in [
                        ("Title", deal.title.as_str()),
                        ("Value", &value),
                        ("Stage", deal.position.stage.code()),
                        ("Notes", &deal.notes),
                    ] {
                        let _ = write!(self.steps, "<dt>{label}</dt><dd>{}</dd>", escape(text));
                    }
                    self.steps.push_str("</dl>");
                }
            }
            let pending = match side.pending {
                0 => "everything is on other devices too".to_owned(),
                count => format!("{count} edits are on no other device"),
            };
            let _ = write!(self.steps, "<p>{} records; {pending}</p></section>", side.records);
        }
        self.steps.push_str("</div>");
    }

    /// Writes the page and gives its path.
    pub fn write(&self, dir: &Path) -> PathBuf {
        let path = dir.join("index.html");
        let lines: String = self.lines.iter().map(|line| format!("<li>{}</li>", escape(line))).collect();
        let style = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1d2733;background:#fff}\
            .pair{display:grid;grid-template-columns:1fr 1fr;gap:1rem}section{border:1px solid #c5ced8;border-radius:.75rem;padding:1rem}\
            h3{margin:0 0 .5rem}dl{display:grid;grid-template-columns:6rem 1fr;margin:0}dt{color:#56677a}dd{margin:0}.none{color:#56677a}\
            @media(max-width:40rem){.pair{grid-template-columns:1fr}}\
            @media(prefers-color-scheme:dark){body{background:#12181f;color:#e4eaf0}section{border-color:#3a4754}dt,.none{color:#9db0c3}}";
        let html = format!(
            "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>Roadbook demo</title>\
             <style>{style}</style><h1>Two phones of “{}”</h1>{}<h2>What happened</h2><ol>{lines}</ol></html>\n",
            escape(&self.workspace),
            self.steps
        );
        std::fs::write(&path, html).expect("the page");
        path
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
