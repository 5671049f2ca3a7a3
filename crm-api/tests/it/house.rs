//! A started service and the ways to ask it.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use housecall_crm_api::admin::{self, NewOperator};
use housecall_crm_api::{Config, start};
use housecall_platform::bus::Bus;
use housecall_platform::service::{Context, Running, Settings};
use housecall_platform::token::Verifier;
use housecall_protocol::cluster::subject;
use housecall_schema::testing::TestDatabase;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use uuid::Uuid;

pub(crate) const ORIGIN: &str = "http://127.0.0.1:8080";
pub(crate) const PASSWORD: &str = "correct horse battery";

/// A service on a database of its own.
pub(crate) struct House {
    pub(crate) database: TestDatabase,
    pub(crate) context: Context,
    pub(crate) config: Config,
    router: Router,
    _files: tempfile::TempDir,
    _running: tokio_util::task::TaskTracker,
}

impl House {
    pub(crate) async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    pub(crate) async fn open_with(change: impl FnOnce(&mut Config)) -> Self {
        Self::open_as(|config, _| change(config)).await
    }

    pub(crate) async fn open_as(change: impl FnOnce(&mut Config, &mut Settings)) -> Self {
        let database = TestDatabase::fresh().await;
        let files = tempfile::tempdir().expect("a temporary directory");
        let mut config =
            Config { files_dir: files.path().join("files"), code_resend_s: 0, ..Config::default() };
        config.codes_per_phone_hour = 1000;
        let mut settings =
            Settings { demo: true, max_file_bytes: 1024 * 1024, ..Settings::default() };
        change(&mut config, &mut settings);
        let bus = Bus::local();
        let context = Context {
            node: Uuid::now_v7(),
            verifier: Verifier::new(bus.clone(), subject::IDENTITY_JWKS),
            bus,
            pool: database.pool.clone(),
            metrics: prometheus::Registry::new(),
            settings: Arc::new(settings),
            shutdown: CancellationToken::new(),
        };
        let Running { router, tasks } =
            start(context.clone(), config.clone()).await.expect("the service starts");
        Self { database, context, config, router, _files: files, _running: tasks }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.expect("routers do not fail");
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.expect("the body is readable");
        Reply { status: parts.status, headers: parts.headers, bytes }
    }

    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> Reply {
        self.send(request(method, path, token, body)).await
    }

    pub(crate) async fn get(&self, path: &str, person: &Person) -> Reply {
        self.call(Method::GET, path, Some(&person.token), None).await
    }

    pub(crate) async fn post(&self, path: &str, person: &Person, body: Value) -> Reply {
        self.call(Method::POST, path, Some(&person.token), Some(body)).await
    }

    pub(crate) async fn code(&self, phone: &str) -> Reply {
        let body = json!({ "phone": phone });
        self.call(Method::POST, "/api/v1/auth/patient/code", None, Some(body)).await
    }

    pub(crate) async fn verify(&self, phone: &str, code: &str, device: &str) -> Reply {
        let body = json!({ "phone": phone, "code": code, "device": device });
        self.call(Method::POST, "/api/v1/auth/patient/verify", None, Some(body)).await
    }

    pub(crate) async fn login(&self, email: &str, password: &str) -> Reply {
        let body = json!({ "email": email, "password": password, "device": "test" });
        self.call(Method::POST, "/api/v1/auth/operator/login", None, Some(body)).await
    }

    /// Signs a patient in, registering them when new.
    pub(crate) async fn patient(&self, phone: &str) -> Person {
        let sent = self.code(phone).await.ok();
        let code = sent["demo_code"].as_str().expect("demo mode shows the code").to_owned();
        Person::of(&self.verify(phone, &code, "test").await)
    }

    /// Creates an operator and signs them in. The name before the `@` is theirs.
    pub(crate) async fn operator(&self, name: &str, role: &str, specialty: Option<&str>) -> Person {
        let email = format!("{name}@clinic.example");
        let operator = NewOperator {
            name: name.to_owned(),
            email: email.clone(),
            role: role.to_owned(),
            specialty: specialty.map(str::to_owned),
            password: SecretString::from(PASSWORD),
        };
        admin::create_operator(&self.database.pool, operator).await.expect("a new operator");
        Person::of(&self.login(&email, PASSWORD).await)
    }

