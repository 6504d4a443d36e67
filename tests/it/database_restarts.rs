//! PostgreSQL is restarted, crashes, cuts its connections or keeps a lock while posts are being published.
//!
//! Nothing is lost, nothing goes out twice, and nothing of it is a worker's death.

use crate::{
    caller::Caller,
    cluster::{Cluster, Halt},
    fleet::{Fleet, PLATFORMS},
    late_arrival::{has_arrived, irreversible},
    times::Times,
};
use publisher::{Answer, fake::Fault, id::PostId, toys::PLATFORMS as TOYS};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::task::JoinSet;

/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long a flood may take, restarts and looks included.
const ENDED_WITHIN: Duration = Duration::from_mins(3);

/// Long enough that a busy machine does not lose it, short enough that what died would come back within the test.
const FLOOD: [(&str, &str); 2] = [("POSTRIDER_LEASE_MS", "12000"), ("POSTRIDER_LOG", "info")];

/// Longer than an outage, so that nothing is looked at that is only not written down yet.
const CALM: [(&str, &str); 2] = [
    ("POSTRIDER_LEASE_MS", "60000"),
    ("POSTRIDER_WAIT_MS", "60000"),
];

/// Every platform has two sends in the air, all of them marked; a caller waits for one half of them.
async fn in_the_air(fleet: &Fleet, caller: Caller) -> (Vec<PostId>, JoinSet<Answer>) {
    let (mut posts, mut targets, mut texts) = (vec![], vec![], vec![]);
    for platform in PLATFORMS {
        let hang = Fault::Hang {
            until_released: true,
        };
        let faults = fleet.fake(platform).faults();
        faults.arm(&irreversible(platform), hang, 2);
        let [own, asked] = ["accepted", "asked"].map(|word| format!("{platform} {word} before"));
        let ada = fleet.account(platform, "ada").await;
        posts.push(fleet.accept(&ada, &own, false).await);
        let bob = fleet.account(platform, "bob").await;
        targets.push(json!({ "accountId": bob.id, "text": asked }));
        texts.extend([(platform, own), (platform, asked)]);
    }
    let body = json!({ "targets": targets });
    let request = async move { caller.post("v1/posts", &body, None).await.unwrap() };
    let asked = JoinSet::from_iter([request]);
    for (platform, text) in &texts {
        has_arrived(fleet, platform, text).await;
    }
    let marked = "select count(*) from jobs where state = 'running' and sent_claim = claim";
    fleet.until(marked, "10", PATIENCE).await;
    (posts, asked)
}

/// The posts of an answer that says that all of them are published.
fn published(answer: &Answer) -> Vec<PostId> {
    let told: Value = answer.json().unwrap();
    let status = (answer.status, told["status"].as_str());
    assert_eq!(status, (200, Some("published")), "{told}");
    let results = told["results"].as_array().unwrap();
    let ids = results.iter().map(|result| result["postId"].as_str());
    ids.map(|id| id.unwrap().parse().unwrap()).collect()
}

