//! The queue as plain maps: what each verb promises, told without SQL, without locks and without a clock of its own.

use std::collections::{BTreeMap, BTreeSet};
use store::queue::Refusal;
use uuid::Uuid;

/// At most so many jobs of an account run at once.
pub(crate) const SLOTS: usize = 3;
/// The windows of an account: what they count, their bound, their length in milliseconds.
pub(crate) const WINDOWS: [(&str, usize, i64); 2] = [("posts", 3, 60_000), ("calls", 5, 90_000)];
/// The lease must outlive a marked call by so much, and the call may take so long (`Shop::mark`).
const MARGIN_MS: i64 = 11_000;
const CALL_MS: i64 = 10_000;
/// Later than any test lives: deadlines that the database's own clock gave.
pub(crate) const FAR_MS: i64 = 1_000_000_000;

#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) account: Uuid,
    pub(crate) post: Uuid,
    pub(crate) priority: i16,
    /// None while held; below zero when the database's own clock said "now".
    pub(crate) run_at: Option<i64>,
    pub(crate) give_up: i64,
    pub(crate) may_wait: bool,
    pub(crate) exclusive: bool,
    pub(crate) state: &'static str,
    pub(crate) hold: Option<&'static str>,
    pub(crate) claim: i32,
    pub(crate) failures: i16,
    pub(crate) deaths: i16,
    pub(crate) looks: i16,
    pub(crate) sent: Option<i32>,
    pub(crate) answer_by: i64,
    pub(crate) saved: bool,
    pub(crate) leased_until: i64,
}

impl Job {
    /// A job that nobody has touched yet.
    pub(crate) fn new(account: Uuid, post: Uuid) -> Self {
        Self {
            account,
            post,
            priority: 1,
            run_at: None,
            // Far beyond what is shown, so that an edit moves it out of nobody's sight.
            give_up: 30 * FAR_MS,
            may_wait: true,
            exclusive: false,
            state: "queued",
            hold: None,
            claim: 0,
            failures: 0,
            deaths: 0,
            looks: 0,
            sent: None,
            answer_by: 0,
            saved: false,
            leased_until: 0,
        }
    }
}

/// A post as its owner sees it.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) status: &'static str,
    pub(crate) text: String,
    pub(crate) at: Option<i64>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    pub(crate) exclusive: bool,
    pub(crate) needs_reauth: bool,
    pub(crate) generation: i32,
    pub(crate) paused_by: Option<&'static str>,
    pub(crate) blocked: Option<i64>,
    pub(crate) running: usize,
    pub(crate) marked: Option<Uuid>,
}

#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) account: Uuid,
    pub(crate) post: Uuid,
    pub(crate) class: &'static str,
    pub(crate) exclusive: bool,
    pub(crate) saved: bool,
    pub(crate) sent: bool,
    pub(crate) resolved: Option<&'static str>,
}

#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) now: i64,
    pub(crate) accounts: BTreeMap<Uuid, Account>,
    pub(crate) posts: BTreeMap<Uuid, Post>,
    pub(crate) jobs: BTreeMap<Uuid, Job>,
    pub(crate) letters: BTreeMap<Uuid, Letter>,
    /// By job, claim and meter: when it was dated.
    pub(super) charges: BTreeMap<(Uuid, i32, &'static str), Option<i64>>,
    pub(super) attempts: BTreeMap<(Uuid, i32), (&'static str, &'static str)>,
    pub(super) receipts: BTreeSet<(Uuid, i32, Uuid)>,
    /// The account of every job there ever was; a charge outlives its job.
    pub(crate) owners: BTreeMap<Uuid, Uuid>,
    /// Orders what the database's own clock made due.
    past: i64,
}

impl Memory {
    /// An instant of the database's own clock: before all of the test's, after the last of its kind.
    fn past(&mut self) -> i64 {
        self.past += 1;
        self.past - FAR_MS
    }

    pub(crate) fn is_current(&self, job: Uuid, claim: i32) -> bool {
        let job = self.jobs.get(&job);
        job.is_some_and(|job| job.state == "running" && job.claim == claim)
    }

    fn rides(&self, id: Uuid) -> bool {
        let mut charges = self.charges.iter();
        charges.any(|((job, ..), at)| *job == id && at.is_none())
    }

    fn room(&self, account: Uuid) -> usize {
        let of = |job: &Uuid| self.owners.get(job) == Some(&account);
        let free = WINDOWS.iter().map(|(meter, most, span)| {
            let charges = self.charges.iter();
            let used = charges.filter(|((job, _, name), at)| {
                name == meter && of(job) && at.is_none_or(|at| at > self.now - span)
            });
            most.saturating_sub(used.count())
        });
        free.min().unwrap_or(usize::MAX)
    }

    /// The jobs that an account yields now, in order: while it has slots, whoever rides or still fits its windows.
    pub(crate) fn claimable(&self, id: Uuid) -> Vec<Uuid> {
        let account = &self.accounts[&id];
        if account.paused_by.is_some() || account.blocked.is_some_and(|until| until > self.now) {
            return Vec::new();
        }
        let jobs = self.jobs.iter();
        let mut due: Vec<_> = jobs
            .filter(|(_, job)| job.account == id && job.state == "queued")
            .filter_map(|(key, job)| Some((job.priority, job.run_at?, *key)))
            .filter(|(_, run_at, _)| *run_at <= self.now)
            .collect();
        due.sort_unstable();
        let (mut slots, mut room) = (SLOTS.saturating_sub(account.running), self.room(id));
        let mut picked = Vec::new();
        for (_, _, key) in due {
            let rides = self.rides(key);
            let job = &self.jobs[&key];
            let barred = job.exclusive && account.marked.is_some_and(|marked| marked != key);
            if slots == 0 || (!rides && (barred || room == 0)) {
                continue;
            }
            slots -= 1;
            room -= usize::from(!rides);
            picked.push(key);
        }
        picked
    }

