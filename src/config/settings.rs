//! The configuration as people may see it.

use super::{Config, VARIABLES};
use crate::cli::LogFormat;
use serde::Serialize;
use std::{fmt, time::Duration};

/// One variable with the value that is in effect; a secret is described, not shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Setting {
    /// Its name.
    pub(crate) variable: &'static str,
    /// Its value, redacted.
    pub(crate) value: String,
    /// Whether it was set; else this is the default.
    pub(crate) given: bool,
}

impl Config {
    /// Every variable, in the order of the reference.
    pub(crate) fn settings(&self) -> Vec<Setting> {
        let setting = |variable| Setting {
            variable,
            value: self.shown(variable),
            given: self.given.contains(variable),
        };
        VARIABLES.into_iter().map(setting).collect()
    }

    fn shown(&self, variable: &str) -> String {
        let millis = |duration: Duration| duration.as_millis().to_string();
        let none = || "(none)".to_owned();
        let or_none = |shown: Option<String>| shown.unwrap_or_else(none);
        match variable {
            "DATABASE_URL" => or_none(self.database_shown()),
            "POSTRIDER_MASTER_KEY" => or_none(self.vault.as_ref().map(|vault| {
                let ids: Vec<String> = vault.keyring().ids().map(|id| id.to_string()).collect();
                format!("{} (hidden)", ids.join(", "))
            })),
            "POSTRIDER_EGRESS_ALLOW" if self.egress_allow.is_empty() => none(),
            "POSTRIDER_EGRESS_ALLOW" => {
                let all: Vec<String> = self
                    .egress_allow
                    .iter()
                    .map(|allow| allow.0.to_string())
                    .collect();
                all.join(", ")
            }
            "POSTRIDER_LISTEN" => self.listen.to_string(),
            "POSTRIDER_DATA_DIR" => self.data_dir.display().to_string(),
            "POSTRIDER_PUBLIC_URL" => self
                .public_url
                .as_ref()
                .map_or_else(|| format!("http://{}/", self.listen), ToString::to_string),
            "POSTRIDER_DASHBOARD_URL" => self
                .dashboard_url
                .as_ref()
                .map_or_else(|| "the API's own".to_owned(), ToString::to_string),
            "POSTRIDER_APPS" if self.apps.is_empty() => none(),
            "POSTRIDER_APPS" => {
                let all: Vec<String> = self
                    .apps
                    .iter()
                    .map(|(platform, app)| format!("{platform}={} (secret hidden)", app.client_id))
                    .collect();
                all.join(", ")
            }
            "POSTRIDER_SLOTS" => self.slots.to_string(),
            "POSTRIDER_LEASE_MS" => millis(self.lease),
            "POSTRIDER_POLL_MS" => millis(self.poll),
            "POSTRIDER_WAIT_MS" => millis(self.wait),
            "POSTRIDER_DRAIN_MS" => millis(self.drain),
            "POSTRIDER_DATABASE_CONNECTIONS" => self.database_connections.to_string(),
            "POSTRIDER_LOG" => self.log.clone().unwrap_or_else(|| "info".to_owned()),
            "POSTRIDER_LOG_FORMAT" => match self.log_format {
                LogFormat::Text => "text".to_owned(),
                LogFormat::Json => "json".to_owned(),
            },
            "POSTRIDER_BLUESKY_URL" => self
                .bluesky_url
                .as_ref()
                .map_or_else(|| "https://bsky.social".to_owned(), ToString::to_string),
            "POSTRIDER_TOYS_URL" => or_none(self.toys_url.as_ref().map(ToString::to_string)),
            "POSTRIDER_PLATFORM_MS" if self.platform_times.is_empty() => none(),
            "POSTRIDER_PLATFORM_MS" => {
                let pairs = self.platform_times.iter();
                let all: Vec<String> = pairs
                    .map(|(name, time)| format!("{name}={}", millis(*time)))
                    .collect();
                all.join(",")
            }
            "POSTRIDER_FAULT" => or_none(self.fault.as_ref().map(|fault| format!("{fault:?}"))),
            "POSTGRES_PID" => or_none(self.postgres_pid.map(|pid| pid.to_string())),
            "USER" => self.operator.clone(),
            _ => none(),
        }
    }
}

/// One line per variable, redacted.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Setting {
            variable,
            value,
            given,
        } in self.settings()
        {
            let from = if given { "" } else { "  (default)" };
            writeln!(f, "{variable}={value}{from}")?;
        }
        Ok(())
    }
}
