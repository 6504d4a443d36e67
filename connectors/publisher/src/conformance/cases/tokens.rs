//! The life of a token: it ends, is exchanged for a new one, and is taken away.

use super::shapes::once;
use crate::{
    conformance::{
        Make, Shape,
        broken::{Broken, Checked, Whereabouts as _, ensure},
        drive::Turn,
        marks::Then,
        world::{AMPLE, World},
    },
    contract::Progress,
    failure::Class,
    fake::Fault,
};
use secrecy::ExposeSecret as _;
use serde_json::json;

/// A world whose tokens can be exchanged. Errors: there is nothing to exchange.
async fn refreshing(make: Make<'_>) -> Checked<(World, Shape)> {
    let (world, shape) = World::with(make, 0).await?;
    if world.refreshes() {
        return Ok((world, shape));
    }
    Err(Broken::missing(
        "something to exchange (`TokenSet::refresh`); if only a person can renew tokens here, declare it in `skips`",
    ))
}

pub(in crate::conformance) async fn an_expired_token_is_unauthorized(make: Make<'_>) -> Checked {
    let (world, shape) = World::with(make, 0).await?;
    world.expire().await?;
    let mut turn = Turn::new(&world, &shape);
    let result = loop {
        let call = turn.publish(Then::Grant).await;
        if !matches!(call.result, Ok(Progress::Pending { .. })) {
            break call.result;
        }
        turn.settle(call).await;
    };
    let class = result.as_ref().map_err(|failure| failure.class);
    ensure(
        class == Err(Class::Unauthorized) && world.server.ledger().effects() == 0,
        || format!("the access token has ended: it must be Unauthorized, and is {result:?}"),
    )
}

pub(in crate::conformance) async fn a_refresh_gives_tokens_that_work(make: Make<'_>) -> Checked {
    let (world, shape) = refreshing(make).await?;
    world.expire().await?;
    let fresh = world.refresh(AMPLE).await.at("a refresh")?;
    let old = &world.tokens;
    ensure(
        fresh.access.expose_secret() != old.access.expose_secret(),
        || "a refresh gives the old access token".to_owned(),
    )?;
    ensure(
        fresh.expires_at.is_none_or(|ends| ends > world.now()),
        || {
            format!(
                "the fresh token ends before it begins: {:?}",
                fresh.expires_at
            )
        },
    )?;
    ensure(
        old.others
            .keys()
            .all(|name| fresh.others.contains_key(name)),
        || {
            format!(
                "a refresh loses what was kept beside the tokens: {:?}",
                old.others.keys()
            )
        },
    )?;
    let mut turn = Turn::new(&world, &shape);
    turn.tokens = fresh;
    turn.drive_to_publication()
        .await
        .at("with the fresh token")?;
    once(&world, world.parts(&shape))?;
    world.fresh_tokens(&turn.tokens).await.map(|_| ())
}

pub(in crate::conformance) async fn a_refresh_asks_once(make: Make<'_>) -> Checked {
    let (world, _) = refreshing(make).await?;
    let route = world.subject.refresh;
    if route.is_empty() {
        return Err(Broken::missing(
            "`refresh`: the route that exchanges tokens",
        ));
    }
    let busy = Fault::Status {
        status: 503,
        body: json!({}),
        headers: vec![],
    };
    // A token that was used up in a request without an answer must not be used again in the same breath.
    for fault in [busy, Fault::CutAfter] {
        world.server.faults().arm(route, fault.clone(), 1);
        let asked = || {
            let all = world.server.journal().requests();
            all.iter().filter(|request| request.is_to(route)).count()
        };
        let before = asked();
        let outcome = world.refresh(AMPLE).await;
        let times = asked() - before;
        ensure(times == 1, || {
            format!("{fault:?}: one refresh asked {times} times")
        })?;
        let later = matches!(&outcome, Err(failure) if matches!(failure.class, Class::Transient | Class::RateLimited));
        ensure(later, || {
            format!(
                "{fault:?}: a refresh without an answer is tried again later, and is {outcome:?}"
            )
        })?;
    }
    Ok(())
}

pub(in crate::conformance) async fn a_revoked_account_is_blocked(make: Make<'_>) -> Checked {
    let (world, _) = refreshing(make).await?;
    let Some(revoke) = &world.subject.revoke else {
        return Err(Broken::missing(
            "`revoke`: takes away, at the fake, what the account granted",
        ));
    };
    revoke();
    let outcome = world.refresh(AMPLE).await;
    let blocked = matches!(&outcome, Err(failure) if failure.class == Class::AccountBlocked);
    ensure(blocked, || {
        format!("only a person can help here: it must be AccountBlocked, and is {outcome:?}")
    })
}
