//! What is embedded in a part: images or a card, and a quote; and the files that they need.

use crate::{
    failures,
    options::Link,
    part::Place,
    preflight::{IMAGE_BYTES_MAX, IMAGE_SOURCE_BYTES_MAX, SMALL_IMAGE_BYTES_MAX, THUMB_BYTES_MAX},
    publish::{Bluesky, Task, unreachable},
    record::{self, Frozen, blob_cid},
    video::{self, CAPTION_BYTES_MAX},
    wire::{Uploaded, Xrpc},
};
use bytes::Bytes;
use publisher::{
    Failure, Media, Warning,
    image::{self, Fitted, Unfit, Wanted},
};
use serde_json::{Value, json};

/// What the official client shows.
const TYPES: &[&str] = &["image/jpeg", "image/png", "image/webp", "image/gif"];

/// Pixels of an image's longer side: what the official client makes of it.
const IMAGE_SIDE_MAX: u32 = 4_000;

/// Pixels of a card's picture.
const THUMB_SIDE_MAX: u32 = 2_000;

/// What an image may be; `small` for a server whose lexicon is older than April 2026.
fn wanted(small: bool) -> Wanted {
    Wanted {
        bytes_max: if small {
            SMALL_IMAGE_BYTES_MAX
        } else {
            IMAGE_BYTES_MAX
        },
        side_max: IMAGE_SIDE_MAX,
        types: TYPES,
    }
}

/// What a card's picture may be.
pub(crate) const THUMB: Wanted = Wanted {
    bytes_max: THUMB_BYTES_MAX,
    side_max: THUMB_SIDE_MAX,
    types: TYPES,
};

impl Bluesky {
    /// The part's embed; what became of its files otherwise than sent is added to the warnings.
    pub(crate) async fn embed(
        &self,
        task: &Task<'_>,
        film: Option<&Value>,
        small: bool,
        warnings: &mut Vec<Warning>,
    ) -> Result<Option<Value>, Failure> {
        let is_first = task.part.place == Place::First;
        let quote = task.options.quote.as_ref().filter(|_| is_first);
        if let (Some(blob), Some(video)) = (film, task.part.film()) {
            let captions = self.captions(task, video).await?;
            let film = video::embed(video, blob, &captions);
            return Ok(record::embed(Some(film), quote));
        }
        let images = self.images(task, small, warnings).await?;
        let media = match &task.options.link {
            Some(link) if is_first && images.is_empty() => {
                Some(self.card(task, link, warnings).await?)
            }
            _ if images.is_empty() => None,
            _ => Some(json!({ "$type": "app.bsky.embed.images", "images": images })),
        };
        Ok(record::embed(media, quote))
    }

    /// The files of a video's captions, as blobs.
    async fn captions(&self, task: &Task<'_>, video: &Media) -> Result<Vec<Value>, Failure> {
        let mut blobs = Vec::with_capacity(video.captions.len());
        for caption in &video.captions {
            let id = &caption.media_id;
            let file = task.step.post.file_of_options(id).ok_or_else(|| {
                let message = format!("media {id} is no longer in the library");
                Failure::rejected("media.unknown", message).rule("media.unknown")
            })?;
            let bytes = task.step.media.read(file, CAPTION_BYTES_MAX).await?;
            blobs.push(self.upload(task, &file.mime, bytes).await?);
        }
        Ok(blobs)
    }

    async fn images(
        &self,
        task: &Task<'_>,
        small: bool,
        warnings: &mut Vec<Warning>,
    ) -> Result<Vec<Value>, Failure> {
        let mut images = Vec::with_capacity(task.part.media.len());
        for (n, media) in task.part.files()?.into_iter().enumerate() {
            let path = format!("{}media.{n}", task.part.place.path());
            let fitted = picture(task, media, wanted(small), &path).await?;
            if let Some(change) = fitted.change() {
                warnings.push(Warning {
                    code: "bluesky.media.image_fitted".to_owned(),
                    message: format!("{path}: the image was made to fit: {change}"),
                });
            }
            let size = (fitted.width, fitted.height);
            let blob = self.upload(task, fitted.mime, fitted.bytes).await?;
            images.push(record::image(media, &blob, Some(size)));
        }
        Ok(images)
    }

    /// The picture of a card from the library, as a blob.
    pub(crate) async fn thumb(&self, task: &Task<'_>, id: &str) -> Result<Value, Failure> {
        const PATH: &str = "options.link.thumbMediaId";
        let media = task.step.post.file_of_options(id).ok_or_else(|| {
            let message = format!("media {id} is no longer in the library");
            Failure::rejected("media.unknown", message).rule("media.unknown")
        })?;
        let fitted = picture(task, media, THUMB, PATH).await?;
        self.upload(task, fitted.mime, fitted.bytes).await
    }

