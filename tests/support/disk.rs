//! A small disk that can be filled: a tmpfs, mounted as root or through sudo.

use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub struct Disk {
    folder: TempDir,
}

impl Disk {
    /// Mounts a tmpfs of this size (`2m`).
    ///
    /// # Panics
    /// Without root or sudo there is no mounting, and the test cannot be passed.
    pub async fn new(size: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options = format!("size={size},mode=0777");
        run(&["mount", "-t", "tmpfs", "-o", &options, "tmpfs"], folder.path());
        Self { folder }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves not one block free.
    pub fn fill(&self) {
        use std::io::Write as _;
        let mut ballast = std::fs::File::create(self.ballast()).expect("a file");
        for size in [64 << 10, 4 << 10, 1] {
            while ballast.write_all(&vec![b'x'; size]).is_ok() {}
        }
    }

    pub fn free(&self) {
        std::fs::remove_file(self.ballast()).expect("the ballast is there");
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run(&["umount", "-l"], self.folder.path());
    }
}

fn run(command: &[&str], folder: &Path) {
    let root = std::process::Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout == b"0\n");
    let command: Vec<&str> = if root { command.to_vec() } else { [&["sudo", "-n"], command].concat() };
    let (program, args) = command.split_first().expect("a command");
    let status = std::process::Command::new(program).args(args).arg(folder).status().expect("it starts");
    assert!(status.success(), "{} needs root or sudo: {status}", command.join(" "));
}
