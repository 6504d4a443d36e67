//! The card of a link: what the caller said of it, and what the page says of itself for the rest.
//!
//! The post's text matters more than its card. Whatever goes wrong with the page becomes a warning, and the card shows what
//! is known. Every hop of a redirect goes through the guard like a first request, and what a refusal found out about an
//! address is not told: the caller could use us to look around.

mod page;

use crate::{
    embed::THUMB,
    options::Link,
    publish::{Bluesky, Task},
};
use page::Page;
use publisher::{
    Answer, Class, Deadline, Failure, Warning,
    http::{CallError, CallErrorKind},
    image,
};
use serde_json::{Value, json};
use std::time::Duration;
use url::Url;

/// Redirects that are followed.
const HOPS_MAX: usize = 5;

/// Time for a page, and again for its picture.
const FETCH_TIME: Duration = Duration::from_secs(10);

/// Bytes of a page that are read.
const PAGE_BYTES_MAX: usize = 4 << 20;

/// Bytes of a page's picture before it is made to fit.
const PICTURE_BYTES_MAX: usize = 10_000_000;

impl Bluesky {
    /// The card's embed. Errors: only what concerns the account or a file of the library; never the page.
    pub(crate) async fn card(
        &self,
        task: &Task<'_>,
        link: &Link,
        warnings: &mut Vec<Warning>,
    ) -> Result<Value, Failure> {
        let said = link.title.is_some() && link.description.is_some() && link.thumb.is_some();
        let page = if said {
            Page::default()
        } else {
            self.page(task, &link.url).await.unwrap_or_else(|why| {
                warnings.push(incomplete(&format!("the page could not be read: {why}")));
                Page::default()
            })
        };
        let title = link.title.clone().or(page.title).unwrap_or_default();
        let description = link.description.clone().or(page.description);
        let mut external = json!({
            "uri": link.url.as_str(),
            "title": title,
            "description": description.unwrap_or_default(),
        });
        let thumb = match (&link.thumb, page.picture) {
            (Some(id), _) => Some(self.thumb(task, id).await?),
            (None, Some(url)) => self.thumb_of_page(task, &url, warnings).await?,
            (None, None) => None,
        };
        if let Some(thumb) = thumb {
            external["thumb"] = thumb;
        }
        Ok(json!({ "$type": "app.bsky.embed.external", "external": external }))
    }

    async fn page(&self, task: &Task<'_>, url: &Url) -> Result<Page, String> {
        let (url, answer) = self.fetch(task, url, "text/html", PAGE_BYTES_MAX).await?;
        let kind = answer.header("content-type").unwrap_or_default();
        if !["text/html", "application/xhtml+xml"]
            .iter()
            .any(|html| kind.starts_with(html))
        {
            return Err("it is no web page".to_owned());
        }
        Ok(Page::read(&answer.body, &url))
    }

    /// The picture that a page shows of itself; none, with a warning, if it cannot be had.
    async fn thumb_of_page(
        &self,
        task: &Task<'_>,
        url: &Url,
        warnings: &mut Vec<Warning>,
    ) -> Result<Option<Value>, Failure> {
        let fetched = self.fetch(task, url, "image/*", PICTURE_BYTES_MAX).await;
        let fitted = match fetched {
            Ok((_, answer)) => image::fit(answer.body, THUMB)
                .await
                .map_err(|why| why.to_string()),
            Err(why) => Err(why),
        };
        let uploaded = match fitted {
            Ok(fitted) => self.upload(task, fitted.mime, fitted.bytes).await,
            Err(why) => {
                warnings.push(incomplete(&format!("its picture could not be had: {why}")));
                return Ok(None);
            }
        };
        match uploaded {
            Err(failure) if failure.class == Class::Rejected => {
                warnings.push(incomplete(&format!(
                    "its picture was refused: {}",
                    failure.message
                )));
                Ok(None)
            }
            other => other.map(Some),
        }
    }

    /// A page or a picture at the end of its redirects, and where that was.
    async fn fetch(
        &self,
        task: &Task<'_>,
        url: &Url,
        accept: &str,
        bytes_max: usize,
    ) -> Result<(Url, Answer), String> {
        let deadline = Deadline::after(FETCH_TIME).earlier(task.step.deadline);
        let mut url = url.clone();
        for _ in 0..=HOPS_MAX {
            let call = self.http.get(&url).header("accept", accept);
            let call = call.answer_bytes_max(bytes_max).deadline(deadline);
            let answer = call
                .send()
                .await
                .map_err(|error| words(&error).to_owned())?;
            match answer.status {
                200 => return Ok((url, answer)),
                301 | 302 | 303 | 307 | 308 => {
                    let next = answer.header("location").and_then(|to| url.join(to).ok());
                    url = next.ok_or("it redirects to nowhere")?;
                }
                status => return Err(format!("it was answered with status {status}")),
            }
        }
        Err(format!("it redirects more than {HOPS_MAX} times"))
    }
}

/// What a caller may know about a fetch that failed.
fn words(error: &CallError) -> &'static str {
    match error.kind {
        CallErrorKind::Refused => "it leads to an address that is not public and https",
        CallErrorKind::Unreachable => "it could not be reached",
        CallErrorKind::TimedOut | CallErrorKind::PastNotAfter => "it did not answer in time",
        CallErrorKind::Broken => "the connection broke",
        CallErrorKind::AnswerTooLarge => "it is too large",
        CallErrorKind::Paced { .. } => "its host was asked too often",
    }
}

fn incomplete(why: &str) -> Warning {
    Warning {
        code: "bluesky.link.card_incomplete".to_owned(),
        message: format!("options.link: {why}; the card shows what is known"),
    }
}
