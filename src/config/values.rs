//! What single variables may say, and what is said when they do not.

use super::{Needs, reader::Reader};
use crate::{cli::LogFormat, fault::Fault};
use publisher::{App, EgressAllow};
use secrecy::SecretString;
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};
use url::Url;
use vault::{Keyring, Vault};

/// Most addresses in `POSTRIDER_EGRESS_ALLOW`.
const EGRESS_ALLOW_MAX: usize = 16;

const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

const DATABASE_URL_REMEDY: &str =
    "export DATABASE_URL=postgres://user:password@localhost:5432/postrider";

const MASTER_KEY_REMEDY: &str = "export POSTRIDER_MASTER_KEY=\"k1:$(openssl rand -base64 32)\" \
     the first time, and keep it: the same key at every start";

pub(super) fn database_url(r: &mut Reader<'_>, needs: Needs) -> Option<SecretString> {
    const NAME: &str = "DATABASE_URL";
    let Some(text) = r.text(NAME) else {
        if needs != Needs::Nothing && !r.has_problem_with(NAME) {
            let rule = "it is not set, and nothing works without a database";
            r.problem(NAME, rule, DATABASE_URL_REMEDY);
        }
        return None;
    };
    let postgres = |url: Url| matches!(url.scheme(), "postgres" | "postgresql");
    if !Url::parse(&text).is_ok_and(postgres) {
        r.problem(
            NAME,
            "it is no address of a PostgreSQL database",
            DATABASE_URL_REMEDY,
        );
        return None;
    }
    Some(text.into())
}

pub(super) fn vault(r: &mut Reader<'_>, needs: Needs) -> Option<Vault> {
    const NAME: &str = "POSTRIDER_MASTER_KEY";
    let parse = |list: &str| {
        Keyring::parse(list)
            .map(Vault::new)
            .map_err(|e| e.to_string())
    };
    let vault = r.parsed(NAME, MASTER_KEY_REMEDY, parse);
    let needed = needs == Needs::DatabaseAndMasterKey;
    if vault.is_none() && needed && !r.has_problem_with(NAME) {
        let rule = "it is not set, and no secret can be stored without a master key";
        r.problem(NAME, rule, MASTER_KEY_REMEDY);
    }
    vault
}

pub(super) fn egress_allow(r: &mut Reader<'_>) -> Vec<EgressAllow> {
    let remedy = "name each address with its port: 127.0.0.1:2583,[::1]:80";
    let parse = |list: &str| {
        let each = list.split(',').map(str::trim).filter(|one| !one.is_empty());
        let all = each
            .map(str::parse)
            .collect::<Result<Vec<EgressAllow>, _>>()?;
        if all.len() > EGRESS_ALLOW_MAX {
            let found = all.len();
            return Err(format!(
                "it names {found} addresses; at most {EGRESS_ALLOW_MAX} are allowed"
            ));
        }
        Ok(all)
    };
    r.parsed("POSTRIDER_EGRESS_ALLOW", remedy, parse)
        .unwrap_or_default()
}

/// Most entries in `POSTRIDER_APPS`.
const APPS_MAX: usize = 32;

/// The operator's apps. What is wrong is said without repeating it: it holds secrets.
pub(super) fn apps(r: &mut Reader<'_>) -> BTreeMap<String, App> {
    let remedy =
        "write it as twitter=<client id>:<client secret>,tiktok=…; a public client has no secret";
    let one = |(n, entry): (usize, &str)| {
        let wrong = || {
            format!(
                "entry {} is not <platform>=<client id>:<client secret>",
                n + 1
            )
        };
        let (platform, app) = entry.split_once('=').ok_or_else(wrong)?;
        let (id, secret) = app.split_once(':').unwrap_or((app, ""));
        let is_platform = !platform.is_empty()
            && platform
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        if !is_platform || id.is_empty() || !entry.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(wrong());
        }
        let app = App {
            client_id: id.to_owned(),
            client_secret: (!secret.is_empty()).then(|| secret.to_owned().into()),
        };
        Ok((platform.to_owned(), app))
    };
    let parse = |list: &str| {
        let entries: Vec<&str> = list
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .collect();
        if entries.len() > APPS_MAX {
            let found = entries.len();
            return Err(format!(
                "it has {found} entries; at most {APPS_MAX} are allowed"
            ));
        }
        let all: BTreeMap<String, App> = entries
            .iter()
            .copied()
            .enumerate()
            .map(one)
            .collect::<Result<_, String>>()?;
        if all.len() < entries.len() {
            return Err("it names a platform twice".to_owned());
        }
        Ok(all)
    };
    r.parsed("POSTRIDER_APPS", remedy, parse)
        .unwrap_or_default()
}

