//! The demo: the whole product on this machine, with a fake Bluesky in the platform's place, told as it happens.
//!
//! It starts the processes of a real installation (an API, two workers) and a fake PDS from its own executable, speaks to
//! them over HTTP as any client would, and lets everybody play with them: a process that dies is started again. What it
//! keeps lies in `.postrider/`; a second run goes on with the same key, account and addresses.

mod client;
mod fleet;
mod leftovers;
mod narrator;
mod state;
mod story;

use self::{
    client::Client,
    fleet::{Fleet, Role},
    narrator::Narrator,
    state::{Facts, State},
};
use crate::{
    cli::DemoArgs,
    config::Config,
    exit::{Exit, Stop},
    output::Output,
    shutdown::Shutdown,
    wiring,
};
use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use std::time::Duration;
use tokio_util::task::TaskTracker;

/// How long the processes may take until they are ready.
const READY_WITHIN: Duration = Duration::from_mins(1);
/// How often something that is waited for is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Runs the demo until Ctrl-C, or until the posts are published.
pub(crate) async fn run(args: &DemoArgs, config: &Config, output: Output) -> anyhow::Result<Exit> {
    let tracker = TaskTracker::new();
    let shutdown = Shutdown::on_signals(&tracker, Duration::from_hours(1))
        .context("signals cannot be handled")?;
    let say = Narrator::new(output);
    let state = State::open()?;
    say.title("Postrider, the demo");
    // Their addresses must be free before addresses are chosen.
    leftovers::end(state.before(), say).await;
    let mut fleet = Fleet::new(&state, config)?;
    let shown = tokio::select! {
        shown = show(args, config, output, &state, &mut fleet, say, &shutdown) => shown,
        () = interrupted(args, &shutdown) => Err(Stop::failed("the demo was interrupted", "run it again: make demo").into()),
    };
    say.line("\nEnding all processes of the demo …");
    fleet.stop().await;
    shutdown.finish();
    tracker.close();
    tracker.wait().await;
    shown.map(|()| Exit::Done)
}

/// While the demo stays up, the first signal is its regular end; before that, and with `--once`, it is an interruption.
async fn interrupted(args: &DemoArgs, shutdown: &Shutdown) {
    if args.once {
        shutdown.drain.cancelled().await;
    } else {
        shutdown.now.cancelled().await;
    }
}

async fn show(
    args: &DemoArgs,
    config: &Config,
    output: Output,
    state: &State,
    fleet: &mut Fleet,
    say: Narrator,
    shutdown: &Shutdown,
) -> anyhow::Result<()> {
    prepare_database(config, state, say).await?;
    let facts = start(config, state, fleet, say).await?;
    let told = tokio::select! {
        told = story::tell(&facts, state, say) => told,
        () = shutdown.drain.cancelled() => return Ok(()),
    };
    let told = told.map_err(|e| fleet.explain(&e))?;
    let facts = Facts {
        account_id: told.account.clone(),
        ..facts
    };
    state.write(&facts)?;
    say.done(&format!("{} is written", state.facts_file().display()));
    if output.is_json() {
        output.document(&facts)?;
    }
    if args.once {
        return Ok(());
    }
    story::invite(&facts, &told, state, config, say);
    stay_up(facts, state, fleet, say, shutdown).await
}

async fn prepare_database(config: &Config, state: &State, say: Narrator) -> anyhow::Result<()> {
    let store = wiring::store(config, wiring::Part::Command)?;
    let (version, _) = store.ping().await.map_err(|e| {
        let shown = config.database_shown().unwrap_or_default();
        Stop::failed(
            format!("the database {shown} does not answer: {e}"),
            "start it, or let `make demo` start a private one: unset DATABASE_URL",
        )
    })?;
    wiring::migrate(&store).await?;
    engine::check_canaries(&store, &state.vault()?).await.map_err(|e| {
        let remedy = format!(
            "the demo's master key is {}; restore the one that this database was written with, or give the demo another database",
            state.master_key_file().display()
        );
        Stop::failed(e.to_string(), remedy)
    })?;
    store.close().await;
    say.done(&format!(
        "PostgreSQL {} answers, the schema is this build's",
        version / 10_000
    ));
    Ok(())
}

/// Starts all processes and waits until they can be used.
async fn start(
    config: &Config,
    state: &State,
    fleet: &mut Fleet,
    say: Narrator,
) -> anyhow::Result<Facts> {
    let fake_url = fleet.fake_url();
    let base_url = fleet.base_url();
    for role in Role::ALL {
        fleet.spawn(role)?;
    }
    let client = Client::new(&base_url, &fake_url, SecretString::default())?;
    wait_until_ready(&client, fleet)
        .await
        .map_err(|e| fleet.explain(&e))?;
    let pids = fleet.pids(config.postgres_pid);
    say.done(&format!(
        "a fake Bluesky PDS at {fake_url} (process {})",
        pids.fake
    ));
    say.done(&format!("the API at {base_url} (process {})", pids.api));
    say.done(&format!(
        "two workers (processes {} and {})",
        pids.worker[0], pids.worker[1]
    ));
    let key = api_key(state, fleet, &client, say).await?;
    let facts = Facts {
        base_url,
        key,
        account_id: state.account_before(),
        fake_url,
        pids,
    };
    state.write(&facts)?;
    Ok(facts)
}

async fn wait_until_ready(client: &Client, fleet: &mut Fleet) -> anyhow::Result<()> {
    let ready = async {
        while !(client.fake_answers().await && client.is_ready().await) {
            if let Some(ended) = fleet.ended()? {
                return Err(Stop::failed(
                    format!("{} ended at once: {}", ended.role, ended.how),
                    "see its log below",
                )
                .into());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        anyhow::Ok(())
    };
    let late = |_| {
        Stop::failed(
            "the processes were not ready in time",
            "see their logs in .postrider/",
        )
    };
    tokio::time::timeout(READY_WITHIN, ready)
        .await
        .map_err(late)?
}

/// The key of an earlier run if it is still good, else a new one.
async fn api_key(
    state: &State,
    fleet: &Fleet,
    client: &Client,
    say: Narrator,
) -> anyhow::Result<String> {
    if let Some(known) = state.key_before()
        && client.clone().with_key(known.clone()).accepts_key().await
    {
        say.done("the API key of the last run is still good");
        return Ok(known.expose_secret().to_owned());
    }
    let made: serde_json::Value = fleet
        .command(&[
            "keys", "create", "--org", "Demo", "--name", "demo", "--json",
        ])
        .await?;
    let key = made["key"]
        .as_str()
        .context("`keys create` printed no key")?;
    say.done("an API key for the organisation Demo: postrider keys create --org Demo --name demo");
    Ok(key.to_owned())
}

/// Keeps everything running until the first signal; what dies is started again.
async fn stay_up(
    mut facts: Facts,
    state: &State,
    fleet: &mut Fleet,
    say: Narrator,
    shutdown: &Shutdown,
) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            () = shutdown.drain.cancelled() => return Ok(()),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        while let Some(ended) = fleet.ended()? {
            if ended.gives_up {
                let what = format!(
                    "{} ended again and again, the last time with {}",
                    ended.role, ended.how
                );
                return Err(fleet.explain(&Stop::failed(what, "see its log below").into()));
            }
            let pid = fleet.spawn(ended.role)?;
            facts.pids = fleet.pids(facts.pids.postgres);
            state.write(&facts)?;
            say.line(format_args!(
                "{} (process {}) ended: {}; started again as process {pid}",
                ended.role, ended.pid, ended.how
            ));
        }
    }
}
