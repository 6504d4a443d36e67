//! Time: a call is over by its deadline, and a connector waits for nothing but its own requests.

use super::resumption::requests;
use crate::{
    conformance::{
        Make,
        broken::{Checked, Whereabouts as _},
        drive::Turn,
        marks::Then,
        watch::{in_time, never_idle},
        world::{AMPLE, World, connect, shapes},
    },
    contract::Progress,
    fake::Fault,
};
use serde_json::json;
use std::time::Duration;

/// How long a call has that meets a server which does not answer.
const SHORT: Duration = Duration::from_millis(400);

pub(in crate::conformance) async fn a_call_stays_inside_its_deadline(make: Make<'_>) -> Checked {
    let hang = Fault::Hang {
        until_released: false,
    };
    let last = shapes(make)? - 1;
    for index in [0, last].into_iter().take(last + 1) {
        for position in 0..requests(make, index).await? {
            let (world, shape) = World::with(make, index).await?;
            world
                .server
                .faults()
                .arm_after(position, "*", hang.clone(), 1);
            let mut turn = Turn::new(&world, &shape);
            turn.deadline = SHORT;
            loop {
                let place = format!("{}, request {position} is not answered", shape.name);
                let call = in_time(SHORT, turn.publish(Then::Grant)).await.at(&place)?;
                if !matches!(call.result, Ok(Progress::Pending { .. })) {
                    break;
                }
                turn.settle(call).await;
            }
        }
    }
    let (world, shape) = World::with(make, 0).await?;
    let mut turn = world.cut(&shape, Fault::CutBefore).await?;
    turn.deadline = SHORT;
    world.server.faults().arm("*", hang.clone(), 1);
    in_time(SHORT, turn.look()).await.at("a look")?.ok();
    if !world.refreshes() {
        return Ok(());
    }
    world.server.faults().clear();
    world.server.faults().arm("*", hang, 1);
    in_time(SHORT, world.refresh(SHORT))
        .await
        .at("a refresh")?
        .ok();
    Ok(())
}

pub(in crate::conformance) async fn a_connector_waits_for_nothing_but_its_calls(
    make: Make<'_>,
) -> Checked {
    let status = |status| Fault::Status {
        status,
        body: json!({}),
        headers: vec![],
    };
    for index in 0..shapes(make)? {
        for fault in [
            None,
            Some(status(503)),
            Some(status(429)),
            Some(Fault::CutBefore),
        ] {
            let (world, shape) = World::with(make, index).await?;
            if let Some(fault) = &fault {
                world.server.faults().arm("*", fault.clone(), 1);
            }
            let mut turn = Turn::new(&world, &shape);
            loop {
                let place = format!("{}, {fault:?}", shape.name);
                let call = never_idle(&world.http, turn.publish(Then::Grant))
                    .await
                    .at(&place)?;
                if turn.settle(call).await.is_some() || turn.sent_at.is_some() {
                    break;
                }
            }
            if turn.sent_at.is_some() {
                never_idle(&world.http, turn.look())
                    .await
                    .at("a look")?
                    .ok();
            }
        }
    }
    let (world, shape) = World::with(make, 0).await?;
    let turn = world.cut(&shape, Fault::CutBefore).await?;
    never_idle(&world.http, turn.look())
        .await
        .at("a look")?
        .ok();
    let connecting = connect(&world.http, &world.connector, &world.subject, world.now());
    never_idle(&world.http, connecting)
        .await
        .at("connecting")?
        .ok();
    if !world.refreshes() {
        return Ok(());
    }
    for fault in [None, Some(status(503)), Some(Fault::CutBefore)] {
        if let Some(fault) = fault {
            world.server.faults().arm("*", fault, 1);
        }
        never_idle(&world.http, world.refresh(AMPLE))
            .await
            .at("a refresh")?
            .ok();
    }
    Ok(())
}
