//! What publish tells of verdicts that changed.

use super::*;
use crate::model::stamp::UnixMicros;
use crate::steering::events::{Flipped, Recorder};

/// A world whose changes are recorded, in a queue of so many batches.
fn recorded(batches: usize) -> (World, mpsc::Receiver<Flipped>) {
    let (recorder, reader) = Recorder::queue(batches);
    let mut world = World::new();
    world.publisher = world.publisher.recording_to(recorder);
    (world, reader)
}

/// What a pool's event says: its name, whether it is healthy, an exclamation mark if that changed, and its origins that did.
fn told(flipped: &Flipped) -> Vec<String> {
    let mark = |changed| if changed { "!" } else { "" };
    let events = flipped.pool_events(UnixMicros(1));
    let line = |event: crate::model::event::PoolEvent| {
        let changed = event.origins.iter().filter(|origin| origin.changed);
        let origins: Vec<String> = changed.map(|origin| format!("{} {}", origin.name, origin.verdict)).collect();
        format!("{} {}{} {}", event.name, event.healthy, mark(event.changed), origins.join(" "))
    };
    events.map(line).collect()
}

#[tokio::test(start_paused = true)]
async fn each_pool_of_a_target_has_an_event() {
    let (mut world, mut reader) = recorded(100);
    world.set(1, true);
    world.set(2, true);
    let both = Pool { minimum_origins: 2, ..pool("both", &[1, 2]) };
    world.declare(&["example.com"], vec![both, pool("any", &[1, 2])], vec![]);
    world.pass(MOMENT).await;
    let first: Vec<_> = [reader.try_recv().unwrap(), reader.try_recv().unwrap()].iter().map(told).collect();
    assert_eq!(first.concat().len(), 4, "two targets in two pools: {first:?}");
    world.set(1, false);
    world.pass(Duration::from_secs(8)).await;
    let down = reader.try_recv().unwrap();
    assert_eq!(told(&down), ["any true 1 down", "both false! 1 down"]);
    assert_eq!(down.lost, 0);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_full_loses_and_says_how_many() {
    let (mut world, mut reader) = recorded(1);
    for host in 1..=5 {
        world.set(host, true);
    }
    world.declare(&["example.com"], vec![pool("p", &[1, 2, 3, 4, 5])], vec![]);
    world.pass(MOMENT).await;
    assert_eq!(reader.try_recv().unwrap().lost, 0);
    world.set(1, false);
    world.pass(Duration::from_secs(8)).await;
    assert_eq!(reader.try_recv().unwrap().lost, 4);
}
