//! The platform's error table, row by row: what an answer means, and that every class is thought of.

use super::preflight::named;
use crate::{
    conformance::{
        Make, Phase, Row,
        broken::{Broken, Checked, Whereabouts as _, ensure},
        drive::Turn,
        say,
        world::{AMPLE, Bench, World, connect, shapes},
    },
    failure::{Class, Failure},
    fake::Fault,
};
use std::time::Duration;

/// What a failure may say less than the platform did: time went by, or a fraction was cut.
const ROUNDING: Duration = Duration::from_secs(2);

pub(in crate::conformance) async fn each_answer_of_the_error_table_has_its_class(
    make: Make<'_>,
) -> Checked {
    for row in rows(make)? {
        let (platform, failure) = meet(make, &row).await.at(&row.name())?;
        judge(platform, &row, &failure).at(&row.name())?;
    }
    Ok(())
}

fn rows(make: Make<'_>) -> Checked<Vec<Row>> {
    let rows = make().rows;
    if rows.is_empty() {
        return Err(Broken::missing(
            "`rows`: the platform's error table, each answer with the class that it stands for",
        ));
    }
    Ok(rows)
}

fn judge(platform: &str, row: &Row, failure: &Failure) -> Checked {
    ensure(failure.class == row.class, || {
        format!("it must be {:?}, and is {failure}", row.class)
    })?;
    ensure(failure.http_status == Some(row.status), || {
        format!("the failure hides the status: {:?}", failure.http_status)
    })?;
    ensure(row.code.is_none_or(|code| code == failure.code), || {
        format!("the code must be {:?}, and is `{}`", row.code, failure.code)
    })?;
    ensure(!failure.message.trim().is_empty(), || {
        "it has no message".to_owned()
    })?;
    named(platform, &failure.code)
}

/// Lets the connector meet the answer of a row, in the phase where it belongs.
async fn meet(make: Make<'_>, row: &Row) -> Checked<(&'static str, Failure)> {
    if row.phase == Phase::Publish {
        return while_publishing(make, row).await;
    }
    let (world, shape) = World::with(make, 0).await?;
    let turn = match row.phase {
        Phase::Look => {
            let turn = world.cut(&shape, Fault::CutBefore).await?;
            world.pass_quiet_time().await;
            Some(turn)
        }
        _ => None,
    };
    world.server.faults().arm(row.route, row.fault(), 1);
    let result = match (row.phase, turn) {
        (Phase::Look, Some(turn)) => turn.look().await.map(|evidence| format!("{evidence:?}")),
        (Phase::Connect, _) => {
            let connected =
                connect(&world.http, &world.connector, &world.subject, world.now()).await;
            connected.map(|grant| format!("{grant:?}"))
        }
        _ => world
            .refresh(AMPLE)
            .await
            .map(|tokens| format!("{tokens:?}")),
    };
    ensure(world.server.faults().left() == 0, || {
        format!("no request to {} was made", row.route)
    })?;
    match result {
        Err(failure) => Ok((world.connector.platform, failure)),
        Ok(what) => Err(Broken::because(format!(
            "it is no success, and was taken for {what}"
        ))),
    }
}

async fn while_publishing(make: Make<'_>, row: &Row) -> Checked<(&'static str, Failure)> {
    for index in 0..shapes(make)? {
        let (world, shape) = World::with(make, index).await?;
        world.server.faults().arm(row.route, row.fault(), 1);
        let Some(call) = Turn::new(&world, &shape).until_fault().await? else {
            continue;
        };
        return match call.result {
            Err(failure) => Ok((world.connector.platform, failure)),
            Ok(progress) => Err(Broken::because(format!(
                "it is no success, and was taken for {progress:?}"
            ))),
        };
    }
    Err(Broken::because(format!(
        "no sample makes a request to {}",
        row.route
    )))
}

pub(in crate::conformance) async fn every_class_is_reached_or_declared_out_of_reach(
    make: Make<'_>,
) -> Checked {
    let bench = Bench::open(make).await?;
    let (rows, unreachable) = (rows(make)?, &bench.subject.unreachable);
    let mut unknown = Vec::new();
    for class in Class::ALL {
        let reached = rows.iter().any(|row| row.class == class);
        let declared = unreachable.iter().find(|(declared, _)| *declared == class);
        match (reached, declared) {
            (true, None) => {}
            (false, None) => unknown.push(class),
            (true, Some(_)) => {
                return Err(Broken::because(format!(
                    "{class:?} is declared out of reach and has a row"
                )));
            }
            (false, Some((Class::Transient | Class::Ambiguous | Class::Rejected, _))) => {
                return Err(Broken::because(format!("every platform has {class:?}")));
            }
            (false, Some((_, reason))) => say(&format!(
                "{}: no {class:?}: {reason}",
                bench.connector.platform
            )),
        }
    }
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Broken::missing(format!(
        "`rows` of the classes {unknown:?}, or their declaration in `unreachable` with a reason"
    )))
}

pub(in crate::conformance) async fn a_rate_limit_carries_its_scope_and_time(
    make: Make<'_>,
) -> Checked {
    let limited = rows(make)?
        .into_iter()
        .filter(|row| row.class == Class::RateLimited);
    let mut seen = 0;
    for row in limited {
        let Some((retry_in, scope)) = row.limit else {
            return Err(Broken::missing(format!(
                "`.limit(…)` of the row {}",
                row.name()
            )));
        };
        let (_, failure) = meet(make, &row).await.at(&row.name())?;
        let waits = failure.retry_in.unwrap_or_default();
        ensure(waits <= retry_in && waits + ROUNDING >= retry_in, || {
            format!(
                "{}: it must be tried again in {retry_in:?}, not {:?}",
                row.name(),
                failure.retry_in
            )
        })?;
        ensure(
            failure.class == Class::RateLimited && failure.scope == scope,
            || {
                format!(
                    "{}: it must concern {scope:?}, and is {failure} of {:?}",
                    row.name(),
                    failure.scope
                )
            },
        )?;
        seen += 1;
    }
    if seen == 0 {
        return Err(Broken::missing(
            "`rows` of class RateLimited, with `.limit(…)`",
        ));
    }
    Ok(())
}
