//! A gateway with a database of its own, a few people in it, and a token issuer.

use std::net::SocketAddr;
use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use housecall_platform::bus::Bus;
use housecall_platform::service::{Context, Settings};
use housecall_platform::token::{Claims, ISSUER, Verifier};
use housecall_protocol::cluster::subject;
use housecall_protocol::{CallId, ConsultationId, ConversationId, PersonId, SessionId};
use housecall_schema::testing::TestDatabase;
use housecall_signaling::Config;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::client::Client;

/// Someone who can sign in.
#[derive(Clone, Copy)]
pub(crate) struct Person {
    pub(crate) id: PersonId,
    pub(crate) session: SessionId,
    kind: &'static str,
    role: Option<&'static str>,
}

pub(crate) struct House {
    pub(crate) db: TestDatabase,
    pub(crate) bus: Bus,
    pub(crate) address: SocketAddr,
    pub(crate) metrics: prometheus::Registry,
    pub(crate) node: Uuid,
    pub(crate) shutdown: CancellationToken,
    pub(crate) patient: Person,
    pub(crate) doctor: Person,
    pub(crate) other_doctor: Person,
    pub(crate) supervisor: Person,
    pub(crate) admin: Person,
    pub(crate) conversation: ConversationId,
    pub(crate) consultation: ConsultationId,
    issuer: Arc<Issuer>,
    tasks: tokio_util::task::TaskTracker,
}

struct Issuer {
    key: EncodingKey,
    jwks: Value,
}

impl Issuer {
    fn new() -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        let x = URL_SAFE_NO_PAD.encode(pair.public_key());
        let jwks = json!({"keys": [{
            "kty": "OKP", "crv": "Ed25519", "x": x, "kid": "test", "alg": "EdDSA", "use": "sig",
        }]});
        Self { key: EncodingKey::from_ed_der(pkcs8.as_ref()), jwks }
    }

    fn token(&self, person: Person, exp: i64) -> String {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some("test".to_owned());
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: ISSUER.to_owned(),
            sub: person.id.0,
            sid: person.session.0,
            kind: person.kind.to_owned(),
            role: person.role.map(str::to_owned),
            iat: exp - 600,
            exp,
        };
        jsonwebtoken::encode(&header, &claims, &self.key).unwrap()
    }
}

