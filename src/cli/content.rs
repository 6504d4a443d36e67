//! What a post is to become: its new text and media, as words of the command line.

use super::values::{media, post_text};
use clap::Args;
use std::path::PathBuf;

/// A file of the library, and a text for those who cannot see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MediaChoice {
    /// Its id.
    pub(crate) id: String,
    /// None keeps the text that the post has for it, if any.
    pub(crate) alt_text: Option<String>,
}

/// At least one of the two is named; what is not stays.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct ContentChange {
    /// Its new text
    #[arg(long, value_name = "TEXT", conflicts_with = "text_file", value_parser = post_text)]
    pub(crate) text: Option<String>,
    /// A file with its new text, in UTF-8; one line break at its end is not part of it; - is stdin
    #[arg(long, value_name = "FILE")]
    pub(crate) text_file: Option<PathBuf>,
    /// A file of the library, in place of all that are attached now; once for each, in their order
    ///
    /// ALT is the text for those who cannot see it; without it the post's own for that file stays. POST /v1/media puts
    /// files into the library.
    #[arg(long, value_name = "MEDIA_ID[=ALT]", conflicts_with = "no_media", value_parser = media)]
    pub(crate) media: Vec<MediaChoice>,
    /// Leave it without media
    #[arg(long)]
    pub(crate) no_media: bool,
}
