//! Master keys are rotated as docs/operations/key-rotation.md says, while posts are published and tokens refreshed.
//!
//! Workers are restarted one after the other at each step, `vault rotate` is killed in the middle and begun again, and at
//! the end nothing opens under the old key, and everything without it.

use crate::{
    fleet::{Fleet, MASTER_KEY},
    late_arrival::irreversible,
    operations::run,
    process::Process,
};
use publisher::{fake::Fault, id::PostId};
use std::{collections::BTreeSet, time::Duration};
use store::{AccountRow, SealedIn};
use vault::{Keyring, Owner, Purpose, Vault};

const NEW: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";

const PATIENCE: Duration = Duration::from_mins(1);

/// Names that the toys take, beside the two of the fake PDS.
const NAMES: [&str; 3] = ["ada", "bob", "cyd"];

/// Every platform, the one whose rows stop the rotation in the middle.
const PLATFORMS: [&str; 5] = ["bluesky", "toy_steps", "toy_blind", "toy_list", "toy_late"];

fn old() -> String {
    format!("k1:{MASTER_KEY}")
}

fn new() -> String {
    format!("k2:{NEW}")
}

/// What is rotated, and the load meanwhile.
struct Load {
    fleet: Fleet,
    accounts: Vec<AccountRow>,
    workers: Vec<Process>,
    posts: Vec<PostId>,
    turns: usize,
}

impl Load {
    async fn begin() -> Self {
        let fleet = Fleet::open().await;
        let mut accounts = vec![];
        for platform in PLATFORMS {
            let names = if platform == "bluesky" { 2 } else { 3 };
            for name in &NAMES[..names] {
                accounts.push(fleet.account(platform, name).await);
            }
        }
        let workers = [(); 2].map(|()| worker(&fleet, &old())).into();
        Self {
            fleet,
            accounts,
            workers,
            posts: vec![],
            turns: 0,
        }
    }

    /// One post of every account, and fresh tokens for every account of these platforms; returns before anything is done.
    async fn turn(&mut self, refreshed: &[&str]) {
        self.turns += 1;
        for account in &self.accounts {
            let text = format!("{} of {}", self.turns, account.id);
            self.posts
                .push(self.fleet.accept(account, &text, false).await);
        }
        for platform in refreshed {
            let end = format!(
                "update accounts set token_expires_at = now(), token_refreshed_at = null where platform = '{platform}'"
            );
            self.fleet.database.execute(&end).await;
            let (horizon, give_up) = (Duration::from_mins(1), Duration::from_hours(1));
            let planned = self
                .fleet
                .store
                .plan_refreshes(platform, horizon, give_up, 100, None);
            planned.await.unwrap();
        }
    }

    /// Restarts every worker with another list of keys, one after the other, in the middle of a turn.
    async fn restart_with(&mut self, keys: &str) {
        self.turn(&PLATFORMS).await;
        for worker in &mut self.workers {
            let next = self::worker(&self.fleet, keys);
            std::mem::replace(worker, next).drain().await;
        }
        self.is_done().await;
    }

    /// Waits until all posts and refreshes are over.
    async fn is_done(&mut self) {
        let posts = std::mem::take(&mut self.posts);
        self.fleet.end_well(&posts, PATIENCE).await;
        self.fleet
            .until("select count(*) from jobs", "0", PATIENCE)
            .await;
    }

    /// The ids of all master keys that something is sealed under.
    async fn keys_in_use(&self) -> BTreeSet<String> {
        let uses = self.fleet.store.count_key_uses().await.unwrap();
        let named = uses.into_iter().filter(|used| used.total() > 0);
        named.map(|used| used.key_id.unwrap()).collect()
    }
}

fn worker(fleet: &Fleet, keys: &str) -> Process {
    fleet.worker_with(&[
        ("POSTRIDER_MASTER_KEY", keys),
        ("POSTRIDER_LEASE_MS", "20000"),
        ("POSTRIDER_LOG", "info"),
    ])
}

/// Ends in a dead letter whose checkpoint is sealed; nothing of it is public.
async fn letter(load: &Load) -> PostId {
    let faults = load.fleet.fake("toy_blind").faults();
    faults.arm(&irreversible("toy_blind"), Fault::CutBefore, 1);
    let account = load
        .accounts
        .iter()
        .find(|account| account.platform == "toy_blind");
    let text = "nobody knows";
    let post = load.fleet.accept(account.unwrap(), text, false).await;
    let ending = load.fleet.endings(&[post], PATIENCE).await.remove(0);
    assert_eq!(ending.word(), "ambiguous", "{ending:?}");
    post
}

