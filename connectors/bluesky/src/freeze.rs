//! Freezing a part: resolve, upload, mint and build everything that must never change again.

use crate::{
    failures,
    options::StrongRef,
    part::Place,
    publish::{Bluesky, Task, is_did, unreachable},
    record::{self, Content, Frozen, Reply},
    send::says_not_found,
    text::{self, Span, What},
    tid,
    video::Filmed,
    wire::{Resolved, Stored, Xrpc, XrpcError},
};
use publisher::{Failure, Receipt, Role, Warning};
use serde::Deserialize as _;
use std::collections::BTreeMap;

impl Bluesky {
    /// The part as it goes out: what was frozen before, or built now.
    pub(crate) async fn frozen(
        &self,
        task: &Task<'_>,
        known: Option<Frozen>,
        film: Option<Filmed>,
    ) -> Result<Frozen, Failure> {
        match known {
            known if film.is_some() => self.freeze(task, known.as_ref(), None, film).await,
            Some(frozen) if frozen.part == task.number && !frozen.too_large => {
                self.upload_again(task, &frozen).await?;
                Ok(frozen)
            }
            // The key stays: a put of the refused record that comes late meets another record and changes nothing.
            Some(refused) if refused.part == task.number => {
                self.freeze(task, None, Some(refused.rkey), None).await
            }
            before => self.freeze(task, before.as_ref(), None, None).await,
        }
    }

    /// Builds the part; `before` is the part before it. Under a key that was minted for it before, it gets smaller images.
    async fn freeze(
        &self,
        task: &Task<'_>,
        before: Option<&Frozen>,
        rkey: Option<String>,
        film: Option<Filmed>,
    ) -> Result<Frozen, Failure> {
        let reply = self.reply(task, before).await?;
        let spans = text::detect(text::without_mark(task.part.text));
        let (dids, mut warnings) = self.resolve_all(task, &spans).await?;
        let small = rkey.is_some();
        let (blob, uploads, again) = match film {
            Some(film) => (Some(film.blob), film.uploads, film.again),
            None => (None, 0, None),
        };
        let embed = self
            .embed(task, blob.as_ref(), small, &mut warnings)
            .await?;
        let step = &task.step;
        let created_at = again.as_ref().map_or(step.now, |again| again.created_at);
        let record = record::build(&Content {
            text: task.part.text,
            spans: &spans,
            dids: &dids,
            embed,
            reply,
            options: task.options,
            created_at,
        });
        let rkey = rkey
            .or(again.map(|again| again.rkey))
            .unwrap_or_else(|| tid::mint(step.sequence, step.account.id.uuid()));
        let uri = record::post_uri(task.did(), &rkey);
        let rules = task.options.reply_gate.as_deref();
        let thread_gate = rules
            .filter(|_| task.part.has_thread_gate)
            .map(|rules| record::thread_gate(&uri, rules, created_at));
        let post_gate = task
            .part
            .has_post_gate
            .then(|| record::post_gate(&uri, created_at));
        Ok(Frozen {
            part: task.number,
            rkey,
            record,
            gates: thread_gate.into_iter().chain(post_gate).collect(),
            warnings,
            too_large: false,
            small,
            uploads,
        })
    }

    /// Where the part stands in a thread; none if it is the top of one.
    async fn reply(
        &self,
        task: &Task<'_>,
        before: Option<&Frozen>,
    ) -> Result<Option<Reply>, Failure> {
        let asked = task.options.reply.as_ref();
        let Some(receipt) = task.step.receipt else {
            return match asked {
                Some(reply) => Ok(Some(self.under(task, reply).await?)),
                None => Ok(None),
            };
        };
        let first = self
            .seen(task, receipt.uri.as_deref(), receipt.cid.as_deref())
            .await?;
        let root = match (before.and_then(Frozen::root), asked) {
            (Some(root), _) => root,
            (None, Some(reply)) => self.under(task, reply).await?.root,
            (None, None) => first.clone(),
        };
        let parent = match (task.part.place, last_of_thread(receipt)) {
            (Place::Thread(_), Some(part)) => {
                self.seen(task, Some(&part.uri), part.cid.as_deref())
                    .await?
            }
            _ => first,
        };
        Ok(Some(Reply { root, parent }))
    }

    /// A post of ours with its content id, which is read if the receipt lacks it.
    async fn seen(
        &self,
        task: &Task<'_>,
        uri: Option<&str>,
        cid: Option<&str>,
    ) -> Result<StrongRef, Failure> {
        let lost = || {
            Failure::transient(
                "bluesky.part.unreadable",
                "the post above cannot be read back, so nothing can be placed under it",
            )
        };
        let uri = uri.ok_or_else(lost)?.to_owned();
        let cid = cid.map(str::to_owned);
        let mut seen = StrongRef {
            uri,
            cid: cid.unwrap_or_default(),
        };
        if seen.cid.is_empty() {
            let stored = self.record(task, &seen).await?;
            seen.cid = stored.and_then(|stored| stored.cid).ok_or_else(lost)?;
        }
        Ok(seen)
    }

