//! `cargo xtask bundle`: the page as static files, ready for any file server.
//!
//! Every file but `index.html` and the copies of `public/` carries a hash of its content in its name
//! (`NAME-0123456789abcdef.EXT`) and may be cached for ever. `headers.json` holds the headers that the server must
//! send with every file; the policy in them allows no inline script, no inline style and no `eval`.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use flate2::{Compression, write::GzEncoder};
use serde_json::json;
use sha2::{Digest as _, Sha256, Sha384};
use walkdir::WalkDir;

use crate::{
    context::Context,
    inputs,
    process::step,
    setup::{self, Part},
    wasm::{self, Artefact},
};

/// The page's package and binary.
const PACKAGE: &str = "concert-app";
/// Compressed copies are made of these; images and fonts are compressed already.
const COMPRESSED: [&str; 9] = ["html", "css", "js", "wasm", "svg", "json", "txt", "webmanifest", "xml"];
/// What the page may load and do. `wasm-unsafe-eval` allows compiling WebAssembly and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
                      img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; \
                      base-uri 'none'; form-action 'none'";
/// Starts the page: the only script that `index.html` names.
const BOOT: &str = include_str!("boot.mjs");

/// Runs the command.
///
/// # Errors
/// The first step that failed.
pub fn command(context: &Context) -> Result<ExitCode> {
    setup::ensure(context, &[Part::Wasm, Part::Node])?;
    bundle(context)?;
    print!("{}", sizes(&context.dist())?);
    eprintln!("The page is in {}.", context.dist().display());
    eprintln!("Next: `cargo xtask demo` serves it with everything behind it.");
    Ok(ExitCode::SUCCESS)
}

/// Builds the page unless the one that is there was made from the same inputs.
///
/// # Errors
/// The first step that failed.
pub fn bundle(context: &Context) -> Result<()> {
    let _lock = context.lock("page")?;
    let toolchain =
        setup::find_toolchain(context).context("the wasm target is missing: run `cargo xtask setup wasm`")?;
    let app = context.root.join("app");
    let mut paths = inputs::sources(context, PACKAGE)?;
    paths.extend(["index.html", "style", "echarts.mjs"].map(|name| app.join(name)));
    paths.extend(
        [
            "public",
            "xtask/src/bundle.rs",
            "xtask/src/boot.mjs",
            "xtask/src/wasm.rs",
            "xtask/npm",
        ]
        .map(|name| context.root.join(name)),
    );
    let key = inputs::hash(&paths, &[&toolchain.version])?;
    let dist = context.dist();
    if context.stamp("page") == key && dist.join("index.html").is_file() {
        eprintln!("> page: nothing changed since it was built");
        return Ok(());
    }

    let work = context.cache.join("page-work");
    let linked = step("page: compile and link", || {
        wasm::compile(context, &toolchain, PACKAGE, &Artefact::Program)
    })?;
    let bound = work.join("bound");
    step("page: bind to JavaScript", || {
        wasm::bind(&linked, &bound, "app", |bindgen| {
            bindgen.web(true)?.omit_default_module_path(true);
            Ok(())
        })
    })?;
    step("page: optimise", || wasm::optimise(context, &bound.join("app_bg.wasm")))?;

    let fresh = context.cache.join("dist.new");
    let _ = fs::remove_dir_all(&fresh);
    fs::create_dir_all(&fresh)?;
    step("page: scripts, styles and index.html", || {
        assemble(context, &bound, &work, &fresh)
    })?;
    step("page: compressed copies", || compress(&fresh))?;
    let _ = fs::remove_dir_all(&dist);
    fs::rename(&fresh, &dist).with_context(|| format!("cannot move the page to {}", dist.display()))?;
    context.set_stamp("page", &key)
}

