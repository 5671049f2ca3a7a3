//! One house of many processes: gateways, chat routers, presence, relays and one
//! CRM, over a NATS server and a PostgreSQL of their own. Or of one process that is all of
//! them.

use std::sync::{Arc, Mutex};

use futures::future::join_all;
use housecall_platform::postgres::{PrivateCluster, THROWAWAY_SETTINGS};
use housecall_platform::testing::NatsServer;
use secrecy::ExposeSecret;
use tempfile::TempDir;
use tokio_postgres::NoTls;

use crate::house::{House, command, data_dir};

const DATABASE: &str = "housecall";

/// Seconds without a sign of life after which others end a gateway's calls.
pub(super) const OWNER_LOST_S: u64 = 3;

/// Shorter than in life, where nobody waits for a test to end.
fn timing() -> Vec<(String, String)> {
    [
        ("HOUSECALL_SIGNALING__CALL__BEAT_S", "1".to_owned()),
        ("HOUSECALL_SIGNALING__CALL__OWNER_LOST_S", OWNER_LOST_S.to_string()),
        ("HOUSECALL_SIGNALING__REQUEST_TIMEOUT_MS", "2000".to_owned()),
        ("HOUSECALL_PRESENCE__GRACE_SECONDS", "1".to_owned()),
        ("HOUSECALL_LOG__FILTER", "off".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// Which processes there are. The names are the roles' own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Gateway,
    Router,
    Presence,
    Crm,
    Relay,
    /// All of them in one.
    Whole,
}

impl Kind {
    const fn roles(self) -> &'static str {
        match self {
            Self::Gateway => "signaling",
            Self::Router => "chat-router",
            Self::Presence => "presence",
            Self::Crm => "crm-api",
            Self::Relay => "sfu",
            Self::Whole => "signaling,chat-router,presence,crm-api,sfu",
        }
    }
}

/// Where clients come in, as a load balancer would know it.
#[derive(Clone, Default)]
pub(super) struct Doors(Arc<Mutex<Vec<String>>>);

impl Doors {
    /// A gateway that should be up, a different one at each `turn`.
    pub(super) fn pick(&self, turn: usize) -> Option<String> {
        let doors = self.0.lock().unwrap();
        (!doors.is_empty()).then(|| doors[turn % doors.len()].clone())
    }
}

pub(super) struct Grid {
    processes: Vec<(Kind, House)>,
    pub(super) doors: Doors,
    settings: Vec<(String, String)>,
    nats: Option<NatsServer>,
    nats_port: u16,
    postgres: Option<PrivateCluster>,
    postgres_dir: Arc<TempDir>,
}

impl Grid {
    pub(super) async fn start() -> Self {
        let nats = NatsServer::start().await;
        let kinds = [
            Kind::Crm,
            Kind::Gateway,
            Kind::Gateway,
            Kind::Router,
            Kind::Router,
            Kind::Presence,
            Kind::Presence,
            Kind::Relay,
        ];
        Self::of(&kinds, Some(nats)).await
    }

    /// One process, without a bus to others.
    pub(super) async fn whole() -> Self {
        Self::of(&[Kind::Whole], None).await
    }

    async fn of(kinds: &[Kind], nats: Option<NatsServer>) -> Self {
        let postgres_dir = data_dir();
        let postgres = start_postgres(&postgres_dir).await;
        create_database(&postgres).await;
        let mut settings = timing();
        if let Some(nats) = &nats {
            settings.push(("HOUSECALL_BUS__NATS_URL".to_owned(), nats.url()));
        }
        let url = postgres.url(DATABASE).expose_secret().to_owned();
        settings.push(("DATABASE_URL".to_owned(), url));
        // All at once: none may need another to have started before it.
        let started = kinds.iter().map(|kind| spawn(*kind, &settings, data_dir()));
        let started = join_all(started).await;
        let nats_port = nats.as_ref().map_or(0, NatsServer::port);
        let grid = Self {
            processes: kinds.iter().copied().zip(started).collect(),
            doors: Doors::default(),
            settings,
            nats,
            nats_port,
            postgres: Some(postgres),
            postgres_dir,
        };
        grid.announce_doors();
        grid
    }

    /// The process of this kind with this number, from 0.
    pub(super) fn process(&self, kind: Kind, number: usize) -> &House {
        &self.processes[self.place(kind, number)].1
    }

    pub(super) fn crm(&self) -> &House {
        self.process(Kind::Crm, 0)
    }

    pub(super) fn gateway(&self, number: usize) -> String {
        self.process(Kind::Gateway, number).public.clone()
    }

    fn place(&self, kind: Kind, number: usize) -> usize {
        if let [(Kind::Whole, _)] = self.processes[..] {
            return 0;
        }
        let places = self.processes.iter().enumerate().filter(|(_, (one, _))| *one == kind);
        places.map(|(place, _)| place).nth(number).expect("started")
    }

    /// `kill -9`. [`Killed`] brings it back with its data directory.
    pub(super) async fn kill(&mut self, kind: Kind, number: usize) -> Killed {
        let place = self.place(kind, number);
        let (_, house) = self.processes.remove(place);
        self.announce_doors();
        Killed { kind, place, data_dir: house.kill().await }
    }

    /// SIGTERM: an orderly stop, as in a roll-out.
    pub(super) async fn stop(&mut self, kind: Kind, number: usize) -> Killed {
        let place = self.place(kind, number);
        let (_, house) = self.processes.remove(place);
        self.announce_doors();
        let data_dir = Arc::clone(&house.data_dir);
        assert!(house.stop().await.success(), "{kind:?} stops in order");
        Killed { kind, place, data_dir }
    }

    pub(super) async fn revive(&mut self, killed: Killed) {
        let Killed { kind, place, data_dir } = killed;
        let house = spawn(kind, &self.settings, data_dir).await;
        self.processes.insert(place, (kind, house));
        self.announce_doors();
    }

    fn announce_doors(&self) {
        let gateways = self.processes.iter().filter(|(kind, _)| *kind == Kind::Gateway);
        *self.doors.0.lock().unwrap() = gateways.map(|(_, house)| house.public.clone()).collect();
    }

    /// `kill -9`, then another one on the same port.
    pub(super) async fn restart_nats(&mut self) {
        drop(self.nats.take());
        self.nats = Some(NatsServer::start_on(self.nats_port).await);
    }

    pub(super) async fn restart_postgres(&mut self) {
        let mut postgres = self.postgres.take().expect("running");
        tokio::task::spawn_blocking(move || postgres.stop()).await.unwrap().unwrap();
        self.postgres = Some(start_postgres(&self.postgres_dir).await);
    }

    /// A connection of the test's own, beside the house.
    pub(super) async fn database(&self) -> tokio_postgres::Client {
        connect(self.postgres.as_ref().expect("running"), DATABASE).await
    }
}

/// A process that is down for now.
#[must_use]
pub(super) struct Killed {
    kind: Kind,
    place: usize,
    data_dir: Arc<TempDir>,
}

async fn spawn(kind: Kind, settings: &[(String, String)], data_dir: Arc<TempDir>) -> House {
    let mut command = command(&data_dir);
    command.args(["--roles", kind.roles()]);
    command.envs(settings.iter().map(|(name, value)| (name, value)));
    House::ready(command.spawn().unwrap(), data_dir).await
}

async fn start_postgres(directory: &TempDir) -> PrivateCluster {
    let path = directory.path().join("postgres");
    tokio::task::spawn_blocking(move || PrivateCluster::start(&path, &THROWAWAY_SETTINGS))
        .await
        .unwrap()
        .expect("PostgreSQL starts")
}

async fn create_database(postgres: &PrivateCluster) {
    let client = connect(postgres, "postgres").await;
    client.batch_execute(&format!("CREATE DATABASE {DATABASE}")).await.unwrap();
}

async fn connect(postgres: &PrivateCluster, database: &str) -> tokio_postgres::Client {
    let url = postgres.url(database);
    let (client, connection) = tokio_postgres::connect(url.expose_secret(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
