//! The one irreversible request: behind a mark, alone in its call, and always the same.

use crate::{
    conformance::{
        Make,
        broken::{Broken, Checked, Whereabouts as _, ensure},
        drive::{Call, Turn},
        marks::{REFUSED, Then},
        world::{World, shapes},
    },
    contract::{Evidence, Progress},
    fake::Fault,
};
use serde_json::json;
use std::time::Duration;

/// No sample takes more calls.
const CALLS_MAX: usize = 100;

pub(in crate::conformance) async fn nothing_irreversible_is_sent_without_a_mark(
    make: Make<'_>,
) -> Checked {
    for index in 0..shapes(make)? {
        let (world, shape) = World::with(make, index).await?;
        refused_marks_send_nothing(Turn::new(&world, &shape))
            .await
            .at(shape.name)?;
        let mut turn = Turn::new(&world, &shape);
        for _ in 0..CALLS_MAX {
            let call = turn.publish(Then::Grant).await;
            let marked_first = call
                .arrived_before_mark
                .first()
                .is_some_and(|arrived| *arrived == 0);
            ensure(call.sent == 0 || marked_first, || {
                format!(
                    "{}: an irreversible request arrived before any mark was set",
                    shape.name
                )
            })?;
            if turn.settle(call).await.is_some() {
                break;
            }
        }
    }
    Ok(())
}

async fn refused_marks_send_nothing(mut turn: Turn<'_>) -> Checked {
    for _ in 0..CALLS_MAX {
        let call = turn.publish(Then::Refuse).await;
        ensure(call.sent == 0, || {
            "the mark was refused, and the request sent".to_owned()
        })?;
        match &call.result {
            Ok(Progress::Pending { .. }) => {}
            Ok(Progress::Published(_)) => {
                return Err(Broken::because("it claims to be published without a mark"));
            }
            Err(failure) => {
                return ensure(
                    failure.code == REFUSED && failure.http_status == Some(299),
                    || {
                        format!(
                            "the refusal of the mark must be passed on unchanged with `?`, and became {failure}"
                        )
                    },
                );
            }
        }
        turn.settle(call).await;
    }
    Err(Broken::because("it never asks for a mark"))
}

pub(in crate::conformance) async fn one_call_makes_at_most_one_irreversible_request(
    make: Make<'_>,
) -> Checked {
    let status = |status| Fault::Status {
        status,
        body: json!({}),
        headers: vec![],
    };
    let faults = [
        status(500),
        status(429),
        Fault::CutBefore,
        Fault::CutAfter,
        Fault::Empty,
    ];
    for index in 0..shapes(make)? {
        let (world, shape) = World::with(make, index).await?;
        let mut turn = Turn::new(&world, &shape);
        for _ in 0..CALLS_MAX {
            let call = turn.publish(Then::Grant).await;
            one(&call).at(shape.name)?;
            if turn.settle(call).await.is_some() {
                break;
            }
        }
        for fault in &faults {
            let (world, shape) = World::with(make, index).await?;
            let (_, call) = world.reach(&shape, fault.clone()).await?;
            one(&call).at(&format!("{}, {fault:?}", shape.name))?;
        }
    }
    Ok(())
}

fn one(call: &Call) -> Checked {
    let (sent, marks) = (call.sent, call.arrived_before_mark.len());
    ensure(sent <= 1 && marks <= 1, || {
        format!("one call of publish made {sent} irreversible requests under {marks} marks")
    })
}

pub(in crate::conformance) async fn a_repetition_sends_the_identical_request(
    make: Make<'_>,
) -> Checked {
    for index in 0..shapes(make)? {
        let (world, shape) = World::with(make, index).await?;
        if !world.can_look() {
            return Ok(());
        }
        let mut turn = world.cut(&shape, Fault::CutBefore).await?;
        world.pass_quiet_time().await;
        let evidence = turn.look().await.at(shape.name)?;
        ensure(
            matches!(evidence, Evidence::Absent | Evidence::ResendIsSafe { .. }),
            || {
                format!(
                    "{}: nothing took effect, and a look says {evidence:?}",
                    shape.name
                )
            },
        )?;
        turn.will_send(&evidence);
        // Everything that a request could be built from anew is another now: the time, the sequence, the process.
        world.pass(Duration::from_mins(5)).await;
        turn.restart()?;
        for _ in 0..CALLS_MAX {
            let call = turn.publish(Then::Grant).await;
            if call.sent > 0 {
                break;
            }
            if let Some(end) = turn.settle(call).await {
                return Err(Broken::because(format!(
                    "{}: it is not sent again, and {end}",
                    shape.name
                )));
            }
        }
        let sent = world.server.journal().irreversible();
        let [first, .., last] = sent.as_slice() else {
            return Err(Broken::because(format!(
                "{}: it is not sent again",
                shape.name
            )));
        };
        ensure(first.repeats(last), || {
            let shown = |request: &crate::fake::Request| {
                format!(
                    "{} {} {}",
                    request.path,
                    request.query,
                    String::from_utf8_lossy(&request.body)
                )
            };
            format!(
                "{}: the repetition differs:\n    {}\n    {}",
                shape.name,
                shown(first),
                shown(last)
            )
        })?;
    }
    Ok(())
}