/// Writes every file but the compressed copies.
fn assemble(context: &Context, bound: &Path, work: &Path, out: &Path) -> Result<()> {
    let app = context.root.join("app");
    let template_path = app.join("index.html");
    let template = fs::read_to_string(&template_path)
        .with_context(|| format!("cannot read the page's template {}", template_path.display()))?;
    let mut template = Template::parse(&template)?;

    let public = context.root.join("public");
    if public.is_dir() {
        for entry in WalkDir::new(&public) {
            let entry = entry?;
            let to = out.join(entry.path().strip_prefix(&public)?);
            if entry.file_type().is_dir() {
                fs::create_dir_all(&to)?;
            } else {
                fs::copy(entry.path(), &to).with_context(|| format!("cannot copy {}", entry.path().display()))?;
            }
        }
    }

    template.hash_scripts(out)?;

    // One module with what wasm-bindgen's snippets import.
    let script = work.join("app.js");
    wasm::esbuild(
        context,
        [
            bound.join("app.js").into_os_string(),
            "--bundle".into(),
            "--format=esm".into(),
            "--minify".into(),
            format!("--outfile={}", script.display()).into(),
        ],
    )?;
    let wasm_file = Hashed::put(out, "app", "wasm", &fs::read(bound.join("app_bg.wasm"))?)?;
    let script = Hashed::put(out, "app", "js", &fs::read(&script)?)?;
    let boot = BOOT
        .replace("$SCRIPT", &format!(".{}", script.url))
        .replace("$WASM_URL", &wasm_file.url)
        .replace("$WASM_INTEGRITY", &wasm_file.integrity);
    let boot = Hashed::put(out, "boot", "js", boot.as_bytes())?;

    let mut styles = String::new();
    for style in &template.styles {
        let path = app.join(style);
        styles.push_str(
            &fs::read_to_string(&path)
                .with_context(|| format!("app/index.html names {style}, but {} cannot be read", path.display()))?,
        );
    }
    let entry = work.join("style-entry.css");
    fs::write(&entry, styles)?;
    let style = work.join("style.css");
    // What a style names by an absolute path stands in public/ under that path.
    wasm::esbuild(
        context,
        [
            entry.into_os_string(),
            "--bundle".into(),
            "--minify".into(),
            "--external:/*".into(),
            format!("--outfile={}", style.display()).into(),
        ],
    )?;
    let style = Hashed::put(out, "style", "css", &fs::read(&style)?)?;

    let charts = work.join("echarts.js");
    echarts(context, &charts)?;
    let charts_file = Hashed::put(out, "echarts", "js", &fs::read(&charts)?)?;
    let notices = work.join("echarts.js.LEGAL.txt");
    if notices.is_file() {
        fs::copy(&notices, out.join("echarts.LEGAL.txt"))?;
    }

    let mut head = String::new();
    let _ = writeln!(
        head,
        "<link rel=\"modulepreload\" href=\"{}\" integrity=\"{}\">",
        script.url, script.integrity
    );
    let _ = writeln!(
        head,
        "<link rel=\"stylesheet\" href=\"{}\" integrity=\"{}\">",
        style.url, style.integrity
    );
    let _ = writeln!(
        head,
        "<meta name=\"concert-echarts\" content=\"{}\" data-integrity=\"{}\">",
        charts_file.url, charts_file.integrity
    );
    let _ = writeln!(
        head,
        "<script type=\"module\" src=\"{}\" integrity=\"{}\"></script>",
        boot.url, boot.integrity
    );
    let policy = format!("<meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n");
    fs::write(out.join("index.html"), template.fill(&policy, &head)?)?;

    // A policy in a document cannot forbid framing; only the header can.
    let header = format!("{POLICY}; frame-ancestors 'none'");
    fs::write(out.join("csp.txt"), &header)?;
    let headers = json!({
        "content-security-policy": header,
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "referrer-policy": "same-origin",
        "x-content-type-options": "nosniff",
    });
    fs::write(out.join("headers.json"), serde_json::to_string_pretty(&headers)?)?;
    Ok(())
}

/// Bundles the chart types that the page uses into one classic script; its entry says which global it sets.
fn echarts(context: &Context, to: &Path) -> Result<()> {
    let entry = context.root.join("app/echarts.mjs");
    if !entry.is_file() {
        bail!(
            "{} is missing; it imports the chart types that the page uses",
            entry.display()
        );
    }
    wasm::esbuild(
        context,
        [
            entry.into_os_string(),
            "--bundle".into(),
            "--minify".into(),
            "--format=iife".into(),
            "--legal-comments=external".into(),
            format!("--outfile={}", to.display()).into(),
        ],
    )
}

/// Runs `cargo xtask trunk-assets`: the ECharts file under the name that `app/index.html` has before bundling.
///
/// # Errors
/// If it was not started by trunk, or esbuild fails.
pub fn trunk_assets(context: &Context) -> Result<ExitCode> {
    let staging = std::env::var_os("TRUNK_STAGING_DIR")
        .context("TRUNK_STAGING_DIR is not set: trunk calls this, see Trunk.toml")?;
    setup::ensure(context, &[Part::Node])?;
    echarts(context, &PathBuf::from(staging).join("echarts.js"))?;
    Ok(ExitCode::SUCCESS)
}

