//! Answers that never come, or say nothing: what they mean depends on whether the request can have arrived.

use crate::{
    conformance::{
        Make,
        broken::{Broken, Checked, ensure},
        drive::Turn,
        marks::Then,
        world::{World, shapes},
    },
    contract::Progress,
    failure::Class,
    fake::Fault,
};
use serde_json::{Value, json};
use std::time::Duration;

/// Tried in this order until the request has arrived before the time was over.
const DEADLINES: [Duration; 3] = [
    Duration::from_millis(700),
    Duration::from_secs(3),
    Duration::from_secs(12),
];

pub(in crate::conformance) async fn a_timeout_after_the_request_is_ambiguous(
    make: Make<'_>,
) -> Checked {
    let hang = Fault::Hang {
        until_released: false,
    };
    for fault in [hang, Fault::TrickleAnswer] {
        ambiguous_once_arrived(make, &fault).await?;
    }
    Ok(())
}

async fn ambiguous_once_arrived(make: Make<'_>, fault: &Fault) -> Checked {
    for deadline in DEADLINES {
        let (world, shape) = World::with(make, 0).await?;
        if world.subject.irreversible.is_empty() {
            return Err(Broken::missing(
                "`irreversible`: the route of the one irreversible request",
            ));
        }
        world
            .server
            .faults()
            .arm(world.subject.irreversible, fault.clone(), 1);
        let mut turn = Turn::new(&world, &shape);
        turn.deadline = deadline;
        let Some(call) = turn.until_fault().await? else {
            continue;
        };
        if call.sent == 0 {
            continue;
        }
        let class = call.result.as_ref().map_err(|failure| failure.class);
        return ensure(class == Err(Class::Ambiguous), || {
            format!(
                "the request arrived, {fault:?}, no answer in time: it must be Ambiguous, and is {:?}",
                call.result
            )
        });
    }
    Err(Broken::because(format!(
        "{fault:?}: the irreversible request never arrives in time"
    )))
}

pub(in crate::conformance) async fn a_refused_connection_is_transient(make: Make<'_>) -> Checked {
    for index in 0..shapes(make)? {
        let (world, shape) = World::with(make, index).await?;
        let mut turn = Turn::new(&world, &shape);
        let call = loop {
            // The platform goes down between the mark and the request.
            let call = turn.publish(Then::Close(&world.server)).await;
            if call.marked.is_some() {
                break call;
            }
            if let Some(end) = turn.settle(call).await {
                return Err(Broken::because(format!(
                    "{}: without a mark, {end}",
                    shape.name
                )));
            }
        };
        let class = call.result.as_ref().map_err(|failure| failure.class);
        ensure(class == Err(Class::Transient), || {
            format!(
                "{}: nobody took the connection: it must be Transient, and is {:?}",
                shape.name, call.result
            )
        })?;
    }
    Ok(())
}

pub(in crate::conformance) async fn a_server_error_on_the_irreversible_request_is_ambiguous(
    make: Make<'_>,
) -> Checked {
    for status in [500, 502, 503, 504] {
        for body in [
            Value::Null,
            "<html>busy</html>".into(),
            json!({ "error": "unknown" }),
        ] {
            let fault = Fault::Status {
                status,
                body,
                headers: vec![],
            };
            let (world, shape) = World::with(make, 0).await?;
            world.cut(&shape, fault).await?;
        }
    }
    Ok(())
}

pub(in crate::conformance) async fn an_answer_that_cannot_be_read_is_ambiguous(
    make: Make<'_>,
) -> Checked {
    let away = Fault::Redirect {
        to: "https://example.com/".to_owned(),
    };
    for fault in [Fault::Html, Fault::HugeAnswer, away] {
        let (world, shape) = World::with(make, 0).await?;
        world.cut(&shape, fault).await?;
    }
    let (world, shape) = World::with(make, 0).await?;
    let (_, call) = world.reach(&shape, Fault::Empty).await?;
    match &call.result {
        Err(failure) if failure.class == Class::Ambiguous => Ok(()),
        // Some platforms tell the id in a header.
        Ok(Progress::Published(receipt)) if receipt.uri.is_some() => Ok(()),
        other => Err(Broken::because(format!(
            "an empty answer must be Ambiguous, and is {other:?}"
        ))),
    }
}
