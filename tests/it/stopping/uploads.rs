//! An upload is in the middle when its API is told to end: it finishes, or it leaves nothing.

use super::{Fleet, PATIENCE, Process, Signal, Wire, head, last_answer, refuses};
use crate::{caller::Caller, fleet::PICTURE, process::LOOK_EVERY};
use std::path::Path;
use tokio::time::{sleep, timeout};

/// An upload of which one half has arrived.
struct Upload {
    fleet: Fleet,
    api: Process,
    address: String,
    wire: Wire,
    rest: Vec<u8>,
}

impl Upload {
    async fn in_the_middle(drain_ms: &str) -> Self {
        let fleet = Fleet::open().await;
        let more = [("POSTRIDER_DRAIN_MS", drain_ms)];
        let (api, address) = fleet.listening("api", &more).await;
        let key = fleet.api_key().await;
        Caller::of(&address, &key).is_ready().await;
        let mut body =
            b"--edge\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\n"
                .to_vec();
        body.extend_from_slice(PICTURE);
        body.extend_from_slice(b"\r\n--edge--\r\n");
        let rest = body.split_off(body.len() / 2);
        let mut wire = Wire::open(&address).await;
        let (line, form) = ("POST /v1/media", "multipart/form-data; boundary=edge");
        wire.send(head(line, &key, form, body.len() + rest.len()))
            .await;
        wire.send(body).await;
        let begun = async {
            while sizes(&fleet.data_dir().join("incoming"))
                .iter()
                .sum::<u64>()
                == 0
            {
                sleep(LOOK_EVERY).await;
            }
        };
        assert!(timeout(PATIENCE, begun).await.is_ok(), "nothing arrived");
        Self {
            fleet,
            api,
            address,
            wire,
            rest,
        }
    }

    /// Ends at once, by whatever signals or deadline; nothing of the upload may be left.
    async fn leaves_nothing(self) {
        assert_eq!(self.wire.rest().await, "", "an answer to half a request");
        self.api.ends_in_order().await;
        assert_eq!(kept(&self.fleet).await, (0, vec![]));
        self.fleet.close().await;
    }
}

/// Sizes of the files under a folder.
fn sizes(folder: &Path) -> Vec<u64> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match std::fs::metadata(&path) {
            Ok(known) if known.is_dir() => found.extend(sizes(&path)),
            Ok(known) => found.push(known.len()),
            // It was moved to its place, or given up, at this moment.
            Err(_) => {}
        }
    }
    found
}

/// Rows of the library, and sizes of its files.
async fn kept(fleet: &Fleet) -> (i64, Vec<u64>) {
    let rows = fleet.database.count("select count(*) from media").await;
    (rows, sizes(&fleet.data_dir()))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_in_the_middle_of_a_drain_is_finished() {
    let mut upload = Upload::in_the_middle("60000").await;
    upload.api.signal(Signal::TERM);
    refuses(&upload.address).await;
    upload.wire.send(&upload.rest).await;
    let (status, body) = last_answer(&upload.wire.rest().await);
    assert_eq!(status, 201, "{body}");
    upload.api.ends_in_order().await;
    let size = PICTURE.len() as u64;
    assert_eq!(kept(&upload.fleet).await, (1, vec![size]));
    assert_eq!(body["sizeBytes"], size);
    upload.fleet.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_a_second_signal_cuts_leaves_no_file_and_no_row() {
    let upload = Upload::in_the_middle("600000").await;
    upload.api.signal(Signal::TERM);
    refuses(&upload.address).await;
    upload.api.signal(Signal::TERM);
    upload.leaves_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_the_drains_deadline_cuts_leaves_no_file_and_no_row() {
    let upload = Upload::in_the_middle("300").await;
    upload.api.signal(Signal::TERM);
    upload.leaves_nothing().await;
}