/// A file whose name tells its content.
struct Hashed {
    /// Absolute from the site's root.
    url: String,
    /// For the attribute `integrity`.
    integrity: String,
}

impl Hashed {
    fn put(out: &Path, name: &str, extension: &str, bytes: &[u8]) -> Result<Self> {
        let hash = hex::encode(&Sha256::digest(bytes)[..8]);
        let file = format!("{name}-{hash}.{extension}");
        fs::write(out.join(&file), bytes)?;
        Ok(Self {
            url: format!("/{file}"),
            integrity: format!("sha384-{}", BASE64.encode(Sha384::digest(bytes))),
        })
    }
}

/// `app/index.html`, without what is meant for trunk.
struct Template {
    /// The styles that trunk would link, relative to `app/`, in their order.
    styles: Vec<String>,
    /// The document without trunk's elements and without the place holder for ECharts.
    text: String,
}

impl Template {
    fn parse(text: &str) -> Result<Self> {
        let mut styles = Vec::new();
        let mut kept = String::new();
        let mut rest = text;
        while let Some(start) = rest.find('<') {
            let (before, tag) = rest.split_at(start);
            kept.push_str(before);
            let end = if tag.starts_with("<!--") {
                tag.find("-->").map(|end| end + 3)
            } else {
                tag.find('>').map(|end| end + 1)
            }
            .context("app/index.html: a tag is not closed")?;
            let (tag, after) = tag.split_at(end);
            rest = after;
            if tag.starts_with("<!--") {
                continue;
            }
            if tag.starts_with("<link") && tag.contains("data-trunk") {
                if attribute(tag, "rel") == Some("css") {
                    styles.push(
                        attribute(tag, "href")
                            .context("app/index.html: a style has no href")?
                            .to_owned(),
                    );
                }
            } else if !(tag.starts_with("<meta") && attribute(tag, "name") == Some("concert-echarts")) {
                kept.push_str(tag);
            }
        }
        kept.push_str(rest);
        if ["<style", " style=", "<script>", " onload=", " onclick="]
            .iter()
            .any(|part| kept.contains(part))
        {
            bail!("app/index.html holds inline styles or scripts, which the page's policy forbids");
        }
        let text: String = kept
            .lines()
            .filter(|line| !line.trim().is_empty())
            .fold(String::new(), |mut text, line| {
                text.push_str(line);
                text.push('\n');
                text
            });
        Ok(Self { styles, text })
    }

    /// Gives every copied script that the document names a hash in its name, and its integrity.
    fn hash_scripts(&mut self, out: &Path) -> Result<()> {
        let opening = "<script src=\"/";
        let mut text = String::new();
        let mut rest = self.text.as_str();
        while let Some(start) = rest.find(opening) {
            text.push_str(&rest[..start]);
            let (name, after) = rest[start + opening.len()..]
                .split_once('"')
                .context("app/index.html: the address of a script is not closed")?;
            let path = out.join(name);
            let bytes =
                fs::read(&path).with_context(|| format!("app/index.html names /{name}, which is not in public/"))?;
            let stem = name.strip_suffix(".js").unwrap_or(name);
            let file = Hashed::put(out, stem, "js", &bytes)?;
            fs::remove_file(&path)?;
            let _ = write!(text, "<script src=\"{}\" integrity=\"{}\"", file.url, file.integrity);
            rest = after;
        }
        text.push_str(rest);
        self.text = text;
        Ok(())
    }

    fn fill(&self, first: &str, last: &str) -> Result<String> {
        let open = self.text.find("<head>").context("app/index.html has no <head>")? + "<head>".len();
        let close = self.text.find("</head>").context("app/index.html has no </head>")?;
        Ok(format!(
            "{}\n{first}{}{last}{}",
            &self.text[..open],
            &self.text[open..close].trim_start(),
            &self.text[close..]
        ))
    }
}

/// The value of an attribute in double quotes.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let start = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    tag[start..].split('"').next()
}

/// Puts a `.br` and a `.gz` beside every file that they make smaller.
fn compress(folder: &Path) -> Result<()> {
    for path in files(folder)? {
        let extension = path
            .extension()
            .and_then(|extension| extension.to_str())
            .unwrap_or_default();
        if !COMPRESSED.contains(&extension) {
            continue;
        }
        let bytes = fs::read(&path)?;
        let mut brotli = Vec::new();
        // Quality 11, window 2^22: the strongest that every browser takes.
        brotli::CompressorWriter::new(&mut brotli, 1 << 16, 11, 22).write_all(&bytes)?;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&bytes)?;
        for (suffix, copy) in [("br", brotli), ("gz", gzip.finish()?)] {
            if copy.len() < bytes.len() {
                fs::write(path.with_file_name(format!("{}.{suffix}", file_name(&path))), copy)?;
            }
        }
    }
    Ok(())
}

