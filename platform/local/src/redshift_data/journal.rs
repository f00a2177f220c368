//! What outlives the process: a line for every state of a statement and of a session, appended as it comes, and the
//! files of results. The last line of each counts; a line that was cut by a stop is none.

use super::{
    sessions::SavedSession,
    statement::{Saved, Status},
};
use crate::StartError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeSet, HashMap},
    fs::{self, File, OpenOptions},
    io::{BufRead, BufReader, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};
use uuid::Uuid;

const FILE: &str = "journal.jsonl";
const KEY: &str = "key";
/// The journal is written anew when it has so many more lines than there are statements.
const SPARE_LINES: usize = 10_000;

/// What a statement that ran when the process stopped is told to have been.
const STOPPED: &str = "ERROR: the server stopped while this statement ran. Unless its last moment was a commit, nothing \
                       of it was kept: look, and run it again";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Statement(Box<Saved>),
    Session(SavedSession),
    Forget(Uuid),
}

pub(super) struct Journal {
    folder: PathBuf,
    /// The folder to remove at the end, where nothing is to be kept.
    scratch: Option<PathBuf>,
    inner: Mutex<Inner>,
}

struct Inner {
    file: File,
    lines: usize,
}

/// What was written down before.
#[derive(Default)]
pub(super) struct Kept {
    /// Oldest first.
    pub statements: Vec<Saved>,
    pub sessions: Vec<SavedSession>,
}

impl Journal {
    /// Opens the journal in a folder; `scratch` is removed at the end.
    pub fn open(folder: &Path, scratch: Option<PathBuf>) -> Result<(Journal, Kept), StartError> {
        let failed = |what: &str, error: std::io::Error| {
            StartError::State(format!("cannot {what} the statements in {}: {error}", folder.display()))
        };
        fs::create_dir_all(folder).map_err(|error| failed("make a folder for", error))?;
        let path = folder.join(FILE);
        let mut kept = read(&path).map_err(|error| failed("read", error))?;
        let now = Timestamp::now();
        for saved in &mut kept.statements {
            if !saved.progress.status.is_over() {
                saved.progress.end(Status::Failed, Some(STOPPED), now);
            }
        }
        for session in &mut kept.sessions {
            // A session lives in the process.
            session.closed = true;
        }
        let mut text = Vec::new();
        for saved in &kept.statements {
            push(&mut text, &Line::Statement(Box::new(saved.clone())));
        }
        for session in &kept.sessions {
            push(&mut text, &Line::Session(session.clone()));
        }
        let new = folder.join("journal.new");
        fs::write(&new, &text)
            .and_then(|()| fs::rename(&new, &path))
            .map_err(|error| failed("write", error))?;
        let file = OpenOptions::new()
            .append(true)
            .open(&path)
            .map_err(|error| failed("open", error))?;
        let journal = Journal {
            folder: folder.to_owned(),
            scratch,
            inner: Mutex::new(Inner {
                file,
                lines: kept.statements.len() + kept.sessions.len(),
            }),
        };
        journal.remove_strangers(&kept);
        Ok((journal, kept))
    }

    /// The file of a result.
    pub fn result(&self, id: Uuid, part: usize) -> PathBuf {
        self.folder.join(format!("{id}-{}.arrow", part + 1))
    }

    /// A secret that page tokens are made with; it stays the same, so that they outlive a restart.
    pub fn key(&self) -> String {
        let path = self.folder.join(KEY);
        if let Ok(key) = fs::read_to_string(&path)
            && key.len() == 36
        {
            return key;
        }
        let key = Uuid::new_v4().to_string();
        // Without it on the disk the tokens last as long as the process.
        let _ = fs::write(&path, &key);
        key
    }

    pub fn statement(&self, saved: Saved) {
        self.write(&Line::Statement(Box::new(saved)));
    }

    pub fn session(&self, session: SavedSession) {
        self.write(&Line::Session(session));
    }

    /// Forgets a statement and its results.
    pub fn forget(&self, id: Uuid, parts: usize) {
        for part in 0..parts {
            let _ = fs::remove_file(self.result(id, part));
        }
        self.write(&Line::Forget(id));
    }

    /// Whether the journal is mostly old lines.
    pub fn is_long(&self, statements: usize) -> bool {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.lines > 8 * statements + SPARE_LINES
    }

