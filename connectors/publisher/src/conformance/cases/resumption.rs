//! Processes die: whatever was remembered is enough to go on, and nothing is published twice.

use super::shapes::once;
use crate::{
    conformance::{
        Make, Shape,
        broken::{Broken, Checked, Whereabouts as _, ensure},
        drive::{End, Turn},
        marks::Then,
        world::{World, shapes},
    },
    contract::{Checkpoint, Evidence},
    failure::Class,
    fake::Fault,
};
use serde_json::json;

pub(in crate::conformance) async fn a_checkpoint_survives_json_and_a_new_process(
    make: Make<'_>,
) -> Checked {
    for index in 0..shapes(make)? {
        let mut writes = Vec::new();
        for restarts in [false, true] {
            let (world, shape) = World::with(make, index).await?;
            let mut turn = Turn::new(&world, &shape);
            turn.restarts = restarts;
            turn.drive_to_publication().await.at(shape.name)?;
            once(&world, world.parts(&shape)).at(shape.name)?;
            let all = world.server.journal().requests();
            writes.push(all.iter().filter(|request| request.method != "GET").count());
        }
        ensure(writes[0] == writes[1], || {
            format!(
                "{} writing requests in one process, {} where each step meets a new one: something is not in the checkpoint",
                writes[0], writes[1]
            )
        })?;
    }
    Ok(())
}

pub(in crate::conformance) async fn an_unreadable_checkpoint_is_refused(make: Make<'_>) -> Checked {
    let (world, shape) = World::with(make, 0).await?;
    let mut turn = world.cut(&shape, Fault::CutBefore).await?;
    world.pass_quiet_time().await;
    turn.checkpoint = Some(Checkpoint {
        version: world.connector.habits.checkpoint_version,
        stage: "conformance".to_owned(),
        body: json!({ "conformance": "of another connector" }),
    });
    let evidence = turn.look().await;
    ensure(
        !matches!(
            evidence,
            Ok(Evidence::Absent | Evidence::ResendIsSafe { .. } | Evidence::Found(_))
        ),
        || format!("a look without a readable checkpoint says {evidence:?}"),
    )
    .or_else(|broken| if lists(&world) { Ok(()) } else { Err(broken) })?;
    turn.sent_at = None;
    let call = turn.publish(Then::Grant).await;
    let stale = matches!(&call.result, Err(failure) if failure.class == Class::Stale);
    ensure(stale && call.sent == 0 && call.marked.is_none(), || {
        format!(
            "a checkpoint that cannot be read must be Stale (`checkpoint.read()?`), and was {:?}",
            call.result
        )
    })
}

/// A read-back by listing needs no checkpoint.
fn lists(world: &World) -> bool {
    world.connector.habits.read_back == crate::connector::ReadBack::List
}

/// When the process dies.
#[derive(Clone, Copy, Debug)]
enum Death {
    /// The mark is committed, nothing is sent.
    AtTheMark,
    /// The call is over, nobody has heard of it.
    BeforeTheReport,
}

pub(in crate::conformance) async fn a_post_killed_at_any_step_is_published_once(
    make: Make<'_>,
) -> Checked {
    for index in 0..shapes(make)? {
        for death in [Death::AtTheMark, Death::BeforeTheReport] {
            let mut step = 0;
            while killed(make, index, step, death).await? {
                step += 1;
            }
        }
    }
    Ok(())
}

/// Kills one publication in its call number `step`; false if it has no such call.
async fn killed(make: Make<'_>, index: usize, step: usize, death: Death) -> Checked<bool> {
    let (world, shape) = World::with(make, index).await?;
    let mut turn = Turn::new(&world, &shape);
    for _ in 0..step {
        let call = turn.publish(Then::Grant).await;
        if turn.settle(call).await.is_some() {
            return Ok(false);
        }
    }
    let then = match death {
        Death::AtTheMark => Then::Die,
        Death::BeforeTheReport => Then::Grant,
    };
    let call = turn.publish(then).await;
    turn.forget(&call);
    turn.restarts = true;
    let place = format!("{}, killed {death:?} in call {step}", shape.name);
    ends_once(&world, &shape, &mut turn).await.at(&place)?;
    Ok(true)
}

/// Drives to the end: published exactly once; where nobody can look, at most once.
async fn ends_once(world: &World, shape: &Shape, turn: &mut Turn<'_>) -> Checked {
    let end = turn.drive().await?;
    match end {
        End::Published(_) => once(world, world.parts(shape)),
        End::Unknown if !world.can_look() => {
            let (effects, parts) = (world.server.ledger().effects(), world.parts(shape));
            ensure(effects <= parts, || {
                format!("{effects} publications instead of at most {parts}")
            })
        }
        other => Err(Broken::because(format!(
            "it must be published in the end, and {other}"
        ))),
    }
}

pub(in crate::conformance) async fn whatever_one_request_meets_there_is_one_post(
    make: Make<'_>,
) -> Checked {
    let busy = Fault::Status {
        status: 503,
        body: json!({}),
        headers: vec![],
    };
    let faults = [
        Fault::CutBefore,
        Fault::CutMidBody,
        Fault::CutAfter,
        Fault::Html,
        Fault::Empty,
        busy,
    ];
    for index in 0..shapes(make)? {
        for position in 0..requests(make, index).await? {
            for fault in &faults {
                let (world, shape) = World::with(make, index).await?;
                world
                    .server
                    .faults()
                    .arm_after(position, "*", fault.clone(), 1);
                let place = format!("{}, request {position} meets {fault:?}", shape.name);
                ends_once(&world, &shape, &mut Turn::new(&world, &shape))
                    .await
                    .at(&place)?;
            }
        }
    }
    Ok(())
}

/// How many requests an undisturbed publication of a sample makes.
pub(super) async fn requests(make: Make<'_>, index: usize) -> Checked<u32> {
    let (world, shape) = World::with(make, index).await?;
    let before = world.server.journal().requests().len();
    Turn::new(&world, &shape)
        .drive_to_publication()
        .await
        .at(shape.name)?;
    let after = world.server.journal().requests().len();
    Ok(u32::try_from(after - before).unwrap_or(u32::MAX))
}
