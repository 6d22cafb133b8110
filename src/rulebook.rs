//! The rule set in force: read from its folders as a whole, and read again when they change.

use crate::decode::grpc::{Descriptors, DescriptorsError};
use crate::rules::{Report, RuleSet, STANDARD, Settings, Source};
use arc_swap::ArcSwap;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Where rules come from.
#[derive(Debug, Clone)]
pub struct Shelf {
    /// Folders of one's own; every `*.yaml`, `*.yml` and `*.json` in them is a pack.
    pub folders: Vec<PathBuf>,
    /// Whether the embedded packs are in force.
    pub standard: bool,
    /// Files of descriptor sets (`protoc --include_imports --descriptor_set_out`).
    pub descriptors: Vec<PathBuf>,
    pub settings: Settings,
}

/// The rule set in force, and how to get the next one.
#[derive(Debug)]
pub struct Rulebook {
    shelf: Shelf,
    current: Arc<ArcSwap<RuleSet>>,
}

/// Why a rule set was not taken. The old one stays in force.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RulebookError {
    #[error("the rules cannot be read: `{path}`")]
    Read { path: PathBuf, source: io::Error },
    #[error("the descriptor set `{path}` cannot be used: {why}")]
    Descriptors { path: PathBuf, why: DescriptorsError },
    #[error("the rules are broken\n\n{0}")]
    Broken(Report),
}

/// What a reload came to.
#[derive(Debug)]
pub enum Reloaded {
    Unchanged,
    /// With the digest of the new set.
    Replaced(String),
}

impl Shelf {
    /// The text of every pack, in a fixed order.
    ///
    /// # Errors
    /// A folder or file that cannot be read, or an empty file: none of it is skipped.
    pub fn sources(&self) -> Result<Vec<Source>, RulebookError> {
        let mut sources = Vec::new();
        if self.standard {
            let standard =
                |(name, text): &(&str, &str)| Source { name: (*name).to_owned(), text: (*text).to_owned() };
            sources.extend(STANDARD.iter().map(standard));
        }
        for folder in &self.folders {
            for path in packs(folder)? {
                let text = std::fs::read_to_string(&path).map_err(|e| unreadable(&path, e))?;
                sources.push(Source { name: path.display().to_string(), text });
            }
        }
        Ok(sources)
    }

    /// Reads and compiles.
    ///
    /// # Errors
    /// As [`Shelf::sources`], and all that is wrong with the packs.
    pub fn load(&self) -> Result<RuleSet, RulebookError> {
        let (sources, settings) = self.read()?;
        RuleSet::compile(&sources, &settings).map_err(RulebookError::Broken)
    }

    /// All that a rule set is compiled of.
    fn read(&self) -> Result<(Vec<Source>, Settings), RulebookError> {
        let settings = Settings { descriptors: self.read_descriptors()?, ..self.settings.clone() };
        Ok((self.sources()?, settings))
    }

    fn read_descriptors(&self) -> Result<Descriptors, RulebookError> {
        let mut descriptors = Descriptors::default();
        for path in &self.descriptors {
            let set = std::fs::read(path).map_err(|e| unreadable(path, e))?;
            descriptors.add(&set).map_err(|why| RulebookError::Descriptors { path: path.clone(), why })?;
        }
        Ok(descriptors)
    }
}

impl Rulebook {
    /// # Errors
    /// There is no rule set to begin with.
    pub fn open(shelf: Shelf) -> Result<Self, RulebookError> {
        let current = Arc::new(ArcSwap::from_pointee(shelf.load()?));
        Ok(Self { shelf, current })
    }

    /// The rule set in force; follows reloads.
    pub fn current(&self) -> Arc<ArcSwap<RuleSet>> {
        Arc::clone(&self.current)
    }

    /// Reads everything again; takes it whole or not at all.
    ///
    /// # Errors
    /// Something is wrong; the old set stays.
    pub fn reload(&self) -> Result<Reloaded, RulebookError> {
        let (sources, settings) = self.shelf.read()?;
        // Compared before compiling: nearly every poll finds nothing new.
        if RuleSet::digest_of(&sources, &settings) == self.current.load().digest() {
            return Ok(Reloaded::Unchanged);
        }
        let next = RuleSet::compile(&sources, &settings).map_err(RulebookError::Broken)?;
        let digest = next.digest().to_owned();
        self.current.store(Arc::new(next));
        Ok(Reloaded::Replaced(digest))
    }

