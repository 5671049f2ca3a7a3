//! People of a benchmark's house: rows as their registration makes them, and
//! access tokens signed with the house's own key.

use anyhow::Context as _;
use housecall_platform::token::{Claims, ISSUER};
use housecall_protocol::domain::Role;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use tokio_postgres::Client;
use uuid::Uuid;

/// Longer than any benchmark takes.
const TOKEN_LIFE_S: i64 = 3 * 3600;

/// Someone who can connect.
#[derive(Clone, Debug)]
pub struct Person {
    pub id: Uuid,
    pub token: String,
}

/// Makes so many patients, each with a session and a conversation.
///
/// # Errors
/// When the database refuses, or no CRM has made its key yet.
pub async fn patients(database: &Client, count: usize) -> anyhow::Result<Vec<Person>> {
    let first: i64 = database.query_one("SELECT count(*) FROM crm.patients", &[]).await?.get(0);
    database
        .batch_execute(
            "CREATE TEMP TABLE IF NOT EXISTS newcomer (
                 n bigint, person uuid, session uuid, conversation uuid);
             TRUNCATE newcomer;",
        )
        .await?;
    let count = i64::try_from(count)?;
    database
        .execute(
            "INSERT INTO newcomer
             SELECT $1 + n, gen_random_uuid(), gen_random_uuid(), gen_random_uuid()
             FROM generate_series(1, $2::bigint) AS n",
            &[&first, &count],
        )
        .await?;
    database
        .batch_execute(
            "INSERT INTO crm.people (id, kind, name)
                 SELECT person, 'patient', 'Patient ' || n FROM newcomer;
             INSERT INTO crm.patients (id, phone)
                 SELECT person, '+7' || lpad(n::text, 10, '0') FROM newcomer;
             INSERT INTO crm.sessions (id, person_id, device, user_agent, expires_at)
                 SELECT session, person, 'load', 'load', now() + interval '1 day' FROM newcomer;
             INSERT INTO chat.conversations (id, patient_id)
                 SELECT conversation, person FROM newcomer;
             ANALYZE crm.people, crm.patients, crm.sessions, chat.conversations;",
        )
        .await?;
    let signer = Signer::load(database).await?;
    let rows = database.query("SELECT person, session FROM newcomer ORDER BY n", &[]).await?;
    rows.iter()
        .map(|row| {
            Ok(Person {
                id: row.get(0),
                token: signer.token(row.get(0), row.get(1), "patient", None)?,
            })
        })
        .collect()
}

/// Makes so many operators of the desk, each with a session.
///
/// # Errors
/// As [`patients`].
pub async fn operators(database: &Client, count: usize) -> anyhow::Result<Vec<Person>> {
    let signer = Signer::load(database).await?;
    let mut people = Vec::with_capacity(count);
    for _ in 0..count {
        let (id, session) = (Uuid::now_v7(), Uuid::now_v7());
        database
            .batch_execute(&format!(
                "INSERT INTO crm.people (id, kind, name) VALUES ('{id}', 'operator', 'Desk');
                 INSERT INTO crm.operators (id, email, password_hash, role)
                     VALUES ('{id}', '{id}@bench.housecall', 'x', 'desk');
                 INSERT INTO crm.sessions (id, person_id, device, user_agent, expires_at)
                     VALUES ('{session}', '{id}', 'load', 'load', now() + interval '1 day');"
            ))
            .await?;
        people.push(Person { id, token: signer.token(id, session, "operator", Some(Role::Desk))? });
    }
    Ok(people)
}

struct Signer {
    key: EncodingKey,
    header: Header,
    now_s: i64,
}

impl Signer {
    async fn load(database: &Client) -> anyhow::Result<Self> {
        let row = database
            .query_opt(
                "SELECT id, private_der, extract(epoch FROM now())::bigint
                 FROM crm.signing_keys WHERE retired_at IS NULL",
                &[],
            )
            .await?
            .context("the CRM has made no key")?;
        let der: Vec<u8> = row.get(1);
        let header = Header { kid: Some(row.get(0)), ..Header::new(Algorithm::EdDSA) };
        Ok(Self { key: EncodingKey::from_ed_der(&der), header, now_s: row.get(2) })
    }

    fn token(
        &self,
        person: Uuid,
        session: Uuid,
        kind: &str,
        role: Option<Role>,
    ) -> anyhow::Result<String> {
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: ISSUER.to_owned(),
            sub: person,
            sid: session,
            kind: kind.to_owned(),
            role: role.map(|role| role.as_str().to_owned()),
            iat: self.now_s,
            exp: self.now_s + TOKEN_LIFE_S,
        };
        Ok(jsonwebtoken::encode(&self.header, &claims, &self.key)?)
    }
}
