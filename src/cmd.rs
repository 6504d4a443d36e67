//! One file per verb.

pub(crate) mod accounts;
pub(crate) mod buckets;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod content;
pub(crate) mod dead_letters;
pub(crate) mod doctor;
pub(crate) mod fake;
pub(crate) mod keys;
pub(crate) mod migrate;
pub(crate) mod paging;
pub(crate) mod posts;
pub(crate) mod serve;
pub(crate) mod tenant;
pub(crate) mod timeline;
pub(crate) mod vault;
pub(crate) mod workers;
