//! The kinds of values: how each is read and shown, and what is said when it cannot be read.

use super::setting::{Form, Kind};
use crate::{cli::LogFormat, fault::Fault};
use publisher::{App, EgressAllow};
use secrecy::{ExposeSecret as _, SecretString};
use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};
use url::Url;
use vault::{Keyring, Vault};

/// Most addresses that may be excepted from the guard.
const EGRESS_ALLOW_MAX: usize = 16;

pub(super) const DATABASE: Kind<Option<SecretString>> = Kind {
    form: Form::Secret {
        of: "`postgres://user:password@host:port/name`",
        missing: "it is not set, and nothing works without a database",
    },
    parse: |_, text| {
        let postgres = |url: Url| matches!(url.scheme(), "postgres" | "postgresql");
        if Url::parse(text).is_ok_and(postgres) {
            return Ok(Some(text.into()));
        }
        Err("it is no address of a PostgreSQL database".to_owned())
    },
    show: |url| url.as_ref().map(database_shown).unwrap_or_default(),
    remedy: "export DATABASE_URL=postgres://user:password@localhost:5432/postrider",
};

/// A database's address without its password.
pub(super) fn database_shown(url: &SecretString) -> String {
    let Ok(url) = Url::parse(url.expose_secret()) else {
        return String::new();
    };
    let user = match url.username() {
        "" => String::new(),
        user => format!("{user}@"),
    };
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let (scheme, host, path) = (url.scheme(), url.host_str().unwrap_or_default(), url.path());
    format!("{scheme}://{user}{host}{port}{path}")
}

pub(super) const MASTER_KEYS: Kind<Option<Vault>> = Kind {
    form: Form::Secret {
        of: "`<id>:<base64 of 32 bytes>`, several separated by commas or line breaks",
        missing: "it is not set, and no secret can be stored without a master key",
    },
    parse: |_, list| {
        let ring = Keyring::parse(list).map_err(|e| e.to_string())?;
        Ok(Some(Vault::new(ring)))
    },
    show: |vault| {
        let Some(vault) = vault else {
            return String::new();
        };
        let ids: Vec<String> = vault.keyring().ids().map(|id| id.to_string()).collect();
        format!("{} (hidden)", ids.join(", "))
    },
    remedy: "export POSTRIDER_MASTER_KEY=\"k1:$(openssl rand -base64 32)\" \
             the first time, and keep it: the same key at every start",
};

/// Most apps of an installation.
const APPS_MAX: usize = 32;

/// What is wrong is said without repeating it: it holds secrets.
pub(super) const APPS: Kind<BTreeMap<String, App>> = Kind {
    form: Form::Secret {
        of: "`<platform>=<client id>:<client secret>`, several separated by commas",
        missing: "",
    },
    parse: |_, list| apps(list),
    show: |apps| {
        let each = apps.iter();
        let all: Vec<String> = each
            .map(|(platform, app)| format!("{platform}={} (secret hidden)", app.client_id))
            .collect();
        all.join(", ")
    },
    remedy: "write it as twitter=<client id>:<client secret>,tiktok=…; a public client has no secret",
};

fn apps(list: &str) -> Result<BTreeMap<String, App>, String> {
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
}

pub(super) const ADDRESS: Kind<SocketAddr> = Kind {
    form: Form::Text("address:port"),
    parse: |_, text| address(text),
    show: ToString::to_string,
    remedy: "write it as address:port, such as 127.0.0.1:8080",
};

pub(super) const MAYBE_ADDRESS: Kind<Option<SocketAddr>> = Kind {
    form: ADDRESS.form,
    parse: |_, text| address(text).map(Some),
    show: |address| shown(*address),
    remedy: "write it as address:port, such as 127.0.0.1:9464, or leave it out",
};

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is no address with a port"))
}

pub(super) const PATH: Kind<PathBuf> = Kind {
    form: Form::Path,
    parse: |_, text| Ok(text.into()),
    show: |path| path.display().to_string(),
    remedy: "write a path",
};

pub(super) const MAYBE_PATH: Kind<Option<PathBuf>> = Kind {
    form: Form::Path,
    parse: |_, text| Ok(Some(text.into())),
    show: |path| shown(path.as_ref().map(|path| path.display())),
    remedy: "write a path, or leave it out",
};

/// An address without anything behind its path.
pub(super) const ORIGIN: Kind<Option<Url>> = Kind {
    form: Form::Text("http or https address"),
    parse: |_, text| {
        let url = Url::parse(text).map_err(|e| format!("it is no URL: {e}"))?;
        let web = matches!(url.scheme(), "http" | "https") && url.host().is_some();
        let anonymous = url.username().is_empty() && url.password().is_none();
        let bare = url.query().is_none() && url.fragment().is_none();
        if web && anonymous && bare {
            return Ok(Some(url));
        }
        Err(
            "it must be an http or https address without user, password, query and fragment"
                .to_owned(),
        )
    },
    show: |url| shown(url.as_ref()),
    remedy: "write it as https://posts.example.com, or leave it out",
};

/// So many of something.
pub(super) const fn count(least: u64, most: u64, unit: &'static str) -> Kind<u32> {
    Kind {
        form: Form::Whole { least, most, unit },
        parse: |form, text| {
            let number = number(form, text)?;
            u32::try_from(number).map_err(|_| format!("{number} is too much"))
        },
        show: ToString::to_string,
        remedy: "",
    }
}

