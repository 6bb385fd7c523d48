//! Whether files are as they were: a look at each of them, now and then.
//!
//! Looking finds what notifications miss: network file systems, the symbolic links by which Kubernetes swaps a volume,
//! editors that put another file in place of the old one.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// How coarse the clock of a file system may be.
const TICK: Duration = Duration::from_millis(20);

/// The same where no fraction of a second is kept.
const COARSE_TICK: Duration = Duration::from_secs(2);

/// How some files were when they were looked at, through symbolic links.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Look(BTreeMap<PathBuf, Seen>);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Seen {
    File(Stamp),
    Error(io::ErrorKind),
    /// A pipe perhaps, which cannot be read twice.
    NoFile,
    /// Written when it was read, or so shortly before that its times may not tell.
    Unsettled,
}

/// What changes with a file's content, or when another file takes its place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Look {
    /// Looks at files.
    pub(super) fn at<'a>(files: impl IntoIterator<Item = &'a Path>) -> Self {
        Self(files.into_iter().map(|file| (file.to_owned(), Seen::of(file))).collect())
    }

    /// The files that were looked at.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        self.0.keys().map(PathBuf::as_path)
    }

    /// Whether a file that both looks were at differs.
    pub(super) fn contradicts(&self, other: &Self) -> bool {
        self.0.iter().any(|(file, seen)| other.0.get(file).is_some_and(|other| other != seen))
    }

    /// Nothing is known of files that may have been written since `start`: the next look finds them different.
    pub(super) fn doubt_since(&mut self, start: SystemTime) {
        let end = SystemTime::now();
        for seen in self.0.values_mut() {
            if let Seen::File(stamp) = seen
                && stamp.may_be_from(start, end)
            {
                *seen = Seen::Unsettled;
            }
        }
    }
}

impl Seen {
    fn of(file: &Path) -> Self {
        match fs::metadata(file) {
            Ok(metadata) if !metadata.is_file() => Self::NoFile,
            Ok(metadata) => Self::File(Stamp {
                device: metadata.dev(),
                inode: metadata.ino(),
                size: metadata.size(),
                modified: (metadata.mtime(), metadata.mtime_nsec()),
                changed: (metadata.ctime(), metadata.ctime_nsec()),
            }),
            Err(error) => Self::Error(error.kind()),
        }
    }
}

impl Stamp {
    /// Times of the future are somebody's mistake: they stay what they are.
    fn may_be_from(&self, start: SystemTime, end: SystemTime) -> bool {
        let [start, end] = [start, end].map(|time| time.duration_since(UNIX_EPOCH).unwrap_or_default());
        [self.modified, self.changed].into_iter().any(|(seconds, nanoseconds)| {
            let tick = if nanoseconds == 0 { COARSE_TICK } else { TICK };
            let written = Duration::new(seconds.max(0) as u64, nanoseconds.max(0) as u32);
            written + tick >= start && written <= end + tick
        })
    }
}

/// Files that are looked at again and again.
#[derive(Debug)]
pub(super) struct Watch {
    /// As they were when they were last read.
    read: Look,
    /// As they were at the last look, if that was different.
    different: Option<Look>,
}

impl Watch {
    pub(super) fn new(read: Look) -> Self {
        Self { read, different: None }
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        self.read.files()
    }

    /// What was read is not to be relied on: it is due again as soon as the files rest.
    pub(super) fn forget(&mut self) {
        self.read.0.values_mut().for_each(|seen| *seen = Seen::Unsettled);
    }

