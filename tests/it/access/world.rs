//! A house with people in it, and what attacks have in common.

use std::sync::{Mutex, PoisonError};

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tokio_postgres::NoTls;
use uuid::Uuid;

use crate::client::{Client, text};
use crate::house::{House, SignedIn, Stderr};

/// Small, so that attacks with large files are fast.
pub(super) const MAX_FILE_BYTES: usize = 300_000;
pub(super) const PASSWORD: &str = "a password of the test";

pub(super) struct World {
    pub(super) house: House,
    pub(super) log: Stderr,
    pub(super) database: tokio_postgres::Client,
    pub(super) doctor: Person,
    /// Of another specialty.
    pub(super) other_doctor: Person,
    pub(super) supervisor: Person,
    pub(super) admin: Person,
    /// What must never be found in a log.
    secrets: Mutex<Vec<String>>,
}

#[derive(Clone)]
pub(super) struct Person {
    pub(super) token: String,
    pub(super) id: String,
    pub(super) session: String,
    pub(super) conversation: String,
}

/// A patient with an open consultation.
pub(super) struct Case {
    pub(super) patient: Person,
    pub(super) client: Client,
    pub(super) conversation: String,
    pub(super) consultation: String,
}

pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Reply {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(super) fn id(&self) -> String {
        assert!((200..300).contains(&self.status), "{} {}", self.status, self.text);
        self.json()["id"].as_str().expect("an id").to_owned()
    }
}

impl World {
    pub(super) async fn open() -> Self {
        let settings = [
            ("HOUSECALL_LIMITS__MAX_FILE_BYTES", MAX_FILE_BYTES.to_string()),
            // So that the bound of a person is met before that of a session.
            ("HOUSECALL_SIGNALING__MAX_CONNECTIONS_PER_SESSION", "16".to_owned()),
            // A used refresh token is a stolen one from the first moment on.
            ("HOUSECALL_CRM_API__REFRESH_REUSE_GRACE_S", "0".to_owned()),
            // All that our own code could ever say.
            (
                "HOUSECALL_LOG__FILTER",
                "info,housecall=trace,housecall_crm_api=trace,\
                housecall_signaling=trace,housecall_chat_router=trace,housecall_presence=trace,\
                housecall_platform=trace,tower_http=trace,refinery_core=warn,str0m=warn"
                    .to_owned(),
            ),
        ];
        let (house, log) = House::start_watched(&settings).await;
        let database = connect_database(&house).await;
        let [doctor, other_doctor, admin] = [
            house.operator("petrov@demo.housecall").await,
            house.operator("sokolova@demo.housecall").await,
            house.operator("admin@demo.housecall").await,
        ];
        let body = json!({ "name": "Вера Зимина", "email": "supervisor@test.housecall",
            "password": PASSWORD, "role": "supervisor" });
        let (status, answer) = house.post("/api/v1/operators", Some(&admin.token), &body).await;
        assert_eq!(status, 201, "{answer}");
        let body = json!({ "email": "supervisor@test.housecall", "password": PASSWORD,
            "device": "test" });
        let (_, answer) = house.post("/api/v1/auth/operator/login", None, &body).await;
        let supervisor = SignedIn::from(&answer);
        Self {
            doctor: who(&house, &doctor).await,
            other_doctor: who(&house, &other_doctor).await,
            supervisor: who(&house, &supervisor).await,
            admin: who(&house, &admin).await,
            house,
            log,
            database,
            secrets: Mutex::new(vec![PASSWORD.to_owned()]),
        }
    }

    pub(super) async fn patient(&self) -> Person {
        let phone = self.phone();
        let person = who(&self.house, &self.house.patient(&phone).await).await;
        self.secret(&person.token);
        person
    }

    /// A number that nobody had before.
    pub(super) fn phone(&self) -> String {
        let tail = Uuid::new_v4().as_u128() % 10_000_000;
        let phone = format!("+7900{tail:07}");
        self.secret(&phone[1..]);
        phone
    }

    /// A text that cannot be anywhere by chance.
    pub(super) fn words(&self, about: &str) -> String {
        let words = format!("{about} {}", Uuid::new_v4().simple());
        self.secret(&words);
        words
    }

    pub(super) fn secret(&self, words: &str) {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).push(words.to_owned());
    }

    pub(super) fn secrets(&self) -> Vec<String> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A patient asks a doctor of `specialty` something.
    pub(super) async fn case(&self, specialty: Option<&str>) -> Case {
        let patient = self.patient().await;
        let wish = json!({ "specialty": specialty });
        let opened = self.post("/api/v1/consultations", &patient, &wish).await;
        let consultation = opened.id();
        let mut client = Client::connect(&self.house, &patient.token).await;
        let conversation = patient.conversation.clone();
        let question = text(&conversation, Uuid::now_v7(), &self.words("вопрос"));
        let ack = client.request("chat.send", question).await.unwrap();
        assert_eq!(ack["type"], "chat.ack", "{ack}");
        Case { patient, client, conversation, consultation }
    }

    /// A therapist's case, taken by [`Self::doctor`].
    pub(super) async fn taken_case(&self) -> Case {
        let case = self.case(Some("therapy")).await;
        self.post(&claim(&case.consultation), &self.doctor, &json!({})).await.id();
        case
    }

    pub(super) async fn call(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Reply {
        let url = format!("{}{path}", self.house.public);
        let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let mut request = self.house.http.request(method, url);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        answer(request).await
    }

    pub(super) async fn get(&self, path: &str, person: &Person) -> Reply {
        self.call("get", path, Some(&person.token), None).await
    }

    pub(super) async fn post(&self, path: &str, person: &Person, body: &Value) -> Reply {
        self.call("post", path, Some(&person.token), Some(body)).await
    }

    pub(super) async fn upload(
        &self,
        person: &Person,
        conversation: &str,
        name: &str,
        bytes: Vec<u8>,
    ) -> Reply {
        let name: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let path = format!("/api/v1/conversations/{conversation}/files?name={name}");
        let url = format!("{}{path}", self.house.public);
        answer(self.house.http.post(url).bearer_auth(&person.token).body(bytes)).await
    }

    pub(super) async fn count(&self, query: &str, id: &str) -> i64 {
        let id: Uuid = id.parse().unwrap();
        self.database.query_one(query, &[&id]).await.unwrap().get(0)
    }
}

pub(super) async fn answer(request: reqwest::RequestBuilder) -> Reply {
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await.unwrap_or_default();
    Reply { status, headers, text: String::from_utf8_lossy(&bytes).into_owned() }
}

pub(super) fn claim(consultation: &str) -> String {
    format!("/api/v1/consultations/{consultation}/claim")
}

async fn who(house: &House, signed_in: &SignedIn) -> Person {
    let (status, me) = house.get("/api/v1/me", &signed_in.token).await;
    assert_eq!(status, 200, "{me}");
    let field = |name: &str| me[name].as_str().unwrap_or_default().to_owned();
    Person {
        token: signed_in.token.clone(),
        id: field("id"),
        session: field("session"),
        conversation: field("conversation"),
    }
}

/// The house's own database, as its owner could look into it.
async fn connect_database(house: &House) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::Config::new()
        .host_path(house.data_dir.path().join("var/postgres/run"))
        .user("housecall")
        .dbname("housecall")
        .connect(NoTls)
        .await
        .expect("the private database");
    tokio::spawn(connection);
    client
}
