//! Postgres's messages on the wire: type, length, content.

use std::io;
use tokio::io::AsyncReadExt as _;
use tokio::net::tcp::OwnedReadHalf;

/// One message: type, length, content.
pub(crate) async fn read_frame(from: &mut OwnedReadHalf) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; 5];
    from.read_exact(&mut frame).await?;
    append(from, &mut frame, 1).await?;
    Ok(frame)
}

/// Appends what the length at `at` announces.
pub(crate) async fn append(
    from: &mut OwnedReadHalf,
    frame: &mut Vec<u8>,
    at: usize,
) -> io::Result<()> {
    let length = u32::from_be_bytes(frame[at..at + 4].try_into().map_err(io::Error::other)?);
    let length = usize::try_from(length).map_err(io::Error::other)?;
    let known = frame.len();
    frame.resize(length + at, 0);
    from.read_exact(&mut frame[known..]).await?;
    Ok(())
}

/// The text that begins at `from`, and where the next thing begins.
pub(crate) fn text_at(frame: &[u8], from: usize) -> (String, usize) {
    let rest = &frame[from..];
    let length = rest
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(rest.len());
    (
        String::from_utf8_lossy(&rest[..length]).into_owned(),
        from + length + 1,
    )
}

/// What follows a Bind up to its Sync; a simple query is whole.
pub(crate) async fn rest_of(client: &mut OwnedReadHalf, frame: &[u8]) -> io::Result<Vec<u8>> {
    let mut rest = Vec::new();
    if frame[0] == b'Q' {
        return Ok(rest);
    }
    loop {
        let next = read_frame(client).await?;
        let is_sync = next[0] == b'S';
        rest.extend(next);
        if is_sync {
            return Ok(rest);
        }
    }
}
