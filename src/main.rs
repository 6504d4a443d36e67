//! Postrider's program: reads the command line and the environment, connects the crates, and runs one verb.
//!
//! The only place that knows every crate, and no place for rules: what can be tested without the others lies below.

mod cli;
mod cmd;
mod complaint;
mod config;
mod confirm;
mod connectors;
mod demo;
mod exit;
mod fault;
mod output;
mod scrape;
mod server;
mod shutdown;
mod startup;
mod telemetry;
mod wiring;

use crate::{
    cli::{AccountVerb, Cli, Command},
    cmd::serve::Parts,
    config::{Config, Needs, Problem},
    exit::{Exit, Stop, code_of},
    output::Output,
};
use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return complaint::usage::report(&error),
    };
    let json = cli.global.json;
    match run(cli) {
        Ok(exit) => exit.into(),
        Err(error) => {
            let exit = code_of(&error);
            if exit != Exit::Done {
                complaint::report(&error, exit, json);
            }
            exit.into()
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<Exit> {
    let (config, problems) = match &cli.command {
        // Says what is wrong instead of refusing.
        Command::Doctor(_) | Command::Config(_) => Config::load_as_it_is(&cli.global),
        command => (Config::load(&cli.global, needs(command))?, Vec::new()),
    };
    start_logging(&cli, &config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(dispatch(cli, config, problems));
    // Blocking work that nobody waits for, such as a look-up of a name, must not hold the end up.
    runtime.shutdown_background();
    ended
}

fn start_logging(cli: &Cli, config: &Config) -> Result<(), Stop> {
    let stays = matches!(
        cli.command,
        Command::Serve | Command::Api | Command::Worker | Command::Fake(_)
    );
    let default = if stays { "info" } else { "warn" };
    telemetry::init(config.log.as_deref().unwrap_or(default), config.log_format)?;
    for warning in config.warnings() {
        tracing::warn!("{warning}. {}", warning.remedy);
    }
    Ok(())
}

async fn dispatch(cli: Cli, config: Config, problems: Vec<Problem>) -> anyhow::Result<Exit> {
    let output = Output::new(cli.global.json);
    match cli.command {
        Command::Serve => Box::pin(cmd::serve::run(Parts::All, config, output)).await,
        Command::Api => Box::pin(cmd::serve::run(Parts::Api, config, output)).await,
        Command::Worker => Box::pin(cmd::serve::run(Parts::Worker, config, output)).await,
        Command::Migrate => cmd::migrate::run(&config, output).await,
        Command::Demo(args) => Box::pin(demo::run(&args, &config, output)).await,
        Command::Keys(keys) => cmd::keys::run(&keys, &config, output).await,
        Command::Accounts(verb) => cmd::accounts::run(&verb, &config, output).await,
        Command::Posts(posts) => cmd::posts::run(&posts, &config, output).await,
        Command::DeadLetters(letters) => cmd::dead_letters::run(&letters, &config, output).await,
        Command::Vault(verb) => cmd::vault::run(&verb, &config, output).await,
        Command::Workers => cmd::workers::run(&config, output).await,
        Command::Buckets(verb) => cmd::buckets::run(&verb, &config, output).await,
        Command::Config(verb) => cmd::config::run(verb, &config, problems, output),
        Command::Completions(ask) => cmd::completions::run(&ask, output),
        Command::Doctor(args) => cmd::doctor::run(&args, &config, problems, output).await,
        Command::Fake(fake) => cmd::fake::run(&fake, output).await,
    }
}

/// What a verb cannot do without.
fn needs(command: &Command) -> Needs {
    match command {
        Command::Serve
        | Command::Api
        | Command::Worker
        | Command::Vault(_)
        | Command::Config(_)
        // It ends the session with the account's own tokens.
        | Command::Accounts(AccountVerb::Disconnect(_))
        | Command::Doctor(_) => Needs::DatabaseAndMasterKey,
        Command::Migrate
        | Command::Demo(_)
        | Command::Keys(_)
        | Command::Accounts(AccountVerb::List(_) | AccountVerb::Show(_))
        | Command::Posts(_)
        | Command::DeadLetters(_)
        | Command::Workers
        | Command::Buckets(_) => Needs::Database,
        Command::Completions(_) | Command::Fake(_) => Needs::Nothing,
    }
}
