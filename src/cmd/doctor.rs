//! `postrider doctor`: looks at everything that a process needs, changes nothing, and says what to do.

use crate::{
    cli::DoctorArgs,
    config::{Config, Effective, Problem},
    exit::{Exit, told},
    output::{Output, relative, verdict},
    wiring::{self, Part},
};
use chrono::{DateTime, TimeDelta, Utc};
use publisher::{ReadBack, Registry};
use serde::Serialize;
use store::{CanaryRow, KeyUseRow, SchemaState, Store};
use tokio::time::Instant;
use vault::{OpenError, Vault};

/// Columns in front of what a check says.
const CHECK_COLUMNS: usize = 20;

/// This machine's clock and the database's may differ by so much.
const SKEW_MAX: TimeDelta = TimeDelta::seconds(2);

/// What one look came to.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    message: String,
    remedy: Option<String>,
}

impl Check {
    fn good(name: &'static str, message: impl Into<String>) -> Self {
        Self {
            name,
            ok: true,
            message: message.into(),
            remedy: None,
        }
    }

    fn bad(name: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            name,
            ok: false,
            message: message.into(),
            remedy: Some(remedy.into()),
        }
    }
}

#[derive(Serialize)]
struct Report {
    ok: bool,
    checks: Vec<Check>,
    config: Vec<Effective>,
}

/// Runs all checks; exits 1 if one of them fails.
pub(crate) async fn run(
    args: &DoctorArgs,
    config: &Config,
    problems: Vec<Problem>,
    output: Output,
) -> anyhow::Result<Exit> {
    let mut checks = vec![configuration(config.file(), config.warnings(), problems)];
    checks.push(connectors(wiring::registry(config)));
    if config.database_url.is_some() {
        let store = wiring::store(config, Part::Command)?;
        checks.extend(database(args, config, &store).await);
        store.close().await;
    }
    let report = Report {
        ok: checks.iter().all(|check| check.ok),
        checks,
        config: config.effective().to_vec(),
    };
    let exit = if report.ok { Exit::Done } else { Exit::Failed };
    if output.is_json() {
        output.document(&report)?;
    } else {
        print(&report, output)?;
    }
    Ok(exit)
}

fn print(report: &Report, output: Output) -> anyhow::Result<()> {
    for setting in &report.config {
        super::config::entry(setting, output)?;
    }
    output.line("")?;
    for check in &report.checks {
        output.behind(
            &format!("{} {:<13} ", verdict(check.ok), check.name),
            CHECK_COLUMNS,
            &check.message,
        )?;
        if let Some(remedy) = &check.remedy {
            output.behind("      remedy        ", CHECK_COLUMNS, remedy)?;
        }
    }
    Ok(())
}

fn configuration(file: Option<&str>, warnings: &[Problem], problems: Vec<Problem>) -> Check {
    if problems.is_empty() {
        let mut told = vec![file.map_or_else(
            || "the environment can be used".to_owned(),
            |file| format!("{file} and the environment can be used"),
        )];
        told.extend(
            warnings
                .iter()
                .map(|warning| format!("{warning}. {}", warning.remedy)),
        );
        return Check::good("configuration", told.join("; "));
    }
    let rules: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let remedies: Vec<String> = problems.into_iter().map(|problem| problem.remedy).collect();
    Check::bad("configuration", rules.join("; "), remedies.join("\n"))
}

fn connectors(registry: anyhow::Result<Registry>) -> Check {
    let registry = match registry {
        Ok(registry) => registry,
        Err(error) => {
            return Check::bad(
                "connectors",
                told(&error),
                "correct the addresses of the platforms",
            );
        }
    };
    let each = registry.all().map(|connector| {
        let grade = match connector.habits.read_back {
            ReadBack::Key | ReadBack::Handle => "A",
            ReadBack::List => "B",
            ReadBack::None => "C",
        };
        let version = connector.habits.api.map_or_else(String::new, |api| {
            let until = api.sunset.map(|day| format!(" until {day}"));
            format!(", API {}{}", api.name, until.unwrap_or_default())
        });
        format!("{} (grade {grade}{version})", connector.platform)
    });
    Check::good("connectors", each.collect::<Vec<_>>().join(", "))
}

async fn database(args: &DoctorArgs, config: &Config, store: &Store) -> Vec<Check> {
    // The first answer includes the connecting, so the second one is timed.
    let _ = store.ping().await;
    let asked = Instant::now();
    let (version, theirs) = match store.ping().await {
        Ok(answer) => answer,
        Err(error) => {
            let shown = config.database_shown().unwrap_or_default();
            let message = format!("{shown} does not answer: {}", told(&error.into()));
            return vec![Check::bad(
                "database",
                message,
                "see that PostgreSQL runs, and that DATABASE_URL has its address, a database of it, and a role with its password",
            )];
        }
    };
    let round_trip = TimeDelta::from_std(asked.elapsed()).unwrap_or_default();
    let mut checks = vec![postgres(version), clock(here() - round_trip / 2, theirs)];
    let (schema, current) = schema(store).await;
    checks.push(schema);
    if current {
        checks.push(master_keys(store, config.vault.as_ref()).await);
        if args.invariants {
            checks.push(invariants(store).await);
        }
    }
    checks
}

#[expect(
    clippy::disallowed_methods,
    reason = "this machine's clock is what is compared with the database's"
)]
fn here() -> DateTime<Utc> {
    Utc::now()
}

