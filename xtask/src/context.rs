//! Where things stand: the repository, the cache, and the folders inside it.
//!
//! Nothing is compiled or downloaded outside the cache, so that deleting one folder starts from nothing.

use std::{
    env,
    fs::{self, File},
    path::{self, Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// The repository: by cargo, which starts xtask, else the first folder from here upwards that holds `xtask`. Read when
/// running and not when compiling, since two clones may share one cache.
fn root() -> Option<PathBuf> {
    if let Some(manifest) = env::var_os("CARGO_MANIFEST_DIR") {
        return Path::new(&manifest).parent().map(Path::to_owned);
    }
    env::current_dir()
        .ok()?
        .ancestors()
        .find(|folder| folder.join("xtask/Cargo.toml").is_file())
        .map(Path::to_owned)
}

/// The folders that every command works with.
pub struct Context {
    /// The repository.
    pub root: PathBuf,
    /// `$CONCERT_CACHE`, else `~/.cache/concert`.
    pub cache: PathBuf,
}

impl Context {
    /// Finds the repository and makes the cache.
    ///
    /// # Errors
    /// If there is neither `CONCERT_CACHE` nor `HOME`, or the cache cannot be made.
    pub fn new() -> Result<Self> {
        let root = root().context("this folder is in no clone of the repository; change into one")?;
        let cache = match env::var_os("CONCERT_CACHE") {
            // Other programs start in other folders.
            Some(folder) => path::absolute(folder)?,
            None => Path::new(&env::var_os("HOME").context("neither CONCERT_CACHE nor HOME is set; set one of them")?)
                .join(".cache/concert"),
        };
        fs::create_dir_all(&cache).with_context(|| format!("cannot make the cache folder {}", cache.display()))?;
        Ok(Self { root, cache })
    }

    /// The target folder of everything native.
    pub fn native_target(&self) -> PathBuf {
        self.cache.join("target")
    }

    /// The target folder of everything that ends as WebAssembly: it may have another compiler than the native side.
    pub fn wasm_target(&self) -> PathBuf {
        self.cache.join("target-wasm")
    }

    /// The target folder shared by the tools that are installed from source.
    pub fn tools_target(&self) -> PathBuf {
        self.cache.join("target-tools")
    }

    /// The finished page.
    pub fn dist(&self) -> PathBuf {
        self.cache.join("dist")
    }

    /// The finished Worker: `index.js` and `index_bg.wasm`.
    pub fn worker(&self) -> PathBuf {
        self.cache.join("worker")
    }

    /// The finished Spin component.
    pub fn spin_wasm(&self) -> PathBuf {
        self.cache.join("spin/concert.wasm")
    }

    /// The installed npm packages.
    pub fn node_modules(&self) -> PathBuf {
        self.cache.join("npm/node_modules")
    }

    /// A Node that is new enough.
    pub fn node(&self) -> PathBuf {
        self.cache.join("node/bin/node")
    }

    /// The Python of the environment for the wire tests.
    pub fn python(&self) -> PathBuf {
        self.cache.join("python/bin/python")
    }

    /// The installed wasmtime.
    pub fn wasmtime(&self) -> PathBuf {
        self.cache.join("wasmtime/bin/wasmtime")
    }

    /// The `concert` command as [`crate::demo::build_concert`] leaves it.
    pub fn concert(&self) -> PathBuf {
        self.native_target().join("debug/concert")
    }

    /// What a step recorded when it last ended well; empty if it never did.
    pub fn stamp(&self, name: &str) -> String {
        fs::read_to_string(self.cache.join("stamps").join(name)).unwrap_or_default()
    }

    /// Records that a step ended well.
    ///
    /// # Errors
    /// If the cache cannot be written.
    pub fn set_stamp(&self, name: &str, value: &str) -> Result<()> {
        let folder = self.cache.join("stamps");
        fs::create_dir_all(&folder)?;
        let path = folder.join(name);
        fs::write(&path, value).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Waits until no other xtask changes this part of the cache; the lock ends with the returned file.
    ///
    /// # Errors
    /// If the lock file cannot be made.
    pub fn lock(&self, part: &str) -> Result<File> {
        let folder = self.cache.join("locks");
        fs::create_dir_all(&folder)?;
        let path = folder.join(part);
        let file = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        if file.try_lock().is_err() {
            eprintln!("  waiting for another xtask that works on `{part}`");
            file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        }
        Ok(file)
    }
}
