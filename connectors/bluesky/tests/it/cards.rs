//! Cards whose pages are really fetched: from a small server on loopback that the operator allows.

use crate::kit::{Marks, World, noise, receipt, text};
use publisher::{Post, Receipt};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
};

/// Serves the same few pages until the test ends.
struct Site {
    addr: SocketAddr,
    /// Ends with it.
    _served: JoinSet<()>,
}

impl Site {
    /// `private` is an address that nobody allowed.
    async fn open(private: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut served = JoinSet::new();
        served.spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 8_192];
                let read = stream.read(&mut request).await.unwrap();
                let path = String::from_utf8_lossy(&request[..read]);
                let path = path.split(' ').nth(1).unwrap_or_default().to_owned();
                // Who reads no further has hung up already.
                stream.write_all(&page(&path, private)).await.ok();
            }
        });
        Self {
            addr,
            _served: served,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }
}

fn page(path: &str, private: SocketAddr) -> Vec<u8> {
    let redirect = |to: &str| ("302 Found", "text/plain", to.to_owned(), Vec::new());
    let html = |body: &str| {
        (
            "200 OK",
            "text/html; charset=utf-8",
            String::new(),
            body.into(),
        )
    };
    let (status, kind, location, body): (&str, &str, String, Vec<u8>) = match path {
        "/whole" => html(
            "<title>tab</title><meta property='og:title' content='A page'>\
             <meta property='og:description' content='About it'><meta property='og:image' content='/i.png'>",
        ),
        "/i.png" => ("200 OK", "image/png", String::new(), noise("site", 30, 30)),
        "/no-picture" => {
            html("<title>no picture</title><meta property='og:image' content='/whole'>")
        }
        "/moved" => redirect("/moved-again"),
        "/moved-again" => redirect("/whole"),
        "/round" => redirect("/round"),
        "/inside" => redirect(&format!("http://{private}/secret")),
        "/large" => html(&"x".repeat(5 << 20)),
        _ => (
            "404 Not Found",
            "text/html",
            String::new(),
            b"gone".to_vec(),
        ),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nlocation: {location}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body].concat()
}

async fn card(world: &World, link: Value) -> (Value, Receipt) {
    let post = Post {
        options: json!({ "link": link }),
        ..text("a link")
    };
    assert!(world.connector.publisher.preflight(&post).passes());
    let done = world.turn(&post, &Marks::default()).publish().await;
    let (_, record) = world.posts().pop().unwrap();
    (record["embed"]["external"].clone(), receipt(done.unwrap()))
}

/// A site, a world that may reach it, and an address that it may not.
async fn open() -> (Site, World, TcpListener) {
    let private = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let site = Site::open(private.local_addr().unwrap()).await;
    let world = World::open_allowing(&[site.addr]).await;
    (site, world, private)
}

#[tokio::test]
async fn a_card_is_made_of_what_its_page_says() {
    let (site, world, _private) = open().await;
    for path in ["/whole", "/moved"] {
        let url = site.url(path);
        let (external, done) = card(&world, json!({ "url": url })).await;
        assert_eq!(external["uri"], json!(url), "the link stays the caller's");
        assert_eq!(
            (&external["title"], &external["description"]),
            (&json!("A page"), &json!("About it"))
        );
        assert_eq!(external["thumb"]["mimeType"], "image/png");
        assert!(done.warnings.is_empty(), "{:?}", done.warnings);
    }
}

#[tokio::test]
async fn what_the_caller_says_of_a_link_stands() {
    let (site, world, _private) = open().await;
    let link = json!({ "url": site.url("/whole"), "title": "Mine" });
    let (external, _) = card(&world, link).await;
    assert_eq!(
        (&external["title"], &external["description"]),
        (&json!("Mine"), &json!("About it"))
    );
}

#[tokio::test]
async fn a_page_that_cannot_be_read_costs_the_card_and_never_the_post() {
    let (site, world, private) = open().await;
    for (path, why) in [
        ("/inside", "not public"),
        ("/round", "redirects more than 5 times"),
        ("/gone", "status 404"),
        ("/large", "too large"),
        ("/i.png", "no web page"),
    ] {
        let link = json!({ "url": site.url(path), "title": "Known" });
        let (external, done) = card(&world, link).await;
        assert_eq!(
            (&external["title"], &external["description"]),
            (&json!("Known"), &json!(""))
        );
        assert!(external.get("thumb").is_none());
        let warning = &done.warnings[0];
        assert_eq!(warning.code, "bluesky.link.card_incomplete");
        assert!(warning.message.contains(why), "{path}: {}", warning.message);
        assert!(
            !warning.message.contains("127.0.0.1"),
            "{}",
            warning.message
        );
    }
    // Nobody knocked at the address that a redirect led to.
    let knock = tokio::time::timeout(std::time::Duration::ZERO, private.accept()).await;
    assert!(knock.is_err());
}

#[tokio::test]
async fn a_picture_that_is_none_leaves_the_card_without() {
    let (site, world, _private) = open().await;
    let (external, done) = card(&world, json!({ "url": site.url("/no-picture") })).await;
    assert_eq!(external["title"], "no picture");
    assert!(external.get("thumb").is_none());
    assert!(
        done.warnings[0]
            .message
            .contains("its picture could not be had")
    );
}