/// A line for each file with its size, in bytes: raw, gzip, Brotli.
///
/// # Errors
/// If the folder cannot be read.
pub fn sizes(folder: &Path) -> Result<String> {
    let size = |path: &Path| fs::metadata(path).map(|metadata| metadata.len()).ok();
    let mut text = format!("{:<44}{:>12}{:>12}{:>12}\n", "file", "raw", "gzip", "Brotli");
    for path in files(folder)? {
        let name = path.strip_prefix(folder)?.display().to_string();
        if name.ends_with(".br") || name.ends_with(".gz") {
            continue;
        }
        let copy = |suffix: &str| size(&path.with_file_name(format!("{}.{suffix}", file_name(&path))));
        let cell = |size: Option<u64>| size.map_or_else(|| "-".to_owned(), |size| size.to_string());
        let _ = writeln!(
            text,
            "{name:<44}{:>12}{:>12}{:>12}",
            cell(size(&path)),
            cell(copy("gz")),
            cell(copy("br"))
        );
    }
    Ok(text)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in WalkDir::new(folder).sort_by_file_name() {
        let entry = entry.with_context(|| format!("cannot read {}", folder.display()))?;
        if entry.file_type().is_file() {
            files.push(entry.into_path());
        }
    }
    Ok(files)
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "<!doctype html>\n<html>\n  <head>\n    <meta charset=\"utf-8\">\n\
        <!-- a note with a > in it -->\n\
        <meta name=\"concert-echarts\" content=\"/echarts.js\">\n\
        <link data-trunk rel=\"css\" href=\"style/a.css\">\n\
        <link data-trunk rel=\"rust\" href=\"Cargo.toml\">\n\
        <link data-trunk rel=\"css\" href=\"style/b.css\">\n\
        <script src=\"/theme.js\"></script>\n  </head>\n  <body>\n    <p>text</p>\n  </body>\n</html>\n";

    #[test]
    fn what_is_meant_for_trunk_is_left_out_and_styles_keep_their_order() {
        let template = Template::parse(DOCUMENT).unwrap();
        assert_eq!(template.styles, ["style/a.css", "style/b.css"]);
        assert_eq!(
            template.fill("FIRST\n", "LAST\n").unwrap(),
            "<!doctype html>\n<html>\n  <head>\nFIRST\n<meta charset=\"utf-8\">\n\
             <script src=\"/theme.js\"></script>\n  LAST\n</head>\n  <body>\n    <p>text</p>\n  </body>\n</html>\n"
        );
    }

    #[test]
    fn a_named_script_gets_its_hash_and_its_integrity() {
        let out = std::env::temp_dir().join(format!("concert-xtask-{}", std::process::id()));
        fs::create_dir_all(&out).unwrap();
        fs::write(out.join("theme.js"), "1;").unwrap();
        let mut template = Template::parse(DOCUMENT).unwrap();
        template.hash_scripts(&out).unwrap();
        let hash = hex::encode(&Sha256::digest("1;")[..8]);
        let integrity = BASE64.encode(Sha384::digest("1;"));
        assert!(
            template.text.contains(&format!(
                "<script src=\"/theme-{hash}.js\" integrity=\"sha384-{integrity}\"></script>"
            )),
            "{}",
            template.text
        );
        assert!(out.join(format!("theme-{hash}.js")).is_file());
        let missing = Template::parse(&DOCUMENT.replace("theme.js", "missing.js"))
            .unwrap()
            .hash_scripts(&out);
        assert!(missing.unwrap_err().to_string().contains("missing.js"));
        fs::remove_dir_all(&out).unwrap();
    }

    #[test]
    fn a_document_that_the_policy_would_break_is_refused() {
        for part in ["<p style=\"color: red\">", "<style>p {}</style>", "<script>1</script>"] {
            assert!(
                Template::parse(&DOCUMENT.replace("<p>text</p>", part)).is_err(),
                "{part}"
            );
        }
        assert!(Template::parse("<html><link").is_err());
        assert!(Template::parse("<html></html>").unwrap().fill("", "").is_err());
    }
}