    /// Opens a consultation of the patient; returns its id.
    pub(crate) async fn question(&self, patient: &Person) -> String {
        let reply = self.post("/api/v1/consultations", patient, json!({})).await.ok();
        reply["id"].as_str().expect("an id").to_owned()
    }

    /// Writes a message as the chat does.
    pub(crate) async fn say(&self, person: &Person, conversation: &str, text: &str) {
        let client = self.database.pool.get().await.expect("a connection");
        let conversation: Uuid = conversation.parse().expect("an id");
        client
            .query_one(
                "SELECT seq FROM chat.append($1, $2, $3, (SELECT id FROM crm.consultations
                     WHERE conversation_id = $1 AND state <> 'closed'), 'text', $4, NULL, NULL)",
                &[&conversation, &person.id(), &Uuid::now_v7(), &text],
            )
            .await
            .expect("appended");
    }

    /// A file that was uploaded, sent with a caption.
    pub(crate) async fn send_file(
        &self,
        person: &Person,
        conversation: &str,
        file: &str,
        caption: &str,
    ) {
        let client = self.database.pool.get().await.expect("a connection");
        let id = |text: &str| text.parse::<Uuid>().expect("an id");
        client
            .query_one(
                "SELECT seq FROM chat.append($1, $2, $3, NULL, 'file', $4, $5, NULL)",
                &[&id(conversation), &person.id(), &Uuid::now_v7(), &caption, &id(file)],
            )
            .await
            .expect("appended");
    }

    /// A note among operators.
    pub(crate) async fn note(&self, person: &Person, conversation: &str, text: &str) {
        let client = self.database.pool.get().await.expect("a connection");
        let conversation: Uuid = conversation.parse().expect("an id");
        client
            .query_one(
                "SELECT seq FROM chat.append($1, $2, $3, NULL, 'note', $4, NULL, NULL)",
                &[&conversation, &person.id(), &Uuid::now_v7(), &text],
            )
            .await
            .expect("appended");
    }

    pub(crate) async fn execute(&self, sql: &str) {
        let client = self.database.pool.get().await.expect("a connection");
        client.query(sql, &[]).await.expect("a statement");
    }

    pub(crate) async fn count(&self, sql: &str) -> i64 {
        let client = self.database.pool.get().await.expect("a connection");
        client.query_one(sql, &[]).await.expect("a count").get(0)
    }
}

/// A request; a body is sent as JSON, with an `Origin` as browsers do.
pub(crate) fn request(
    method: Method,
    path: &str,
    token: Option<&str>,
    body: Option<Value>,
) -> Request<Body> {
    let mut builder = Request::builder().method(method).uri(path).header(header::ORIGIN, ORIGIN);
    if let Some(token) = token {
        builder = builder.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let body = match body {
        Some(body) => {
            builder = builder.header(header::CONTENT_TYPE, "application/json");
            Body::from(body.to_string())
        }
        None => Body::empty(),
    };
    builder.body(body).expect("a well-formed request")
}

/// A signed-in person.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) token: String,
    /// The refresh cookie as `name=value`.
    pub(crate) cookie: String,
    pub(crate) me: Value,
}

impl Person {
    pub(crate) fn of(reply: &Reply) -> Self {
        let body = reply.ok();
        Self {
            token: body["access_token"].as_str().expect("a token").to_owned(),
            cookie: reply.cookie(),
            me: body["me"].clone(),
        }
    }

    pub(crate) fn id(&self) -> Uuid {
        self.me["id"].as_str().expect("an id").parse().expect("a UUID")
    }

    pub(crate) fn conversation(&self) -> &str {
        self.me["conversation"].as_str().expect("a patient's conversation")
    }
}

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
}

impl Reply {
    /// The JSON of a success.
    pub(crate) fn ok(&self) -> Value {
        assert!(self.status.is_success(), "{}: {}", self.status, self.text());
        self.json()
    }

    /// The bytes of a success.
    pub(crate) fn ok_bytes(&self) -> &[u8] {
        assert!(self.status.is_success(), "{}: {}", self.status, self.text());
        &self.bytes
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Asserts a refusal and returns its problem.
    pub(crate) fn refused(&self, status: u16, slug: &str) -> Value {
        let problem = self.json();
        let got = (self.status.as_u16(), problem["type"].as_str().unwrap_or_default());
        assert_eq!(got, (status, format!("/problems/{slug}").as_str()), "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        problem
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The cookie that was set, as `name=value`.
    pub(crate) fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap_or_default().to_owned()
    }
}