pub(super) fn listen(r: &mut Reader<'_>) -> SocketAddr {
    let remedy = "write it as address:port, such as 127.0.0.1:8080";
    let parse = |text: &str| {
        text.parse()
            .map_err(|_| format!("`{text}` is no address with a port"))
    };
    r.parsed("POSTRIDER_LISTEN", remedy, parse)
        .unwrap_or(LISTEN)
}

pub(super) fn data_dir(r: &mut Reader<'_>) -> PathBuf {
    r.text("POSTRIDER_DATA_DIR")
        .unwrap_or_else(|| "./.postrider/data".to_owned())
        .into()
}

/// An address without anything behind its path.
pub(super) fn origin(r: &mut Reader<'_>, variable: &'static str, example: &str) -> Option<Url> {
    r.parsed(variable, &format!("write it as {example}"), |text| {
        let url = Url::parse(text).map_err(|e| format!("it is no URL: {e}"))?;
        let web = matches!(url.scheme(), "http" | "https") && url.host().is_some();
        let anonymous = url.username().is_empty() && url.password().is_none();
        let bare = url.query().is_none() && url.fragment().is_none();
        if web && anonymous && bare {
            return Ok(url);
        }
        Err(
            "it must be an http or https address without user, password, query and fragment"
                .to_owned(),
        )
    })
}

pub(super) fn log(r: &mut Reader<'_>) -> Option<String> {
    let remedy = "write a level, or targets with levels: info,store=debug";
    r.parsed("POSTRIDER_LOG", remedy, |levels| {
        crate::telemetry::check(levels).map(|()| levels.to_owned())
    })
}

pub(super) fn log_format(r: &mut Reader<'_>) -> LogFormat {
    let parse = |text: &str| match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("`{text}` is neither text nor json")),
    };
    r.parsed("POSTRIDER_LOG_FORMAT", "write text or json", parse)
        .unwrap_or_default()
}

/// The times that a test may change.
const PLATFORM_TIMES: [&str; 6] = [
    "bluesky.call_deadline",
    "bluesky.quiet",
    "toys.call_deadline",
    "toys.quiet",
    "toys.late_quiet",
    "toys.visible_after",
];

pub(super) fn platform_times(r: &mut Reader<'_>) -> BTreeMap<String, Duration> {
    let remedy = "write it as bluesky.quiet=500,toys.quiet=500, or leave it out; it is for tests";
    let one = |pair: &str| {
        let (name, ms) = pair.split_once('=').unwrap_or((pair, ""));
        let known = PLATFORM_TIMES.contains(&name);
        let ms = ms.parse().ok().filter(|ms| known && *ms <= 600_000);
        let ms = ms.ok_or_else(|| {
            let names = PLATFORM_TIMES.join(", ");
            format!("`{pair}` is no time of a platform with milliseconds; there are {names}")
        })?;
        Ok((name.to_owned(), Duration::from_millis(ms)))
    };
    let parse = |list: &str| list.split(',').map(one).collect();
    r.parsed("POSTRIDER_PLATFORM_MS", remedy, parse)
        .unwrap_or_default()
}

const FAULT_REMEDY: &str =
    "write <point>, <point>:park or <point>:stop, or leave it out; it is for tests";

pub(super) fn fault(r: &mut Reader<'_>) -> Option<Fault> {
    let file = r.text("POSTRIDER_FAULT_FILE");
    let wish = r.text("POSTRIDER_FAULT")?;
    let (point, action) = wish.split_once(':').unwrap_or((&wish, "kill"));
    if !publisher::fault::POINTS.contains(&point) {
        let points = publisher::fault::POINTS.join(", ");
        let rule = format!("`{point}` is no fault point; there are {points}");
        r.problem("POSTRIDER_FAULT", rule, FAULT_REMEDY);
        return None;
    }
    let point = point.to_owned();
    match action {
        "kill" => return Some(Fault::Kill(point)),
        "stop" => return Some(Fault::Stop(point)),
        "park" => {}
        other => {
            let rule = format!("`{other}` is nothing that a fault can do");
            r.problem("POSTRIDER_FAULT", rule, FAULT_REMEDY);
            return None;
        }
    }
    let Some(reached) = file else {
        let rule = "it is not set, and a parked fault writes a file";
        r.problem("POSTRIDER_FAULT_FILE", rule, "name a file to be written");
        return None;
    };
    Some(Fault::Park {
        point,
        reached: reached.into(),
    })
}

pub(super) fn postgres_pid(r: &mut Reader<'_>) -> Option<u32> {
    let parse = |text: &str| {
        text.parse()
            .map_err(|_| format!("`{text}` is no process id"))
    };
    r.parsed(
        "POSTGRES_PID",
        "leave it out; scripts/postgres writes it",
        parse,
    )
}

pub(super) fn operator(r: &mut Reader<'_>) -> String {
    r.text("USER").unwrap_or_else(|| "operator".to_owned())
}
