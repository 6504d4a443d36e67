//! What a settlement does to the maps, and how the maps are shown beside the database.

use crate::model::memory::{FAR_MS, Job, Letter, Memory};
use crate::shop::Shop;
use serde_json::{Map, Value, json};
use store::queue::Settlement;
use uuid::Uuid;

impl Memory {
    /// Writes one settlement; false when it had lost its fence and nobody had written the same before.
    pub(crate) fn settle(&mut self, s: &Settlement) -> bool {
        let (id, claim) = (s.job.uuid(), s.claim);
        let over = !s.expired_lease_only
            || self
                .jobs
                .get(&id)
                .is_some_and(|job| job.leased_until < self.now && job.sent == s.seen_sent_claim);
        if !self.is_current(id, claim) || !over {
            let known = self.attempts.get(&(id, claim));
            return known
                .is_some_and(|(kind, outcome)| *kind == s.kind && Some(*outcome) == s.outcome);
        }
        let mut job = self.jobs.remove(&id).unwrap();
        let newer = self.accounts[&job.account].generation;
        let troubled = s.account_status == Some("needs_reauth");
        let outdated = troubled && s.token_seen.is_some_and(|seen| newer > seen);
        let kind = if outdated && s.kind == "hold" {
            "snooze"
        } else {
            s.kind
        };
        let ends = matches!(kind, "complete" | "cancel" | "dead_letter");
        if let Some(outcome) = s.outcome {
            self.attempts.insert((id, claim), (kind, outcome));
        }
        self.charge(id, kind, s, job.sent.is_some());
        self.close(id, &job, s, ends);
        if let Some(status) = s.post_status {
            self.shows(job.post, status);
        }
        if let Some(letter) = s.letter {
            self.bury(letter.uuid(), &job, s);
        }
        let post = job.post;
        if !ends {
            self.keep(&mut job, kind, s);
            self.jobs.insert(id, job.clone());
        }
        if troubled && !outdated {
            self.trouble(id, &job);
        }
        if s.letter.is_some() {
            self.adopt(post);
        }
        true
    }

    /// A reservation stays while its send is unresolved or goes on; it is dated if something took effect or may have.
    fn charge(&mut self, id: Uuid, kind: &str, s: &Settlement, marked: bool) {
        let now = self.now;
        let unresolved = marked && !s.resolves_mark && s.letter.is_none();
        let public = kind == "complete" || s.letter_class == Some("ambiguous");
        if kind == "continue" || unresolved {
            return;
        }
        self.charges.retain(|(job, _, meter), at| {
            if *job != id || at.is_some() {
                return true;
            }
            *at = (public || (*meter == "calls" && marked)).then_some(now);
            at.is_some()
        });
    }

    fn close(&mut self, id: Uuid, job: &Job, s: &Settlement, ends: bool) {
        let account = self.accounts.get_mut(&job.account).unwrap();
        account.running -= 1;
        account.blocked = account.blocked.max(s.blocks_ms.map(|ms| self.now + ms));
        if account.marked == Some(id) && (ends || s.resolves_mark) {
            account.marked = None;
        }
    }

    fn bury(&mut self, id: Uuid, job: &Job, s: &Settlement) {
        let class = s.letter_class.unwrap();
        let letter = Letter {
            account: job.account,
            post: job.post,
            class,
            exclusive: job.exclusive,
            saved: job.saved,
            sent: class == "ambiguous" && job.sent.is_some(),
            resolved: None,
        };
        self.letters.insert(id, letter);
    }

    fn keep(&self, job: &mut Job, kind: &str, s: &Settlement) {
        job.state = if kind == "hold" { "held" } else { "queued" };
        job.hold = s.hold_reason.filter(|_| kind == "hold");
        job.run_at = match kind {
            "hold" => None,
            "release" if s.after_ms == 0 => job.run_at,
            _ => Some(self.now + s.after_ms),
        };
        job.failures += s.failures;
        job.looks = if s.resolves_mark {
            0
        } else {
            job.looks + s.looks
        };
        job.deaths = if kind == "release" {
            job.deaths + s.deaths
        } else {
            0
        };
        job.sent = job.sent.filter(|_| !s.resolves_mark);
        job.saved |= s.checkpoint.is_some();
        job.saved &= !s.drops_checkpoint;
    }

    /// The account needs its owner: it pauses, and whoever waits for an answer gets it.
    fn trouble(&mut self, reporter: Uuid, job: &Job) {
        let account = self.accounts.get_mut(&job.account).unwrap();
        account.needs_reauth = true;
        account.paused_by = account.paused_by.or(Some("account_needs_reauth"));
        for (id, other) in &mut self.jobs {
            let waits = other.account == job.account && other.state == "queued" && *id != reporter;
            if waits && !other.may_wait && other.sent.is_none() {
                other.give_up = self.now - 120_000;
            }
        }
    }