    /// Writes the journal anew with these only.
    pub fn rewrite(&self, statements: Vec<Saved>, sessions: Vec<SavedSession>) {
        let mut text = Vec::new();
        let lines = statements.len() + sessions.len();
        for saved in statements {
            push(&mut text, &Line::Statement(Box::new(saved)));
        }
        for session in sessions {
            push(&mut text, &Line::Session(session));
        }
        let (new, path) = (self.folder.join("journal.new"), self.folder.join(FILE));
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let written = fs::write(&new, &text)
            .and_then(|()| fs::rename(&new, &path))
            .and_then(|()| OpenOptions::new().append(true).open(&path));
        match written {
            Ok(file) => *inner = Inner { file, lines },
            Err(error) => tracing::warn!(%error, "cannot shorten the journal of statements"),
        }
    }

    fn write(&self, line: &Line) {
        let mut text = Vec::new();
        push(&mut text, line);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.lines += 1;
        // A full disk must not stop the statement, which may be the one that makes room.
        if let Err(error) = inner.file.write_all(&text) {
            tracing::warn!(%error, "cannot write the journal of statements");
        }
    }

    fn remove_strangers(&self, kept: &Kept) {
        let known: BTreeSet<String> = kept.statements.iter().map(|saved| saved.id.to_string()).collect();
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".arrow") && name.get(..36).is_none_or(|id| !known.contains(id)) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if let Some(home) = &self.scratch {
            let _ = fs::remove_dir_all(home);
        }
    }
}

fn push(text: &mut Vec<u8>, line: &Line) {
    if let Ok(json) = serde_json::to_vec(line) {
        text.extend_from_slice(&json);
        text.push(b'\n');
    }
}

fn read(path: &Path) -> std::io::Result<Kept> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Kept::default()),
        Err(error) => return Err(error),
    };
    let mut statements: HashMap<Uuid, Saved> = HashMap::new();
    let mut sessions: HashMap<Uuid, SavedSession> = HashMap::new();
    for line in BufReader::new(file).split(b'\n') {
        match serde_json::from_slice::<Line>(&line?) {
            Ok(Line::Statement(saved)) => {
                statements.insert(saved.id, *saved);
            }
            Ok(Line::Session(session)) => {
                sessions.insert(session.id, session);
            }
            Ok(Line::Forget(id)) => {
                statements.remove(&id);
            }
            Err(_) => {}
        }
    }
    let mut kept = Kept {
        statements: statements.into_values().collect(),
        sessions: sessions.into_values().collect(),
    };
    kept.statements.sort_by_key(|saved| (saved.created_at, saved.id));
    kept.sessions.sort_by_key(|session| (session.created_at, session.id));
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redshift_data::{request::Execute, statement::Progress};

    fn saved(status: Status) -> Saved {
        let now = Timestamp::now();
        let mut progress = Progress::new(1, now);
        progress.status = status;
        progress.parts[0].status = status;
        Saved {
            id: Uuid::new_v4(),
            request: Execute::default(),
            database: "dev".to_owned(),
            db_user: None,
            session_id: None,
            created_at: now,
            progress,
        }
    }

    #[test]
    fn what_ran_at_a_stop_has_failed_and_the_rest_is_as_it_was() {
        let home = tempfile::tempdir().expect("a folder");
        let (journal, kept) = Journal::open(home.path(), None).expect("opens");
        assert!(kept.statements.is_empty());
        let (done, ran, gone) = (saved(Status::Finished), saved(Status::Started), saved(Status::Finished));
        for one in [&done, &ran, &gone] {
            journal.statement(one.clone());
        }
        journal.forget(gone.id, 1);
        fs::write(journal.result(gone.id, 0), "x").expect("writes");
        let key = journal.key();
        drop(journal);
        let path = home.path().join(FILE);
        let mut file = OpenOptions::new().append(true).open(&path).expect("opens");
        file.write_all(b"{\"statement\": {\"id\": \"cut").expect("writes");
        let (journal, kept) = Journal::open(home.path(), None).expect("opens");
        assert_eq!(journal.key(), key);
        assert!(!journal.result(gone.id, 0).exists());
        let status = |id: Uuid| {
            kept.statements
                .iter()
                .find(|saved| saved.id == id)
                .map(|saved| saved.progress.status)
        };
        assert_eq!(status(done.id), Some(Status::Finished));
        assert_eq!(status(ran.id), Some(Status::Failed));
        assert_eq!(status(gone.id), None);
    }
}
