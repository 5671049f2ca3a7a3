//! Patients.

use deadpool_postgres::{GenericClient, Transaction};
use housecall_protocol::domain::Role;
use housecall_protocol::rest::{PatientCard, PatientListItem};
use housecall_protocol::{ConversationId, PersonId};
use jiff::Timestamp;
use jiff::civil::Date;
use tokio_postgres::Row;
use uuid::Uuid;

use super::briefs::count;
use super::{Result, contains_pattern};
use crate::cursor::{Cursor, Page};

/// What a patient sees of themselves.
pub(crate) struct Profile {
    pub(crate) name: String,
    pub(crate) phone: String,
    pub(crate) birth_date: Option<Date>,
    pub(crate) city: Option<String>,
    pub(crate) time_zone: Option<String>,
    pub(crate) conversation: ConversationId,
}

/// The patient with this phone; registered, with their conversation, when new.
pub(crate) async fn find_or_register(
    transaction: &Transaction<'_>,
    phone: &str,
) -> Result<PersonId> {
    // Two first sign-ins of one phone at once must make one patient.
    transaction.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 7))", &[&phone]).await?;
    let row =
        transaction.query_opt("SELECT id FROM crm.patients WHERE phone = $1", &[&phone]).await?;
    match row {
        Some(row) => Ok(PersonId(row.get(0))),
        None => register(transaction, phone, "").await,
    }
}

pub(crate) async fn register(
    transaction: &Transaction<'_>,
    phone: &str,
    name: &str,
) -> Result<PersonId> {
    let id = PersonId::generate();
    let conversation = ConversationId::generate();
    transaction
        .execute(
            "INSERT INTO crm.people (id, kind, name) VALUES ($1, 'patient', $2)",
            &[&id.0, &name],
        )
        .await?;
    transaction
        .execute("INSERT INTO crm.patients (id, phone) VALUES ($1, $2)", &[&id.0, &phone])
        .await?;
    transaction
        .execute(
            "INSERT INTO chat.conversations (id, patient_id) VALUES ($1, $2)",
            &[&conversation.0, &id.0],
        )
        .await?;
    Ok(id)
}

pub(crate) async fn profile(
    client: &impl GenericClient,
    patient: PersonId,
) -> Result<Option<Profile>> {
    let row = client
        .query_opt(
            "SELECT pp.name, p.phone, p.birth_date, p.city, p.time_zone, c.id AS conversation_id
             FROM crm.patients p JOIN crm.people pp ON pp.id = p.id
             JOIN chat.conversations c ON c.patient_id = p.id WHERE p.id = $1",
            &[&patient.0],
        )
        .await?;
    Ok(row.map(|row| Profile {
        name: row.get("name"),
        phone: row.get("phone"),
        birth_date: row.get("birth_date"),
        city: row.get("city"),
        time_zone: row.get("time_zone"),
        conversation: ConversationId(row.get("conversation_id")),
    }))
}

/// Fields to change; absent ones stay.
#[derive(Default)]
pub(crate) struct ProfileChange {
    pub(crate) name: Option<String>,
    pub(crate) birth_date: Option<Date>,
    pub(crate) city: Option<String>,
    pub(crate) time_zone: Option<String>,
}

pub(crate) async fn update(
    transaction: &Transaction<'_>,
    patient: PersonId,
    change: &ProfileChange,
) -> Result<()> {
    transaction
        .execute(
            "UPDATE crm.people SET name = coalesce($2, name) WHERE id = $1",
            &[&patient.0, &change.name],
        )
        .await?;
    transaction
        .execute(
            "UPDATE crm.patients SET birth_date = coalesce($2, birth_date),
                    city = coalesce($3, city), time_zone = coalesce($4, time_zone) WHERE id = $1",
            &[&patient.0, &change.birth_date, &change.city, &change.time_zone],
        )
        .await?;
    Ok(())
}

/// The card without its history and files.
pub(crate) async fn card(
    client: &impl GenericClient,
    patient: PersonId,
) -> Result<Option<PatientCard>> {
    let row = client
        .query_opt(
            "SELECT pp.id, pp.name, pp.created_at, p.phone, p.birth_date, p.city, p.time_zone,
                    extract(year FROM age(p.birth_date))::int AS age, c.id AS conversation_id
             FROM crm.patients p JOIN crm.people pp ON pp.id = p.id
             JOIN chat.conversations c ON c.patient_id = p.id WHERE p.id = $1",
            &[&patient.0],
        )
        .await?;
    Ok(row.map(|row| PatientCard {
        id: PersonId(row.get("id")),
        name: row.get("name"),
        phone: row.get("phone"),
        birth_date: row.get::<_, Option<Date>>("birth_date").map(|date| date.to_string()),
        age: row.get("age"),
        city: row.get("city"),
        time_zone: row.get("time_zone"),
        conversation: ConversationId(row.get("conversation_id")),
        registered_at: row.get::<_, Timestamp>("created_at").into(),
        history: Vec::new(),
        files: Vec::new(),
    }))
}

