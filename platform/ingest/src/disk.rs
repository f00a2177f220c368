//! The disk that a load stages on. Everything that a load writes outside of the lake goes through it, so that tests can
//! fill it up or make it read-only where the lake's own files already are.

use crate::{Error, Result};
use concert_lake::{Lake, fault::Faults};
use std::{
    fs::{self, File, Metadata},
    io::{self, Write},
    path::Path,
};

/// This machine's files, or for tests a disk that fails as the lake's does.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    faults: Option<Faults>,
}

impl Disk {
    /// The one that stands under a lake.
    pub fn of(lake: &Lake) -> Disk {
        Disk { faults: lake.faults() }
    }

    /// Makes a file, or empties it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(&self, path: &Path) -> Result<DiskFile> {
        let file = self.allows(0).and_then(|()| File::create(path));
        Ok(DiskFile {
            file: file.map_err(|e| Error::io("create", path, e))?,
            disk: self.clone(),
        })
    }

    /// Writes a whole file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, path: &Path, content: &[u8]) -> Result<()> {
        let mut file = self.create(path)?;
        file.write_all(content).map_err(|e| Error::io("write", path, e))
    }

    /// Makes a folder, and those above it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn make_folder(&self, path: &Path) -> Result<()> {
        let made = self.allows(0).and_then(|()| fs::create_dir_all(path));
        made.map_err(|e| Error::io("make the folder", path, e))
    }

    fn allows(&self, bytes: usize) -> io::Result<()> {
        match &self.faults {
            Some(faults) => faults.write(bytes),
            None => Ok(()),
        }
    }
}

/// A file that is being written.
#[derive(Debug)]
pub struct DiskFile {
    file: File,
    disk: Disk,
}

impl DiskFile {
    /// # Errors
    /// Those of the system.
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }
}

impl Write for DiskFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.disk.allows(bytes.len())?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