/// `vault rotate` dies while it waits for a row; some values are under the new key then, and some are not.
async fn rotate_and_die(load: &mut Load, keys: &str) {
    let held = load
        .fleet
        .database
        .hold("select from accounts where platform = 'toy_blind' for update")
        .await;
    load.turn(&["bluesky", "toy_steps", "toy_list"]).await;
    let line = ["vault", "rotate", "--batch", "1"];
    let variables = load.fleet.variables_with(&[("POSTRIDER_MASTER_KEY", keys)]);
    let rotating = load.fleet.start("rotate", &line, &variables);
    load.fleet.waits_for_a_lock("rewrap_tokens", PATIENCE).await;
    rotating.kill().await;
    held.release().await;
    assert_eq!(load.keys_in_use().await.len(), 2, "not in the middle");
}

async fn everything_opens_under_the_new_key_alone(load: &Load) {
    let vault = |list: String| Vault::new(Keyring::parse(&list).unwrap());
    let (old, new) = (vault(old()), vault(new()));
    let mut opened = 0;
    for place in SealedIn::ALL {
        let rows = load.fleet.store.list_stale(place, "none", None, 1000).await;
        for row in rows.unwrap() {
            let (owner, purpose) = match place {
                SealedIn::Tokens => (Owner::account(row.subject), Purpose::AccountToken),
                SealedIn::Checkpoints | SealedIn::Letters => {
                    (Owner::post(row.subject), Purpose::Checkpoint)
                }
            };
            assert!(old.open(&row.sealed, owner, purpose).is_err());
            assert!(new.open(&row.sealed, owner, purpose).is_ok());
            opened += 1;
        }
    }
    assert_eq!(opened, load.accounts.len() + 1, "tokens, and a letter");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_under_load_that_is_killed_and_begun_again_loses_no_secret() {
    let mut load = Load::begin().await;
    let letter = letter(&load).await;
    load.turn(&PLATFORMS).await;
    load.is_done().await;
    load.restart_with(&format!("{},{}", old(), new())).await;
    let both = format!("{},{}", new(), old());
    // Everything stays under the old key until somebody refreshes or rotates.
    for worker in &mut load.workers {
        let next = self::worker(&load.fleet, &both);
        std::mem::replace(worker, next).drain().await;
    }
    assert_eq!(load.keys_in_use().await, BTreeSet::from(["k1".to_owned()]));

    rotate_and_die(&mut load, &both).await;
    load.turn(&PLATFORMS).await;
    let variables = load
        .fleet
        .variables_with(&[("POSTRIDER_MASTER_KEY", &both)]);
    let (code, out, err) = run(&load.fleet, "vault rotate --batch 2", &variables).await;
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("`k1` any more; it may be dropped"), "{out}");
    load.is_done().await;
    assert_eq!(load.keys_in_use().await, BTreeSet::from(["k2".to_owned()]));

    load.restart_with(&new()).await;
    load.turn(&PLATFORMS).await;
    load.is_done().await;
    everything_opens_under_the_new_key_alone(&load).await;
    let variables = load
        .fleet
        .variables_with(&[("POSTRIDER_MASTER_KEY", &new())]);
    let redrive = format!("dead-letters redrive {letter} --i-checked-it-is-absent --yes");
    let (code, out, err) = run(&load.fleet, &redrive, &variables).await;
    assert_eq!(code, 0, "{out}{err}");
    load.fleet.end_well(&[letter], PATIENCE).await;
    assert_eq!(load.fleet.ending(letter).await.word(), "published");
    is_whole(load).await;
}

/// Nobody's refresh was lost, and no process told the new key.
async fn is_whole(load: Load) {
    let Load { fleet, workers, .. } = load;
    let accounts =
        "select count(*) filter (where status <> 'active' or token_generation < 5) from accounts";
    assert_eq!(fleet.database.count(accounts).await, 0);
    for worker in workers {
        worker.drain().await;
    }
    for said in fleet.outputs().into_values() {
        assert!(!String::from_utf8_lossy(&said).contains(NEW));
    }
    fleet.close().await;
}