/// Patients whose conversation the operator may read, last contact first. The
/// condition is `crm.may_read` turned inside out, so that the lists of
/// conversations are computed once and not for each patient.
pub(crate) async fn list(
    client: &impl GenericClient,
    reader: PersonId,
    role: Role,
    search: Option<&Search>,
    page: &Page,
) -> Result<Vec<(Cursor, PatientListItem)>> {
    let rows = client
        .query(
            "WITH served AS (
                 SELECT k.conversation_id FROM crm.consultations k
                 WHERE k.operator_id = $1
                    OR (k.state = 'waiting' AND ($2 = 'desk' OR k.specialty IS NULL
                        OR k.specialty = (SELECT specialty FROM crm.operators WHERE id = $1)))
                 UNION SELECT b.conversation_id FROM crm.callbacks b WHERE b.operator_id = $1)
             SELECT pp.id, pp.name, p.phone, p.city, c.id AS conversation_id, c.last_at,
                    extract(year FROM age(p.birth_date))::int AS age,
                    coalesce(c.last_at, pp.created_at) AS sort_at,
                    (SELECT count(*) FROM crm.consultations k WHERE k.patient_id = p.id)
                        AS consultations
             FROM crm.patients p JOIN crm.people pp ON pp.id = p.id
             JOIN chat.conversations c ON c.patient_id = p.id
             WHERE ($2 = 'supervisor' OR c.id IN (SELECT conversation_id FROM served))
               AND ($3::text IS NULL OR pp.name ILIKE $3 OR p.phone LIKE $4)
               AND ($5::timestamptz IS NULL
                    OR (coalesce(c.last_at, pp.created_at), p.id) < ($5, $6))
             ORDER BY coalesce(c.last_at, pp.created_at) DESC, p.id DESC LIMIT $7",
            &[
                &reader.0,
                &role.as_str(),
                &search.map(|search| &search.name),
                &search.and_then(|search| search.phone.as_ref()),
                &page.after_at(),
                &page.after_id(),
                &page.rows(),
            ],
        )
        .await?;
    rows.iter().map(list_item).collect()
}

fn list_item(row: &Row) -> Result<(Cursor, PatientListItem)> {
    let id: Uuid = row.get("id");
    let item = PatientListItem {
        id: PersonId(id),
        name: row.get("name"),
        phone: row.get("phone"),
        age: row.get("age"),
        city: row.get("city"),
        conversation: ConversationId(row.get("conversation_id")),
        last_contact_at: row.get::<_, Option<Timestamp>>("last_at").map(Into::into),
        consultations: count(row, "consultations")?,
    };
    Ok((Cursor { at: row.get("sort_at"), id }, item))
}

/// What a person typed into a search field, as patterns.
pub(crate) struct Search {
    pub(crate) name: String,
    /// When it has enough digits to be part of a phone.
    pub(crate) phone: Option<String>,
    /// When it is a number, perhaps with spaces or a № in front.
    pub(crate) number: Option<i64>,
}

impl Search {
    /// `None` for an empty field.
    pub(crate) fn parse(typed: &str) -> Option<Self> {
        let typed: String = typed.trim().chars().take(100).collect();
        if typed.is_empty() {
            return None;
        }
        let digits: String = typed.chars().filter(char::is_ascii_digit).collect();
        let has_letters = typed.chars().any(char::is_alphabetic);
        // A Russian number is often typed with 8 for +7.
        let phone_digits = match digits.strip_prefix('8') {
            Some(rest) if digits.len() == 11 => rest,
            _ => digits.as_str(),
        };
        let phone = (digits.len() >= 3 && !has_letters).then(|| contains_pattern(phone_digits));
        let number = if has_letters { None } else { digits.parse().ok() };
        Some(Self { name: contains_pattern(&typed), phone, number })
    }
}

#[cfg(test)]
mod tests {
    use super::Search;

    #[test]
    fn a_number_searches_phones_and_consultations() {
        let search = Search::parse("№ 10 482").expect("not empty");
        assert_eq!(search.number, Some(10482));
        assert_eq!(search.phone.as_deref(), Some("%10482%"));
        let search = Search::parse("8 (900) 000-00-24").expect("not empty");
        assert_eq!(search.phone.as_deref(), Some("%9000000024%"));
    }

    #[test]
    fn wildcards_are_taken_literally() {
        let search = Search::parse("100%_\\").expect("not empty");
        assert_eq!(search.name, "%100\\%\\_\\\\%");
        assert!(Search::parse("  ").is_none());
        assert_eq!(Search::parse("Анна 2").expect("not empty").phone, None);
    }
}