    /// The jobs past their deadline that the overdue claim takes.
    pub(crate) fn overdue(&self) -> BTreeSet<Uuid> {
        let jobs = self.jobs.iter();
        jobs.filter(|(_, job)| job.state != "running" && job.give_up < self.now - 60_000)
            .filter(|(_, job)| job.sent.is_none() || job.run_at.is_none_or(|at| at <= self.now))
            .map(|(id, _)| *id)
            .collect()
    }

    pub(crate) fn claim(&mut self, id: Uuid, lease_ms: i64, charged: bool) {
        let rides = self.rides(id);
        let now = self.now;
        let job = self.jobs.get_mut(&id).unwrap();
        job.state = "running";
        job.hold = None;
        job.claim += 1;
        job.leased_until = now + lease_ms;
        job.run_at = job.run_at.or(Some(now));
        self.accounts.get_mut(&job.account).unwrap().running += 1;
        if charged && !rides {
            for (meter, ..) in WINDOWS {
                self.charges.insert((id, job.claim, meter), None);
            }
        }
    }

    pub(crate) fn mark(&mut self, id: Uuid, claim: i32) -> Result<(), Refusal> {
        if !self.is_current(id, claim) {
            return Err(Refusal::LeaseLost);
        }
        let now = self.now;
        let job = self.jobs.get_mut(&id).unwrap();
        let account = self.accounts.get_mut(&job.account).unwrap();
        if job.give_up <= now {
            return Err(Refusal::Overdue);
        }
        if self.receipts.iter().any(|(.., post)| *post == job.post) {
            return Err(Refusal::Received);
        }
        if job.leased_until <= now + MARGIN_MS {
            return Err(Refusal::LeaseLost);
        }
        if job.exclusive && account.marked.is_some_and(|marked| marked != id) {
            return Err(Refusal::Busy);
        }
        job.sent = Some(claim);
        job.saved = true;
        job.answer_by = (job.leased_until - MARGIN_MS).min(now + 600_000) + CALL_MS;
        if job.exclusive {
            account.marked = Some(id);
        }
        Ok(())
    }

    /// Running jobs that a reaper may end.
    pub(crate) fn expired(&self) -> BTreeSet<Uuid> {
        let jobs = self.jobs.iter();
        jobs.filter(|(_, job)| job.state == "running" && job.leased_until < self.now)
            .filter(|(_, job)| job.sent != Some(job.claim) || job.answer_by < self.now)
            .map(|(id, _)| *id)
            .collect()
    }

    pub(crate) fn unstart(&mut self, id: Uuid, claim: i32) -> bool {
        if !self.is_current(id, claim) {
            return false;
        }
        let job = self.jobs.get_mut(&id).unwrap();
        job.state = "queued";
        self.accounts.get_mut(&job.account).unwrap().running -= 1;
        self.charges
            .retain(|(job, number, _), at| *job != id || *number != claim || at.is_some());
        true
    }

    pub(crate) fn cancel(&mut self, post: Uuid) -> bool {
        let Some(id) = self.job_of(post) else {
            return false;
        };
        let job = &self.jobs[&id];
        if job.state == "running" || job.saved || job.sent.is_some() {
            return false;
        }
        self.jobs.remove(&id);
        self.charges
            .retain(|(job, ..), at| *job != id || at.is_some());
        self.shows(post, "canceled");
        true
    }

    pub(super) fn shows(&mut self, post: Uuid, status: &'static str) {
        self.posts.get_mut(&post).unwrap().status = status;
    }

    pub(super) fn job_of(&self, post: Uuid) -> Option<Uuid> {
        let mut jobs = self.jobs.iter();
        jobs.find(|(_, job)| job.post == post).map(|(id, _)| *id)
    }

    pub(crate) fn reconnect(&mut self, id: Uuid) {
        let past = self.past();
        let account = self.accounts.get_mut(&id).unwrap();
        account.generation += 1;
        account.needs_reauth = false;
        account.paused_by = account.paused_by.filter(|by| *by == "bob");
        for job in self.jobs.values_mut().filter(|job| job.account == id) {
            if job.hold == Some("account_needs_reauth") {
                (job.state, job.hold, job.run_at) = ("queued", None, Some(past));
            }
        }
    }

    /// Whether the letter may be redriven; `redriven` follows with the new job's id.
    pub(crate) fn may_redrive(&self, letter: Uuid, blind: bool) -> bool {
        let letter = &self.letters[&letter];
        let Some(account) = self.accounts.get(&letter.account) else {
            return false;
        };
        let busy = account.marked.is_some();
        letter.resolved.is_none() && !(letter.exclusive && letter.sent && !blind && busy)
    }

    pub(crate) fn redriven(&mut self, letter: Uuid, blind: bool, id: Uuid) {
        let run_at = Some(self.past());
        let letter = self.letters.get_mut(&letter).unwrap();
        letter.resolved = Some("redriven");
        let looks = letter.sent && !blind;
        let job = Job {
            run_at,
            exclusive: letter.exclusive,
            sent: looks.then_some(0),
            saved: letter.saved,
            ..Job::new(letter.account, letter.post)
        };
        if job.exclusive && looks {
            self.accounts.get_mut(&job.account).unwrap().marked = Some(id);
        }
        self.shows(job.post, "queued");
        self.owners.insert(id, job.account);
        self.jobs.insert(id, job);
    }

    pub(crate) fn keep_receipt(&mut self, job: Uuid, claim: i32, post: Uuid) -> bool {
        self.receipts.insert((job, claim, post));
        self.adopt(post)
    }
}
