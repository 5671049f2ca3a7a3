//! A conversation, two routers that can be killed, and those who write and read.

use std::cell::Cell;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use housecall_chat_router::Config;
use housecall_platform::bus::Bus;
use housecall_platform::postgres::{self, Pool};
use housecall_protocol::cluster::{Actor, Answer, ChatCommand, ChatReply, ChatRequest, subject};
use housecall_protocol::domain::Role;
use housecall_protocol::ids::ConversationId;
use housecall_schema::testing::TestDatabase;
use proptest::prelude::*;
use secrecy::SecretString;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::device::Device;
use super::ledger::Ledger;
use super::plan::{Author, Key, Trouble, Write};
use crate::house::{PATIENCE, add_operator, add_patient, context};

pub(super) const ROUTERS: usize = 2;
pub(super) const DEVICES: usize = 3;

pub(super) struct World {
    pub(super) conversation: ConversationId,
    pub(super) ledger: Ledger,
    pub(super) devices: [Device; DEVICES],
    /// One connection, which survives when the others are broken.
    pub(super) pool: Pool,
    url: SecretString,
    bus: Bus,
    patient: Actor,
    doctor: Actor,
    routers: [Option<Router>; ROUTERS],
    /// What a router committed as it was killed is told by the next one that starts.
    is_untold: bool,
}

impl World {
    /// The doctor holds the consultation that the first message opened; everybody is
    /// connected.
    pub(super) async fn new(database: &TestDatabase) -> Result<Self, TestCaseError> {
        let url = database.url.clone();
        let pool = postgres::pool(&url, 1).unwrap();
        let (patient, conversation) = add_patient(&pool).await;
        let doctor = add_operator(&pool, Role::Doctor, None).await;
        let devices = [&patient, &patient, &doctor];
        let mut world = Self {
            conversation,
            ledger: Ledger::new(conversation),
            devices: devices.map(|actor| Device::new(actor.clone(), conversation)),
            pool,
            url,
            bus: Bus::local(),
            patient,
            doctor,
            routers: [None, None],
            is_untold: false,
        };
        for router in 0..ROUTERS {
            world.start(router).await;
        }
        let question = Write {
            key: Key::Message(Author::Patient, u8::MAX),
            target: 0,
            is_deletion: false,
            is_answer_lost: false,
        };
        world.write(&[question], None).await?;
        world.claim().await;
        for device in 0..DEVICES {
            world.reconnect(device, true).await?;
        }
        Ok(world)
    }

    async fn claim(&self) {
        let claim = "UPDATE crm.consultations SET state = 'active', operator_id = $2,
                            claimed_at = now(), waiting_since = NULL
                     WHERE conversation_id = $1 AND state = 'waiting'";
        let client = self.pool.get().await.unwrap();
        let people: [&(dyn tokio_postgres::types::ToSql + Sync); 2] =
            [&self.conversation.0, &self.doctor.person.0];
        assert_eq!(client.execute(claim, &people).await.unwrap(), 1);
    }

    pub(super) async fn start(&mut self, router: usize) {
        if self.routers[router].is_none() {
            self.routers[router] = Some(Router::start(self.bus.clone(), self.url.clone()).await);
            self.is_untold = false;
        }
    }

    pub(super) async fn stop(&mut self, router: usize) {
        if let Some(router) = self.routers[router].take() {
            router.stop().await;
        }
    }

    pub(super) async fn reconnect(
        &mut self,
        device: usize,
        is_new: bool,
    ) -> Result<(), TestCaseError> {
        self.devices[device].disconnect();
        self.devices[device].connect(&self.bus, is_new).await
    }

    pub(super) async fn hear(&mut self, device: usize) -> Result<(), TestCaseError> {
        self.devices[device].hear(&self.bus).await.map(|_| ())
    }

    pub(super) async fn write(
        &mut self,
        writes: &[Write],
        trouble: Option<Trouble>,
    ) -> Result<(), TestCaseError> {
        let begun: Vec<_> =
            writes.iter().filter_map(|write| Some((write, self.ledger.begin(write)?))).collect();
        let trouble = trouble.map(|trouble| self.prepare(trouble));
        let Self { ledger, bus, patient, doctor, pool, .. } = self;
        let (bus, patient, doctor) = (&*bus, &*patient, &*doctor);
        let mut answers: FuturesUnordered<_> = begun
            .into_iter()
            .map(|(write, command)| async move {
                let actor = match write.key {
                    Key::Message(Author::Patient, _) | Key::Change(Author::Patient, _) => patient,
                    Key::Message(Author::Doctor, _) | Key::Change(Author::Doctor, _) => doctor,
                };
                (write, ask(bus, actor, command).await)
            })
            .collect();
        let (answered, is_done) = (Cell::new(0_usize), Cell::new(false));
        let collecting = async {
            while let Some((write, answer)) = answers.next().await {
                answered.set(answered.get() + 1);
                if let Some(answer) = answer {
                    ledger.note(write.key, answer, !write.is_answer_lost)?;
                }
            }
            is_done.set(true);
            Ok(())
        };
        let troubling = async {
            let Some(Prepared { answers, turns, what }) = trouble else { return };
            while answered.get() < answers && !is_done.get() {
                tokio::task::yield_now().await;
            }
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            match what {
                Calamity::Kill(router) => drop(router),
                Calamity::Break => break_connections(pool).await,
            }
        };
        tokio::join!(collecting, troubling).0
    }