    /// A late receipt proves an open letter wrong, where nothing runs for the post any more.
    pub(super) fn adopt(&mut self, post: Uuid) -> bool {
        let known = self.receipts.iter().any(|(.., of)| *of == post);
        let mut letters = self.letters.values_mut();
        let open = letters.find(|letter| letter.post == post && letter.resolved.is_none());
        match open {
            Some(letter) if known => {
                letter.resolved = Some("confirmed_published");
                self.shows(post, "published");
                true
            }
            _ => false,
        }
    }

    /// The whole state, in the shape of [`stored`].
    pub(crate) fn view(&self) -> Value {
        let at = |at: i64| at.clamp(-1, FAR_MS);
        let jobs = self.jobs.iter().map(|(id, job)| {
            let row = json!([
                job.state,
                job.hold,
                job.post,
                job.claim,
                job.failures,
                job.looks,
                job.deaths,
                job.sent,
                job.saved,
                job.run_at.map(at),
                at(job.give_up)
            ]);
            (id.to_string(), row)
        });
        let buckets = self.accounts.iter().map(|(id, account)| {
            let status = if account.needs_reauth {
                "needs_reauth"
            } else {
                "active"
            };
            let row = json!([
                account.running,
                account.paused_by,
                account.blocked,
                account.marked,
                status,
                account.generation
            ]);
            (id.to_string(), row)
        });
        let charges = self.charges.iter();
        let charges =
            charges.map(|((job, claim, meter), at)| (format!("{job} {claim} {meter}"), json!(at)));
        let letters = self.letters.iter();
        let letters = letters.map(|(id, letter)| {
            (
                id.to_string(),
                json!([letter.class, letter.resolved, letter.sent]),
            )
        });
        let attempts = self.attempts.iter();
        let attempts = attempts.map(|((job, claim), row)| (format!("{job} {claim}"), json!(row)));
        let posts = self
            .posts
            .iter()
            .map(|(id, post)| (id.to_string(), json!([post.status, post.text, post.at])));
        let receipts = self.receipts.iter();
        let receipts = receipts.map(|(job, claim, post)| (format!("{job} {claim}"), json!(post)));
        json!({
            "attempts": attempts.collect::<Map<_, _>>(),
            "buckets": buckets.collect::<Map<_, _>>(),
            "charges": charges.collect::<Map<_, _>>(),
            "jobs": jobs.collect::<Map<_, _>>(),
            "letters": letters.collect::<Map<_, _>>(),
            "posts": posts.collect::<Map<_, _>>(),
            "receipts": receipts.collect::<Map<_, _>>(),
        })
    }
}

/// The whole state as the database has it; instants in milliseconds after the shop's first, none for never.
pub(crate) async fn stored(shop: &Shop) -> Value {
    let opened = shop.at(0).timestamp_millis();
    let ms = |column: &str| {
        format!(
            "case when isfinite({column}) then least({FAR_MS}, greatest(-1,
             (extract(epoch from {column}) * 1000)::numeric(20, 0) - {opened})) end"
        )
    };
    let map = |key: &str, row: &str, table: &str| {
        format!("(select coalesce(jsonb_object_agg({key}, {row}), '{{}}') from {table})")
    };
    let job_row = format!(
        "jsonb_build_array(state, hold_reason, subject, claim, failures, looks, deaths, sent_claim,
         checkpoint is not null, {}, {})",
        ms("run_at"),
        ms("give_up_at")
    );
    let post_row = format!("jsonb_build_array(status, text, {})", ms("scheduled_at"));
    let bucket_row = format!(
        "jsonb_build_array(running, case when paused then paused_by end, {}, marked_job, a.status, a.token_generation)",
        ms("blocked_until")
    );
    let question = format!(
        "select jsonb_build_object('jobs', {}, 'buckets', {}, 'charges', {}, 'letters', {}, 'attempts', {},
                                   'posts', {}, 'receipts', {})",
        map("id", &job_row, "jobs"),
        map("b.id", &bucket_row, "buckets b join accounts a on a.org = b.org and a.id = b.id"),
        map("job || ' ' || claim || ' ' || meter", &format!("to_jsonb({})", ms("at")), "charges"),
        map("id", "jsonb_build_array(class, resolved_how, sent_at is not null)", "dead_letters"),
        map("job || ' ' || claim", "jsonb_build_array(settlement, outcome)", "attempts"),
        map("id", &post_row, "posts"),
        map("job || ' ' || claim", "to_jsonb(post)", "receipts"),
    );
    let answer = shop.database.ask(&question).await.unwrap();
    serde_json::from_str(&answer).unwrap()
}