    /// Rings when something in the folders may have changed: by the system's notice, and every
    /// [`POLL_EVERY`], since notices get lost where a folder is swapped as a whole (Kubernetes config maps).
    ///
    /// The watcher lives as long as the receiver's owner keeps it.
    ///
    /// # Errors
    /// The system gives no notices; polling goes on all the same if the caller ignores it.
    pub fn watch(&self, stop: CancellationToken) -> notify::Result<Changes> {
        let (ring, bell) = mpsc::channel(1);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|e| !e.kind.is_access()) {
                let _ = ring.try_send(()); // one ring is as good as two
            }
        })?;
        for folder in &self.shelf.folders {
            watcher.watch(folder, RecursiveMode::Recursive)?;
        }
        for file in &self.shelf.descriptors {
            // The folder, since a file that is replaced is another file.
            let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
            watcher.watch(folder.unwrap_or(Path::new(".")), RecursiveMode::NonRecursive)?;
        }
        Ok(Changes { bell, stop, _watcher: watcher })
    }
}

/// The bell of [`Rulebook::watch`].
#[derive(Debug)]
pub struct Changes {
    bell: mpsc::Receiver<()>,
    stop: CancellationToken,
    _watcher: RecommendedWatcher,
}

impl Changes {
    /// Waits for the next change, and a moment more so that an editor can finish. `None`: stop.
    ///
    /// # Cancel safety
    /// A change that was noticed is noticed again at the next poll.
    pub async fn next(&mut self) -> Option<()> {
        tokio::select! {
            () = self.stop.cancelled() => return None,
            _ = self.bell.recv() => tokio::time::sleep(SETTLE).await,
            () = tokio::time::sleep(POLL_EVERY) => {}
        }
        while self.bell.try_recv().is_ok() {}
        Some(())
    }
}

fn packs(folder: &Path) -> Result<Vec<PathBuf>, RulebookError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| unreadable(folder, e))? {
        let path = entry.map_err(|e| unreadable(folder, e))?.path();
        let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        let pack = path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json");
        if pack && !hidden && !path.is_dir() {
            found.push(path);
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn unreadable(path: &Path, source: io::Error) -> RulebookError {
    RulebookError::Read { path: path.to_owned(), source }
}

/// How long after the first notice of a change the files are read.
const SETTLE: Duration = Duration::from_millis(100);
pub const POLL_EVERY: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(id: &str) -> String {
        format!(
            "pack: mine\nrules:\n  - id: {id}\n    when: {{ host: a.test, method: DELETE }}\n    verdict: hold\n    why: It is gone then.\n    examples:\n      hold: [ \"DELETE https://a.test/x\" ]\n      pass: [ \"GET https://a.test/x\" ]\n"
        )
    }

    fn book(folder: &Path) -> Rulebook {
        let shelf = Shelf {
            folders: vec![folder.to_owned()],
            standard: false,
            descriptors: vec![],
            settings: Settings::default(),
        };
        Rulebook::open(shelf).unwrap()
    }

    #[test]
    fn a_set_is_taken_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("one.yaml"), rule("first")).unwrap();
        let book = book(folder.path());
        let before = book.current().load().digest().to_owned();
        assert!(matches!(book.reload(), Ok(Reloaded::Unchanged)));
        for broken in ["", "rules: [", "pack: two\nrules:\n  - id: x\n    verdict: maybe\n"] {
            std::fs::write(folder.path().join("two.yaml"), broken).unwrap();
            assert!(matches!(book.reload(), Err(RulebookError::Broken(_))), "{broken:?}");
            assert_eq!(book.current().load().digest(), before);
        }
        std::fs::write(folder.path().join("two.yaml"), rule("second").replace("mine", "two")).unwrap();
        assert!(matches!(book.reload(), Ok(Reloaded::Replaced(_))));
        assert_ne!(book.current().load().digest(), before);
    }

    #[tokio::test]
    async fn a_changed_file_rings() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("one.yaml"), rule("first")).unwrap();
        let book = book(folder.path());
        let mut changes = book.watch(CancellationToken::new()).unwrap();
        std::fs::write(folder.path().join("one.yaml"), rule("other")).unwrap();
        changes.next().await.unwrap();
        assert!(matches!(book.reload(), Ok(Reloaded::Replaced(_))));
    }
}
