//! A file and its row come together, whoever leaves in between.

use crate::shop::Shop;
use crate::state::until;
use engine::{Library, LibraryLimits};
use std::path::{Path, PathBuf};
use std::time::Duration;
use store::{PoolSizes, Store};
use tokio::task::JoinSet;
use tokio::time::timeout;

const PICTURE: &[u8] = include_bytes!("../../../src/demo/postcard.png");

/// A library of this test's own, and where it lies.
fn library() -> (Library, PathBuf) {
    let name = format!("postrider-test-{}", uuid::Uuid::now_v7().simple());
    let dir = std::env::temp_dir().join(name);
    let library = Library::open(&dir, LibraryLimits::default()).unwrap();
    (library, dir)
}

fn files(dir: &Path) -> usize {
    let entries = std::fs::read_dir(dir);
    entries.map_or(0, Iterator::count)
}

/// Uploads a picture, and leaves when the file is in its place and its row is not written yet.
async fn leave_at_the_end(shop: &Shop, library: &Library, store: &Store, place: &Path) {
    let mut upload = library.begin(shop.org).await.unwrap();
    upload.write(PICTURE).await.unwrap();
    let (store, profile, before) = (store.clone(), shop.profile, files(place));
    let mut caller = JoinSet::new();
    caller.spawn(async move { upload.finish(&store, profile).await.map(drop) });
    until("the file in its place", async || {
        (files(place) > before).then_some(())
    })
    .await;
    caller.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_whose_caller_leaves_at_its_end_leaves_both_or_neither() {
    let shop = Shop::open().await;
    let (library, dir) = library();
    let place = dir.join(shop.org.to_string());
    let sizes = PoolSizes {
        ordinary: 1,
        reserved: 1,
        acquire_timeout: Duration::from_secs(2),
    };
    let store = Store::connect_lazily(&shop.database.url, sizes).unwrap();
    let held = shop
        .database
        .hold("lock table media in exclusive mode")
        .await;
    // The first one has the only connection and waits for the lock, the second one gets none in time.
    leave_at_the_end(&shop, &library, &store, &place).await;
    until("a row that waits for the lock", async || {
        let waits = "select count(*) from pg_stat_activity where datname = current_database()
                        and wait_event_type = 'Lock' and query like '-- insert_media:%'";
        (shop.database.count(waits).await == 1).then_some(())
    })
    .await;
    leave_at_the_end(&shop, &library, &store, &place).await;
    until("the end of the second", async || {
        (files(&place) == 1).then_some(())
    })
    .await;
    held.release().await;
    timeout(Duration::from_secs(30), library.close())
        .await
        .unwrap();
    let rows = shop.database.count("select count(*) from media").await;
    assert_eq!((files(&place), rows), (1, 1));
    assert_eq!(files(&dir.join("incoming")), 0);
    std::fs::remove_dir_all(dir).unwrap();
    store.close().await;
    shop.close().await;
}
