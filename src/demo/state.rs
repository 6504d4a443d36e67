//! What the demo keeps in `.postrider/`: its master key, its media, its logs, and the facts of the last run.

use crate::exit::Stop;
use anyhow::Context as _;
use base64::Engine as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write as _},
    net::SocketAddr,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};
use vault::{Keyring, Vault};
use zeroize::Zeroizing;

/// Id of the demo's master key.
const KEY_ID: &str = "demo";

/// The picture that the demo publishes.
pub(super) const POSTCARD: &[u8] = include_bytes!("postcard.png");

/// `.postrider/demo.json`, for scripts.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Facts {
    /// The API.
    pub(super) base_url: String,
    /// An API key of the organisation Demo.
    pub(super) key: String,
    /// The connected account; empty until it is connected.
    pub(super) account_id: String,
    /// The fake PDS.
    pub(super) fake_url: String,
    /// Who runs.
    pub(super) pids: Pids,
}

/// The processes of the demo.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Pids {
    /// The API.
    pub(super) api: u32,
    /// Both workers.
    pub(super) worker: [u32; 2],
    /// The fake PDS.
    pub(super) fake: u32,
    /// PostgreSQL, if it is the demo's own.
    pub(super) postgres: Option<u32>,
}

/// The directory, and what an earlier run left in it.
pub(super) struct State {
    dir: PathBuf,
    before: Option<Facts>,
    master_key: SecretString,
}

impl State {
    /// Opens `.postrider/` in the current directory, and makes the master key the first time.
    ///
    /// Errors: the directory cannot be written.
    pub(super) fn open() -> anyhow::Result<Self> {
        Self::open_at(&std::env::current_dir()?.join(".postrider"))
    }

    fn open_at(dir: &Path) -> anyhow::Result<Self> {
        let unusable = |e: std::io::Error| {
            Stop::failed(
                format!("{} cannot be written: {e}", dir.display()),
                "run the demo in a directory that you may write",
            )
        };
        fs::create_dir_all(dir).map_err(unusable)?;
        fs::write(dir.join("postcard.png"), POSTCARD).map_err(unusable)?;
        let before = fs::read(dir.join("demo.json"))
            .ok()
            .and_then(|json| serde_json::from_slice(&json).ok());
        let master_key = master_key(&dir.join("master.key"))?;
        Ok(Self {
            dir: dir.to_owned(),
            before,
            master_key,
        })
    }

    /// The facts of the last run.
    pub(super) fn before(&self) -> Option<&Facts> {
        self.before.as_ref()
    }

    /// The API key of the last run.
    pub(super) fn key_before(&self) -> Option<SecretString> {
        self.before.as_ref().map(|facts| facts.key.clone().into())
    }

    /// The account of the last run; empty if there was none.
    pub(super) fn account_before(&self) -> String {
        self.before
            .as_ref()
            .map(|facts| facts.account_id.clone())
            .unwrap_or_default()
    }

    /// Where a server of the last run listened.
    pub(super) fn address_before(&self, url: impl Fn(&Facts) -> &str) -> Option<SocketAddr> {
        let url = url::Url::parse(url(self.before.as_ref()?)).ok()?;
        url.socket_addrs(|| None)
            .ok()?
            .into_iter()
            .find(|address| address.ip().is_loopback())
    }

    /// Writes the facts for scripts; whoever reads them sees the old or the new ones whole.
    pub(super) fn write(&self, facts: &Facts) -> anyhow::Result<()> {
        let (file, next) = (self.facts_file(), self.dir.join("demo.json.next"));
        let mut json = serde_json::to_vec_pretty(facts)?;
        json.push(b'\n');
        let _ = fs::remove_file(&next);
        let written = private(&next)
            .and_then(|mut file| file.write_all(&json))
            .and_then(|()| fs::rename(&next, &file));
        written.with_context(|| format!("{} cannot be written", file.display()))
    }

    pub(super) fn facts_file(&self) -> PathBuf {
        self.shown("demo.json")
    }

    pub(super) fn master_key_file(&self) -> PathBuf {
        self.shown("master.key")
    }

    pub(super) fn postcard_file(&self) -> PathBuf {
        self.shown("postcard.png")
    }