fn postgres(version: i32) -> Check {
    let told = format!(
        "PostgreSQL {}.{} answers",
        version / 10_000,
        version % 10_000
    );
    if version < wiring::POSTGRES_MIN {
        return Check::bad("database", told, "use PostgreSQL 14 or newer");
    }
    Check::good("database", told)
}

fn clock(ours: DateTime<Utc>, theirs: DateTime<Utc>) -> Check {
    let skew = ours - theirs;
    let told = format!(
        "this machine is {} ms from the database",
        skew.num_milliseconds()
    );
    if skew.abs() > SKEW_MAX {
        return Check::bad(
            "clock",
            told,
            "set both by NTP; the database's clock decides when posts are due",
        );
    }
    Check::good("clock", told)
}

async fn schema(store: &Store) -> (Check, bool) {
    let check = match store.schema_state().await {
        Ok(SchemaState::Current) => return (Check::good("schema", "this build's"), true),
        Ok(SchemaState::Behind(missing)) => Check::bad(
            "schema",
            format!("{missing} migrations are still to be applied"),
            "postrider migrate",
        ),
        Ok(SchemaState::Ahead) => Check::bad(
            "schema",
            "newer than this build",
            "run the newer build of postrider",
        ),
        Err(error) => Check::bad("schema", told(&error.into()), "grant this role its schema"),
    };
    (check, false)
}

/// Compares the key ring with the canaries, as a start would, without storing anything.
async fn master_keys(store: &Store, vault: Option<&Vault>) -> Check {
    const NAME: &str = "master key";
    let Some(vault) = vault else {
        return Check::bad(NAME, "there is none", "see the configuration above");
    };
    let canaries = match store.list_canaries().await {
        Ok(canaries) => canaries,
        Err(error) => {
            return Check::bad(NAME, told(&error.into()), "run it again");
        }
    };
    let mut wrong = Vec::new();
    for canary in &canaries {
        match vault.open_canary(&canary.sealed) {
            Ok(_) => {}
            Err(OpenError::UnknownKey(id)) => wrong.push(format!("`{id}` is missing")),
            Err(_) => wrong.push(format!(
                "`{}` is not the key that this database was written with",
                canary.key_id
            )),
        }
    }
    if !wrong.is_empty() {
        let remedy = "set POSTRIDER_MASTER_KEY to the keys that this database was written with, the active one first";
        return Check::bad(NAME, wrong.join("; "), remedy);
    }
    let (uses, now) = match (store.count_key_uses().await, store.ping().await) {
        (Ok(uses), Ok((_, now))) => (uses, now),
        (Err(error), _) | (_, Err(error)) => {
            return Check::bad(
                NAME,
                format!("{:#}", anyhow::Error::from(error)),
                "run it again",
            );
        }
    };
    keys_in_use(vault, &canaries, &uses, now)
}

/// The ids and ages of the keys, or the values that none of them opens.
fn keys_in_use(
    vault: &Vault,
    canaries: &[CanaryRow],
    uses: &[KeyUseRow],
    now: DateTime<Utc>,
) -> Check {
    const NAME: &str = "master key";
    let ids: Vec<String> = vault.keyring().ids().map(|id| id.to_string()).collect();
    let lost: Vec<String> = uses
        .iter()
        .filter(|used| !used.key_id.as_ref().is_some_and(|id| ids.contains(id)))
        .map(|used| {
            let key = used.key_id.as_deref().unwrap_or("none at all");
            format!("{} sealed values name `{key}`", used.total())
        })
        .collect();
    if !lost.is_empty() {
        let remedy = "add the missing keys to POSTRIDER_MASTER_KEY, behind the active one; `postrider vault status` shows all";
        return Check::bad(NAME, lost.join("; "), remedy);
    }
    let told = ids.iter().map(|id| {
        let known = canaries.iter().find(|canary| canary.key_id == *id);
        let age = known.map_or_else(
            || "new".to_owned(),
            |canary| format!("since {}", relative(canary.created_at, now)),
        );
        format!("{id} ({age})")
    });
    let told: Vec<String> = told.collect();
    Check::good(NAME, format!("{}; the active one first", told.join(", ")))
}

async fn invariants(store: &Store) -> Check {
    match store.check_invariants().await {
        Ok(broken) if broken.is_empty() => Check::good("invariants", "all hold"),
        Ok(broken) => {
            let told: Vec<String> = broken
                .iter()
                .map(|one| format!("{}: {} rows", one.invariant, one.rows))
                .collect();
            Check::bad(
                "invariants",
                told.join("; "),
                "docs/INVARIANTS.md says what each one means; please report this",
            )
        }
        Err(error) => Check::bad("invariants", told(&error.into()), "run it again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Source;

    #[test]
    fn clocks_that_differ_are_reported() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        assert!(clock(now, now + TimeDelta::seconds(2)).ok);
        assert!(!clock(now + TimeDelta::seconds(3), now).ok);
    }

    #[test]
    fn an_old_postgresql_is_reported() {
        assert!(postgres(140_000).ok && postgres(180_001).ok);
        assert!(!postgres(130_020).ok);
    }

    #[test]
    fn every_problem_of_the_configuration_comes_with_its_remedy() {
        let problem = |variable: &str| Problem {
            key: None,
            source: Source::Variable(variable.to_owned()),
            rule: "no".to_owned(),
            remedy: format!("set {variable}"),
        };
        let check = configuration(None, &[], vec![problem("A"), problem("B")]);
        assert_eq!(check.message, "A: no; B: no");
        assert_eq!(check.remedy.as_deref(), Some("set A\nset B"));
    }
}