    /// Looks. Whether the files differ from what was read, and have been so since the look before: what is being
    /// written, or has gone for a moment, is given time.
    pub(super) fn is_due(&mut self) -> bool {
        let now = Look::at(self.read.files());
        if now == self.read {
            self.different = None;
            return false;
        }
        let is_stable = self.different.as_ref() == Some(&now);
        self.different = Some(now);
        is_stable
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder of its own, gone with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("status-proxy-look-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn file(&self, name: &str, text: &str) -> PathBuf {
            let file = self.0.join(name);
            fs::write(&file, text).unwrap();
            file
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn watch(file: &Path) -> Watch {
        Watch::new(Look::at([file]))
    }

    #[test]
    fn what_is_still_being_written_is_given_time() {
        let folder = Folder::new("written");
        let file = folder.file("a", "one");
        let mut watch = watch(&file);
        assert!(!watch.is_due());
        for text in ["one t", "one two t", "one two three"] {
            fs::write(&file, text).unwrap();
            assert!(!watch.is_due(), "{text}");
        }
        assert!(watch.is_due());
    }

    #[test]
    fn a_file_that_has_gone_for_a_moment_is_not_missed() {
        let folder = Folder::new("gone");
        let (file, aside) = (folder.file("a", "one"), folder.0.join("b"));
        let mut watch = watch(&file);
        let inode = fs::metadata(&file).unwrap().ino();
        fs::rename(&file, &aside).unwrap();
        assert!(!watch.is_due());
        fs::rename(&aside, &file).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().ino(), inode);
        assert!(!watch.is_due(), "renaming is seen as a change, but not yet as a lasting one");
        fs::remove_file(&file).unwrap();
        assert!(!watch.is_due());
        assert!(watch.is_due(), "it stays away");
    }

    #[test]
    fn another_file_in_its_place_is_noticed() {
        let folder = Folder::new("place");
        let file = folder.file("a", "one");
        let mut watch = watch(&file);
        fs::rename(folder.file("new", "two"), &file).unwrap();
        assert!(!watch.is_due());
        assert!(watch.is_due());
    }

    #[test]
    fn a_link_to_another_folder_is_noticed() {
        let folder = Folder::new("link");
        for (name, text) in [("v1", "one"), ("v2", "two")] {
            fs::create_dir(folder.0.join(name)).unwrap();
            fs::write(folder.0.join(name).join("a"), text).unwrap();
        }
        symlink("v1", folder.0.join("..data")).unwrap();
        symlink("..data/a", folder.0.join("a")).unwrap();
        let mut watch = watch(&folder.0.join("a"));
        assert!(!watch.is_due());
        symlink("v2", folder.0.join("..data_tmp")).unwrap();
        fs::rename(folder.0.join("..data_tmp"), folder.0.join("..data")).unwrap();
        assert!(!watch.is_due());
        assert!(watch.is_due());
    }

    #[test]
    fn what_was_written_while_it_was_read_is_doubted() {
        let folder = Folder::new("doubt");
        let file = folder.file("a", "one");
        let mut look = Look::at([&*file]);
        look.doubt_since(SystemTime::now() + Duration::from_secs(10));
        assert_eq!(look, Look::at([&*file]), "long settled");
        look.doubt_since(SystemTime::now() - Duration::from_secs(10));
        let mut watch = Watch::new(look);
        assert!(!watch.is_due());
        assert!(watch.is_due(), "read once more");
    }

    #[test]
    fn what_changed_while_it_was_read_contradicts_the_look_before() {
        let folder = Folder::new("torn");
        let (config, catalog) = (folder.file("a", "one"), folder.file("b", "one"));
        let before = Look::at([&*config]);
        assert!(!Look::at([&*config, &*catalog]).contradicts(&before), "nothing was known of the other one");
        folder.file("a", "one and more");
        assert!(Look::at([&*config, &*catalog]).contradicts(&before));
        let mut watch = Watch::new(Look::at([&*config, &*catalog]));
        watch.forget();
        assert!(!watch.is_due());
        assert!(watch.is_due(), "read once more");
    }

    #[test]
    fn a_file_from_the_future_is_not_read_for_ever() {
        let folder = Folder::new("future");
        let file = folder.file("a", "one");
        let future = SystemTime::now() + Duration::from_secs(1_000);
        fs::File::options().write(true).open(&file).unwrap().set_modified(future).unwrap();
        // When the file was last changed is the system's to say.
        std::thread::sleep(TICK * 2);
        let mut look = Look::at([&*file]);
        look.doubt_since(SystemTime::now());
        assert_eq!(look, Look::at([&*file]));
    }

    #[test]
    fn a_pipe_does_not_change() {
        let folder = Folder::new("pipe");
        let mut watch = watch(&folder.0);
        folder.file("b", "a folder changes with what is in it");
        assert!(!watch.is_due() && !watch.is_due());
    }
}