pub(crate) fn now_s() -> i64 {
    housecall_protocol::domain::TimestampMs::now().0 / 1000
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let db = TestDatabase::fresh().await;
        let bus = Bus::local();
        let issuer = Arc::new(Issuer::new());
        serve_keys(&bus, Arc::clone(&issuer)).await;
        let metrics = prometheus::Registry::new();
        let shutdown = CancellationToken::new();
        let context = Context {
            node: Uuid::now_v7(),
            bus: bus.clone(),
            pool: db.pool.clone(),
            verifier: Verifier::new(bus.clone(), subject::IDENTITY_JWKS),
            metrics: metrics.clone(),
            settings: Arc::new(Settings::default()),
            shutdown: shutdown.clone(),
        };
        let node = context.node;
        let (address, tasks) = serve(context, config).await;
        let person = |kind, role| Person {
            id: PersonId::generate(),
            session: SessionId::generate(),
            kind,
            role,
        };
        let house = Self {
            db,
            bus,
            address,
            metrics,
            node,
            shutdown,
            patient: person("patient", None),
            doctor: person("operator", Some("doctor")),
            other_doctor: person("operator", Some("doctor")),
            supervisor: person("operator", Some("supervisor")),
            admin: person("operator", Some("admin")),
            conversation: ConversationId::generate(),
            consultation: ConsultationId::generate(),
            issuer,
            tasks,
        };
        house.move_in().await;
        house
    }

    async fn move_in(&self) {
        let Self { patient, doctor, other_doctor, supervisor, admin, .. } = self;
        let Self { conversation, consultation, .. } = self;
        let mut script = format!(
            "INSERT INTO crm.people (id, kind, name) VALUES
                 ('{}', 'patient', 'Анна'), ('{}', 'operator', 'Илья'), ('{}', 'operator', 'Ольга');
             INSERT INTO crm.patients (id, phone) VALUES ('{}', '+79000000024');
             INSERT INTO crm.operators (id, email, password_hash, role, specialty) VALUES
                 ('{}', 'doctor@example.org', 'x', 'doctor', 'therapy'),
                 ('{}', 'other@example.org', 'x', 'doctor', 'cardiology');
             INSERT INTO chat.conversations (id, patient_id) VALUES ('{conversation}', '{}');
             INSERT INTO crm.consultations (id, conversation_id, patient_id, state, operator_id,
                                            waiting_since, claimed_at)
                 VALUES ('{consultation}', '{conversation}', '{}', 'active', '{}', NULL, now());",
            patient.id.0,
            doctor.id.0,
            other_doctor.id.0,
            patient.id.0,
            doctor.id.0,
            other_doctor.id.0,
            patient.id.0,
            patient.id.0,
            doctor.id.0,
        );
        for (person, role) in [(supervisor, "supervisor"), (admin, "admin")] {
            script += &format!(
                "INSERT INTO crm.people (id, kind, name) VALUES ('{0}', 'operator', '{role}');
                 INSERT INTO crm.operators (id, email, password_hash, role)
                     VALUES ('{0}', '{role}@example.org', 'x', '{role}');",
                person.id.0
            );
        }
        for person in [patient, doctor, other_doctor, supervisor, admin] {
            script += &format!(
                "INSERT INTO crm.sessions (id, person_id, device, user_agent, expires_at)
                     VALUES ('{}', '{}', 'test', 'test', now() + interval '1 day');",
                person.session.0, person.id.0
            );
        }
        self.sql(&script).await;
    }

    /// The same person, signed in on one more device.
    pub(crate) async fn another_session(&self, person: Person) -> Person {
        let session = SessionId::generate();
        self.sql(&format!(
            "INSERT INTO crm.sessions (id, person_id, device, user_agent, expires_at)
                 VALUES ('{}', '{}', 'other', 'test', now() + interval '1 day')",
            session.0, person.id.0
        ))
        .await;
        Person { session, ..person }
    }

    pub(crate) async fn sql(&self, script: &str) {
        self.db.pool.get().await.unwrap().batch_execute(script).await.unwrap();
    }

    /// A second gateway of the same house; returns where it listens.
    pub(crate) async fn second_gateway(&self, config: Config) -> SocketAddr {
        let context = Context {
            node: Uuid::now_v7(),
            bus: self.bus.clone(),
            pool: self.db.pool.clone(),
            verifier: Verifier::new(self.bus.clone(), subject::IDENTITY_JWKS),
            metrics: prometheus::Registry::new(),
            settings: Arc::new(Settings::default()),
            shutdown: self.shutdown.clone(),
        };
        serve(context, config).await.0
    }

    pub(crate) fn token(&self, person: Person) -> String {
        self.token_until(person, now_s() + 600)
    }

    pub(crate) fn token_until(&self, person: Person, exp: i64) -> String {
        self.issuer.token(person, exp)
    }

    pub(crate) fn hello(&self, person: Person) -> Value {
        json!({"protocol": 1, "token": self.token(person), "device": "test"})
    }

    /// A welcomed connection.
    pub(crate) async fn connect(&self, person: Person) -> Client {
        self.connect_to(self.address, person).await
    }

    pub(crate) async fn connect_to(&self, address: SocketAddr, person: Person) -> Client {
        let mut client = Client::open(address).await;
        client.welcome = client.request("hello", self.hello(person)).await;
        assert_eq!(client.welcome["type"], "welcome", "{}", client.welcome);
        client
    }

    /// Why a call ended, once the record is written.
    pub(crate) async fn end_reason(&self, call: CallId) -> Option<String> {
        let client = self.db.pool.get().await.unwrap();
        let query = "SELECT end_reason FROM crm.calls WHERE id = $1";
        client.query_one(query, &[&call.0]).await.unwrap().get(0)
    }

    /// Call records in the conversation: the reasons, in order.
    pub(crate) async fn call_records(&self) -> Vec<String> {
        let client = self.db.pool.get().await.unwrap();
        let query = "SELECT event->>'reason' FROM chat.messages
                     WHERE event->>'event' = 'call_ended' ORDER BY seq";
        let rows = client.query(query, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Tells the process to stop and waits until it has.
    pub(crate) async fn stop(&self) {
        self.shutdown.cancel();
        self.tasks.wait().await;
    }

    /// Waits until the metrics page says this.
    pub(crate) async fn metrics_say(&self, line: &str) {
        let waiting = async {
            while !self.metrics_page().contains(line) {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), waiting)
            .await
            .unwrap_or_else(|_| panic!("{line} is not in:\n{}", self.metrics_page()));
    }

    pub(crate) fn metrics_page(&self) -> String {
        housecall_platform::telemetry::render(&self.metrics)
    }
}

async fn serve_keys(bus: &Bus, issuer: Arc<Issuer>) {
    let bus = bus.clone();
    let mut requests = bus.subscribe(subject::IDENTITY_JWKS).await.unwrap();
    tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            bus.reply(&request, &issuer.jwks).await.unwrap();
        }
    });
}

async fn serve(context: Context, config: Config) -> (SocketAddr, tokio_util::task::TaskTracker) {
    let running = housecall_signaling::start(context, config).await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = running.router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    (address, running.tasks)
}
