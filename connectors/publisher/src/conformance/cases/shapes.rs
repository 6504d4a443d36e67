//! What a post is: every shape is published, and what the connector declares makes sense.

use crate::{
    conformance::{
        Make,
        broken::{Broken, Checked, Whereabouts as _, ensure},
        drive::Turn,
        world::{Bench, World, shapes},
    },
    quota::Bound,
};
use std::{collections::BTreeSet, time::Duration};

pub(in crate::conformance) async fn each_shape_is_published_once(make: Make<'_>) -> Checked {
    for index in 0..shapes(make)? {
        let (world, shape) = World::with(make, index).await?;
        let report = world.connector.publisher.preflight(&shape.post);
        ensure(report.passes(), || {
            format!(
                "{}: preflight refuses the sample: {:?}",
                shape.name, report.violations
            )
        })?;
        let receipt = Turn::new(&world, &shape)
            .drive_to_publication()
            .await
            .at(shape.name)?;
        ensure(receipt.uri.is_some() || receipt.url.is_some(), || {
            format!(
                "{}: the receipt names nothing that could be found again",
                shape.name
            )
        })?;
        let (told, parts) = (receipt.parts.len() + 1, world.parts(&shape));
        ensure(told == parts, || {
            format!(
                "{}: {parts} parts are published, and the receipt tells of {told}",
                shape.name
            )
        })?;
        once(&world, world.parts(&shape)).at(shape.name)?;
    }
    Ok(())
}

/// The ledger shows exactly what was meant.
pub(super) fn once(world: &World, parts: usize) -> Checked {
    let (effects, doubles) = (
        world.server.ledger().effects(),
        world.server.ledger().doubles(),
    );
    ensure(effects == parts && doubles.is_empty(), || {
        let entries = world.server.ledger().entries();
        format!("{effects} publications took effect instead of {parts}: {entries:?}")
    })
}

pub(in crate::conformance) async fn the_declarations_are_sound(make: Make<'_>) -> Checked {
    let Bench {
        subject, connector, ..
    } = Bench::open(make).await?;
    let platform = connector.platform;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    ensure(!platform.is_empty() && platform.bytes().all(plain), || {
        format!("`{platform}` is no wire id: small letters, digits and _")
    })?;
    let habits = connector.habits;
    let call = habits.call_deadline;
    ensure(
        (Duration::from_millis(500)..=Duration::from_mins(10)).contains(&call),
        || format!("a call deadline of {call:?}"),
    )?;
    ensure(
        habits.pace.requests > 0 && !habits.pace.per.is_zero(),
        || "a pace that lets nothing through".to_owned(),
    )?;
    ensure(habits.checkpoint_version > 0, || {
        "checkpoint versions begin with 1".to_owned()
    })?;
    let mut names = BTreeSet::new();
    for quota in &connector.quotas {
        ensure(names.insert(quota.name), || {
            format!("two quotas are named `{}`", quota.name)
        })?;
        let fits = match quota.bound {
            Bound::Window { max, window } => max >= quota.units && window >= Duration::from_mins(1),
            Bound::Calendar { max, zone } => max >= quota.units && zone.contains('/'),
            Bound::Rate(_) => true,
            Bound::Slots(slots) => slots > 0,
        };
        ensure(fits && quota.units > 0, || {
            format!(
                "the quota `{}` lets nothing through, or is shorter than a minute",
                quota.name
            )
        })?;
    }
    for shape in &subject.shapes {
        ensure(connector.publisher.parts(&shape.post) > 0, || {
            format!("{}: a post has at least one part", shape.name)
        })?;
    }
    for shape in &subject.shapes {
        for named in connector.publisher.media_in_options(&shape.post.options) {
            ensure(shape.post.file_of_options(&named.id).is_some(), || {
                format!(
                    "{}: {} names a file that the sample does not have; add it with `attached`",
                    shape.name, named.path
                )
            })?;
        }
    }
    if subject.addresses.is_empty() {
        return Err(Broken::missing(
            "`addresses`: the names under which the connector looks for the fake in `Setup::addresses`",
        ));
    }
    Ok(())
}
