//! Secrets: in nothing that is printed, stored with a failure or shown to people.

use crate::{
    conformance::{
        Make,
        broken::{Checked, Whereabouts as _, ensure},
        drive::{End, Turn},
        world::{AMPLE, World, connect, shapes},
    },
    failure::Failure,
    fake::Fault,
};
use serde_json::json;

pub(in crate::conformance) async fn no_secret_is_in_any_debug_output(make: Make<'_>) -> Checked {
    for index in 0..shapes(make)? {
        let (world, shape) = World::with(make, index).await?;
        let mut turn = Turn::new(&world, &shape);
        let end: End = turn.drive().await.at(shape.name)?;
        let printed = format!(
            "{:?} {:?} {:?} {:?} {:?} {end}",
            world.connector, world.account, world.tokens, world.http, turn.checkpoint
        );
        secretless(&world, "what a publication leaves", &printed)?;
        // Another world: an hour went by in this one, and its token has ended.
        let (world, shape) = World::with(make, index).await?;
        let after_mark = world.cut(&shape, Fault::CutBefore).await?;
        let printed = format!("{:?} {:?}", after_mark.checkpoint, after_mark.look().await);
        secretless(&world, "checkpoint and evidence", &printed)?;
    }
    for status in [400, 401, 403, 500] {
        let (world, shape) = World::with(make, 0).await?;
        let token = world.secrets().remove(0);
        let (_, call) = world.reach(&shape, echo(status, &token)).await?;
        told(&world, call.result.err().as_ref(), "publishing")?;
        for secret in world.secrets() {
            if world.refreshes() {
                world.server.faults().arm("*", echo(status, &secret), 1);
                told(
                    &world,
                    world.refresh(AMPLE).await.err().as_ref(),
                    "refreshing",
                )?;
                world.server.faults().clear();
            }
            world.server.faults().arm("*", echo(status, &secret), 1);
            let connected =
                connect(&world.http, &world.connector, &world.subject, world.now()).await;
            told(&world, connected.err().as_ref(), "connecting")?;
            world.server.faults().clear();
        }
    }
    Ok(())
}

/// A platform that repeats what it was told, in all the places where platforms put words.
fn echo(status: u16, secret: &str) -> Fault {
    let words = format!("what is {secret} meant to be?");
    Fault::Status {
        status,
        body: json!({
            "error": { "message": words, "type": "Exception" },
            "message": words,
            "error_description": words,
            "detail": words,
        }),
        headers: vec![],
    }
}

fn told(world: &World, failure: Option<&Failure>, what: &str) -> Checked {
    let Some(failure) = failure else {
        return Ok(());
    };
    let printed = format!("{failure} {failure:?} {:?}", failure.platform_response);
    secretless(world, &format!("a failure of {what}"), &printed)
}

fn secretless(world: &World, what: &str, printed: &str) -> Checked {
    for secret in world.secrets() {
        ensure(!printed.contains(&secret), || {
            format!(
                "{what} shows a secret that begins with {}…",
                secret.chars().take(4).collect::<String>()
            )
        })?;
    }
    Ok(())
}