/// The database goes, the platforms answer, nobody can write it down, and a caller waits; then the database comes back.
async fn restart_under_settlements(how: Halt) {
    let cluster = Cluster::up().await;
    let times = Times {
        call_deadline: 30_000,
        ..Times::default()
    };
    let fleet = Fleet::open_on(cluster.database().await, times).await;
    let (api, address) = fleet.listening("api", &CALM).await;
    let caller = Caller::of(&address, &fleet.api_key().await);
    caller.is_ready().await;
    let workers = [(); 2].map(|()| fleet.worker_with(&CALM));
    let (mut posts, mut asked) = in_the_air(&fleet, caller).await;

    cluster.halt(how).await;
    for platform in ["bluesky", "toys"] {
        fleet.fake(platform).faults().release();
    }
    fleet.is_said("cannot settle yet", PATIENCE).await;
    assert!(
        asked.try_join_next().is_none(),
        "answered without a database"
    );
    cluster.start().await;
    assert_eq!(cluster.recoveries() > 0, how == Halt::Immediate);

    let answer = asked.join_next().await.unwrap().unwrap();
    posts.extend(published(&answer));
    assert_eq!(posts.len(), 10);
    for ending in fleet.end_well(&posts, PATIENCE).await {
        assert_eq!(ending.outcomes(), ["published"], "{ending:?}");
        let ledger = fleet.fake(&ending.post.platform).ledger();
        assert_eq!(ledger.sends(&ending.post.text), 1, "{ending:?}");
    }
    for process in workers.into_iter().chain([api]) {
        process.drain().await;
    }
    fleet.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_postgres_under_marks_settlements_and_a_waiting_caller_changes_nothing() {
    restart_under_settlements(Halt::Fast).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_of_postgres_under_marks_settlements_and_a_waiting_caller_changes_nothing() {
    restart_under_settlements(Halt::Immediate).await;
}

/// Schedules `each` posts for two accounts of every one of these platforms, one after the other, that far apart.
async fn flood(fleet: &Fleet, platforms: &[&str], each: u32, apart: Duration) -> Vec<PostId> {
    let mut accounts = vec![];
    for platform in platforms {
        for name in ["ada", "bob"] {
            accounts.push(fleet.account(platform, name).await);
        }
    }
    let mut posts = vec![];
    for n in 0..each {
        for account in &accounts {
            let text = format!("{n} of {}", account.id);
            let after = Duration::from_secs(1) + apart * n;
            posts.push(fleet.accept_with(account, &text, vec![], Some(after)).await);
        }
    }
    posts
}

/// Waits until so many have ended; the next ones are on their way then.
async fn have_ended(fleet: &Fleet, posts: usize) {
    let ended = format!("select count(*) >= {posts} from posts where status <> 'queued'");
    fleet.until(&ended, "true", ENDED_WITHIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_through_restarts_and_crashes_of_postgres_loses_nothing_and_counts_no_death() {
    let cluster = Cluster::up().await;
    let fleet = Fleet::open_on(cluster.database().await, Times::default()).await;
    let posts = flood(&fleet, &PLATFORMS, 12, Duration::from_millis(800)).await;
    let workers = [(); 3].map(|()| fleet.worker_with(&FLOOD));
    for (round, how) in [Halt::Fast, Halt::Immediate, Halt::Immediate, Halt::Fast]
        .into_iter()
        .enumerate()
    {
        have_ended(&fleet, 10 * (round + 1)).await;
        cluster.halt(how).await;
        cluster.start().await;
    }
    assert_eq!(cluster.recoveries(), 2);
    fleet.end_well(&posts, ENDED_WITHIN).await;
    for worker in workers {
        worker.drain().await;
    }
    fleet.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_whose_connections_are_terminated_again_and_again_loses_nothing() {
    let fleet = Fleet::open().await;
    let posts = flood(&fleet, &TOYS, 40, Duration::from_millis(250)).await;
    assert_eq!(posts.len(), 320);
    let workers = [(); 2].map(|()| fleet.worker_with(&FLOOD));
    // Those of the processes; the test's own pool has another name.
    let connections = "from pg_stat_activity where datname = current_database() and application_name = 'postrider'";
    let cut = format!("select count(pg_terminate_backend(pid)) {connections}");
    let some = format!("select count(*) > 5 {connections}");
    for storm in 0..20 {
        // The work goes on between two storms.
        have_ended(&fleet, 8 * storm).await;
        fleet.until(&some, "true", PATIENCE).await;
        assert!(fleet.database.count(&cut).await > 0, "nothing to cut");
    }
    fleet.end_well(&posts, ENDED_WITHIN).await;
    for worker in workers {
        worker.drain().await;
    }
    fleet.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_settlement_that_waits_for_longer_than_a_lease_loses_no_lease() {
    let fleet = Fleet::open().await;
    let mut posts = vec![];
    for platform in PLATFORMS {
        let account = fleet.account(platform, "ada").await;
        let text = format!("{platform} behind a lock");
        posts.push(fleet.accept(&account, &text, false).await);
    }
    // Somebody looks at the posts in a transaction, and goes for a coffee.
    let held = fleet.database.hold("select from posts for update").await;
    let workers = [(); 2].map(|()| fleet.worker_with(&[("POSTRIDER_LEASE_MS", "6000")]));
    fleet.waits_for_a_lock("settle", PATIENCE).await;
    let twice = "select coalesce(min(claimed_at) < clock_timestamp() - interval '13 seconds', false) from jobs";
    fleet.until(twice, "true", PATIENCE).await;
    held.release().await;
    for ending in fleet.end_well(&posts, PATIENCE).await {
        assert_eq!(ending.outcomes(), ["published"], "{ending:?}");
        let ledger = fleet.fake(&ending.post.platform).ledger();
        assert_eq!(ledger.sends(&ending.post.text), 1);
    }
    for worker in workers {
        worker.drain().await;
    }
    fleet.close().await;
}