    fn prepare(&mut self, trouble: Trouble) -> Prepared {
        match trouble {
            Trouble::Kill { router, answers, turns } => {
                let killed = self.routers[router].take();
                self.is_untold |= killed.is_some();
                let what = Calamity::Kill(killed);
                Prepared { answers, turns, what }
            }
            Trouble::Break { answers, turns } => Prepared { answers, turns, what: Calamity::Break },
        }
    }

    /// What is needed works again, and no more: a start would tell everybody where they
    /// should be. Who is connected has to find out by what is told alone.
    pub(super) async fn heal(&mut self) -> Result<(), TestCaseError> {
        for router in 0..ROUTERS {
            if self.is_untold || self.routers.iter().all(Option::is_none) {
                self.start(router).await;
            }
        }
        for device in &mut self.devices {
            device.lose(0);
        }
        let settling = async {
            for key in self.ledger.unsettled() {
                self.settle(key).await?;
            }
            Ok(())
        };
        within(settling, "a message is never acknowledged").await?;
        let (seq, change) = self.heads().await;
        for device in 0..DEVICES {
            if !self.devices[device].is_connected() {
                self.reconnect(device, false).await?;
            }
            let device = &mut self.devices[device];
            let recovering = async {
                while !(device.hear(&self.bus).await? && device.holds(seq, change)) {
                    device.wait().await?;
                }
                Ok(())
            };
            within(recovering, "a device never learns what it missed").await?;
        }
        Ok(())
    }

    async fn settle(&mut self, key: Key) -> Result<(), TestCaseError> {
        let actor = match key {
            Key::Message(Author::Patient, _) | Key::Change(Author::Patient, _) => &self.patient,
            Key::Message(Author::Doctor, _) | Key::Change(Author::Doctor, _) => &self.doctor,
        };
        while self.ledger.unsettled().contains(&key) {
            let command = self.ledger.command(key).expect("begun");
            match ask(&self.bus, actor, command).await {
                Some(answer) => self.ledger.note(key, answer, true)?,
                None => tokio::task::yield_now().await,
            }
        }
        Ok(())
    }

    pub(super) async fn heads(&self) -> (i64, i64) {
        let query = "SELECT last_seq, last_change FROM chat.conversations WHERE id = $1";
        let client = self.pool.get().await.unwrap();
        let row = client.query_one(query, &[&self.conversation.0]).await.unwrap();
        (row.get(0), row.get(1))
    }
}

struct Prepared {
    answers: usize,
    turns: u16,
    what: Calamity,
}

enum Calamity {
    /// It dies when this is dropped; nothing, when it was not running.
    Kill(Option<Router>),
    Break,
}

async fn break_connections(pool: &Pool) {
    let query = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid()";
    pool.get().await.unwrap().query_one(query, &[]).await.unwrap();
}

/// None when nobody answered: there is no router, or it died over the question.
pub(super) async fn ask(
    bus: &Bus,
    actor: &Actor,
    command: ChatCommand,
) -> Option<Answer<ChatReply>> {
    let request = ChatRequest { actor: actor.clone(), command };
    bus.request(subject::CHAT_REQUEST, &request, PATIENCE).await.ok()
}

async fn within(
    work: impl Future<Output = Result<(), TestCaseError>>,
    failure: &'static str,
) -> Result<(), TestCaseError> {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(TestCaseError::fail(failure)))
}

/// A router with threads and connections of its own. Dropped, it dies as a process
/// does: nothing of it runs on, and its server processes find their clients gone.
struct Router {
    runtime: Option<Runtime>,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

impl Router {
    async fn start(bus: Bus, url: SecretString) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let shutdown = CancellationToken::new();
        let token = shutdown.clone();
        let starting = runtime.spawn(async move {
            let context = context(&bus, postgres::pool(&url, 2).unwrap(), &token);
            // Of which the second round is late enough to find everybody listening.
            let config = Config { writer_lanes: 1, beacon_interval_ms: 20, ..Config::default() };
            housecall_chat_router::start(context, config).await.unwrap()
        });
        let tasks = starting.await.unwrap().tasks;
        Self { runtime: Some(runtime), shutdown, tasks }
    }

    async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(PATIENCE, self.tasks.wait()).await.expect("the router stops");
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
