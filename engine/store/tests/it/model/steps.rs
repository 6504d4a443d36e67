//! What may happen next, and in which proportions.

use crate::model::memory::Memory;
use crate::outcomes;
use proptest::prelude::*;
use store::queue::{Claimed, Settlement};

/// Positions are taken modulo what there is, counted from the newest.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Accept(Request),
    Claim {
        worker: usize,
        room: i32,
    },
    ClaimOverdue {
        worker: usize,
    },
    Mark {
        which: usize,
    },
    Settle {
        which: usize,
        how: How,
    },
    Unstart {
        which: usize,
    },
    LateReceipt {
        which: usize,
    },
    /// A reaper looks; what it saw it writes at some later step.
    Notice,
    Bury {
        which: usize,
    },
    Cancel {
        which: usize,
    },
    Redrive {
        which: usize,
        blind: bool,
    },
    Pause {
        account: usize,
    },
    Resume {
        account: usize,
    },
    Reconnect {
        account: usize,
    },
    Disconnect {
        account: usize,
    },
    Edit {
        which: usize,
        change: Change,
    },
    Pass {
        millis: i64,
    },
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) account: usize,
    /// One post each on so many accounts.
    pub(crate) posts: usize,
    pub(crate) due_in: i64,
    pub(crate) priority: i16,
    pub(crate) may_wait: bool,
    pub(crate) give_up_secs: u64,
    /// An idempotency key, and which of two bodies is sent under it.
    pub(crate) key: Option<(u8, u8)>,
}

/// What an owner edits; `stale`: it was judged when the post was another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub(crate) due_in: Option<i64>,
    pub(crate) text: bool,
    pub(crate) stale: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum How {
    Complete,
    Continue { after: i64, saves: bool },
    Retry { after: i64, stale: bool },
    Snooze { closed: i64, resolves: bool },
    Verify { after: i64 },
    Hold { person: bool, resolves: bool },
    Release,
    Cancel,
    Letter(&'static str),
}

const CLASSES: [&str; 6] = [
    "rejected",
    "account_blocked",
    "exhausted",
    "expired",
    "ambiguous",
    "poison",
];

fn request() -> impl Strategy<Value = Request> {
    let due_in = prop_oneof![3 => Just(0), 2 => 1..=40_000i64];
    let give_up = prop_oneof![3 => Just(86_400u64), 2 => 20..=200u64];
    let key = prop::option::weighted(0.3, (0..3u8, 0..2u8));
    (
        0..3usize,
        1..=2usize,
        due_in,
        0..=2i16,
        any::<bool>(),
        give_up,
        key,
    )
        .prop_map(
            |(account, posts, due_in, priority, may_wait, give_up_secs, key)| Request {
                account,
                posts,
                due_in,
                priority,
                may_wait,
                give_up_secs,
                key,
            },
        )
}

fn how() -> impl Strategy<Value = How> {
    let after = prop_oneof![Just(0), 1..=20_000i64];
    prop_oneof![
        2 => Just(How::Complete),
        2 => (after.clone(), any::<bool>()).prop_map(|(after, saves)| How::Continue { after, saves }),
        2 => (after.clone(), any::<bool>()).prop_map(|(after, stale)| How::Retry { after, stale }),
        2 => (1..=20_000i64, any::<bool>()).prop_map(|(closed, resolves)| How::Snooze { closed, resolves }),
        3 => after.prop_map(|after| How::Verify { after }),
        2 => any::<(bool, bool)>().prop_map(|(person, resolves)| How::Hold { person, resolves }),
        1 => Just(How::Release),
        1 => Just(How::Cancel),
        4 => prop::sample::select(&CLASSES[..]).prop_map(How::Letter),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let due_in = prop::option::of(1..=40_000i64);
    let stale = prop_oneof![4 => Just(false), 1 => Just(true)];
    (due_in, any::<bool>(), stale).prop_map(|(due_in, text, stale)| Change {
        due_in,
        text,
        stale,
    })
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let which = 0..6usize;
    let millis = prop_oneof![6 => 1..=8_000i64, 2 => Just(61_000i64), 1 => Just(300_000i64)];
    let step = prop_oneof![
        8 => request().prop_map(Step::Accept),
        9 => (0..3usize, prop_oneof![Just(1), Just(2), Just(100)])
            .prop_map(|(worker, room)| Step::Claim { worker, room }),
        1 => (0..3usize).prop_map(|worker| Step::ClaimOverdue { worker }),
        6 => which.clone().prop_map(|which| Step::Mark { which }),
        11 => (which.clone(), how()).prop_map(|(which, how)| Step::Settle { which, how }),
        1 => which.clone().prop_map(|which| Step::Unstart { which }),
        2 => which.clone().prop_map(|which| Step::LateReceipt { which }),
        2 => Just(Step::Notice),
        2 => which.clone().prop_map(|which| Step::Bury { which }),
        2 => which.clone().prop_map(|which| Step::Cancel { which }),
        3 => (which.clone(), any::<bool>())
            .prop_map(|(which, blind)| Step::Redrive { which, blind }),
        4 => (which, change()).prop_map(|(which, change)| Step::Edit { which, change }),
        1 => (0..3usize).prop_map(|account| Step::Disconnect { account }),
        1 => (0..3usize).prop_map(|account| Step::Pause { account }),
        1 => (0..3usize).prop_map(|account| Step::Resume { account }),
        2 => (0..3usize).prop_map(|account| Step::Reconnect { account }),
        5 => millis.prop_map(|millis| Step::Pass { millis }),
    ];
    prop::collection::vec(step, 30..50)
}

/// What a worker writes of its claim, as far as `decide` allows it: only a mark makes anything unknown.
pub(crate) fn written(how: How, job: &Claimed, marked: bool, generation: i32) -> Settlement {
    match how {
        How::Complete => outcomes::complete(job),
        How::Continue { after, saves } => Settlement {
            checkpoint: saves.then(|| "AQID".to_owned()),
            ..outcomes::proceed(job, after)
        },
        How::Retry { after, stale } => Settlement {
            drops_checkpoint: stale,
            ..outcomes::retry(job, after)
        },
        How::Snooze { closed, resolves } => Settlement {
            resolves_mark: resolves || !marked,
            ..outcomes::snooze(job, closed)
        },
        How::Verify { after } if marked => outcomes::verify(job, after),
        How::Hold {
            person: true,
            resolves,
        } => Settlement {
            resolves_mark: resolves || !marked,
            hold_reason: Some("operator"),
            account_status: None,
            account_reason: None,
            ..outcomes::hold(job)
        },
        How::Hold { resolves, .. } => Settlement {
            resolves_mark: resolves || !marked,
            token_seen: Some(generation),
            ..outcomes::hold(job)
        },
        How::Verify { .. } | How::Release => outcomes::release(job),
        How::Cancel => outcomes::cancel(job),
        How::Letter("ambiguous") if !marked => outcomes::dead_letter(job, "exhausted"),
        How::Letter(class) => outcomes::dead_letter(job, class),
    }
}

/// What a reaper writes of a claim as it sees it: the third death in a row ends the job.
pub(crate) fn reaped(job: &Claimed, memory: &Memory) -> Settlement {
    let seen = &memory.jobs[&job.job.uuid()];
    let end = if seen.deaths < 2 {
        outcomes::died(job, 0)
    } else if seen.sent.is_some() {
        outcomes::dead_letter(job, "ambiguous")
    } else {
        outcomes::dead_letter(job, "poison")
    };
    Settlement {
        expired_lease_only: true,
        seen_sent_claim: seen.sent,
        ..end
    }
}
