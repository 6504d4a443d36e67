//! What callers and people do, once in the store and once in the maps.

use crate::model::memory::{Job, Post};
use crate::model::steps::Request;
use crate::model::{Twins, newest};
use crate::shop::batch;
use std::time::Duration;
use store::queue::{Accepted, NewPost, Redrive, Remembered};
use uuid::Uuid;

impl Twins {
    pub(super) async fn accept(&mut self, request: Request) {
        let now = self.shop.at_ms(self.memory.now);
        let due = self.memory.now + request.due_in;
        let mut posts = Vec::new();
        for position in 0..request.posts {
            let account = self.accounts[(request.account + position) % 3];
            posts.push(NewPost {
                position: i16::try_from(position).unwrap(),
                scheduled_at: (request.due_in > 0).then(|| self.shop.at_ms(due)),
                priority: request.priority,
                may_wait: request.may_wait,
                give_up_after: Duration::from_secs(request.give_up_secs),
                exclusive: self.memory.accounts[&account.uuid()].exclusive,
                ..self.shop.draft(account)
            });
        }
        let batch = batch();
        let key = request.key.map(|(name, body)| Remembered {
            key: name.to_string(),
            fingerprint: [body; 32],
        });
        let (store, org) = (&self.shop.store, self.shop.org);
        let told = store
            .accept(org, &batch, &posts, key.as_ref(), Some(now))
            .await;
        let known = request.key.and_then(|(name, body)| {
            let (first, batch) = self.keys.get(&name)?;
            Some(if *first == body {
                Accepted::Known(*batch)
            } else {
                Accepted::KeyReused
            })
        });
        assert_eq!(
            told.unwrap(),
            known.clone().unwrap_or(Accepted::New { at: now })
        );
        if known.is_some() {
            return;
        }
        if let Some((name, body)) = request.key {
            self.keys.insert(name, (body, batch.id));
        }
        for post in posts {
            self.expect(&post, due);
        }
    }

    /// The maps' side of an accepted post.
    fn expect(&mut self, post: &NewPost, due: i64) {
        let (id, account) = (post.job.uuid(), post.account.uuid());
        let troubled = self.memory.accounts[&account].needs_reauth && !post.may_wait;
        let give_up = due + i64::try_from(post.give_up_after.as_millis()).unwrap();
        let job = Job {
            priority: post.priority,
            run_at: Some(due),
            give_up: if troubled {
                self.memory.now - 120_000
            } else {
                give_up
            },
            may_wait: post.may_wait,
            exclusive: post.exclusive,
            ..Job::new(account, post.id.uuid())
        };
        self.memory.jobs.insert(id, job);
        self.memory.owners.insert(id, account);
        let shown = Post {
            status: "queued",
            text: post.text.clone(),
            at: post.scheduled_at.map(|_| due),
        };
        self.memory.posts.insert(post.id.uuid(), shown);
        self.posts.push(post.id.uuid());
    }

    pub(super) async fn redrive(&mut self, which: usize, blind: bool) {
        let letters: Vec<Uuid> = self.memory.letters.keys().copied().collect();
        let Some(n) = newest(&letters, which) else {
            return;
        };
        let ask = Redrive {
            org: self.shop.org,
            letter: letters[n].into(),
            by: "bob".to_owned(),
            blind,
            give_up_after: Duration::from_hours(10_000),
            scheduled_at: None,
        };
        let post = self.shop.store.redrive(&ask).await.unwrap();
        assert_eq!(
            post.is_some(),
            self.memory.may_redrive(letters[n], blind),
            "whether the letter was redriven"
        );
        if let Some(post) = post.map(|queued| queued.post) {
            let job = self
                .shop
                .database
                .ask(&format!("select id from jobs where subject = '{post}'"))
                .await;
            self.memory
                .redriven(letters[n], blind, job.unwrap().parse().unwrap());
        }
    }

    /// A person pauses a bucket, or ends that pause; an account that needs its owner stays closed.
    pub(super) async fn pause(&mut self, which: usize, pauses: bool) {
        let id = self.accounts[which];
        let account = self.memory.accounts.get_mut(&id.uuid()).unwrap();
        if account.paused_by.is_some() == pauses || (!pauses && account.paused_by != Some("bob")) {
            return;
        }
        let trouble = account.needs_reauth.then_some("account_needs_reauth");
        account.paused_by = if pauses { Some("bob") } else { trouble };
        let by = account.paused_by;
        let row = by.map_or_else(
            || "paused = false, paused_by = null, ready_at = '-infinity'".to_owned(),
            |by| format!("paused = true, paused_by = '{by}', ready_at = 'infinity'"),
        );
        self.shop
            .database
            .execute(&format!("update buckets set {row} where id = '{id}'"))
            .await;
    }
}