    pub(super) fn log_file(&self, name: &str) -> PathBuf {
        self.shown(&format!("{name}.log"))
    }

    /// Where media lie, as an absolute path: the processes share it.
    pub(super) fn data_dir(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// `<id>:<base64>`, as `POSTRIDER_MASTER_KEY` has it.
    pub(super) fn master_key(&self) -> &SecretString {
        &self.master_key
    }

    pub(super) fn vault(&self) -> anyhow::Result<Vault> {
        let ring = Keyring::parse(self.master_key.expose_secret());
        let bad = |e: vault::KeyringError| {
            let remedy = "remove it for a new key; what was sealed under the old one is then lost";
            Stop::failed(
                format!("{} is no master key: {e}", self.master_key_file().display()),
                remedy,
            )
        };
        Ok(Vault::new(ring.map_err(bad)?))
    }

    /// A file of the directory, as short as it can be written from here.
    fn shown(&self, name: &str) -> PathBuf {
        let file = self.dir.join(name);
        let here = std::env::current_dir().ok();
        here.and_then(|here| file.strip_prefix(here).map(Path::to_owned).ok())
            .unwrap_or(file)
    }
}

fn private(file: &Path) -> std::io::Result<fs::File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
}

fn master_key(file: &Path) -> anyhow::Result<SecretString> {
    match fs::read_to_string(file) {
        Ok(text) => {
            let text = Zeroizing::new(text);
            fs::set_permissions(file, fs::Permissions::from_mode(0o600)).ok();
            return Ok(text.trim().to_owned().into());
        }
        Err(e) if e.kind() == ErrorKind::NotFound => {}
        Err(e) => return Err(e).with_context(|| format!("{} cannot be read", file.display())),
    }
    let mut key = Zeroizing::new([0_u8; 32]);
    getrandom::fill(key.as_mut_slice()).context("the operating system gave no random bytes")?;
    let text = Zeroizing::new(format!(
        "{KEY_ID}:{}",
        base64::engine::general_purpose::STANDARD.encode(key.as_slice())
    ));
    private(file)
        .and_then(|mut file| writeln!(file, "{}", *text).and_then(|()| file.sync_all()))
        .with_context(|| format!("{} cannot be written", file.display()))?;
    Ok(text.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            base_url: "http://127.0.0.1:4001".to_owned(),
            key: "lmp_live_x".to_owned(),
            account_id: "a".to_owned(),
            fake_url: "http://127.0.0.1:4002/".to_owned(),
            pids: Pids {
                api: 1,
                worker: [2, 3],
                fake: 4,
                postgres: None,
            },
        }
    }

    #[test]
    fn a_second_run_finds_what_the_first_one_left() {
        let dir = tempfile::tempdir().unwrap();
        let first = State::open_at(dir.path()).unwrap();
        assert!(first.before().is_none() && first.vault().is_ok());
        first.write(&facts()).unwrap();
        first.write(&facts()).unwrap();
        let second = State::open_at(dir.path()).unwrap();
        assert_eq!(
            second.master_key().expose_secret(),
            first.master_key().expose_secret()
        );
        assert_eq!(second.account_before(), "a");
        assert_eq!(
            second.address_before(|facts| &facts.fake_url),
            Some("127.0.0.1:4002".parse().unwrap())
        );
    }

    #[test]
    fn what_is_secret_is_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        State::open_at(dir.path()).unwrap().write(&facts()).unwrap();
        for name in ["master.key", "demo.json"] {
            let mode = fs::metadata(dir.path().join(name))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn the_facts_have_the_shape_that_scripts_expect() {
        let json = serde_json::to_value(facts()).unwrap();
        assert_eq!(
            json["pids"],
            serde_json::json!({ "api": 1, "worker": [2, 3], "fake": 4, "postgres": null })
        );
        let names: Vec<&String> = json.as_object().unwrap().keys().collect();
        assert_eq!(names, ["account_id", "base_url", "fake_url", "key", "pids"]);
    }

    #[test]
    fn the_postcard_is_a_picture_that_a_post_may_carry() {
        assert!(POSTCARD.starts_with(b"\x89PNG\r\n\x1a\n") && POSTCARD.len() < 1_000_000);
    }
}
