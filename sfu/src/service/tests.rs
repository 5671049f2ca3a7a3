//! Workers that restart while a room is being spread over them.

use housecall_platform::service::Settings;
use housecall_platform::token::Verifier;
use housecall_protocol::media::ParticipantRole;

use super::*;
use crate::worker::tests::offer;

/// Nothing here should take longer, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A context whose database is never asked.
fn context() -> Context {
    let bus = Bus::local();
    let nowhere = "postgres://nobody@127.0.0.1:1/nothing".to_owned().into();
    Context {
        node: uuid::Uuid::now_v7(),
        verifier: Verifier::new(bus.clone(), "identity.jwks"),
        bus,
        pool: housecall_platform::postgres::pool(&nowhere, 1).expect("a valid address"),
        metrics: prometheus::Registry::new(),
        settings: Arc::new(Settings::default()),
        shutdown: CancellationToken::new(),
    }
}

/// A room of a relay of two workers, each of which takes one participant of it.
struct Scene {
    relay: Arc<Relay>,
    threads: Vec<JoinHandle<()>>,
    publishing: tokio::task::JoinHandle<()>,
    room: CallId,
    events: Subscription,
}

impl Scene {
    async fn new() -> Self {
        let config = Config {
            port_base: 0,
            workers: 2,
            room_participants_per_worker: 1,
            ..Config::default()
        };
        let Opened { relay, threads, told } = open(&context(), &config).expect("loopback");
        let publishing = tokio::spawn(publish_events(Arc::clone(&relay), told));
        let room = CallId::generate();
        let events = relay.bus.subscribe(&subject::sfu_event(relay.node, room)).await;
        let events = events.expect("the bus is open");
        Self { relay, threads, publishing, room, events }
    }

    async fn join(&self, participant: PersonId) -> Answer<SfuReply> {
        let (room, role) = (self.room, ParticipantRole::Member);
        let request = SfuRequest::Join { room, participant, sdp: offer(), role };
        match self.relay.dispatch(request) {
            Dispatched::Sent { joins, answered } => {
                let finished = self.relay.finish(joins, answered);
                tokio::time::timeout(PATIENCE, finished).await.expect("the worker answers")
            }
            Dispatched::Refused(refused) => refused,
        }
    }

    /// Reads events until the room is over, or all of `people` have a slot for each other.
    async fn until_over_or_whole(&mut self, people: &[PersonId]) -> Outcome {
        let mut heard = Vec::new();
        let read = async {
            let all = people.len() * people.len().saturating_sub(1);
            while heard.len() < all {
                let delivery = self.events.next().await.expect("the bus is open");
                match delivery.parse().expect("an event") {
                    SfuEvent::RoomClosed => return Outcome::Over,
                    SfuEvent::Slots { participant, slots } => {
                        let others = slots.iter().filter_map(|slot| slot.person);
                        heard.retain(|(to, _)| *to != participant);
                        heard.extend(others.map(|from| (participant, from)));
                    }
                    _ => {}
                }
            }
            Outcome::Whole
        };
        tokio::time::timeout(PATIENCE, read).await.expect("the room is neither over nor whole")
    }

    async fn stop(self) {
        for worker in &self.relay.workers {
            assert!(worker.send(Command::Stop).is_ok());
        }
        self.publishing.await.expect("it ends with the workers");
        for thread in self.threads {
            thread.join().expect("no panic");
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Over,
    Whole,
}

#[tokio::test]
async fn a_room_is_whole_or_over_when_a_worker_restarts_in_the_middle_of_a_join() {
    // Before all that a join is to the worker, and after the first command of it.
    for after in [0, 1] {
        let mut scene = Scene::new().await;
        let people = [PersonId::generate(), PersonId::generate()];
        assert!(scene.join(people[0]).await.is_ok());
        assert!(scene.relay.workers[1].send(Command::Panic { after }).is_ok());
        match scene.join(people[1]).await {
            Ok(_) => {
                let outcome = scene.until_over_or_whole(&people).await;
                assert_eq!(outcome, [Outcome::Whole, Outcome::Over][after]);
            }
            // The news of the end were read before the answer.
            Err(refusal) => {
                assert_eq!((refusal.code, after), (ErrorCode::Unavailable, 1));
                let workers = scene.relay.with_placement(|it| it.workers(scene.room));
                assert_eq!(workers, [0]);
            }
        }
        // Whoever comes again meets the other.
        for person in people {
            assert!(scene.join(person).await.is_ok());
        }
        assert_eq!(scene.until_over_or_whole(&people).await, Outcome::Whole);
        scene.stop().await;
    }
}
