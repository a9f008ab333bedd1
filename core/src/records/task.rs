//! Tasks.

use crate::document::Skeleton;
use crate::error::Problem;
use crate::id::{TaskId, UserId};
use crate::record;
use crate::value::{CustomField, Due, Priority, RecordLink, Scalar, TaskStatus};

record! {
    /// Something to do, with a due time and links to what it is about.
    TaskItem, row TaskItemRow, id TaskId, kind Task "task", table "task",
    row_version (1, 0), mirror task_mirror {
        row {
            /// What is to be done.
            title: String = register [required, max(200), search],
            /// When it is due.
            due: Option<Due> = register [stays],
            /// How much it matters.
            priority: Priority = register [stays],
            /// Where it stands. Done beats a concurrent cancellation, and both beat a concurrent wait.
            status: TaskStatus = register [resolve(done_wins), stays],
            /// Who does it.
            owner: Option<UserId> = register [stays],
        }
        record {
            /// What it is about.
            links: Vec<RecordLink> = set [max_items(200), link],
            /// Words that group tasks.
            tags: Vec<String> = set [max(100), max_items(200)],
            /// What people write about the task.
            notes: String = text [max(100_000)],
            /// Fields that the workspace added.
            x: Vec<CustomField> = keyed [max(10_000), max_items(200)],
        }
    }
    skeleton SKELETON,
    rules rules,
    headline title,
    sort title,
}

/// Frozen: every task begins in it.
pub static SKELETON: Skeleton =
    Skeleton::new("task", &[&["notes"]], &["6e8c006357bb5220475b909abecb470abb24237e9b93fa0848e77e79e6942e65"]);

fn done_wins(scalar: &Scalar) -> u8 {
    match scalar.as_str() {
        Some("done") => 2,
        Some("cancelled") => 1,
        _ => 0,
    }
}

fn rules(_: &TaskItem) -> Vec<Problem> {
    Vec::new()
}

fn title(task: &TaskItem) -> String {
    task.title.clone()
}
