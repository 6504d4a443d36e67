//! Editing what ended unpublished: the post becomes what it should have been, and goes as a new generation.
//!
//! The same judgement as for any edit, and the same care: the change is written only over the very post that was judged.

use super::Client;
use super::edit::{Edit, JUDGED_MAX, SCHEDULE_AHEAD};
use crate::console::{Closed, REDRIVE_GIVE_UP};
use crate::error::{EditError, EditLetterError};
use publisher::id::OrgId;
use store::queue::{EditLetter, Requeued};
use store::{LetterRow, PostRow};
use uuid::Uuid;

/// Which dead letter's post is to be changed, how, and on whose word.
#[derive(Clone, Debug)]
pub struct EditLetterRequest {
    /// The letter's id, or its post's.
    pub letter: Uuid,
    /// Only within this organisation.
    pub org: Option<OrgId>,
    /// Who wants it.
    pub by: String,
    /// What its post becomes; without a time it goes at once.
    pub edit: Edit,
}

impl Client {
    /// Whether the post of a dead letter could be changed so, without doing it; returns the letter and its post as it is.
    ///
    /// Errors: as [`Client::edit_letter`].
    pub async fn check_edit_letter(
        &self,
        request: &EditLetterRequest,
    ) -> Result<(LetterRow, PostRow), EditLetterError> {
        let (letter, post) = self.editable(request).await?;
        self.judge_change(letter.org, &post, &request.edit).await?;
        Ok((letter, post))
    }

    /// Changes the post of an open dead letter and sends it as a new job of the next generation: all of it, or nothing.
    ///
    /// What its connector remembered belongs to the old content and is dropped.
    pub async fn edit_letter(
        &self,
        request: &EditLetterRequest,
    ) -> Result<Requeued, EditLetterError> {
        for _ in 0..JUDGED_MAX {
            let (letter, post) = self.editable(request).await?;
            let ask = EditLetter {
                org: letter.org,
                letter: letter.id,
                by: request.by.clone(),
                judged: post.updated_at,
                change: self.judge_change(letter.org, &post, &request.edit).await?,
                give_up_after: REDRIVE_GIVE_UP,
            };
            if let Some(requeued) = self.store.edit_letter(&ask, None).await? {
                return Ok(requeued);
            }
        }
        Err(EditError::Contended.into())
    }

    async fn editable(
        &self,
        request: &EditLetterRequest,
    ) -> Result<(LetterRow, PostRow), EditLetterError> {
        let letter = self.store.get_letter(request.letter, request.org).await?;
        let letter = letter.ok_or(EditLetterError::NotFound)?;
        if letter.kind != "publish" {
            return Err(EditLetterError::NotAPost { kind: letter.kind });
        }
        if let Some(closed) = Closed::of(&letter) {
            return Err(EditLetterError::NotOpen(closed));
        }
        if letter.sent_at.is_some() {
            return Err(EditLetterError::Unresolved);
        }
        if !letter.connected {
            return Err(EditLetterError::AccountMissing);
        }
        let (_, now) = self.store.ping().await?;
        if request
            .edit
            .scheduled_at
            .is_some_and(|at| at < now + SCHEDULE_AHEAD)
        {
            return Err(EditError::TooSoon.into());
        }
        let post = self.store.get_post(letter.org, letter.subject.into(), None);
        let post = post.await?.ok_or(EditLetterError::NotFound)?;
        Ok((letter, post))
    }
}
