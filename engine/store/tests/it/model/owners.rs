//! What owners do to posts that have not begun and to accounts, once in the store and once in the maps.

use crate::disconnect;
use crate::model::memory::{Account, Letter, Memory};
use crate::model::steps::Change;
use crate::model::{Twins, newest};
use crate::shop::QUEUE;
use chrono::TimeDelta;
use publisher::id::AccountId;
use store::queue::PostChange;
use store::{Disconnect, Ended};
use uuid::Uuid;

impl Memory {
    /// Edits a post exactly as told, or says that it has begun, that its time has come, or that it is another than was judged.
    fn edit(&mut self, post: Uuid, at: Option<i64>, text: Option<&str>, judged: bool) -> bool {
        let Some(id) = self.job_of(post) else {
            return false;
        };
        let job = self.jobs.get_mut(&id).unwrap();
        let shown = self.posts.get_mut(&post).unwrap();
        let begun = job.state == "running" || job.saved || job.sent.is_some();
        let Some(was_at) = shown.at.filter(|was_at| *was_at > self.now) else {
            return false;
        };
        if begun || !judged {
            return false;
        }
        if let Some(at) = at {
            shown.at = Some(at);
            job.give_up += at - was_at;
            job.run_at = job.run_at.map(|_| at);
        }
        if let Some(text) = text {
            text.clone_into(&mut shown.text);
        }
        true
    }

    /// Ends everything of an account; what is marked and not proved public is left in doubt, by job.
    fn disconnect(&mut self, id: Uuid) -> (Ended, Vec<(Uuid, Letter)>) {
        let (mut ended, mut doubts) = (Ended::default(), Vec::new());
        let jobs: Vec<Uuid> = self.jobs.keys().copied().collect();
        for key in jobs {
            if self.jobs[&key].account != id {
                continue;
            }
            let job = self.jobs.remove(&key).unwrap();
            let public = self.receipts.iter().any(|(.., post)| *post == job.post);
            let (status, written) = if public {
                ended.published += 1;
                ("published", ("complete", "published"))
            } else if job.sent.is_some() {
                ended.unresolved += 1;
                let letter = Letter {
                    account: id,
                    post: job.post,
                    class: "ambiguous",
                    exclusive: job.exclusive,
                    saved: false,
                    sent: true,
                    resolved: None,
                };
                doubts.push((key, letter));
                ("failed", ("dead_letter", "unknown"))
            } else {
                ended.canceled += 1;
                ("canceled", ("cancel", "canceled"))
            };
            self.shows(job.post, status);
            if job.state == "running" {
                self.attempts.insert((key, job.claim), written);
            }
        }
        let owners = &self.owners;
        self.charges
            .retain(|(job, ..), _| owners.get(job) != Some(&id));
        self.accounts.remove(&id);
        (ended, doubts)
    }
}

impl Twins {
    pub(super) async fn edit(&mut self, which: usize, change: Change) {
        let Some(n) = newest(&self.posts, which) else {
            return;
        };
        let (post, now) = (self.posts[n], self.memory.now);
        let org = self.shop.org;
        let found = self.shop.store.get_post(org, post.into(), None).await;
        let mut judged = found.unwrap().unwrap().updated_at;
        if change.stale {
            judged -= TimeDelta::microseconds(1);
        }
        let at = change.due_in.map(|due_in| now + due_in);
        let text = change.text.then(|| format!("edited at {now}"));
        let told = PostChange {
            scheduled_at: at.map(|at| self.shop.at_ms(at)),
            text: text.clone(),
            ..PostChange::default()
        };
        let edited = self
            .shop
            .store
            .edit_post(org, post.into(), judged, &told, Some(self.shop.at_ms(now)))
            .await;
        assert_eq!(
            edited.unwrap(),
            self.memory.edit(post, at, text.as_deref(), !change.stale),
            "whether the post was edited"
        );
    }

    pub(super) async fn reconnect(&mut self, which: usize) {
        let (id, name) = (self.accounts[which], &self.names[which]);
        assert!(self.shop.connect_as(id, true, QUEUE, name).await);
        self.memory.reconnect(id.uuid());
    }

    /// The account goes, and the same one of the platform comes again: it is another to us.
    pub(super) async fn disconnect(&mut self, which: usize) {
        let (old, name) = (self.accounts[which], &self.names[which]);
        let now = Some(self.shop.at_ms(self.memory.now));
        let words = disconnect::words();
        let org = self.shop.org;
        let done = self
            .shop
            .store
            .disconnect_account(org, old, None, &words, now);
        let exclusive = self.memory.accounts[&old.uuid()].exclusive;
        let (ended, doubts) = self.memory.disconnect(old.uuid());
        assert_eq!(done.await.unwrap(), Disconnect::Done(ended));
        for (job, letter) in doubts {
            let question = format!("select id from dead_letters where job = '{job}'");
            let id = self.shop.database.ask(&question).await;
            self.memory
                .letters
                .insert(id.unwrap().parse().unwrap(), letter);
        }
        let again = self
            .shop
            .store
            .disconnect_account(org, old, None, &words, now)
            .await;
        assert_eq!(again.unwrap(), Disconnect::Gone);
        let new = AccountId::new();
        assert!(!self.shop.connect_as(old, true, QUEUE, name).await);
        assert!(self.shop.connect_as(new, false, QUEUE, name).await);
        let account = Account {
            exclusive,
            generation: 1,
            ..Account::default()
        };
        self.memory.accounts.insert(new.uuid(), account);
        self.accounts[which] = new;
    }
}
