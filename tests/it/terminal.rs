//! What a person sees and is asked on a real terminal: a pseudo-terminal with a size, whose other end the test holds.

use crate::desk::{Desk, LETTER, POST};
use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};
use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    process::Stdio,
    time::Duration,
};
use tokio::{task::spawn_blocking, time::timeout};

/// A verb takes less; one that waits for ever is found here.
const WITHIN: Duration = Duration::from_mins(1);

/// Runs a line at a terminal of so many columns, typing `answer` when it asks; returns its exit code and the screen.
async fn typed(
    desk: &Desk,
    line: &str,
    answer: &str,
    columns: u16,
    variables: &[(&str, &str)],
) -> (i32, String) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let size = Winsize {
        ws_row: 24,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&ours, size).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    let theirs = OpenOptions::new()
        .read(true)
        .write(true)
        .open(name)
        .unwrap();
    let end = || Stdio::from(theirs.try_clone().unwrap());
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut child = desk
        .command(&words)
        .env("TERM", "xterm")
        .envs(variables.iter().copied())
        .stdin(end())
        .stdout(end())
        .stderr(end())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    drop(theirs);
    let mut ours = File::from(ours);
    if !answer.is_empty() {
        // It lies in the terminal until somebody reads it.
        ours.write_all(answer.as_bytes()).unwrap();
    }
    let reading = spawn_blocking(move || {
        let (mut screen, mut piece) = (Vec::new(), [0; 4096]);
        // The other end closed is an error here, and the end.
        while let Ok(read @ 1..) = ours.read(&mut piece) {
            screen.extend_from_slice(&piece[..read]);
        }
        String::from_utf8_lossy(&screen).replace("\r\n", "\n")
    });
    let status = timeout(WITHIN, child.wait()).await.unwrap().unwrap();
    let screen = timeout(WITHIN, reading).await.unwrap().unwrap();
    (status.code().unwrap(), screen)
}

#[tokio::test]
async fn a_person_is_asked_and_only_a_yes_goes_on() {
    let desk = Desk::open().await;
    let cancel = format!("posts cancel {POST}");
    let before = desk.state().await;
    for no in ["n\n", "\n", "yep\n"] {
        let (code, screen) = typed(&desk, &cancel, no, 80, &[]).await;
        assert_eq!(code, 1, "{screen}");
        assert!(
            screen.contains("This cancels 1 post:") && screen.contains("Go on? [y/N]"),
            "{screen}"
        );
        assert!(screen.contains("the answer was not yes"), "{screen}");
    }
    assert_eq!(desk.state().await, before);
    let (code, screen) = typed(&desk, &cancel, "y\n", 80, &[]).await;
    assert_eq!(code, 0, "{screen}");
    assert!(screen.contains("Canceled."), "{screen}");
    let (code, screen) = typed(&desk, &format!("posts retry {POST} --yes"), "", 80, &[]).await;
    assert_eq!(code, 0, "{screen}");
    assert!(!screen.contains("Go on?"), "{screen}");
    desk.database.close_clean().await;
}

#[tokio::test]
async fn colour_is_for_terminals_that_want_it_and_lines_are_as_wide_as_they_are() {
    let desk = Desk::open().await;
    desk.fail().await;
    let show = format!("dead-letters show {LETTER}");
    let (_, screen) = typed(&desk, &show, "", 80, &[]).await;
    assert!(
        screen.contains("\u{1b}[1m"),
        "a heading is bold: {screen:?}"
    );
    let (_, plain) = typed(&desk, &show, "", 80, &[("NO_COLOR", "1")]).await;
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
    let message =
        "it is down, and has been for so long that a line of eighty columns cannot hold all of it";
    assert!(!plain.contains(message), "{plain}");
    let (_, wide) = typed(&desk, &show, "", 120, &[("NO_COLOR", "1")]).await;
    assert!(wide.contains(message), "{wide}");
    assert!(!desk.text(&show, 0).await.contains('\u{1b}'));

    let redrive = format!("dead-letters redrive {POST} --org Nowhere");
    let (code, told) = typed(&desk, &redrive, "", 80, &[("NO_COLOR", "1")]).await;
    assert_eq!(code, 1, "{told}");
    assert!(
        told.contains("postrider: there is no organisation `Nowhere`"),
        "{told}"
    );
    desk.database.close_clean().await;
}