    /// Uploads a file; the blob goes into a record verbatim.
    pub(crate) async fn upload(
        &self,
        task: &Task<'_>,
        mime: &str,
        bytes: Bytes,
    ) -> Result<Value, Failure> {
        let call = self
            .http
            .post(&Xrpc::UploadBlob.at(task.pds))
            .bearer(task.step.token)
            .bytes(mime, bytes);
        let answer = call
            .deadline(task.step.deadline)
            .send()
            .await
            .map_err(|e| unreachable(Xrpc::UploadBlob, &e))?;
        if !answer.is_success() {
            return Err(failures::failure(Xrpc::UploadBlob, &answer, task.step.now));
        }
        let Uploaded { blob } = answer
            .json()
            .map_err(|_| failures::unreadable(Xrpc::UploadBlob, &answer))?;
        if blob_cid(&blob).is_none() {
            return Err(failures::unreadable(Xrpc::UploadBlob, &answer));
        }
        Ok(blob)
    }

    /// A PDS throws away blobs that no record refers to. Before a request is repeated its files are uploaded again: the
    /// same bytes have the same content id, so the frozen record stays true. A video is too heavy for that, and goes its whole
    /// way again if it is found gone. A picture from the web may have changed since,
    /// and is trusted to be there still: a PDS keeps such blobs for an hour at least.
    pub(crate) async fn upload_again(
        &self,
        task: &Task<'_>,
        frozen: &Frozen,
    ) -> Result<(), Failure> {
        let mut found = Vec::new();
        let mut expected = frozen.image_cids();
        if !expected.is_empty() {
            for (n, media) in task.part.files()?.into_iter().enumerate() {
                let path = format!("{}media.{n}", task.part.place.path());
                let fitted = picture(task, media, wanted(frozen.small), &path).await?;
                found.push(self.upload(task, fitted.mime, fitted.bytes).await?);
            }
        }
        if let Some(video) = task.part.film() {
            expected.extend(frozen.caption_cids());
            found.extend(self.captions(task, video).await?);
        }
        let link: Option<&Link> = task.options.link.as_ref();
        if let Some(id) = link.and_then(|link| link.thumb.as_ref())
            && let Some(cid) = frozen.thumb_cid()
        {
            expected.push(cid);
            found.push(self.thumb(task, id).await?);
        }
        if found.iter().filter_map(blob_cid).eq(expected) {
            return Ok(());
        }
        Err(Failure::rejected(
            "bluesky.upload_blob.changed",
            "the PDS stores other bytes for the same files than it did before, so the frozen post cannot be repeated",
        )
        .remediation("Check on Bluesky that the post is not there, then send it again as a new post."))
    }
}

/// A file of the library as a picture that fits.
async fn picture(
    task: &Task<'_>,
    media: &Media,
    wanted: Wanted,
    path: &str,
) -> Result<Fitted, Failure> {
    let bytes = task.step.media.read(media, IMAGE_SOURCE_BYTES_MAX).await?;
    image::fit(bytes, wanted)
        .await
        .map_err(|unfit| refused(&unfit, path))
}

/// What it means that a picture cannot be made to fit.
fn refused(unfit: &Unfit, path: &str) -> Failure {
    let (fact, rule, remedy) = match unfit {
        Unfit::Unrecognised => (
            "mime",
            "bluesky.media.mime_allowed",
            "Use JPEG, PNG, WebP or GIF.",
        ),
        Unfit::TooManyPixels { .. } => (
            "pixels",
            "bluesky.media.image_pixels_max",
            "Make the image smaller; nobody sees more than 4,000 pixels of a side.",
        ),
        Unfit::Animated { .. } => (
            "animated",
            "bluesky.media.animated_size_max",
            "Make the animation smaller, or send it as a video; a still of it would be another picture.",
        ),
        Unfit::Unreadable(_) => (
            "unreadable",
            "bluesky.media.image_readable",
            "Open the file, save it again as JPEG or PNG, and upload that.",
        ),
        Unfit::Incompressible { .. } => (
            "size",
            "bluesky.media.image_size_max",
            "Make the image smaller.",
        ),
    };
    Failure::rejected(format!("bluesky.image.{fact}"), format!("{path}: {unfit}"))
        .rule(rule)
        .remediation(remedy)
}