/// A size in bytes.
pub(super) const fn size(least: u64, most: u64) -> Kind<u64> {
    Kind {
        form: Form::Whole {
            least,
            most,
            unit: "bytes",
        },
        parse: number,
        show: ToString::to_string,
        remedy: "",
    }
}

/// A time in milliseconds.
pub(super) const fn millis(least: u64, most: u64) -> Kind<Duration> {
    Kind {
        form: Form::Whole {
            least,
            most,
            unit: "milliseconds",
        },
        parse: |form, text| number(form, text).map(Duration::from_millis),
        show: |time| time.as_millis().to_string(),
        remedy: "",
    }
}

fn number(form: &Form, text: &str) -> Result<u64, String> {
    let Form::Whole { least, most, unit } = *form else {
        return Err("it is no number".to_owned());
    };
    match text.parse::<i128>() {
        Ok(number) => u64::try_from(number)
            .ok()
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| {
                format!("{number} {unit} is out of bounds: {least} to {most} are allowed")
            }),
        Err(_) => Err(format!("`{text}` is no whole number of {unit}")),
    }
}

pub(super) const EXCEPTIONS: Kind<Vec<EgressAllow>> = Kind {
    form: Form::List("address:port, at most 16"),
    parse: |_, list| {
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
    },
    show: |all| {
        let all: Vec<String> = all.iter().map(|allow| allow.0.to_string()).collect();
        all.join(",")
    },
    remedy: "name each address with its port: 127.0.0.1:2583,[::1]:80",
};

pub(super) const LEVELS: Kind<Option<String>> = Kind {
    form: Form::Text("a level, or targets with levels"),
    parse: |_, levels| {
        crate::telemetry::check(levels)
            .map(|()| Some(levels.to_owned()))
            .map_err(|e| format!("`{levels}` is no list of log levels: {e}"))
    },
    show: |levels| shown(levels.as_ref()),
    remedy: "write a level (error, warn, info, debug, trace), or targets with levels: info,store=debug",
};

pub(super) const LOG_FORMAT: Kind<LogFormat> = Kind {
    form: Form::Text("`text`, `json`"),
    parse: |_, text| match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("`{text}` is neither text nor json")),
    },
    show: |format| format.word().to_owned(),
    remedy: "write text or json",
};

/// The times that a test may change.
const PLATFORM_TIMES: [&str; 6] = [
    "bluesky.call_deadline",
    "bluesky.quiet",
    "toys.call_deadline",
    "toys.quiet",
    "toys.late_quiet",
    "toys.visible_after",
];

pub(super) const TIMES: Kind<BTreeMap<String, Duration>> = Kind {
    form: Form::List(
        "`<name>=<milliseconds>`, each at most 600,000; the names are `bluesky.call_deadline`, `bluesky.quiet`, \
         `toys.call_deadline`, `toys.quiet`, `toys.late_quiet`, `toys.visible_after`",
    ),
    parse: |_, list| list.split(',').map(time_of_a_platform).collect(),
    show: |times| {
        let pairs = times.iter();
        let all: Vec<String> = pairs
            .map(|(name, time)| format!("{name}={}", time.as_millis()))
            .collect();
        all.join(",")
    },
    remedy: "write it as bluesky.quiet=500,toys.quiet=500, or leave it out; it is for tests",
};

fn time_of_a_platform(pair: &str) -> Result<(String, Duration), String> {
    let (name, ms) = pair.split_once('=').unwrap_or((pair, ""));
    let known = PLATFORM_TIMES.contains(&name);
    let ms = ms.parse().ok().filter(|ms| known && *ms <= 600_000);
    let ms = ms.ok_or_else(|| {
        let names = PLATFORM_TIMES.join(", ");
        format!("`{pair}` is no time of a platform with milliseconds; there are {names}")
    })?;
    Ok((name.to_owned(), Duration::from_millis(ms)))
}

/// A parked fault's file comes from a setting of its own.
pub(super) const FAULT: Kind<Option<Fault>> = Kind {
    form: Form::Text("`<point>`, `<point>:park`, `<point>:stop`"),
    parse: |_, wish| {
        let (point, action) = wish.split_once(':').unwrap_or((wish, "kill"));
        if !publisher::fault::POINTS.contains(&point) {
            let points = publisher::fault::POINTS.join(", ");
            return Err(format!("`{point}` is no fault point; there are {points}"));
        }
        let point = point.to_owned();
        match action {
            "kill" => Ok(Some(Fault::Kill(point))),
            "stop" => Ok(Some(Fault::Stop(point))),
            "park" => Ok(Some(Fault::Park {
                point,
                reached: PathBuf::new(),
            })),
            other => Err(format!("`{other}` is nothing that a fault can do")),
        }
    },
    show: |fault| shown(fault.as_ref().map(|fault| format!("{fault:?}"))),
    remedy: "write <point>, <point>:park or <point>:stop, or leave it out; it is for tests",
};

pub(super) const PROCESS_ID: Kind<Option<u32>> = Kind {
    form: Form::Text("a process id"),
    parse: |_, text| {
        let number = text
            .parse()
            .map_err(|_| format!("`{text}` is no process id"))?;
        Ok(Some(number))
    },
    show: |pid| shown(*pid),
    remedy: "leave it out; scripts/postgres writes it",
};

pub(super) const NAME: Kind<String> = Kind {
    form: Form::Text("a name"),
    parse: |_, text| Ok(text.to_owned()),
    show: Clone::clone,
    remedy: "write a name",
};

fn shown(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}