    /// The place under somebody's post: its thread's top is read from it, unless the caller said it.
    async fn under(
        &self,
        task: &Task<'_>,
        reply: &crate::options::ReplyTo,
    ) -> Result<Reply, Failure> {
        let parent = reply.parent.clone();
        let Some(stored) = self.record(task, &parent).await? else {
            return Err(Failure::rejected(
                "bluesky.reply.parent_gone",
                format!("the post {} that is replied to does not exist (any more)", parent.uri),
            )
            .rule("bluesky.reply.parent_gone")
            .remediation("Check on Bluesky that it is still there; send this post without replyToUri and replyToCid, or under another one."));
        };
        let above = StrongRef::deserialize(&stored.value["reply"]["root"]).ok();
        let root = reply
            .root
            .clone()
            .or(above)
            .unwrap_or_else(|| parent.clone());
        Ok(Reply { root, parent })
    }

    /// A record of anybody, asked of the account's own PDS, which asks further for what is not its own. None if it is gone.
    async fn record(&self, task: &Task<'_>, of: &StrongRef) -> Result<Option<Stored>, Failure> {
        let Some((repo, collection, rkey)) = of.place() else {
            return Ok(None);
        };
        let call = self.http.get(&Xrpc::GetRecord.at(task.pds)).query(&[
            ("repo", repo),
            ("collection", collection),
            ("rkey", rkey),
        ]);
        let answer = call
            .deadline(task.step.deadline)
            .send()
            .await
            .map_err(|e| unreachable(Xrpc::GetRecord, &e))?;
        if answer.is_success() {
            let stored = answer.json();
            return stored
                .map(Some)
                .map_err(|_| failures::unreadable(Xrpc::GetRecord, &answer));
        }
        // Of a repository of others, all of this says the same: nobody can reply to it.
        let gone = XrpcError::read(&answer).is_some_and(|error| {
            let known = [
                "NotFound",
                "Takendown",
                "TakenDown",
                "Takedown",
                "Suspended",
                "Deactivated",
            ];
            known.iter().any(|end| error.error.ends_with(end))
                || error.message.starts_with("Could not find repo")
                // Said of a repository that lies elsewhere by a server that asks nobody further.
                || error.message.starts_with("Could not locate record")
        });
        if says_not_found(&answer) || (matches!(answer.status, 400 | 404) && gone) {
            return Ok(None);
        }
        Err(failures::failure(Xrpc::GetRecord, &answer, task.step.now))
    }

    /// The DIDs of all mentions; a handle that nobody has becomes a warning.
    async fn resolve_all(
        &self,
        task: &Task<'_>,
        spans: &[Span],
    ) -> Result<(BTreeMap<String, String>, Vec<Warning>), Failure> {
        let mut found: BTreeMap<String, Option<String>> = BTreeMap::new();
        let mut warnings = Vec::new();
        for span in spans {
            let What::Mention(handle) = &span.what else {
                continue;
            };
            if found.contains_key(handle) {
                continue;
            }
            let did = self.resolve(task, handle).await?;
            if did.is_none() {
                warnings.push(Warning {
                    code: "bluesky.mention.unresolved".to_owned(),
                    message: format!(
                        "@{handle} is no account that the PDS can find; it stays plain text"
                    ),
                });
            }
            found.insert(handle.clone(), did);
        }
        let dids = found
            .into_iter()
            .filter_map(|(handle, did)| Some((handle, did?)))
            .collect();
        Ok((dids, warnings))
    }

    /// The DID of a handle; none if the PDS says that there is none.
    async fn resolve(&self, task: &Task<'_>, handle: &str) -> Result<Option<String>, Failure> {
        let call = self
            .http
            .get(&Xrpc::ResolveHandle.at(task.pds))
            .query(&[("handle", handle)]);
        let answer = call
            .deadline(task.step.deadline)
            .send()
            .await
            .map_err(|e| unreachable(Xrpc::ResolveHandle, &e))?;
        match answer.status {
            200 => {
                let Resolved { did } = answer
                    .json()
                    .map_err(|_| failures::unreadable(Xrpc::ResolveHandle, &answer))?;
                Ok(is_did(&did).then_some(did))
            }
            400 | 404 if XrpcError::read(&answer).is_some() => Ok(None),
            _ => Err(failures::failure(
                Xrpc::ResolveHandle,
                &answer,
                task.step.now,
            )),
        }
    }
}

/// The thread's last post that is public.
fn last_of_thread(receipt: &Receipt) -> Option<&publisher::Part> {
    receipt.parts.iter().rfind(|part| part.role == Role::Thread)
}
